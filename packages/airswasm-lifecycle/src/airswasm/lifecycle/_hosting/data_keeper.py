"""Keep the data of components as it was with an earlier version, and go back to it.

Blocks know what they keep for a component and how to copy it (`Block.snapshots`); this asks all of
them, for one moment, under one label. The label of a version's snapshot stands in the version's
record, and what no record names is dropped: so a crash leaves neither a record without its data nor
data without its record.

Data is never copied back. A version that works on other data than what is there (a migration, a
rollback with data) gets a copy of its own, and the present data is set aside as it is. While that
lasts, the record of the name says what was set aside (`set_aside`): written before the blocks
exchange the two, and removed by the write that makes the other version the active one. If that
write does not come, because a step fails or the host is killed, the record leads back to exactly
what the version that runs has left.

Rejected: to let the new version change the present data, and to restore a copy if that fails: the
restoring may fail, too, just when the disk is full.
"""

from __future__ import annotations

import secrets
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import anyio
from airswasm.actor import ActorRef
from airswasm.runtime import Meters, Services, SnapshotDifference, Snapshots
from airswasm.wit import Blocks, load_part, safe_text

from .._block import CHECKPOINT_BYTES, CHECKPOINTS_HELD, DATA_RESTORED
from .._home.logbook import LogBook
from .._registry.checkpoint import Checkpoints, DataCheckpoint
from .._registry.ledger import Ledger
from .._registry.registry import ComponentRecord, Registry
from ..errors import CheckpointFailed, DataNotRestored
from .providers import blaming

__all__ = ("DataKeeper", "Still", "find_snapshots")

Still = Callable[[], Awaitable[None]]
_PAUSE = 10.0
"""Seconds until a block that could not drop a snapshot is asked again."""


async def _at_once() -> None:
    """Return: nothing writes."""


def find_snapshots(blocks: Blocks, services: Services) -> Mapping[str, Snapshots]:
    """Return the snapshots of every block that has some, by the block's name.

    Raises:
        ProviderFailed: A block failed to set itself up.
    """
    found: dict[str, Snapshots] = {}
    for each in blocks:
        if each.block.snapshots:
            with blaming(each, each.block.snapshots):
                part = load_part(each.block.snapshots)
                made = part(services) if callable(part) else None
                if made is not None and not isinstance(made, Snapshots):
                    raise TypeError(f"{type(made).__name__} lacks methods of Snapshots")
                if made is not None:
                    found[each.block.name] = made
    return found


