"""Keep a component's files as they were with an earlier version: this block's `Snapshots`.

A snapshot is a folder beside those of the components, on the same file system: to exchange it with
the component's own is to rename two folders. Files are shared with the original where the file
system can (`FICLONE`), and copied elsewhere. Hard links would not do: a component writes its files
in place.

What a program has nested or linked leads nowhere: each folder is opened from its parent, and links
are copied as links.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import anyio
import anyio.to_thread
from airswasm.lifecycle import Home
from airswasm.runtime import Services, SnapshotDifference, SnapshotSize

from .._policy import FolderLimits, OslPolicy, files_of, folders_below, policy_of
from .copying import Marks, copied, differing, files_below
from .forgetting import KEPT_FOLDER, remove_folder

__all__ = ("FileSnapshots", "snapshots")

_STEP_FILES = 64
_GONE, _PARTIAL = "gone-", "partial-"
"""Before the names of what is being removed, or made. After a kill they are strays as others."""


@dataclass(frozen=True, slots=True)
class FileSnapshots:
    """Snapshots of components' folders; see `airswasm.runtime.Snapshots`.

    Attributes:
        files: The folder that has the components' own.
        limits: Limits on the content of each.
    """

    files: Path
    limits: FolderLimits
    noun: str = "file"

    async def take(self, name: str, label: str, still: Callable[[], Awaitable[None]]) -> None:
        """Copy a folder as it is when `still` returns.

        Raises:
            OslError, OSError: It is larger than its limits, or the disk refuses; there is no copy.
        """
        own, kept = self._own(name), self._kept(name)
        if own.is_symlink():  # an operator's, and no part of the component's data
            await still()
            return
        marks: Marks = {}
        async with _made(kept, label) as partial:
            await _in_steps(copied(own, partial, self.limits, marks))
            await still()
            await _in_steps(copied(own, partial, self.limits, marks))

    async def copy(self, name: str, label: str, to: str) -> None:
        """Copy a snapshot; do nothing where there is none.

        Raises:
            OslError, OSError: The disk refuses; there is no copy.
        """
        kept = self._kept(name)
        if (kept / label).is_dir():
            async with _made(kept, to) as partial:
                await _in_steps(copied(kept / label, partial, self.limits, {}))

    async def exchange(self, name: str, label: str, aside: str | None) -> None:
        """Make a snapshot the component's folder; do nothing where there is none.

        Raises:
            OSError: The disk refuses; call it again.
        """
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(
                _exchange, self._own(name), self._kept(name), label, aside
            )

    async def drop(self, name: str, label: str) -> None:
        """Remove a snapshot; do nothing where there is none.

        Raises:
            OSError: Part of it cannot be removed; call it again.
        """
        await anyio.to_thread.run_sync(_drop, self._kept(name), label)

    def labels(self) -> Iterable[tuple[str, str]]:
        """Return the component and the label of every snapshot, and of what a kill has left."""
        root = self.files / KEPT_FOLDER
        return tuple(
            ("/".join(path.relative_to(root).parts[:2]), path.name)
            for path in sorted(root.glob("*/*/*"))
        )

    async def size(self, name: str, label: str) -> SnapshotSize | None:
        """Return the size of a snapshot; None where there is none."""
        return await anyio.to_thread.run_sync(_size, self._kept(name) / label)

    async def compare(self, name: str, label: str, most: int) -> SnapshotDifference:
        """Count the files that changed since a snapshot, until `most` are found.

        A file of the same size and time of change counts as the same.
        """
        return await anyio.to_thread.run_sync(
            _compare, self._kept(name) / label, self._own(name), most
        )

    def _own(self, name: str) -> Path:
        return folders_below(self.files)(name)

    def _kept(self, name: str) -> Path:
        return folders_below(self.files / KEPT_FOLDER)(name)


def snapshots(services: Services) -> FileSnapshots | None:
    """Return this block's snapshots; None where the folders are an embedder's.

    Raises:
        ServiceMissing: The host has no guard.
    """
    has_folders = os.open in os.supports_dir_fd
    if services.has(OslPolicy) or not services.has(Home) or not has_folders:
        return None
    return FileSnapshots(files_of(services), policy_of(services).folders)


@asynccontextmanager
async def _made(kept: Path, label: str) -> AsyncGenerator[Path]:
    """Make a folder under another name, and give it its own when it is whole."""
    partial = kept / (_PARTIAL + secrets.token_hex(8))
    await anyio.to_thread.run_sync(lambda: partial.mkdir(mode=0o700, parents=True))
    try:
        yield partial
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_rename, partial, kept / label)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(remove_folder, partial)
        raise


async def _in_steps(steps: Iterator[None]) -> None:
    """Take a few steps in a worker thread at a time: a cancel takes effect between them."""
    while await anyio.to_thread.run_sync(lambda: len(list(islice(steps, _STEP_FILES)))):
        pass


def _exchange(own: Path, kept: Path, label: str, aside: str | None) -> None:
    """Rename the present folder away, then the snapshot to its place.

    Killed in between, no folder is there, and a call that names the former one restores it.
    """
    if not (kept / label).is_dir() or own.is_symlink():
        return
    away = kept / (aside or _GONE + secrets.token_hex(8))
    try:
        _rename(own, away)
    except FileNotFoundError:  # it keeps no files so far
        if aside is not None:
            away.mkdir(mode=0o700)
    own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _rename(kept / label, own)
    if aside is None:
        remove_folder(away)


def _drop(kept: Path, label: str) -> None:
    gone = kept / (_GONE + secrets.token_hex(8))
    with suppress(FileNotFoundError):
        (kept / label).rename(gone)
        remove_folder(gone)
    with suppress(OSError):  # others are in it
        kept.rmdir()


def _rename(source: Path, target: Path) -> None:
    source.rename(target)
    for parent in {source.parent, target.parent}:
        fd = os.open(parent, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _size(folder: Path) -> SnapshotSize | None:
    if not folder.is_dir():
        return None
    sizes = [size for _, size, _ in files_below(folder)]
    return SnapshotSize(len(sizes), sum(sizes))


def _compare(before: Path, now: Path, most: int) -> SnapshotDifference:
    found = Counter(islice(differing(before, now), most + 1))
    return SnapshotDifference(
        found["added"], found["changed"], found["removed"], is_cut=found.total() > most
    )
