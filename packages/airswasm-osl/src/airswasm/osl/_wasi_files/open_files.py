"""Open files of a component: descriptors, streams, listings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from airswasm.runtime import Holding
from airswasm.runtime.wasi import WRITE_PERMIT_BYTES, Always, Pollable, StreamClosed

from .._effects import RunningEffect
from .._files.folder import Folder
from .._files.held import Held, write_all
from .._files.naming import Entry
from .._files.tree import Place
from .codes import Refused, streamed
from .statuses import TYPES

__all__ = (
    "Descriptor",
    "DirectoryEntries",
    "FileInput",
    "FileOutput",
    "using",
    "write_at",
)

T = TypeVar("T")


@dataclass(slots=True)
class Descriptor:
    """The `descriptor` resource: an open file or directory of one component.

    Attributes:
        path: The path below the component's `/`, in canonical form.
        place: Where the file is; None for a directory.
        held: The host's descriptor; None for a directory, which is looked up anew each time: it may
            be renamed meanwhile, and grants are by path.
        flags: The flags of the open.
        on_close: Frees its place in the number of open files.
        holding: Keeps it on the instance's account.
        effect: The record of what is read and written.
    """

    path: str
    place: Place | None
    held: Held | None
    flags: frozenset[str] = frozenset()
    on_close: Callable[[], None] | None = None
    holding: Holding | None = None
    effect: RunningEffect | None = None

    def received(self, size_bytes: int) -> None:
        """Count bytes that were read."""
        if self.effect is not None:
            self.effect.received(size_bytes)

    def sent(self, size_bytes: int) -> None:
        """Count bytes that were written."""
        if self.effect is not None:
            self.effect.sent(size_bytes)

    def file(self, needed: str | None = None) -> Held:
        """Return the open file.

        Raises:
            Refused: It is a directory, or was not opened for `needed`.
        """
        return self.opened(needed)[1]

    def opened(self, needed: str | None = None) -> tuple[Place, Held]:
        """Return the place of the open file, and the file.

        Raises:
            Refused: It is a directory, or was not opened for `needed`.
        """
        if self.held is None or self.place is None:
            raise Refused("is-directory")
        if needed is not None and needed not in self.flags:
            raise Refused("bad-descriptor")
        return self.place, self.held

    def call_on_close(self, *callbacks: Callable[[], None]) -> None:
        """Call these, too, when the file closes."""
        before = self.on_close

        def closed() -> None:
            for each in callbacks:
                each()
            if before is not None:
                before()

        self.on_close = closed

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        if self.held is not None:
            self.held.close()
        if self.on_close is not None:
            on_close, self.on_close = self.on_close, None
            on_close()
        if self.holding is not None:
            self.holding.release()
        if self.effect is not None:
            self.effect.end()


class FileInput:
    """An input stream over an open file.

    Args:
        descriptor: The file.
        offset: The place to read from.

    Raises:
        Refused: It was not opened for reading.
    """

    def __init__(self, descriptor: Descriptor, offset: int) -> None:
        self._descriptor, self._offset = descriptor, offset
        self._place, self._held = descriptor.opened("read")

    async def read(self, max_bytes: int) -> bytes:
        """Return the next bytes; wait for the disk.

        Raises:
            StreamClosed: The file has ended.
            StreamFailed: The disk failed.
        """
        if max_bytes == 0:
            return b""
        data = await streamed(self._place.read(self._held, max_bytes, self._offset))
        if not data:
            raise StreamClosed
        self._offset += len(data)
        self._descriptor.received(len(data))
        return data

    def pollable(self) -> Pollable:
        """Return a pollable that is always ready: a disk answers by itself."""
        return Always()


class FileOutput:
    """An output stream into an open file.

    Args:
        descriptor: The file.
        offset: The place to write to; None appends.

    Raises:
        Refused: It was not opened for writing.
    """

    waits = True

    def __init__(self, descriptor: Descriptor, offset: int | None) -> None:
        self._descriptor, self._offset = descriptor, offset
        self._place, self._held = descriptor.opened("write")

    def permit_bytes(self) -> int:
        """Return a constant: a write that the disk cannot take fails as it happens."""
        return WRITE_PERMIT_BYTES

    async def write(self, data: bytes) -> None:
        """Write all data; wait for the disk.

        Raises:
            StreamFailed: The disk failed, or the file would be too large.
        """
        folder = self._place.folder
        await streamed(self._place.run(lambda: write_at(self._held, folder, data, self._offset)))
        self._descriptor.sent(len(data))
        if self._offset is not None:
            self._offset += len(data)

    def flush(self) -> None:
        """Do nothing: every write is already done."""

    def pollable(self) -> Pollable:
        """Return a pollable that is always ready."""
        return Always()


class DirectoryEntries:
    """The `directory-entry-stream` resource."""

    __slots__ = ("_entries", "_holding")

    def __init__(self, entries: Iterable[Entry], holding: Holding) -> None:
        self._entries = iter(entries)
        self._holding = holding

    def close(self) -> None:
        """Forget the rest."""
        self._entries = iter(())
        self._holding.release()

    def next(self) -> Mapping[str, str] | None:
        """Return the next entry; None after the last."""
        entry = next(self._entries, None)
        return None if entry is None else {"type": TYPES[entry.kind], "name": entry.name}


def write_at(held: Held, folder: Folder, data: bytes, offset: int | None) -> None:
    """Write at an offset, or at the end."""
    with held.using() as fd:
        start = os.fstat(fd).st_size if offset is None else offset
        with folder.grown(fd, start + len(data)):
            write_all(fd, data, start)


def using(held: Held, operation: Callable[..., T], *args: object) -> T:
    with held.using() as fd:
        return operation(fd, *args)
