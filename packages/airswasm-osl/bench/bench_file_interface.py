"""What files cost through the guarded interface, against the same in bare Python.

Prints the processor time of the whole process, threads included, for one call: the best of several
rounds, and the ratio, all of one run.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import anyio
from airswasm.osl import BLOCK, OslPolicy, folders_below, provide
from airswasm.runtime import Caller, Services
from airswasm.security import Grants, Guard, Kinds
from airswasm.wit import contract

ROUNDS = 7
VERBS = ("read", "write", "delete", "list")


def plainly(times: int, call: Callable[[], object]) -> float:
    """Microseconds of one call."""
    taken: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            call()
        taken.append((time.process_time() - started) / times * 1e6)
    return min(taken)


async def through(times: int, call: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of one call of a component."""
    taken: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            await call()
        taken.append((time.process_time() - started) / times * 1e6)
    return min(taken)


async def main() -> None:
    """Compares reading and writing 4 KiB and 1 MiB."""
    base = Path(tempfile.mkdtemp())
    allow = {f"filesystem:{verb}": ("/**",) for verb in VERBS}
    guard = Guard(Kinds(BLOCK.capabilities), {"local/a": Grants(allow)})
    services = Services()
    services.add(Guard, guard)
    services.add(OslPolicy, OslPolicy(folders_below(base)))
    offered = next(each for each in provide(services) if "component/filesystem" in each.name)
    functions = cast("Any", guard.guarded(offered, contract()).functions)
    caller, path = Caller("local/a"), base / "local/a/f"
    caller.message_bytes = 2**24
    for name, size, times in (("4 KiB", 4096, 300), ("1 MiB", 2**20, 20)):
        await compare(functions, caller, path, (name, size, times))


async def compare(
    functions: dict[str, Any], caller: Caller, path: Path, case: tuple[str, int, int]
) -> None:
    """Compare the calls on a file of one size."""
    name, size, times = case
    content = bytes(size)
    await functions["write"](caller, "/f", content)
    opened = (await functions["open-to-update"](caller, "/f")).value
    fd = os.open(path, os.O_RDWR)

    def replace() -> None:
        new = path.with_name("new")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    on = "[method]open-file."
    rows: dict[str, tuple[Callable[[], Awaitable[object]], Callable[[], object]]] = {
        "read": (lambda: functions["read"](caller, "/f", 0, size), path.read_bytes),
        "replace": (lambda: functions["write"](caller, "/f", content), replace),
        "read of an open file": (
            lambda: functions[f"{on}read"](caller, opened, 0, size),
            lambda: os.pread(fd, size, 0),
        ),
        "write of an open file": (
            lambda: functions[f"{on}write"](caller, opened, 0, content),
            lambda: os.pwrite(fd, content, 0),
        ),
        "stat": (lambda: functions["stat"](caller, "/f"), path.stat),
    }
    for what, (ours, bare) in rows.items():
        turns = max(3, times // 10) if what == "replace" else times
        taken, base_taken = await through(turns, ours), plainly(turns, bare)
        ratio = taken / base_taken
        print(f"{what:22} {name}  {taken:8.1f} µs  bare {base_taken:8.1f} µs  {ratio:5.1f}x")
    os.close(fd)


if __name__ == "__main__":
    anyio.run(main)
