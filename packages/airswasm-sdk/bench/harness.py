"""What the test harness adds to a message: through it, and straight to the instance.

python packages/airswasm-sdk/bench/harness.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import anyio
from airswasm.sdk import build_project, init_project
from airswasm.sdk.testing import ComponentHarness
from airswasm.wit.names import HANDLE_MESSAGE

MESSAGES = 2_000


async def measure(project: Path) -> tuple[float, float]:
    """Seconds a message, direct and through the harness."""
    async with ComponentHarness(project) as component:
        instance = await component._running()
        started = time.perf_counter()
        for _ in range(MESSAGES):
            await instance.call(HANDLE_MESSAGE, "host", None, b"world")
        direct = time.perf_counter() - started
        started = time.perf_counter()
        for _ in range(MESSAGES):
            await component.send(b"world")
        return direct / MESSAGES, (time.perf_counter() - started) / MESSAGES


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        project = init_project(Path(folder) / "hello", "hello", "c").folder
        build_project(project)
        direct, harness = anyio.run(measure, project)
    print(f"instance.call   {direct * 1e6:7.1f} µs   1.00")
    print(f"harness.send    {harness * 1e6:7.1f} µs   {harness / direct:.2f}")


if __name__ == "__main__":
    main()
