"""The tasks of the dispatcher: the one that serves the run queue, and those that handlers need.

Coroutines are kept out of the modules that can be compiled: mypyc makes no coroutines that the
interpreter knows as such, and from Python 3.12 on each cancel of one warns (mypyc issue 1214).
They stand below the dispatcher, which starts them, and know it as the protocol `Turns`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Coroutine
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Protocol, cast

import anyio
import anyio.lowlevel
from airswasm.runtime import (
    CallState,
    OpenScopes,
    ScopeLeftOpen,
    asyncio_task,
    drop_cancellation,
    is_cancelled_by_scope,
    outlast,
)

from .._boundary import cancelled_part, raise_interrupt
from .cell import Work

if TYPE_CHECKING:
    from .._messages.events import EventStream
    from .._messages.message import Message
    from .cell import Cell, GuestCall
    from .shares import Shares
    from .threads import ThreadTurns

__all__ = (
    "PolledWork",
    "TaskWork",
    "Turns",
    "end_at_once",
    "poll_in_thread",
    "serve",
    "serve_in_task",
)

_LOOP_TURNS = 2
"""More turns of the event loop after those of busy guests. What waits for a thread, above all for
the disk, needs half a dozen of them, and would wait for a slice of a busy guest at each."""


class PolledWork(Work, Protocol):
    """A message that a guest has in hand."""

    call: GuestCall | None
    is_traced: bool
    is_waiting: bool
    is_in_thread: bool


class Turns(Protocol):
    """The part of the dispatcher that its tasks need."""

    events: EventStream
    run_queue: deque[Cell]
    shares: Shares[Cell]
    threads: ThreadTurns
    wake: anyio.Event | None
    current: ContextVar[Cell | None]

    @property
    def slice(self) -> float:
        """The seconds after which a turn ends."""
        ...

    def begin_round(self) -> None:
        """Give turns until the event loop has to have its own."""
        ...

    def schedule(self, cell: Cell) -> None:
        """Put a cell on the run queue."""
        ...

    def take(self, cell: Cell) -> Message | None:
        """Return the next message of an actor."""
        ...

    def begin_work(self, cell: Cell, message: Message) -> TaskWork:
        """Put a message into an actor's hands."""
        ...

    def end_work(self, cell: Cell, work: TaskWork, result: object) -> bool:
        """Note that a handler has returned."""
        ...

    def fail_work(self, cell: Cell, work: TaskWork, error: BaseException | None) -> None:
        """Note that a handler has raised, or was cancelled."""
        ...

    def end_call(self, cell: Cell, work: PolledWork, call: GuestCall) -> None:
        """Note that a guest's call is done."""
        ...

    def fail_call(self, cell: Cell, work: Work, error: BaseException) -> None:
        """Note that polling a guest's call has raised."""
        ...


class TaskWork:
    """A message that an async handler has in hand; its task belongs to the system's group."""

    __slots__ = ("_ended", "began", "has_ended", "message", "scope")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.began = monotonic()
        self.scope = anyio.CancelScope()
        self.has_ended = False
        self._ended: anyio.Event | None = None

    @property
    def seconds(self) -> float:
        """The seconds since its beginning."""
        return monotonic() - self.began

    def cancel(self) -> None:
        """Cancel the handler where it waits."""
        self.scope.cancel()

    def end(self) -> None:
        """Note that the handler has returned, or unwound."""
        self.has_ended = True
        if self._ended is not None:
            self._ended.set()

    async def wait_ended(self) -> None:
        """Wait until the handler has returned, or unwound."""
        if not self.has_ended:
            self._ended = self._ended or anyio.Event()
            await self._ended.wait()


async def end_at_once() -> None:
    """Wait for nothing: what was cancelled is over."""


async def serve(turns: Turns) -> None:
    """Serve the run queue until a scope cancels it.

    A plain handler that cancels the task it runs in, now or later, cancels nothing: this task is
    not its own. Nor is the scope that it leaves open here.
    """
    await outlast(partial(_serve, turns))


