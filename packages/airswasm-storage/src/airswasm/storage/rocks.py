"""RocksDB, the embedded default.

Writes go to the write-ahead log without sync, and `sync` is one `FlushWAL(true)`
for all of them; rocksdict gives up the GIL there, and writers go on meanwhile
(measured: a sync takes 3.7 ms, a write beside it 3.6 µs). The log is recovered to
a point in time, so that a power loss leaves a prefix of the writes.

RocksDB cannot tell a log that lost its end from one that was never longer. So
after each sync the number of the last write goes into a small file beside the
data; a store that opens with a lower number has lost acknowledged writes, and
says so (`RocksStore.lost_writes`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import rocksdict

from ._backend import Change
from .errors import (
    StorageClosed,
    StorageCorrupted,
    StorageError,
    StorageLocked,
    StorageReadOnly,
    StorageUnavailable,
)
from .store import Durability, Store, StoreLimits

__all__ = ("RocksStore",)

_BACKGROUND_JOBS = 2
_WRITE_BUFFER_BYTES = 16 * 1024 * 1024
_WRITE_BUFFERS = 4
"""Writes go on inline while full buffers are on their way to the disk."""
_LOG_BYTES = 64 * 1024 * 1024
_OPEN_FILES = 256
_CURRENT = "CURRENT"
"""The file that names the others. Without it RocksDB takes the folder for an empty one, begins
anew, and deletes what it does not know."""
_LOCK_SIGNS = (
    "lock hold by current process",
    "LOCK: Resource temporarily unavailable",
    "Failed to create lock file",
)
"""This process; another one; another one on Windows."""


class RocksStore(Store):
    """A store in a folder of RocksDB's.

    Args:
        path: The folder; made if needed, unless `read_only`.
        durability: When a write counts as done.
        limits: What no namespace may exceed.
        read_only: Open what is there beside a running host, as it is now.

    Entering it raises `StorageLocked`, `StorageCorrupted` or `StorageUnavailable`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "sync",
        limits: StoreLimits | None = None,
        read_only: bool = False,
    ) -> None:
        folder = Path(path)
        super().__init__(
            lambda: _RocksBackend(folder, read_only=read_only),
            folder,
            durability=durability,
            limits=limits,
        )

    @staticmethod
    def exists(path: str | os.PathLike[str]) -> bool:
        """Whether a store was made in that folder, be it whole or damaged."""
        return (Path(path) / _CURRENT).exists() or _has_data(Path(path))

    @property
    def lost_writes(self) -> int:
        """How many acknowledged writes were missing when it was opened; 0 if none.

        More than 0 means that the disk gave up what it had taken: restore a
        checkpoint or an export.

        Raises:
            StorageClosed: It is not open.
        """
        backend = self.backend
        return backend.lost_writes if isinstance(backend, _RocksBackend) else 0


class _RocksBackend:
    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._read_only = read_only
        self._db: rocksdict.Rdict | None = None
        self._mark = _Watermark(path)
        self._open()
        self.lost_writes = self._mark.missing_from(self._opened().latest_sequence_number())

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._opened().get(key)
        except Exception as error:
            raise self._translated(error) from error
        return value

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return _scan(self, self._opened(), start, end)

    def apply(self, changes: Sequence[Change]) -> None:
        db = self._opened()
        if self._read_only:
            raise StorageReadOnly(self.path)
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            db.write(batch)
        except Exception as error:
            raise self._translated(error) from error

    def sync(self) -> None:
        try:
            db = self._opened()
            applied = db.latest_sequence_number()
            db.flush_wal(True)
            self._mark.write(applied)
        except Exception as error:
            raise self._translated(error) from error

    def snapshot(self) -> _RocksSnapshot:
        return _RocksSnapshot(self, self._opened())

    def checkpoint(self, folder: Path) -> None:
        try:
            rocksdict.Checkpoint(self._opened()).create_checkpoint(str(folder))
        except Exception as error:
            raise self._translated(error) from error

    def reopen(self) -> None:
        self.close()
        self._open()

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(Exception):  # a full disk must not keep it from closing
                db.close()

    def _opened(self) -> rocksdict.Rdict:
        if self._db is None:
            raise StorageClosed(self.path)
        return self._db

    def _open(self) -> None:
        access = (
            rocksdict.AccessType.read_only()
            if self._read_only
            else rocksdict.AccessType.read_write()
        )
        if not (self.path / _CURRENT).exists():
            if _has_data(self.path):
                raise StorageCorrupted(self.path, f"the file {_CURRENT} is missing")
            if self._read_only:
                raise StorageUnavailable(self.path, "there is no store")
        try:
            if not self._read_only:
                self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = rocksdict.Rdict(str(self.path), _options(), access_type=access)
        except Exception as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> StorageError:
        return _translated(self.path, error)


