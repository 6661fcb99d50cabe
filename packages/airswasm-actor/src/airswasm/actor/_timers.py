"""Any number of timers in one task.

Asks, senders that wait, and back-offs need a timer each, and nearly all of them are cancelled
before they fire. A task or a cancel scope for each would cost microseconds and kilobytes; here a
timer is an entry in a heap, a cancel marks it, and a heap that is mostly marks is rebuilt.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import anyio

__all__ = ("Timer", "Timers")

_SMALLEST_SWEEP = 64


class Timer:
    """One callback to come. `cancel` is cheap and may be called any number of times."""

    __slots__ = ("_timers", "at", "callback")

    def __init__(self, timers: Timers, at: float, callback: Callable[[], None]) -> None:
        self._timers = timers
        self.at = at
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """The callback will not be called."""
        if self.callback is not None:
            self.callback = None
            self._timers.note_cancelled()


class Timers:
    """A heap of timers and the one task that sleeps until the first of them."""

    __slots__ = ("_cancelled", "_clock", "_heap", "_order", "_sleeping_until", "_wake")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._cancelled = 0
        self._wake: anyio.Event | None = None
        self._sleeping_until = 0.0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` after `seconds`, on the loop's thread; it must not raise or block."""
        at = self._clock() + seconds
        timer = Timer(self, at, callback)
        heapq.heappush(self._heap, (at, next(self._order), timer))
        if self._wake is not None and at < self._sleeping_until:
            self._wake.set()
        return timer

    def note_cancelled(self) -> None:
        """Counts one more dead entry, and sweeps when they are the majority."""
        self._cancelled += 1
        if self._cancelled > _SMALLEST_SWEEP and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    async def run(self) -> None:
        """Fires timers until it is cancelled."""
        while True:
            self._fire_due()
            self._wake = anyio.Event()
            until = self._heap[0][0] if self._heap else float("inf")
            self._sleeping_until = until
            with anyio.move_on_after(max(0.0, until - self._clock()) if self._heap else None):
                await self._wake.wait()
            self._wake = None

    def _fire_due(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled -= 1
            else:
                callback()
