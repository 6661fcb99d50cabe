"""The protocol by which a block keeps a component's data as it was with an earlier version.

A host takes a snapshot before another version works on the data, and exchanges the two when it
goes back. Nothing is copied while the component waits: `take` copies most of the data before the
moment that counts, and `exchange` moves names. So an update of a component with much data does not
take longer than one of a component with little.

Rejected: `restore`, which copies while the component waits, fails half done where the disk is full,
and loses the present data unless it is copied first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ("SnapshotDifference", "SnapshotSize", "Snapshots")


@dataclass(frozen=True, slots=True)
class SnapshotSize:
    """The size of a snapshot.

    Attributes:
        items: How many things it has: keys, files.
        size_bytes: Their bytes.
    """

    items: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SnapshotDifference:
    """The number of things that differ between a snapshot and the present data.

    Attributes:
        added: Things that only the present data has.
        changed: Things that both have, with other contents.
        removed: Things that only the snapshot has.
        is_cut: Whether there are more, which were not counted.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    is_cut: bool = False


@runtime_checkable
class Snapshots(Protocol):
    """The snapshots of one block; the function that `Block.snapshots` names returns it.

    The host calls no two methods for one component at a time. A process may be killed in any of
    them: a snapshot is then whole or absent, and `exchange` is called again.

    Attributes:
        noun: The name of one thing that it keeps, in the singular: `key`, `file`.
    """

    @property
    def noun(self) -> str:
        """The name of one thing that it keeps, in the singular."""
        ...

    async def take(self, name: str, label: str, still: Callable[[], Awaitable[None]]) -> None:
        """Copy what the block keeps for a component, as it is when `still` returns.

        Copy most of it, await `still` exactly once, and copy what changed meanwhile. From then on
        to the end of this call the host keeps the component from writing where that matters. A
        component for which nothing is kept gets an empty snapshot.

        Args:
            name: The component.
            label: The snapshot's name, which was not used before: letters, digits and `-`.
            still: Returns at the moment that the snapshot is of.
        """
        ...

    async def copy(self, name: str, label: str, to: str) -> None:
        """Copy a snapshot; do nothing where there is none."""
        ...

    async def exchange(self, name: str, label: str, aside: str | None) -> None:
        """Make a snapshot the present data, and the present data the snapshot `aside`.

        It must not copy, or need room on the disk. Do nothing where there is no snapshot `label`:
        then an earlier call, which was interrupted, has used it up.

        Args:
            name: The component.
            label: The snapshot, which is used up.
            aside: The name of the new snapshot; None removes the present data.
        """
        ...

    async def drop(self, name: str, label: str) -> None:
        """Remove a snapshot; do nothing where there is none."""
        ...

    def labels(self) -> Iterable[tuple[str, str]]:
        """Return the component and the label of every snapshot, for the host to find strays."""
        ...

    async def size(self, name: str, label: str) -> SnapshotSize | None:
        """Return the size of a snapshot; None where there is none."""
        ...

    async def compare(self, name: str, label: str, most: int) -> SnapshotDifference:
        """Count how the present data differs from a snapshot, until `most` differences."""
        ...
