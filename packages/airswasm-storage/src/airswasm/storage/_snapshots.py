"""Keep a component's stored data as it was with an earlier version: this block's `Snapshots`.

A snapshot is a checkpoint of the component's namespace, of the kind that the host keeps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from airswasm.runtime import Services, SnapshotDifference, SnapshotSize

from ._spaces.checkpoints import Checkpoints
from ._store import Store
from .errors import CheckpointUnknown

__all__ = ("StorageSnapshots", "snapshots")


@dataclass(frozen=True, slots=True)
class StorageSnapshots:
    """Snapshots of namespaces; see `airswasm.runtime.Snapshots`."""

    store: Store
    noun: str = "key"

    async def take(self, name: str, label: str, still: Callable[[], Awaitable[None]]) -> None:
        """Copy a namespace as it is when `still` returns.

        Raises:
            StorageError: Refused or failed; there is no copy.
        """
        await self._of(name).create(label, moment=still)

    async def copy(self, name: str, label: str, to: str) -> None:
        """Copy a snapshot.

        Raises:
            StorageError: Refused or failed; there is no copy.
        """
        await self._of(name).copy(label, to)

    async def exchange(self, name: str, label: str, aside: str | None) -> None:
        """Make a snapshot the content of the namespace; do nothing where there is none.

        Raises:
            StorageError: Refused or failed; nothing changed.
        """
        try:
            await self._of(name).exchange(label, aside)
        except CheckpointUnknown:
            return

    async def drop(self, name: str, label: str) -> None:
        """Remove a snapshot; do nothing where there is none.

        Raises:
            StorageError: Refused or failed.
        """
        try:
            await self._of(name).drop(label)
        except CheckpointUnknown:
            return

    def labels(self) -> Iterable[tuple[str, str]]:
        """Return the name and the label of every snapshot.

        Raises:
            StorageError: The store cannot be read.
        """
        return self.store.kept_checkpoints()

    async def size(self, name: str, label: str) -> SnapshotSize | None:
        """Return the size of a snapshot; None where there is none.

        Raises:
            StorageError: The store cannot be read.
        """
        for each in self._of(name).list():
            if each.label == label:
                return SnapshotSize(each.keys, each.used_bytes)
        return None

    async def compare(self, name: str, label: str, most: int) -> SnapshotDifference:
        """Count what changed since a snapshot, until `most` changes are found.

        Raises:
            StorageError: There is none, or the store cannot be read.
        """
        added = changed = removed = 0
        async with aclosing(self._of(name).diff(label)) as differences:
            async for each in differences:
                if added + changed + removed == most:
                    return SnapshotDifference(added, changed, removed, is_cut=True)
                added += each.before is None
                removed += each.now is None
                changed += each.before is not None and each.now is not None
        return SnapshotDifference(added, changed, removed)

    def _of(self, name: str) -> Checkpoints:
        return self.store.namespace(name).kept_checkpoints


def snapshots(services: Services) -> StorageSnapshots:
    """Return this block's snapshots.

    Raises:
        ServiceMissing: The host has no store that can be written.
    """
    return StorageSnapshots(services.get(Store))
