"""Note the newest head in a file beside the log, at each line.

A killed process takes its memory with it, and the head in the host's store is some seconds old. The
mark is exact: a log that ends before it was cut. It holds for one start of the machine only,
because after a power loss the log may rightly be shorter than a mark that happened to reach the
disk; what the disk had is in the store.

Two places take turns, so that a process that is killed in between leaves one of them whole. The
mark is written after its line: it may lag, and is never ahead. Rejected: a memory map, which ends
the host when another process cuts the file.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from functools import cache
from pathlib import Path

from .lines import AuditHead

__all__ = ("HeadMark", "mark_file", "read_mark")

_PLACE_BYTES = 192


def mark_file(path: Path) -> Path:
    """Return the mark's path for a log."""
    return path.with_name(f".{path.name}.mark")


class HeadMark:
    """Writes the mark of one log. A disk that refuses leaves the mark behind, and no more."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._descriptor = -1
        self._boot = _boot_id()
        if self._boot:
            with contextlib.suppress(OSError):
                self._descriptor = os.open(mark_file(path), flags, 0o600)

    def set(self, head: AuditHead) -> None:
        """Note a head whose line is written."""
        if self._descriptor >= 0:
            try:
                os.pwrite(self._descriptor, self._place(head), head.line % 2 * _PLACE_BYTES)
            except OSError:
                return

    def start_again(self, head: AuditHead) -> None:
        """Forget the heads of a log that was cut, once a line tells of them."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                place = self._place(head)
                os.pwrite(self._descriptor, place.ljust(_PLACE_BYTES) + place, 0)

    def _place(self, head: AuditHead) -> bytes:
        text = f"{head.line} {head.sha256} {self._boot} ".encode()
        return b"%b%08x\n" % (text, zlib.crc32(text))

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def read_mark(path: Path) -> AuditHead | None:
    """Return the newest head that was noted since the machine started; None without one."""
    try:
        content = mark_file(path).read_bytes()[: 2 * _PLACE_BYTES]
    except OSError:
        return None
    places = (content[:_PLACE_BYTES], content[_PLACE_BYTES:])
    heads = [head for place in places if (head := _read_place(place)) is not None]
    return max(heads, default=None)


def _read_place(place: bytes) -> AuditHead | None:
    """Read up to the line's end: what is behind it is left from a longer number."""
    line, end, _ = place.partition(b"\n")
    text, check = line[:-8], line[-8:]
    if not end or check != b"%08x" % zlib.crc32(text):
        return None
    number, digest, boot, _ = text.decode().split(" ")
    return AuditHead(int(number), digest) if boot == _boot_id() else None


@cache
def _boot_id() -> str:
    """Return what names this start of the machine; empty where nothing does."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
