"""Build a namespace's next content where no reader looks, then switch to it in one small batch.

Purges, imports, copies and restores are as long as the content, and readers must see all of
them or nothing. So the content is written into a fresh generation, at most a page at a time
between two turns of the event loop, and reading happens in a worker thread. The switch replaces
one record. An error or a cancel before it leaves a generation that belongs to nothing, which
the sweeper removes; so does a killed host, since the generation is marked before it is filled.

The namespace stays in use meanwhile. Where its own content is part of the new one, the keys that
it writes during the copy are noted (`Space.touched`) and copied again before the switch.

Rejected: one batch, which stops the loop for as long as it takes and holds everything in
memory; refusing writes meanwhile, which makes a backup an outage.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

import anyio
import anyio.lowlevel
import anyio.to_thread

from ._backend import Change
from ._export import ExportReader
from ._keys import DATA_PREFIX_BYTES, data_prefix, garbage_key, range_of
from ._space import pack_space
from .errors import ExportForeign, QuotaExceeded, StorageUnavailable

if TYPE_CHECKING:
    from ._namespace import Namespace
    from ._store import Store

Progress: TypeAlias = Callable[[int], None]
"""Told, on the event loop's thread, how many keys an operation has written so far."""

_CHUNK_ENTRIES = 128
_CHUNK_BYTES = 128 * 1024
_LAST_ENTRIES = 256
"""Keys that may be copied again within the switch itself."""
_ROUNDS = 1_000
_SMALL_ENTRIES, _SMALL_BYTES = 1_024, 1024 * 1024
"""An import up to this size goes into the content that is there, as one batch."""


def ignore_progress(keys: int) -> None:
    """Do nothing."""
    del keys


