"""Read and write long streams: a file, a standard stream, or an answer, in constant memory."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

__all__ = ("opened_input", "opened_output", "read_chunks", "streamed")

T = TypeVar("T")

_CHUNK_BYTES = 256 * 1024
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


@asynccontextmanager
async def streamed(items: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T]]:
    """Close an answer that comes in parts, also when its parts cannot be written any more.

    Else the event loop closes it when it ends, while a connection is half read.
    """
    if isinstance(items, AsyncGenerator):
        async with aclosing(cast("AsyncGenerator[T]", items)):
            yield items
    else:
        yield items


@contextmanager
def opened_input(file: Path) -> Generator[BinaryIO]:
    """Open a file to read; `-` is standard input."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with file.open("rb") as source:
        yield source


async def read_chunks(
    source: BinaryIO, progress: Callable[[int], None] = lambda _: None
) -> AsyncIterator[bytes]:
    """Yield what a file holds; call `progress` with the bytes so far."""
    import anyio.to_thread

    read = 0
    while chunk := await anyio.to_thread.run_sync(_read, source, abandon_on_cancel=True):
        read += len(chunk)
        progress(read)
        yield chunk


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(_CHUNK_BYTES)
    except OSError as error:
        error.filename = source.name
        raise


@contextmanager
def opened_output(file: Path) -> Generator[BinaryIO]:
    """Open a file that is written whole or not at all; `-` is standard output.

    A device, a pipe or the target of a link is written directly. Another file can be read back
    before it takes its place, and two commands that write the same one do not meet: the last to
    end has it.
    """
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if file.is_symlink() or (file.exists() and not file.is_file()):
        with file.open("wb") as target:
            yield target
        return
    try:
        descriptor, name = tempfile.mkstemp(prefix=".airswasm-", suffix=".partial", dir=file.parent)
    except OSError as error:
        error.filename = str(file)
        raise
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        partial.replace(file)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:  # a write does not name its file
            error.filename = str(file)
        raise
