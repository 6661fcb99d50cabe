"""A namespace as host functions use it: on the event loop's thread, without a task.

Reading an entry and writing one take microseconds, so nothing here waits; `done` callbacks tell
when a write is durable. Checking a quota and writing are one step, because both belong to one
thread.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from .._backends.backend import Change
from .._layout.entries import expiry_of, get_visible, scan_expired, scan_pairs
from .._layout.keys import (
    DATA_PREFIX_BYTES,
    LAST_TIME,
    SPACES,
    after_prefix,
    encode_key,
    encode_name,
)
from .._layout.space import Space, pack_space, pack_time
from .._layout.step import Step
from .._logs.group_commit import Done
from .._settings import Durability
from ..errors import (
    BatchTooLarge,
    InvalidLifetime,
    PreconditionFailed,
    QuotaExceeded,
    ValueTooLarge,
)
from .write_plan import WritePlan

if TYPE_CHECKING:
    from .._store import Store

__all__ = ("Entry", "InlineNamespace", "Journal", "Page", "Usage", "Written")

LONGEST_TTL = 100 * 365.25 * 86_400
"""Seconds."""
_COUNTED = 4_096
"""Expired entries that `read_usage` takes off, and that a write removes to make room. More would
hold the event loop for too long."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key with its value."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a scan, in the order of the keys' bytes.

    Attributes:
        entries: The entries, in the order of the scan.
        next: Pass it as `after` for the next page; None at the end.
    """

    entries: tuple[Entry, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """The size of a namespace.

    Attributes:
        used_bytes: The bytes of all entries: key, value, and 64 for each. An entry that expires
            is charged with 128 more, and with its key twice more.
        keys: The number of keys.
        quota_bytes: The most that `used_bytes` may become.
        quota_keys: The most that `keys` may become; None where only bytes are bounded.
    """

    used_bytes: int
    keys: int
    quota_bytes: int
    quota_keys: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """One key that was written.

    Attributes:
        key: The key.
        before: Its value before; None where it was not there.
        after: Its value now; None where it was deleted.
        expires: Whether it expires now, or did before.
    """

    key: str
    before: bytes | None
    after: bytes | None
    expires: bool = False


Journal: TypeAlias = Callable[[Sequence[Written]], None]
"""Is told what a write has changed, before its caller goes on."""


class InlineNamespace:
    """The inline face of a namespace; `Namespace` adds the asynchronous one."""

    __slots__ = (
        "_record_key",
        "_store",
        "durability",
        "has_batch_bounds",
        "journal",
        "name",
        "quota_bytes",
        "quota_keys",
    )

    def __init__(
        self,
        store: Store,
        name: str,
        quota_bytes: int,
        durability: Durability | None = None,
        quota_keys: int | None = None,
        has_batch_bounds: bool = True,
    ) -> None:
        self.name = name
        self.has_batch_bounds = has_batch_bounds
        self.quota_bytes = quota_bytes
        self.quota_keys = quota_keys
        self.durability: Durability | None = durability
        self.journal: Journal | None = None
        self._store = store
        self._record_key = SPACES + encode_name(name)

    def read(self, key: str) -> bytes | None:
        """Return the value of a key, or None.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        encoded, space = encode_key(self.name, key), self._space()
        if not space.timed:
            return self._store.backend.get(space.prefix + encoded)
        return get_visible(self._store.backend, space, encoded, self._store.now())

    def has(self, key: str) -> bool:
        """Whether a key is there.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        return self.read(key) is not None

    def read_ttl(self, key: str) -> float | None:
        """Return the seconds until a key expires; None if it never does, or is not there.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        expires = expiry_of(self._store.backend, self._space(), encode_key(self.name, key))
        left = expires - self._store.now()
        return left / 1_000 if expires and left > 0 else None

    def read_page(
        self,
        prefix: str = "",
        after: str | None = None,
        limit: int = 0,
        *,
        reverse: bool = False,
        most_bytes: int = sys.maxsize,
    ) -> Page:
        """Return the next entries whose keys start with `prefix`.

        Args:
            prefix: May be empty.
            after: Begin behind this key, in the direction of the scan; the `next` of the page
                before.
            limit: The most entries; 0 for as many as the store allows.
            reverse: Begin with the highest key.
            most_bytes: The size of a page, where that is less than the store's; a first entry
                that is larger is a page of its own.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        limits = self._store.limits
        page_bytes = min(limits.page_bytes, most_bytes)
        most = min(limit, limits.page_entries) if limit > 0 else limits.page_entries
        entries: list[Entry] = []
        size = 0
        start, end = self._bounds(prefix, after, reverse=reverse)
        space = self._space()
        found = scan_pairs(
            self._store.backend, space, self._now(space), start, end, reverse=reverse
        )
        for key, value in found:
            size += len(key) - DATA_PREFIX_BYTES + len(value)
            if len(entries) == most or (entries and size > page_bytes):
                return Page(tuple(entries), entries[-1].key)
            entries.append(Entry(key[DATA_PREFIX_BYTES:].decode(), value))
        return Page(tuple(entries))

    def read_usage(self) -> Usage:
        """Return the size of the namespace.

        Of entries that expired a moment ago, the first 4,096 are taken off; the sweeper is after
        the others. `Namespace.usage` takes off all of them.

        Raises:
            StorageError: The store cannot be read.
        """
        space = self._space()
        if not space.timed:
            return self._usage(space.used_bytes, space.keys)
        expired = scan_expired(self._store.backend, space, self._store.now())
        charges = [each.charged for each in islice(expired, _COUNTED)]
        return self._usage(space.used_bytes - sum(charges), space.keys - len(charges))

    def write(
        self,
        values: Mapping[str, bytes | None],
        done: Done,
        *,
        ttls: Mapping[str, float] | None = None,
        expected: Mapping[str, bytes | None] | None = None,
    ) -> int:
        """Set keys, or delete those whose value is None: all of them or none.

        A key that is set anew expires only if it is among `ttls`.

        Args:
            values: The new value of each key.
            done: Called on the loop's thread once the change is durable, or with the error if
                that failed; possibly before this returns.
            ttls: Seconds after which a key expires, for some of those that are set.
            expected: Values that keys must have, None for none; the keys need not be among
                those that change.

        Returns:
            How many of the deleted keys were there.

        Raises:
            BatchTooLarge: More entries or bytes than one batch may have.
            InvalidLifetime: A time to live is not above 0, or too long.
            PreconditionFailed: A key does not have the value that is expected.
            QuotaExceeded: It does not fit.
            StorageError: Refused. In all these cases nothing changed; `done` is not called.
        """
        step, deleted = self.plan(values, ttls=ttls, expected=expected)
        written = () if self.journal is None else self._written(values, ttls or {})
        self._apply(step)
        if self.journal is not None:
            self.journal(written)
        self._store.when_durable(done, self.durability)
        return deleted

    def plan(
        self,
        values: Mapping[str, bytes | None],
        *,
        ttls: Mapping[str, float] | None = None,
        expected: Mapping[str, bytes | None] | None = None,
    ) -> tuple[Step, int]:
        """Compute the changes of a write without applying them; see `write`.

        Returns:
            The step, and how many of the deleted keys are there.

        Raises:
            StorageError: The write is refused.
        """
        for key, value in (expected or {}).items():
            if self.read(key) != value:
                raise PreconditionFailed(self.name, key)
        return self._plan_with_room(self._checked(values, ttls or {}))

    def ask_for_recovery(self) -> None:
        """After a refused write: let the store try its disk again, without waiting."""
        self._store.ask_for_recovery()

    # For the parts of this block.

    @property
    def record_key(self) -> bytes:
        """The key of the namespace's record."""
        return self._record_key

    def put(self, entries: Sequence[tuple[bytes, bytes | None, int]]) -> int:
        """Write entries that the host chose, for which the bounds of a batch do not hold.

        Args:
            entries: As for `WritePlan.put_all`.

        Returns:
            How many of the deleted keys were there.

        Raises:
            StorageError: The write is refused, and nothing changed.
        """
        step, deleted = self._plan_with_room(entries)
        self._apply(step)
        return deleted

    def read_removable(self, prefix: str) -> Page:
        """Return the next entries with a prefix, at most as many as one batch may delete.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        limits = self._store.limits
        return self.read_page(prefix, limit=limits.batch_entries, most_bytes=limits.batch_bytes)

    def check_entry(self, key: str, value: bytes | None) -> bytes:
        """Return the bytes of a key, once it and its value are allowed.

        Raises:
            InvalidKey: The key is not usable.
            ValueTooLarge: The value is too large.
        """
        encoded = encode_key(self.name, key)
        limit = self._store.limits.value_bytes
        if value is not None and len(value) > limit:
            raise ValueTooLarge(self.name, key, len(value), limit)
        return encoded

    def check_quota(self, used_bytes: int, keys: int) -> None:
        """Refuse to grow above the quota; a namespace over a lowered one may still shrink.

        Raises:
            QuotaExceeded: It grows above.
        """
        space, most_keys = self._space(), self.quota_keys
        is_over = used_bytes > self.quota_bytes and used_bytes > space.used_bytes
        has_too_many = most_keys is not None and keys > most_keys and keys > space.keys
        if is_over or has_too_many:
            raise QuotaExceeded(
                self.name, space.used_bytes, used_bytes - space.used_bytes, self.quota_bytes,
                space.keys, keys - space.keys, most_keys if has_too_many else None,
            )  # fmt: skip

    def _written(
        self, values: Mapping[str, bytes | None], ttls: Mapping[str, float]
    ) -> Sequence[Written]:
        return [
            Written(
                key, self.read(key), after, expires=key in ttls or self.read_ttl(key) is not None
            )
            for key, after in values.items()
        ]

    def _apply(self, step: Step) -> None:
        if step.changes:
            self._store.apply(step.changes)
            step.settle()

    def _plan_with_room(
        self, entries: Sequence[tuple[bytes, bytes | None, int]]
    ) -> tuple[Step, int]:
        """Compute a write; where the quota refuses it, make room of what expired."""
        removed = 0
        while True:
            try:
                return self._plan(entries)
            except QuotaExceeded:
                step = self._store.expiring.step(self._record_key) if removed < _COUNTED else 0
                if not step:
                    raise
                removed += step

    def _plan(self, entries: Sequence[tuple[bytes, bytes | None, int]]) -> tuple[Step, int]:
        space = self._space()
        now = self._now(space)
        begun: list[Change] = []
        target = space
        if not space.generation:
            generation, remembered = self._store.new_generation()
            target = Space()
            target.set(0, 0, generation)
            begun.append(remembered)
        plan = WritePlan(self._store.backend, target, now)
        plan.put_all(entries)
        if not plan.written:
            return Step([], lambda: None), 0
        self.check_quota(plan.used_bytes, plan.keys)
        if plan.timed:
            begun.append((LAST_TIME, pack_time(self._store.now())))
        record = pack_space(plan.used_bytes, plan.keys, target.generation, plan.timed)

        def settle() -> None:
            plan.settle(space, target.generation if plan.keys else 0)
            if plan.timed or plan.expired:
                self._store.expiring.note(self._record_key, space, plan.expired)
            if space.touched is not None:
                space.touched.update(plan.written)

        return Step([*begun, *plan.changes, (self._record_key, record)], settle), plan.deleted

    def _checked(
        self, values: Mapping[str, bytes | None], ttls: Mapping[str, float]
    ) -> list[tuple[bytes, bytes | None, int]]:
        limits, now = self._store.limits, self._store.now() if ttls else 0
        entries: list[tuple[bytes, bytes | None, int]] = []
        size = 0
        for key, value in values.items():
            encoded = self.check_entry(key, value)
            size += len(encoded) + (len(value) if value else 0)
            entries.append((encoded, value, now + _milliseconds(ttls[key]) if key in ttls else 0))
        is_large = len(entries) > limits.batch_entries or size > limits.batch_bytes
        if is_large and self.has_batch_bounds:
            raise BatchTooLarge(
                self.name, len(entries), size, limits.batch_entries, limits.batch_bytes
            )
        for key, ttl in ttls.items():
            if values.get(key) is None or not 0 < ttl <= LONGEST_TTL:
                raise InvalidLifetime(self.name, key, ttl)
        return entries

    def _bounds(
        self, prefix: str, after: str | None, *, reverse: bool
    ) -> tuple[bytes, bytes | None]:
        start = encode_key(self.name, prefix) if prefix else b""
        end = after_prefix(start) if prefix else None
        if after is not None:
            behind = encode_key(self.name, after)
            if not reverse:
                start = max(start, behind + b"\0")
            else:
                end = behind if end is None else min(end, behind)
        return start, end

    def _usage(self, used_bytes: int, keys: int) -> Usage:
        return Usage(used_bytes, keys, self.quota_bytes, self.quota_keys)

    def _now(self, space: Space) -> int:
        """Return the store's time, or 0 where it does not matter."""
        return self._store.now() if space.timed else 0

    def _space(self) -> Space:
        return self._store.space(self._record_key)


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1_000) if 0 < seconds <= LONGEST_TTL else 0
