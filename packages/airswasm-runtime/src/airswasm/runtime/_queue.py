"""Calls that wait for an instance: in order, up to a number, for a time.

A component handles one call at a time, so two callers of one instance meet as soon
as a host function waits. `Instance` refuses the second (`InstanceBusy`): a scheduler
that has its own queue, as the actors have, must not get another below it. This is
the queue for callers that have none.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import anyio

from ._single import Single
from .errors import InstanceClosed, QueueExpired, QueueFull

if TYPE_CHECKING:
    from types import TracebackType

    from ._exports import Exports
    from ._instance import Instance


class _Waiting:
    """One caller in line."""

    __slots__ = ("event", "has_place")

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.has_place = False


class Line:
    """A number of places and those who wait for one, in order.

    A place passes from the one who leaves to the one who has waited longest, so
    that a newcomer cannot take it in between.

    Args:
        name: what errors call the component.
        places: how many may be inside at once.
        waiting: how many may wait.
        seconds: how long one may wait; None for as long as it takes.

    Attributes:
        free: places that are not taken.
        refused: how many found too many waiting before them.
        expired: how many waited too long.
        waited_seconds: how long those waited who got a place, in all.
    """

    def __init__(self, name: str, places: int, waiting: int, seconds: float | None) -> None:
        if places < 1 or waiting < 0 or not (seconds is None or seconds >= 0):  # nan is neither
            raise ValueError("a line needs one place or more, and no negative bounds")
        self._name = name
        self._most = waiting
        self._seconds = seconds
        self._line: deque[_Waiting] = deque()
        self._is_closed = False
        self.free: int = places
        self.refused: int = 0
        self.expired: int = 0
        self.waited_seconds: float = 0.0

    @property
    def waiting(self) -> int:
        """The number of those who wait now."""
        return len(self._line)

    async def enter(self) -> None:
        """Take a place, waiting for one if need be. A cancel leaves the line as it was.

        Raises:
            QueueFull: too many wait already.
            QueueExpired: none became free in time.
            InstanceClosed: the line was closed.
        """
        if self._is_closed:
            raise InstanceClosed(self._name)
        if self.free:
            self.free -= 1
            return
        if len(self._line) >= self._most:
            self.refused += 1
            raise QueueFull(self._name, self._most)
        await self._wait()

    async def _wait(self) -> None:
        started, mine = time.monotonic(), _Waiting()
        self._line.append(mine)
        try:
            with anyio.move_on_after(self._seconds):
                await mine.event.wait()
        except BaseException:
            if mine.has_place:
                self.leave()
            raise
        finally:
            if not mine.event.is_set():
                self._line.remove(mine)
        if mine.has_place:
            self.waited_seconds += time.monotonic() - started
            return
        if self._is_closed:
            raise InstanceClosed(self._name)
        self.expired += 1
        raise QueueExpired(self._name, self._seconds or 0.0)

    def leave(self) -> None:
        """Give a place back, to the one who has waited longest if there is one."""
        if self._line:
            following = self._line.popleft()
            following.has_place = True
            following.event.set()
        else:
            self.free += 1

    def close(self) -> None:
        """Close the line: those who wait, and all who come, get `InstanceClosed`."""
        self._is_closed = True
        line, self._line = self._line, deque()
        for each in line:
            each.event.set()


class InstanceQueue(Single):
    """One instance whose callers take turns, instead of being told that it is busy.

    For a component that keeps state. Where any instance will do, `InstancePool` has
    several, and replaces one that a fault ended.

    Args:
        instance: what to call; the queue closes it.
        waiting: how many calls may wait.
        seconds: how long one may wait; None for as long as it takes. Its own time
            limit (`Limits.timeout`) begins when it is its turn.

    Attributes:
        instance: the same.

    Example:
        async with InstanceQueue(await linked.instantiate(caller=Caller("a"))) as queue:
            await queue.exports.plugin.echo(b"hello")
    """

    def __init__(
        self, instance: Instance, *, waiting: int = 1000, seconds: float | None = None
    ) -> None:
        self.instance: Instance = instance
        self._line = Line(instance.component_name, 1, waiting, seconds)
        self._exports: Exports | None = None

    @property
    def waiting(self) -> int:
        """The number of calls that wait now."""
        return self._line.waiting

    @property
    def exports(self) -> Exports:
        """The component's exports as typed async Python; each call takes its turn."""
        if self._exports is None:
            self._exports = self.instance._linked.component._exports_type(self)
        return self._exports

    async def call(self, function: str, *arguments: object) -> object:
        """Call an exported function once the calls before it are done.

        A cancel while it waits takes it out of the queue; one while it runs ends the
        instance, as it does with `Instance.call`.

        Raises:
            QueueFull: too many calls wait already.
            QueueExpired: its turn did not come in time.
            InstanceClosed: the instance has ended, perhaps in a call before this one.
            ValueMismatch, GuestFault, NoSuchExport: as `Instance.call`.
        """
        await self._line.enter()
        try:
            return await self.instance.call(function, *arguments)
        finally:
            self._line.leave()

    def close(self) -> None:
        """End the instance; calls that wait get `InstanceClosed`."""
        self._line.close()
        self.instance.close()

    async def __aenter__(self) -> InstanceQueue:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
