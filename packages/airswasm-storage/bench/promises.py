"""The ratios that airswasm-storage promises.

What a namespace adds to reading, writing and scanning RocksDB.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from airswasm.storage import RocksStore
from paired import Promise, Promises, Work, times
from rocksdict import Options, Rdict

VALUE = bytes(100)
ROWS = 100


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:
    """Give the promises."""
    bare = Rdict(str(folder / "bare"), Options(raw_mode=True))
    bare[b"component:local/hello:count"] = VALUE
    async with RocksStore(folder / "store", durability="os") as store:
        space = store.namespace("local/hello")
        await space.set("count", VALUE)
        for number in range(ROWS):
            await space.set(f"row/{number:03}", VALUE)
            bare[b"row/%03d" % number] = VALUE

        def put() -> None:
            bare[b"component:local/hello:count"] = VALUE

        async def write(count: int) -> None:
            for _ in range(count):
                await space.set("count", VALUE)

        def walk() -> None:
            for number, _ in enumerate(bare.items(from_key=b"row/")):
                if number == ROWS - 1:
                    break

        # Many keys: where one lies in RocksDB's list is chance, and that is 10 % of its cost.
        keys = itertools.cycle([f"row/{number:03}" for number in range(ROWS)])
        bare_keys = itertools.cycle([b"row/%03d" % number for number in range(ROWS)])
        got = Work(times(lambda: bare[next(bare_keys)]), time.thread_time)
        yield {
            "read": Promise(Work(times(lambda: space.read(next(keys))), time.thread_time), got),
            "write": Promise(Work(write, count=200), Work(times(put))),
            "page": Promise(
                Work(times(lambda: space.read_page("row/", None, ROWS))), Work(times(walk))
            ),
        }
    bare.close()
