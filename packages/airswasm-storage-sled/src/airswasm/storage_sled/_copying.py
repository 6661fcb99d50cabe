"""Copy the files of a store that another process may be writing.

sled changes its file in place, so that a copy is of one moment only if the file did not change
while it was read. It changes when the host flushes, in short turns, so a copy that was disturbed
is made again. The journals are copied first: they hold what sled's file has not.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from airswasm.storage.errors import StorageUnavailable

__all__ = ("copy_folder",)

_PATIENCE = 10.0
"""Seconds."""
_SETTLED_NANOSECONDS = 20_000_000
"""A file may change once more without another time stamp within a few milliseconds."""
_JOURNAL, _LOCK = "journal-", "lock"


def copy_folder(source: Path, target: Path) -> None:
    """Copy a store as of one moment.

    Args:
        source: The folder of a store.
        target: Does not exist yet.

    Raises:
        StorageUnavailable: The store is written all the time.
        OSError: A file cannot be read or written.
    """
    deadline = time.monotonic() + _PATIENCE
    while not _copy_once(source, target):
        shutil.rmtree(target, ignore_errors=True)
        if time.monotonic() > deadline:
            raise StorageUnavailable(source, "it is written all the time; ask the host for a copy")
        time.sleep(0.01)


def _copy_once(source: Path, target: Path) -> bool:
    """Copy; return whether the source held still."""
    target.mkdir()
    before = _stamps(source)
    latest = max((changed for _, changed in before.values()), default=0)
    if time.time_ns() - latest < _SETTLED_NANOSECONDS:
        return False
    for journal in source.glob(f"{_JOURNAL}*"):
        with contextlib.suppress(FileNotFoundError):  # a flush made it superfluous
            shutil.copyfile(journal, target / journal.name)
    for name in before:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source / name, target / name)
        except FileNotFoundError:
            return False
    return _stamps(source) == before


def _stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of each file of sled."""
    found: dict[Path, tuple[int, int]] = {}
    for file in folder.rglob("*"):
        if file.is_file() and not file.name.startswith((_JOURNAL, _LOCK, "airswasm-")):
            with contextlib.suppress(FileNotFoundError):
                status = file.stat()
                found[file.relative_to(folder)] = status.st_size, status.st_mtime_ns
    return found
