"""A scrape of many components, and how long one turn of the event loop takes meanwhile.

Prints processor times of the loop's thread, in milliseconds: of looking at all components and
writing their figures down at once, and the longest turn while a scrape does the same.
"""

from __future__ import annotations

import sys
import time

import anyio
import anyio.lowlevel
from airswasm.actor import ActorSystem
from airswasm.monitoring import Monitor

COMPONENTS = 10_000


async def main(count: int = COMPONENTS) -> None:
    """Measure with `count` actors."""
    async with ActorSystem() as system:
        for number in range(count):
            await system.started(system.spawn(lambda *_: None, name=f"bench/n{number}"))
            system.broker.tell(f"bench/n{number}", b"x")
        monitor = Monitor(system)
        turns: list[float] = []

        async def ask() -> None:
            while True:
                before = time.thread_time()
                await system.broker.ask("bench/n1", b"x", timeout=60)
                await anyio.lowlevel.checkpoint()
                turns.append(time.thread_time() - before)

        begun = time.thread_time()
        monitor.metrics.render()
        at_once = time.thread_time() - begun
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.sleep(0.1)
            quiet = max(turns)
            turns.clear()
            await monitor.metrics.scrape()
            tasks.cancel_scope.cancel()
        print(f"{count:,} components at once:  {at_once * 1e3:8.1f} ms in one turn")
        print(f"a scrape of them:       {max(turns) * 1e3:8.1f} ms in its longest turn")
        print(f"without a scrape:       {quiet * 1e3:8.1f} ms")
        monitor.close()


if __name__ == "__main__":
    anyio.run(main, *map(int, sys.argv[1:]))
