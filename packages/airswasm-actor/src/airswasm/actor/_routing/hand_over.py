"""Handing a name over from one actor to the next: the steps of `MessageBroker.replace`.

They wait, so they stand outside of the modules that can be compiled: see `_running/serving.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .._running.asking import drain
from .._running.mailbox import move_all
from .._running.reference import cell_of
from ..errors import ActorStopped, ActorSupervised

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._running.reference import ActorRef
    from .routes import Routes

__all__ = ("replace",)


async def replace(
    routes: Routes,
    name: str,
    successor: ActorRef,
    drain_seconds: float,
    stop_unowned: Callable[[ActorRef], Awaitable[None]],
    stop_predecessor: Callable[[], Awaitable[None]] | None,
) -> int:
    """`MessageBroker.replace`; `stop_unowned` stops a predecessor that no supervisor owns."""
    lock = routes.hand_overs.setdefault(name, anyio.Lock())
    try:
        async with lock:
            predecessor = routes.resolve(name)
            if stop_predecessor is None and cell_of(predecessor).rare.on_exit is not None:
                raise ActorSupervised(predecessor.name)
            await _begin(routes, name, predecessor, successor, drain_seconds)
            moved = move_all(cell_of(predecessor), cell_of(successor))
            try:
                if stop_predecessor is None:
                    await stop_unowned(predecessor)
                else:
                    await stop_predecessor()
            finally:
                routes.let_begin(successor)
            return moved
    finally:
        if not lock.locked():
            routes.hand_overs.pop(name, None)


async def _begin(
    routes: Routes,
    name: str,
    predecessor: ActorRef,
    successor: ActorRef,
    drain_seconds: float,
) -> None:
    """Route the name to the successor, which waits until the predecessor has drained."""
    if not successor.is_alive:
        raise ActorStopped(successor.name)
    routes.switch(name, successor)
    routes.hold_back(successor, predecessor)
    watch = successor.watch(lambda _: routes.undo_switch(name, predecessor, successor))
    try:
        await drain(cell_of(predecessor), drain_seconds)
        if not successor.is_alive:
            raise ActorStopped(successor.name) from cell_of(successor).rare.failure
    except BaseException:
        routes.undo_switch(name, predecessor, successor)
        raise
    finally:
        watch.cancel()
