"""What a program costs through a component's door, against `subprocess` in bare Python.

Prints medians and ratios, all of one run: absolute times are those of this machine. A program of a
component starts in namespaces of its own, behind Landlock and seccomp, with a supervisor beside it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from subprocess import PIPE, Popen, run

import anyio
from airswasm.osl import BLOCK, OslPolicy, Processes, ProcessPolicy, Tree, folders_below
from airswasm.runtime import Caller
from airswasm.security import Guard, Kinds

ROUNDS = 51
MIB = b"x" * 2**20


async def milliseconds(work: Callable[[], Awaitable[object]]) -> float:
    """The median time of one call."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await work()
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


async def measure(folder: Path) -> None:
    """Compares both ways to run a program, and to send it a megabyte and read it back."""
    policy = OslPolicy(folders_below(folder), processes=ProcessPolicy(output_bytes=2**22))
    processes = Processes(Tree(policy, Guard(Kinds(BLOCK.capabilities))))
    caller = Caller("local/a")

    async def bare_true() -> object:
        return run(["/bin/true"], check=True, env={}, capture_output=True)  # noqa: ASYNC221

    async def true() -> object:
        return await processes.run(caller, "/bin/true", [], b"", 0)

    async def bare_cat() -> object:
        return run(["/bin/cat"], input=MIB, check=True, capture_output=True)  # noqa: ASYNC221

    async def cat() -> object:
        done = await processes.run(caller, "/bin/cat", [], MIB, 0)
        assert done.stdout == MIB
        return done

    child = await processes.spawn(caller, "/bin/cat", ["-u"], "/", (), 0)

    async def line() -> object:
        await child.write(b"x\n")
        return await child.read("stdout", 100)

    with Popen(["/bin/cat", "-u"], stdin=PIPE, stdout=PIPE) as bare:  # noqa: ASYNC220
        assert bare.stdin is not None
        assert bare.stdout is not None
        stdin, stdout = bare.stdin, bare.stdout

        async def bare_line() -> object:
            stdin.write(b"x\n")
            stdin.flush()
            return stdout.readline()

        for name, base, work in (
            ("/bin/true to its end", bare_true, true),
            ("1 MiB through /bin/cat", bare_cat, cat),
            ("a line to a running cat and back", bare_line, line),
        ):
            taken, bare_taken = await milliseconds(work), await milliseconds(base)
            print(f"{name:36} {bare_taken:8.3f} ms bare {taken:8.3f} ms {taken / bare_taken:5.1f}x")
        stdin.close()
    caller._close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(measure, Path(folder))
