"""Instances: how fast they start, and what 10,000 or 100,000 of them cost while they wait.

Run: python bench/waiting.py [number]
"""

from __future__ import annotations

import resource
import sys
import threading
import time
from pathlib import Path

import anyio
from _guest import microseconds_async, probe_host, probe_wasm
from airswasm.runtime import (
    Call,
    Caller,
    CallState,
    Engine,
    EngineConfig,
    Limits,
    LinkedComponent,
    Pending,
)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def page_table_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmPTE:"))


def mappings() -> int:
    return Path("/proc/self/maps").read_bytes().count(b"\n")


async def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    config = EngineConfig.dense()
    pending: list[Pending] = []

    def wait(_caller: Caller, _ms: int) -> Pending:
        pending.append(Pending())
        return pending[-1]

    for label, each in (("bridged", EngineConfig()), ("plain", EngineConfig(bridge_bytes=False))):
        async with Engine(each) as engine:
            small = (await engine.load(probe_wasm())).link([probe_host()])

            async def begin(small: LinkedComponent = small) -> None:
                (await small.instantiate(caller=Caller("bench"))).close()

            print(f"instantiate and close: {await microseconds_async(begin):.1f} us, {label}")
    async with Engine(config) as engine:
        host = probe_host(wait=wait)
        linked = (await engine.load(probe_wasm())).link([host])
        limits = Limits(timeout=600)

        async def start() -> None:
            (await linked.instantiate(caller=Caller("bench"), limits=limits)).close()

        print(f"instantiate and close: {await microseconds_async(start):.1f} us, dense")
        before, tables, mapped = resident_bytes(), page_table_bytes(), mappings()
        started = time.perf_counter()
        calls: list[Call] = []
        woken: list[Call] = []
        for _ in range(number):
            instance = await linked.instantiate(caller=Caller("bench"), limits=limits)
            call = instance.start(instance.function("#nap"), (1,), woken.append)
            assert call.poll() is CallState.WAITING
            calls.append(call)
        seconds = time.perf_counter() - started
        each = (resident_bytes() - before) / number / 1024
        print(
            f"{number:,} guests wait: {each:.1f} KiB each and "
            f"{(page_table_bytes() - tables) / number / 1024:.1f} KiB of page tables, "
            f"{threading.active_count()} thread(s), {mappings() - mapped:,} mappings, "
            f"{seconds / number * 1e6:.0f} us each to start and park"
        )
        for waiting in pending:
            waiting.resolve(1)
        started = time.perf_counter()
        assert all(call.poll() is CallState.DONE and call.result() == 1 for call in calls)
        print(f"all woken and done: {(time.perf_counter() - started) / number * 1e6:.0f} us each")


anyio.run(main)
