"""The cost of keeping data: updates and rollbacks of components with little and much of it.

    python bench/checkpoints.py [--messages 200]

A component gets messages at a rate while its version is switched, and a neighbour too. Printed is
the longest time in which none of its messages was answered, and the neighbour's 99th percentile,
each beside the same without a switch and beside an update without a checkpoint, in one run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from _guests import guest
from airswasm.lifecycle import Configuration, Package, System, UpdateSettings
from airswasm.security import PrivateKey, generate_key
from airswasm.storage import Store

NAME, NEIGHBOUR = "bench/moves", "bench/stays"
_VALUE_BYTES = 64 * 1024
MANIFEST = """
[component]
name = "{name}"
version = "0.{number}.0"
[limits]
memory = "1 MiB"
timeout = "5 s"
fuel = 50_000_000
[capabilities]
storage.read = ["everything"]
storage.write = ["everything"]
"""


@dataclass
class Traffic:
    """Messages to one component, one after the other, and when they were answered."""

    system: System
    name: str
    pause: float
    answered: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            begun = time.perf_counter()
            await self.system.send(self.name, b"e")
            now = time.perf_counter()
            self.answered.append(now)
            self.took.append(now - begun)
            await anyio.sleep(self.pause)

    def clear(self) -> None:
        """Forget what was measured."""
        self.answered.clear()
        self.took.clear()

    def gap(self) -> float:
        """The longest time between two answers, in seconds, less the pause."""
        pairs = zip(self.answered, self.answered[1:], strict=False)
        return max((b - a for a, b in pairs), default=0.0) - self.pause

    def p99(self) -> float:
        """The 99th percentile of the times of a message."""
        return statistics.quantiles(self.took, n=100)[98] if len(self.took) > 2 else 0.0


class Bench:
    """One home with two components."""

    def __init__(self, system: System, key: PrivateKey, wasm: bytes, pause: float) -> None:
        self.system, self._key, self._wasm = system, key, wasm
        self.moves, self.stays = Traffic(system, NAME, pause), Traffic(system, NEIGHBOUR, pause)
        self.number = 1
        self.before = ""

    def package(self, name: str = NAME) -> Package:
        manifest = MANIFEST.format(name=name, number=self.number)
        files = {"Component.toml": manifest.encode(), "component.wasm": self._wasm}
        return Package.from_files(files).sign(self._key, sequence=self.number)

    async def update(self) -> None:
        self.number += 1
        self.before = self.system.info(NAME).version
        await self.system.update(self.package())

    async def go_back(self) -> None:
        await self.system.rollback(NAME, self.before, data="restore")

    async def fill(self, size_bytes: int) -> None:
        space = self.system.services.get(Store).namespace(NAME, quota_bytes=2**40)
        await space.clear()
        for number in range(size_bytes // _VALUE_BYTES):
            await space.set(f"k{number:06}", bytes([number % 256]) * _VALUE_BYTES)

    async def measured(self, work: Callable[[], Awaitable[None]]) -> tuple[float, float, float]:
        """Return the time of the work, the longest gap, and the neighbour's p99."""
        self.moves.clear()
        self.stays.clear()
        await anyio.sleep(0.5)
        begun = time.perf_counter()
        await work()
        took = time.perf_counter() - begun
        await anyio.sleep(0.5)
        return took, self.moves.gap(), self.stays.p99()


async def main(rate: float) -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        wasm, key = guest(Path(folder)), generate_key()
        print(f"{'':34} {'took':>9} {'no answer':>10} {'neighbour p99':>14}")
        for checkpoints in ("never", "migrations"):
            configuration = Configuration.of(UpdateSettings(checkpoints=checkpoints))
            home = Path(folder) / checkpoints
            async with System(home, configuration=configuration) as system:
                bench = Bench(system, key, wasm, 1 / rate)
                await system.install(bench.package(), approve=lambda _plan: True)
                await system.install(bench.package(NEIGHBOUR), approve=lambda _plan: True)
                await rows(bench, checkpoints)


async def rows(bench: Bench, checkpoints: str) -> None:
    """Print the rows of one setting."""
    async with anyio.create_task_group() as group:
        group.start_soon(bench.moves.run)
        group.start_soon(bench.stays.run)
        show("no switch", await bench.measured(lambda: anyio.sleep(1)))
        for megabytes in (0, 1, 100):
            await bench.fill(megabytes * 2**20)
            label = f"update, {megabytes} MB, {checkpoints}"
            show(label, await bench.measured(bench.update))
            if checkpoints != "never":
                show(f"rollback with data, {megabytes} MB", await bench.measured(bench.go_back))
        group.cancel_scope.cancel()


def show(label: str, measured: tuple[float, float, float]) -> None:
    """Print one row."""
    took, gap, p99 = (1_000 * each for each in measured)
    print(f"{label:34} {took:7.0f} ms {gap:7.1f} ms {p99:11.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=float, default=200, help="messages a second")
    anyio.run(main, parser.parse_args().messages)
