"""One store over any engine: namespaces, logs, durability, recovery.

Everything here runs on the event loop's thread. A read of RocksDB takes about a microsecond and
a write without sync about six, so both happen inline: a hop to a worker thread costs ten times
that. Only waiting for the disk goes to a thread, and many writers share one wait
(`group_commit`).

A write is visible to readers of its namespace a few milliseconds before it is durable. Only the
component itself and the host's operator read there, and the component waits for its own write.

Rejected: a thread pool for every call (measured: 10 times the latency of a get), a lock for
each namespace (one thread needs none), and RocksDB's own synchronous writes (one disk wait for
each writer, and a thread).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import anyio
import anyio.lowlevel
import anyio.to_thread

from ._backends.backend import Backend, Change
from ._backends.watermark import begin_sync, count_lost
from ._batch import Batch
from ._layout.keys import (
    EVERYTHING,
    KEPT,
    LAST_GENERATION,
    LAST_TIME,
    LOGS,
    SPACES,
    after_name,
    decode_name,
    range_of,
)
from ._layout.space import Space, unpack_time
from ._layout.stepping import in_steps
from ._logs.group_commit import Done, GroupCommit, Outcome
from ._logs.log import Log
from ._logs.log_records import LogBounds
from ._settings import DEFAULT_QUOTA_BYTES, Durability, StorageSettings, StoreLimits
from ._spaces.expiring import ElapsedTime, Expiring
from ._spaces.namespace import Namespace
from ._spaces.rebuilding import Progress, ignore_progress
from ._spaces.sweeper import Sweeper, find_garbage
from .errors import StorageClosed, StorageError, StorageReadOnly, StorageUnavailable

__all__ = ("KeyValueStore", "Store")

_RECOVERY_PAUSE = 0.1
_TRIM_PAUSE = 1.0
_UNSYNCED_BYTES = 16 * 1024 * 1024
"""Written bytes after which the engine may tidy up its log, also where no writer waits."""
_PAGE_BYTES = 4_096
"""Counted for each change: an engine that logs whole pages writes that much for a small one."""


class KeyValueStore(Protocol):
    """A store with a namespace for each component."""

    def namespace(
        self,
        namespace: str,
        *,
        quota_bytes: int = DEFAULT_QUOTA_BYTES,
        durability: Durability | None = None,
        quota_keys: int | None = None,
        has_batch_bounds: bool = True,
    ) -> Namespace:
        """Return a handle on a namespace, which need not hold anything yet."""
        ...

    def namespaces(self) -> tuple[str, ...]:
        """Return the names of all namespaces that hold something."""
        ...

    async def checkpoint(self, folder: Path) -> None:
        """Write a copy of the whole store that can be opened on its own."""
        ...

    async def aclose(self) -> None:
        """Wait for what is being written, then close."""
        ...


class Store:
    """Namespaces and logs over one engine; open it with `async with`.

    `open_store` makes one from the name of an engine.

    Args:
        opening: Opens the engine; called in a worker thread.
        path: The folder, for messages.
        durability: When a write counts as done.
        limits: Bounds that no namespace and no log may exceed.
        clock: The time in seconds since 1970, by which values expire and entries of logs age.
        timer: Seconds that pass, however the clock is set; by default those of the system or,
            where a clock is given, of that clock.
    """

    def __init__(
        self,
        opening: Callable[[], Backend],
        path: Path,
        *,
        durability: Durability = "sync",
        limits: StoreLimits | None = None,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] | None = None,
    ) -> None:
        self.path = path
        self.durability: Durability = durability
        self.limits = limits or StoreLimits()
        self.clock = clock
        self._opening = opening
        self._backend: Backend | None = None
        self._spaces: dict[bytes, Space] = {}
        self._logs: dict[str, Log] = {}
        self._last_generation = 0
        self._commit = GroupCommit(lambda: begin_sync(self.path, self.backend), self._on_failure)
        self._lost_writes = 0
        self._sweeper = Sweeper(self)
        self._elapsed = ElapsedTime(
            clock, timer or (time.monotonic if clock is time.time else clock)
        )
        self.expiring = Expiring(self)
        self._trimming = anyio.Event()
        self._failure: StorageUnavailable | None = None
        self._unsynced_bytes = 0
        self._last_recovery = 0.0
        self._recovery = anyio.Lock()
        self._exits = contextlib.AsyncExitStack()

    def hold_to(self, settings: StorageSettings) -> None:
        """Bound pages and batches anew, from the next one on; all else stays as it was opened."""
        self.limits = replace(settings.limits(), value_bytes=self.limits.value_bytes)

    async def __aenter__(self) -> Self:
        with anyio.CancelScope(shield=True):  # half an opening would keep the lock
            self._backend = await anyio.to_thread.run_sync(self._opening)
        backend = self.backend
        try:
            self._last_generation = self._stored_generation(backend)
            self._elapsed.not_before(unpack_time(backend.get(LAST_TIME)))
            self._lost_writes = count_lost(self.path, backend)
            garbage = find_garbage(backend)
            group = self._group = await self._exits.enter_async_context(anyio.create_task_group())
        except BaseException:
            self._backend = None
            backend.close()
            raise
        group.start_soon(self._commit.run)
        group.start_soon(self._sweeper.run)
        group.start_soon(self.expiring.run)
        group.start_soon(self._trim_logs)
        self._commit.when_synced(lambda _: None)  # a killed host may have left unsynced writes
        for generation in garbage:
            self._sweeper.add(generation)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def is_open(self) -> bool:
        """Whether the store can be used."""
        return self._backend is not None

    @property
    def failure(self) -> StorageUnavailable | None:
        """The reason for which writing is refused at the moment, or None."""
        return self._failure

    @property
    def syncs(self) -> int:
        """The number of waits for the disk."""
        return self._commit.syncs

    @property
    def lost_writes(self) -> int:
        """Acknowledged writes that were missing when the store was opened; 0 if none.

        More than 0 means that the disk gave up what it had taken: restore a checkpoint or an
        export. The engine counts: single changes (RocksDB), or batches of them.

        Raises:
            StorageClosed: The store is not open.
        """
        return self._lost_writes if self.backend else 0

    def namespace(
        self,
        namespace: str,
        *,
        quota_bytes: int = DEFAULT_QUOTA_BYTES,
        durability: Durability | None = None,
        quota_keys: int | None = None,
        has_batch_bounds: bool = True,
    ) -> Namespace:
        """Return a handle on a namespace, which need not hold anything yet.

        Args:
            namespace: Its name: a component's, or one of the host's own.
            quota_bytes: The most that its entries may take; see `Usage.used_bytes`.
            durability: When a write to it counts as done; the store's rule by default.
            quota_keys: The most keys that it may have; None for no bound but the bytes.
            has_batch_bounds: Whether `batch_entries` and `batch_bytes` hold for its batches. They
                bound the work of others; the host's own namespaces go without.

        Raises:
            InvalidNamespace: Empty, too long, or not encodable.
        """
        return Namespace(self, namespace, quota_bytes, durability, quota_keys, has_batch_bounds)

    def namespaces(self) -> tuple[str, ...]:
        """Return the names of all namespaces that hold something, sorted.

        Raises:
            StorageError: The store cannot be read.
        """
        return self._names(SPACES)

    def kept_checkpoints(self) -> tuple[tuple[str, str], ...]:
        """Return the namespace and the label of every checkpoint that the host keeps.

        Raises:
            StorageError: The store cannot be read.
        """
        found = self.backend.scan(*range_of(KEPT))
        return tuple((decode_name(key), after_name(key)) for key, _ in found)

    def log(self, name: str, bounds: LogBounds | None = None) -> Log:
        """Return a log, which need not hold anything yet.

        Args:
            name: 1 to 255 bytes of UTF-8; logs and namespaces have names of their own.
            bounds: Bounds that the log keeps from now on, for all that use it; by default
                those of the call before, or `LogBounds()`.

        Returns:
            The same object at every call with this name.

        Raises:
            InvalidNamespace: The name is empty, too long, or not encodable.
        """
        log = self._logs.get(name)
        if log is None:
            log = self._logs[name] = Log(self, name, bounds or LogBounds())
        elif bounds is not None and bounds != log.bounds:
            log.flush()  # what was accepted stays accepted
            log.bounds = bounds
        if log.bounds.age_seconds is not None:
            self.trim_soon()
        return log

    def logs(self) -> tuple[str, ...]:
        """Return the names of all logs that hold an entry or have a consumer, sorted.

        Raises:
            StorageError: The store cannot be read.
        """
        return self._names(LOGS)

    def batch(self) -> Batch:
        """Return an empty batch of changes to namespaces and logs of this store."""
        return Batch(self)

    async def purge(self, namespace: str) -> int:
        """Remove all that a namespace holds, its checkpoints included, in one step.

        The space on the disk is given back in the background.

        Returns:
            How many keys there were. A cancel leaves it done.

        Raises:
            StorageError: Refused or failed.
        """
        space = self.namespace(namespace)
        for checkpoints in (space.checkpoints, space.kept_checkpoints):
            await checkpoints.drop_all()
        return await space.clear()

    @property
    def expired_entries(self) -> int:
        """The number of values that expired and were removed since the store was opened."""
        return self.expiring.swept

    async def sweep_expired(self) -> int:
        """Remove all values that expired by now, in bounded steps; return how many.

        The store does so by itself, in the background.

        Raises:
            StorageError: Refused or failed.
        """
        await self.recover()
        return await self.expiring.sweep()

    async def verify(self, *, progress: Progress = ignore_progress) -> int:
        """Read every key and value, so that damage shows now and not when it hurts.

        Args:
            progress: Told how many records were read so far.

        Returns:
            How many records there are, those of the store itself included.

        Raises:
            StorageCorrupted: The disk returns something that was not written.
            StorageUnavailable: The disk refuses.
        """
        count = 0
        async for part in in_steps(len(value) for _, value in self.backend.scan(*EVERYTHING)):
            count += len(part)
            progress(count)
        return count

    async def checkpoint(self, folder: Path) -> None:
        """Write a copy of the whole store that can be opened on its own.

        Args:
            folder: Must not exist yet.

        Raises:
            StorageError: It cannot be written. A cancel waits for the copy to end.
        """
        await anyio.to_thread.run_sync(self.backend.checkpoint, folder)

    async def aclose(self) -> None:
        """Wait for what is being written, then close; closing twice is harmless."""
        if self._backend is None:
            return
        backend = self._backend
        try:
            self.expiring.remember_time()
            await self._commit.sync_now()
            self._end(backend)
            await self._exits.aclose()
        finally:  # also when the closing task is cancelled: the lock must be given back
            self._end(backend)
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(backend.close)

    def _end(self, backend: Backend) -> None:
        if self._backend is backend:
            self._backend = None
            self._forget()
            self._group.cancel_scope.cancel()

    async def recover(self) -> None:
        """Open the store again after the disk failed.

        Without effect when nothing failed. Writes that were refused stay refused; what was
        acknowledged is there.

        Raises:
            StorageUnavailable: The disk still refuses.
        """
        if self._failure is not None:
            async with self._recovery, self._commit.turn:
                await self._recover_in_turn()

    def ask_for_recovery(self) -> None:
        """Start `recover` for callers that cannot wait, if something failed."""
        if self._failure is not None and self._backend is not None:
            self._group.start_soon(self._recover_quietly)

    async def _recover_quietly(self) -> None:
        with contextlib.suppress(StorageError):
            await self.recover()

    # For namespaces, logs and batches.

    @property
    def backend(self) -> Backend:
        """The open engine.

        Raises:
            StorageClosed: The store is not open.
        """
        if self._backend is None:
            raise StorageClosed(self.path)
        return self._backend

    def space(self, key: bytes) -> Space:
        """Return the one state of a namespace, loaded from its record at first use.

        Raises:
            StorageError: The record cannot be read.
        """
        known = self._spaces.get(key)
        if known is None:
            known = self._spaces[key] = Space.load(self.backend, key)
            self.expiring.note(key, known)
        return known

    def now(self) -> int:
        """Return the store's time in milliseconds, which never goes back."""
        return self._elapsed.now()

    def new_generation(self) -> tuple[int, Change]:
        """Return a generation that was never given out, and the change that remembers it."""
        self._last_generation += 1
        return self._last_generation, (LAST_GENERATION, self._last_generation.to_bytes(8, "big"))

    def sweep(self, generation: int) -> None:
        """Remove a generation, marked as garbage, in the background."""
        self._sweeper.add(generation)

    def trim_soon(self) -> None:
        """Trim the logs in the background."""
        self._trimming.set()

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply changes, all or none.

        Raises:
            StorageUnavailable: The disk refuses; `recover` may help.
            StorageError: Another condition that the engine reports.
        """
        if self._failure is not None:
            raise self._failure
        try:
            self.backend.apply(changes)
        except (StorageClosed, StorageReadOnly):
            raise
        except StorageUnavailable as error:
            self._on_failure(error)
            raise
        self._unsynced_bytes += _PAGE_BYTES * len(changes)
        for _, value in changes:
            if value is not None:
                self._unsynced_bytes += len(value)
        if self._unsynced_bytes > _UNSYNCED_BYTES:
            self._unsynced_bytes = 0
            self._commit.when_synced(lambda _: None)

    def when_durable(self, done: Done, durability: Durability | None = None) -> None:
        """Call `done` once all that was applied so far is as durable as promised."""
        if (durability or self.durability) == "os":
            done(None)
        else:
            self._commit.when_synced(done)

    def before_sync(self, write: Callable[[], None]) -> None:
        """Call `write` as the next wait for the disk starts, which covers what it applies.

        Raises:
            StorageClosed: The store is not open.
        """
        if self._backend is None:
            raise StorageClosed(self.path)
        self._commit.before_sync(write)

    def outcome(self) -> Outcome:
        """Return a callback for one write, which can be waited for."""
        return Outcome(self._commit)

    # Its own.

    def _names(self, kind: bytes) -> tuple[str, ...]:
        found = self.backend.scan(*range_of(kind))
        return tuple(sorted(decode_name(key) for key, _ in found))

    @staticmethod
    def _stored_generation(backend: Backend) -> int:
        return int.from_bytes(backend.get(LAST_GENERATION) or b"", "big")

    def _forget(self) -> None:
        """Forget what was read: it may be other than what the disk has."""
        self._spaces.clear()
        self.expiring.forget()
        for log in self._logs.values():
            log.forget()

    async def _trim_logs(self) -> None:
        """Remove entries that are acknowledged or older than their bounds, step by step."""
        while True:
            await self._trimming.wait()
            self._trimming = anyio.Event()
            for log in list(self._logs.values()):
                while await self._trim(log):
                    pass
            if any(log.bounds.age_seconds is not None for log in self._logs.values()):
                self._trimming.set()
                await anyio.sleep(_TRIM_PAUSE)

    async def _trim(self, log: Log) -> bool:
        await anyio.lowlevel.checkpoint()
        try:
            return log.trim_step()
        except StorageError:  # the next write will tell
            return False

    def _on_failure(self, error: StorageUnavailable) -> None:
        if self._failure is None:
            self._failure = error
            self._last_recovery = time.monotonic()

    async def _recover_in_turn(self) -> None:
        failure = self._failure
        if failure is None:
            return
        if time.monotonic() - self._last_recovery < _RECOVERY_PAUSE:
            raise failure
        await self._reopen(self.backend)

    async def _reopen(self, backend: Backend) -> None:
        try:
            await anyio.to_thread.run_sync(backend.reopen)
        except StorageUnavailable as error:
            self._failure = error
            raise
        finally:
            self._last_recovery = time.monotonic()
        self._last_generation = max(self._last_generation, self._stored_generation(backend))
        self._forget()
        self._failure = None
        for log in tuple(self._logs.values()):
            log.wake()
