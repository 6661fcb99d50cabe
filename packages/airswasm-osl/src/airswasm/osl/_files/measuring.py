"""Sizes and depths of trees of files."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Generator
from typing import NamedTuple

__all__ = ("DEPTH", "ENTRY_BYTES", "PARTIAL_PREFIX", "Size", "check_depth", "levels", "measured")

PARTIAL_PREFIX = ".airswasm-"
"""Prefix of what is the host's own in a component's folder; a guest neither sees nor names it."""

ENTRY_BYTES = 4096
"""The least that a file or directory counts for."""

DEPTH = 128
"""Directories within each other, the file at the end included."""

_STRICT = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


class Size(NamedTuple):
    """The size of all that is beneath a directory.

    Attributes:
        size_bytes: The bytes of all files; each file and directory counts for at least 4 KiB.
        entries: The number of files and directories.
    """

    size_bytes: int
    entries: int


def measured(folder_fd: int) -> Size:
    """Return the size of everything beneath an open directory, without following links.

    Raises:
        OSError: `ENAMETOOLONG`: directories are nested too deep to look at.
    """
    total = entries = 0
    for fd, folders, files, _ in _walked(folder_fd):
        total += ENTRY_BYTES * len(folders)
        entries += len(folders) + len(files)
        for name in files:
            with contextlib.suppress(OSError):  # removed meanwhile
                size_bytes = os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
                total += max(ENTRY_BYTES, size_bytes)
    return Size(total, entries)


def levels(name: str, folder_fd: int) -> int:
    """Return how many levels are beneath a name: 0 for a file."""
    try:
        fd = os.open(name, _DIRECTORY | _STRICT, dir_fd=folder_fd)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            return 0
        raise
    try:
        return max(depth + bool(folders or files) for _, folders, files, depth in _walked(fd))
    finally:
        os.close(fd)


def check_depth(depth: int, most: int | None = None) -> None:
    """Check how deep directories are nested: a guest decides, and who removes them pays.

    Raises:
        OSError: `ENAMETOOLONG`.
    """
    if depth > (most or DEPTH):
        raise OSError(errno.ENAMETOOLONG, f"directories nest at most {most or DEPTH} deep")


def _walked(root_fd: int) -> Generator[tuple[int, list[str], list[str], int]]:
    """Yield each directory: its descriptor, the directories and files in it, and its depth.

    Each level takes a descriptor while it is looked at, and none of Python's stack.
    """
    # a duplicate would share its place in the list of names with others that read it
    opened, waiting = [os.open(".", _DIRECTORY, dir_fd=root_fd)], list[list[str]]()
    try:
        while opened:
            if len(waiting) < len(opened):
                folders, files = _listed(opened[-1])
                yield opened[-1], folders, files, len(opened) - 1
                waiting.append(list(folders))
            elif not waiting[-1]:
                waiting.pop()
                os.close(opened.pop())
            else:
                check_depth(len(opened), 2 * DEPTH)  # a program may have nested them
                name = waiting[-1].pop()
                with _vanishing():
                    opened.append(os.open(name, _DIRECTORY | _STRICT, dir_fd=opened[-1]))
    finally:
        for fd in opened:
            os.close(fd)


@contextlib.contextmanager
def _vanishing() -> Generator[None]:
    """Pass over a directory that was removed meanwhile, or has made place for a file."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise


def _listed(fd: int) -> tuple[list[str], list[str]]:
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return folders, files
