"""Many names of one artifact in one host: each is a component of its own.

Two thousand by default; `AIRSWASM_TEST_NAMES=10000` hosts ten thousand. How long that takes and
how much memory is what `packages/airswasm-lifecycle/bench/ten_thousand.py` measures.
"""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from airswasm.lifecycle import Package, System
from airswasm.sdk import build_project, init_project, sign_project
from airswasm.security import generate_key

COUNT = int(os.environ.get("AIRSWASM_TEST_NAMES", "2000"))
ASKING_AT_ONCE = 100


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """What `airswasm init --lang c`, `build` and `sign` make."""
    folder = tmp_path / "hello"
    init_project(folder, "hello", "c")
    build_project(folder)
    return sign_project(folder, generate_key())


async def ask_all(system: System, names: list[str], number: int) -> None:
    """Each answers, and says how many messages it has had itself."""
    expected = f"Hello, world! You are number {number}.".encode()
    waiting = iter(names)

    async def ask_some() -> None:
        for name in waiting:
            assert await system.send(name, b"world") == expected, name

    async with anyio.create_task_group() as group:
        for _ in range(ASKING_AT_ONCE):
            group.start_soon(ask_some)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_every_one_of_many_answers(tmp_path: Path, package: Package, loop: str) -> None:
    """Installed in one write, started, asked, stopped; the counts survive into the next host."""
    names = [f"many/n{number}" for number in range(COUNT if loop == "asyncio" else COUNT // 10)]
    home = tmp_path / "home"

    async def main() -> None:
        async with System(home, mode="offline") as system:
            assert await system.install_many(package, names, approve=lambda _: True) == len(names)
        for number in (1, 2):
            async with System(home) as system:
                assert system.status().running == len(names)
                await ask_all(system, names, number)
                assert {each.messages for each in system.status().components} == {1}
                assert sum(each.restarts for each in system.status().components) == 0

    anyio.run(main, backend=loop)
