"""Copies of one namespace that stay: the ground for rolling data back with code.

A checkpoint is a generation of its own, complete and never written again, so that restoring or
dropping one is as safe as it is simple. Creating and restoring copy in bounded parts
(`rebuilding`); the namespace stays in use.

Rejected: keeping the old values of changed keys, which makes each later write dearer and each
scan a merge.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import anyio.to_thread

from .._layout.entries import Row, scan_rows
from .._layout.keys import (
    CHECKPOINTS,
    after_name,
    encode_name,
    garbage_key,
    range_of,
)
from .._layout.space import ENTRY_BYTES, Space
from ..errors import CheckpointExists, CheckpointUnknown, StorageCorrupted
from .rebuilding import Progress, Rebuilding, ignore_progress

if TYPE_CHECKING:
    from .._store import Store
    from .namespace import Namespace

__all__ = ("Checkpoint", "Checkpoints", "Difference")

_RECORD = struct.Struct(">QQQdQ")
_RECORD_1 = struct.Struct(">QQQd")
"""Of stores of format 1; see `space`."""
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A copy of a namespace at one moment.

    Attributes:
        label: Its name within the namespace.
        created_at: When it was complete, in seconds since 1970.
        used_bytes: The bytes of its entries, as `Usage` counts them; they count into no quota.
        keys: The number of its keys.
    """

    label: str
    created_at: float
    used_bytes: int
    keys: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose value is not that of a checkpoint.

    Attributes:
        key: The key.
        before: The value in the checkpoint; None where it has none.
        now: The value in the namespace; None where it has none.
    """

    key: str
    before: bytes | None
    now: bytes | None


class Checkpoints:
    """The checkpoints of one namespace; `Namespace.checkpoints` makes it."""

    def __init__(self, store: Store, namespace: Namespace) -> None:
        self._store = store
        self._namespace = namespace
        self._prefix = CHECKPOINTS + encode_name(namespace.name)

    def list(self) -> tuple[Checkpoint, ...]:
        """Return all checkpoints, the oldest first.

        Raises:
            StorageError: The store cannot be read.
        """
        found = self._store.backend.scan(*range_of(self._prefix))
        records = (_unpack(after_name(key), record) for key, record in found)
        return tuple(sorted((c for c, _ in records), key=lambda each: each.created_at))

    async def create(self, label: str, *, progress: Progress = ignore_progress) -> Checkpoint:
        """Copy the namespace as it is now.

        A cancel before the end leaves no checkpoint.

        Args:
            label: 1 to 255 bytes of UTF-8.
            progress: Told how many keys were copied so far.

        Returns:
            The checkpoint, durable.

        Raises:
            CheckpointExists: There is one of this label.
            StorageError: Refused or failed.
        """
        await self._store.recover()
        key = self._prefix + encode_name(label, "checkpoint")[1:]
        self._check_absent(key, label)
        source = self._store.namespace(self._namespace.name, quota_bytes=_NO_QUOTA)
        async with Rebuilding(self._store, source, progress) as rebuilding:
            await rebuilding.copy(self._store.space(source.record_key))
            self._check_absent(key, label)
            built, now = rebuilding.built, self._store.clock()
            made = Checkpoint(label, now, built.used_bytes, built.keys)
            await rebuilding.become_checkpoint(
                key, lambda space: _RECORD.pack(
                    space.used_bytes, space.keys, space.generation, now, space.timed
                ),
            )  # fmt: skip
        return made

    async def restore(self, label: str, *, progress: Progress = ignore_progress) -> Checkpoint:
        """Make the namespace what it was, in one step for readers; the checkpoint stays.

        Writes of the namespace between the call and its end are lost, as they would be after it.
        A cancel before the end changes nothing.

        Args:
            label: The label of a checkpoint.
            progress: Told how many keys were copied so far.

        Raises:
            CheckpointUnknown: There is none of this label.
            StorageError: Refused or failed; nothing changed.
        """
        await self._store.recover()
        checkpoint, content = self._find(label)
        target = self._store.namespace(self._namespace.name, quota_bytes=_NO_QUOTA)
        async with Rebuilding(self._store, target, progress) as rebuilding:
            await rebuilding.copy(content)
            await rebuilding.take_over()
        return checkpoint

    async def drop(self, label: str) -> None:
        """Remove a checkpoint; the space on the disk is given back in the background.

        Raises:
            CheckpointUnknown: There is none of this label.
            StorageError: Refused or failed.
        """
        await self._store.recover()
        _, content = self._find(label)
        self._store.apply([(self._key(label), None), (garbage_key(content.generation), b"")])
        self._store.sweep(content.generation)
        await self._namespace.wait_durable()

    async def diff(self, label: str) -> AsyncGenerator[Difference]:
        """Yield every key that differs from a checkpoint, in the order of the keys' bytes.

        Both sides are of the moment of the call. Close it with `contextlib.aclosing` unless it
        is read to its end.

        Raises:
            CheckpointUnknown: There is none of this label.
            StorageError: The store cannot be read.
        """
        _, content = self._find(label)
        live, now = replace(self._store.space(self._namespace.record_key)), self._store.now()
        with closing(self._store.backend.snapshot()) as snapshot:
            before = scan_rows(snapshot, content, now)
            found = _differences(before, scan_rows(snapshot, live, now))
            while part := await anyio.to_thread.run_sync(lambda: list(islice(found, _CHUNK))):
                for difference in part:
                    yield difference

    def content(self, label: str) -> Space:
        """Return where the content of a checkpoint is; for the parts of this block.

        Raises:
            CheckpointUnknown: There is none of this label.
        """
        return self._find(label)[1]

    def _find(self, label: str) -> tuple[Checkpoint, Space]:
        record = self._store.backend.get(self._key(label))
        if record is None:
            raise CheckpointUnknown(self._namespace.name, label)
        return _unpack(label, record)

    def _key(self, label: str) -> bytes:
        return self._prefix + encode_name(label, "checkpoint")[1:]

    def _check_absent(self, key: bytes, label: str) -> None:
        if self._store.backend.get(key) is not None:
            raise CheckpointExists(self._namespace.name, label)


_NO_QUOTA = 2**62
"""Neither a copy nor what it was a copy of may be refused for a quota that was lowered since."""


def _unpack(label: str, record: bytes) -> tuple[Checkpoint, Space]:
    """Return a checkpoint, and where its content is."""
    if len(record) == _RECORD_1.size:
        used, keys, generation, created_at = _RECORD_1.unpack(record)
        used, timed = used + keys * ENTRY_BYTES, 0
    elif len(record) == _RECORD.size:
        used, keys, generation, created_at, timed = _RECORD.unpack(record)
    else:
        raise StorageCorrupted("storage", f"the record of the checkpoint {label!a} is malformed")
    content = Space()
    content.set(used, keys, generation, timed)
    content.due = 0  # nothing sweeps a checkpoint: any of its entries may have expired
    return Checkpoint(label, created_at, used, keys), content


def _differences(before: Iterator[Row], now: Iterator[Row]) -> Iterator[Difference]:
    """Merge two scans, both in the order of their keys."""
    old, new = next(before, None), next(now, None)
    while old or new:
        if new is None or (old and old.key < new.key):
            assert old is not None
            yield Difference(old.key.decode(), old.value, None)
            old = next(before, None)
        elif old is None or new.key < old.key:
            yield Difference(new.key.decode(), None, new.value)
            new = next(now, None)
        else:
            if old.value != new.value:
                yield Difference(old.key.decode(), old.value, new.value)
            old, new = next(before, None), next(now, None)