class DataKeeper:
    """The snapshots of all blocks of a host, and what the records say of them.

    Args:
        blocks: The snapshots of each block, by the block's name.
        registry: The records.
        ledger: Writes them.
        logs: For what an operator has to know.
        meters: Counts.
        clock: Returns the seconds since 1970.
        step: Called with the name of each step that a crash may separate from the next.
        ref_of: Returns the reference of a component that runs, to count its messages.
        checkpoints: The updates before which data is copied.
    """

    def __init__(
        self,
        blocks: Mapping[str, Snapshots],
        registry: Registry,
        ledger: Ledger,
        logs: LogBook,
        meters: Meters,
        clock: Callable[[], float],
        step: Callable[[str], None],
        ref_of: Callable[[str], ActorRef | None],
        checkpoints: Checkpoints = "migrations",
    ) -> None:
        self.checkpoints: Checkpoints = checkpoints
        self._blocks, self._ref_of = blocks, ref_of
        self._registry, self._ledger = registry, ledger
        self.logs, self._meters, self._clock = logs, meters, clock
        self._step = step
        self._released: dict[tuple[str, str], None] = {}
        self._counted: set[str] = set()
        self._handled: dict[str, tuple[ActorRef, int]] = {}
        """Of each label: who has handled how many messages when it was taken."""
        self._wake = anyio.Event()

    async def open(self) -> None:
        """Put back what a killed host has left set aside, and find what no record names."""
        for record in self._registry:
            self._count(record)
            if record.set_aside:
                await self._put_back_or_tell(record)
        for snapshots in self._blocks.values():
            for name, label in snapshots.labels():
                if label not in self._registry.labels(name):
                    self._release(name, (label,))
        self._registry.changed = self._note_change

    async def run(self) -> None:
        """Drop what no record names any more, for ever."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            if not await self.drop_released():
                await anyio.sleep(_PAUSE)
                self._wake.set()

    async def drop_released(self) -> bool:
        """Drop what no record names any more; return whether nothing is left."""
        for name, label in list(self._released):
            try:
                await self._drop(name, label)
            except Exception as error:  # the code of any package
                text = f"a checkpoint of its data stays for now: {safe_text(error)}"
                self.logs.write(name, "warn", text, source="supervisor")
            else:
                self._released.pop((name, label), None)
        return not self._released

    # -- taking ----------------------------------------------------------------------------------

    async def take(self, name: str, still: Still = _at_once) -> DataCheckpoint:
        """Copy a component's data as it is when `still` returns.

        Raises:
            CheckpointFailed: A block could not; there is no copy.
        """
        label = _new_label()
        try:
            await self._take(name, label, still, tuple(self._blocks.items()))
            self._step("data.taken")
            return await self._described(name, label)
        except BaseException:
            await self._discard(name, label)
            raise

    async def _take(
        self, name: str, label: str, still: Still, blocks: Sequence[tuple[str, Snapshots]]
    ) -> None:
        """Let each block copy what it has, the next one within the moment of the one before."""
        if not blocks:
            await still()
            return
        (block, snapshots), *others = blocks
        has_come = False

        async def moment() -> None:
            nonlocal has_come
            if not has_come:
                has_come = True
                await self._take(name, label, still, others)

        with _naming(name, block):
            await snapshots.take(name, label, moment)
            await moment()  # for a block that has forgotten to ask

    @asynccontextmanager
    async def kept(self, name: str) -> AsyncGenerator[DataCheckpoint]:
        """Copy a component's data while it goes on; the copy goes if the block fails.

        Raises:
            CheckpointFailed: A block could not; there is no copy.
        """
        taken = await self.take(name)
        try:
            yield taken
        except BaseException:
            if taken.label not in self._registry.labels(name):
                await self._discard(name, taken.label)
            raise

    # -- working on other data -------------------------------------------------------------------

    @asynccontextmanager
    async def other_data(
        self, name: str, source: DataCheckpoint | None, still: Still = _at_once
    ) -> AsyncGenerator[DataCheckpoint]:
        """Give a component a copy to work on inside the block, and set its data aside.

        The block ends with a write of the name's record that no longer has `set_aside`; if it fails
        instead, the data is put back, and the record says so.

        Args:
            name: The component.
            source: The checkpoint to copy; None for the present data.
            still: Returns when the component does not write; it must not until the block ends.

        Yields:
            What was set aside: the checkpoint of the version that has run.

        Raises:
            CheckpointFailed: A copy could not be made; nothing changed.
            DataNotRestored: The block failed, and then the data could not be put back.
        """
        working, aside = _new_label(), _new_label()
        try:
            await self._copy(name, working, source, still)
            await self._set_aside(name, working, aside)
            yield await self._described(name, aside)
        except BaseException:
            with anyio.CancelScope(shield=True):
                try:
                    await self.put_back(name)
                finally:
                    await self._discard(name, working)
            raise

    async def _copy(
        self, name: str, label: str, source: DataCheckpoint | None, still: Still
    ) -> None:
        if source is None:
            await self._take(name, label, still, tuple(self._blocks.items()))
        else:
            for block, snapshots in self._blocks.items():
                with _naming(name, block):
                    await snapshots.copy(name, source.label, label)
            await still()
        self._step("data.copied")

    async def _set_aside(self, name: str, working: str, aside: str) -> None:
        record = replace(self._registry.get(name), set_aside=aside)
        await self._ledger.put("checkpoint", record, checkpoint=aside)
        for block, snapshots in self._blocks.items():
            with _naming(name, block):
                await snapshots.exchange(name, working, aside)
            self._step("data.exchanged")

    async def put_back(self, name: str) -> bool:
        """Make the data what the active version has left, if a change did not end.

        Returns:
            Whether something was put back.

        Raises:
            DataNotRestored: A block could not; the record still says what is set aside.
        """
        record = self._registry.find(name)
        if record is None or not record.set_aside:
            return False
        for block, snapshots in self._blocks.items():
            try:
                await snapshots.exchange(name, record.set_aside, None)
            except Exception as error:  # the code of any package
                raise DataNotRestored(name, record.active, block, safe_text(error)) from error
            self._step("data.put-back")
        restored = replace(self._registry.get(name), set_aside="")
        await self._ledger.put("restore-data", restored, checkpoint=record.set_aside)
        self._meters.add(DATA_RESTORED, name)
        return True

    async def _put_back_or_tell(self, record: ComponentRecord) -> None:
        try:
            await self.put_back(record.name)
        except DataNotRestored as error:
            self.logs.write(record.name, "error", str(error), source="supervisor")
        else:
            text = (
                "the host ended while another version worked on its data; the data is again what "
                f"{record.migrate_from or record.active} has left"
            )
            self.logs.write(record.name, "warn", text, source="supervisor")

    # -- looking ---------------------------------------------------------------------------------

    async def compare(self, name: str, label: str, most: int) -> Mapping[str, SnapshotDifference]:
        """Count how the present data differs from a checkpoint, by the noun of what differs.

        Raises:
            CheckpointFailed: A block could not look.
        """
        found: dict[str, SnapshotDifference] = {}
        for block, snapshots in self._blocks.items():
            with _naming(name, block):
                if await snapshots.size(name, label) is not None:
                    found[snapshots.noun] = await snapshots.compare(name, label, most)
        return found

    async def missing(self, name: str, label: str) -> tuple[str, ...]:
        """Return the blocks that have nothing of a checkpoint: their data would stay.

        Raises:
            CheckpointFailed: A block could not look.
        """
        found: list[str] = []
        for block, snapshots in self._blocks.items():
            with _naming(name, block):
                if await snapshots.size(name, label) is None:
                    found.append(block)
        return tuple(found)

    def handled_since(self, name: str, label: str) -> tuple[int, bool]:
        """Return how many messages a component has handled since a checkpoint.

        Returns:
            The number, and whether there may have been more: it was started since.
        """
        ref = self._ref_of(name)
        known, handled = self._handled.get(label, (None, 0))
        if ref is None:
            return 0, True
        return (ref.handled - handled, False) if known is ref else (ref.handled, True)

    async def _described(self, name: str, label: str) -> DataCheckpoint:
        content: dict[str, int] = {}
        size_bytes = 0
        for block, snapshots in self._blocks.items():
            with _naming(name, block):
                size = await snapshots.size(name, label)
            if size is not None:
                content[snapshots.noun] = content.get(snapshots.noun, 0) + size.items
                size_bytes += size.size_bytes
        ref = self._ref_of(name)
        if ref is not None:
            self._handled[label] = ref, ref.handled
        data_format = self._registry.get(name).data_format
        return DataCheckpoint(label, self._clock(), size_bytes, content, data_format)

    # -- dropping --------------------------------------------------------------------------------

    async def _discard(self, name: str, label: str) -> None:
        """Drop what did not come to be used; what cannot be dropped now is dropped later."""
        self._release(name, (label,))
        with anyio.CancelScope(shield=True):
            await self.drop_released()

    async def _drop(self, name: str, label: str) -> None:
        self._handled.pop(label, None)
        for snapshots in self._blocks.values():
            await snapshots.drop(name, label)

    def _release(self, name: str, labels: Iterable[str]) -> None:
        for label in labels:
            self._released[name, label] = None
            self._wake.set()

    def _note_change(self, name: str, released: Iterable[str]) -> None:
        self._release(name, released)
        record = self._registry.find(name)
        if record is not None:
            self._count(record)

    def _count(self, record: ComponentRecord) -> None:
        held = [each.checkpoint for each in record.versions if each.checkpoint is not None]
        if held or record.name in self._counted:
            self._counted.add(record.name)
            self._meters.set(CHECKPOINTS_HELD, record.name, len(held))
            self._meters.set(CHECKPOINT_BYTES, record.name, sum(each.size_bytes for each in held))


def _new_label() -> str:
    return secrets.token_hex(8)


@contextmanager
def _naming(name: str, block: str) -> Generator[None]:
    """Turn any error of a block into one that names the block."""
    try:
        yield
    except CheckpointFailed:
        raise
    except Exception as error:  # the code of any package
        raise CheckpointFailed(name, block, safe_text(error) or type(error).__name__) from error
