"""The time in which no version of a component could handle a message, while it is switched.

    python bench/switching.py [--switches N] [--rate MESSAGES] [--updates]

Paced messages come all the time. Then the component is rolled back and forth between two versions
(`--updates`: each switch is an update to a new version instead). The gap is that of the events:
from the end of the old version's last message until the new one may have the next, `shutdown`
included. Beside it stands what a sender sees: the longest time of one message in the same time with
switches and without, in one run. On a busy machine both grow together.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from _guests import GUESTS, make
from airswasm.actor import ActorSystem, EventKind, LifecycleEvent
from airswasm.lifecycle import Package, System
from airswasm.security import PrivateKey, generate_key

NAME = "bench/switched"
WORLD = """
    import storage; import logging;
    export handler; export lifecycle; export health;
}"""
MANIFEST = """
[component]
name = "bench/switched"
version = "0.{number}.0"
[limits]
memory = "1 MiB"
[capabilities]
storage.read = ["everything"]
storage.write = ["everything"]
"""


def package(number: int, wasm: bytes, key: PrivateKey) -> Package:
    files = {"Component.toml": MANIFEST.format(number=number).encode(), "component.wasm": wasm}
    return Package.from_files(files).sign(key, sequence=number)


@dataclass
class Watch:
    """The gaps between two incarnations."""

    gaps: list[float] = field(default_factory=list)
    since: float | None = None

    def note(self, event: LifecycleEvent) -> None:
        if event.name != NAME:
            return
        if event.kind is EventKind.STOPPING:
            self.since = time.perf_counter()
        elif event.kind is EventKind.READY and self.since is not None:
            self.gaps.append(time.perf_counter() - self.since)
            self.since = None


@dataclass
class Senders:
    """Messages at a rate, each with the time until its answer."""

    system: System
    rate: int
    times: list[float] = field(default_factory=list)
    failed: int = 0

    async def send(self) -> None:
        started = time.perf_counter()
        try:
            await self.system.send(NAME, b"e", timeout=30)
        except Exception:  # counted; a bench that ended here would hide how many
            self.failed += 1
        self.times.append(time.perf_counter() - started)

    async def during(self, work: Callable[[], Awaitable[None]]) -> list[float]:
        """Return the times of the messages that were sent while `work` ran."""
        self.times = []
        is_over = False

        async def pace() -> None:
            due = time.perf_counter()
            while not is_over:
                due += 1 / self.rate
                group.start_soon(self.send)
                await anyio.sleep(max(0.0, due - time.perf_counter()))

        async with anyio.create_task_group() as group:
            group.start_soon(pace)
            await work()
            is_over = True
        return sorted(self.times)


async def main(switches: int, rate: int, *, updates: bool) -> None:
    key = generate_key()
    with tempfile.TemporaryDirectory(prefix="airswasm-switching-") as name:
        folder = Path(name)
        text = (GUESTS / "guest.wat").read_text().replace("@VERSION@", "0.1.0")
        for word in ("INIT", "MIGRATE", "HEALTH", "EAGER"):
            text = text.replace(f"@{word}@", "0")
        wasm = make(text.replace("@PAGES@", "1"), WORLD, folder)
        async with System(folder / "home") as system:
            await system.install(package(1, wasm, key), approve=lambda _plan: True)
            await system.update(package(2, wasm, key), approve=lambda _plan: True)
            watch, senders = Watch(), Senders(system, rate)
            listening = system.services.get(ActorSystem).events.listen(watch.note)

            async def switch() -> None:
                for number in range(switches):
                    if updates:
                        newer = package(number + 3, wasm, key)
                        await system.update(newer, approve=lambda _plan: True)
                    else:
                        await system.rollback(NAME, f"0.{number % 2 + 1}.0")
                    await anyio.sleep(0.05)

            gc.collect()
            gc.freeze()  # a collection of what a start leaves takes 50 ms, whatever is measured
            started = time.perf_counter()
            with_switches = await senders.during(switch)
            took = time.perf_counter() - started
            without = await senders.during(lambda: anyio.sleep(took))
            listening.cancel()
    gaps = sorted(watch.gaps)
    assert len(gaps) == switches, gaps
    print(
        f"{len(gaps)} {'updates' if updates else 'rollbacks'} under "
        f"{len(with_switches) / took:,.0f} messages a second: "
        f"no handler for {statistics.median(gaps) * 1e3:.3f} ms, "
        f"at most {gaps[-1] * 1e3:.3f} ms"
    )
    for words, times in (("with", with_switches), ("without", without)):
        most = times[len(times) * 99 // 100]
        print(
            f"{words} switches: {len(times):,} messages, "
            f"median {statistics.median(times) * 1e3:.2f} ms, 99 % within {most * 1e3:.2f} ms, "
            f"longest {times[-1] * 1e3:.2f} ms"
        )
    print(f"messages that failed: {senders.failed}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--switches", type=int, default=40)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--updates", action="store_true")
    given = parser.parse_args()
    anyio.run(lambda: main(given.switches, given.rate, updates=given.updates))
