"""One folder of the host as a component's whole file system.

A `Folder` holds the descriptor of the folder and opens everything beneath it
(`_openat2`); no path of the host is ever joined or looked up again, so nothing
that is renamed or linked meanwhile leads out. All methods block and are called
from worker threads.

Only regular files and directories exist in it: a FIFO would block the thread
that opens it, a device is not a file. A file is replaced by writing another and
renaming it, so a reader sees the old content or the new, also after a crash.
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

from ._openat2 import OpenBeneath, best_opener
from .errors import LimitReached, Malformed, OperationFailed, from_os_error

Kind = Literal["file", "directory", "other"]
Parts = Sequence[str]

PARTIAL_PREFIX = ".airswasm-"
"""Names of files that are being written; a guest neither sees nor names them."""

ENTRY_BYTES = 4096
"""What a file or directory counts for at least."""

_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class FolderLimits:
    """What files a component may have.

    Attributes:
        file_bytes: The most that one file may grow to.
        total_bytes: The most that all files take together; each file and directory
            counts for at least 4 KiB, so that empty ones are bounded too.
        entries: The most entries of one directory that are listed.
        free_bytes: Writing is refused when the disk has less than this left.
        open_files: Descriptors that one component may hold.
    """

    file_bytes: int = 64 * 1024 * 1024
    total_bytes: int = 256 * 1024 * 1024
    entries: int = 10_000
    free_bytes: int = 64 * 1024 * 1024
    open_files: int = 128


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known of a file without reading it; times in ns since 1970."""

    kind: Kind
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory."""

    name: str
    kind: Kind


def kind_of(mode: int) -> Kind:
    """What a file's mode says that it is."""
    if stat_modes.S_ISREG(mode):
        return "file"
    return "directory" if stat_modes.S_ISDIR(mode) else "other"


def parts_of(path: str) -> tuple[str, ...]:
    """The names on the way to a path in canonical form (`/a/b`).

    Raises:
        Malformed: It has a name that no file of a component can have.
    """
    parts = tuple(part for part in path.split("/") if part)
    for part in parts:
        if part in (".", "..") or "\0" in part or "\\" in part:
            raise Malformed(f"{path!a}: {part!a} is no name of a file")
        if part.startswith(PARTIAL_PREFIX):
            raise Malformed(f"{path!a}: names with {PARTIAL_PREFIX} are reserved")
    return parts


