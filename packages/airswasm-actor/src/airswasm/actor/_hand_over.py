"""Handing a name over from one actor to the next: the steps of `MessageBroker.replace`.

They wait, so they are outside of the modules that can be compiled: see `_serving` for why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .errors import ActorStopped, ActorSupervised

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .broker import MessageBroker
    from .reference import ActorRef

__all__ = ("replace",)


async def replace(
    broker: MessageBroker,
    name: str,
    successor: ActorRef,
    drain: float,
    shutdown: float | None,
    stop_predecessor: Callable[[], Awaitable[None]] | None,
) -> int:
    """`MessageBroker.replace`."""
    lock = broker.hand_overs.setdefault(name, anyio.Lock())
    try:
        async with lock:
            predecessor = broker.resolve(name)
            if stop_predecessor is None and predecessor.on_exit is not None:
                raise ActorSupervised(predecessor.name)
            await _begin(broker, name, predecessor, successor, drain)
            return await _end(predecessor, successor, shutdown, stop_predecessor)
    finally:
        if not lock.locked():
            broker.hand_overs.pop(name, None)


async def _begin(
    broker: MessageBroker, name: str, predecessor: ActorRef, successor: ActorRef, drain: float
) -> None:
    """The name leads to the successor, which waits until the predecessor has drained."""
    if not successor.is_alive:
        raise ActorStopped(successor.name)
    broker.switch(name, successor)
    successor.follow(predecessor)
    watch = successor.watch(lambda _: broker.take_back(name, predecessor, successor))
    try:
        await predecessor.drain(drain)
        if not successor.is_alive:
            raise ActorStopped(successor.name) from successor.failure
    except BaseException:
        broker.take_back(name, predecessor, successor)
        raise
    finally:
        watch.cancel()


async def _end(
    predecessor: ActorRef,
    successor: ActorRef,
    shutdown: float | None,
    stop_predecessor: Callable[[], Awaitable[None]] | None,
) -> int:
    """What the predecessor has not begun is the successor's, which begins after its end."""
    moved = predecessor.move_to(successor)
    try:
        if stop_predecessor is None:
            await predecessor.system.stop(predecessor, timeout=shutdown)
        else:
            await stop_predecessor()
    finally:
        successor.follow(None)
    return moved
