"""Each way to keep a host at work leaves the others their turns, memory, and the operator."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import ActorError, ActorFailed
from airswasm.lifecycle import Configuration, InstallPlan, LimitPolicy, NotRunning, System
from airswasm.runtime import FuelExhausted, HostMemory, HostMemoryExceeded

pytestmark = pytest.mark.anyio

Yes = Callable[[InstallPlan], bool]
Workshop = Any  # tests/conftest.py, which nothing can import
Install = Callable[..., Awaitable[None]]
NEIGHBOURS = Path(__file__).parents[1] / "bench" / "neighbours.py"
EVIL, GOOD = "local/evil", "local/good"
ATTACKS = {
    "fields.has": b"f",
    "fields.set": b"v",
    "capabilities.check": b"c",
    "poll": b"p",
    "log": b"l",
    "denials": b"d",
    "bodies": b"z",
    "computing": b"s",
}
each_attack = pytest.mark.parametrize("order", ATTACKS.values(), ids=ATTACKS)
FOR_EVER = 10**15
SETTINGS = Configuration.of(LimitPolicy(fuel=FOR_EVER, timeout=3_600.0))


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with System(tmp_path / "home", configuration=SETTINGS) as system:
        yield system


@pytest.fixture
def install(workshop: Workshop, yes: Yes) -> Install:
    async def install(system: System, fuel: int = FOR_EVER) -> None:
        """Install the attacker, with that much fuel for a message, and a neighbour."""
        await system.install(workshop.package(name=GOOD), approve=yes)
        package = workshop.package(
            name=EVIL,
            wasm=workshop.attacker(),
            limits='memory = "4 MiB"',
            capabilities='storage.read = ["mine"]',
            fuel=fuel,
            timeout="3600 s",
            extra="shutdown = 0.01",
        )
        await system.install(package, approve=yes)

    return install


class Attack:
    """One message to the attacker, and what its sender was told."""

    def __init__(self, order: bytes) -> None:
        self.order = order
        self.told: ActorError | None = None

    async def run(self, system: System) -> None:
        try:
            await system.send(EVIL, self.order, timeout=3_600)
        except ActorError as error:
            self.told = error


@each_attack
async def test_a_neighbour_answers_and_the_operator_ends_it(
    system: System, install: Install, order: bytes
) -> None:
    """The attack would go on for years; `stop --kill` ends it, and its sender is told."""
    await install(system)
    attack = Attack(order)
    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            group.start_soon(attack.run, system)
            for number in range(1, 11):
                assert await system.send(GOOD, b"c", timeout=60) == bytes([number])
            assert attack.told is None
            await system.stop(EVIL, kill=True)
        assert attack.told is not None
        with pytest.raises(NotRunning):
            await system.send(EVIL, order)
        await system.start(EVIL)
        assert await system.send(EVIL, b"", timeout=60) is None


@each_attack
async def test_a_host_that_stops_ends_it(tmp_path: Path, install: Install, order: bytes) -> None:
    """The message is given the time to end that the manifest says, and its sender is told."""
    attack = Attack(order)
    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            async with System(tmp_path / "home", configuration=SETTINGS) as system:
                await install(system)
                group.start_soon(attack.run, system)
                await system.send(GOOD, b"c", timeout=60)
                assert attack.told is None
    assert attack.told is not None


@pytest.mark.parametrize("order", [*ATTACKS.values(), b"h"], ids=[*ATTACKS, "bodies that are kept"])
async def test_it_ends_by_a_limit_and_its_account_is_empty(
    system: System, install: Install, order: bytes
) -> None:
    """By fuel, or by what the host may keep for it; all that it kept is given back."""
    memory = system.services.get(HostMemory)
    await install(system, 50_000_000)
    with anyio.fail_after(120):
        with pytest.raises(ActorFailed) as caught:
            await system.send(EVIL, order, timeout=3_600)
        limit = HostMemoryExceeded if order == b"h" else FuelExhausted
        assert isinstance(caught.value.cause, limit)
        while system.component_status(EVIL).state != "running":  # noqa: ASYNC110 - it has no event
            await anyio.sleep(0.001)
        assert await system.send(EVIL, b"", timeout=60) is None
    assert memory.held_bytes == 0


def test_the_bench_of_neighbours_runs() -> None:
    """It prints a line for each attack; its figures are for a machine that does nothing else."""
    options = ("--rounds", "1", "--seconds", "0.02")
    done = subprocess.run(
        [sys.executable, str(NEIGHBOURS), *options],
        env={key: each for key, each in os.environ.items() if key != "PYTHONDEVMODE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert not done.stderr
    for label in ATTACKS:
        assert done.stdout.count(f"  {label.removeprefix('capabilities.')} ") == 2
