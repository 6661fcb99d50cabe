"""Turns on worker threads: as many guests compute at once as the machine has processors.

More threads than processors would slow down the one that all others need, the event loop's. The
guest that used the least time by weight goes first, so that a short computation does not wait for
all long ones before it.
"""

from __future__ import annotations

import heapq
import os
from time import monotonic
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from airswasm.runtime import CallState

    from .cell import Cell, GuestCall

__all__ = ("ThreadTurns", "processors")

_FIRST = -1.0
"""Before every busy guest."""


def processors() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        return os.cpu_count() or 1


class ThreadTurns:
    """Lets guests compute on worker threads, a few at a time.

    Args:
        count: The number of guests that may do so at once.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[float, int, anyio.Event]] = []
        self._asked = 0

    async def poll(self, cell: Cell, call: GuestCall) -> CallState:
        """Run one stint of a guest's call on a worker thread, and charge the guest for it."""
        await self._take(cell)
        began = monotonic()
        try:
            return await call.poll_in_thread()
        finally:
            cell.charge(monotonic() - began)
            self._give()

    async def _take(self, cell: Cell) -> None:
        if self._free:
            self._free -= 1
            return
        turn = anyio.Event()
        self._asked += 1
        entry = (_FIRST if cell.share is None else cell.share.used, self._asked, turn)
        heapq.heappush(self._waiting, entry)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._give()
            else:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
            raise

    def _give(self) -> None:
        if self._waiting:
            heapq.heappop(self._waiting)[2].set()
        else:
            self._free += 1
