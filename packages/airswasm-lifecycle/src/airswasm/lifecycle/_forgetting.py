"""Purging a name to the end: whatever a block keeps for a component is removed, or it is known.

Each block says how (`Block.forget`). The intention is written down first and struck out last, so
that a purge which the process does not survive, or which a disk refuses, is taken up again when
the home is opened; until then the name cannot be installed. Otherwise the next owner of a name
could read what the last one left.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import cast

from airswasm.actor import ActorSystem
from airswasm.runtime import Meters, Services
from airswasm.storage import KeyValueStore
from airswasm.wit import Blocks, load_part, safe_text

from .errors import PurgeIncomplete
from .logbook import LogBook

__all__ = ("Forgetting", "forget")

_NAMESPACE = "airswasm-purges"
"""No slash: no component has this name."""
_NO_QUOTA = 2**62


class Forgetting:
    """Purges the names of one home.

    Args:
        blocks: Each is asked to forget.
        services: What they are handed.
        store: Where unfinished purges are written down.
    """

    def __init__(self, blocks: Blocks, services: Services, store: KeyValueStore) -> None:
        self._blocks, self._services = blocks, services
        self._unfinished = store.namespace(_NAMESPACE, quota_bytes=_NO_QUOTA)

    async def intend(self, name: str) -> None:
        """Write down, durably, that a name is to be purged."""
        await self._unfinished.set(name, b"")

    async def finish(self, name: str) -> None:
        """Purge a name if that was intended; without effect otherwise.

        Raises:
            PurgeIncomplete: A block could not forget it; every other one has.
        """
        if await self._unfinished.get(name) is None:
            return
        failures = [each async for each in self._ask(name)]
        if failures:
            raise PurgeIncomplete(name, failures)
        await self._unfinished.delete(name)

    async def resume(self, warn: Callable[[str, str], None]) -> None:
        """Take up every unfinished purge; `warn(name, text)` is told of those that still fail."""
        names = [entry.key async for entry in self._unfinished.entries()]
        for name in names:
            try:
                await self.finish(name)
            except PurgeIncomplete as error:
                warn(name, str(error))

    async def _ask(self, name: str) -> AsyncIterator[str]:
        for each in self._blocks:
            if each.block.forget:
                try:
                    part = cast("Callable[[Services, str], object]", load_part(each.block.forget))
                    done = part(self._services, name)
                    if inspect.isawaitable(done):
                        await done
                except Exception as error:  # the code of any package
                    yield f"{each.distribution}: {safe_text(error)}"


def forget(services: Services, name: str) -> None:
    """Remove a component's log, figures and dead letters; without effect when there are none."""
    services.get(LogBook).forget(name, purge=True)
    services.get(Meters).forget(name)
    services.get(ActorSystem).dead_letters.forget(name)
