"""Batches with quotas, gets and sets among many keys, scans and a checkpoint; ratios of one run.

`python bench/batches.py [KEYS [ENGINE ...]]`; by default a million keys, and all engines that are
installed.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import rocksdict
from airswasm.storage import Durability, Namespace, Store, installed_engines, open_store

KEYS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
BATCH, ROUNDS = 500, 20
VALUE = b"v" * 100
SAMPLES = 20_000
ENGINES = sys.argv[2:] or [name for name in installed_engines() if name != "memory"]


def bare(folder: Path) -> rocksdict.Rdict:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    return rocksdict.Rdict(str(folder), options)


async def batches(folder: Path, engine: str, durability: Durability) -> None:
    """Time batches of both by turns, and print the median of the ratios."""
    waiting = rocksdict.WriteOptions()
    waiting.sync = durability == "sync"
    database = bare(folder / "bare")
    ratios, speeds = [], []
    async with open_store(folder / engine, engine, durability=durability) as store:
        space = store.namespace("local/hello", quota_bytes=2**40, quota_keys=2**40)
        for turn in range(ROUNDS):
            keys = [f"row/{turn * BATCH + number:07}" for number in range(BATCH)]
            start = time.perf_counter()
            batch = rocksdict.WriteBatch(raw_mode=True)
            for key in keys:
                batch.put(key.encode(), VALUE)
            database.write(batch, waiting)
            middle = time.perf_counter()
            await space.batch(dict.fromkeys(keys, VALUE))
            end = time.perf_counter()
            ratios.append((middle - start) / (end - middle))
            speeds.append(BATCH / (end - middle))
    database.close()
    print(
        f"{engine:8} {durability:4} batches of {BATCH}: {statistics.median(speeds):9.0f} keys/s, "
        f"{statistics.median(ratios):5.2f} of bare RocksDB"
    )


async def fill(space: Namespace) -> None:
    for start in range(0, KEYS, BATCH):
        await space.batch({f"row/{n:07}": VALUE for n in range(start, min(start + BATCH, KEYS))})


def timed(work: Callable[[str], object]) -> list[float]:
    """Return the microseconds of one call each, sorted."""
    chance, taken = random.Random(1), []
    for _ in range(SAMPLES):
        key = f"row/{chance.randrange(KEYS):07}"
        start = time.perf_counter()
        work(key)
        taken.append((time.perf_counter() - start) * 1e6)
    return sorted(taken)


def show(name: str, taken: list[float]) -> None:
    middle, high = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    print(f"{name:28} p50 {middle:8.1f} us   p99 {high:8.1f} us")


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await work()
    return time.perf_counter() - start


async def many_keys(store: Store, engine: str) -> None:
    space = store.namespace("local/hello", quota_bytes=2**40)
    await fill(space)
    show(f"{engine} get of {KEYS} keys", timed(space.read))
    show(f"{engine} set of {KEYS} keys", timed(lambda k: space.write({k: VALUE}, lambda _: None)))

    async def scan() -> None:
        after: str | None = None
        for _ in range(10_000 // store.limits.page_entries + 1):
            after = space.read_page("row/", after).next

    print(f"{engine} scan of 10,000 keys: {await seconds(scan) * 1e3:.1f} ms")


async def checkpoint(store: Store, engine: str) -> None:
    space = store.namespace("local/large", quota_bytes=2**40)
    for start in range(0, 1_000, 4):
        await space.batch({f"k{n:04}": random.randbytes(100_000) for n in range(start, start + 4)})
    taken = await seconds(lambda: space.checkpoints.create("one"))
    print(f"{engine} checkpoint of 100 MB in 1,000 keys: {taken:.2f} s")


async def main() -> None:
    for engine in ENGINES:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            for durability in ("os", "sync"):
                await batches(Path(folder) / durability, engine, durability)
            async with open_store(Path(folder) / "many", engine, durability="os") as store:
                await many_keys(store, engine)
                await checkpoint(store, engine)


if __name__ == "__main__":
    anyio.run(main)
