"""One component's keys and values, with the quota that it has for them.

A namespace belongs to a name, not to a running instance, so it outlives
restarts and updates. Its counters (bytes, keys) change in the same atomic batch
as the values they count, so they cannot drift; `recount` shows it.

Two faces on one set of rules. The inline methods (`read`, `has`, `read_page`,
`write`) are for host functions, which complete a guest's call without a task;
the `async` methods are for everybody else. All of them belong to the event
loop's thread, which is what makes checking a quota and writing one step.
"""

from __future__ import annotations

import struct
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Mapping,
)
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread

from ._backend import Change
from ._keys import after_prefix, encode_key, encode_namespace
from .errors import (
    QuotaExceeded,
    StorageCorrupted,
    StorageError,
    ValueTooLarge,
)
from .export import ExportReader, write_export

if TYPE_CHECKING:
    from .store import Store

__all__ = ("DEFAULT_QUOTA_BYTES", "Counters", "Entry", "Namespace", "Page", "Usage")

DEFAULT_QUOTA_BYTES = 64 * 1024 * 1024

_COUNTERS = struct.Struct(">QQ")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key with its value."""

    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a scan, in the order of the keys' bytes.

    Attributes:
        entries: What was found.
        next: Pass it as `after` for the next page; None at the end.
    """

    entries: tuple[Entry, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a namespace holds.

    Attributes:
        used_bytes: The bytes of all keys and values.
        keys: The number of keys.
        quota_bytes: The most that `used_bytes` may become.
    """

    used_bytes: int
    keys: int
    quota_bytes: int


@dataclass(slots=True)
class Counters:
    """A namespace's counters in memory; the same for every handle on it."""

    used_bytes: int = 0
    keys: int = 0


class Namespace:
    """A handle on one namespace of a store; cheap to make.

    Args:
        store: The open store.
        name: The namespace's id.
        quota_bytes: The most that its keys and values may take.

    Raises:
        InvalidNamespace: The id is empty, too long, or not encodable.
    """

    __slots__ = ("_counters_key", "_id", "_prefix", "_store", "name", "quota_bytes")

    def __init__(self, store: Store, name: str, quota_bytes: int) -> None:
        self.name = name
        self.quota_bytes = quota_bytes
        self._store = store
        self._id = encode_namespace(name)
        self._prefix = b"d" + self._id
        self._counters_key = b"m" + self._id

    # Inline: on the event loop's thread, without waiting for the disk.

    def read(self, key: str) -> bytes | None:
        """The value of a key, or None.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        return self._store.backend.get(self._prefix + encode_key(self.name, key))

    def has(self, key: str) -> bool:
        """Whether a key is there.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        return self.read(key) is not None

    def read_page(self, prefix: str = "", after: str | None = None, limit: int = 0) -> Page:
        """The next entries whose keys start with `prefix`.

        Args:
            prefix: May be empty.
            after: The `next` of the page before.
            limit: The most entries; 0 for as many as the store allows.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        start, end = self._bounds(prefix, after)
        limits = self._store.limits
        most = min(limit, limits.page_entries) if limit > 0 else limits.page_entries
        entries: list[Entry] = []
        size = 0
        if start < end:
            for key, value in self._store.backend.scan(start, end):
                size += len(key) - len(self._prefix) + len(value)
                if len(entries) == most or (entries and size > limits.page_bytes):
                    return Page(tuple(entries), entries[-1].key)
                entries.append(Entry(key[len(self._prefix) :].decode(), value))
        return Page(tuple(entries))

    def read_usage(self) -> Usage:
        """What the namespace holds.

        Raises:
            StorageError: The store cannot be read.
        """
        counters = self._counters()
        return Usage(counters.used_bytes, counters.keys, self.quota_bytes)

    def write(
        self,
        values: Mapping[str, bytes | None],
        done: Callable[[StorageError | None], None],
    ) -> int:
        """Set keys, or delete those whose value is None: all of them or none.

        Args:
            values: The new value of each key.
            done: Called on the loop's thread once the change is durable, or with
                what went wrong; possibly before this returns.

        Returns:
            How many of the deleted keys were there.

        Raises:
            StorageError: Refused, and nothing changed; `done` is not called.
        """
        counters = self._counters()
        changes: list[Change] = []
        used, keys, deleted = counters.used_bytes, counters.keys, 0
        for key, value in values.items():
            encoded = encode_key(self.name, key)
            self._check_value(key, value)
            full = self._prefix + encoded
            old = self._store.backend.get(full)
            if old is None and value is None:
                continue
            changes.append((full, value))
            used += _size(encoded, value) - _size(encoded, old)
            keys += (value is not None) - (old is not None)
            deleted += value is None
        if changes:
            self._check_quota(counters, used)
            self._apply(counters, changes, used, keys)
        self._store.when_durable(done)
        return deleted

    def ask_for_recovery(self) -> None:
        """After a refused write: let the store try its disk again, without waiting."""
        self._store.ask_for_recovery()

    # For everybody else.

    async def get(self, key: str) -> bytes | None:
        """The value of a key, or None.

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
        """Remove a key and wait until that is durable; says whether it was there.

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
        outcome = _Outcome()
        deleted = self.write(values, outcome)
        await outcome.wait()
        return deleted

    async def scan(self, prefix: str = "", after: str | None = None, limit: int = 0) -> Page:
        """As `read_page`.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        await anyio.lowlevel.checkpoint()
        return self.read_page(prefix, after, limit)

    async def entries(self, prefix: str = "") -> AsyncIterator[Entry]:
        """Every entry whose key starts with `prefix`, page by page.

        What is written meanwhile may or may not be among them.

        Raises:
            StorageError: The store cannot be read.
        """
        after: str | None = None
        while True:
            page = await self.scan(prefix, after)
            for entry in page.entries:
                yield entry
            after = page.next
            if after is None:
                return

    async def usage(self) -> Usage:
        """What the namespace holds.

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
        snapshot = self._store.backend.snapshot()
        try:
            start, end = self._bounds("", None)
            counted = await anyio.to_thread.run_sync(
                lambda: _count(snapshot.scan(start, end), len(self._prefix))
            )
        finally:
            snapshot.close()
        return Usage(counted.used_bytes, counted.keys, self.quota_bytes)

    async def clear(self) -> int:
        """Remove every key, at once; returns how many there were.

        Raises:
            StorageError: Refused or failed; nothing changed.
        """
        return await self._replace({})

    async def export(self) -> AsyncGenerator[bytes, None]:
        """The whole content as it is now, in a form that `load` reads: JSON lines.

        Close it with `contextlib.aclosing` unless it is read to its end.

        Raises:
            StorageError: The store cannot be read.
        """
        snapshot = self._store.backend.snapshot()
        try:
            found = snapshot.scan(*self._bounds("", None))
            pairs = ((key[len(self._prefix) :].decode(), value) for key, value in found)
            chunks = write_export(self.name, pairs)
            while chunk := await anyio.to_thread.run_sync(next, chunks, b""):
                yield chunk
        finally:
            snapshot.close()

    async def load(self, chunks: AsyncIterable[bytes], *, replace: bool = False) -> int:
        """Take in an export, all of it or nothing.

        Args:
            chunks: The bytes that `export` gave, cut anywhere. A generator is closed.
            replace: Whether to remove every key that the export does not have.

        Returns:
            How many entries were taken in.

        Raises:
            ExportInvalid: Cut short, altered, or not an export.
            StorageError: Refused or failed; nothing changed.
        """
        try:
            values = await self._read_export(chunks)
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        if replace:
            await self._replace(values)
        else:
            await self.batch(values)
        return len(values)

    async def copy_from(self, other: Namespace) -> int:
        """Become a copy of another namespace of the same store, all at once.

        Returns:
            How many entries were copied.

        Raises:
            StorageError: Refused or failed; nothing changed.
        """
        return await self.load(other.export(), replace=True)

    async def _read_export(self, chunks: AsyncIterable[bytes]) -> dict[str, bytes | None]:
        reader = ExportReader()
        values: dict[str, bytes | None] = {}
        size = 0
        async for chunk in chunks:
            for key, value in reader.feed(chunk):
                size += _size(encode_key(self.name, key), value)
                if size > self.quota_bytes:
                    raise QuotaExceeded(self.name, 0, size, self.quota_bytes)
                values[key] = value
        reader.finish()
        return values

    async def _replace(self, values: Mapping[str, bytes | None]) -> int:
        old = [key for key in self._keys() if key not in values]
        return await self.batch({**dict.fromkeys(old), **values})

    def _keys(self) -> Iterable[str]:
        for key, _ in self._store.backend.scan(*self._bounds("", None)):
            yield key[len(self._prefix) :].decode()

    def _bounds(self, prefix: str, after: str | None) -> tuple[bytes, bytes]:
        encoded = encode_key(self.name, prefix) if prefix else b""
        start = self._prefix + encoded
        end = after_prefix(start)
        if after is not None:
            start = max(start, self._prefix + encode_key(self.name, after) + b"\0")
        return start, end

    def _counters(self) -> Counters:
        return self._store.counters(self._id, self._load_counters)

    def _load_counters(self) -> Counters:
        stored = self._store.backend.get(self._counters_key)
        if stored is None:
            return Counters()
        if len(stored) != _COUNTERS.size:
            raise StorageCorrupted(self._store.path, f"the counters of {self.name} are malformed")
        return Counters(*_COUNTERS.unpack(stored))

    def _check_value(self, key: str, value: bytes | None) -> None:
        limit = self._store.limits.value_bytes
        if value is not None and len(value) > limit:
            raise ValueTooLarge(self.name, key, len(value), limit)

    def _check_quota(self, counters: Counters, used: int) -> None:
        """Over the quota, a namespace may still shrink: the quota may have been lowered."""
        if used > self.quota_bytes and used > counters.used_bytes:
            needed = used - counters.used_bytes
            raise QuotaExceeded(self.name, counters.used_bytes, needed, self.quota_bytes)

    def _apply(self, counters: Counters, changes: list[Change], used: int, keys: int) -> None:
        stored = _COUNTERS.pack(used, keys) if keys else None
        self._store.apply([*changes, (self._counters_key, stored)])
        counters.used_bytes, counters.keys = used, keys


class _Outcome:
    """Waits for the callback of one write."""

    def __init__(self) -> None:
        self._done = anyio.Event()
        self._error: StorageError | None = None

    def __call__(self, error: StorageError | None) -> None:
        self._error = error
        self._done.set()

    async def wait(self) -> None:
        await self._done.wait()
        if self._error is not None:
            raise self._error


def _size(key: bytes, value: bytes | None) -> int:
    return 0 if value is None else len(key) + len(value)


def _count(found: Iterable[tuple[bytes, bytes]], skip: int) -> Counters:
    counters = Counters()
    for key, value in found:
        counters.used_bytes += len(key) - skip + len(value)
        counters.keys += 1
    return counters
