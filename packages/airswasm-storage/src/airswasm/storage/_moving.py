"""Copy a whole store into another folder, with the same engine or another.

Both sides are ordered, so the copy is a merge: what differs is written, what agrees is left. A copy
that was killed goes on where it was without a note of how far it came, and a second pass, which
finds no difference, is the proof that the copy is whole. Namespaces, logs and checkpoints are keys
like all others here, and no engine need know of another.

Rejected: exports of all namespaces (they leave out logs, checkpoints and generations), and a note
of the last copied key (it would vouch for what a power loss took back).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import anyio
import anyio.to_thread

from ._backends.backend import Backend, Change
from ._backends.opening import Opening, engine_of
from ._engines import find_engine
from ._layout.keys import EVERYTHING
from .errors import StorageCorrupted, StorageUnavailable

__all__ = ("Copied", "CopyProgress", "copy_store")

_STEP_ENTRIES = 512
_STEP_BYTES = 1024 * 1024
_SYNC_BYTES = 32 * 1024 * 1024
"""Written bytes after which the disk is waited for, so that an engine can shorten its log."""
_Pair: TypeAlias = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Copied:
    """The state of a copy.

    Attributes:
        records: The records that were compared so far in this pass.
        size_bytes: Their keys and values.
        written: The records that had to be written or removed.
        is_verifying: Whether this is the second pass, which compares only.
    """

    records: int = 0
    size_bytes: int = 0
    written: int = 0
    is_verifying: bool = False


CopyProgress: TypeAlias = Callable[[Copied], None]
"""Told, on the event loop's thread, how far a copy is."""


async def copy_store(
    source: Path, target: Path, engine: str, *, progress: CopyProgress = lambda _: None
) -> Copied:
    """Make one store equal to another that no process has open, and verify that it is.

    Call it again after an interruption: it goes on. A cancel takes effect between two steps and
    leaves a part, which the next call completes.

    Args:
        source: The folder of a store; it is only read.
        target: The folder of the copy, made if needed.
        engine: The engine of the copy.
        progress: Told after each step.

    Returns:
        The second pass: every record of the copy was read and compared.

    Raises:
        EngineUnknown, EngineUnusable: There is no such engine for one of the two.
        StorageCorrupted: The source is damaged, or the copy differs after it was written.
        StorageUnavailable: There is no store to copy, the engine keeps nothing on the disk, or
            the disk refuses.
        StorageLocked: A process has one of them open.
    """
    copying = await anyio.to_thread.run_sync(_Copying, source, target, engine)
    try:
        first = await _pass(copying, progress, is_verifying=False)
        await anyio.to_thread.run_sync(copying.target.sync)
        second = await _pass(copying, progress, is_verifying=True)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(copying.close)
    return Copied(second.records, second.size_bytes, first.written, is_verifying=True)


async def _pass(copying: _Copying, progress: CopyProgress, *, is_verifying: bool) -> Copied:
    state = Copied()
    steps = copying.steps(is_verifying=is_verifying)
    while (step := await anyio.to_thread.run_sync(next, steps, None)) is not None:
        state = step
        progress(state)
    return state


class _Copying:
    """Both stores, open."""

    def __init__(self, source: Path, target: Path, engine: str) -> None:
        with ExitStack() as stack:
            written = engine_of(source)
            if written is None:
                raise StorageUnavailable(source, "there is no store")
            self.source = Opening(source, written, find_engine(written), read_only=True)()
            stack.callback(self.source.close)
            self.target = Opening(target, engine, find_engine(engine), read_only=False)()
            stack.callback(self.target.close)
            if not self.target.is_persistent:
                raise StorageUnavailable(target, f"the engine {engine!r} keeps nothing on the disk")
            self._exits = stack.pop_all()

    def close(self) -> None:
        self._exits.close()

    def steps(self, *, is_verifying: bool) -> Iterator[Copied]:
        """Copy, or compare, a bounded part with each item."""
        found = _compared(self.source, self.target)
        records = size = written = unsynced = 0
        while True:
            part = list(islice(_bounded(found), _STEP_ENTRIES))
            if not part:
                return
            changes = [change for _, change in part if change is not None]
            if changes and is_verifying:
                raise StorageCorrupted(self.target.path, "the copy is not what was written to it")
            if changes:
                self.target.apply(changes)
            read = sum(taken for taken, _ in part)
            records += sum(taken > 0 for taken, _ in part)
            size, unsynced, written = size + read, unsynced + read, written + len(changes)
            if unsynced > _SYNC_BYTES and not is_verifying:
                self.target.sync()
                unsynced = 0
            yield Copied(records, size, written, is_verifying)


def _bounded(found: Iterator[tuple[int, Change | None]]) -> Iterator[tuple[int, Change | None]]:
    size = 0
    for each in found:
        yield each
        size += each[0]
        if size >= _STEP_BYTES:
            return


def _compared(source: Backend, target: Backend) -> Iterator[tuple[int, Change | None]]:
    """Yield, for each key of either side, the bytes of the source and the change to the target.

    A change is to keys behind which both scans already are.
    """
    ours, theirs = source.scan(*EVERYTHING), target.scan(*EVERYTHING)
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        if right is not None and (left is None or right[0] < left[0]):
            yield 0, (right[0], None)
            right = next(theirs, None)
            continue
        assert left is not None
        if right is not None and right[0] == left[0]:
            yield _size(left), None if right[1] == left[1] else left
            right = next(theirs, None)
        else:
            yield _size(left), left
        left = next(ours, None)


def _size(pair: _Pair) -> int:
    return len(pair[0]) + len(pair[1])
