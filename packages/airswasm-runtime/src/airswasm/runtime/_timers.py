"""Any number of timers on one task.

A waiting guest must not cost a task, and neither must its deadline: the timers
are a heap, and one task sleeps until the earliest. Cancelling marks an entry
and leaves it in the heap; when more than half of it is cancelled, the heap is
rebuilt, so that hot calls which set and cancel a deadline each cannot grow it.
The clock is the event loop's, so that trio's autojump clock drives it in tests.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count

import anyio

from ._scopes import outlast


class Timer:
    """One callback to come; see `Timers.after`."""

    __slots__ = ("_callback", "_timers", "deadline", "order")

    def __init__(
        self, deadline: float, order: int, callback: Callable[[], object], timers: Timers
    ) -> None:
        self.deadline: float = deadline
        self.order: int = order
        self._callback: Callable[[], object] | None = callback
        self._timers = timers

    def __lt__(self, other: Timer) -> bool:
        return (self.deadline, self.order) < (other.deadline, other.order)

    @property
    def is_active(self) -> bool:
        """Whether it will still fire."""
        return self._callback is not None

    def cancel(self) -> None:
        """Make sure that it does not fire any more. Cancelling twice is fine."""
        if self._callback is not None:
            self._callback = None
            self._timers._forget()

    def _fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Timers:
    """Timers on the event loop's clock. Only for the loop's own thread.

    A callback must not raise: what it raises ends the engine's task group,
    because a timer has no caller to tell.
    """

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._order = count()
        self._cancelled = 0
        self._changed: anyio.Event | None = None
        self._sleeping_until = math.inf

    def after(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` on the loop's thread once `seconds` have passed."""
        timer = Timer(anyio.current_time() + seconds, next(self._order), callback, self)
        heapq.heappush(self._heap, timer)
        if timer.deadline < self._sleeping_until and self._changed is not None:
            self._changed.set()
        return timer

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    async def run(self) -> None:
        """Fire timers until a scope cancels it; the engine runs this as one task."""
        await outlast(self._run)

    async def _run(self) -> None:
        while True:
            self._changed = anyio.Event()
            self._sleeping_until = self._heap[0].deadline if self._heap else math.inf
            with anyio.move_on_after(max(0.0, self._sleeping_until - anyio.current_time())):
                await self._changed.wait()
            self._fire_due()

    def _fire_due(self) -> None:
        now = anyio.current_time()
        while self._heap and self._heap[0].deadline <= now:
            timer = heapq.heappop(self._heap)
            if timer.is_active:
                timer._fire()
            else:
                self._cancelled -= 1

    def _forget(self) -> None:
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [timer for timer in self._heap if timer.is_active]
            heapq.heapify(self._heap)
            self._cancelled = 0
