"""Quotas: the content of one folder of the host, counted for all that write there.

Two components on one mount, and two versions of one component, share a quota; so a folder has one
ledger in the process, found by the folder's identity. A write reserves its bytes and entries before
it happens. What is removed is not subtracted: at the limit the folder is measured, which is right
also when other processes change it, and reservations of writes under way are added to that.

The ledger also makes the files that are written before they get their names. They lie at the root
of the folder, hence on the same file system, under names that no component can say, and each is
locked as long as its writer lives. So the first ledger of a later process removes what a killed one
has left, and nothing of another that runs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import sys
import threading
import weakref
from collections.abc import Callable, Generator
from typing import NamedTuple

from .._policy import FolderLimits
from .measuring import PARTIAL_PREFIX, Size, measured

__all__ = ("Ledger", "Ledgers", "Replacement")

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_STRAY_NAME = re.compile(re.escape(PARTIAL_PREFIX) + "[0-9a-f]{16}")
_STRAY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Replacement(NamedTuple):
    """A file that is being written to replace another.

    Attributes:
        fd: Its descriptor, open as long as the context of `Folder.replacement`.
        commit: Gives it the name.
    """

    fd: int
    commit: Callable[[], None]


class Ledger:
    """The counts of one folder; its methods block, and are safe on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: Size | None = None
        self._reserved = Size(0, 0)
        self._is_swept = False
        self._is_stale = False

    def distrust(self) -> None:
        """Measure the folder before the next write: a program may have written there."""
        self._is_stale = True  # without the lock, which is held while the folder is measured

    @contextlib.contextmanager
    def charged(
        self, root_fd: int, limits: FolderLimits, size_bytes: int, entries: int = 0
    ) -> Generator[None]:
        """Count what the block will add at most, and refuse more than the limits allow.

        Raises:
            OSError: `EDQUOT` or `ENOSPC`.
        """
        more = Size(size_bytes, entries)
        with self._lock:
            _check_disk(root_fd, limits, size_bytes)
            counted = self._counted
            if counted is None or self._is_stale or _exceeded(counted, more, limits):
                self._is_stale = False
                counted = _sum(measured(root_fd), self._reserved)
            problem = _exceeded(counted, more, limits)
            self._counted = counted if problem else _sum(counted, more)
            if problem:
                raise OSError(errno.EDQUOT, problem)
            self._reserved = _sum(self._reserved, more)
        try:
            yield
        finally:
            with self._lock:
                self._reserved = Size(
                    self._reserved.size_bytes - size_bytes, self._reserved.entries - entries
                )

    @contextlib.contextmanager
    def moving(self) -> Generator[None]:
        """Rename in the block: what moves while the folder is measured might not be counted."""
        with self._lock:
            yield

    @contextlib.contextmanager
    def staged(self, root_fd: int) -> Generator[tuple[int, str]]:
        """Yield the descriptor of a new file, and the name that it has for now.

        The block renames it, or it is removed.

        Raises:
            OSError: The system's error.
        """
        fd, name = _new_file(root_fd)
        try:
            yield fd, name
        finally:
            os.close(fd)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=root_fd)

    def sweep(self, root_fd: int) -> None:
        """Remove what killed processes have left, once for each ledger."""
        with self._lock:
            if self._is_swept:
                return
            self._is_swept = True
        with os.scandir(root_fd) as entries:
            names = [each.name for each in entries if _STRAY_NAME.fullmatch(each.name)]
        for name in names:
            with contextlib.suppress(OSError):  # it is another's to remove
                fd = os.open(name, _STRAY, dir_fd=root_fd)
                try:
                    if _is_locked(fd):
                        os.unlink(name, dir_fd=root_fd)
                finally:
                    os.close(fd)


class Ledgers:
    """The ledgers of a host: one for each folder that is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakValueDictionary[tuple[int, int], Ledger] = (
            weakref.WeakValueDictionary()
        )

    def of(self, root_fd: int) -> Ledger:
        """Return the ledger of an open folder."""
        status = os.fstat(root_fd)
        with self._lock:
            return self._known.setdefault((status.st_dev, status.st_ino), Ledger())


def _check_disk(root_fd: int, limits: FolderLimits, size_bytes: int) -> None:
    disk = os.fstatvfs(root_fd)
    if disk.f_bavail * disk.f_frsize - size_bytes < limits.free_bytes:
        raise OSError(errno.ENOSPC, "the host keeps the rest of the disk free")


def _exceeded(counted: Size, more: Size, limits: FolderLimits) -> str:
    if counted.size_bytes + more.size_bytes > limits.total_bytes:
        return f"its files would exceed {limits.total_bytes:,} bytes together"
    if more.entries and counted.entries + more.entries > limits.total_entries:
        return f"there would be more than {limits.total_entries:,} files and directories"
    return ""


def _sum(one: Size, other: Size) -> Size:
    return Size(one.size_bytes + other.size_bytes, one.entries + other.entries)


def _new_file(root_fd: int) -> tuple[int, str]:
    while True:
        name = PARTIAL_PREFIX + secrets.token_hex(8)
        fd = os.open(name, _NEW, 0o600, dir_fd=root_fd)
        if _is_locked(fd) and os.fstat(fd).st_nlink:
            return fd, name
        os.close(fd)  # another process swept it before it was locked


def _is_locked(fd: int) -> bool:
    """Lock a file for this descriptor; return whether no other process had it."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
