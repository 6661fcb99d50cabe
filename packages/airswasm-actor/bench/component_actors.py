"""Component actors: what delivering costs over a bare call, and ten thousand of them.

Prints medians of one run. `--quick` takes a tenth of everything; `--figures` prints the messages'
times as JSON.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
from airswasm.actor import ActorRef, ActorSystem, ComponentActor
from airswasm.runtime import Caller, Engine, LinkedComponent
from airswasm.wit.names import HANDLE_MESSAGE

ROUNDS = 25
PAYLOAD = bytes(100)
ECHO_WAT = Path(__file__).parent / "echo.wat"


def resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


async def round_time(run: Callable[[int], Awaitable[None]], count: int) -> float:
    """Seconds of CPU in the loop's thread: a busy machine takes turns, which is not our cost."""
    gc.collect()
    start = time.thread_time()
    await run(count)
    return (time.thread_time() - start) / count


async def compare_with_bare_call(linked: LinkedComponent, count: int) -> None:
    instance = await linked.instantiate(caller=Caller("bench/echo"))
    function = instance.function(HANDLE_MESSAGE)
    async with ActorSystem() as system:
        ref = system.spawn(ComponentActor(linked, "bench/echo"))
        await system.started(ref)

        async def bare(count: int) -> None:
            for _ in range(count):
                await instance.call(function, "host", None, PAYLOAD)

        async def tell(count: int) -> None:
            for _ in range(count // 500):
                for _ in range(500):
                    ref.tell(PAYLOAD)
                await ref.drain(60)

        async def ask(count: int) -> None:
            for _ in range(count):
                await ref.ask(PAYLOAD)

        times: dict[str, list[float]] = {"bare call": [], "delivered": [], "ask": []}
        for _ in range(ROUNDS):  # one after the other, so that all see the same machine
            for name, run in (("bare call", bare), ("delivered", tell), ("ask", ask)):
                times[name].append(await round_time(run, count))
    medians = {name: statistics.median(each) for name, each in times.items()}
    if "--figures" in sys.argv:
        print(json.dumps({f"component {name}": seconds * 1e9 for name, seconds in medians.items()}))
        return
    for name, seconds in medians.items():
        print(f"  {name:10} {seconds * 1e6:8.1f} us")
    pairs = zip(times["delivered"], times["bare call"], strict=True)
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    print(f"  a message delivered is {ratio:.2f} times the bare call (at most 1.3)")


async def many(linked: LinkedComponent, count: int) -> None:
    for number in range(10 if count >= 10_000 else 3):
        before = resident_bytes()
        async with ActorSystem() as system:
            start = time.perf_counter()
            refs: list[ActorRef] = []
            for _ in range(count):
                refs.append(system.spawn(ComponentActor(linked, "bench/echo")))
            for ref in refs:
                await system.started(ref)
            spawned = time.perf_counter()
            size = resident_bytes() - before
            for ref in refs:
                ref.tell(PAYLOAD)
            for ref in refs:
                assert await ref.drain(60)
            messaged = time.perf_counter()
            for ref in refs:
                await system.stop(ref)
            stopped = time.perf_counter()
            assert system.books().handled == count
        print(
            f"  round {number}: {count:,} actors: spawn {spawned - start:.2f} s "
            f"({size / count / 1000:.1f} kB each), a message each {messaged - spawned:.2f} s, "
            f"stop {stopped - messaged:.2f} s"
        )


async def main() -> None:
    from wasmtime import wat2wasm

    scale = 10 if "--quick" in sys.argv else 1
    async with Engine() as engine:
        component = await engine.load(bytes(wat2wasm(ECHO_WAT.read_text())), name="echo")
        linked = component.link([])
        await compare_with_bare_call(linked, 1_000)
        if "--figures" not in sys.argv:
            await many(linked, 10_000 // scale)


if __name__ == "__main__":
    anyio.run(main)
