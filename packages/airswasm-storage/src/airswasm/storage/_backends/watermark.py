"""The number of the last batch that is known to be on the disk, in a file beside the engine's.

The file itself is not synced. It may lag behind, and is then no alarm; it never runs ahead.

Rejected: asking each engine for what it lost. RocksDB, SQLite and sled all recover to the last
batch that is whole, and none of them can tell that there was one more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import Backend

__all__ = ("begin_sync", "count_lost")

_FILE = "airswasm-watermark"


def count_lost(folder: Path, backend: Backend) -> int:
    """Return how many synced batches are missing, at least, from a store that was just opened."""
    if not backend.is_persistent:
        return 0
    try:
        known = int((folder / _FILE).read_bytes())
    except (OSError, ValueError):
        return 0
    return max(0, known - backend.sequence)


def begin_sync(folder: Path, backend: Backend) -> Callable[[], None]:
    """Return a function that waits for what was applied by now, and then notes its number.

    Raises:
        StorageError: The store cannot be read.
    """
    if not backend.is_persistent:
        return backend.sync
    sequence = backend.sequence

    def sync() -> None:
        backend.sync()
        with contextlib.suppress(OSError):  # a warning less, not a write less
            _note(folder / _FILE, sequence)

    return sync


def _note(file: Path, sequence: int) -> None:
    """Write over the number that is there: some file systems flush a file that was emptied."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, b"%020d" % sequence)
    finally:
        os.close(descriptor)
