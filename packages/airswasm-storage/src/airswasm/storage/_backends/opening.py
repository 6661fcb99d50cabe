"""Open a folder with the engine that wrote it.

A small file in the folder names the engine that wrote it, so that a changed setting cannot make a
host begin with an empty store beside its data. This module imports neither an engine nor an event
loop: readers of a store (`_reader`) need no loop.

Rejected: guessing the engine from the files, which no stranger's engine could take part in;
one folder for each engine, because a changed setting would then look like lost data.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..errors import (
    EngineMismatch,
    EngineUnusable,
    StorageError,
    StorageUnavailable,
    StoreFormatUnknown,
)
from .backend import Backend, EngineFactory, EngineOptions

__all__ = ("Opening", "engine_of", "has_store", "write_marker")

MARKER = "airswasm-store.json"
_FORMAT = 2
_READABLE = (1, _FORMAT)
"""Format 1 charged keys and values alone. `space` reads its records, and the first write to a
namespace replaces them. Its marker is replaced before that, because the version that wrote it
knows no expiry."""


def has_store(folder: str | os.PathLike[str]) -> bool:
    """Whether a store was made in the folder, be it whole or damaged."""
    return (Path(folder) / MARKER).exists()


def engine_of(folder: str | os.PathLike[str]) -> str | None:
    """Return the name of the engine that wrote the store in a folder; None if there is no store.

    Raises:
        StorageUnavailable: The marker cannot be read.
        StoreFormatUnknown: Another version wrote it.
    """
    return _read_marker(Path(folder))[0]


class Opening:
    """Opens a folder with one engine, unless another engine wrote it."""

    def __init__(self, path: Path, name: str, factory: EngineFactory, read_only: bool) -> None:
        self.path = path
        self._name, self._factory, self._read_only = name, factory, read_only

    def __call__(self) -> Backend:
        written, number = _read_marker(self.path)
        if written is not None and written != self._name:
            raise EngineMismatch(self.path, written, self._name)
        options = EngineOptions(read_only=self._read_only, is_new=written is None)
        backend, is_persistent = self._open(options)
        if number != _FORMAT and is_persistent and not self._read_only:
            self._mark(backend)
        return backend

    def _open(self, options: EngineOptions) -> tuple[Backend, bool]:
        try:
            backend = self._factory(self.path, options)
            return backend, backend.is_persistent
        except StorageError:
            raise
        except Exception as error:  # a stranger's engine may fail in any way
            reason = f"it cannot open {self.path}: {type(error).__name__}: {error}"
            raise EngineUnusable(self._name, reason) from error

    def _mark(self, backend: Backend) -> None:
        try:
            write_marker(self.path, self._name)
        except BaseException:
            backend.close()
            raise


def write_marker(folder: Path, engine: str) -> None:
    """Write whole or not at all: a torn marker would lock its owner out."""
    partial = folder / f".{MARKER}.partial"
    try:
        with partial.open("w", encoding="utf-8") as file:
            json.dump({"format": _FORMAT, "engine": engine}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / MARKER)
    except OSError as error:
        raise StorageUnavailable(folder, error.strerror or str(error)) from error


def _read_marker(folder: Path) -> tuple[str | None, int]:
    """Return the engine that wrote a folder, and in which format; None where no store is."""
    try:
        text = (folder / MARKER).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None, 0
    except (OSError, UnicodeDecodeError) as error:
        raise StorageUnavailable(folder, f"{MARKER} cannot be read: {error}") from error
    try:
        fields: object = json.loads(text)
    except ValueError:
        raise StoreFormatUnknown(folder, text) from None
    match fields:
        case {"format": int(number), "engine": str(engine)} if number in _READABLE:
            return engine, number
        case _:
            raise StoreFormatUnknown(folder, text)
