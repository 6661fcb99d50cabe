"""Durable sends of 64 senders that wait for the disk, against bare RocksDB batches with sync.

python bench/durable.py [ROUNDS]          the rates, interleaved, on one disk
python bench/durable.py waiting [COUNT]   COUNT messages (a million) to a target that is stopped
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import anyio
import rocksdict
from airswasm.actor import ActorSystem, Context, Message
from airswasm.messaging import Delivery, DurableDelivery, DurableSettings, Messenger
from airswasm.storage import open_store

SENDERS, EACH = 64, 200
PAYLOAD = b"x" * 100
NAME = "bench/sink"


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


async def by_callback(folder: Path, *, has_target: bool) -> tuple[float, float]:
    """Messages in a second, and processor time for each: each sender sends when its last is in."""
    async with open_store(folder) as store, ActorSystem() as actors:
        delivery = DurableDelivery(store, actors)
        delivery.open()
        delivery.declare(NAME, Delivery(messages=10**6))
        handled = 0
        over = anyio.Event()

        def receive(_message: Message, _context: Context) -> None:
            nonlocal handled
            handled += 1

        if has_target:
            actors.spawn(receive, name=NAME)
        left = SENDERS

        def sender() -> None:
            count = 0

            def go_on(error: BaseException | None) -> None:
                nonlocal count, left
                assert error is None
                count += 1
                if count <= EACH:
                    actors.broker.submit(NAME, PAYLOAD, go_on)
                    return
                left -= 1
                if not left:
                    over.set()

            go_on(None)

        start, used = time.perf_counter(), time.process_time()
        for _ in range(SENDERS):
            sender()
        await over.wait()
        if has_target:
            while handled < SENDERS * EACH:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        elapsed = time.perf_counter() - start
        delivery.close()
        return SENDERS * EACH / elapsed, (time.process_time() - used) / (SENDERS * EACH) * 1e6


async def by_task(folder: Path) -> float:
    """Messages in a second: a task for each sender, which waits with `Messenger.send`."""
    async with open_store(folder) as store, ActorSystem() as actors:
        delivery = DurableDelivery(store, actors)
        delivery.open()
        delivery.declare(NAME, Delivery(messages=10**6))
        messenger = Messenger(actors.broker, codec="none")

        async def send() -> None:
            for _ in range(EACH):
                await messenger.send(NAME, PAYLOAD)

        start = time.perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(SENDERS):
                group.start_soon(send)
        elapsed = time.perf_counter() - start
        delivery.close()
        return SENDERS * EACH / elapsed


async def waiting(folder: Path, count: int) -> None:
    """Send to a target that is stopped, and then let it handle all; print the memory."""
    async with open_store(folder) as store, ActorSystem() as actors:
        delivery = DurableDelivery(store, actors, DurableSettings(messages=count, size=2**40))
        delivery.open()
        delivery.declare(NAME, Delivery(messages=count, size_bytes=2**40))
        messenger = Messenger(actors.broker, codec="none")
        start, sent = time.perf_counter(), 0

        async def send() -> None:
            nonlocal sent
            while sent < count:
                sent += 1
                await messenger.send(NAME, PAYLOAD)
                if sent % (count // 10) == 0:
                    print(f"{sent:>9,} sent, {_resident():6.1f} MiB", flush=True)

        print(f"{0:>9} sent, {_resident():6.1f} MiB")
        async with anyio.create_task_group() as group:
            for _ in range(16 * SENDERS):
                group.start_soon(send)
        print(f"accepted {count / (time.perf_counter() - start):,.0f} a second")
        print(delivery.status(NAME))
        handled, start = 0, time.perf_counter()
        over = anyio.Event()

        def receive(_message: Message, _context: Context) -> None:
            nonlocal handled
            handled += 1
            if handled % (count // 10) == 0:
                print(f"{handled:>9,} handled, {_resident():6.1f} MiB", flush=True)
            if handled == count:
                over.set()

        actors.spawn(receive, name=NAME)
        await over.wait()
        print(f"handled {count / (time.perf_counter() - start):,.0f} a second")
        print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f} MiB")
        delivery.close()


def _resident() -> float:
    """Return the process's memory in MiB, where Linux says it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Run what the arguments say."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        if sys.argv[1:2] == ["waiting"]:
            anyio.run(waiting, folder / "store", int((sys.argv[2:] or ["1000000"])[0]))
            return
        for turn in range(int((sys.argv[1:] or ["3"])[0])):
            base = bare(folder / f"bare{turn}")
            print(f"bare      {base:8,.0f} a second")
            for has_target in (False, True):
                rate, used = anyio.run(
                    lambda has_target=has_target, turn=turn: by_callback(
                        folder / f"{turn}{has_target}", has_target=has_target
                    )
                )
                what = "handled  " if has_target else "accepted "
                print(f"{what} {rate:8,.0f} a second  {rate / base:.2f}  {used:.1f} us each")
            rate = anyio.run(by_task, folder / f"tasks{turn}")
            print(f"tasks     {rate:8,.0f} a second  {rate / base:.2f}")


if __name__ == "__main__":
    main()
