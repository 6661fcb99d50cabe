"""Kill a writing host again and again, and compare what is left with what was acknowledged.

`python bench/kills.py [KILLS]`; 200 for each durable engine by default. The test of the suite does
the same a few times. Writers and checks are forks of this process, which opens no store itself, so
that a kill costs milliseconds. POSIX only.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import anyio
from airswasm.storage import Durability, installed_engines, open_store
from airswasm.storage.testing._disk_tests import WRITER, Said

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
ENGINES = sys.argv[2:] or [name for name in installed_engines() if name != "memory"]
WRITE = compile(textwrap.dedent(WRITER), "writer", "exec")


def fork(work: Callable[[], None]) -> int:
    """Do something in a process of its own; return its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def write_and_die(folder: Path, engine: str, durability: Durability, start: int) -> Said:
    """Let a process write, kill it after some lines, and return all that it was told."""
    reading, writing = os.pipe()

    def write() -> None:
        os.dup2(writing, 1)
        sys.argv = ["writer", str(folder), engine, durability, str(start)]
        exec(WRITE, {"__name__": "writer"})

    child = fork(write)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        lines = [told.readline() for _ in range(random.randint(20, 400))]
        os.kill(child, signal.SIGKILL)
        lines += told.read().split(b"\n")[:-1]
    os.waitpid(child, 0)
    return Said([line.decode().split() for line in lines])


def check(said: Said, folder: Path, engine: str) -> None:
    """Compare with what is there; fail the run if anything differs."""

    async def compare() -> None:
        async with open_store(folder, engine) as store:
            await said.check(store)
            assert store.lost_writes == 0

    _, status = os.waitpid(fork(lambda: anyio.run(compare)), 0)
    if status:
        sys.exit(f"{engine}: what is left is not what was acknowledged")


def kill(engine: str, durability: Durability, times: int) -> None:
    start, appended, began = 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name) / "store"
        for turn in range(times):
            said = write_and_die(folder, engine, durability, start)
            check(said, folder, engine)
            start = max(start, *said.values.values())
            appended += len(said.entries)
            if turn % 25 == 24:
                print(f"{engine} {durability}: {turn + 1} kills", file=sys.stderr, flush=True)
    print(
        f"{engine:8} {durability:4} {times} kills, {appended} acknowledged appends, {start} rounds "
        f"of values: nothing lost, usage equals a recount ({time.monotonic() - began:.0f} s)",
        flush=True,
    )


def main() -> None:
    for engine in ENGINES:
        for durability in ("sync", "os"):
            kill(engine, durability, KILLS // 2)


if __name__ == "__main__":
    main()
