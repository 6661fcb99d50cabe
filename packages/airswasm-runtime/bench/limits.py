"""Two computing guests on two cores, the loop's lateness beside them, and deadlines under load.

What two cores give depends on who else is on the machine, so two processes that do
nothing but count are measured between the rounds: no guests can do better.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time

import anyio
from _guest import probe_host, probe_wasm
from airswasm.runtime import Caller, DeadlineExceeded, Engine, Limits, Pending

ROUNDS = 300_000_000
FREE = Limits(fuel=2**60, timeout=120)
COUNT = "sum(range(25_000_000))"


def counted(processes: int) -> float:
    """Seconds until so many processes have counted."""
    started = time.perf_counter()
    children = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(processes)]
    for child in children:
        child.wait()
    return time.perf_counter() - started


async def main() -> None:
    async with Engine() as engine:
        host = probe_host(wait=lambda _caller, _ms: Pending())
        linked = (await engine.load(probe_wasm())).link([host])

        async def spin() -> None:
            instance = await linked.instantiate(caller=Caller("bench"), limits=FREE)
            await instance.call("#spin", ROUNDS)

        late: list[float] = []

        async def watch() -> None:
            while True:
                due = time.perf_counter() + 0.005
                await anyio.sleep(0.005)
                late.append((time.perf_counter() - due) * 1000)

        guests, machine = [], []
        for _ in range(5):
            machine.append(2 * counted(1) / counted(2))
            started = time.perf_counter()
            await spin()
            alone = time.perf_counter() - started
            async with anyio.create_task_group() as group:
                group.start_soon(watch)
                started = time.perf_counter()
                async with anyio.create_task_group() as pair:
                    pair.start_soon(spin)
                    pair.start_soon(spin)
                guests.append(2 * alone / (time.perf_counter() - started))
                group.cancel_scope.cancel()
        p99 = statistics.quantiles(late, n=100)[98]
        print(
            f"two spinning guests: {statistics.median(guests):.2f}x the work of one (two processes "
            f"without guests: {statistics.median(machine):.2f}x); "
            f"a timer is late by {p99:.1f} ms at the 99th percentile"
        )
        await deadlines(linked)


async def deadlines(linked) -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            sum(range(100))

    threads = [threading.Thread(target=busy, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for path in ("#spin", "#nap"):
        took = []
        for _ in range(15):
            caller, limits = Caller("bench"), Limits(fuel=2**60, timeout=0.05)
            try:
                instance = await linked.instantiate(caller=caller, limits=limits)
                started = time.perf_counter()
                await instance.call(path, 10**9)
            except DeadlineExceeded:
                took.append((time.perf_counter() - started) * 1000)
        print(
            f"a deadline of 50 ms in {path} beside four busy Python threads: "
            f"median {statistics.median(took):.0f} ms, at most {max(took):.0f} ms"
        )
    stop.set()


anyio.run(main)
