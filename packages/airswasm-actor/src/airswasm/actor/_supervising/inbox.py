"""The inbox of a supervisor: one thing after the other.

A child has ended, a back-off is over, a caller wants a child started or stopped: all of that waits
here for its turn. So nothing that a supervisor does overlaps, which is what makes OTP's order of
things possible. There is a task only while there is something in the inbox, so that ten thousand
supervisors of one child each, which have nothing to do for days, cost no more than their data.

Rejected: a task that waits for the inbox (40 us and several kB for each supervisor).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import anyio

from .._boundary import own_this_task, start_task

if TYPE_CHECKING:
    from .._lives.life_cycle import LifeCycle
    from .._running.phase import Exit

__all__ = ("BackoffOver", "ChildEnded", "Command", "Inbox", "Item", "StartFailed")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """A child's incarnation has ended of itself."""

    id: str
    turn: int
    exit: Exit


@dataclass(frozen=True, slots=True)
class BackoffOver:
    """The back-off before these starts, by id and turn, is over."""

    starts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class StartFailed:
    """A restart failed: it is tried again, and that counts."""

    id: str
    turn: int
    cause: BaseException


class Command(Generic[T]):
    """Something that a caller wants done, and waits for.

    Args:
        run: Does it.
        cut_off: The caller's error when the supervisor ends in the middle of it.
    """

    __slots__ = ("_cut_off", "_done", "_error", "_run", "_value")

    def __init__(self, run: Callable[[], Awaitable[T]], cut_off: Exception) -> None:
        self._run = run
        self._cut_off = cut_off
        self._done = anyio.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

    async def run(self) -> None:
        """Do it. The caller gets its errors."""
        try:
            self._value = await self._run()
        except Exception as error:
            self._error = error
        except BaseException:
            self._error = self._cut_off
            raise
        finally:
            self._done.set()

    def refuse(self, error: BaseException) -> None:
        """Let the caller go on with an error."""
        self._error = error
        self._done.set()

    async def outcome(self) -> T:
        """Wait for the end, and return the value or raise the error."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
        return cast("T", self._value)


Item = Command[object] | ChildEnded | BackoffOver | StartFailed


class Inbox:
    """Items that wait, and the one thing that is being done.

    Attributes:
        is_busy: Whether something is being done.

    Args:
        life: Owns the task that works.
        handle: Deals with one item; returns whether to go on with the next.
        finish: Called when something was done, before the next begins.
    """

    __slots__ = ("_finish", "_handle", "_items", "_life", "_scope", "is_busy", "is_open")

    def __init__(
        self,
        life: LifeCycle,
        handle: Callable[[Item], Awaitable[None]],
        finish: Callable[[], None],
    ) -> None:
        self._life = life
        self._handle = handle
        self._finish = finish
        # Made with the first item: an empty deque alone is 760 bytes.
        self._items: deque[Item] | None = None
        self._scope: anyio.CancelScope | None = None
        self.is_busy = False
        self.is_open = False

    def __len__(self) -> int:
        return len(self._items or ())

    def open(self) -> None:
        """Begin to work on items."""
        self.is_open = True
        self._ensure_work()

    def put(self, item: Item) -> None:
        """Add an item; it is worked on when its turn comes."""
        if self._items is None:
            self._items = deque()
        self._items.append(item)
        self._ensure_work()

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do one thing, while nothing else is being done."""
        self.is_busy = True
        try:
            with anyio.CancelScope() as self._scope:
                await work()
        finally:
            self.is_busy = False
            self._scope = None
        self._finish()

    def interrupt(self) -> None:
        """Cancel what is being done."""
        if self._scope is not None:
            self._scope.cancel()

    def close(self) -> list[Item]:
        """Do nothing any more. Return the items that waited."""
        self.is_open = False
        items, self._items = list(self._items or ()), None
        return items

    def _ensure_work(self) -> None:
        if self._items and self.is_open and not self.is_busy and self._life.is_open:
            self.is_busy = True
            start_task(self._life.group, self.run, self._empty)

    async def _empty(self) -> None:
        own_this_task()
        while self._items and self.is_open:
            await self._handle(self._items.popleft())
        if not self._items:
            self._items = None
