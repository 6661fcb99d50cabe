"""Names in a folder: what a path names, the entries of a directory, and errors by path."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ..errors import Malformed, from_os_error
from .held import Kind, kind_of
from .measuring import PARTIAL_PREFIX

__all__ = ("Entry", "FileInfo", "Parts", "is_for_guests", "parts_of", "told")

Parts = Sequence[str]
_LATEST_NS = 2**64 - 1
"""In the year 2554; some file systems have later times, and WIT has no number for them."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The metadata of a file; times in ns since 1970."""

    kind: Kind
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileInfo:
        """Return what the system's answer says."""
        modified_ns = min(max(0, status.st_mtime_ns), _LATEST_NS)
        return cls(kind_of(status.st_mode), status.st_size, modified_ns)


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory."""

    name: str
    kind: Kind


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


@contextlib.contextmanager
def told(path: str) -> Generator[None]:
    """Turn the system's errors into this block's, in the guest's terms."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, path) from error


def is_for_guests(name: str) -> bool:
    """Return whether a guest may see a name: WIT strings are valid Unicode."""
    if name.startswith(PARTIAL_PREFIX):
        return False
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in name)
