"""The files of a log on the disk: the current one, and older ones named by their first line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import AuditBroken, AuditFileGone, AuditUnavailable

__all__ = (
    "all_files",
    "drop_torn_line",
    "first_line",
    "numbered_lines",
    "open_to_append",
    "rotated_files",
    "rotated_name",
    "tail_lines",
)

_TAIL_BYTES = 1024 * 1024
"""More than the longest possible block."""


def rotated_name(path: Path, first: int) -> Path:
    """Return the name of an older file that starts at a line."""
    return path.with_name(f"{path.name}.{first:012d}")


def rotated_files(path: Path) -> tuple[Path, ...]:
    """Return the older files of a log, oldest first."""
    pattern = re.compile(rf"{re.escape(path.name)}\.[0-9]{{12,}}")
    if not path.parent.is_dir():
        return ()
    names = (item.name for item in path.parent.iterdir() if pattern.fullmatch(item.name))
    return tuple(path.with_name(each) for each in sorted(names, key=lambda each: (len(each), each)))


def all_files(path: Path) -> tuple[Path, ...]:
    """Return the files of a log, oldest first; the current one may be missing."""
    return (*rotated_files(path), path)


def open_to_append(path: Path) -> int:
    """Open a file that only this user reads; no link is followed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)


def drop_torn_line(path: Path, descriptor: int) -> int:
    """Cut off the bytes after the last line end; return their number."""
    size = os.fstat(descriptor).st_size
    tail = _tail(path, size)
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn:
        os.ftruncate(descriptor, size - torn)
    return torn


def tail_lines(path: Path) -> list[bytes]:
    """Return the newest whole lines of a file, without their ends; the first may be a part."""
    return _tail(path, path.stat().st_size).rpartition(b"\n")[0].splitlines()


def first_line(path: Path) -> bytes:
    """Return the first line of a file, without its end; empty if there is none."""
    try:
        with path.open("rb") as file:
            return file.readline().removesuffix(b"\n")
    except FileNotFoundError:
        return b""


def numbered_lines(
    files: tuple[Path, ...], *, with_torn: bool = False
) -> Iterator[tuple[Path, int, bytes]]:
    """Yield each line with its file and its number in the file.

    Args:
        files: Oldest first; the last one may be missing.
        with_torn: Whether the last line of the last file may be torn; it is yielded with no line
            end, and whole lines without theirs.

    Raises:
        AuditBroken: A line is torn.
        AuditUnavailable: A file cannot be read.
    """
    for path in files:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.endswith(b"\n"):
                        yield path, number, line[:-1]
                    elif path != files[-1] or not with_torn:
                        raise AuditBroken(path, number, "the line is torn")
        except FileNotFoundError:
            if path != files[-1]:
                raise AuditFileGone(path, "the file is missing") from None
        except OSError as error:
            raise AuditUnavailable(path, error.strerror or str(error)) from error


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read()
