"""One folder of the host as a component's whole file system.

A `Folder` holds the folder's descriptor and opens everything beneath it (`_openat2`); it never
joins or looks up a path of the host again, so a rename or link made meanwhile leads nowhere else.
All methods block and run on worker threads.

It contains only regular files and directories: a FIFO would block the thread that opens it, and a
device is not a file. A write creates another file and renames it over the old one, so a reader sees
the old content or the new, also after a crash.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat as stat_modes
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .._policy import FolderLimits
from ..errors import LimitReached, Malformed, OperationFailed, from_os_error
from .openat2 import OpenBeneath, best_opener

Kind = Literal["file", "directory", "other"]
Parts = Sequence[str]

PARTIAL_PREFIX = ".airswasm-"
"""Prefix of files that are being written; a guest neither sees nor names them."""

ENTRY_BYTES = 4096
"""The least that a file or directory counts for."""

DEPTH = 128
"""Directories within each other, the file at the end included."""

_STRICT = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The metadata of a file; times in ns since 1970."""

    kind: Kind
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory."""

    name: str
    kind: Kind


def kind_of(mode: int) -> Kind:
    """Return the kind that a file's mode gives."""
    if stat_modes.S_ISREG(mode):
        return "file"
    return "directory" if stat_modes.S_ISDIR(mode) else "other"


def parts_of(path: str) -> tuple[str, ...]:
    """Return the names in a path of canonical form (`/a/b`).

    Raises:
        Malformed: It contains a name that no file of a component can have.
    """
    parts = tuple(part for part in path.split("/") if part)
    for part in parts:
        if part in (".", "..") or "\0" in part or "\\" in part:
            raise Malformed(f"{path!a}: {part!a} is not a file name")
        if part.startswith(PARTIAL_PREFIX):
            raise Malformed(f"{path!a}: names with {PARTIAL_PREFIX} are reserved")
    return parts


