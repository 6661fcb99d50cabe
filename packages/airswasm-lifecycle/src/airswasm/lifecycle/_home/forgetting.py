"""Purge a name: remove all that any block keeps for a component, or record that it is not done.

Each block declares how (`Block.forget`). This writes the intention down first and strikes it out
last. When the process dies or a disk refuses in between, the host resumes the purge as it next
opens the home; until then the name cannot be installed. Otherwise the next owner of a name could
read the last owner's data.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import cast

from airswasm.runtime import Services
from airswasm.storage import KeyValueStore
from airswasm.wit import Blocks, load_part, safe_text

from .._block import BLOCK
from ..errors import PurgeIncomplete

__all__ = ("Forgetting",)

_NAMESPACE = "airswasm-purges"
"""Contains no slash, so no component has this name."""
_NO_QUOTA = 2**62


class Forgetting:
    """The purges of one home.

    Args:
        blocks: The blocks to ask to forget.
        services: Passed to each block.
        store: Keeps the names of unfinished purges.
    """

    def __init__(self, blocks: Blocks, services: Services, store: KeyValueStore) -> None:
        self._blocks, self._services = blocks, services
        self._unfinished = store.namespace(_NAMESPACE, quota_bytes=_NO_QUOTA)

    async def intend(self, name: str) -> None:
        """Write down durably that a name is to be purged."""
        await self._unfinished.set(name, b"")

    async def finish(self, name: str) -> None:
        """Purge a name if that was intended; otherwise do nothing.

        Raises:
            PurgeIncomplete: A block failed to forget the name; every other block has forgotten it.
        """
        if await self._unfinished.get(name) is None:
            return
        failures = [each async for each in self._ask(name)]
        if failures:
            raise PurgeIncomplete(name, failures)
        await self._unfinished.delete(name)

    async def reset(self, name: str) -> None:
        """Remove a component's data, as a purge does, but for its log, figures and dead letters.

        After a crash in between, the host resumes it as a purge, which removes those, too.

        Raises:
            PurgeIncomplete: A block failed; it is resumed with the next change of the name.
        """
        await self.intend(name)
        failures = [each async for each in self._ask(name, leaves_out=str(BLOCK.forget))]
        if failures:
            raise PurgeIncomplete(name, failures)
        await self._unfinished.delete(name)

    async def resume(self, warn: Callable[[str, str], None]) -> None:
        """Resume every unfinished purge; call `warn(name, text)` for each that fails again."""
        names = [entry.key async for entry in self._unfinished.entries()]
        for name in names:
            try:
                await self.finish(name)
            except PurgeIncomplete as error:
                warn(name, str(error))

    async def _ask(self, name: str, *, leaves_out: str = "") -> AsyncIterator[str]:
        for each in self._blocks:
            if each.block.forget and each.block.forget != leaves_out:
                try:
                    part = cast("Callable[[Services, str], object]", load_part(each.block.forget))
                    done = part(self._services, name)
                    if inspect.isawaitable(done):
                        await done
                except Exception as error:  # the code of any package
                    yield f"{each.distribution}: {safe_text(error)}"
