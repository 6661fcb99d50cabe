"""The store that all backends share: namespaces, durability, recovery.

Everything here runs on the event loop's thread. A read of RocksDB takes about a
microsecond and a write without sync about six, so both happen inline: a hop to a
worker thread costs ten times that. Only waiting for the disk goes to a thread,
and many writers share one wait (`_GroupCommit`): each applies its change at
once, and the next sync that starts covers all of them. Ten thousand actors
storing one value each so wait for a few syncs, not for ten thousand.

A write is visible to readers of its namespace a few milliseconds before it is
known to be durable. Only the component itself and the host's owner read there,
and the component waits for its own write.

Rejected: a thread pool for every call (measured: 10 times the latency of a get),
a lock per namespace (one thread needs none), and RocksDB's own synchronous
writes (one disk wait per writer and thread).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias

import anyio
import anyio.to_thread

from ._backend import Backend, Change
from ._keys import COUNTERS_END, COUNTERS_START, decode_namespace
from .errors import StorageClosed, StorageError, StorageUnavailable
from .namespace import DEFAULT_QUOTA_BYTES, Counters, Namespace

__all__ = ("Durability", "KeyValueStore", "Store", "StoreLimits")

Durability: TypeAlias = Literal["sync", "os"]
"""When a write counts as done: on the disk, or handed to the operating system.

