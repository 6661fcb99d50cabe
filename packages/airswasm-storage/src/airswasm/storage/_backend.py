"""What an ordered store of bytes must be able to do, so that everything else is written once.

Quotas, counters, pages and group commit sit above this seam; below it is one
module for each engine, with nothing of its own to decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

Change: TypeAlias = tuple[bytes, bytes | None]
"""A key with its new value, or with None to delete it."""


class View(Protocol):
    """Something to read from."""

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        ...

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values from `start` to before `end`, in byte order."""
        ...


class Snapshot(View, Protocol):
    """The content at one moment, whatever is written later; usable from another thread."""

    def close(self) -> None:
        """Give it up."""
        ...


class Backend(View, Protocol):
    """One engine, open.

    Its methods raise `StorageUnavailable`, `StorageCorrupted` or `StorageReadOnly`.
    """

    path: Path

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply all changes or none. Quick: it does not wait for the disk.

        What one call applied survives a killed process, and after a power loss
        the content is what some number of calls, in their order, had made of it.
        """
        ...

    def sync(self) -> None:
        """Wait until everything applied so far is on the disk.

        Called from a worker thread, while `apply` and reads go on.
        """
        ...

    def snapshot(self) -> Snapshot:
        """The content as it is now."""
        ...

    def checkpoint(self, folder: Path) -> None:
        """Write a copy that can be opened as a store of its own. Slow."""
        ...

    def reopen(self) -> None:
        """Close and open again, after the disk failed. Slow."""
        ...

    def close(self) -> None:
        """Close; closing twice is harmless."""
        ...