class Held:
    """A descriptor that closes after its last use.

    A component can be stopped while a worker thread uses its file: closing the number under the
    thread would give it the file that next gets that number, perhaps another component's.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._users = 0
        self._is_closed = False

    @contextlib.contextmanager
    def using(self) -> Generator[int]:
        """Yield the descriptor and keep it open until the block ends.

        Raises:
            OSError: `EBADF`: the descriptor is closed.
        """
        with self._lock:
            if self._is_closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._users += 1
        try:
            yield self._fd
        finally:
            with self._lock:
                self._users -= 1
                self._close_if_unused()

    def close(self) -> None:
        """Close it now or with its last user. Closing twice is harmless."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._close_if_unused()

    def __del__(self) -> None:
        """Close an unused descriptor: a file opened for a guest that was cancelled meanwhile."""
        self.close()

    def _close_if_unused(self) -> None:
        if self._is_closed and self._users == 0 and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Folder:
    """A folder of the host; close it, or use it as a context manager.

    Args:
        path: The folder; created for this user alone if it is missing.
        limits: Limits on its content.
        open_beneath: Opens paths; the machine's best way by default.

    Raises:
        OperationFailed: This machine has no safe way, or the folder cannot be created.
    """

    def __init__(
        self,
        path: Path,
        limits: FolderLimits | None = None,
        *,
        open_beneath: OpenBeneath | None = None,
    ) -> None:
        opener = open_beneath or best_opener()
        if opener is None:
            raise OperationFailed("this system cannot open files safely beneath a folder")
        self.limits = limits or FolderLimits()
        self._open_beneath = opener
        self._charged_bytes: int | None = None
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = Held(os.open(path, _DIRECTORY | os.O_CLOEXEC))
        except OSError as error:
            raise from_os_error(error, "the component's folder") from error

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the descriptor after its last user. Closing twice is harmless."""
        self._held.close()

    def open(self, parts: Parts, flags: int, mode: int = 0o600) -> int:
        """Open a regular file or directory.

        Args:
            parts: The names in the path.
            flags: As for `os.open`.
            mode: The mode of a file that this creates.

        Returns:
            A descriptor that the caller closes.

        Raises:
            OSError: The system's error; `EINVAL` for other kinds of files.
        """
        if flags & os.O_CREAT:
            check_depth(len(parts))
            self.charge(ENTRY_BYTES)
        with self._held.using() as root_fd:
            fd = self._open_beneath(root_fd, parts, flags | _NONBLOCK, mode)
        if kind_of(os.fstat(fd).st_mode) == "other":
            os.close(fd)
            raise OSError(errno.EINVAL, "it is neither a regular file nor a directory")
        return fd

    def read(self, path: str, offset: int, max_bytes: int) -> bytes:
        """Return at most `max_bytes` of a file from `offset`.

        Raises:
            OslError: See `errors`.
        """
        with _told(path), self._opened(parts_of(path), os.O_RDONLY) as fd:
            return pread_all(fd, max_bytes, offset)

    def write(self, path: str, content: bytes) -> None:
        """Replace a file as a whole; a cancel or crash leaves the old one.

        Raises:
            OslError: See `errors`.
        """
        self._check_size(path, len(content))
        parts = self._named(path)
        partial = PARTIAL_PREFIX + secrets.token_hex(8)
        with _told(path), self._opened(parts[:-1], _DIRECTORY) as folder_fd:
            check_depth(len(parts))
            self.charge(max(len(content), ENTRY_BYTES))
            _refuse_special(folder_fd, parts[-1])
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            fd = os.open(partial, flags, 0o600, dir_fd=folder_fd)
            try:
                with open(fd, "wb", closefd=True) as file:  # noqa: PTH123 - a descriptor
                    file.write(content)
                    file.flush()
                    os.fsync(fd)
                os.replace(partial, parts[-1], src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(partial, dir_fd=folder_fd)
                raise

    def append(self, path: str, content: bytes) -> None:
        """Append to a file, creating it if it is missing.

        Raises:
            OslError: See `errors`.
        """
        parts = self._named(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with _told(path), self._opened(parts, flags) as fd:
            self._check_size(path, os.fstat(fd).st_size + len(content))
            self.charge(len(content))
            write_all(fd, content)

    def remove(self, path: str) -> None:
        """Remove a file or an empty directory.

        Raises:
            OslError: See `errors`.
        """
        parts = self._named(path)
        with _told(path), self._opened(parts[:-1], _DIRECTORY) as folder_fd:
            mode = os.stat(parts[-1], dir_fd=folder_fd, follow_symlinks=False).st_mode
            if stat_modes.S_ISDIR(mode):
                os.rmdir(parts[-1], dir_fd=folder_fd)
            else:
                os.unlink(parts[-1], dir_fd=folder_fd)

    def create_directory(self, path: str) -> None:
        """Create one directory; its parents must exist.

        Raises:
            OslError: See `errors`.
        """
        parts = self._named(path)
        with _told(path):
            self.make_directory(parts)

    def make_directory(self, parts: Parts) -> None:
        """Create one directory, for this user alone.

        Raises:
            OSError: The system's error.
        """
        check_depth(len(parts))
        self.charge(ENTRY_BYTES)
        with self.parent_of(parts) as folder_fd:
            os.mkdir(parts[-1], 0o700, dir_fd=folder_fd)

    def rename(self, source: Parts, target: Parts) -> None:
        """Rename a file or directory, replacing any file of the new name.

        Raises:
            OSError: The system's error.
        """
        with self.parent_of(source) as source_fd, self.parent_of(target) as target_fd:
            check_depth(len(target) + _levels(source[-1], source_fd))
            os.rename(source[-1], target[-1], src_dir_fd=source_fd, dst_dir_fd=target_fd)

    def list_directory(self, path: str) -> list[Entry]:
        """Return the entries of a directory, by name.

        Raises:
            OslError: See `errors`.
        """
        with _told(path), self._opened(parts_of(path), _DIRECTORY) as fd:
            return self.entries_of(fd, path)

    def entries_of(self, fd: int, path: str) -> list[Entry]:
        """Return the entries of an open directory, by name, without unfinished files.

        Raises:
            LimitReached: There are more than the limit.
            OSError: The system's error.
        """
        entries: list[Entry] = []
        with os.scandir(fd) as listed:
            for entry in listed:
                if entry.name.startswith(PARTIAL_PREFIX) or not _is_text(entry.name):
                    continue
                if len(entries) == self.limits.entries:
                    raise LimitReached(f"{path} has more than {self.limits.entries:,} entries")
                mode = entry.stat(follow_symlinks=False).st_mode
                entries.append(Entry(entry.name, kind_of(mode)))
        return sorted(entries, key=lambda entry: entry.name)

    def stat(self, path: str) -> FileInfo:
        """Return the metadata of a file; for a symbolic link, that of the link itself.

        Raises:
            OslError: See `errors`.
        """
        parts = parts_of(path)
        with _told(path):
            status = self.status(parts)
        return FileInfo(kind_of(status.st_mode), status.st_size, max(0, status.st_mtime_ns))

    def status(self, parts: Parts) -> os.stat_result:
        """Return the `lstat` of a path beneath the folder.

        Raises:
            OSError: The system's error.
        """
        if not parts:
            with self._held.using() as fd:
                return os.fstat(fd)
        with self.parent_of(parts) as folder_fd:
            return os.stat(parts[-1], dir_fd=folder_fd, follow_symlinks=False)

    @contextlib.contextmanager
    def parent_of(self, parts: Parts) -> Generator[int]:
        """Yield the open directory that contains the last name of a path.

        Raises:
            OSError: The system's error.
        """
        with self._opened(parts[:-1], _DIRECTORY) as fd:
            yield fd

    @contextlib.contextmanager
    def _opened(self, parts: Parts, flags: int) -> Generator[int]:
        fd = self.open(parts, flags)
        try:
            yield fd
        finally:
            os.close(fd)

    def _named(self, path: str) -> tuple[str, ...]:
        parts = parts_of(path)
        if not parts:
            raise Malformed(f"{path}: the root itself cannot be changed")
        return parts

    def _check_size(self, path: str, size_bytes: int) -> None:
        if size_bytes > self.limits.file_bytes:
            raise LimitReached(f"{path} would exceed {self.limits.file_bytes:,} bytes")

    def charge(self, size_bytes: int) -> None:
        """Count bytes that a write will add, and refuse more than the limits allow.

        Removed bytes are not subtracted: at the limit this measures the folder, which is correct
        also when other processes change it.

        Raises:
            OSError: `EDQUOT` or `ENOSPC`.
        """
        with self._held.using() as fd:
            disk = os.fstatvfs(fd)
            if disk.f_bavail * disk.f_frsize - size_bytes < self.limits.free_bytes:
                raise OSError(errno.ENOSPC, "the host keeps the rest of the disk free")
            counted = self._charged_bytes
            if counted is None or counted + size_bytes > self.limits.total_bytes:
                counted = measured_bytes(fd)
        if counted + size_bytes > self.limits.total_bytes:
            self._charged_bytes = counted
            raise OSError(
                errno.EDQUOT, f"its files would exceed {self.limits.total_bytes:,} bytes together"
            )
        self._charged_bytes = counted + size_bytes


@contextlib.contextmanager
def _told(path: str) -> Generator[None]:
    """Turn the system's errors into this block's, in the guest's terms."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, path) from error


