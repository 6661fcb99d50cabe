"""The computation of one step of a log: what it appends, removes, drops and refuses.

It works on copies, so that a step that is refused, or that the disk refuses, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .._backends.backend import Change
from .._layout.keys import data_prefix
from .._layout.space import ENTRY_BYTES
from ..errors import LogFull
from .consumer import Cursor
from .log_records import Head, LogBounds, LogEntry, pack_stamp

_STEP_ENTRIES = 256
"""The most entries that one step removes beyond those that it must."""


class LogPlan:
    """One step of a log.

    Args:
        name: The log's name.
        head: The record; it is copied.
        bounds: The bounds that the log keeps.
        cursors: The cursors of all consumers.
        moved: The cursors that this step moves, by consumer.
        now: The time.
        charge: Returns the bytes of an entry; None if it is not there.
        first_from: Returns the first entry from a number on.

    Attributes:
        head: The record after the step.
        moved: The cursors after the step, where they changed.
        removed: Numbers of the entries that it removes.
        changes: Changes of entries.
        has_rest: Whether acknowledged entries are left for another step.
    """

    def __init__(
        self,
        name: str,
        head: Head,
        bounds: LogBounds,
        cursors: Mapping[str, Cursor],
        moved: Mapping[str, Cursor],
        now: float,
        charge: Callable[[int], int | None],
        first_from: Callable[[int], LogEntry | None],
    ) -> None:
        self.head = head.copy()
        self.moved = dict(moved)
        self.removed: list[int] = []
        self.changes: list[Change] = []
        self.has_rest = False
        self._name = name
        self._bounds = bounds
        self._cursors = {**cursors, **moved}
        self._prefix = data_prefix(head.generation)
        self._now = now
        self._charge = charge
        self._first_from = first_from

    def remove(self) -> None:
        """Remove some of the entries that are acknowledged or too old."""
        if not self._bounds.keep_acknowledged:
            self._remove_acknowledged()
        if self._bounds.age_seconds is not None:
            self._remove_aged(self._bounds.age_seconds)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Append entries, and make room for them.

        Raises:
            LogFull: There is no room.
        """
        size = sum(map(len, payloads)) + ENTRY_BYTES * len(payloads)
        self._make_room(len(payloads), size)
        head, prefix, stamp = self.head, self._prefix, pack_stamp(self._now)
        self.changes += [
            (prefix + number.to_bytes(8, "big"), stamp + payload)
            for number, payload in enumerate(payloads, head.next)
        ]
        head.next += len(payloads)
        head.entries += len(payloads)
        head.size_bytes += size

    @property
    def _acknowledged(self) -> int:
        """The number up to which all consumers have acknowledged."""
        if not self._cursors:
            return 0
        return min([cursor.through for cursor in self._cursors.values()])

    def _remove_acknowledged(self) -> None:
        acknowledged = self._acknowledged
        last = min(acknowledged, self.head.first + _STEP_ENTRIES - 1)
        while self.head.first <= last:
            self._remove_first()
        self.has_rest = last < acknowledged

    def _remove_aged(self, age_seconds: float) -> None:
        for _ in range(_STEP_ENTRIES):
            first = self._first_from(self.head.first) if self.head.entries else None
            if first is None or first.appended_at + age_seconds > self._now:
                return
            self.head.first = first.number
            if not self._may_remove_first():
                return
            self._remove_first()

    def _make_room(self, entries: int, size_bytes: int) -> None:
        bounds, head = self._bounds, self.head
        if entries > bounds.entries or size_bytes > bounds.size_bytes:
            raise LogFull(self._name, head.entries, head.size_bytes)
        while entries and (
            head.entries + entries > bounds.entries
            or head.size_bytes + size_bytes > bounds.size_bytes
        ):
            if not self._may_remove_first():
                raise LogFull(self._name, head.entries, head.size_bytes)
            self._remove_first()

    def _may_remove_first(self) -> bool:
        return self.head.first <= self._acknowledged or self._bounds.when_full == "drop"

    def _remove_first(self) -> None:
        head, number = self.head, self.head.first
        charge = self._charge(number)
        is_dropped = number > self._acknowledged
        head.first = number + 1
        if charge is None:
            return
        head.entries -= 1
        head.size_bytes -= charge
        self.removed.append(number)
        self.changes.append((self._key(number), None))
        if is_dropped:
            head.dropped_entries += 1
            head.dropped_bytes += charge
            self._skip(number)

    def _skip(self, number: int) -> None:
        """Move the consumers that have not acknowledged a dropped entry behind it."""
        for name, cursor in self._cursors.items():
            if cursor.through < number:
                self.moved[name] = self._cursors[name] = cursor.without(number)

    def _key(self, number: int) -> bytes:
        return self._prefix + number.to_bytes(8, "big")
