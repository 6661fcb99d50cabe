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

import dataclasses
import math
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

import anyio
import anyio.lowlevel
import anyio.to_thread

from .._backends.backend import Change
from .._layout.entries import Row, expiry_of, get_visible, scan_rows
from .._layout.keys import garbage_key
from .._layout.space import NEVER, Space, pack_space
from ..errors import ExportForeign, QuotaExceeded, StorageUnavailable
from .export import ExportedEntry, ExportReader
from .write_plan import WritePlan

if TYPE_CHECKING:
    from .._store import Store
    from .namespace import Namespace

Progress: TypeAlias = Callable[[int], None]
"""Told, on the event loop's thread, how many keys an operation has written so far."""

_CHUNK_ENTRIES = 128
_CHUNK_BYTES = 128 * 1024
_HOP_PARTS = 8
"""Parts that are read with one hop to a worker thread, which takes as long as writing one."""
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
        self._allowed_keys = _most(namespace.quota_keys)
        self._open: set[int] = set()
        self._written = 0
        self.built = Space()

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
        """Write the entries of an export that did not expire; return how many it has.

        Raises:
            StorageError: As `Namespace.load`.
        """
        reader = ExportReader()
        async for chunk in chunks:
            pairs = reader.feed(chunk)
            while parts := await anyio.to_thread.run_sync(_take_entries, pairs):
                self._check_name(reader, any_name=any_name)
                for part in parts:
                    self._write(self._rows_of(part))
                    await anyio.lowlevel.checkpoint()
        reader.finish()
        self._check_name(reader, any_name=any_name)
        return reader.entries

    async def copy(self, source: Space) -> int:
        """Copy a generation, as it is now; return how many keys there are.

        Raises:
            StorageError: Refused or failed.
        """
        async for part in self._read(source):
            self._write(part, are_new=True)
        return self.built.keys

    async def copy_live(self, keep: Callable[[bytes], bool]) -> None:
        """Copy the part of the namespace's own content for whose keys `keep` holds.

        Until the switch, keys that are written are copied again.

        Raises:
            StorageError: Refused or failed.
        """
        self._keep = keep
        self._space.touched = set()
        self._allow_what_is_there()
        async for part in self._read(self._space):
            self._write([row for row in part if keep(row.key)])
        await self._catch_up()

    async def copy_up_to(self, moment: Callable[[], Awaitable[None]]) -> None:
        """Copy the namespace's own content as it is when `moment` returns.

        Most of it is copied before: what is left for after `moment` is what was written meanwhile.

        Raises:
            StorageError: Refused or failed.
        """
        await self.copy_live(lambda _key: True)
        await moment()
        await self._catch_up()
        if self._space.touched:
            self._write_again(self._space.touched)
            self._space.touched = None

    async def _catch_up(self) -> None:
        """Copy again what was written meanwhile, until little is left."""
        for _ in range(_ROUNDS):
            touched = self._space.touched
            if touched is None or len(touched) <= _LAST_ENTRIES:
                return
            self._space.touched = set()
            await self._copy_again(touched)
        raise StorageUnavailable(self._store.path, "the namespace is written faster than copied")

    async def merge(self) -> None:
        """Put what was built into the content that is there, and switch.

        Raises:
            StorageError: Refused or failed.
        """
        imported, now = self.built, self._store.now()
        view = self._store.backend
        if imported.keys <= _SMALL_ENTRIES and imported.used_bytes <= _SMALL_BYTES:
            self._namespace.put(list(scan_rows(view, imported, now)))
            await self._namespace.wait_durable()
            return
        self._begin()
        async for part in self._read(imported):
            self._write(part, are_new=True)
        await self.copy_live(lambda key: view.get(imported.prefix + key) is None)
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
        self._allow_what_is_there()
        self._check_quota()
        built, old = self.built, space.generation
        new = built.generation if built.keys else 0
        record = pack_space(built.used_bytes, built.keys, new, built.timed)
        changes: list[Change] = [(self._namespace.record_key, record)]
        if new:
            changes.append((garbage_key(new), None))
        if old:
            changes.append((garbage_key(old), b""))
        self._store.apply(changes)
        self._open.discard(new)
        if old:
            self._open.add(old)
        space.set(built.used_bytes, built.keys, new, built.timed)
        space.due = built.due
        self._store.expiring.note(self._namespace.record_key, space)
        await self._namespace.wait_durable()

    async def become_checkpoint(self, key: bytes, pack: Callable[[Space], bytes]) -> None:
        """Keep what was built under a record of its own, and wait until that is durable.

        Args:
            key: The record's key.
            pack: Makes the record from what was built.

        Raises:
            StorageError: Refused or failed.
        """
        self._store.apply([(key, pack(self.built)), (garbage_key(self.built.generation), None)])
        self._open.discard(self.built.generation)
        await self._namespace.wait_durable()

    def _begin(self) -> None:
        generation, remembered = self._store.new_generation()
        self._store.apply([remembered, (garbage_key(generation), b"")])
        self._open.add(generation)
        self.built = Space()
        self.built.set(0, 0, generation)

    async def _read(self, source: Space) -> AsyncIterator[list[Row]]:
        space, now = dataclasses.replace(source), self._store.now()
        snapshot = self._store.backend.snapshot()
        try:
            found = scan_rows(snapshot, space, now)
            while parts := await anyio.to_thread.run_sync(_take_parts, found):
                for part in parts:
                    yield part
                    await anyio.lowlevel.checkpoint()
        finally:
            snapshot.close()

    def _write(self, rows: Iterable[Row], *, are_new: bool = False) -> None:
        plan = WritePlan(self._store.backend, self.built, self._store.now())
        plan.put_all(list(rows), are_new=are_new)
        self._apply(plan)
        self._check_quota()
        self._written += len(plan.written)
        self._progress(self._written)

    async def _copy_again(self, touched: Iterable[bytes]) -> None:
        pending = iter(touched)
        while part := list(islice(pending, _CHUNK_ENTRIES)):
            self._write_again(part)
            await anyio.lowlevel.checkpoint()

    def _write_again(self, touched: Iterable[bytes]) -> None:
        view, live, now = self._store.backend, self._space, self._store.now()
        plan = WritePlan(view, self.built, now)
        plan.put_all([
            (key, get_visible(view, live, key, now), expiry_of(view, live, key))
            for key in filter(self._keep, touched)
        ])  # fmt: skip
        self._apply(plan)

    def _apply(self, plan: WritePlan) -> None:
        if plan.changes:
            self._store.apply(plan.changes)
            plan.settle(self.built, self.built.generation)

    def _rows_of(self, entries: Iterable[ExportedEntry]) -> Iterable[Row]:
        """Return rows of the store's time; of a key that comes twice, the last one."""
        now, offset = self._store.now(), self._store.now() / 1_000 - self._store.clock()
        rows: dict[bytes, Row] = {}
        for key, value, expires_at in entries:
            encoded = self._namespace.check_entry(key, value)
            expires = 0 if expires_at is None else max(1, math.ceil((expires_at + offset) * 1_000))
            rows[encoded] = Row(encoded, value, min(expires, NEVER - 1))
        return [row for row in rows.values() if not 0 < row.expires <= now]

    def _check_name(self, reader: ExportReader, *, any_name: bool) -> None:
        if reader.namespace != self._namespace.name and not any_name:
            raise ExportForeign(reader.namespace, self._namespace.name)

    def _allow_what_is_there(self) -> None:
        """Let a namespace keep what it has, although its quota was lowered below that."""
        namespace, space = self._namespace, self._space
        self._allowed_bytes = max(namespace.quota_bytes, space.used_bytes)
        self._allowed_keys = max(_most(namespace.quota_keys), space.keys)

    def _check_quota(self) -> None:
        built, namespace = self.built, self._namespace
        has_too_many = built.keys > self._allowed_keys
        if built.used_bytes > self._allowed_bytes or has_too_many:
            raise QuotaExceeded(
                namespace.name, 0, built.used_bytes, namespace.quota_bytes,
                0, built.keys, namespace.quota_keys if has_too_many else None,
            )  # fmt: skip


def _most(quota: int | None) -> int:
    return NEVER if quota is None else quota


def _take_entries(entries: Iterator[ExportedEntry]) -> list[list[ExportedEntry]]:
    return list(islice(iter(lambda: list(islice(entries, _CHUNK_ENTRIES)), []), _HOP_PARTS))


def _take_parts(rows: Iterator[Row]) -> list[list[Row]]:
    return list(islice(iter(lambda: _take(rows), []), _HOP_PARTS))


def _take(rows: Iterator[Row]) -> list[Row]:
    """Take the next part of a scan."""
    part: list[Row] = []
    size = 0
    for row in rows:
        part.append(row)
        size += len(row.key) + len(row.value)
        if len(part) == _CHUNK_ENTRIES or size >= _CHUNK_BYTES:
            break
    return part
