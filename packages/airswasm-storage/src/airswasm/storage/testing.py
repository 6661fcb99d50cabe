"""A store in memory, for the tests of whoever uses this block.

It is the real store over a dictionary, so quotas, pages and durability behave as
on a disk; `MemoryDisk` can be told to be full, and keeps its content while the
store is closed, so that a restart can be tried without files.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from pathlib import Path

from ._backend import Change
from .errors import StorageClosed, StorageUnavailable
from .store import Durability, Store, StoreLimits

__all__ = ("MemoryDisk", "MemoryStore")


class MemoryDisk:
    """What outlives a `MemoryStore`: its content.

    Attributes:
        content: Every key with its value.
        is_full: While true, every write fails as on a full disk.
    """

    def __init__(self) -> None:
        self.content: dict[bytes, bytes] = {}
        self.is_full = False


class MemoryStore(Store):
    """A store without a disk.

    Args:
        disk: Shared by stores that follow one another; a fresh one by default.
        durability: When a write counts as done; both are the same here, but `sync`
            goes the whole way through the group commit.
        limits: What no namespace may exceed.
    """

    def __init__(
        self,
        disk: MemoryDisk | None = None,
        *,
        durability: Durability = "os",
        limits: StoreLimits | None = None,
    ) -> None:
        self.disk = disk or MemoryDisk()
        path = Path(":memory:")
        super().__init__(
            lambda: _MemoryBackend(self.disk, path), path, durability=durability, limits=limits
        )


class _MemoryView:
    def __init__(self, content: dict[bytes, bytes], path: Path) -> None:
        self.path = path
        self._content: dict[bytes, bytes] | None = content
        self._sorted = sorted(content)

    def get(self, key: bytes) -> bytes | None:
        return self._opened().get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        content = self._opened()
        keys = self._sorted[bisect_left(self._sorted, start) : bisect_left(self._sorted, end)]
        return ((key, content[key]) for key in keys if key in content)

    def close(self) -> None:
        self._content = None

    def _opened(self) -> dict[bytes, bytes]:
        if self._content is None:
            raise StorageClosed(self.path)
        return self._content


class _MemoryBackend(_MemoryView):
    def __init__(self, disk: MemoryDisk, path: Path) -> None:
        super().__init__(disk.content, path)
        self._disk = disk

    def apply(self, changes: Sequence[Change]) -> None:
        content = self._opened()
        self._check_space()
        for key, value in changes:
            if value is None:
                if content.pop(key, None) is not None:
                    del self._sorted[bisect_left(self._sorted, key)]
            else:
                if key not in content:
                    insort(self._sorted, key)
                content[key] = value

    def sync(self) -> None:
        self._opened()
        self._check_space()

    def snapshot(self) -> _MemoryView:
        return _MemoryView(dict(self._opened()), self.path)

    def checkpoint(self, folder: Path) -> None:
        raise StorageUnavailable(folder, "a store in memory has no files to copy")

    def reopen(self) -> None:
        self._check_space()

    def _check_space(self) -> None:
        if self._disk.is_full:
            raise StorageUnavailable(self.path, "No space left on device")
