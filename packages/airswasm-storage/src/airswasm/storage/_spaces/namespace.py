"""One component's keys and values, with the quota that it has for them.

A namespace belongs to a name, not to a running instance, so it outlives restarts and updates.
Its counters (bytes, keys) change in the same atomic batch as the values they count, so they
cannot drift; `recount` shows it.

Two faces on one set of rules. The inline methods (`inline`) are for host functions, which
complete a guest's call without a task; the `async` methods are for all other code. All of them
belong to the event loop's thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import closing
from itertools import islice

import anyio.lowlevel
import anyio.to_thread

from .._layout.entries import Row, scan_charges, scan_expired, scan_pairs, scan_rows
from .._layout.keys import DATA_PREFIX_BYTES, KEPT, after_prefix, encode_key, garbage_key
from .._layout.space import Space
from .._layout.stepping import in_steps
from ..errors import PreconditionFailed, StorageCorrupted
from .checkpoints import Checkpoints
from .export import ExportedEntry, write_export
from .inline import Entry, InlineNamespace, Page, Usage
from .rebuilding import Progress, Rebuilding, ignore_progress

__all__ = ("Entry", "Namespace", "Page", "Usage")


class Namespace(InlineNamespace):
    """A handle on one namespace of a store; cheap to make.

    Args:
        store: The open store.
        name: The namespace's name.
        quota_bytes: The most that its entries may take; see `Usage.used_bytes`.
        durability: When a write counts as done; None for the store's rule.
        quota_keys: The most keys that it may have; None for no bound but the bytes.
        has_batch_bounds: Whether the store's bounds of one batch hold for it.

    Raises:
        InvalidNamespace: The name is empty, too long, or not encodable.
    """

    __slots__ = ()

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of this namespace that its operators make."""
        return Checkpoints(self._store, self)

    @property
    def kept_checkpoints(self) -> Checkpoints:
        """The checkpoints of this namespace that the host keeps, for versions of a component."""
        return Checkpoints(self._store, self, KEPT)

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

    async def ttl(self, key: str) -> float | None:
        """As `read_ttl`.

        Raises:
            StorageError: A bad key, or the store cannot be read.
        """
        await anyio.lowlevel.checkpoint()
        return self.read_ttl(key)

    async def set(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """Write a value and wait until it is durable.

        A cancel leaves it written, perhaps not durable yet.

        Args:
            key: The key.
            value: The value.
            ttl: Seconds until it expires; None for never, also where it did before.

        Raises:
            StorageError: Refused or failed; see the class for why.
        """
        await self.batch({key: value}, ttls={} if ttl is None else {key: ttl})

    async def expire(self, key: str, ttl: float | None) -> bool:
        """Let a key expire at another time, with the value that it has.

        Args:
            key: The key.
            ttl: Seconds from now; None for never.

        Returns:
            Whether the key is there.

        Raises:
            StorageError: Refused or failed; see the class for why.
        """
        await self._store.recover()
        value = self.read(key)
        if value is not None:
            await self.set(key, value, ttl=ttl)
        return value is not None

    async def delete(self, key: str) -> bool:
        """Remove a key and wait until that is durable; return whether it was there.

        Raises:
            StorageError: Refused or failed; see the class for why.
        """
        return await self.batch({key: None}) > 0

    async def batch(
        self,
        values: Mapping[str, bytes | None],
        *,
        ttls: Mapping[str, float] | None = None,
        expected: Mapping[str, bytes | None] | None = None,
    ) -> int:
        """Set keys, or delete those whose value is None: all or none, and durable.

        Args:
            values: The new value of each key.
            ttls: Seconds after which a key expires, for some of those that are set. A key that is
                set without one does not expire.
            expected: Values that keys must have, None for none; the keys need not be among
                those that change.

        Returns:
            How many of the deleted keys were there. A cancel leaves it done, perhaps not durable
            yet.

        Raises:
            PreconditionFailed: A key does not have the value that is expected.
            StorageError: Refused or failed; see the class for why.
        """
        await self._store.recover()
        outcome = self._store.outcome()
        deleted = self.write(values, outcome, ttls=ttls, expected=expected)
        await outcome.wait()
        return deleted

    async def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl: float | None = None
    ) -> bool:
        """Change a key only if its value is the expected one, and wait until that is durable.

        Args:
            key: The key.
            expected: The value that it must have; None for none.
            value: The new value; None deletes the key.
            ttl: Seconds until the new value expires; None for never.

        Returns:
            Whether it was changed. A cancel leaves it changed, perhaps not durable yet.

        Raises:
            StorageError: Refused or failed; see the class for why.
        """
        ttls = {} if ttl is None else {key: ttl}
        try:
            await self.batch({key: value}, ttls=ttls, expected={key: expected})
        except PreconditionFailed:
            return False
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
        found = scan_pairs(
            self._store.backend, self._space(), self._store.now(), encoded, after_prefix(encoded)
        )
        most = self._store.limits.batch_entries
        few = [key[DATA_PREFIX_BYTES:] for key, _ in islice(found, most + 1)]
        if len(few) <= most:
            deleted = self.put([(key, None, 0) for key in few])
            await self.wait_durable()
            return deleted
        async with Rebuilding(self._store, self, progress) as rebuilding:
            before = self.read_usage().keys
            await rebuilding.copy_live(lambda key: not key.startswith(encoded))
            await rebuilding.take_over()
            return before - self.read_usage().keys

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
        """Return the size of the namespace, without what expired.

        Raises:
            StorageError: The store cannot be read.
        """
        space, now = self._snapshot_space(), self._store.now()
        if space.due > now:
            await anyio.lowlevel.checkpoint()
            return self.read_usage()
        with closing(self._store.backend.snapshot()) as snapshot:
            expired = scan_expired(snapshot, space, now)
            used, keys = await _add_up(each.charged for each in expired)
        return self._usage(space.used_bytes - used, space.keys - keys)

    async def recount(self) -> Usage:
        """Count everything anew, without trusting the counters, in bounded steps.

        Raises:
            StorageError: The store cannot be read.
        """
        space, now = self._snapshot_space(), self._store.now()
        with closing(self._store.backend.snapshot()) as snapshot:
            counted = await _add_up(scan_charges(snapshot, space, now))
        return self._usage(*counted)

    async def verify(self) -> None:
        """Count everything anew, and compare it with the counters, in bounded steps.

        Both count what expired and was not removed yet.

        Raises:
            StorageCorrupted: They differ.
            StorageError: The store cannot be read.
        """
        space = self._snapshot_space()
        with closing(self._store.backend.snapshot()) as snapshot:
            used_bytes, keys = await _add_up(scan_charges(snapshot, space, 0))
        if (used_bytes, keys) != (space.used_bytes, space.keys):
            raise StorageCorrupted(
                self._store.path,
                f"{self.name} has {keys} keys of {used_bytes} bytes, and its record says "
                f"{space.keys} and {space.used_bytes}",
            )

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
            count, generation = self.read_usage().keys, space.generation
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
        space, now = self._snapshot_space(), self._store.now()
        begun_at = self._store.clock()
        snapshot = self._store.backend.snapshot()
        try:
            found = scan_rows(snapshot, space, now)
            chunks = write_export(self.name, begun_at, _exported(found, begun_at - now / 1_000))
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
            count = await rebuilding.copy(other._space())
            await rebuilding.take_over()
            return count

    async def wait_durable(self) -> None:
        """Wait until all that was written so far is durable.

        Raises:
            StorageError: The disk failed.
        """
        outcome = self._store.outcome()
        self._store.when_durable(outcome, self.durability)
        await outcome.wait()

    def _snapshot_space(self) -> Space:
        """Return the counters as they are now, to go with a snapshot of this moment."""
        return dataclasses.replace(self._space())


def _exported(rows: Iterable[Row], offset: float) -> Iterator[ExportedEntry]:
    """Yield the entries of an export; times become those of the clock."""
    for key, value, expires in rows:
        at = round(expires / 1_000 + offset, 3) if expires else None
        yield ExportedEntry(key.decode(), value, at)


async def _add_up(charges: Iterator[int]) -> tuple[int, int]:
    """Return the sum of the charges, and how many there are."""
    used = keys = 0
    async for part in in_steps(charges):
        used += sum(part)
        keys += len(part)
    return used, keys
