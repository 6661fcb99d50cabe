"""Purge a name: remove all that any block keeps for a component, or record that it is not done.

Each block declares how (`Block.forget`). This writes the intention down first and strikes it out
last. When the process dies or a disk refuses in between, the host resumes the purge as it next
opens the home; until then the name cannot be installed. Otherwise the next owner of a name could
read the last owner's data.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import cast

from airswasm.runtime import Services
from airswasm.storage import KeyValueStore, StorageError
from airswasm.wit import AirswasmError, Blocks, load_part, safe_text

from .._block import BLOCK
from ..errors import PurgeIncomplete

__all__ = ("PURGES_NAMESPACE", "Forgetting")

PURGES_NAMESPACE = "airswasm-purges"
"""Of the host's store; contains no slash, so no component has this name. A row is a name that is
to be purged, with the name of its package."""
_NO_QUOTA = 2**62


class Forgetting:
    """The purges of one home.

    Args:
        blocks: The blocks to ask to forget.
        services: Passed to each block.
        store: Keeps the names of unfinished purges.
        give_up: Frees the name of a package for another owner.
        checkpoint: Called before each step; tests stop the process there.
    """

    def __init__(
        self,
        blocks: Blocks,
        services: Services,
        store: KeyValueStore,
        give_up: Callable[[str], Awaitable[None]],
        checkpoint: Callable[[str], None],
    ) -> None:
        self._blocks, self._services, self._give_up = blocks, services, give_up
        self._checkpoint = checkpoint
        self._unfinished = store.namespace(PURGES_NAMESPACE, quota_bytes=_NO_QUOTA)

    async def intend(self, name: str, package_name: str) -> None:
        """Write down durably that a name is to be purged which is not installed.

        For one that is, the row goes with the write that removes its record: else a crash between
        the two would purge a component that stays.
        """
        await self._unfinished.set(name, package_name.encode())

    async def finish(self, name: str) -> None:
        """Purge a name if that was intended; otherwise do nothing.

        Raises:
            PurgeIncomplete: A block failed to forget the name; every other block has forgotten it.
        """
        package_name = await self._unfinished.get(name)
        if package_name is None:
            return
        failures: list[str] = []
        if package_name:
            self._checkpoint("purge.give-up")
            try:
                await self._give_up(package_name.decode())
            except AirswasmError as error:  # the trust file cannot be written
                failures.append(f"airswasm-security: {error}")
        await self._forget(name, failures)

    async def reset(self, name: str) -> None:
        """Remove a component's data, as a purge does, but for its log, figures and dead letters.

        After a crash in between, the host resumes it as a purge, which removes those, too.

        Raises:
            PurgeIncomplete: A block failed; it is resumed with the next change of the name.
        """
        await self.intend(name, "")
        await self._forget(name, [], leaves_out=str(BLOCK.forget))

    async def finish_among(self, names: Collection[str]) -> None:
        """Purge those of many names for which that was intended; raises as `finish`."""
        intended = [entry.key async for entry in self._unfinished.entries()]
        for name in intended:
            if name in names:
                await self.finish(name)

    async def resume(self, warn: Callable[[str, str], None]) -> None:
        """Resume every unfinished purge; call `warn(name, text)` for each that fails again."""
        names = [entry.key async for entry in self._unfinished.entries()]
        for name in names:
            try:
                await self.finish(name)
            except PurgeIncomplete as error:
                warn(name, str(error))

    async def _forget(self, name: str, failures: list[str], *, leaves_out: str = "") -> None:
        """Let the blocks forget a name, and strike the purge out if nothing has failed."""
        failures += [each async for each in self._ask(name, leaves_out=leaves_out)]
        if not failures:
            self._checkpoint("purge.forgotten")
            try:
                await self._unfinished.delete(name)
            except StorageError as error:
                failures.append(f"airswasm-lifecycle: {error}")
        if failures:
            raise PurgeIncomplete(name, failures)

    async def _ask(self, name: str, *, leaves_out: str = "") -> AsyncIterator[str]:
        for each in self._blocks:
            if each.block.forget and each.block.forget != leaves_out:
                self._checkpoint(f"purge.{each.block.name}")
                try:
                    part = cast("Callable[[Services, str], object]", load_part(each.block.forget))
                    done = part(self._services, name)
                    if inspect.isawaitable(done):
                        await done
                except Exception as error:  # the code of any package
                    yield f"{each.distribution}: {safe_text(error)}"
