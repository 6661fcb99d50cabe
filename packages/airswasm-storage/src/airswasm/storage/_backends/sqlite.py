"""SQLite: no dependency beyond Python, and one file that every tool opens.

In WAL mode with `synchronous=NORMAL` a commit writes to the log without waiting; `sync` then
waits for the log file itself, from a worker thread, while commits go on. That is SQLite's own
`FULL`, with the wait taken out of the commit. Moving the log's content into the database file,
which SQLite does within a commit, and which waits for the disk, is taken out as well: `sync` does
it on a connection of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from ..errors import (
    StorageClosed,
    StorageCorrupted,
    StorageError,
    StorageLocked,
    StorageReadOnly,
    StorageUnavailable,
)
from .backend import Backend, Change, EngineOptions

__all__ = ("open_sqlite",)

_FILE = "data.sqlite"
_ROWS = 64
_LOG_BYTES = 4 * 1024 * 1024
_TABLE = "CREATE TABLE IF NOT EXISTS data (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID"
_SEQUENCE_TABLE = "CREATE TABLE IF NOT EXISTS sequence (id INTEGER PRIMARY KEY, n INTEGER)"
_SEQUENCE = "SELECT n FROM sequence WHERE id = 1"
_COUNT = "INSERT INTO sequence VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1"
_SCAN = "SELECT k, v FROM data WHERE k >= ? AND k < ? ORDER BY k LIMIT ?"
_SCAN_REVERSE = "SELECT k, v FROM data WHERE k >= ? AND k < ? ORDER BY k DESC LIMIT ?"
_PUT = "INSERT INTO data (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
_NO_INDEX = frozenset(
    {sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP}
)
"""Answers of a disk without room to a reader. Beside a host, the index is there already."""


def open_sqlite(folder: Path, options: EngineOptions) -> Backend:
    """Open a folder with SQLite; see `EngineFactory`."""
    return _SqliteBackend(folder, options)


class _SqliteBackend:
    is_persistent = True

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.path = path
        self._file = path / _FILE
        self._options = options
        self._connection: sqlite3.Connection | None = None
        self._lock: sqlite3.Connection | None = None
        self._exits = contextlib.ExitStack()
        self._is_immutable = False
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def sequence(self) -> int:
        with self._translating():
            row = self._opened().execute(_SEQUENCE).fetchone()
        return 0 if row is None else int(row[0])

    def get(self, key: bytes) -> bytes | None:
        with self._translating():
            row = self._opened().execute("SELECT v FROM data WHERE k = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        return [self.get(key) for key in keys]

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return _scan(self.path, self._opened(), start, end, reverse=reverse)

    def apply(self, changes: Sequence[Change]) -> None:
        connection = self._opened()
        if self._options.read_only:
            raise StorageReadOnly(self.path)
        with self._translating():
            connection.execute("BEGIN IMMEDIATE")
            try:
                for key, value in changes:
                    if value is None:
                        connection.execute("DELETE FROM data WHERE k = ?", (key,))
                    else:
                        connection.execute(_PUT, (key, value))
                connection.execute(_COUNT)
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def sync(self) -> None:
        if self._options.read_only:
            return
        self._opened()
        try:
            with _log_of(self._file).open("r+b") as file:
                os.fsync(file.fileno())
                size = os.fstat(file.fileno()).st_size
        except FileNotFoundError:
            return  # everything is in the database file, which a checkpoint synced
        except OSError as error:
            raise StorageUnavailable(self.path, error.strerror or str(error)) from error
        if size > _LOG_BYTES:
            self._shorten_log()

    def _shorten_log(self) -> None:
        """Move the log into the database file; without it, the log is only longer for a while."""
        with contextlib.suppress(sqlite3.OperationalError):
            with contextlib.closing(self.connect(read_only=False)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def snapshot(self) -> _SqliteSnapshot:
        self._opened()
        return _SqliteSnapshot(self)

    def checkpoint(self, folder: Path) -> None:
        with self._translating():
            folder.mkdir(parents=True)
            with contextlib.closing(self.connect(read_only=True)) as source:
                with contextlib.closing(sqlite3.connect(folder / _FILE)) as copy:
                    source.backup(copy)

    def reopen(self) -> None:
        self.close()
        self._open()

    def close(self) -> None:
        for name in ("_connection", "_lock"):
            connection: sqlite3.Connection | None = getattr(self, name)
            setattr(self, name, None)
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
        self._exits.close()

    def connect(self, *, read_only: bool) -> sqlite3.Connection:
        if self._is_immutable:
            return _connect(self._file, "mode=ro&immutable=1")
        return _connect(self._file, "mode=ro" if read_only else "mode=rwc")

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StorageClosed(self.path)
        return self._connection

    def _open(self) -> None:
        with self._translating():
            self._check_files()
            if self._options.read_only:
                self._connection = self._open_read_only()
                return
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(self.path, os.W_OK):  # SQLite would open it, to read
                raise StorageUnavailable(self.path, "the folder cannot be written")
            self._lock = _take_lock(self._file)
            connection = self._connection = self.connect(read_only=False)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
            connection.execute(_TABLE)
            connection.execute(_SEQUENCE_TABLE)
            _try(connection)

    def _check_files(self) -> None:
        """Refuse a folder that lost its file, in which SQLite would begin anew."""
        if self._file.is_file():
            return
        if not self._options.is_new:
            raise StorageCorrupted(self.path, f"the file {_FILE} is missing")
        if self._options.read_only:
            raise StorageUnavailable(self.path, "there is no store")

    def _open_read_only(self) -> sqlite3.Connection:
        connection = self.connect(read_only=True)
        try:
            return _try(connection)
        except sqlite3.OperationalError as error:
            connection.close()
            if os.access(self.path, os.W_OK) and error.sqlite_errorcode not in _NO_INDEX:
                raise
        # SQLite keeps an index beside its log, which this file system refuses, or has no room for.
        # Without a log none is needed; with one, the copy of both is a store like any other.
        if _log_of(self._file).exists():
            folder = self._exits.enter_context(tempfile.TemporaryDirectory(prefix="airswasm-"))
            self._file = _copy_files(self._file, Path(folder))
            return _try(self.connect(read_only=True))
        self._is_immutable = True
        return _try(self.connect(read_only=True))

    @contextlib.contextmanager
    def _translating(self) -> Generator[None, None, None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _translated(self.path, error) from error
        except OSError as error:
            raise StorageUnavailable(self.path, error.strerror or str(error)) from error


class _SqliteSnapshot:
    """A read transaction on a connection of its own."""

    def __init__(self, backend: _SqliteBackend) -> None:
        self._backend = backend
        try:
            self._connection = backend.connect(read_only=True)
        except sqlite3.Error as error:
            raise _translated(backend.path, error) from error
        try:
            self._connection.execute("BEGIN")
            _try(self._connection)
        except sqlite3.Error as error:
            self._connection.close()
            raise _translated(backend.path, error) from error

    def get(self, key: bytes) -> bytes | None:
        row = self._connection.execute("SELECT v FROM data WHERE k = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        return [self.get(key) for key in keys]

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return _scan(self._backend.path, self._connection, start, end, reverse=reverse)

    def close(self) -> None:
        self._connection.close()


def _scan(
    path: Path, connection: sqlite3.Connection, start: bytes, end: bytes, *, reverse: bool
) -> Iterator[tuple[bytes, bytes]]:
    query = _SCAN_REVERSE if reverse else _SCAN
    while True:
        try:
            rows = connection.execute(query, (start, end, _ROWS)).fetchall()
        except sqlite3.Error as error:
            raise _translated(path, error) from error
        yield from rows
        if len(rows) < _ROWS:
            return
        if reverse:
            end = rows[-1][0]
        else:
            start = rows[-1][0] + b"\0"


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{file.absolute().as_uri()}?{mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=5.0,
    )


def _try(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Read once: SQLite opens its files at the first statement."""
    connection.execute("SELECT 1 FROM data LIMIT 1").fetchone()
    return connection


def _log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _copy_files(file: Path, folder: Path) -> Path:
    for each in (file, _log_of(file)):
        shutil.copyfile(each, folder / each.name)
    return folder / file.name


def _take_lock(path: Path) -> sqlite3.Connection:
    """One writing process at a time, on every platform: an open transaction beside the file."""
    lock = sqlite3.connect(
        path.with_name(f"{path.name}.lock"),
        isolation_level=None,
        check_same_thread=False,
        timeout=0.0,
    )
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if "locked" in str(error):
            raise StorageLocked(path.parent) from error
        raise
    return lock


def _translated(path: Path, error: sqlite3.Error) -> StorageError:
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StorageCorrupted(path, str(error))
    if code.startswith("SQLITE_READONLY"):
        return StorageReadOnly(path)
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return StorageClosed(path)
    return StorageUnavailable(path, str(error))
