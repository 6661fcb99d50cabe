"""The durable timers of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import anyio

from ..errors import RecordUnreadable
from .timer import ScheduledMessage, pack_timer, unpack_timer

if TYPE_CHECKING:
    from airswasm.actor import Accepted
    from airswasm.wit import AirswasmError

__all__ = ("StoredTimers", "TimerSpace")


class _Entry(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> bytes: ...


class _Page(Protocol):
    @property
    def entries(self) -> Iterable[_Entry]: ...
    @property
    def next(self) -> str | None: ...


class TimerSpace(Protocol):
    """A namespace of a store; airswasm-storage's `Namespace` is one."""

    def read_page(self, prefix: str, after: str | None = None) -> _Page:
        """Return some keys with their values, in order."""
        ...

    def write(
        self, values: Mapping[str, bytes | None], done: Callable[[AirswasmError | None], None]
    ) -> int:
        """Set or delete keys; call `done` when the disk has that."""
        ...


class StoredTimers:
    """Timers in a namespace of a store.

    Args:
        space: The namespace.
        on_damage: Told of a record that cannot be read, which is left out.
    """

    def __init__(
        self, space: TimerSpace, on_damage: Callable[[RecordUnreadable], None] = lambda _error: None
    ) -> None:
        self._space, self._on_damage = space, on_damage

    def load(self) -> Iterator[ScheduledMessage]:
        """Yield the timers, in the order in which they were set.

        Raises:
            AirswasmError: The store cannot be read.
        """
        after: str | None = None
        while True:
            page = self._space.read_page("", after)
            for entry in page.entries:
                try:
                    yield unpack_timer(_number(entry.key), entry.value)
                except RecordUnreadable as error:
                    self._on_damage(error)
            after = page.next
            if after is None:
                return

    def save(self, timer: ScheduledMessage, done: Accepted | None = None) -> None:
        """Write a timer; call `done` when the disk has it.

        Raises:
            MessageNotStorable: Its payload is not bytes.
            AirswasmError: The store refuses.
        """
        self._space.write({_key(timer.number): pack_timer(timer)}, done or _ignore)

    def remove(self, number: int, done: Accepted | None = None) -> None:
        """Remove a timer; call `done` when the disk has that.

        Raises:
            AirswasmError: The store refuses.
        """
        self._space.write({_key(number): None}, done or _ignore)

    async def remove_all(self, numbers: Iterable[int]) -> None:
        """Remove timers, and wait until the disk has that.

        Raises:
            AirswasmError: The disk refuses.
        """
        ended, errors = anyio.Event(), list[BaseException]()

        def end(error: BaseException | None) -> None:
            errors.extend(() if error is None else (error,))
            ended.set()

        self._space.write({_key(number): None for number in numbers}, end)
        await ended.wait()
        if errors:
            raise errors[0]


def _key(number: int) -> str:
    return f"{number:016x}"


def _number(key: str) -> int:
    try:
        return int(key, 16)
    except ValueError:
        raise RecordUnreadable(f"{key[:64]!a} is no timer's key") from None


def _ignore(_error: BaseException | None) -> None:
    """Take no notice: the write has no sender who waits for it."""
