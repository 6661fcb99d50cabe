"""The cost of recording messages, and of replaying them.

    python bench/recording.py            # ratios of one run
    python bench/recording.py 1000000    # so many recorded messages: memory and store stay flat

Compares processor time of a message to a component whose messages are recorded with one to the same
component whose messages are not: one that echoes, and one that reads and writes a key.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import anyio
from airswasm.lifecycle import Configuration, Package, System
from airswasm.storage import Store
from airswasm.wit import Blocks

sys.path.insert(0, str(Path(__file__).parent))
from _guests import guest

ROUNDS, MESSAGES = 9, 2_000
PLAIN, RECORDED = "bench/plain", "bench/recorded"
MANIFEST = """
[component]
name = "bench/plain"
version = "0.1.0"
[capabilities]
storage.read = ["everything"]
storage.write = ["everything"]
"""
SETTINGS = f"""
[replay]
record = ["{RECORDED}"]
[storage]
durability = "os"
[host]
mode = "development"
"""


async def processor_time(system: System, name: str, payload: bytes, count: int) -> float:
    """Return the processor seconds of one message."""
    began = time.process_time()
    for _ in range(count):
        await system.send(name, payload)
    return (time.process_time() - began) / count


def resident() -> int:
    """Return the bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def compare(system: System) -> None:
    for what, payload in (("echo", b"e" + bytes(99)), ("read and write", b"c")):
        ratios: list[float] = []
        costs: list[float] = []
        for _ in range(ROUNDS):
            plain = await processor_time(system, PLAIN, payload, MESSAGES)
            recorded = await processor_time(system, RECORDED, payload, MESSAGES)
            ratios.append(recorded / plain)
            costs.append((recorded - plain) * 1e6)
        print(
            f"{what}: recorded {statistics.median(ratios):.2f} times a message that is not, "
            f"{statistics.median(costs):.1f} µs more"
        )
    began = time.perf_counter()
    report = await system.recordings.replay(RECORDED)
    seconds = time.perf_counter() - began
    print(
        f"replay of {report.messages} messages with two versions: {seconds:.2f} s "
        f"({report.compared} compared, {report.diverged} differ)"
    )


async def flood(system: System, count: int) -> None:
    step = max(1, count // 5)
    for done in range(0, count, step):
        await processor_time(system, RECORDED, b"e" + bytes(99), step)
        found = system.recordings.get(RECORDED)
        print(
            f"{done + step:>9,} messages: {resident() / 2**20:.0f} MiB resident, "
            f"{found.messages} kept, {found.size_bytes / 1024:.0f} KiB, "
            f"{system.services.get(Store).lost_writes} lost"
        )


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {"Component.toml": MANIFEST.encode(), "component.wasm": guest(folder)}
        package = Package.from_files(files)
        configuration = Configuration.parse(SETTINGS, Blocks.find())
        async with System(folder / "home", configuration=configuration) as system:
            for each in (PLAIN, RECORDED):
                await system.install(package, name=each, approve=lambda _plan: True)
            if len(sys.argv) > 1:
                await flood(system, int(sys.argv[1]))
            else:
                await compare(system)


anyio.run(main)