async def _serve(turns: Turns) -> None:
    scopes = OpenScopes()
    while True:
        if not turns.run_queue and not turns.shares.waiting:
            turns.wake = wake = anyio.Event()
            await wake.wait()
        turns.begin_round()
        if scopes.leave_others():
            turns.events.note_error(ScopeLeftOpen("a plain handler"))
        await anyio.lowlevel.checkpoint()
        for _ in range(_LOOP_TURNS):
            if turns.run_queue or not turns.shares.waiting:
                break
            await anyio.lowlevel.checkpoint()


async def serve_in_task(
    turns: Turns, cell: Cell, work: TaskWork, rest: Awaitable[object] | None
) -> None:
    """Handle the message in hand, and then those that wait, in this one task."""
    turns.current.set(cell)
    turn_ends = monotonic() + turns.slice
    while await _handle(turns, cell, work, rest):
        rest = None
        if not cell.is_ready or cell.is_scheduled:
            return
        if monotonic() > turn_ends:
            await outlast(anyio.lowlevel.checkpoint)
            turn_ends = monotonic() + turns.slice
            if not cell.is_ready or cell.is_scheduled:
                return  # type: ignore[unreachable]  # others ran meanwhile
        message = turns.take(cell)
        if message is None:
            cell.release_queue()
            return
        work = turns.begin_work(cell, message)


async def _handle(turns: Turns, cell: Cell, work: TaskWork, rest: Awaitable[object] | None) -> bool:
    """Whether the handler ended of itself and without a crash."""
    try:
        return await _handle_killable(turns, cell, work, rest)
    finally:
        work.end()


async def _handle_killable(
    turns: Turns, cell: Cell, work: TaskWork, rest: Awaitable[object] | None
) -> bool:
    if cell.work is not work:  # killed before its task had begun
        if isinstance(rest, Coroutine):
            rest.close()
        return False
    task = asyncio_task()
    requests = 0 if task is None else task.cancelling()
    with work.scope:
        scopes = OpenScopes()
        try:
            if rest is None:
                receive = cell.receive or cell.find_handler()
                result = receive(work.message, cell.context)
                if hasattr(type(result), "__await__"):  # a plain handler may answer at once
                    result = await cast("Awaitable[object]", result)
            else:
                result = await rest
            if scopes.leave_others():
                raise ScopeLeftOpen("the handler")
            if task is not None and task.cancelling() > requests:
                await asyncio.sleep(0)  # the handler has cancelled its own task
        except BaseException as error:
            scopes.leave_others()
            _fail(turns, cell, work, error)
            if task is not None:
                await drop_cancellation(task, requests)
            return False
        return turns.end_work(cell, work, result)
    return False  # it was killed


def _fail(turns: Turns, cell: Cell, work: TaskWork, error: BaseException) -> None:
    """Crash the actor; raise what is the program's: an interrupt, or a cancellation by a scope."""
    cancellation = cancelled_part(error)
    if cancellation is not None and is_cancelled_by_scope():
        turns.fail_work(cell, work, None)
        raise cancellation  # alone: the handler may have raised other errors while it unwound
    turns.fail_work(cell, work, error)
    raise_interrupt(error)


async def poll_in_thread(turns: Turns, cell: Cell, work: PolledWork) -> None:
    """Run stint after stint in a worker thread, until the call is done or waits."""
    call = cast("GuestCall", work.call)
    state = CallState.READY
    while state is CallState.READY and cell.work is work:
        work.is_waiting = True
        try:
            state = await turns.threads.poll(cell, call)
        except BaseException as error:
            cancellation = cancelled_part(error)
            if cancellation is not None and is_cancelled_by_scope():
                raise cancellation from None
            turns.fail_call(cell, work, error)
            return
    work.is_in_thread = False
    if cell.work is not work:
        return
    if state is CallState.DONE:
        turns.end_call(cell, work, call)
    elif not work.is_waiting and not cell.is_scheduled:
        turns.schedule(cell)
