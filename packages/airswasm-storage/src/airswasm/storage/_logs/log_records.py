"""The data of logs: bounds, entries, pages, and the record that counts them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import Literal, Self

from .._layout.keys import DATA_PREFIX_BYTES
from .._layout.space import ENTRY_BYTES
from ..errors import StorageCorrupted

__all__ = ("LogBounds", "LogEntry", "LogPage", "LogStatus")

_STAMP = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class LogBounds:
    """Bounds of a log.

    Attributes:
        entries: The most entries.
        size_bytes: The most bytes: those of the payloads, and 64 for each entry.
        age_seconds: Entries that are older are removed; None for no bound.
        when_full: `refuse` appends, or `drop` the oldest entries although they are not
            acknowledged. It decides about number, bytes and age alike.
        keep_acknowledged: Whether acknowledged entries stay until a bound needs their place.

    Raises:
        ValueError: A bound is not above 0.
    """

    entries: int = 1_000_000
    size_bytes: int = 64 * 1024 * 1024
    age_seconds: float | None = None
    when_full: Literal["refuse", "drop"] = "refuse"
    keep_acknowledged: bool = False

    def __post_init__(self) -> None:
        if self.entries < 1 or self.size_bytes < 1 or not (self.age_seconds or 1) > 0:
            raise ValueError("the bounds of a log are above 0")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of a log.

    Attributes:
        number: Its place; unique in the log for ever.
        appended_at: In seconds since 1970.
        payload: The bytes that were appended.
        attempt: How often it was delivered to the consumer, this time included; 0 where it was
            only read.
    """

    number: int
    appended_at: float
    payload: bytes
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class LogPage:
    """A part of a log, in order.

    Attributes:
        entries: The entries.
        next: Pass it as `after` for the next page; None at the end.
    """

    entries: tuple[LogEntry, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True)
class LogStatus:
    """The state of a log.

    Attributes:
        entries: Entries that are there.
        size_bytes: Their bytes, as `LogBounds.size_bytes` counts them.
        first: The lowest number that may be there.
        next: The number of the next entry.
        dropped_entries: Entries that were dropped without being acknowledged, ever.
        dropped_bytes: Their bytes.
    """

    entries: int
    size_bytes: int
    first: int
    next: int
    dropped_entries: int
    dropped_bytes: int


@dataclass(slots=True)
class Head:
    """The record of a log; every field is a number of eight bytes.

    Attributes:
        generation: Where the entries are; 0 before the first.
        first: The lowest number that may be there.
        next: The number of the next entry.
        entries: Entries that are there.
        size_bytes: Their bytes, each entry charged with `ENTRY_BYTES` beside its payload.
        dropped_entries: Entries that were dropped without being acknowledged, ever.
        dropped_bytes: Their bytes.
    """

    generation: int = 0
    first: int = 1
    next: int = 1
    entries: int = 0
    size_bytes: int = 0
    dropped_entries: int = 0
    dropped_bytes: int = 0

    def copy(self) -> Head:
        """Return a copy; `dataclasses.replace` takes as long as the rest of an append."""
        return Head(
            self.generation, self.first, self.next, self.entries, self.size_bytes,
            self.dropped_entries, self.dropped_bytes,
        )  # fmt: skip

    def pack(self) -> bytes:
        """Return the bytes of the record."""
        return _HEAD.pack(
            self.generation, self.first, self.next, self.entries, self.size_bytes,
            self.dropped_entries, self.dropped_bytes,
        )  # fmt: skip

    @classmethod
    def unpack(cls, stored: bytes) -> Self:
        """Read the bytes of a record.

        Raises:
            StorageCorrupted: They are malformed.
        """
        if len(stored) != _HEAD.size:
            raise StorageCorrupted("storage", "the record of a log is malformed")
        return cls(*_HEAD.unpack(stored))


_HEAD = struct.Struct(f">{len(fields(Head))}Q")


def pack_stamp(appended_at: float) -> bytes:
    """Return what stands before the payload in the value under which an entry is stored."""
    return _STAMP.pack(int(appended_at * 1e9))


def unpack_entry(key: bytes, value: bytes) -> LogEntry:
    """Read an entry."""
    number = int.from_bytes(key[DATA_PREFIX_BYTES:], "big")
    return LogEntry(number, _STAMP.unpack_from(value)[0] / 1e9, value[_STAMP.size :])


def charge_of(value: bytes) -> int:
    """Return the bytes that a stored entry is charged with."""
    return len(value) - _STAMP.size + ENTRY_BYTES
