"""One component's keys and values, with the quota that it has for them.

A namespace belongs to a name, not to a running instance, so it outlives restarts and updates.
Its counters (bytes, keys) change in the same atomic batch as the values they count, so they
cannot drift; `recount` shows it.

Two faces on one set of rules. The inline methods (`read`, `has`, `read_page`, `write`) are for
host functions, which complete a guest's call without a task; the `async` methods are for all
other code. All of them belong to the event loop's thread, which is what makes checking a quota
and writing one step.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import anyio.lowlevel
import anyio.to_thread

from ._backend import Change
from ._checkpoints import Checkpoints
from ._export import write_export
from ._group_commit import Done, Outcome
from ._keys import (
    DATA_PREFIX_BYTES,
    SPACES,
    after_prefix,
    data_prefix,
    encode_key,
    encode_name,
    garbage_key,
    range_of,
)
from ._rebuilding import Progress, Rebuilding, ignore_progress
from ._settings import Durability
from ._space import Space, pack_space
from ._step import Step
from .errors import QuotaExceeded, ValueTooLarge

if TYPE_CHECKING:
    from ._store import Store

__all__ = ("Entry", "Namespace", "Page", "Usage")

_AT_ONCE = 2_048
"""The most keys that `delete_prefix` removes by themselves; above, it copies the others."""


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
        used_bytes: The bytes of all keys and values.
        keys: The number of keys.
        quota_bytes: The most that `used_bytes` may become.
    """

    used_bytes: int
    keys: int
    quota_bytes: int


