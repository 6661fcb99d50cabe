"""The seam between the store and its engines: ordered bytes, atomic batches, snapshots.

Namespaces, quotas, logs and group commit stand above this seam and know no engine. An engine
stands below it and decides nothing: it keeps keys in byte order, applies a batch whole or not
at all, and waits for the disk when it is asked to. `airswasm.storage.testing` holds the suite
that an engine must pass.

Rejected: a seam at the level of namespaces, because each engine would then count bytes and
check quotas in its own way; asynchronous methods, because a read takes about a microsecond and
a task switch ten times that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

__all__ = ("Backend", "Change", "EngineFactory", "EngineOptions", "Snapshot", "View")

Change: TypeAlias = tuple[bytes, bytes | None]
"""A key with its new value, or with None to delete it."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Options that the store passes to an engine.

    Attributes:
        read_only: Write nothing to the folder; another process may have it open, or its file
            system may refuse writes.
        is_new: The folder was not a store before. Where it was one, an engine that finds none
            of its data raises `StorageCorrupted`; it does not begin anew.
    """

    read_only: bool = False
    is_new: bool = True


class View(Protocol):
    """A source of keys and values. No key is empty."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        ...

    def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return the values of keys, as `get` does for each, in one call."""
        ...

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values from `start` up to, not including, `end`, in byte order.

        The iterator reads as it goes: taking ten entries costs ten entries. A batch that is
        applied while it runs may or may not show in it.

        Args:
            start: The lowest key.
            end: The key above the highest one. Nothing is found when it is not above `start`.
            reverse: Begin at the high end.
        """
        ...


class Snapshot(View, Protocol):
    """The content at one moment. One thread at a time uses it, any thread."""

    def close(self) -> None:
        """Release the snapshot; closing twice is harmless."""
        ...


class Backend(View, Protocol):
    """One open engine.

    The store calls `get`, `scan`, `apply` and `snapshot` on the event loop's thread, and the
    methods marked "slow" in worker threads, while the others go on.

    Methods raise `StorageUnavailable` when the disk refuses, `StorageCorrupted` when it returns
    something that was not written, `StorageReadOnly` for a write in read-only mode, and
    `StorageClosed` after `close`.
    """

    @property
    def path(self) -> Path:
        """The folder."""
        ...

    @property
    def is_persistent(self) -> bool:
        """Whether the content outlives the process."""
        ...

    @property
    def sequence(self) -> int:
        """A number that rises with each batch, and is stored with it as part of it.

        The store notes it after each `sync`. A lower one at the next opening means that the disk
        lost what it had acknowledged, which the engine's own files do not show: a log that lost
        its end looks like one that was never longer.
        """
        ...

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply all changes, in their order, or none. Do not wait for the disk.

        Whatever one call applied survives a killed process. After a power loss the content is
        the result of the first so-many calls, and of all those that a `sync` covered.
        """
        ...

    def sync(self) -> None:
        """Wait until everything that was applied before this call is on the disk. Slow.

        In read-only mode there is nothing to wait for.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Return the content as it is now, unchanged by later batches."""
        ...

    def checkpoint(self, folder: Path) -> None:
        """Write a copy to a new folder, from which the engine can be opened. Slow."""
        ...

    def reopen(self) -> None:
        """Close and open again, after the disk failed. Slow."""
        ...

    def close(self) -> None:
        """Close; closing twice is harmless. Slow."""
        ...


EngineFactory: TypeAlias = Callable[[Path, EngineOptions], Backend]
"""An engine: a function that opens a folder.

The function makes the folder and those above it, unless it opens to read. It raises
`StorageLocked` when another process has the folder open for writing, `StorageUnavailable` when
there is no store to read or the disk refuses, and `StorageCorrupted` when the data is damaged. A
package offers it as an entry point of the group
`airswasm.storage_engines`; the entry point's name is what `[storage] engine` says.
"""
