"""The share of one core that the page takes: its tables, every two seconds and written as JSON.

The clock of the tables is moved on by hand, so that a run of a few seconds has minutes of looks. It
counts the processor time of the loop's thread: the looks, the health report every ten seconds, the
rates, and the JSON of all frames that differ from those before. A tenth of the components handle
a message between two looks. Prints the share for one page and for ten.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict

import anyio
from airswasm.actor import ActorSystem
from airswasm.monitoring import PARTS, AlertSettings, Frame, Monitor
from airswasm.monitoring._watching.watching import Watching

COMPONENTS = 1_000
LOOKS = 50
WARM_UP = 5
INTERVAL = 2.0


async def main(count: int = COMPONENTS) -> None:
    """Measure with `count` actors."""
    async with ActorSystem() as system:
        names = [f"bench/n{number}" for number in range(count)]
        for name in names:
            await system.started(system.spawn(lambda *_: None, name=name))
        monitor = Monitor(system, alerts=AlertSettings())
        for readers in (1, 10):
            share, size = await _share(system, monitor, names, readers)
            print(
                f"{count:,} components, {readers:>2} pages: {share * 100:5.2f} % of a core, "
                f"{size / 1024:7.1f} KiB of frames a second"
            )
        monitor.close()


async def _share(
    system: ActorSystem, monitor: Monitor, names: list[str], readers: int
) -> tuple[float, float]:
    """Return the processor time, and the bytes, of a second of watching."""
    now = spent = 0.0
    watching = Watching(system, monitor.history, monitor.look_at_health, clock=lambda: now)
    parts = [part for part in PARTS if part != "receipts"]
    size = 0

    async def take_look(frames: AsyncGenerator[Frame]) -> None:
        """Read until the next look begins."""
        nonlocal size
        async for frame in frames:
            size += len(json.dumps(asdict(frame), ensure_ascii=False, default=str))
            if frame.part == "host":
                return

    async with AsyncExitStack() as stack:
        pages = [watching.read(parts, interval=0.0) for _ in range(readers)]
        for page in pages:
            await stack.enter_async_context(aclosing(page))
        for look in range(-WARM_UP, LOOKS):
            if look == 0:
                spent, size = 0.0, 0
            now += INTERVAL
            for name in names[look % 10 :: 10]:
                system.broker.tell(name, b"x")
            for name in names[look % 10 :: 10]:
                await system.actors[name].drain(60)
            begun = time.thread_time()
            for page in pages:
                await take_look(page)
            spent += time.thread_time() - begun
    return spent / (LOOKS * INTERVAL), size / (LOOKS * INTERVAL)


if __name__ == "__main__":
    anyio.run(main, *map(int, sys.argv[1:]))
