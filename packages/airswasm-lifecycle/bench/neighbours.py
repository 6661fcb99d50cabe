"""A component beside one that makes its host work: how much longer its answers take.

    python bench/neighbours.py [--rounds 6] [--seconds 0.5]

Each attack runs by turns with the quiet host. A client asks the neighbour some two hundred times a
second: once for an echo, and once for a count that is kept in storage, which waits for the disk.
For an echo, the processor time of the event loop's thread from question to answer counts, which
others on the machine do not change much: its median may be three times the quiet one. For a count,
the clock counts: while the neighbour waits for the disk, the loop's thread works for the attacker.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import anyio
from _guests import attacker, guest
from airswasm.actor import ActorError
from airswasm.lifecycle import Configuration, LimitPolicy, Package, System
from airswasm.security import generate_key

ATTACKS = {
    b"f": "fields.has",
    b"v": "fields.set",
    b"c": "check",
    b"p": "poll",
    b"l": "log",
    b"d": "denials",
    b"z": "bodies",
    b"h": "hoarding",
    b"s": "computing",
}
FUEL = 10**12
QUIET = "quiet"
ASKED = {b"e": "echo", b"c": "count"}
_MOST = 3.0

Times = dict[tuple[str, str], list[tuple[float, float]]]


def package(wasm: bytes, name: str, fuel: int) -> Package:
    manifest = f"""[component]
name = "{name}"
version = "0.1.0"
[limits]
memory = "4 MiB"
timeout = "30 s"
fuel = {fuel}
[capabilities]
storage.read = ["count"]
storage.write = ["count"]
[supervision]
intensity = 100
[supervision.backoff]
initial = 0.001
"""
    files = {"Component.toml": manifest.encode(), "component.wasm": wasm}
    return Package.from_files(files).sign(generate_key(), sequence=1)


async def ask(system: System, label: str, seconds: float, times: Times) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for payload, asked in ASKED.items():
            wall, cpu = time.perf_counter(), time.thread_time()
            await system.send("local/good", payload)
            spent = time.thread_time() - cpu, time.perf_counter() - wall
            times[label, asked].append(spent)
            await anyio.sleep(0.005)


async def attack(system: System, order: bytes) -> None:
    while True:
        try:
            await system.send("local/evil", order, timeout=60)
        except ActorError:
            await anyio.sleep(0.01)


async def measure(home: Path, evil: bytes, good: bytes, rounds: int, seconds: float) -> Times:
    times: Times = defaultdict(list)
    settings = Configuration.of(LimitPolicy(fuel=FUEL))
    async with System(home, configuration=settings) as system:
        for wasm, name in ((good, "local/good"), (evil, "local/evil")):
            await system.install(package(wasm, name, 10**9), approve=lambda _plan: True)
        for _ in range(rounds):
            for order, label in ATTACKS.items():
                await ask(system, QUIET, seconds / len(ATTACKS), times)
                async with anyio.create_task_group() as group:
                    group.start_soon(attack, system, order)
                    await anyio.sleep(0.1)
                    await ask(system, label, seconds, times)
                    group.cancel_scope.cancel()
                await system.stop("local/evil", kill=True)
                with suppress(ActorError):
                    await system.start("local/evil")
    return times


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def show(times: Times) -> bool:
    """Print the figures; return whether each median is within the limit."""
    is_within = True
    for asked in ASKED.values():
        quiet = [statistics.median(each) for each in zip(*times[QUIET, asked], strict=True)]
        print(f"{asked:10} {'':6} {'processor, µs':>28} {'clock, µs':>30}")
        for label in (QUIET, *ATTACKS.values()):
            line = f"  {label:10} {len(times[label, asked]):5}"
            for column, base in zip(zip(*times[label, asked], strict=True), quiet, strict=True):
                p50, p90, p99 = (percentile(list(column), share) for share in (0.5, 0.9, 0.99))
                line += f"  p50 {p50 * 1e6:5.0f} ({p50 / base:3.1f}x)"
                line += f" p90 {p90 * 1e6:5.0f} p99 {p99 * 1e6:6.0f}"
            print(line)
            if asked == "echo":
                processor = statistics.median(each for each, _ in times[label, asked])
                is_within &= processor <= _MOST * quiet[0]
    return is_within


def main() -> None:
    """Measure, print, and exit with 1 if a neighbour takes three times as long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=0.5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="airswasm-neighbours-") as name:
        folder = Path(name)
        guests = [make(folder) for make in (attacker, guest)]
        times = anyio.run(measure, folder / "home", *guests, asked.rounds, asked.seconds)
    raise SystemExit(not show(times))


if __name__ == "__main__":
    main()