class Namespace:
    """A handle on one namespace of a store; cheap to make.

    Args:
        store: The open store.
        name: The namespace's name.
        quota_bytes: The most that its keys and values may take.
        durability: When a write counts as done; None for the store's rule.

    Raises:
        InvalidNamespace: The name is empty, too long, or not encodable.
    """

    __slots__ = ("_record_key", "_store", "durability", "name", "quota_bytes")

    def __init__(
        self, store: Store, name: str, quota_bytes: int, durability: Durability | None = None
    ) -> None:
        self.name = name
        self.quota_bytes = quota_bytes
        self.durability: Durability | None = durability
        self._store = store
        self._record_key = SPACES + encode_name(name)

    # Inline: on the event loop's thread, without waiting for the disk.

    def read(self, key: str) -> bytes | None:
        """Return the value of a key, or None.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        encoded = encode_key(self.name, key)
        return self._store.backend.get(self._space().prefix + encoded)

    def has(self, key: str) -> bool:
        """Whether a key is there.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        return self.read(key) is not None

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
        for key, value in self._store.backend.scan(start, end, reverse=reverse):
            size += len(key) - DATA_PREFIX_BYTES + len(value)
            if len(entries) == most or (entries and size > page_bytes):
                return Page(tuple(entries), entries[-1].key)
            entries.append(Entry(key[DATA_PREFIX_BYTES:].decode(), value))
        return Page(tuple(entries))

    def read_usage(self) -> Usage:
        """Return the size of the namespace.

        Raises:
            StorageError: The store cannot be read.
        """
        space = self._space()
        return Usage(space.used_bytes, space.keys, self.quota_bytes)

    def write(self, values: Mapping[str, bytes | None], done: Done) -> int:
        """Set keys, or delete those whose value is None: all of them or none.

        Args:
            values: The new value of each key.
            done: Called on the loop's thread once the change is durable, or with the error if
                that failed; possibly before this returns.

        Returns:
            How many of the deleted keys were there.

        Raises:
            StorageError: Refused, and nothing changed; `done` is not called.
        """
        step, deleted = self.plan(values)
        if step.changes:
            self._store.apply(step.changes)
            step.settle()
        self._store.when_durable(done, self.durability)
        return deleted

    def plan(self, values: Mapping[str, bytes | None]) -> tuple[Step, int]:
        """Compute the changes of a write without applying them; see `write`.

        Returns:
            The step, and how many of the deleted keys are there.

        Raises:
            StorageError: The write is refused.
        """
        space = self._space()
        used, keys, deleted = space.used_bytes, space.keys, 0
        generation, prefix = space.generation, space.prefix
        changes: list[Change] = []
        if not generation:
            generation, remembered = self._store.new_generation()
            prefix = data_prefix(generation)
            changes.append(remembered)
        written: list[bytes] = []
        for key, value in values.items():
            encoded = encode_key(self.name, key)
            self._check_value(key, value)
            old = self._store.backend.get(prefix + encoded)
            if old is None and value is None:
                continue
            written.append(encoded)
            changes.append((prefix + encoded, value))
            used += _size(encoded, value) - _size(encoded, old)
            keys += (value is not None) - (old is not None)
            deleted += value is None
        if not written:
            return Step([], lambda: None), deleted
        self._check_quota(space, used)
        changes.append((self._record_key, pack_space(used, keys, generation)))

        def settle() -> None:
            space.set(used, keys, generation if keys else 0)
            if space.touched is not None:
                space.touched.update(written)

        return Step(changes, settle), deleted

    def ask_for_recovery(self) -> None:
        """After a refused write: let the store try its disk again, without waiting."""
        self._store.ask_for_recovery()

    # For all other code.

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of this namespace."""
        return Checkpoints(self._store, self)

    async def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        await anyio.lowlevel.checkpoint()
        return self.read(key)

    async def exists(self, key: str) -> bool:
        """Whether a key is there.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        await anyio.lowlevel.checkpoint()
        return self.has(key)

    async def set(self, key: str, value: bytes) -> None:
        """Write a value and wait until it is durable.

        A cancel leaves it written, perhaps not durable yet.

        Raises:
            StorageError: Refused or failed; see the class for why.
        """
        await self.batch({key: value})

    async def delete(self, key: str) -> bool:
        """Remove a key and wait until that is durable; return whether it was there.

        Raises:
            StorageError: Refused or failed; see the class for why.
        """
        return await self.batch({key: None}) > 0

    async def batch(self, values: Mapping[str, bytes | None]) -> int:
        """Set keys, or delete those whose value is None: all or none, and durable.

        Returns:
            How many of the deleted keys were there.

        Raises:
            StorageError: Refused or failed; see the class for why.
        """
        await self._store.recover()
        outcome = Outcome()
        deleted = self.write(values, outcome)
        await outcome.wait()
        return deleted

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None) -> bool:
        """Change a key only if its value is the expected one, and wait until that is durable.

        Args:
            key: The key.
            expected: The value that it must have; None for none.
            value: The new value; None deletes the key.

        Returns:
            Whether it was changed. A cancel leaves it changed, perhaps not durable yet.

        Raises:
            StorageError: Refused or failed; see the class for why.
        """
        await self._store.recover()
        if self.read(key) != expected:
            return False
        outcome = Outcome()
        self.write({key: value}, outcome)
        await outcome.wait()
        return True

    async def delete_prefix(self, prefix: str, *, progress: Progress = ignore_progress) -> int:
        """Remove all keys that start with `prefix`, in one step for readers.

        Many keys are removed by copying the others, a bounded part at a time, while the
        namespace stays in use. A cancel before the end changes nothing.

        Args:
            prefix: Not empty; see `clear`.
            progress: Told how many keys were copied so far.

        Returns:
            How many keys were removed.

        Raises:
            StorageError: A bad prefix, refused or failed; nothing changed.
        """
        encoded = encode_key(self.name, prefix)
        await self._store.recover()
        start, end = self._bounds(prefix, None, reverse=False)
        few = [key for key, _ in islice(self._store.backend.scan(start, end), _AT_ONCE + 1)]
        if len(few) <= _AT_ONCE:
            return await self.batch({key[DATA_PREFIX_BYTES:].decode(): None for key in few})
        async with Rebuilding(self._store, self, progress) as rebuilding:
            before = self._space().keys
            await rebuilding.copy_live(lambda key: not key.startswith(encoded))
            await rebuilding.take_over()
            return before - self._space().keys

    async def scan(
        self,
        prefix: str = "",
        after: str | None = None,
        limit: int = 0,
        *,
        reverse: bool = False,
    ) -> Page:
        """As `read_page`.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        await anyio.lowlevel.checkpoint()
        return self.read_page(prefix, after, limit, reverse=reverse)

    async def entries(self, prefix: str = "", *, reverse: bool = False) -> AsyncIterator[Entry]:
        """Yield every entry whose key starts with `prefix`, page by page.

        An entry that is written meanwhile may or may not be among them.

        Raises:
            StorageError: The store cannot be read.
        """
        after: str | None = None
        while True:
            page = await self.scan(prefix, after, reverse=reverse)
            for entry in page.entries:
                yield entry
            after = page.next
            if after is None:
                return

    async def usage(self) -> Usage:
        """Return the size of the namespace.

        Raises:
            StorageError: The store cannot be read.
        """
        await anyio.lowlevel.checkpoint()
        return self.read_usage()

    async def recount(self) -> Usage:
        """Count everything anew, without trusting the counters.

        Raises:
            StorageError: The store cannot be read.
        """
        bounds = range_of(self._space().prefix)
        snapshot = self._store.backend.snapshot()
        try:
            used, keys = await anyio.to_thread.run_sync(lambda: _count(snapshot.scan(*bounds)))
        finally:
            snapshot.close()
        return Usage(used, keys, self.quota_bytes)

    async def clear(self) -> int:
        """Remove every key in one step, whatever their number; return how many there were.

        The space on the disk is given back in the background. A cancel leaves it done, perhaps
        not durable yet.

        Raises:
            StorageError: Refused or failed; nothing changed.
        """
        await self._store.recover()
        async with self._space().turn:
            space = self._space()
            count, generation = space.keys, space.generation
            if generation:
                self._store.apply([(self._record_key, None), (garbage_key(generation), b"")])
                space.set(0, 0, 0)
                self._store.sweep(generation)
        await self.wait_durable()
        return count

    async def export(self) -> AsyncGenerator[bytes, None]:
        """Yield the whole content as it is now, in a form that `load` reads: JSON lines.

        Close it with `contextlib.aclosing` unless it is read to its end.

        Raises:
            StorageError: The store cannot be read.
        """
        bounds = range_of(self._space().prefix)
        snapshot = self._store.backend.snapshot()
        try:
            found = snapshot.scan(*bounds)
            pairs = ((key[DATA_PREFIX_BYTES:].decode(), value) for key, value in found)
            chunks = write_export(self.name, pairs)
            while chunk := await anyio.to_thread.run_sync(next, chunks, b""):
                yield chunk
        finally:
            snapshot.close()

    async def load(
        self,
        chunks: AsyncIterable[bytes],
        *,
        replace: bool = False,
        any_name: bool = False,
        progress: Progress = ignore_progress,
    ) -> int:
        """Take in an export, all of it or nothing, in constant memory.

        Readers see all of it or nothing, too. Keys that a component writes meanwhile stay,
        unless the export has them or `replace` is set. A cancel before the end changes nothing.

        Args:
            chunks: The bytes that `export` gave, cut anywhere. A generator is closed.
            replace: Whether to remove every key that the export does not have.
            any_name: Whether the export may be that of another namespace.
            progress: Told how many keys were written so far.

        Returns:
            How many entries were taken in.

        Raises:
            ExportForeign: It is the export of another namespace, and `any_name` is not set.
            ExportInvalid: Cut short, altered, or not an export.
            StorageError: Refused or failed; nothing changed.
        """
        await self._store.recover()
        async with Rebuilding(self._store, self, progress) as rebuilding:
            try:
                count = await rebuilding.read_export(chunks, any_name=any_name)
            finally:
                if isinstance(chunks, AsyncGenerator):
                    await chunks.aclose()
            if replace:
                await rebuilding.take_over()
            else:
                await rebuilding.merge()
            return count

    async def copy_from(self, other: Namespace, *, progress: Progress = ignore_progress) -> int:
        """Become a copy of another namespace of the same store, in one step for readers.

        A cancel before the end changes nothing.

        Args:
            other: The namespace to copy, as it is now.
            progress: Told how many keys were written so far.

        Returns:
            How many entries were copied.

        Raises:
            StorageError: Refused or failed; nothing changed.
        """
        await self._store.recover()
        async with Rebuilding(self._store, self, progress) as rebuilding:
            count = await rebuilding.copy(other._space().prefix)
            await rebuilding.take_over()
            return count

    async def wait_durable(self) -> None:
        """Wait until all that was written so far is durable.

        Raises:
            StorageError: The disk failed.
        """
        outcome = Outcome()
        self._store.when_durable(outcome, self.durability)
        await outcome.wait()

    # For the parts of this block.

    @property
    def record_key(self) -> bytes:
        """The key of the namespace's record."""
        return self._record_key

    def check_entry(self, key: str, value: bytes) -> bytes:
        """Return the bytes of a key, once it and its value are allowed.

        Raises:
            InvalidKey: The key is not usable.
            ValueTooLarge: The value is too large.
        """
        encoded = encode_key(self.name, key)
        self._check_value(key, value)
        return encoded

    def _bounds(self, prefix: str, after: str | None, *, reverse: bool) -> tuple[bytes, bytes]:
        base = self._space().prefix
        start = base + (encode_key(self.name, prefix) if prefix else b"")
        end = after_prefix(start)
        if after is not None:
            behind = base + encode_key(self.name, after)
            if reverse:
                end = min(end, behind)
            else:
                start = max(start, behind + b"\0")
        return start, end

    def _space(self) -> Space:
        return self._store.space(self._record_key)

    def _check_value(self, key: str, value: bytes | None) -> None:
        limit = self._store.limits.value_bytes
        if value is not None and len(value) > limit:
            raise ValueTooLarge(self.name, key, len(value), limit)

    def _check_quota(self, space: Space, used: int) -> None:
        """Over the quota, a namespace may still shrink: the quota may have been lowered."""
        if used > self.quota_bytes and used > space.used_bytes:
            needed = used - space.used_bytes
            raise QuotaExceeded(self.name, space.used_bytes, needed, self.quota_bytes)


def _size(key: bytes, value: bytes | None) -> int:
    return 0 if value is None else len(key) + len(value)


def _count(found: Iterable[tuple[bytes, bytes]]) -> tuple[int, int]:
    used = keys = 0
    for key, value in found:
        used += len(key) - DATA_PREFIX_BYTES + len(value)
        keys += 1
    return used, keys
