"""Work through what is long in a worker thread, a bounded step at a time.

Between two steps a cancel is noticed, so that counting a namespace of a million keys can be given
up at once. Rejected: one call in a thread, which a cancel has to wait for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import TypeVar

import anyio.to_thread

__all__ = ("in_steps",)

_STEP_ITEMS = 2_048

_Item = TypeVar("_Item")


async def in_steps(items: Iterator[_Item]) -> AsyncIterator[list[_Item]]:
    """Yield small items by the list, each list taken in a worker thread."""
    while part := await anyio.to_thread.run_sync(lambda: list(islice(items, _STEP_ITEMS))):
        yield part
