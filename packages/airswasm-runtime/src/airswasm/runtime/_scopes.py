"""Tasks that foreign code runs in, kept as they were.

A plug-in's code shares a task with its host. Two things that it does there outlast it, and would
end the host: it may leave a cancel scope or a task group open that it has entered (`start` enters,
`stop` leaves), and it may cancel the task later (`call_later(1, task.cancel)`). Both are faults of
that code alone.

anyio and trio know which scopes a task is in, and do not say so publicly. This module reads it in
their private state; where a later version keeps none there, a scope that is left open is found by
the library alone, as before. Rejected: a task for each call of foreign code, which costs more than
most of the calls and is itself a scope that the code could leave open.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import anyio

__all__ = ("OpenScopes", "asyncio_task", "drop_cancellation", "is_cancelled_by_scope", "outlast")


class OpenScopes:
    """The cancel scopes and task groups that the current task is in, when this is made."""

    __slots__ = ("_innermost", "_nurseries", "_state", "_task")

    def __init__(self) -> None:
        self._task = task = asyncio_task()
        self._nurseries = 0
        if task is None:
            self._state = state = _trio_task()
            self._innermost = getattr(state, "_cancel_status", None)
            self._nurseries = len(state._child_nurseries)
        else:
            self._state = state = _state_of(task)
            self._innermost = getattr(state, "cancel_scope", None)

    def leave_others(self) -> bool:
        """Cancel and leave the scopes that were entered since. Return whether there were any.

        Only in the same task. What runs in them ends by itself, unattended.
        """
        if self._task is None:
            return self._leave_on_trio()
        state = self._state or _state_of(self._task)
        if state is None or state.cancel_scope is self._innermost:
            return False
        entered = self._entered(state.cancel_scope, "_parent_scope")
        _leave(entered)
        return bool(entered)

    def _leave_on_trio(self) -> bool:
        status = getattr(self._state, "_cancel_status", None)
        if status is self._innermost:
            return False
        entered = self._entered(status, "parent")
        if entered:
            del self._state._child_nurseries[self._nurseries :]
            _leave([status._scope for status in entered])
        return bool(entered)

    def _entered(self, scope: Any, parent: str) -> list[Any]:
        """List the scopes since, innermost first; none if the code has left one of ours."""
        entered: list[Any] = []
        while scope is not None and scope is not self._innermost:
            entered.append(scope)
            scope = getattr(scope, parent)
        return entered if scope is self._innermost else []


def _leave(scopes: Sequence[Any]) -> None:
    for scope in scopes:
        scope.cancel()
    for scope in scopes:
        scope.__exit__(None, None, None)


def _state_of(task: asyncio.Task[Any]) -> Any:
    backend = sys.modules.get("anyio._backends._asyncio")
    return getattr(backend, "_task_states", {}).get(task)


def _trio_task() -> Any:
    import trio  # it runs, so it is there

    return trio.lowlevel.current_task()


def asyncio_task() -> asyncio.Task[Any] | None:
    """Return the current task of asyncio; None on trio, where only scopes cancel tasks."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def is_cancelled_by_scope() -> bool:
    """Return whether a cancel scope around the current task is cancelled."""
    return anyio.current_effective_deadline() == -math.inf


async def drop_cancellation(task: asyncio.Task[Any], requests: int) -> None:
    """Take back all requests to cancel the current task but so many."""
    if task.cancelling() <= requests:
        return
    while task.cancelling() > requests:
        task.uncancel()
    with suppress(asyncio.CancelledError):  # before Python 3.13 it is still to come
        await asyncio.sleep(0)


async def outlast(work: Callable[[], Awaitable[None]]) -> None:
    """Run endless work in a task of the host's own; only scopes, and its owner's end, cancel it.

    Foreign code that ran in this task may have kept it, and cancels it later.
    """
    task = asyncio_task()
    requests = 0 if task is None else task.cancelling()
    while True:
        try:
            await work()
        except anyio.get_cancelled_exc_class():
            if task is None or is_cancelled_by_scope() or not _owner_goes_on():
                raise
            await drop_cancellation(task, requests)
        else:
            return


def _owner_goes_on() -> bool:
    """Whether the task whose group the current one is in neither ended nor is cancelled.

    At the end of `asyncio.run` all tasks are cancelled that are left, and waited for.
    """
    owner = anyio.get_current_task().parent_id
    return any(id(task) == owner and not task.cancelling() for task in asyncio.all_tasks())
