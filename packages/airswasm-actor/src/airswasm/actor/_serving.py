"""The tasks of the dispatcher: the one that serves the run queue, and those that handlers need.

What waits is kept out of the modules that can be compiled: mypyc makes no coroutines that the
interpreter knows as such, and from Python 3.12 on each cancel of one warns (mypyc issue 1214).
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from time import monotonic
from typing import TYPE_CHECKING, cast

import anyio
import anyio.lowlevel
from airswasm.runtime import CallState

if TYPE_CHECKING:
    from ._cell import Cell
    from ._dispatcher import CallWork, Dispatcher
    from .actor import GuestCall
    from .message import Message
    from .reference import ActorRef

__all__ = ("TaskWork", "be_over", "poll_in_thread", "serve", "serve_in_task")


class TaskWork:
    """A message that an async handler has in hand; its task belongs to the system's group."""

    __slots__ = ("_news", "has_ended", "message", "scope")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.scope = anyio.CancelScope()
        self.has_ended = False
        self._news: anyio.Event | None = None

    def cancel(self) -> None:
        """Cancels the handler where it waits."""
        self.scope.cancel()

    def end(self) -> None:
        """The handler has returned, or unwound."""
        self.has_ended = True
        if self._news is not None:
            self._news.set()

    async def wait_ended(self) -> None:
        """Waits until the handler has returned, or unwound."""
        if not self.has_ended:
            self._news = self._news or anyio.Event()
            await self._news.wait()


async def be_over() -> None:
    """Nothing has to be waited for."""


async def serve(dispatcher: Dispatcher) -> None:
    """Serves the run queue until it is cancelled."""
    while True:
        if not dispatcher.run_queue:
            dispatcher.wake = wake = anyio.Event()
            await wake.wait()
        dispatcher.begin_round()
        await anyio.lowlevel.checkpoint()


async def serve_in_task(
    dispatcher: Dispatcher, cell: Cell, work: TaskWork, rest: Awaitable[object] | None
) -> None:
    """Handles the message in hand, and then those that wait, in this one task."""
    dispatcher.current.set(cast("ActorRef", cell))
    turn_ends = monotonic() + dispatcher.config.slice
    while await _handle(dispatcher, cell, work, rest):
        rest = None
        if not cell.is_ready or cell.is_scheduled:
            return
        if monotonic() > turn_ends:
            await anyio.lowlevel.checkpoint()
            turn_ends = monotonic() + dispatcher.config.slice
            if not cell.is_ready or cell.is_scheduled:
                return  # type: ignore[unreachable]  # others ran meanwhile
        message = dispatcher.take(cell)
        if message is None:
            cell.settle()
            return
        work = dispatcher.take_in_hand(cell, message)


async def _handle(
    dispatcher: Dispatcher, cell: Cell, work: TaskWork, rest: Awaitable[object] | None
) -> bool:
    """Whether the handler ended of itself and without a crash."""
    try:
        return await _handle_killable(dispatcher, cell, work, rest)
    finally:
        work.end()


async def _handle_killable(
    dispatcher: Dispatcher, cell: Cell, work: TaskWork, rest: Awaitable[object] | None
) -> bool:
    if cell.work is not work:  # killed before its task had begun
        if isinstance(rest, Coroutine):
            rest.close()
        return False
    with work.scope:
        try:
            if rest is None:
                receive = cell.receive or cell.equip()
                result = receive(work.message, cell.context)  # type: ignore[arg-type]
                if hasattr(type(result), "__await__"):  # a plain handler may answer at once
                    result = await cast("Awaitable[object]", result)
            else:
                result = await rest
        except Exception as error:
            dispatcher.crash_task(cell, work, error)
        except BaseException:
            dispatcher.crash_task(cell, work, None)
            raise
        else:
            return dispatcher.end_task(cell, work, result)
    return False


async def poll_in_thread(dispatcher: Dispatcher, cell: Cell, work: CallWork) -> None:
    """Stint after stint in a worker thread, until the call is done or waits."""
    call = cast("GuestCall", work.call)
    state = CallState.READY
    while state is CallState.READY and cell.work is work:
        work.is_waiting = True
        state = await call.poll_in_thread()
    work.is_in_thread = False
    if cell.work is not work:
        return
    if state is CallState.DONE:
        dispatcher.end_call(cell, work.message, call)
    elif not work.is_waiting and not cell.is_scheduled:
        dispatcher.schedule(cell)
