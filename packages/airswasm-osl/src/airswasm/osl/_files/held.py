"""Open files of the host: kinds, descriptors that outlive their users, whole reads and writes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_modes
import threading
from collections.abc import Generator
from typing import Literal

__all__ = ("Held", "Kind", "check_replaceable", "kind_of", "pread_all", "pread_cached", "write_all")

_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
_CACHED_BYTES = 128 * 1024
"""The most that is copied on the event loop's thread: some 20 µs."""

Kind = Literal["file", "directory", "other"]


def kind_of(mode: int) -> Kind:
    """Return the kind that a file's mode gives."""
    if stat_modes.S_ISREG(mode):
        return "file"
    return "directory" if stat_modes.S_ISDIR(mode) else "other"


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


def pread_all(fd: int, max_bytes: int, offset: int) -> bytes:
    """Read until `max_bytes` or the end: one `pread` may return less than the file has."""
    chunks: list[bytes] = []
    while max_bytes > 0 and (chunk := os.pread(fd, max_bytes, offset)):
        chunks.append(chunk)
        max_bytes -= len(chunk)
        offset += len(chunk)
    return b"".join(chunks)


def pread_cached(fd: int, max_bytes: int, offset: int) -> bytes | None:
    """Read what memory has of a file, without waiting for a disk.

    A hop to a worker thread and back takes as long as a hundred such reads. File systems that
    cannot say whether they would wait (NFS, FUSE) refuse the flag.

    Returns:
        As much as `pread_all` returns; None where that has to ask the disk.
    """
    if not _NOWAIT or max_bytes > _CACHED_BYTES:
        return None
    room = bytearray(max_bytes)
    try:
        count = os.preadv(fd, [room], offset, _NOWAIT)
        if 0 < count < max_bytes and offset + count < os.fstat(fd).st_size:
            return None  # the rest is on the disk
    except OSError:
        return None  # the other way finds the error again, or none
    return bytes(room) if count == max_bytes else bytes(memoryview(room)[:count])


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


def check_replaceable(folder_fd: int, name: str) -> None:
    """Check that a name is free or a file: a rename would silently replace a FIFO or a link.

    Raises:
        OSError: `EISDIR`, or `EINVAL` for what is neither file nor directory.
    """
    try:
        mode = os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if kind_of(mode) == "directory":
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if kind_of(mode) == "other":
        raise OSError(errno.EINVAL, "it is neither a regular file nor a directory")
