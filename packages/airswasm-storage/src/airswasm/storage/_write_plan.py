"""The computation of one write to a namespace: rows, counters, and what it removes.

It works on numbers of its own, so that a write that is refused, or that the disk refuses,
changes nothing.
"""

from __future__ import annotations

from ._backend import Change, View
from ._entries import expiry_of
from ._space import Space, charge, pack_time

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
        self._get = view.get
        self._prefix = space.prefix

    def put(
        self, key: bytes, value: bytes | None, expires: int = 0, *, is_new: bool = False
    ) -> None:
        """Set a key, or delete it; at most once for each key.

        Args:
            key: The key, without the generation.
            value: The value; None deletes.
            expires: When the value expires, in milliseconds; 0 for never.
            is_new: The key is known to be absent.

        Raises:
            StorageError: The store cannot be read.
        """
        old = None if is_new else self._get(self._prefix + key)
        if old is not None:
            self._remove_old(key, old, is_deleted=value is None)
        elif value is None:
            return
        self.written.append(key)
        self.changes.append((self._prefix + key, value))
        if value is not None:
            self.keys += 1
            self.used_bytes += charge(len(key), len(value), expires=expires > 0)
            if expires:
                self._add_expiry(key, len(value), expires)

    def settle(self, space: Space, generation: int) -> None:
        """Put the counters into force, once the changes were applied.

        Args:
            space: The state in memory.
            generation: Where the content is now.
        """
        space.set(self.used_bytes, self.keys, generation, self.timed)
        if self.timed:
            space.due = min(space.due, self.due)

    def _remove_old(self, key: bytes, old: bytes, *, is_deleted: bool) -> None:
        expires = expiry_of(self._view, self._space, key)
        self.keys -= 1
        self.used_bytes -= charge(len(key), len(old), expires=expires > 0)
        is_expired = 0 < expires <= self._now
        self.expired += is_expired
        self.deleted += is_deleted and not is_expired
        if expires:
            self.timed -= 1
            self.changes.append((self._space.expiries + key, None))
            self.changes.append((self._space.deadlines + pack_time(expires) + key, None))

    def _add_expiry(self, key: bytes, value_bytes: int, expires: int) -> None:
        self.timed += 1
        self.due = min(self.due, expires)
        self.changes.append((self._space.expiries + key, pack_time(expires)))
        deadline = self._space.deadlines + pack_time(expires) + key
        self.changes.append((deadline, pack_time(value_bytes)))
