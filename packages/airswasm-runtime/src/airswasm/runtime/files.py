"""Files that are there whole or not at all, whenever the machine stops.

A file is written beside its place, synced, renamed, and its folder synced. Every
block that keeps files of its own writes them this way.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ("exchange", "replace_file", "sync_folder", "write_new_file")

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_FLAGS = _NEW | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def replace_file(path: Path, *parts: bytes, mode: int = 0o600) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new.

    Args:
        path: the file; its folder must be there.
        parts: its new content.
        mode: its permissions, less what the umask takes.

    Raises:
        OSError: it cannot be written; it is as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_new_file(temporary, *parts, mode=mode)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_new_file(path: Path, *parts: bytes, mode: int = 0o600) -> None:
    """Make a file and wait until its content is on the disk.

    Raises:
        FileExistsError: there is one, or a link.
        OSError: it cannot be written; nothing is left of it.
    """
    descriptor = os.open(path, _FLAGS, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Make what was renamed or removed in a folder survive a power loss.

    Windows cannot open a folder, and NTFS journals the rename.

    Raises:
        OSError: the disk refuses.
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exchange(first: Path, second: Path) -> None:
    """Give two files or folders of one file system the path of each other.

    Linux does it in one step. Elsewhere, and on a file system that cannot, it takes three renames;
    a machine that stops between them leaves one of the two beside its place, as `*.exchanging`.

    Raises:
        OSError: one of them is missing, or the disk refuses; both are where they were.
    """
    if _exchange_at_once(first, second):
        return
    aside = second.with_name(f"{second.name}.exchanging")
    second.rename(aside)
    try:
        first.rename(second)
    except OSError:
        aside.rename(second)
        raise
    aside.rename(first)


def _exchange_at_once(first: Path, second: Path) -> bool:
    import ctypes  # here: most importers of this module never need it

    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # another system, or an older C library
        return False
    names = os.fsencode(first), os.fsencode(second)
    return bool(rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
