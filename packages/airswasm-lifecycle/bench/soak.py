"""Hostile components beside honest ones: memory stays flat, and the honest ones' books balance.

    python bench/soak.py [--each 50] [--rounds 1000000] [--minutes 60]

Half of the components trap, spin, hoard, flood their logs, and ask for what was not granted, in an
order that chance decides; those that are given up are started again. The others keep a count in
their storage, one message at a time: each answer must be one more than the one before, whatever
happens beside it. The process, its open files, and the host's accounts are looked at after each
round; the run fails if they grow from the first half to the second.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from _guests import guest
from airswasm.actor import ActorError
from airswasm.lifecycle import LifecycleError, Package, System
from airswasm.runtime import HostMemory
from airswasm.security import PrivateKey, generate_key

ORDERS = b"tsgoklr"
"""Trap, spin, grow, write what was not granted, log and spin, log, refuse."""
SETTINGS = """\
[dead-letters]
size = "4 MiB"
[replay]
total = "4 MiB"
"""
"""What a host may keep of the past, so small that it is full after the first minutes.

By default a host keeps up to 64 MiB of dead letters, which takes a soak like this longer than an
hour: what grows all the same would not show.
"""
MOST_GROWN_MB = 30.0
_MB = 2**20
_PATIENCE = 120.0
"""Seconds: a busy machine is no fault of a component."""


def package(wasm: bytes, key: PrivateKey) -> Package:
    manifest = """[component]
name = "local/soak"
version = "0.1.0"
[limits]
memory = "16 MiB"
timeout = "60 s"
fuel = 20_000_000
[capabilities]
storage.read = ["everything"]
storage.write = ["count", "migrated"]
"""
    files = {"Component.toml": manifest.encode(), "component.wasm": wasm}
    return Package.from_files(files).sign(key, sequence=1)


@dataclass
class Books:
    """What was seen, round by round."""

    resident: list[float] = field(default_factory=list[float])
    open_files: list[int] = field(default_factory=list[int])
    kept: list[int] = field(default_factory=list[int])
    answers: int = 0
    wrong: list[str] = field(default_factory=list[str])
    faults: int = 0
    revived: int = 0

    def look(self, memory: HostMemory) -> None:
        gc.collect()
        if sys.platform == "linux":
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.resident.append(pages * os.sysconf("SC_PAGE_SIZE") / _MB)
            self.open_files.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))
        self.kept.append(memory.held_bytes)

    def problems(self) -> list[str]:
        """Return what is wrong with them."""
        found = self.wrong[:5]
        for name, most, series in (
            ("MB of memory", MOST_GROWN_MB, self.resident),
            ("open files", 8.0, self.open_files),
            ("bytes on accounts", 1.0 * _MB, self.kept),
        ):
            if len(series) >= 4:
                half = len(series) // 2
                early = statistics.median(series[half // 2 : half])
                late = statistics.median(series[-half // 2 :])
                if late - early > most:
                    found.append(f"{late - early:,.1f} {name} more: {early:,.1f} to {late:,.1f}")
        return found


async def honest(system: System, name: str, counts: dict[str, int], books: Books) -> None:
    for _ in range(10):
        counts[name] = (counts[name] + 1) % 256
        answer = await system.send(name, b"c", timeout=_PATIENCE)
        books.answers += 1
        if answer != bytes([counts[name]]):
            books.wrong.append(f"{name} answered {answer!r}, not {counts[name]}")
            counts[name] = answer[0] if answer else 0


async def hostile(system: System, name: str, chance: random.Random, books: Books) -> None:
    for order in chance.choices(ORDERS, k=5):
        try:
            await system.send(name, bytes([order]) * chance.choice((1, 100, 10_000)), _PATIENCE)
        except (ActorError, LifecycleError):
            books.faults += 1
    if system.component_status(name).state in ("given up", "failed"):
        with suppress(LifecycleError):
            await system.restart(name)
            books.revived += 1


async def soak(home: Path, wasm: bytes, each: int, rounds: int, seconds: float) -> Books:
    """Run, and return what was seen."""
    books, chance, until = Books(), random.Random(1), time.monotonic() + seconds
    async with System(home) as system:
        made = package(wasm, generate_key())
        good = [f"local/good-{number}" for number in range(each)]
        bad = [f"local/bad-{number}" for number in range(each)]
        await system.install_many(made, [*good, *bad], approve=lambda _plan: True)
        counts = dict.fromkeys(good, 0)
        memory = system.services.get(HostMemory)
        for _ in range(rounds):
            async with anyio.create_task_group() as group:
                for name in good:
                    group.start_soon(honest, system, name, counts, books)
                for name in bad:
                    group.start_soon(hostile, system, name, chance, books)
            books.look(memory)
            if time.monotonic() > until:
                break
        restarts = sum(system.component_status(name).restarts for name in good)
        if restarts:
            books.wrong.append(f"honest components restarted {restarts} times")
    return books


def main() -> None:
    """Soak, print what was seen, and exit with 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=50, help="hostile ones, and honest ones")
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="airswasm-soak-") as name:
        folder = Path(name)
        (folder / "guest").mkdir()
        wasm = guest(folder / "guest")
        (folder / "home").mkdir(mode=0o700)
        (folder / "home" / "config.toml").write_text(SETTINGS, "utf-8")
        run = (folder / "home", wasm, asked.each, asked.rounds, 60 * asked.minutes)
        books = anyio.run(soak, *run)
    print(
        f"{len(books.kept):,} rounds: {books.answers:,} answers of honest components, "
        f"{books.faults:,} faults, {books.revived:,} started again"
    )
    if books.resident:
        eighths = [books.resident[at * (len(books.resident) - 1) // 8] for at in range(9)]
        print(f"memory: {', '.join(f'{each:.0f}' for each in eighths)} MB from the first round to "
              f"the last, in eighths; {books.open_files[-1]} open files")  # fmt: skip
    problems = books.problems()
    for problem in problems:
        print(f"wrong: {problem}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
