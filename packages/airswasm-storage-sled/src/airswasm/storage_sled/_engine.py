"""sled behind the seam of `airswasm.storage`.

The Rust side (`rust/src`) adds to sled what the seam promises and sled does not have: batches that
outlive a killed process, snapshots, and errors instead of panics.

sled can neither be opened for reading only nor beside a process that writes, so a reader opens a
copy of the folder (`_copying`).
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from airswasm.storage import Backend, Change, EngineOptions
from airswasm.storage.errors import (
    StorageClosed,
    StorageCorrupted,
    StorageReadOnly,
    StorageUnavailable,
)

from ._copying import copy_folder
from ._sled import Database, DatabaseSnapshot

__all__ = ("open_sled",)

_DATA = "db"
_PART_ENTRIES = 128
_ReadPart: TypeAlias = Callable[[bytes, bytes, bool, int], list[tuple[bytes, bytes]]]


def open_sled(folder: Path, options: EngineOptions) -> Backend:
    """Open a folder with sled; see `EngineFactory`."""
    return _SledBackend(folder, options)


class _SledBackend:
    is_persistent = True

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.path = path
        self._options = options
        self._database: Database | None = None
        self._exits = contextlib.ExitStack()
        self._open()

    @property
    def sequence(self) -> int:
        return self._opened().sequence

    def get(self, key: bytes) -> bytes | None:
        return self._opened().get(key)

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        return self._opened().get_many(keys)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return _scan(self._opened().part, start, end, reverse=reverse)

    def apply(self, changes: Sequence[Change]) -> None:
        database = self._opened()
        if self._options.read_only:
            raise StorageReadOnly(self.path)
        database.apply(changes)

    def sync(self) -> None:
        database = self._opened()
        if not self._options.read_only:
            database.flush()

    def snapshot(self) -> _SledSnapshot:
        return _SledSnapshot(self.path, self._opened().snapshot())

    def checkpoint(self, folder: Path) -> None:
        self._opened().copy_to(folder)

    def reopen(self) -> None:
        if self._database is not None:
            self._database.check()  # sled writes when it opens, and what is open can be read
            if not self._database.has_failed:
                return
        self.close()
        self._open()

    def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
        self._exits.close()

    def _opened(self) -> Database:
        if self._database is None:
            raise StorageClosed(self.path)
        return self._database

    def _open(self) -> None:
        self._check_files()
        try:
            self._database = self._open_copy() if self._options.read_only else Database(self.path)
        except OSError as error:
            self._exits.close()
            raise StorageUnavailable(self.path, error.strerror or str(error)) from error
        except BaseException:
            self._exits.close()
            raise

    def _check_files(self) -> None:
        """Refuse a folder that lost its files, in which sled would begin anew."""
        if (self.path / _DATA).is_file():
            return
        if not self._options.is_new:
            raise StorageCorrupted(self.path, f"the file {_DATA} is missing")
        if self._options.read_only:
            raise StorageUnavailable(self.path, "there is no store")

    def _open_copy(self) -> Database:
        folder = Path(tempfile.mkdtemp(prefix="airswasm-"))
        self._exits.callback(shutil.rmtree, folder, ignore_errors=True)
        copy_folder(self.path, folder / "copy")
        return Database(folder / "copy")


class _SledSnapshot:
    def __init__(self, path: Path, snapshot: DatabaseSnapshot) -> None:
        self._path = path
        self._snapshot: DatabaseSnapshot | None = snapshot

    def get(self, key: bytes) -> bytes | None:
        return self._opened().get(key)

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        return [self.get(key) for key in keys]

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return _scan(self._read_part, start, end, reverse=reverse)

    def close(self) -> None:
        self._snapshot = None

    def _read_part(
        self, start: bytes, end: bytes, is_reverse: bool, most: int
    ) -> list[tuple[bytes, bytes]]:
        return self._opened().part(start, end, is_reverse, most)

    def _opened(self) -> DatabaseSnapshot:
        if self._snapshot is None:
            raise StorageClosed(self._path)
        return self._snapshot


def _scan(
    read_part: _ReadPart, start: bytes, end: bytes, *, reverse: bool
) -> Iterator[tuple[bytes, bytes]]:
    """Read in parts, each after the last key of the one before."""
    while part := read_part(start, end, reverse, _PART_ENTRIES):
        yield from part
        if reverse:
            end = part[-1][0]
        else:
            start = part[-1][0] + b"\0"
