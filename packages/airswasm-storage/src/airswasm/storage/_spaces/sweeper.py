"""Remove generations that belong to nothing, a bounded step at a time.

A purge, an import or a restore leaves the old content behind (`keys`), marked in the same
batch. The marks are found again when the store opens, so that a killed host leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from .._layout.keys import GARBAGE, after_prefix, data_prefix, garbage_key, prefixes_of, range_of
from ..errors import StorageError

if TYPE_CHECKING:
    from .._backends.backend import Backend, Change
    from .._store import Store

_STEP_ENTRIES = 256
_PAUSE = 1.0
"""Seconds until a disk that refused is tried again."""


def find_garbage(backend: Backend) -> Iterable[int]:
    """Return the generations that a store held for nothing when it was opened."""
    return [int.from_bytes(key[1:], "big") for key, _ in backend.scan(*range_of(GARBAGE))]


class Sweeper:
    """Sweeps the generations that it is given, in their order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._generations: dict[int, bytes] = {}
        self._wake = anyio.Event()

    @property
    def pending(self) -> int:
        """The number of generations that are not swept yet."""
        return len(self._generations)

    def add(self, generation: int) -> None:
        """Sweep a generation, which must be marked as garbage."""
        self._generations.setdefault(generation, data_prefix(generation))
        self._wake.set()

    async def run(self) -> None:
        """Sweep whenever there is something, for ever."""
        while True:
            await self._wake.wait()
            try:
                self.step()
            except StorageError:
                await anyio.sleep(_PAUSE)
            if not self._generations:
                self._wake = anyio.Event()
            await anyio.lowlevel.checkpoint()

    def step(self) -> None:
        """Remove the next few keys.

        Raises:
            StorageError: The store refuses; nothing changed.
        """
        if not self._generations:
            return
        generation, start = next(iter(self._generations.items()))
        found = islice(_keys_of(self._store.backend, generation, start), _STEP_ENTRIES)
        changes: list[Change] = [(key, None) for key in found]
        is_last = len(changes) < _STEP_ENTRIES
        if is_last:
            changes.append((garbage_key(generation), None))
        self._store.apply(changes)
        if is_last:
            del self._generations[generation]
        else:  # beyond what was removed, so that the engine need not step over it again
            self._generations[generation] = changes[-1][0] + b"\0"


def _keys_of(backend: Backend, generation: int, start: bytes) -> Iterator[bytes]:
    """Yield the keys of all that belongs to a generation, from `start` on."""
    for prefix in prefixes_of(generation):
        for key, _ in backend.scan(max(start, prefix), after_prefix(prefix)):
            yield key
