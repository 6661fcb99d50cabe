"""The computation of one write to a namespace: rows, counters, and what it removes.

It works on numbers of its own, so that a write that is refused, or that the disk refuses,
changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._backends.backend import Change, View
from .._layout.entries import expiry_of
from .._layout.space import ENTRY_BYTES, Space, expiry_charge, pack_time

__all__ = ("WritePlan",)


class WritePlan:
    """One write to a generation.

    Args:
        view: The content before it.
        space: The counters before it; they are not changed.
        now: The store's time, in milliseconds.

    Attributes:
        changes: For the backend, in this order.
        written: The keys that it changes.
        used_bytes: As in `Space`, after the write.
        keys: As in `Space`, after the write.
        timed: As in `Space`, after the write.
        due: As in `Space`, after the write.
        deleted: How many visible entries it deletes.
        expired: How many entries it replaces or deletes that had expired.
    """

    def __init__(self, view: View, space: Space, now: int) -> None:
        self.changes: list[Change] = []
        self.written: list[bytes] = []
        self.used_bytes, self.keys, self.timed = space.used_bytes, space.keys, space.timed
        self.due = space.due
        self.deleted = self.expired = 0
        self._view, self._space, self._now = view, space, now

    def put_all(
        self, entries: Sequence[tuple[bytes, bytes | None, int]], *, are_new: bool = False
    ) -> None:
        """Set or delete keys, each of them once.

        Args:
            entries: Each a key, without the generation; its value, or None to delete it; and when
                that expires, in milliseconds, or 0 for never.
            are_new: The keys are known to be absent.

        Raises:
            StorageError: The store cannot be read.
        """
        prefix = self._space.prefix
        rows = [prefix + key for key, _, _ in entries]
        olds: Sequence[bytes | None]
        if are_new:
            olds = [None] * len(rows)
        elif len(rows) == 1:
            olds = (self._view.get(rows[0]),)
        else:
            olds = self._view.get_many(rows)
        used = keys = 0
        for row, (key, value, expires), old in zip(rows, entries, olds, strict=True):
            if old is not None:
                expired = self.expired
                if self._space.timed:
                    used -= self._remove_expiry(key)
                keys -= 1
                used -= len(key) + len(old) + ENTRY_BYTES
                self.deleted += value is None and self.expired == expired
            elif value is None:
                continue
            if value is not None:
                keys += 1
                used += len(key) + len(value) + ENTRY_BYTES
                if expires:
                    used += self._add_expiry(key, len(value), expires)
            self.changes.append((row, value))
            self.written.append(key)
        self.used_bytes += used
        self.keys += keys

    def settle(self, space: Space, generation: int) -> None:
        """Put the counters into force, once the changes were applied.

        Args:
            space: The state in memory.
            generation: Where the content is now.
        """
        space.set(self.used_bytes, self.keys, generation, self.timed)
        if self.timed:
            space.due = min(space.due, self.due)

    def _remove_expiry(self, key: bytes) -> int:
        """Remove the rows of an expiry, if there is one; return what they were charged."""
        expires = expiry_of(self._view, self._space, key)
        if not expires:
            return 0
        self.timed -= 1
        self.changes.append((self._space.expiries + key, None))
        self.changes.append((self._space.deadlines + pack_time(expires) + key, None))
        if expires <= self._now:
            self.expired += 1
        return expiry_charge(len(key))

    def _add_expiry(self, key: bytes, value_bytes: int, expires: int) -> int:
        """Add the rows of an expiry; return what they are charged."""
        self.timed += 1
        self.due = min(self.due, expires)
        self.changes.append((self._space.expiries + key, pack_time(expires)))
        deadline = self._space.deadlines + pack_time(expires) + key
        self.changes.append((deadline, pack_time(value_bytes)))
        return expiry_charge(len(key))
