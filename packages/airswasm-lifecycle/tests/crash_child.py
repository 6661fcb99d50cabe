"""Runs one operation and kills its own process, without warning, at the step it is told to.

    python crash_child.py HOME MODE STEP OPERATION [ARGUMENT]

Prints `done after N steps` when the operation ended before that step came.
"""

import os
import signal
import sys
from pathlib import Path

import anyio
import compiled  # noqa: F401 - hosts of one test compile a guest once
from airswasm.lifecycle import System
from notebook import BLOCKS

NAME = "local/hello"
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


async def main(home: str, mode: str, step: int, operation: str, argument: str) -> None:
    passed = 0

    def checkpoint(_name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            os.kill(os.getpid(), KILL)

    async with System(home, mode=mode, blocks=BLOCKS, checkpoint=checkpoint) as system:
        if operation == "install":
            await system.install(Path(argument), approve=lambda _plan: True)
        elif operation == "update":
            await system.update(Path(argument), approve=lambda _plan: True)
        elif operation == "rollback":
            await system.rollback(NAME)
        elif operation == "restore":
            await system.rollback(NAME, data="restore")
        elif operation == "start":
            await system.start(NAME)
        elif operation == "uninstall":
            await system.uninstall(NAME)
        elif operation == "purge":
            await system.uninstall(NAME, purge=True)
        elif operation in ("keep", "reset"):
            await system.swap(Path(argument), state=operation)  # type: ignore[arg-type]
        elif operation == "count":
            while True:
                reply = await system.send(NAME, b"c")
                print(reply[0] if reply else -1, flush=True)
        print(f"done after {passed} steps", flush=True)


if __name__ == "__main__":
    home, mode, step, operation, *rest = sys.argv[1:]
    anyio.run(main, home, mode, int(step), operation, rest[0] if rest else "")
