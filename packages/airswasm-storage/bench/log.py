"""Appends of many senders that wait for the disk, against bare RocksDB batches with sync."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import anyio
import rocksdict
from airswasm.storage import open_store

SENDERS, EACH, ROUNDS = 64, 50, 3
PAYLOAD = b"x" * 100


def bare(folder: Path) -> float:
    """Entries in a second: one batch for all senders, one wait for each batch."""
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    waiting = rocksdict.WriteOptions()
    waiting.sync = True
    database = rocksdict.Rdict(str(folder), options)
    start = time.perf_counter()
    for number in range(EACH):
        batch = rocksdict.WriteBatch(raw_mode=True)
        for sender in range(SENDERS):
            batch.put(b"%d/%d" % (number, sender), PAYLOAD)
        database.write(batch, waiting)
    elapsed = time.perf_counter() - start
    database.close()
    return SENDERS * EACH / elapsed


async def ours(folder: Path, engine: str) -> float:
    """Entries in a second: each sender waits for its own."""
    async with open_store(folder, engine) as store:
        log = store.log("orders")

        async def send() -> None:
            for _ in range(EACH):
                await log.append(PAYLOAD)

        start = time.perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(SENDERS):
                group.start_soon(send)
        return SENDERS * EACH / (time.perf_counter() - start)


async def consumed(folder: Path) -> float:
    """Entries in a second through append, delivery and acknowledgement, one consumer."""
    async with open_store(folder) as store:
        log = store.log("orders")
        consumer = await log.consumer("billing")
        start = time.perf_counter()
        for _ in range(EACH):
            await log.extend([PAYLOAD] * SENDERS)
            entries = await consumer.receive()
            await consumer.acknowledge(*(entry.number for entry in entries))
        return SENDERS * EACH / (time.perf_counter() - start)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        for turn in range(ROUNDS):
            base = bare(folder / f"bare{turn}")
            for engine in ("rocksdb", "sqlite"):
                speed = anyio.run(ours, folder / f"{engine}{turn}", engine)
                print(f"{engine:8} {speed:8.0f} appends/s  {speed / base:5.2f} of bare RocksDB")
            speed = anyio.run(consumed, folder / f"consumed{turn}")
            print(f"consumed {speed:8.0f} entries/s  {speed / base:5.2f} of bare RocksDB")


if __name__ == "__main__":
    main()
