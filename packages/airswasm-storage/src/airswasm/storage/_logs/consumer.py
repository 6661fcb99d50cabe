"""A consumer of a log: delivery in order, acknowledgement, redelivery.

The cursor is one record. It says up to which number everything is acknowledged, which numbers
above it are, up to which number entries were ever delivered, and which of them more than once.
It changes in one batch with the entries that are removed for it.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import anyio
import anyio.lowlevel

from ..errors import StorageClosed, StorageCorrupted, StorageError
from .group_commit import Done

if TYPE_CHECKING:
    from .._store import Store
    from .log import Log
    from .log_records import LogEntry

__all__ = ("Consumer", "ConsumerStatus")

_FIXED = struct.Struct(">QQQHH")
AHEAD_MOST = 4_096


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position of a consumer.

    Attributes:
        through: Everything up to this number is acknowledged, was removed, or was there before
            the consumer.
        delivered: No entry above this number was ever delivered.
        missed: Entries that were dropped before they were acknowledged.
        ahead: Acknowledged numbers above `through`.
        repeats: How often entries were delivered again, by number.
    """

    through: int = 0
    delivered: int = 0
    missed: int = 0
    ahead: frozenset[int] = frozenset()
    repeats: dict[int, int] = field(default_factory=dict[int, int])

    def pack(self) -> bytes:
        """Return the bytes of the record."""
        ahead = sorted(self.ahead)
        repeats = [number for pair in sorted(self.repeats.items()) for number in pair]
        fixed = _FIXED.pack(
            self.through, self.delivered, self.missed, len(ahead), len(self.repeats)
        )
        return fixed + struct.pack(f">{len(ahead) + len(repeats)}Q", *ahead, *repeats)

    @classmethod
    def unpack(cls, stored: bytes) -> Self:
        """Read the bytes of a record.

        Raises:
            StorageCorrupted: They are malformed.
        """
        try:
            through, delivered, missed, ahead, repeats = _FIXED.unpack_from(stored)
            rest = struct.unpack(f">{ahead + 2 * repeats}Q", stored[_FIXED.size :])
        except struct.error:
            raise StorageCorrupted("storage", "the cursor of a consumer is malformed") from None
        pairs = zip(rest[ahead::2], rest[ahead + 1 :: 2], strict=True)
        return cls(through, delivered, missed, frozenset(rest[:ahead]), dict(pairs))

    def without(self, number: int) -> Cursor:
        """Return the cursor after the entry behind `through` was dropped."""
        return replace(
            self,
            through=number,
            delivered=max(self.delivered, number),
            missed=self.missed + (number not in self.ahead),
            ahead=self.ahead - {number},
            repeats={n: count for n, count in self.repeats.items() if n != number},
        )


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """The state of a consumer.

    Attributes:
        acknowledged: Everything up to this number is acknowledged or gone.
        outstanding: Entries that are delivered and not acknowledged.
        waiting: Numbers from the first that is not acknowledged to the newest entry.
        missed: Entries that the bounds dropped before they were acknowledged, ever.
    """

    acknowledged: int
    outstanding: int
    waiting: int
    missed: int


