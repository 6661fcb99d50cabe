"""Watch what a program writes: limits bind one file, and this all of them.

It looks again after a second, or after fifty times the time that a look took. So a program can
exceed its room by what it writes in that time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress

__all__ = ("DiskRoom",)

_LEAST_BYTES = 4096
_PAUSE_SECONDS = 1.0
_REST = 50
"""A look takes no more of the time than one part of these."""


class DiskRoom:
    """The room of a program's folders.

    Args:
        quotas: Folders, and the bytes that may be in them; as for components' own quotas, each file
            and directory counts for at least 4 KiB.
        free_bytes: Free space of their disks that must stay.
    """

    def __init__(self, quotas: Sequence[tuple[str, int]], free_bytes: int) -> None:
        self._quotas, self._free_bytes = quotas, free_bytes
        self.next_look = time.monotonic() + _PAUSE_SECONDS

    def is_exceeded(self) -> bool:
        """Look whether there is no room left."""
        began = time.monotonic()
        found = any(self._is_full(path, most) for path, most in self._quotas)
        ended = time.monotonic()
        self.next_look = ended + max(_PAUSE_SECONDS, _REST * (ended - began))
        return found

    def _is_full(self, path: str, most: int) -> bool:
        with suppress(OSError):
            disk = os.statvfs(path)
            if disk.f_bavail * disk.f_frsize < self._free_bytes:
                return True
        total = 0
        for _, folders, files, descriptor in os.fwalk(path):
            total += _LEAST_BYTES * len(folders)
            for name in files:
                with suppress(OSError):  # removed meanwhile
                    size = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_size
                    total += max(_LEAST_BYTES, size)
            if total > most:
                return True
        return False
