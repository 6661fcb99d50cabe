"""Copy a component's folder in steps, twice: once while it is written, once for what changed since.

Every function blocks and belongs on a worker thread. A file counts as unchanged when its inode,
size and times are those that it had, unless it was written so shortly before the copy that its
times could not tell.
"""

from __future__ import annotations

import contextlib
import os
import stat as stat_modes
import sys
import time
from collections.abc import Generator, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .._policy import FolderLimits
from ..errors import LimitReached, OperationFailed
from .forgetting import remove_folder
from .held import write_all
from .measuring import ENTRY_BYTES, PARTIAL_PREFIX
from .openat2 import OpenBeneath, best_opener

__all__ = ("Marks", "copied", "differing", "files_below")

Parts: TypeAlias = tuple[str, ...]
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_STRICT = getattr(os, "O_NOFOLLOW", 0)
_FICLONE = 0x40049409
_CHUNK_BYTES = 1024 * 1024
_COARSE_NS = 100_000_000
"""File systems count time in ticks: what is younger than this may change without a trace."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """The state of a file when it was copied."""

    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> _Mark:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


Marks: TypeAlias = MutableMapping[Parts, _Mark]


def copied(source: Path, target: Path, limits: FolderLimits, marks: Marks) -> Iterator[None]:
    """Make a folder equal to another, and yield after each file.

    Args:
        source: The folder to copy; an absent one counts as empty.
        target: The copy, which is there; its content is replaced by what differs.
        limits: What the source may have; and how much of the disk stays free.
        marks: The files that an earlier call has copied; it is brought up to date.

    Raises:
        LimitReached: The source has more than it may have, or the disk too little room.
        OperationFailed: This machine has no safe way to open what is in a folder.
        OSError: The disk refuses, or folders are nested too deep.
    """
    opener = best_opener()
    if opener is None:
        raise OperationFailed("this system cannot open files safely beneath a folder")
    with contextlib.ExitStack() as stack:
        target_fd = _opened(target, stack)
        try:
            source_fd = _opened(source, stack)
        except FileNotFoundError:
            return
        yield from _Copying(opener, source_fd, target_fd, limits, marks).steps()


class _Copying:
    """One pass over a folder."""

    def __init__(
        self, opener: OpenBeneath, source_fd: int, target_fd: int, limits: FolderLimits,
        marks: Marks,
    ) -> None:  # fmt: skip
        self._open = opener
        self._source_fd, self._target_fd = source_fd, target_fd
        self._limits, self._marks = limits, marks
        self._bytes = 0

    def steps(self) -> Iterator[None]:
        waiting: list[Parts] = [()]
        while waiting:
            parts = waiting.pop()
            with self._both(parts) as (source_fd, target_fd):
                if source_fd < 0:  # removed meanwhile: the next pass will see it
                    continue
                names = _listed(source_fd)
                for name, kind in _listed(target_fd).items():
                    if names.get(name) != kind:
                        _remove(target_fd, name, parts, self._marks)
                for name, kind in names.items():
                    if kind == stat_modes.S_IFDIR:
                        self._charge(ENTRY_BYTES)
                        with contextlib.suppress(FileExistsError):
                            os.mkdir(name, 0o700, dir_fd=target_fd)
                        waiting.append((*parts, name))
                    else:
                        self._copy(source_fd, target_fd, (*parts, name), kind)
                        yield
                os.fsync(target_fd)

    @contextlib.contextmanager
    def _both(self, parts: Parts) -> Generator[tuple[int, int]]:
        with contextlib.ExitStack() as stack:
            try:
                source_fd = self._open(self._source_fd, parts, _FOLDER | _STRICT, 0)
            except (FileNotFoundError, NotADirectoryError):
                yield -1, -1
                return
            stack.callback(os.close, source_fd)
            target_fd = self._open(self._target_fd, parts, _FOLDER | _STRICT, 0)
            stack.callback(os.close, target_fd)
            yield source_fd, target_fd

    def _charge(self, size_bytes: int) -> None:
        self._bytes += max(ENTRY_BYTES, size_bytes)
        if self._bytes > self._limits.total_bytes:
            raise LimitReached(
                f"its files take more than the {self._limits.total_bytes:,} bytes that "
                f"[filesystem] total_bytes allows"
            )
        disk = os.fstatvfs(self._target_fd)
        if disk.f_bavail * disk.f_frsize - size_bytes < self._limits.free_bytes:
            raise LimitReached("the disk has too little room for a copy of its files")

    def _copy(self, source_fd: int, target_fd: int, parts: Parts, kind: int) -> None:
        name = parts[-1]
        try:
            status = os.stat(name, dir_fd=source_fd, follow_symlinks=False)
        except FileNotFoundError:  # removed meanwhile: the next pass will see it
            self._marks.pop(parts, None)
            return
        self._charge(status.st_size)
        mark = _Mark.of(status)
        if self._marks.get(parts) == mark:
            return
        if kind == stat_modes.S_IFLNK:
            _replace_link(source_fd, target_fd, name, status)
        elif kind == stat_modes.S_IFREG:
            _replace_file(source_fd, target_fd, name)
        if time.time_ns() - max(mark.changed_ns, mark.modified_ns) > _COARSE_NS:
            self._marks[parts] = mark
        else:
            self._marks.pop(parts, None)


def _replace_file(source_fd: int, target_fd: int, name: str) -> None:
    flags = os.O_RDONLY | _STRICT | getattr(os, "O_NONBLOCK", 0) | os.O_CLOEXEC
    try:
        from_fd = os.open(name, flags, dir_fd=source_fd)
    except FileNotFoundError:
        return
    try:
        status = os.fstat(from_fd)
        if not stat_modes.S_ISREG(status.st_mode):
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=target_fd)
        to_fd = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target_fd
        )
        try:
            _copy_bytes(from_fd, to_fd)
            os.fchmod(to_fd, stat_modes.S_IMODE(status.st_mode) & 0o777)
            os.utime(to_fd, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(to_fd)
        finally:
            os.close(to_fd)
    finally:
        os.close(from_fd)


def _copy_bytes(from_fd: int, to_fd: int) -> None:
    """Share the blocks of a file where the file system can; else copy them."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.ioctl(to_fd, _FICLONE, from_fd)
            return
    while chunk := os.read(from_fd, _CHUNK_BYTES):
        write_all(to_fd, chunk)


