"""Remove entries that expired, a bounded step at a time, and count them.

Readers do not see an entry that expired, whether it was removed or not (`entries`); this gives
its space back. Each namespace has its entries with an expiry in the order of their times, so that
a step reads what it removes and nothing else. A step is one batch, counters included, so that it
survives a kill like any write.

The store's time is not the system's. It follows the system's clock, and where that is set back it
goes on by the time that passes: nothing expires early, whatever the clock does, and a restart does
not revive what expired. It is written with what it decides, and when the store closes.

Rejected: a timer for each entry; a look at all keys from time to time, which costs as much as the
content is large; expiry by the engine, which RocksDB does at compactions, and the others not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from .._layout.entries import scan_expired
from .._layout.keys import LAST_TIME, SPACES, after_prefix
from .._layout.space import Space, pack_space, pack_time
from ..errors import StorageError

if TYPE_CHECKING:
    from .._backends.backend import Change
    from .._store import Store

__all__ = ("ElapsedTime", "Expiring")

_STEP_ENTRIES = 256
_LONGEST_PAUSE, _SHORTEST_PAUSE = 1.0, 0.02
"""Seconds. A clock may be set, so a sleep is never as long as the time to the next expiry."""


class ElapsedTime:
    """A time that follows a clock, and goes on where the clock is set back.

    Args:
        clock: The time in seconds since 1970, which may be set.
        timer: Seconds that pass, however the clock is set.
    """

    def __init__(self, clock: Callable[[], float], timer: Callable[[], float]) -> None:
        self._clock, self._timer = clock, timer
        self._now, self._seen = clock(), timer()

    def not_before(self, milliseconds: int) -> None:
        """Advance to a time that was seen before, if this one is behind it."""
        self._now = max(self._now, milliseconds / 1_000)

    def now(self) -> int:
        """Return the time in milliseconds."""
        seen = self._timer()
        self._now = max(self._now + seen - self._seen, self._now, self._clock())
        self._seen = seen
        return math.floor(self._now * 1_000)


class Expiring:
    """Sweeps the namespaces of a store that have entries with an expiry.

    Attributes:
        swept: How many expired entries were removed since the store was opened.
    """

    def __init__(self, store: Store) -> None:
        self.swept = 0
        self._store = store
        self._timed: dict[bytes, Space] = {}
        self._has_looked = False
        self._wake = anyio.Event()

    def note(self, record_key: bytes, space: Space, expired: int = 0) -> None:
        """Look after a namespace, after it was written or loaded.

        Args:
            record_key: The key of its record.
            space: Its state.
            expired: How many expired entries a write removed.
        """
        self.swept += expired
        if space.timed and self._timed.get(record_key) is not space:
            self._timed[record_key] = space
            self._wake.set()

    def forget(self) -> None:
        """Forget what was read from a disk that failed; `run` looks again."""
        self._timed.clear()
        self._has_looked = False
        self._wake.set()

    def remember_time(self) -> None:
        """Write the store's time, where it matters."""
        if self._timed:
            with suppress(StorageError):  # then what expired last may be seen once more
                self._store.apply([(LAST_TIME, pack_time(self._store.now()))])

    async def run(self) -> None:
        """Sweep what is due, for ever."""
        while True:
            await self._sweep_quietly()
            while self._timed:
                await anyio.sleep(self._pause())
                await self._sweep_quietly()
            await self._wake.wait()
            self._wake = anyio.Event()

    async def sweep(self) -> int:
        """Remove all entries that expired by now; return how many.

        Raises:
            StorageError: The store refuses. What was removed before stays removed.
        """
        before = self.swept
        await self._find()
        for record_key in list(self._timed):
            while self.step(record_key):
                await anyio.lowlevel.checkpoint()
        return self.swept - before

    def step(self, record_key: bytes) -> int:
        """Remove the next few expired entries of a namespace; return how many.

        Raises:
            StorageError: The store refuses; nothing changed.
        """
        store, now = self._store, self._store.now()
        space = store.space(record_key)
        found = list(islice(scan_expired(store.backend, space, now), _STEP_ENTRIES))
        if not found:
            if space.due <= now:
                space.find_due(store.backend, now + 1)
            if not space.timed:
                self._timed.pop(record_key, None)
            return 0
        changes: list[Change] = []
        for key, _, expires in found:
            changes.append((space.prefix + key, None))
            changes.append((space.expiries + key, None))
            changes.append((space.deadlines + pack_time(expires) + key, None))
        used = space.used_bytes - sum(each.charged for each in found)
        keys, timed = space.keys - len(found), space.timed - len(found)
        generation = space.generation if keys else 0
        changes.append((record_key, pack_space(used, keys, generation, timed)))
        changes.append((LAST_TIME, pack_time(now)))
        store.apply(changes)
        space.due = found[-1].expires
        space.set(used, keys, generation, timed)
        if space.touched is not None:
            space.touched.update(each.key for each in found)
        self.swept += len(found)
        return len(found)

    async def _sweep_quietly(self) -> None:
        try:
            await self.sweep()
        except StorageError:  # the next write will tell, and the next turn tries again
            await anyio.sleep(_LONGEST_PAUSE)

    def _pause(self) -> float:
        due = min((space.due for space in self._timed.values()), default=0)
        left = (due - self._store.now()) / 1_000
        return min(max(left, _SHORTEST_PAUSE), _LONGEST_PAUSE)

    async def _find(self) -> None:
        """Look for namespaces that have entries with an expiry, once after each opening."""
        start, end = SPACES, after_prefix(SPACES)
        while not self._has_looked:
            found = list(islice(self._store.backend.scan(start, end), _STEP_ENTRIES))
            for record_key, record in found:
                if Space.unpack(record).timed:
                    self.note(record_key, self._store.space(record_key))
            if len(found) < _STEP_ENTRIES:
                self._has_looked = True
                return
            start = found[-1][0] + b"\0"
            await anyio.lowlevel.checkpoint()
