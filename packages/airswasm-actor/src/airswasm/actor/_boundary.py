"""The line between an actor's faults and the program's.

The code of an actor may raise anything: an error, `SystemExit` (a library parses arguments),
`GeneratorExit`, a group, or a cancellation that was meant for a task that it awaited. All of that
is a fault of this actor and ends it alone. Two things are not the actor's, and pass:

- `KeyboardInterrupt`: Python raises it wherever the program happens to be;
- a cancellation that a scope around the current task has asked for, or the one who cancelled the
  caller's task.

The type of a cancellation does not tell them apart. The scopes do, and on asyncio the task's count
of requests: `Task.cancel` raises it, the cancellation of an awaited future does not. A task of the
system's own is cancelled by scopes alone, so a request to it can only come from an actor.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = (
    "Boundary",
    "asyncio_task",
    "cancelled_part",
    "drop_cancellation",
    "is_cancelled_by_scope",
    "raise_interrupt",
    "leaves_of",
    "own_this_task",
    "start_task",
)

_own_task: ContextVar[object] = ContextVar("a task of an actor system", default=None)
_exceptions: MemberDescriptorType = vars(BaseExceptionGroup)["exceptions"]
"""The members of a group as Python has them, past any override in a subclass of an actor's."""


def leaves_of(error: BaseException) -> Iterator[BaseException]:
    """Iterate over the errors in a group, however deep it is, or the one that is no group."""
    rest = [error]
    while rest:
        each = rest.pop()
        if issubclass(type(each), BaseExceptionGroup):
            members: tuple[BaseException, ...] = _exceptions.__get__(each)
            rest.extend(reversed(members))
        else:
            yield each


def raise_interrupt(error: BaseException) -> None:
    """Raise the `KeyboardInterrupt` in an error, alone: asyncio does not look into groups."""
    for leaf in leaves_of(error):
        if issubclass(type(leaf), KeyboardInterrupt):
            raise leaf


def cancelled_part(error: BaseException) -> BaseException | None:
    """Return a cancellation in an error; None when there is none."""
    kind = anyio.get_cancelled_exc_class()
    return next((leaf for leaf in leaves_of(error) if issubclass(type(leaf), kind)), None)


def is_cancelled_by_scope() -> bool:
    """Return whether a cancel scope around the current task is cancelled."""
    return anyio.current_effective_deadline() == -math.inf


def own_this_task() -> None:
    """Note that the current task is the system's own: only scopes cancel it."""
    _own_task.set(asyncio_task())


class Boundary:
    """Stands around code of an actor that is awaited: `start`, `stop`, a factory.

    Make it, await the code, then `await leave()`. If that raises, `await settle(error)`: what it
    does not raise again is a failure of the actor.
    """

    __slots__ = ("_is_own", "_requests", "_task")

    def __init__(self) -> None:
        self._task = task = asyncio_task()
        self._requests = 0 if task is None else task.cancelling()
        self._is_own = task is not None and _own_task.get() is task

    async def leave(self) -> None:
        """Let a cancellation through that the code has asked for of its own task."""
        if self._is_own and self._task is not None and self._task.cancelling() > self._requests:
            await asyncio.sleep(0)

    async def settle(self, error: BaseException) -> None:
        """Raise the part of an error that is the program's, alone: the scope expects no other.

        Where there is none, drop a cancellation that the code has asked for of its own task. It
        would arrive at the next await of the system, or when the task ends.

        Raises:
            KeyboardInterrupt: There is one in the error.
            CancelledError: There is a cancellation in it that came from outside; `trio.Cancelled`
                on trio.
        """
        raise_interrupt(error)
        is_by_scope = is_cancelled_by_scope()
        task = self._task
        has_requests = task is not None and task.cancelling() > self._requests
        cancellation = cancelled_part(error)
        if cancellation is not None and (is_by_scope or (has_requests and not self._is_own)):
            raise cancellation
        if self._is_own and task is not None and not is_by_scope:
            await drop_cancellation(task, self._requests)


def start_task(group: TaskGroup, run: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Start a task of the system's own in its group.

    On asyncio an interrupt in a task ends the loop at once, and Python warns of each task that has
    not begun by then. So those of the system begin first, and their group is cancelled.
    """
    group.start_soon(_run_task, group, run, arguments, name=run.__qualname__)


async def _run_task(
    group: TaskGroup, run: Callable[..., Awaitable[None]], arguments: tuple[object, ...]
) -> None:
    try:
        await run(*arguments)
    except KeyboardInterrupt:
        group.cancel_scope.cancel()
        if asyncio_task() is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        raise


async def drop_cancellation(task: asyncio.Task[Any], requests: int) -> None:
    """Take back all requests to cancel the current task but so many."""
    if task.cancelling() <= requests:
        return
    while task.cancelling() > requests:
        task.uncancel()
    with suppress(asyncio.CancelledError):  # before Python 3.13 it is still to come
        await asyncio.sleep(0)


def asyncio_task() -> asyncio.Task[Any] | None:
    """Return the current task of asyncio; None on trio, where only scopes cancel tasks."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
