"""An engine in memory: for tests, and for hosts that need to keep nothing.

It is the lowest part only; quotas, pages, logs and group commit above it are the real ones. The
content belongs to a `MemoryDisk`, which can be told to be full and outlives the store, so that
a restart can be tried without files.
"""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .._settings import Durability, StoreLimits
from .._store import Store
from ..errors import StorageClosed, StorageLocked, StorageReadOnly, StorageUnavailable
from .backend import Backend, Change, EngineOptions

__all__ = ("MemoryDisk", "MemoryStore", "open_memory")


def open_memory(folder: Path, options: EngineOptions) -> Backend:
    """Open a fresh store in memory; see `EngineFactory`."""
    return MemoryDisk()(folder, options)


class MemoryDisk:
    """The content of a store in memory, and an engine that opens it.

    Attributes:
        content: Every key with its value.
        is_full: While true, every write fails as on a full disk.
    """

    def __init__(self) -> None:
        self.content: dict[bytes, bytes] = {}
        self.is_full = False
        self._keys: list[bytes] = []
        self._is_locked = False

    def __call__(self, folder: Path, options: EngineOptions) -> Backend:
        """Open it; see `EngineFactory`.

        Raises:
            StorageLocked: It is open for writing already.
        """
        if not options.read_only:
            if self._is_locked:
                raise StorageLocked(folder)
            self._is_locked = True
        return _MemoryBackend(self, self._keys, folder, options, self._unlock)

    def _unlock(self) -> None:
        self._is_locked = False


class MemoryStore(Store):
    """A store without a disk.

    Args:
        disk: Shared by stores that follow one another; a fresh one by default.
        durability: When a write counts as done. Both are the same here, but `sync` goes the
            whole way through the group commit.
        limits: Bounds that no namespace may exceed.
        clock: The time in seconds since 1970, by which values expire and entries of logs age.
    """

    def __init__(
        self,
        disk: MemoryDisk | None = None,
        *,
        durability: Durability = "os",
        limits: StoreLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        held = self.disk = disk or MemoryDisk()
        path = Path(":memory:")
        super().__init__(
            lambda: held(path, EngineOptions()), path,
            durability=durability, limits=limits, clock=clock,
        )  # fmt: skip


class _MemoryView:
    """Sorted keys beside a dictionary; `None` for the dictionary once it is closed."""

    def __init__(self, content: dict[bytes, bytes], keys: list[bytes], path: Path) -> None:
        self.path = path
        self._content: dict[bytes, bytes] | None = content
        self._keys = keys

    def get(self, key: bytes) -> bytes | None:
        return self._opened().get(key)

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        return list(map(self._opened().get, keys))

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self._opened()
        return self._descend(start, end) if reverse else self._ascend(start, end)

    def _ascend(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        while (index := bisect_left(self._keys, start)) < len(self._keys):
            key = self._keys[index]
            if key >= end:
                return
            yield key, self._opened()[key]
            start = key + b"\0"

    def _descend(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        while index := bisect_left(self._keys, end):
            end = self._keys[index - 1]
            if end < start:
                return
            yield end, self._opened()[end]

    def close(self) -> None:
        self._content = None

    def _opened(self) -> dict[bytes, bytes]:
        if self._content is None:
            raise StorageClosed(self.path)
        return self._content


class _MemoryBackend(_MemoryView):
    is_persistent = False
    sequence = 0

    def __init__(
        self,
        disk: MemoryDisk,
        keys: list[bytes],
        path: Path,
        options: EngineOptions,
        unlock: Callable[[], None],
    ) -> None:
        super().__init__(disk.content, keys, path)
        self._disk = disk
        self._read_only = options.read_only
        self._unlock = unlock

    def apply(self, changes: Sequence[Change]) -> None:
        content = self._opened()
        if self._read_only:
            raise StorageReadOnly(self.path)
        self._check_space()
        for key, value in tuple(changes):  # all of it is there before any of it is applied
            if value is None:
                if content.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
            else:
                if key not in content:
                    insort(self._keys, key)
                content[key] = value

    def sync(self) -> None:
        self._opened()
        self._check_space()

    def snapshot(self) -> _MemoryView:
        return _MemoryView(dict(self._opened()), list(self._keys), self.path)

    def checkpoint(self, folder: Path) -> None:
        raise StorageUnavailable(folder, "a store in memory has no files to copy")

    def reopen(self) -> None:
        self._check_space()

    def close(self) -> None:
        if self._content is not None and not self._read_only:
            self._unlock()
        super().close()

    def _check_space(self) -> None:
        if self._disk.is_full:
            raise StorageUnavailable(self.path, "No space left on device")
