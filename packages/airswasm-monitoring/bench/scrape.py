"""A scrape of many components, and how long one turn of the event loop takes meanwhile.

Prints processor times of the loop's thread, in milliseconds: of looking at all components and
writing their figures down at once, and the longest turn while a scrape does the same. Then the
processor time of the whole process for a scrape, and for one evaluation of the default alert rules,
with the time that messages take meanwhile, which depends on what else the machine does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
from airswasm.actor import ActorSystem
from airswasm.monitoring import AlertSettings, Monitor

COMPONENTS = 10_000
ROUNDS = 5


sys.setswitchinterval(0.0001)  # as the first engine of a host does


async def main(count: int = COMPONENTS) -> None:
    """Measure with `count` actors."""
    async with ActorSystem() as system:
        for number in range(count):
            await system.started(system.spawn(lambda *_: None, name=f"bench/n{number}"))
            system.broker.tell(f"bench/n{number}", b"x")
        monitor = Monitor(system, alerts=AlertSettings())
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
        for what, work in (
            ("nothing", anyio.lowlevel.checkpoint),
            ("a scrape", monitor.metrics.scrape),
            ("the alert rules", monitor.alerts.evaluate if monitor.alerts else None),
        ):
            if work is not None:
                await _beside(system, what, work)
        monitor.close()


async def _beside(system: ActorSystem, what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Print what some work costs, and how long messages take meanwhile."""
    asked: list[float] = []

    async def ask() -> None:
        while True:
            before = time.perf_counter()
            await system.broker.ask("bench/n1", b"x", timeout=60)
            asked.append(time.perf_counter() - before)
            await anyio.sleep(0.0005)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.sleep(0.1)
        asked.clear()
        busy, begun = time.process_time(), time.perf_counter()
        for _ in range(ROUNDS):
            await work()
        busy, lasted = time.process_time() - busy, time.perf_counter() - begun
        if len(asked) < 100:
            await anyio.sleep(0.5)
        tasks.cancel_scope.cancel()
    asked.sort()
    slow = asked[int(len(asked) * 0.99)]
    print(
        f"{what:>16}: {busy / ROUNDS * 1e3:7.1f} ms of processor, {lasted / ROUNDS * 1e3:7.1f} ms; "
        f"a message meanwhile: {asked[len(asked) // 2] * 1e3:5.2f} ms, of 100 one {slow * 1e3:5.2f}"
    )


if __name__ == "__main__":
    anyio.run(main, *map(int, sys.argv[1:]))
