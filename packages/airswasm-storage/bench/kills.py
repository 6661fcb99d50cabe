"""Kill a writing host again and again, and compare what is left with what was acknowledged.

`python bench/kills.py [KILLS]`; 200 for each durable engine by default. The test of the suite does
the same a few times.
"""

from __future__ import annotations

import random
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import anyio
from airswasm.storage import Durability, installed_engines, open_store
from airswasm.storage.testing._disk_tests import WRITER, Said, run_and_kill

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
ENGINES = tuple(name for name in installed_engines() if name != "memory")


async def kill(engine: str, durability: Durability, times: int) -> None:
    chance, start, began = random.Random(1), 0, time.monotonic()
    acknowledged = 0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder, script = Path(name) / "store", Path(name) / "writer.py"
        script.write_text(textwrap.dedent(WRITER))
        for _ in range(times):
            command = [sys.executable, str(script), str(folder), engine, durability, str(start)]
            said = Said(run_and_kill(command, chance.randint(20, 400)))
            async with open_store(folder, engine) as store:
                await said.check(store)
                assert store.lost_writes == 0
            start = max(start, *said.values.values())
            acknowledged += len(said.entries)
    print(
        f"{engine:8} {durability:4} {times} kills, {acknowledged} acknowledged appends and "
        f"{start} rounds of values: nothing lost, usage equals a recount "
        f"({time.monotonic() - began:.0f} s)",
        flush=True,
    )


async def main() -> None:
    for engine in ENGINES:
        for durability in ("sync", "os"):
            await kill(engine, durability, KILLS // 2)


if __name__ == "__main__":
    anyio.run(main)
