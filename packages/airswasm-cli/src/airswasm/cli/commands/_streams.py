"""Read and write long streams of bytes: a file, or a standard stream, in constant memory."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ("opened_input", "opened_output", "read_chunks")

_CHUNK_BYTES = 256 * 1024


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
    while chunk := await anyio.to_thread.run_sync(
        source.read, _CHUNK_BYTES, abandon_on_cancel=True
    ):
        read += len(chunk)
        progress(read)
        yield chunk


@contextmanager
def opened_output(file: Path) -> Generator[BinaryIO]:
    """Open a file that is written whole or not at all; `-` is standard output.

    A device, a pipe or the target of a link is written directly. Another file can be read back
    before it takes its place.
    """
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if file.is_symlink() or (file.exists() and not file.is_file()):
        with file.open("wb") as target:
            yield target
        return
    partial = file.with_name(f".{file.name}.partial")
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
