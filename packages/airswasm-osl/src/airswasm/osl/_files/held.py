"""Open files of the host: kinds, descriptors that outlive their users, whole reads and writes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_modes
import threading
from collections.abc import Generator
from typing import Literal

__all__ = ("Held", "Kind", "kind_of", "pread_all", "write_all")

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
