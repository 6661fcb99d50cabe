"""The coroutines behind the methods of `ActorRef`.

They are functions of a module of their own, and the methods return the coroutines: see `serving`
for the reason. A coroutine does nothing before it is awaited, here as anywhere.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from .._messages.answering import wait_answered
from .mailbox import take_back_waiter
from .phase import Phase
from .posting import put_inquiry, put_or_wait, put_question

if TYPE_CHECKING:
    from .._messages.envelope import Envelope
    from .._messages.request import Request
    from .cell import Cell
    from .dispatcher import Dispatcher
    from .phase import Down

__all__ = ("answer_of", "ask", "drain", "finish", "inquire", "send", "wait_stopped")


async def ask(
    cell: Cell,
    payload: object,
    timeout: float,
    sender: str,
    topic: str | None,
    envelope: Envelope | None,
) -> object:
    """`ActorRef.ask`."""
    request = put_question(cell, payload, timeout, sender, topic, envelope)
    return await answer_of(cell, request)


async def answer_of(cell: Cell, request: Request) -> object:
    """Wait for an answer; of one that is there already, let the loop go on now and then."""
    if not request.is_done:
        return await wait_answered(request)
    dispatcher: Dispatcher = cell.exchange  # type: ignore[assignment]  # a cast costs an ask 2 %
    if monotonic() > dispatcher.yield_at:
        await anyio.lowlevel.checkpoint()
        dispatcher.now = dispatcher.clock()
        dispatcher.yield_at = monotonic() + dispatcher.config.slice
    return request.result()


async def inquire(cell: Cell, payload: object, timeout: float, sender: str) -> object:
    """Ask with a system message: it is handled before what waits.

    Raises:
        AskError: As for `ActorRef.ask`.
    """
    return await wait_answered(put_inquiry(cell, payload, timeout, sender))


async def send(
    cell: Cell, payload: object, sender: str, topic: str | None, envelope: Envelope | None
) -> None:
    """`ActorRef.send`."""
    waiting = put_or_wait(cell, payload, sender, topic, envelope)
    if waiting is not None:
        accepted, waiter = waiting
        try:
            await wait_answered(accepted)
        finally:
            take_back_waiter(cell, waiter)


async def wait_stopped(cell: Cell) -> None:
    """`ActorRef.wait_stopped`."""
    if cell.phase is Phase.STOPPED:
        return
    ended = anyio.Event()

    def end(_: Down) -> None:
        ended.set()

    forget = cell.add_watcher(end)
    try:
        await ended.wait()
    finally:
        forget()


async def drain(cell: Cell, timeout: float) -> bool:
    """`ActorRef.drain`."""
    if cell.is_idle:
        return True
    with anyio.move_on_after(timeout):
        while not cell.is_idle:
            await cell.next_idle().wait()
    return cell.is_idle


async def finish(cell: Cell, timeout: float) -> bool:
    """`ActorRef.finish`."""
    with anyio.move_on_after(timeout):
        while cell.work is not None:
            await cell.next_idle().wait()
    return cell.work is None
