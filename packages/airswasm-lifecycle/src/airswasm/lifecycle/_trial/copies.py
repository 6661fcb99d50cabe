"""Copies of a component's namespace that last as long as a trial.

The name of a copy is written down before there is one, so that the next start of a host drops what
a killed one left behind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from secrets import token_hex

import anyio
from airswasm.storage import Namespace, Store

__all__ = ("Copies",)

_INDEX = "airswasm-trials"
"""Contains no slash, so no component has this name; nor has a copy one of a component."""
_NO_QUOTA = 2**62


class Copies:
    """The copies of one store.

    Args:
        store: The open store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._index = store.namespace(_INDEX, quota_bytes=_NO_QUOTA)

    async def drop_leftovers(self) -> int:
        """Drop the copies that a host before left behind; return how many there were."""
        names = [entry.key async for entry in self._index.entries()]
        for name in names:
            await self._drop(name)
        return len(names)

    @asynccontextmanager
    async def of(self, name: str) -> AsyncGenerator[Namespace]:
        """Copy a component's namespace in bounded steps, and drop the copy at the end of the block.

        Raises:
            StorageError: The store refuses; nothing is left.
        """
        label = f"airswasm-trial-{token_hex(8)}"
        await self._index.set(label, name.encode())
        try:
            copy = self._store.namespace(
                label, quota_bytes=_NO_QUOTA, durability="os", has_batch_bounds=False
            )
            await copy.copy_from(self._store.namespace(name))
            yield copy
        finally:
            with anyio.CancelScope(shield=True):
                await self._drop(label)

    async def _drop(self, label: str) -> None:
        await self._store.purge(label)
        await self._index.delete(label)
