"""Remove the versions that no rule keeps any more: at each change of a name, and as time passes.

`_registry.retention` has the rules. The version that runs is safe even where the record does not
have it as the active one, as in the midst of a switch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

import anyio
import anyio.to_thread
from airswasm.runtime import Meters
from airswasm.storage import StorageError
from airswasm.wit import AirswasmError

from .._block import VERSIONS_REMOVED
from .._home.logbook import LogBook
from .._home.policy import HostPolicy
from .._hosting.hosting import Hosting
from .._hosting.loading import Loader
from .._registry.history import History
from .._registry.ledger import Ledger
from .._registry.registry import Registry
from .._registry.retention import without_expired
from .._registry.stored_packages import StoredPackages

__all__ = ("Retaining",)

_PAUSE = 60.0
_HISTORY_PAUSE = 86_400.0

Alone = Callable[[str], AbstractAsyncContextManager[None]]


class Retaining:
    """Cleans up the retained versions and the history of one home.

    Args:
        alone: Allows one change of a name at a time.
        clock: Returns the seconds since 1970.
    """

    def __init__(
        self,
        registry: Registry,
        ledger: Ledger,
        stored: StoredPackages,
        loader: Loader,
        hosting: Hosting,
        logs: LogBook,
        history: History,
        meters: Meters,
        policy: Callable[[], HostPolicy],
        alone: Alone,
        clock: Callable[[], float],
    ) -> None:
        self._registry, self._ledger, self._stored = registry, ledger, stored
        self._loader, self._hosting, self._logs = loader, hosting, logs
        self._history, self._meters = history, meters
        self._policy, self._alone, self._clock = policy, alone, clock

    async def expired(self, name: str) -> tuple[str, ...]:
        """Return the versions of a name that no rule keeps."""
        record = self._registry.find(name)
        rules = self._policy().install
        if record is None or len(record.versions) <= rules.retain:
            return ()
        now = self._clock()
        kept = await anyio.to_thread.run_sync(  # it asks the disk for sizes
            lambda: without_expired(record, rules, now, size_of=self._stored.size_of)
        )
        safe = {*(each.version for each in kept), self._hosting.version(name)}
        return tuple(each.version for each in record.versions if each.version not in safe)

    async def tidy(self, name: str) -> None:
        """Remove the versions of a name that no rule keeps, and the files that nothing needs.

        The caller has the name for itself, and has done what it wanted: this does not fail.
        """
        with suppress(AirswasmError):
            await self._drop(name)
            await self.sweep()

    async def drop_expired(self) -> dict[str, tuple[str, ...]]:
        """Remove the versions that no rule keeps, of all names; their files stay until a sweep.

        Returns:
            The versions that are gone, by name.

        Raises:
            StorageError, AuditUnavailable: The rest stays for the next time.
        """
        done: dict[str, tuple[str, ...]] = {}
        for record in tuple(self._registry):
            if len(record.versions) > 1 and await self.expired(record.name):
                async with self._alone(record.name):
                    if gone := await self._drop(record.name):
                        done[record.name] = gone
        return done

    async def sweep(self) -> None:
        """Remove the files of versions that have left, from the disk and from memory."""
        self._loader.keep_only(await self._ledger.sweep())

    async def _drop(self, name: str) -> tuple[str, ...]:
        gone = await self.expired(name)
        if gone:
            gone = await self._ledger.drop_versions(name, gone)
            self._meters.add(VERSIONS_REMOVED, name, len(gone))
            text = f"retained no longer: {', '.join(gone)}"
            self._logs.write(name, "info", text, source="supervisor")
        return gone

    async def run(self) -> None:
        """Clean up now and then, until cancelled; a disk that refuses is asked again."""
        cleaned = anyio.current_time()
        while True:
            await anyio.sleep(_PAUSE)
            with suppress(AirswasmError):
                if await self.drop_expired():
                    await self.sweep()
            if anyio.current_time() - cleaned >= _HISTORY_PAUSE:
                cleaned = anyio.current_time()
                with suppress(StorageError):
                    await self._history.clean()