Both survive a killed process; only `sync` survives a power loss.
"""

_RECOVERY_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """What no namespace may exceed.

    Attributes:
        value_bytes: The largest value.
        page_entries: The most entries of one page of a scan.
        page_bytes: The most bytes of one page; a single larger entry comes alone.
    """

    value_bytes: int = 1024 * 1024
    page_entries: int = 256
    page_bytes: int = 256 * 1024


class KeyValueStore(Protocol):
    """A store with a namespace for each component."""

    def namespace(self, namespace: str, *, quota_bytes: int = DEFAULT_QUOTA_BYTES) -> Namespace:
        """The namespace of this id; it need not hold anything yet."""
        ...

    def namespaces(self) -> tuple[str, ...]:
        """The ids of all namespaces that hold something."""
        ...

    async def checkpoint(self, folder: Path) -> None:
        """Write a copy of the whole store that can be opened on its own."""
        ...

    async def aclose(self) -> None:
        """Wait for what is being written, then close."""
        ...


class Store:
    """What every backend's store does; open it with `async with`.

    Args:
        open_backend: Opens the engine; called in a worker thread.
        path: Where it is, for messages.
        durability: When a write counts as done.
        limits: What no namespace may exceed.
    """

    def __init__(
        self,
        open_backend: Callable[[], Backend],
        path: Path,
        *,
        durability: Durability = "sync",
        limits: StoreLimits | None = None,
    ) -> None:
        self.path = path
        self.durability = durability
        self.limits = limits or StoreLimits()
        self._open_backend = open_backend
        self._backend: Backend | None = None
        self._counters: dict[bytes, Counters] = {}
        self._commit = _GroupCommit(self._sync_backend, self._on_failure)
        self._failure: StorageUnavailable | None = None
        self._last_recovery = 0.0
        self._recovery = anyio.Lock()
        self._exits = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        with anyio.CancelScope(shield=True):  # half an opening would keep the lock
            self._backend = await anyio.to_thread.run_sync(self._open_backend)
        group = await self._exits.enter_async_context(anyio.create_task_group())
        group.start_soon(self._commit.run)
        self._group = group
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
        """Whether it can be used."""
        return self._backend is not None

    @property
    def failure(self) -> StorageUnavailable | None:
        """Why writing is refused at the moment, or None."""
        return self._failure

    @property
    def syncs(self) -> int:
        """How often it has waited for the disk."""
        return self._commit.syncs

    def namespace(self, namespace: str, *, quota_bytes: int = DEFAULT_QUOTA_BYTES) -> Namespace:
        """The namespace of this id; it need not hold anything yet.

        Args:
            namespace: Its id; a component's name, or one of the host's own.
            quota_bytes: The most that its keys and values may take.

        Raises:
            InvalidNamespace: Empty, too long, or not encodable.
        """
        return Namespace(self, namespace, quota_bytes)

    def namespaces(self) -> tuple[str, ...]:
        """The ids of all namespaces that hold something, sorted.

        Raises:
            StorageError: The store cannot be read.
        """
        found = self.backend.scan(COUNTERS_START, COUNTERS_END)
        return tuple(sorted(decode_namespace(key) for key, _ in found))

    async def verify(self) -> int:
        """Read every key and value, so that damage shows now rather than when it hurts.

        Returns:
            How many keys there are. A cancel waits for the end.

        Raises:
            StorageCorrupted: What is on the disk is not what was written.
            StorageUnavailable: The disk refuses.
        """
        backend = self.backend
        return await anyio.to_thread.run_sync(
            lambda: sum(1 for _ in backend.scan(b"", COUNTERS_END))
        )

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
            await self._commit.sync_now()
            self._backend = None
            self._counters.clear()
            self._group.cancel_scope.cancel()
            await self._exits.aclose()
        finally:  # also when whoever closes it is cancelled: the lock must be given back
            self._backend = None
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(backend.close)

    async def recover(self) -> None:
        """After the disk failed: open the store again.

        Without effect when nothing failed. Writes that were refused stay refused;
        what was acknowledged is there.

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

    # What namespaces use.

    @property
    def backend(self) -> Backend:
        """The open engine.

        Raises:
            StorageClosed: The store is not open.
        """
        if self._backend is None:
            raise StorageClosed(self.path)
        return self._backend

    def counters(self, namespace: bytes, load: Callable[[], Counters]) -> Counters:
        """The one set of counters of a namespace, loaded at first use."""
        known = self._counters.get(namespace)
        if known is None:
            known = self._counters[namespace] = load()
        return known

    def apply(self, changes: list[Change]) -> None:
        """Apply changes, all or none.

        Raises:
            StorageUnavailable: The disk refuses; `recover` may help.
            StorageError: Anything else that the engine reports.
        """
        if self._failure is not None:
            raise self._failure
        try:
            self.backend.apply(changes)
        except StorageClosed:
            raise
        except StorageUnavailable as error:
            self._on_failure(error)
            raise

    def when_durable(self, done: Callable[[StorageError | None], None]) -> None:
        """Call `done` once all that was applied so far is as durable as promised."""
        if self.durability == "os":
            done(None)
        else:
            self._commit.when_synced(done)

    def _sync_backend(self) -> None:
        self.backend.sync()

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
        self._counters.clear()
        self._failure = None


class _GroupCommit:
    """One wait for the disk for everybody who waits."""

    def __init__(
        self, sync: Callable[[], None], on_failure: Callable[[StorageUnavailable], None]
    ) -> None:
        self.syncs = 0
        self.turn = anyio.Lock()
        self._sync = sync
        self._on_failure = on_failure
        self._waiting: list[Callable[[StorageError | None], None]] = []
        self._wake = anyio.Event()

    def when_synced(self, done: Callable[[StorageError | None], None]) -> None:
        self._waiting.append(done)
        self._wake.set()

    async def run(self) -> None:
        """Sync whenever somebody waits; one at a time, so that the rest gathers."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            await self.sync_now()

    async def sync_now(self) -> None:
        """Serve everybody who waits by now. A cancel waits for the disk first."""
        with anyio.CancelScope(shield=True):
            async with self.turn:
                await self._sync_once()

    async def _sync_once(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        failure: StorageError | None = None
        try:
            await anyio.to_thread.run_sync(self._sync)
        except StorageError as error:
            failure = error
            if isinstance(error, StorageUnavailable):
                self._on_failure(error)
        self.syncs += 1
        for done in waiting:
            done(failure)
