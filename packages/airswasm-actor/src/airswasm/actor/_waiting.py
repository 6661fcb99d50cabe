"""What waits: the coroutines behind the methods of `ActorRef`, `Request` and `MessageBroker`.

They are functions of a module of their own, and the methods return what these make: see `_serving`
for why. A coroutine does nothing before it is awaited, here as anywhere.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from .hook import Delivery

if TYPE_CHECKING:
    from .broker import MessageBroker
    from .reference import ActorRef
    from .request import Request

__all__ = (
    "ask",
    "ask_by_name",
    "drain",
    "finish",
    "inquire",
    "send",
    "wait_answered",
    "wait_stopped",
)


async def wait_answered(request: Request) -> object:
    """`Request.wait`."""
    if not request.is_done:
        request.answered = answered = anyio.Event()
        try:
            await answered.wait()
        finally:
            request.cancel()
    return request.result()


async def ask(
    ref: ActorRef, payload: object, timeout: float, sender: str, topic: str | None
) -> object:
    """`ActorRef.ask`."""
    return await _answered(ref, ref.put_question(payload, timeout, sender, topic))


async def _answered(ref: ActorRef, request: Request) -> object:
    if not request.is_done:
        return await wait_answered(request)
    dispatcher = ref.dispatcher
    if monotonic() > dispatcher.yield_at:
        await anyio.lowlevel.checkpoint()
        dispatcher.now = dispatcher.clock()
        dispatcher.yield_at = monotonic() + dispatcher.config.slice
    return request.result()


async def ask_by_name(
    broker: MessageBroker, target: str, payload: object, timeout: float, sender: str
) -> object:
    """`MessageBroker.ask`."""
    ref = broker.find(target)
    if ref is not None and not broker.has_hooks:
        return await ask(ref, payload, timeout, sender, None)
    delivery = Delivery("ask", sender, target, payload)
    broker.before(delivery)
    try:
        if ref is None:
            request = broker.request_elsewhere(target, payload, None, timeout, sender)
        else:
            request = ref.put_question(payload, timeout, sender, None)
    except Exception as error:
        broker.after(delivery, error)
        raise
    broker.after(delivery, None)
    return await (wait_answered(request) if ref is None else _answered(ref, request))


async def inquire(ref: ActorRef, payload: object, timeout: float, sender: str) -> object:
    """`ActorRef.inquire`."""
    return await wait_answered(ref.put_inquiry(payload, timeout, sender))


async def send(ref: ActorRef, payload: object, sender: str, topic: str | None) -> None:
    """`ActorRef.send`."""
    waiting = ref.put_or_queue(payload, sender, topic)
    if waiting is not None:
        accepted, waiter = waiting
        try:
            await wait_answered(accepted)
        finally:
            ref.forget_waiter(waiter)


async def wait_stopped(ref: ActorRef) -> None:
    """`ActorRef.wait_stopped`."""
    ended = anyio.Event()
    watch = ref.watch(lambda _: ended.set())
    try:
        await ended.wait()
    finally:
        watch.cancel()


async def drain(ref: ActorRef, timeout: float) -> bool:
    """`ActorRef.drain`."""
    if ref.is_idle:
        return True
    with anyio.move_on_after(timeout):
        while not ref.is_idle:
            await _next_idle(ref)
    return ref.is_idle


async def finish(ref: ActorRef, timeout: float) -> bool:
    """`ActorRef.finish`."""
    with anyio.move_on_after(timeout):
        while ref.work is not None:
            await _next_idle(ref)
    return ref.work is None


async def _next_idle(ref: ActorRef) -> None:
    event = anyio.Event()
    if ref.idle_events is None:
        ref.idle_events = []
    ref.idle_events.append(event)
    await event.wait()
