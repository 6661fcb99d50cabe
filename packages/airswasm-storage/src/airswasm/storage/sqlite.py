"""SQLite: no dependency beyond Python, and one file that every tool opens.

In WAL mode with `synchronous=NORMAL` a commit writes to the log without waiting;
`sync` then waits for the log file itself, from a worker thread, while commits go
on. That is SQLite's own `FULL`, with the wait taken out of the commit.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

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

__all__ = ("SqliteStore",)

_ROWS = 64
_TABLE = "CREATE TABLE IF NOT EXISTS data (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID"
_SCAN = "SELECT k, v FROM data WHERE k >= ? AND k < ? ORDER BY k LIMIT ?"
_PUT = "INSERT INTO data (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"


class SqliteStore(Store):
    """A store in a file of SQLite's.

    Args:
        path: The file; made if needed, unless `read_only`.
        durability: When a write counts as done.
        limits: What no namespace may exceed.
        read_only: Open what is there beside a running host.

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
        file = Path(path)
        super().__init__(
            lambda: _SqliteBackend(file, read_only=read_only),
            file,
            durability=durability,
            limits=limits,
        )


class _SqliteBackend:
    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._read_only = read_only
        self._connection: sqlite3.Connection | None = None
        self._lock: sqlite3.Connection | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def get(self, key: bytes) -> bytes | None:
        with self._translating():
            row = self._opened().execute("SELECT v FROM data WHERE k = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return _scan(self, self._opened(), start, end)

    def apply(self, changes: Sequence[Change]) -> None:
        connection = self._opened()
        if self._read_only:
            raise StorageReadOnly(self.path)
        with self._translating():
            connection.execute("BEGIN IMMEDIATE")
            try:
                for key, value in changes:
                    if value is None:
                        connection.execute("DELETE FROM data WHERE k = ?", (key,))
                    else:
                        connection.execute(_PUT, (key, value))
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def sync(self) -> None:
        self._opened()
        log = self.path.with_name(f"{self.path.name}-wal")
        try:
            with log.open("r+b") as file:
                os.fsync(file.fileno())
        except FileNotFoundError:
            return  # everything is in the database file, which a checkpoint synced
        except OSError as error:
            raise StorageUnavailable(self.path, error.strerror or str(error)) from error

    def snapshot(self) -> _SqliteSnapshot:
        self._opened()
        return _SqliteSnapshot(self)

    def checkpoint(self, folder: Path) -> None:
        with self._translating():
            folder.mkdir(parents=True)
            with contextlib.closing(self.connect(read_only=True)) as source:
                with contextlib.closing(sqlite3.connect(folder / self.path.name)) as copy:
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

    def connect(self, *, read_only: bool) -> sqlite3.Connection:
        mode = "ro" if read_only else "rwc"
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=5.0,
        )

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StorageClosed(self.path)
        return self._connection

    def _open(self) -> None:
        with self._translating():
            if self._read_only and not self.path.is_file():
                raise StorageUnavailable(self.path, "there is no store")
            if not self._read_only:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._lock = _take_lock(self.path)
            self._connection = self.connect(read_only=self._read_only)
            self._connection.execute("PRAGMA synchronous = NORMAL")
            if not self._read_only:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute(_TABLE)
            self._connection.execute("SELECT 1 FROM data LIMIT 1").fetchone()

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
            self._connection.execute("SELECT 1 FROM data LIMIT 1").fetchone()
        except sqlite3.Error as error:
            self._connection.close()
            raise _translated(backend.path, error) from error

    def get(self, key: bytes) -> bytes | None:
        row = self._connection.execute("SELECT v FROM data WHERE k = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return _scan(self._backend, self._connection, start, end)

    def close(self) -> None:
        self._connection.close()


def _scan(
    backend: _SqliteBackend, connection: sqlite3.Connection, start: bytes, end: bytes
) -> Iterator[tuple[bytes, bytes]]:
    while True:
        try:
            rows = connection.execute(_SCAN, (start, end, _ROWS)).fetchall()
        except sqlite3.Error as error:
            raise _translated(backend.path, error) from error
        yield from rows
        if len(rows) < _ROWS:
            return
        start = rows[-1][0] + b"\0"


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
            raise StorageLocked(path) from error
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
