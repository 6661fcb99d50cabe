"""The cost of durability, and the gain of sharing the wait for the disk; one run, ratios."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anyio
from airswasm.storage import Durability, RocksStore, SqliteStore, Store

ALONE, TOGETHER = 100, 5_000
OpenStore = Callable[[Path, Durability], Store]


async def alone(store: Store) -> float:
    """Microseconds for one write after the other."""
    space = store.namespace("local/hello")
    start = time.perf_counter()
    for number in range(ALONE):
        await space.set("count", b"%d" % number)
    return (time.perf_counter() - start) / ALONE * 1e6


async def together(store: Store) -> tuple[float, int]:
    """Microseconds for each of many writes at once, and how often the disk was waited for."""
    before = store.syncs

    async def one(number: int) -> None:
        await store.namespace(f"local/n{number}").set("count", b"1")

    start = time.perf_counter()
    async with anyio.create_task_group() as group:
        for number in range(TOGETHER):
            group.start_soon(one, number)
    return (time.perf_counter() - start) / TOGETHER * 1e6, store.syncs - before


async def reading(store: Store) -> float:
    """Microseconds for one inline read."""
    space = store.namespace("local/hello")
    await space.set("count", b"1")
    start = time.perf_counter()
    for _ in range(10_000):
        space.read("count")
    return (time.perf_counter() - start) / 10_000 * 1e6


async def measure(name: str, open_store: OpenStore, durability: Durability) -> float:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        async with open_store(Path(folder) / "store", durability) as store:
            single = await alone(store)
            shared, syncs = await together(store)
            read = await reading(store)
    print(
        f"{name:8} {durability:5} alone {single:8.0f} us  together {shared:6.0f} us "
        f"({TOGETHER} writes, {syncs} waits, {single / shared:5.1f} times)  read {read:5.2f} us"
    )
    return single


async def main() -> None:
    backends: dict[str, OpenStore] = {
        "rocksdb": lambda path, durability: RocksStore(path, durability=durability),
        "sqlite": lambda path, durability: SqliteStore(path, durability=durability),
    }
    for name, open_store in backends.items():
        sync = await measure(name, open_store, "sync")
        os = await measure(name, open_store, "os")
        print(
            f"{name:8} one durable write costs {sync / os:.0f} times one that survives a kill only"
        )


if __name__ == "__main__":
    anyio.run(main)
