"""The ratios that airswasm-storage promises.

What a namespace adds to reading, writing and scanning RocksDB.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from airswasm.storage import Namespace, RocksStore
from paired import Promise, Promises, Work, times
from rocksdict import Options, Rdict

VALUE = bytes(100)
ROWS = 100
STORES = 4
"""Reads go round several stores: where RocksDB happens to lay one out is 10 % of a read's cost."""


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:
    """Give the promises."""
    async with AsyncExitStack() as stack:
        spaces = []
        for number in range(STORES):
            store = RocksStore(folder / f"store-{number}", durability="os")
            await stack.enter_async_context(store)
            spaces.append(await _filled(store.namespace("local/hello")))
        bare = [_bare(folder / f"bare-{number}") for number in range(STORES)]
        yield _promises(spaces, bare)
        for each in bare:
            each.close()


async def _filled(space: Namespace) -> Namespace:
    for number in range(ROWS):
        await space.set(f"row/{number:03}", VALUE)
    return space


def _bare(folder: Path) -> Rdict:
    opened = Rdict(str(folder), Options(raw_mode=True))
    for number in range(ROWS):
        opened[b"row/%03d" % number] = VALUE
    return opened


def _promises(spaces: list[Namespace], bare: list[Rdict]) -> Promises:
    places = itertools.cycle([(space, f"row/{n:03}") for n in range(ROWS) for space in spaces])
    bare_places = itertools.cycle([(each, b"row/%03d" % n) for n in range(ROWS) for each in bare])

    def read() -> None:
        space, key = next(places)
        space.read(key)

    def get() -> None:
        opened, key = next(bare_places)
        opened[key]

    def put() -> None:
        bare[0][b"row/000"] = VALUE

    async def write(count: int) -> None:
        for _ in range(count):
            await spaces[0].set("row/000", VALUE)

    def walk() -> None:
        for number, _ in enumerate(bare[0].items(from_key=b"row/")):
            if number == ROWS - 1:
                break

    return {
        "read": Promise(Work(times(read), time.thread_time), Work(times(get), time.thread_time)),
        "write": Promise(Work(write, count=200), Work(times(put))),
        "page": Promise(
            Work(times(lambda: spaces[0].read_page("row/", None, ROWS))), Work(times(walk))
        ),
    }
