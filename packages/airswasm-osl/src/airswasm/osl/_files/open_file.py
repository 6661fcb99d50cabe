"""The `open-file` resource: a file that a component reads and writes in parts.

Opening is checked, and the open file ends with the grants that opened it. A file that replaces
another has no name until it is committed, and vanishes when it is dropped without.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TypeVar

from airswasm.runtime import Caller, Holding

from .._effects import RunningEffect
from .._system_errors import system_error
from ..errors import AccessDenied, Malformed
from .held import Held, write_all
from .naming import FileInfo, told
from .tree import Place

__all__ = ("READ_AT_MOST_BYTES", "OpenFile", "OpenFiles", "as_record")

T = TypeVar("T")

READ_AT_MOST_BYTES = 8 * 1024 * 1024
_LARGEST = 2**62


class OpenFiles:
    """The files that one instance holds open, through every interface; they close when it ends."""

    def __init__(self) -> None:
        self._open: dict[int, Callable[[], None]] = {}
        self._last = 0

    @classmethod
    def of(cls, caller: Caller, most: int) -> OpenFiles:
        """Return the caller's files, if one more may be open.

        Raises:
            OSError: `EMFILE`.
        """

        def made() -> OpenFiles:
            files = cls()
            caller.on_close(files._close)
            return files

        files = caller.keep(cls, made)
        if len(files._open) >= most:
            raise system_error("EMFILE", f"{most} files are open, which is the limit")
        return files

    def add(self, close: Callable[[], None]) -> Callable[[], None]:
        """Count one more open file.

        Args:
            close: Closes it; called when the instance ends.

        Returns:
            A function to call when it closes otherwise.
        """
        self._last += 1
        key = self._last
        self._open[key] = close

        def closed() -> None:
            self._open.pop(key, None)

        return closed

    def _close(self) -> None:
        for close in list(self._open.values()):
            close()


class OpenFile:
    """One open file of a component.

    Args:
        place: Where it is.
        held: The host's descriptor.
        is_readable: Whether it was opened to read.
        is_writable: Whether it was opened to write.
        replacing: For a file that replaces another: gives it the name.

    Attributes:
        holding: Keeps it on the instance's account.
        effect: The record of what is read and written.
        on_close: What to do when it closes.
    """

    def __init__(
        self,
        place: Place,
        held: Held,
        *,
        is_readable: bool,
        is_writable: bool,
        replacing: Callable[[], None] | None = None,
    ) -> None:
        self._place = place
        self._held = held
        self._is_readable = is_readable
        self._is_writable = is_writable
        self._replacing = replacing
        self._denial: str | None = None
        self._failure: BaseException | None = None
        self._running = 0
        self._is_closed = False
        self.holding: Holding | None = None
        self.effect: RunningEffect | None = None
        self.on_close = contextlib.ExitStack()

    async def read(self, caller: Caller, offset: int, max_bytes: int) -> bytes:
        """Return at most `max_bytes` from `offset`, and no more than the guest has room for.

        Raises:
            OslError: See `errors`.
        """
        self._check(self._is_readable, "reading")
        at_most_bytes = min(max_bytes, READ_AT_MOST_BYTES, caller.message_bytes)
        if self._denial is not None:
            raise AccessDenied(self._denial)
        with told(self._place.path):
            content = await self._place.read(self._held, at_most_bytes, min(offset, _LARGEST))
        if self.effect is not None:
            self.effect.received(len(content))
        return content

    async def write(self, _caller: Caller, offset: int, content: bytes) -> None:
        """Write at an offset; a cancel waits for the end of it.

        Raises:
            OslError: See `errors`.
        """
        self._check(self._is_writable, "writing")
        await self._done(lambda fd: self._write(fd, content, min(offset, _LARGEST)))
        self._sent(content)

    async def append(self, _caller: Caller, content: bytes) -> int:
        """Write at the end, and return the new size.

        Raises:
            OslError: See `errors`.
        """
        self._check(self._is_writable, "writing")

        def append(fd: int) -> int:
            end = os.fstat(fd).st_size
            self._write(fd, content, end)
            return end + len(content)

        end = await self._done(append)
        self._sent(content)
        return end

    async def set_size(self, _caller: Caller, size_bytes: int) -> None:
        """Cut the file, or lengthen it by zeroes.

        Raises:
            OslError: See `errors`.
        """
        self._check(self._is_writable, "writing")

        def resize(fd: int) -> None:
            with self._place.folder.grown(fd, size_bytes):
                os.ftruncate(fd, size_bytes)

        await self._done(resize)

    async def sync(self, _caller: Caller) -> None:
        """Wait until the disk has what was written.

        Raises:
            OslError: See `errors`.
        """
        await self._done(os.fsync)

    async def info(self, _caller: Caller) -> object:
        """Return its metadata.

        Raises:
            OslError: See `errors`.
        """
        return as_record(await self._done(lambda fd: FileInfo.of(os.fstat(fd))))

    async def commit(self, _caller: Caller) -> None:
        """Give the file its name, as one step, once the disk has its content.

        Raises:
            OslError: See `errors`; it was not opened to replace another, or has its name already.
        """
        replacing = self._replacing
        if replacing is None:
            raise Malformed(f"{self._place.path}: there is nothing to commit")

        def commit(fd: int) -> None:
            os.fsync(fd)
            replacing()

        await self._done(commit)
        self._replacing = None

    def end(self, denial: str) -> None:
        """Close it because its grant ended."""
        self._denial = denial
        self._failure = AccessDenied(denial, "grants")
        self.close()

    def close(self) -> None:
        """Close it at once, and remove it if it has no name yet. Closing twice is harmless."""
        self._is_closed = True
        self._held.close()
        if not self._running:  # a thread may still need what a replacement holds open
            self.on_close.close()
            if self.holding is not None:
                self.holding.release()
            if self.effect is not None:
                self.effect.end(self._failure)

    def _sent(self, content: bytes) -> None:
        if self.effect is not None:
            self.effect.sent(len(content))

    def _write(self, fd: int, content: bytes, offset: int) -> None:
        with self._place.folder.grown(fd, offset + len(content)):
            write_all(fd, content, offset)

    def _check(self, is_open_so: bool, what: str) -> None:
        if not is_open_so:
            raise Malformed(f"{self._place.path}: it was not opened for {what}")

    async def _done(self, operation: Callable[[int], T]) -> T:
        def done() -> T:
            with told(self._place.path), self._held.using() as fd:
                return operation(fd)

        if self._denial is not None:
            raise AccessDenied(self._denial)
        self._running += 1
        try:
            return await self._place.run(done)
        finally:
            self._running -= 1
            if self._is_closed:
                self.close()


def as_record(info: FileInfo) -> dict[str, object]:
    """Return metadata as the record `file-info`."""
    return {"kind": info.kind, "size_bytes": info.size_bytes, "modified_ns": info.modified_ns}