def _has_data(folder: Path) -> bool:
    """Whether writes lie there; a first opening that was interrupted leaves none."""
    logs = (file.stat().st_size for file in folder.glob("*.log"))
    return any(folder.glob("*.sst")) or any(logs)


class _Watermark:
    """The number of the last write that was synced, in a file that is itself not synced.

    It may lag behind, and is then no alarm; it never runs ahead.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "airswasm-watermark"

    def missing_from(self, sequence: int) -> int:
        try:
            known = int(self._path.read_bytes())
        except (OSError, ValueError):
            return 0
        return max(0, known - sequence)

    def write(self, sequence: int) -> None:
        with contextlib.suppress(OSError):  # a warning less, not a write less
            self._path.write_bytes(b"%d" % sequence)


class _RocksSnapshot:
    def __init__(self, backend: _RocksBackend, db: rocksdict.Rdict) -> None:
        self._backend = backend
        self._snapshot: rocksdict.Snapshot | None = db.snapshot()

    def get(self, key: bytes) -> bytes | None:
        for found, value in self.scan(key, key + b"\0"):
            if found == key:
                return value
        return None

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return _scan(self._backend, self._opened(), start, end)

    def close(self) -> None:
        self._snapshot = None

    def _opened(self) -> rocksdict.Snapshot:
        if self._snapshot is None:
            raise StorageClosed(self._backend.path)
        return self._snapshot


def _scan(
    backend: _RocksBackend, source: rocksdict.Rdict | rocksdict.Snapshot, start: bytes, end: bytes
) -> Iterator[tuple[bytes, bytes]]:
    try:
        options = rocksdict.ReadOptions()
        options.set_iterate_lower_bound(start)
        options.set_iterate_upper_bound(end)
        cursor = source.iter(options)
        cursor.seek(start)
        while cursor.valid():
            yield cursor.key(), cursor.value()
            cursor.next()
        cursor.status()
    except StorageError:
        raise
    except Exception as error:
        raise _translated(backend.path, error) from error


def _translated(path: Path, error: Exception) -> StorageError:
    """rocksdict has one exception type; RocksDB's status is in its text."""
    if isinstance(error, StorageError):
        return error
    text = str(error)
    if isinstance(error, rocksdict.DbClosedError):
        return StorageClosed(path)
    if any(sign in text for sign in _LOCK_SIGNS):
        return StorageLocked(path)
    if text.startswith("Corruption") or "Corruption:" in text:
        return StorageCorrupted(path, text)
    if "Not supported operation in read only mode" in text:
        return StorageReadOnly(path)
    if "Read-only file system" in text:
        text = "the file system is read-only, and RocksDB writes there even to read"
    return StorageUnavailable(path, text)


def _options() -> rocksdict.Options:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_wal_recovery_mode(rocksdict.DBRecoveryMode.point_in_time())
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(_WRITE_BUFFERS)
    options.set_max_total_wal_size(_LOG_BYTES)
    options.set_max_background_jobs(_BACKGROUND_JOBS)
    options.set_max_open_files(_OPEN_FILES)
    options.set_keep_log_file_num(4)
    options.set_compression_type(rocksdict.DBCompressionType.lz4())
    table = rocksdict.BlockBasedOptions()
    table.set_bloom_filter(10, False)
    options.set_block_based_table_factory(table)
    return options
