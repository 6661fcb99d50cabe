"""A turn of a call on a worker thread, which ends before the call may.

A cancel scope shields the wait for a thread. `asyncio.wait_for`, `asyncio.timeout`, `Task.cancel`
and the Ctrl-C of `asyncio.run` know no scopes: they end the wait, and the thread goes on. To drop a
call that a thread polls ends the process, so what ended the wait waits here for the thread: for a
slice of the guest, some 10 ms.

Rejected: leaving the call to the thread to end. The engine may close meanwhile, and the loop too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ("Stint",)


class Stint:
    """One turn.

    Args:
        work: Polls until it is over or abandoned; returns whether the call is over.

    Attributes:
        is_abandoned: Whether the one that waited for it has left: the thread stops soon.
        is_over: Whether the call ended in it.
    """

    __slots__ = ("_ended", "_has_begun", "_lock", "_work", "is_abandoned", "is_over")

    def __init__(self, work: Callable[[Stint], bool]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._has_begun = False
        self.is_abandoned = False
        self.is_over = False

    def run(self) -> bool:
        """Work, on the thread; without effect once it is abandoned."""
        with self._lock:
            if self.is_abandoned:
                return False
            self._has_begun = True
        try:
            self.is_over = self._work(self)
        finally:
            self._ended.set()
        return self.is_over

    def abandon(self) -> None:
        """Stop it, and wait until no thread works at it.

        Raises:
            KeyboardInterrupt: Ctrl-C came meanwhile; the thread has ended all the same.
        """
        interrupt: KeyboardInterrupt | None = None
        with self._lock:
            self.is_abandoned = True
        while self._has_begun and not self._ended.is_set():
            try:
                self._ended.wait()
            except KeyboardInterrupt as pressed:
                interrupt = pressed
        if interrupt is not None:
            raise interrupt