class Consumer:
    """A reader of a log with a place of its own; `Log.consumer` makes it.

    Attributes:
        name: Its name in the log.
        window_entries: The most entries that are delivered and not acknowledged.
        window_bytes: The most bytes of them; a single larger entry comes alone.
    """

    def __init__(self, store: Store, log: Log, name: str) -> None:
        self.name = name
        self.window_entries = 256
        self.window_bytes = 1024 * 1024
        self._store = store
        self._log = log
        self._outstanding: dict[int, int] = {}
        self._outstanding_bytes = 0
        self._position = 0
        self._wake: anyio.Event | None = None

    # Inline: on the event loop's thread, without waiting.

    def take(self, limit: int = 0) -> tuple[LogEntry, ...]:
        """Deliver the next entries, as many as the window has room for; maybe none.

        Args:
            limit: The most entries; 0 for the window.

        Raises:
            StorageError: The store cannot be read, or the consumer was removed.
        """
        cursor = self._cursor()
        start = max(self._position, cursor.through + 1)
        end = self._log.durable
        room = self.window_entries - len(self._outstanding)
        most = min(limit, room) if limit > 0 else room
        if start >= end or most <= 0:
            return ()
        taken: list[LogEntry] = []
        for entry in self._log.entries_between(start, end):
            if entry.number in cursor.ahead:
                continue
            size = self._outstanding_bytes + len(entry.payload)
            if len(taken) == most or (self._outstanding and size > self.window_bytes):
                break
            self._hand_out(entry)
            taken.append(entry)
        return self._count_attempts(cursor, taken)

    def write_acknowledgement(self, numbers: Iterable[int], done: Done) -> None:
        """Acknowledge entries; see `acknowledge`.

        Args:
            numbers: Numbers of entries.
            done: Called on the loop's thread once that is durable, or with the error if it
                failed; possibly before this returns.

        Raises:
            StorageError: Refused, and nothing changed; `done` is not called.
        """
        cursor = self.plan(numbers)
        step = self._log.plan(cursors={self.name: cursor})
        self._store.apply(step.changes)
        step.settle()
        self.settle(cursor)
        self._store.when_durable(done)

    def redeliver(self) -> None:
        """Deliver everything again that is not acknowledged, in order.

        Raises:
            StorageError: The store cannot be read.
        """
        self.forget()

    def read_status(self) -> ConsumerStatus:
        """Return the state of the consumer.

        Raises:
            StorageError: The store cannot be read, or the consumer was removed.
        """
        cursor = self._cursor()
        waiting = self._log.read_status().next - 1 - cursor.through - len(cursor.ahead)
        return ConsumerStatus(cursor.through, len(self._outstanding), waiting, cursor.missed)

    # For all other code.

    async def receive(self, limit: int = 0) -> tuple[LogEntry, ...]:
        """Wait for entries and return them, at least one.

        It also waits while the window is full. A cancel delivers nothing.

        Args:
            limit: The most entries; 0 for the window.

        Raises:
            StorageError: The store cannot be read, or the consumer was removed.
        """
        await anyio.lowlevel.checkpoint()
        while True:
            if taken := self.take(limit):
                return taken
            if self._wake is None:
                self._wake = anyio.Event()
            await self._wake.wait()

    async def acknowledge(self, *numbers: int) -> None:
        """Acknowledge entries and wait until that is durable.

        Entries may be acknowledged in any order, and more than once. A cancel leaves them
        acknowledged, perhaps not durably yet: they may be delivered again after a power loss.

        Raises:
            ValueError: A number was never appended, or lies too far ahead of the first that is
                not acknowledged.
            StorageError: Refused or failed.
        """
        await self._store.recover()
        outcome = self._store.outcome()
        self.write_acknowledgement(numbers, outcome)
        await outcome.wait()

    async def acknowledge_through(self, number: int) -> None:
        """Acknowledge all entries up to a number; see `acknowledge`.

        Raises:
            ValueError: The number was never appended.
            StorageError: Refused or failed.
        """
        await self._store.recover()
        cursor = self._cursor()
        self._check(number)
        moved = self._advanced(replace(cursor, through=max(cursor.through, number)), frozenset())
        outcome = self._store.outcome()
        step = self._log.plan(cursors={self.name: moved})
        self._store.apply(step.changes)
        step.settle()
        self.settle(moved)
        self._store.when_durable(outcome)
        await outcome.wait()

    async def __aiter__(self) -> AsyncIterator[LogEntry]:
        """Yield one entry after the other, for ever."""
        while True:
            yield (await self.receive(1))[0]

    # For logs and batches.

    @property
    def log(self) -> Log:
        """The log."""
        return self._log

    def plan(self, numbers: Iterable[int]) -> Cursor:
        """Return the cursor with entries acknowledged.

        Raises:
            ValueError: See `acknowledge`.
            StorageError: The store cannot be read, or the consumer was removed.
        """
        cursor = self._cursor()
        new = frozenset(numbers)
        for number in new:
            self._check(number)
        return self._advanced(cursor, new)

    def settle(self, cursor: Cursor) -> None:
        """Take over a cursor that was applied."""
        done = [n for n in self._outstanding if n <= cursor.through or n in cursor.ahead]
        for number in done:
            self.forget_entry(number)
            self._log.forget_charge(number)
        self.wake()  # there may be room for more

    def wake(self) -> None:
        """Let waiting tasks look again."""
        wake, self._wake = self._wake, None
        if wake is not None:
            wake.set()

    def forget_entry(self, number: int) -> None:
        """Forget an entry that was delivered and is gone."""
        self._outstanding_bytes -= self._outstanding.pop(number, 0)

    def forget(self) -> None:
        """Forget what was delivered, so that it is delivered again."""
        self._outstanding.clear()
        self._outstanding_bytes = self._position = 0
        self.wake()

    # Its own.

    def _cursor(self) -> Cursor:
        cursor = self._log.cursor(self.name)
        if cursor is None:
            raise StorageClosed(f"{self._store.path}: consumer {self.name!a} of {self._log.name!a}")
        return cursor

    def _check(self, number: int) -> None:
        if not 0 < number < self._log.read_status().next:
            raise ValueError(f"no entry {number} was appended to the log {self._log.name!a}")

    def _hand_out(self, entry: LogEntry) -> None:
        self._outstanding[entry.number] = len(entry.payload)
        self._outstanding_bytes += len(entry.payload)
        self._position = entry.number + 1
        self._log.note_charge(entry)

    def _count_attempts(self, cursor: Cursor, taken: list[LogEntry]) -> tuple[LogEntry, ...]:
        """Count the deliveries, and record them in case that this one ends the host."""
        if not taken:
            return ()
        repeats = dict(cursor.repeats)
        for index, entry in enumerate(taken):
            attempt = 1
            if entry.number <= cursor.delivered:
                repeats[entry.number] = repeats.get(entry.number, 0) + 1
                attempt += repeats[entry.number]
            taken[index] = replace(entry, attempt=attempt)
        delivered = max(cursor.delivered, taken[-1].number)
        moved = replace(cursor, delivered=delivered, repeats=repeats)
        with suppress(StorageError):  # a disk that refuses does not keep messages from flowing
            self._log.move(self.name, moved)
        return tuple(taken)

    def _advanced(self, cursor: Cursor, new: frozenset[int]) -> Cursor:
        """Add acknowledged numbers, and move `through` over all that is acknowledged or gone."""
        ahead = {n for n in cursor.ahead | new if n > cursor.through}
        through, last = cursor.through, self._log.read_status().next
        while (number := through + 1) < last:
            if number in ahead:
                ahead.discard(number)
            elif number >= self._position or number in self._outstanding:
                break
            through = number
        if len(ahead) > AHEAD_MOST:
            raise ValueError(f"entry {through + 1} must be acknowledged first")
        repeats = {n: k for n, k in cursor.repeats.items() if n > through and n not in ahead}
        return replace(cursor, through=through, ahead=frozenset(ahead), repeats=repeats)
