"""Copies of one namespace that stay: the ground for rolling data back with code.

A checkpoint is a generation of its own, complete and never written again, so that restoring or
dropping one is as safe as it is simple. Creating and restoring copy in bounded parts
(`rebuilding`); the namespace stays in use. To exchange content and checkpoint copies nothing: both
are generations, and one small batch says which is which.

Operators' checkpoints and those that a host keeps for the versions of a component (`snapshots`)
have records of different kinds, so that no label of the one can be that of the other.

Rejected: keeping the old values of changed keys, which makes each later write dearer and each
scan a merge.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import anyio.lowlevel
import anyio.to_thread

from .._layout.entries import Row, scan_rows
from .._layout.keys import (
    CHECKPOINTS,
    after_name,
    encode_name,
    garbage_key,
    range_of,
)
from .._layout.space import ENTRY_BYTES, Space, pack_space
from ..errors import CheckpointExists, CheckpointUnknown, StorageCorrupted, StorageUnavailable
from .rebuilding import Progress, Rebuilding, ignore_progress

if TYPE_CHECKING:
    from .._backends.backend import Change
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
    """The checkpoints of one namespace; `Namespace.checkpoints` makes it.

    Args:
        store: The open store.
        namespace: The namespace.
        kind: The first byte of their records' keys.
    """

    def __init__(self, store: Store, namespace: Namespace, kind: bytes = CHECKPOINTS) -> None:
        self._store = store
        self._namespace = namespace
        self._prefix = kind + encode_name(namespace.name)

    def list(self) -> tuple[Checkpoint, ...]:
        """Return all checkpoints, the oldest first.

        Raises:
            StorageError: The store cannot be read.
        """
        found = self._store.backend.scan(*range_of(self._prefix))
        records = (_unpack(after_name(key), record) for key, record in found)
        return tuple(sorted((c for c, _ in records), key=lambda each: each.created_at))

    async def create(
        self,
        label: str,
        *,
        progress: Progress = ignore_progress,
        moment: Callable[[], Awaitable[None]] | None = None,
    ) -> Checkpoint:
        """Copy the namespace as it is now.

        A cancel before the end leaves no checkpoint.

        Args:
            label: 1 to 255 bytes of UTF-8.
            progress: Told how many keys were copied so far.
            moment: Awaited when most is copied; the copy is then that of the moment at which it
                returns, and a writer that it stopped waits for little.

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
            if moment is None:
                await rebuilding.copy(self._store.space(source.record_key))
            else:
                await rebuilding.copy_up_to(moment)
            return await self._keep(rebuilding, key, label)

    async def copy(self, label: str, to: str, *, progress: Progress = ignore_progress) -> None:
        """Copy a checkpoint. A cancel before the end leaves no copy.

        Raises:
            CheckpointUnknown: There is none of this label.
            CheckpointExists: There is one of the label `to`.
            StorageError: Refused or failed.
        """
        await self._store.recover()
        _, content = self._find(label)
        self._check_absent(self._key(to), to)
        target = self._store.namespace(self._namespace.name, quota_bytes=_NO_QUOTA)
        async with Rebuilding(self._store, target, progress) as rebuilding:
            await rebuilding.copy(content)
            await self._keep(rebuilding, self._key(to), to)

    async def exchange(self, label: str, aside: str | None) -> None:
        """Make a checkpoint the content of the namespace, in one step and without a copy.

        The checkpoint is used up. Writes of the namespace go to the new content from then on.

        Args:
            label: The label of a checkpoint.
            aside: The label of a checkpoint that the former content becomes; None removes it.

        Raises:
            CheckpointUnknown: There is none of this label.
            CheckpointExists: There is one of the label `aside`.
            StorageError: Refused or failed; nothing changed.
        """
        await self._store.recover()
        space = self._store.space(self._namespace.record_key)
        async with space.turn:
            if space is not self._store.space(self._namespace.record_key):
                raise StorageUnavailable(self._store.path, "the disk failed meanwhile")
            _, content = self._find(label)
            if aside is not None:
                self._check_absent(self._key(aside), aside)
            self._exchange(self._key(label), content, space, aside)
        await self._namespace.wait_durable()

    def _exchange(self, key: bytes, content: Space, space: Space, aside: str | None) -> None:
        new = content.generation if content.keys else 0
        record = pack_space(content.used_bytes, content.keys, new, content.timed)
        changes: list[Change] = [(key, None), (self._namespace.record_key, record)]
        garbage = [] if new or not content.generation else [content.generation]
        if aside is not None:
            changes.append((self._key(aside), _pack(space, self._store.clock())))
        elif space.generation:
            garbage.append(space.generation)
        self._store.apply([*changes, *((garbage_key(each), b"") for each in garbage)])
        space.set(content.used_bytes, content.keys, new, content.timed)
        space.find_due(self._store.backend)
        self._store.expiring.note(self._namespace.record_key, space)
        for each in garbage:
            self._store.sweep(each)

    async def _keep(self, rebuilding: Rebuilding, key: bytes, label: str) -> Checkpoint:
        self._check_absent(key, label)
        built, now = rebuilding.built, self._store.clock()
        await rebuilding.become_checkpoint(key, lambda space: _pack(space, now))
        return Checkpoint(label, now, built.used_bytes, built.keys)

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

    async def drop_all(self) -> None:
        """Remove all checkpoints, in bounded steps; wait once until that is durable.

        Raises:
            StorageError: Refused or failed; it can be called again.
        """
        await self._store.recover()
        labels = [each.label for each in self.list()]
        for start in range(0, len(labels), _CHUNK):
            some = labels[start : start + _CHUNK]
            generations = [self._find(label)[1].generation for label in some]
            self._store.apply(
                [
                    *((self._key(label), None) for label in some),
                    *((garbage_key(each), b"") for each in generations),
                ]
            )
            for each in generations:
                self._store.sweep(each)
            await anyio.lowlevel.checkpoint()
        if labels:
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


def _pack(space: Space, created_at: float) -> bytes:
    return _RECORD.pack(space.used_bytes, space.keys, space.generation, created_at, space.timed)


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
