"""Long operations on a large namespace: their time, and how long they hold the event loop."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
from airswasm.storage import Store, open_store

KEYS, VALUE = 77_000, bytes(range(256)) * 4


async def fill(store: Store, name: str) -> None:
    space = store.namespace(name, quota_bytes=10**10)
    for start in range(0, KEYS, 500):
        await space.batch({f"key/{number:06}": VALUE for number in range(start, start + 500)})


async def timed(name: str, store: Store, operation: Callable[[], Awaitable[object]]) -> None:
    """Run it beside another component that reads and writes, and print what that one felt."""
    neighbour, delays, is_over = store.namespace("neighbour", durability="os"), [], False

    async def live() -> None:
        while not is_over:
            start = time.perf_counter()
            neighbour.write({"k": b"1"}, lambda _: None)
            await anyio.lowlevel.checkpoint()
            delays.append(time.perf_counter() - start)

    async with anyio.create_task_group() as group:
        group.start_soon(live)
        start = time.perf_counter()
        await operation()
        elapsed = time.perf_counter() - start
        is_over = True
    delays.sort()
    print(
        f"{name:12} {elapsed:6.2f} s   neighbour: p50 {delays[len(delays) // 2] * 1e3:5.2f} ms"
        f"  p99 {delays[len(delays) * 99 // 100] * 1e3:5.2f} ms  worst {delays[-1] * 1e3:5.1f} ms"
    )


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 256 * 1024):
        yield content[start : start + 256 * 1024]


async def try_all(store: Store) -> None:
    await fill(store, "a")
    space = store.namespace("a", quota_bytes=10**10)
    exported = b"".join([chunk async for chunk in space.export()])
    await timed("checkpoint", store, lambda: space.checkpoints.create("one"))
    await timed("restore", store, lambda: space.checkpoints.restore("one"))
    await timed("replace", store, lambda: space.load(pieces(exported), replace=True))
    await timed("merge", store, lambda: space.load(pieces(exported)))
    await timed("prefix", store, lambda: space.delete_prefix("key/00"))
    await timed("purge", store, lambda: store.purge("a"))
    await timed("sweep", store, lambda: anyio.sleep(3))


async def main() -> None:
    print(f"{KEYS} keys, {KEYS * len(VALUE) / 1e6:.0f} MB")
    for engine in ("rocksdb", "sqlite"):
        print(engine)
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            async with open_store(Path(folder) / "store", engine) as store:
                await try_all(store)


if __name__ == "__main__":
    anyio.run(main)