def measured_bytes(folder_fd: int) -> int:
    """Return the size of everything beneath an open directory, without following links.

    Raises:
        OSError: `ENAMETOOLONG`: directories are nested too deep to look at.
    """
    total = 0
    for fd, folders, files, _ in _walked(folder_fd):
        total += ENTRY_BYTES * len(folders)
        for name in files:
            with contextlib.suppress(OSError):  # removed meanwhile
                size_bytes = os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
                total += max(ENTRY_BYTES, size_bytes)
    return total


def _walked(root_fd: int) -> Generator[tuple[int, list[str], list[str], int]]:
    """Yield each directory: its descriptor, the directories and files in it, and its depth.

    Each level takes a descriptor while it is looked at, and none of Python's stack.
    """
    opened, waiting = [os.dup(root_fd)], list[list[str]]()
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
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    name = waiting[-1].pop()
                    opened.append(os.open(name, _DIRECTORY | _STRICT, dir_fd=opened[-1]))
    finally:
        for fd in opened:
            os.close(fd)


def _levels(name: str, folder_fd: int) -> int:
    """Return how many levels are beneath a name: 0 for a file."""
    try:
        fd = os.open(name, _DIRECTORY | _STRICT, dir_fd=folder_fd)
    except NotADirectoryError:
        return 0
    try:
        return max(depth + bool(folders or files) for _, folders, files, depth in _walked(fd))
    finally:
        os.close(fd)


def _listed(fd: int) -> tuple[list[str], list[str]]:
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return folders, files


def check_depth(depth: int, most: int | None = None) -> None:
    """Check how deep directories are nested: a guest decides, and who removes them pays.

    Raises:
        OSError: `ENAMETOOLONG`.
    """
    if depth > (most or DEPTH):
        raise OSError(errno.ENAMETOOLONG, f"directories nest at most {most or DEPTH} deep")


def _refuse_special(folder_fd: int, name: str) -> None:
    """Refuse a FIFO or a symbolic link, which a rename would silently replace."""
    try:
        mode = os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if kind_of(mode) == "directory":
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind_of(mode) == "other":
        raise OSError(errno.EINVAL, "it is neither a regular file nor a directory")


def pread_all(fd: int, max_bytes: int, offset: int) -> bytes:
    """Read until `max_bytes` or the end: one `pread` may return less than the file has."""
    chunks: list[bytes] = []
    while max_bytes > 0 and (chunk := os.pread(fd, max_bytes, offset)):
        chunks.append(chunk)
        max_bytes -= len(chunk)
        offset += len(chunk)
    return b"".join(chunks)


def write_all(fd: int, content: bytes, offset: int | None = None) -> None:
    """Write everything, at `offset` or at the descriptor's position."""
    view = memoryview(content)
    while view:
        if offset is None:
            written = os.write(fd, view)
        else:
            written = os.pwrite(fd, view, offset)
            offset += written
        view = view[written:]


def _is_text(name: str) -> bool:
    """Return whether a guest can receive this name: WIT strings are valid Unicode."""
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in name)