class Held:
    """A descriptor that is closed once nobody uses it any more.

    A component can be stopped while a worker thread is in the middle of its
    file: closing the number under the thread would hand it whatever file gets
    that number next, which may be another component's.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._users = 0
        self._is_closed = False

    @contextlib.contextmanager
    def using(self) -> Generator[int]:
        """The descriptor, kept open until the block ends.

        Raises:
            OSError: `EBADF`: it was closed.
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
        """Closes it now or with its last user. Closing twice is harmless."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._close_if_unused()

    def __del__(self) -> None:
        """Closes what nobody took: a file that was opened for a guest cancelled meanwhile."""
        self.close()

    def _close_if_unused(self) -> None:
        if self._is_closed and self._users == 0 and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Folder:
    """A folder of the host; close it, or use it as a context manager.

    Args:
        path: The folder; it is made, for this user alone, if it is missing.
        limits: What may be in it.
        open_beneath: How paths are opened; the machine's best way by default.

    Raises:
        OperationFailed: This machine has no safe way, or the folder cannot be made.
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
        """Gives up the descriptor, with its last user. Closing twice is harmless."""
        self._held.close()

    def open(self, parts: Parts, flags: int, mode: int = 0o600) -> int:
        """Opens a regular file or directory.

        Args:
            parts: the names on the way.
            flags: as for `os.open`.
            mode: of a file that is created.

        Returns:
            A descriptor that the caller closes.

        Raises:
            OSError: as the system says, `EINVAL` for what is neither.
        """
        if flags & os.O_CREAT:
            self.charge(ENTRY_BYTES)
        with self._held.using() as root_fd:
            fd = self._open_beneath(root_fd, parts, flags | _NONBLOCK, mode)
        if kind_of(os.fstat(fd).st_mode) == "other":
            os.close(fd)
            raise OSError(errno.EINVAL, "it is neither a regular file nor a directory")
        return fd

    def read(self, path: str, offset: int, max_bytes: int) -> bytes:
        """At most `max_bytes` of a file from `offset`.

        Raises:
            OslError: see `errors`.
        """
        with _told(path), self._opened(parts_of(path), os.O_RDONLY) as fd:
            return pread_all(fd, max_bytes, offset)

    def write(self, path: str, content: bytes) -> None:
        """Replaces a file as a whole; a cancel or crash leaves the old one.

        Raises:
            OslError: see `errors`.
        """
        self._check_size(path, len(content))
        parts = self._named(path)
        partial = PARTIAL_PREFIX + secrets.token_hex(8)
        with _told(path), self._opened(parts[:-1], _DIRECTORY) as folder_fd:
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
        """Adds to the end of a file, making it if needed.

        Raises:
            OslError: see `errors`.
        """
        parts = self._named(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with _told(path), self._opened(parts, flags) as fd:
            self._check_size(path, os.fstat(fd).st_size + len(content))
            self.charge(len(content))
            write_all(fd, content)

    def remove(self, path: str) -> None:
        """Removes a file or an empty directory.

        Raises:
            OslError: see `errors`.
        """
        parts = self._named(path)
        with _told(path), self._opened(parts[:-1], _DIRECTORY) as folder_fd:
            mode = os.stat(parts[-1], dir_fd=folder_fd, follow_symlinks=False).st_mode
            if stat_modes.S_ISDIR(mode):
                os.rmdir(parts[-1], dir_fd=folder_fd)
            else:
                os.unlink(parts[-1], dir_fd=folder_fd)

    def create_directory(self, path: str) -> None:
        """Makes one directory; those above it must exist.

        Raises:
            OslError: see `errors`.
        """
        parts = self._named(path)
        with _told(path):
            self.make_directory(parts)

    def make_directory(self, parts: Parts) -> None:
        """Makes one directory, for this user alone.

        Raises:
            OSError: as the system says.
        """
        self.charge(ENTRY_BYTES)
        with self.parent_of(parts) as folder_fd:
            os.mkdir(parts[-1], 0o700, dir_fd=folder_fd)

    def rename(self, source: Parts, target: Parts) -> None:
        """Gives a file or directory another name, replacing what has it.

        Raises:
            OSError: as the system says.
        """
        with self.parent_of(source) as source_fd, self.parent_of(target) as target_fd:
            os.rename(source[-1], target[-1], src_dir_fd=source_fd, dst_dir_fd=target_fd)

    def list_directory(self, path: str) -> list[Entry]:
        """The entries of a directory, by name.

        Raises:
            OslError: see `errors`.
        """
        with _told(path), self._opened(parts_of(path), _DIRECTORY) as fd:
            return self.entries_of(fd, path)

    def entries_of(self, fd: int, path: str) -> list[Entry]:
        """The entries of an open directory, by name, without files being written.

        Raises:
            LimitReached: there are more than the limit.
            OSError: as the system says.
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
        """What is known of a file; a symbolic link is itself, never what it points to.

        Raises:
            OslError: see `errors`.
        """
        parts = parts_of(path)
        with _told(path):
            status = self.status(parts)
        return FileInfo(kind_of(status.st_mode), status.st_size, max(0, status.st_mtime_ns))

    def status(self, parts: Parts) -> os.stat_result:
        """`lstat` of a path beneath the folder.

        Raises:
            OSError: as the system says.
        """
        if not parts:
            with self._held.using() as fd:
                return os.fstat(fd)
        with self.parent_of(parts) as folder_fd:
            return os.stat(parts[-1], dir_fd=folder_fd, follow_symlinks=False)

    @contextlib.contextmanager
    def parent_of(self, parts: Parts) -> Generator[int]:
        """The open directory in which the last name of a path lies.

        Raises:
            OSError: as the system says.
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
        """Counts what is about to be written, and refuses what would be too much.

        What is given up again is not counted back: when the count reaches the limit,
        the folder is measured, which is the truth also when others change it.

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
    """Turns the system's errors into ours, in the guest's terms."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, path) from error


def measured_bytes(folder_fd: int) -> int:
    """What everything beneath an open directory takes; links are not followed."""
    total = 0
    for _, folders, files, fd in os.fwalk(".", dir_fd=folder_fd):
        total += ENTRY_BYTES * len(folders)
        for name in files:
            with contextlib.suppress(OSError):  # it was removed meanwhile
                size_bytes = os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
                total += max(ENTRY_BYTES, size_bytes)
    return total


def _refuse_special(folder_fd: int, name: str) -> None:
    """A rename would silently replace a FIFO or a symbolic link."""
    try:
        mode = os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if kind_of(mode) == "directory":
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind_of(mode) == "other":
        raise OSError(errno.EINVAL, "it is neither a regular file nor a directory")


def pread_all(fd: int, max_bytes: int, offset: int) -> bytes:
    """Reads until `max_bytes` or the end: one `pread` may return less than is there."""
    chunks: list[bytes] = []
    while max_bytes > 0 and (chunk := os.pread(fd, max_bytes, offset)):
        chunks.append(chunk)
        max_bytes -= len(chunk)
        offset += len(chunk)
    return b"".join(chunks)


def write_all(fd: int, content: bytes, offset: int | None = None) -> None:
    """Writes everything, at `offset` or where the descriptor stands."""
    view = memoryview(content)
    while view:
        if offset is None:
            written = os.write(fd, view)
        else:
            written = os.pwrite(fd, view, offset)
            offset += written
        view = view[written:]


def _is_text(name: str) -> bool:
    """Whether a guest can be told this name: WIT strings are valid Unicode."""
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in name)
