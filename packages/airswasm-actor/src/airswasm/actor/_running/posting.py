"""Sending a question: the steps that do not wait.

The coroutines in `asking` begin with these and wait for what they return. They stand here because
this module can be compiled, and a module with coroutines cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._messages.request import Request
from .mailbox import (
    WaitingSender,
    enqueue_or_wait,
    is_unfit,
    open_queue,
    put_signal,
    take_back_waiter,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._messages.envelope import Envelope
    from .._messages.message import Message
    from ..errors import ActorStopped, MailboxFull
    from .cell import Cell

__all__ = ("entrust", "post", "put_inquiry", "put_or_wait", "put_question")


def put_or_wait(
    cell: Cell, payload: object, sender: str, topic: str | None, envelope: Envelope | None
) -> tuple[Request, WaitingSender] | None:
    """Begin `send`: return None when the message is in, else what to wait for."""
    accepted = Request(cell.name, cell)

    def end(error: MailboxFull | ActorStopped | None) -> None:
        if error is None:
            accepted.resolve(None)
        else:
            accepted.fail(error)

    cell.exchange.read_clock()
    message = cell.exchange.message(payload, sender, topic, None, envelope)
    waiter = enqueue_or_wait(cell, message, end)
    return None if waiter is None else (accepted, waiter)


def put_question(
    cell: Cell,
    payload: object,
    timeout: float,
    sender: str,
    topic: str | None,
    envelope: Envelope | None,
) -> Request:
    """Begin `ask`: post the question, or have it handled here and now."""
    exchange = cell.exchange
    request = Request(cell.name, cell)
    asker = exchange.current.get()
    if (
        cell.queue is not None
        or not exchange.can_hand_over(cell)
        or (cell.queued_bytes is not None and is_unfit(cell, payload))
    ):
        post(cell, payload, request, timeout, sender, topic, asker, envelope)
        return request
    if envelope is not None:
        exchange.check_deadline(envelope, cell.name)
    if asker is not None:
        request.hold(asker)
    request.seconds = timeout
    exchange.hand_over(cell, exchange.message(payload, sender, topic, request, envelope))
    if not request.is_done:
        seconds = exchange.bounded(timeout, envelope)
        request.expire_after(seconds, exchange.timers, is_inherited=seconds < timeout)
    return request


def post(
    cell: Cell,
    payload: object,
    request: Request,
    timeout: float,
    sender: str,
    topic: str | None,
    asker: Cell | None,
    envelope: Envelope | None,
) -> None:
    """Send a message with a request attached, and see to the request's end."""
    target = _last_successor(cell)
    request.target = target
    cell.exchange.read_clock()
    if envelope is not None:
        cell.exchange.check_deadline(envelope, cell.name)
    if request.wants_receipt:
        request.at_end(cell.exchange.receipts.want(target.name))
    if asker is not None:
        request.hold(asker)
    try:
        waiter = enqueue_or_wait(
            target,
            cell.exchange.message(payload, sender, topic, request, envelope),
            lambda error: None if error is None else request.fail(error),
        )
    except BaseException:
        request.cancel()
        raise
    if waiter is not None:
        _take_back_at_end(cell, request, waiter)
    seconds = cell.exchange.bounded(timeout, envelope)
    request.expire_after(seconds, cell.exchange.timers, is_inherited=seconds < timeout)


def entrust(
    cell: Cell, message: Message, on_done: Callable[[Request], None], wants_receipt: bool
) -> Request:
    """Put a message into the mailbox that its sender keeps; see `ActorRef.entrust`."""
    target = _last_successor(cell)
    exchange = cell.exchange
    request = Request(target.name, target, on_done)
    request.is_kept = True
    request.wants_receipt = wants_receipt
    if wants_receipt:
        request.at_end(exchange.receipts.want(target.name))
    exchange.read_clock()
    exchange.sent += 1
    try:
        queue = open_queue(target, message.payload)
    except BaseException:
        request.cancel()
        raise
    payload, sender, topic, number, sent_at, _, envelope = message
    queue.append((payload, sender, topic, number, sent_at, request, envelope))
    return request


def put_inquiry(cell: Cell, payload: object, timeout: float, sender: str) -> Request:
    """Begin `inquire`: post a question as a system message."""
    target = _last_successor(cell)
    exchange = cell.exchange
    request = Request(target.name, target)
    asker = exchange.current.get()
    exchange.read_clock()
    if asker is not None:
        request.hold(asker)
    try:
        put_signal(target, exchange.message(payload, sender, None, request, None))
    except BaseException:
        request.cancel()
        raise
    request.expire_after(timeout, exchange.timers)
    return request


def _last_successor(cell: Cell) -> Cell:
    while cell.rare.successor is not None:
        cell = cell.rare.successor
    return cell


def _take_back_at_end(cell: Cell, request: Request, waiter: WaitingSender) -> None:
    """Take a message back that still waits for room when its request ends: it was not sent."""

    def take_back() -> None:
        take_back_waiter(cell, waiter)

    request.at_end(take_back)