def _replace_link(source_fd: int, target_fd: int, name: str, status: os.stat_result) -> None:
    with contextlib.suppress(FileNotFoundError):
        link = os.readlink(name, dir_fd=source_fd)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=target_fd)
        os.symlink(link, name, dir_fd=target_fd)
        times = status.st_atime_ns, status.st_mtime_ns
        os.utime(name, ns=times, dir_fd=target_fd, follow_symlinks=False)


def _remove(folder_fd: int, name: str, parts: Parts, marks: Marks) -> None:
    if _kind(name, folder_fd) == stat_modes.S_IFDIR:
        remove_folder(name, dir_fd=folder_fd)
    else:
        os.unlink(name, dir_fd=folder_fd)
    marks.pop((*parts, name), None)


def _opened(folder: Path, stack: contextlib.ExitStack) -> int:
    fd = os.open(folder, _FOLDER | _STRICT)
    stack.callback(os.close, fd)
    return fd


def _kind(name: str, folder_fd: int) -> int:
    return stat_modes.S_IFMT(os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode)


def _listed(fd: int) -> dict[str, int]:
    """Return the names in a folder with their kinds, without what is being written."""
    found: dict[str, int] = {}
    with os.scandir(fd) as entries:
        for entry in entries:
            if not entry.name.startswith(PARTIAL_PREFIX):
                with contextlib.suppress(FileNotFoundError):
                    kind = stat_modes.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
                    found[entry.name] = kind
    return found


def files_below(folder: Path) -> Iterator[tuple[Parts, int, int]]:
    """Yield the path, size and time of change of each file below a folder; none if it is absent.

    Raises:
        OSError: The disk refuses, or folders are nested too deep.
    """
    opener = best_opener()
    if opener is None:
        return
    with contextlib.ExitStack() as stack:
        try:
            root_fd = _opened(folder, stack)
        except FileNotFoundError:
            return
        waiting: list[Parts] = [()]
        while waiting:
            parts = waiting.pop()
            try:
                fd = opener(root_fd, parts, _FOLDER | _STRICT, 0)
            except FileNotFoundError:  # removed meanwhile
                continue
            try:
                for name, kind in sorted(_listed(fd).items()):
                    if kind == stat_modes.S_IFDIR:
                        waiting.append((*parts, name))
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                        yield (*parts, name), status.st_size, status.st_mtime_ns
            finally:
                os.close(fd)


def differing(before: Path, now: Path) -> Iterator[str]:
    """Yield `added`, `changed` or `removed` for each file that differs between two folders.

    A file of the same size and time of change counts as the same.

    Raises:
        OSError: The disk refuses, or folders are nested too deep.
    """
    known = {parts: (size, modified) for parts, size, modified in files_below(before)}
    for parts, size, modified in files_below(now):
        was = known.pop(parts, None)
        if was is None:
            yield "added"
        elif was != (size, modified):
            yield "changed"
    for _ in known:
        yield "removed"