class Rebuilding:
    """The next content of a namespace, while it is built; use it with `async with`.

    Args:
        store: The open store.
        namespace: Checks keys and values, and has the quota.
        progress: Told how many keys were written.
    """

    def __init__(self, store: Store, namespace: Namespace, progress: Progress) -> None:
        self._store = store
        self._namespace = namespace
        self._progress = progress
        self._space = store.space(namespace.record_key)
        self._allowed_bytes = namespace.quota_bytes
        self._open: set[int] = set()
        self._written = 0
        self.used_bytes = 0
        self.keys = 0
        self.generation = 0

    async def __aenter__(self) -> Self:
        await self._space.turn.acquire()
        try:
            self._begin()
        except BaseException:
            self._space.turn.release()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._space.touched = None
        self._space.turn.release()
        for generation in self._open:
            self._store.sweep(generation)

    async def read_export(self, chunks: AsyncIterable[bytes], *, any_name: bool) -> int:
        """Write the entries of an export; return how many there were.

        Raises:
            StorageError: As `Namespace.load`.
        """
        reader = ExportReader()
        async for chunk in chunks:
            pairs = reader.feed(chunk)
            while part := await anyio.to_thread.run_sync(_take_pairs, pairs):
                if reader.namespace != self._namespace.name and not any_name:
                    raise ExportForeign(reader.namespace, self._namespace.name)
                self._write([(self._namespace.check_entry(*pair), pair[1]) for pair in part])
        reader.finish()
        if reader.namespace != self._namespace.name and not any_name:
            raise ExportForeign(reader.namespace, self._namespace.name)
        return reader.entries

    async def copy(self, prefix: bytes) -> int:
        """Copy a generation, as it is now; return how many keys there were.

        Raises:
            StorageError: Refused or failed.
        """
        async for part in self._read(prefix):
            self._write(part, are_new=True)
        return self.keys

    async def copy_live(self, keep: Callable[[bytes], bool]) -> None:
        """Copy the part of the namespace's own content for whose keys `keep` holds.

        Until the switch, keys that are written are copied again.

        Raises:
            StorageError: Refused or failed.
        """
        self._keep = keep
        self._space.touched = set()
        self._allowed_bytes = max(self._allowed_bytes, self._space.used_bytes)
        async for part in self._read(self._space.prefix):
            self._write([pair for pair in part if keep(pair[0])])
        for _ in range(_ROUNDS):
            if len(self._space.touched) <= _LAST_ENTRIES:
                return
            touched, self._space.touched = self._space.touched, set()
            await self._copy_again(touched)
        raise StorageUnavailable(self._store.path, "the namespace is written faster than copied")

    async def merge(self) -> None:
        """Put what was built into the content that is there, and switch.

        Raises:
            StorageError: Refused or failed.
        """
        if self.keys <= _SMALL_ENTRIES and self.used_bytes <= _SMALL_BYTES:
            found = self._store.backend.scan(*range_of(self._prefix))
            values = {key[DATA_PREFIX_BYTES:].decode(): value for key, value in found}
            await self._namespace.batch(values)
            return
        imported = self._prefix
        get = self._store.backend.get
        self._begin()
        async for part in self._read(imported):
            self._write(part, are_new=True)
        await self.copy_live(lambda key: get(imported + key) is None)
        await self.take_over()

    async def take_over(self) -> None:
        """Make what was built the content of the namespace, and wait until that is durable.

        Raises:
            StorageError: Refused or failed; the content is what it was.
        """
        space = self._space
        if space is not self._store.space(self._namespace.record_key):
            raise StorageUnavailable(self._store.path, "the disk failed meanwhile")
        if space.touched:
            self._write_again(space.touched)
            space.touched = None
        old, new = space.generation, self.generation if self.keys else 0
        self._allowed_bytes = max(self._namespace.quota_bytes, space.used_bytes)
        self._check_quota()
        changes: list[Change] = [
            (self._namespace.record_key, pack_space(self.used_bytes, self.keys, new))
        ]
        if new:
            changes.append((garbage_key(new), None))
        if old:
            changes.append((garbage_key(old), b""))
        self._store.apply(changes)
        self._open.discard(new)
        if old:
            self._open.add(old)
        space.set(self.used_bytes, self.keys, new)
        await self._namespace.wait_durable()

    async def become_checkpoint(self, key: bytes, pack: Callable[[int, int, int], bytes]) -> None:
        """Keep what was built under a record of its own, and wait until that is durable.

        Args:
            key: The record's key.
            pack: Makes the record from bytes, keys and generation.

        Raises:
            StorageError: Refused or failed.
        """
        record = pack(self.used_bytes, self.keys, self.generation)
        self._store.apply([(key, record), (garbage_key(self.generation), None)])
        self._open.discard(self.generation)
        await self._namespace.wait_durable()

    def _begin(self) -> None:
        generation, remembered = self._store.new_generation()
        self._store.apply([remembered, (garbage_key(generation), b"")])
        self._open.add(generation)
        self.generation, self._prefix = generation, data_prefix(generation)
        self.used_bytes = self.keys = 0

    async def _read(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        snapshot = self._store.backend.snapshot()
        try:
            found = snapshot.scan(*range_of(prefix))
            while part := await anyio.to_thread.run_sync(_take, found):
                yield part
        finally:
            snapshot.close()

    def _write(self, entries: Sequence[tuple[bytes, bytes]], *, are_new: bool = False) -> None:
        get, changes = self._store.backend.get, list[Change]()
        written: dict[bytes, bytes] = {}
        for key, value in entries:
            old = None if are_new else written.get(key, get(self._prefix + key))
            self.keys += old is None
            self.used_bytes += len(value) - len(old) if old is not None else len(key) + len(value)
            changes.append((self._prefix + key, value))
            written[key] = value
        self._check_quota()
        if changes:
            self._store.apply(changes)
        self._written += len(entries)
        self._progress(self._written)

    async def _copy_again(self, touched: Iterable[bytes]) -> None:
        pending = iter(touched)
        while part := list(islice(pending, _CHUNK_ENTRIES)):
            self._write_again(part)
            await anyio.lowlevel.checkpoint()

    def _write_again(self, touched: Iterable[bytes]) -> None:
        get, changes = self._store.backend.get, list[Change]()
        for key in filter(self._keep, touched):
            old, new = get(self._prefix + key), get(self._space.prefix + key)
            self.keys += (new is not None) - (old is not None)
            self.used_bytes += _size(key, new) - _size(key, old)
            changes.append((self._prefix + key, new))
        if changes:
            self._store.apply(changes)

    def _check_quota(self) -> None:
        """Refuse to grow above the quota; it may have been lowered below what is there."""
        if self.used_bytes > self._allowed_bytes:
            quota = self._namespace.quota_bytes
            raise QuotaExceeded(self._namespace.name, 0, self.used_bytes, quota)


def _take_pairs(pairs: Iterator[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return list(islice(pairs, _CHUNK_ENTRIES))


def _take(found: Iterator[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Take the next part of a scan, without the generation."""
    part: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in found:
        part.append((key[DATA_PREFIX_BYTES:], value))
        size += len(key) + len(value)
        if len(part) == _CHUNK_ENTRIES or size >= _CHUNK_BYTES:
            break
    return part


def _size(key: bytes, value: bytes | None) -> int:
    return 0 if value is None else len(key) + len(value)
