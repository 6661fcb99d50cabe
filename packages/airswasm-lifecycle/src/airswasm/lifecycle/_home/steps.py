"""Long work off the event loop: an iterator whose items are taken in a worker thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import TypeVar

import anyio.to_thread

__all__ = ("in_thread",)

T = TypeVar("T")


async def in_thread(items: Iterator[T]) -> AsyncGenerator[T, None]:
    """Yield the items of an iterator that blocks; a cancel takes effect between two of them.

    Close it with `contextlib.aclosing`.
    """
    while (taken := await anyio.to_thread.run_sync(_take, items)) is not None:
        yield taken[0]


def _take(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
