"""RocksDB, the embedded default.

Writes go to the write-ahead log without sync, and `sync` is one `FlushWAL(true)`
for all of them; rocksdict gives up the GIL there, and writers go on meanwhile
(measured: a sync takes 3.7 ms, a write beside it 3.6 µs). The log is recovered to
a point in time, so that a power loss leaves a prefix of the writes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import rocksdict

from ..errors import (
    StorageClosed,
    StorageCorrupted,
    StorageError,
    StorageForked,
    StorageLocked,
    StorageReadOnly,
    StorageUnavailable,
)
from .backend import Backend, Change, EngineOptions

__all__ = ("open_rocksdb",)

_BACKGROUND_JOBS = 2
_WRITE_BUFFER_BYTES = 16 * 1024 * 1024
_WRITE_BUFFERS = 4
"""Writes go on inline while full buffers are on their way to the disk."""
_LOG_BYTES = 64 * 1024 * 1024
_OPEN_FILES = 256
_OPENING_THREADS = 1
"""Sixteen, the default, take 1 GiB of address space, and RocksDB aborts the process without it."""
_PART_ENTRIES = 64
_CURRENT = "CURRENT"
"""The file that names the others. Without it RocksDB takes the folder for an empty one, begins
anew, and deletes what it does not know."""
_CONFIGURATION = "rocksdict-config.json"
_NOTES = frozenset({"LOG", "LOCK"})
_LOCK_SIGNS = (
    "lock hold by current process",
    "LOCK: Resource temporarily unavailable",
    "Failed to create lock file",
)
"""This process; another one; another one on Windows."""

_users: set[int] = set()
"""The process that opened RocksDB first. Its background threads belong to the process, survive each
database, and are not in a forked child, where a flush would wait for them for ever."""


def open_rocksdb(folder: Path, options: EngineOptions) -> Backend:
    """Open a folder with RocksDB; see `EngineFactory`."""
    return _RocksBackend(folder, options)


class _RocksBackend:
    is_persistent = True

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.path = path
        self._options = options
        self._db: rocksdict.Rdict | None = None
        self._exits = contextlib.ExitStack()
        self._open()

    @property
    def sequence(self) -> int:
        return self._opened().latest_sequence_number()

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._opened().get(key)
        except Exception as error:
            raise self._translated(error) from error
        return value

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        try:
            values = self._opened().get(list(keys))
        except Exception as error:
            raise self._translated(error) from error
        return cast("list[bytes | None]", values)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return _scan(self.path, self._opened(), start, end, reverse=reverse)

    def apply(self, changes: Sequence[Change]) -> None:
        db = self._opened()
        if self._options.read_only:
            raise StorageReadOnly(self.path)
        batch = rocksdict.WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in changes:
            if value is None:
                delete(key)
            else:
                put(key, value)
        try:
            db.write(batch)
        except Exception as error:
            raise self._translated(error) from error

    def sync(self) -> None:
        if self._options.read_only:
            return
        try:
            self._opened().flush_wal(True)
        except Exception as error:
            raise self._translated(error) from error

    def snapshot(self) -> _RocksSnapshot:
        return _RocksSnapshot(self, self._opened())

    def checkpoint(self, folder: Path) -> None:
        try:
            rocksdict.Checkpoint(self._opened()).create_checkpoint(_utf8(folder))
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
        self._exits.close()

    def _opened(self) -> rocksdict.Rdict:
        if self._db is None:
            raise StorageClosed(self.path)
        return self._db

    def _open(self) -> None:
        self._check_files()
        self._check_process()
        try:
            self._db = self._open_read_only() if self._options.read_only else self._open_whole()
        except Exception as error:
            self._exits.close()
            raise self._translated(error) from error

    def _check_files(self) -> None:
        """Refuse a folder that lost its files, in which RocksDB would begin anew."""
        if (self.path / _CURRENT).exists():
            return
        if _has_data(self.path) or not self._options.is_new:
            raise StorageCorrupted(self.path, f"the file {_CURRENT} is missing")
        if self._options.read_only:
            raise StorageUnavailable(self.path, "there is no store")

    def _check_process(self) -> None:
        if not _users:
            _users.add(os.getpid())
        if not self._options.read_only and os.getpid() not in _users:
            raise StorageForked(self.path, "rocksdb")

    def _open_whole(self) -> rocksdict.Rdict:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        access = rocksdict.AccessType.read_write()
        return rocksdict.Rdict(_utf8(self.path), _options(), access_type=access)

    def _open_read_only(self) -> rocksdict.Rdict:
        access = rocksdict.AccessType.read_only()
        try:
            return rocksdict.Rdict(_utf8(self.path), _options(), access_type=access)
        except OSError:  # it writes a configuration and a log, which this file system refuses
            import tempfile  # here, because most readers need neither it nor what it imports

            folder = self._exits.enter_context(tempfile.TemporaryDirectory(prefix="airswasm-"))
            _link_files(self.path, Path(folder))
            return rocksdict.Rdict(_utf8(Path(folder)), _options(), access_type=access)

    def _translated(self, error: Exception) -> StorageError:
        return _translated(self.path, error)


def _utf8(path: Path) -> str:
    """Return this path as rocksdict reads it: as UTF-8, whatever the locale."""
    try:
        return os.fsencode(path).decode()
    except UnicodeError as error:
        raise StorageUnavailable(path, "RocksDB needs a path in UTF-8") from error


def _link_files(source: Path, folder: Path) -> None:
    """Make a folder that reads as `source` does, and in which RocksDB can write its own notes."""
    import shutil  # as above

    for file in source.iterdir():
        if file.name == _CONFIGURATION:
            shutil.copyfile(file, folder / file.name)
        elif file.name not in _NOTES:
            (folder / file.name).symlink_to(file.absolute())


def _has_data(folder: Path) -> bool:
    """Whether writes lie there; a first opening that was interrupted leaves none."""
    logs = (file.stat().st_size for file in folder.glob("*.log"))
    return any(folder.glob("*.sst")) or any(logs)


class _RocksSnapshot:
    """One cursor, which keeps showing the content at the moment at which it was opened.

    rocksdict has a type for snapshots, whose iterators show the content of later moments too.
    """

    def __init__(self, backend: _RocksBackend, db: rocksdict.Rdict) -> None:
        self._path = backend.path
        self._cursor: rocksdict.RdictIter | None = db.iter(rocksdict.ReadOptions())

    def get(self, key: bytes) -> bytes | None:
        return next((value for _, value in self.scan(key, key + b"\0")), None)

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        return [self.get(key) for key in keys]

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        while start < end:
            part = self._take(start, end, reverse=reverse)
            yield from part
            if len(part) < _PART_ENTRIES:
                return
            if reverse:
                end = part[-1][0]
            else:
                start = part[-1][0] + b"\0"

    def close(self) -> None:
        self._cursor = None

    def _take(self, start: bytes, end: bytes, *, reverse: bool) -> list[tuple[bytes, bytes]]:
        """Read a part in one go: other scans may move the cursor between two parts."""
        if self._cursor is None:
            raise StorageClosed(self._path)
        try:
            return list(islice(_walk(self._cursor, start, end, reverse=reverse), _PART_ENTRIES))
        except Exception as error:
            raise _translated(self._path, error) from error


def _scan(
    path: Path, db: rocksdict.Rdict, start: bytes, end: bytes, *, reverse: bool
) -> Iterator[tuple[bytes, bytes]]:
    if start >= end:
        return
    try:
        options = rocksdict.ReadOptions()
        options.set_iterate_lower_bound(start)
        options.set_iterate_upper_bound(end)
        yield from _walk(db.iter(options), start, end, reverse=reverse)
    except StorageError:
        raise
    except Exception as error:
        raise _translated(path, error) from error


def _walk(
    cursor: rocksdict.RdictIter, start: bytes, end: bytes, *, reverse: bool
) -> Iterator[tuple[bytes, bytes]]:
    if reverse:
        cursor.seek_for_prev(end)
        if cursor.valid() and cursor.key() >= end:
            cursor.prev()
    else:
        cursor.seek(start)
    move = cursor.prev if reverse else cursor.next
    while cursor.valid():
        key = cursor.key()
        if not start <= key < end:
            return
        yield key, cursor.value()
        move()
    cursor.status()


def _translated(path: Path, error: Exception) -> StorageError:
    """Turn an error of rocksdict, which has one type, into ours by the status in its text."""
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
    options.set_max_file_opening_threads(_OPENING_THREADS)
    options.set_keep_log_file_num(4)
    options.set_compression_type(rocksdict.DBCompressionType.lz4())
    table = rocksdict.BlockBasedOptions()
    table.set_bloom_filter(10, False)
    options.set_block_based_table_factory(table)
    return options
