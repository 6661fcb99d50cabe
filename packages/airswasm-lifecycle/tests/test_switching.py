"""Whatever fails on the way to another version, the old one stays what it was, in every state.

Each test has one host and goes through all faults, so a fault that left a trace would show in the
next one. At the end a good version takes over, with the messages that waited.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import (
    Configuration,
    GateVerdict,
    InstallPlan,
    InstallPolicy,
    Package,
    Reason,
    System,
    UpdateBlocked,
    UpdateFailed,
    UpdateSettings,
    Verdict,
    VersionChange,
)
from airswasm.runtime import Services
from airswasm.security import PublicKey, generate_key
from airswasm.wit import Block, Blocks, Gate
from anyio.lowlevel import checkpoint

pytestmark = pytest.mark.anyio

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"


class Mood:
    """A gate that does what the test tells it."""

    def __init__(self) -> None:
        self.mood = "passes"

    async def judge(self, _change: VersionChange) -> Verdict:
        if self.mood == "blocks":
            return Verdict("blocked", (Reason("mood", "it is in a bad mood"),))
        if self.mood == "raises":
            raise RuntimeError("it is in a terrible mood")
        if self.mood == "hangs":
            await anyio.sleep_forever()
        return Verdict("passed")


class Table:
    """The registry's table, on a disk that can be full."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.is_full = False

    async def read_all(self) -> Mapping[str, bytes]:
        return await self._table.read_all()  # type: ignore[no-any-return]

    async def write(self, changes: Mapping[str, bytes | None], beside: Any) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        await self._table.write(changes, beside)


@dataclass
class Bench:
    """One host, and the means to make each step fail."""

    system: System
    workshop: Workshop
    gates: dict[str, Mood]
    table: Table
    key: Any = None
    number: int = 19

    @property
    def version(self) -> str:
        """The last one; the guests reply with five letters."""
        return f"0.{self.number // 10}.{self.number % 10}"

    def package(self, **defects: int) -> Package:
        self.number += 1
        wasm = self.workshop.guest(self.version, **defects)
        return self.workshop.package(self.version, wasm=wasm, key=self.key)  # type: ignore[no-any-return]

    async def run(self, fault: str) -> tuple[str, str]:
        """Update with a fault; return the step at which it failed, and what the error says."""
        defects = {
            "init fails": {"init": 1}, "init hangs": {"init": 2}, "init traps": {"init": 3},
            "init hoards": {"init": 4}, "migrate fails": {"migrate": 1},
            "unhealthy": {"health": 1}, "health traps": {"health": 2},
        }  # fmt: skip
        gate, _, mood = fault.rpartition(" gate ")
        if gate:
            self.gates[gate].mood = mood
        self.table.is_full = fault == "the disk is full"
        package = self.package(**defects.get(fault, {}))
        try:
            with pytest.raises(UpdateFailed) as caught:
                await self.system.update(package, approve=lambda _plan: True)
        finally:
            self.table.is_full = False
            for each in self.gates.values():
                each.mood = "passes"
        error = caught.value
        assert error.new == self.version
        assert isinstance(error, UpdateBlocked) == (error.step == "pass the gates")
        if isinstance(error, UpdateBlocked):
            assert {each.gate for each in error.verdicts} >= {"interface", "health", *self.gates}
        return error.step, str(error)


@asynccontextmanager
async def bench(
    home: Path, workshop: Workshop, yes: Approve, *, mode: Any = "online", **options: Any
) -> AsyncIterator[Bench]:
    gates = {"early": Mood(), "late": Mood()}

    def maker(mood: Mood) -> Callable[[Services], Mood]:
        return lambda _services: mood

    block = Block(
        name="moods", summary="Has moods.",
        gates=(
            Gate("early", "Compares.", maker(gates["early"])),
            Gate("late", "Asks.", maker(gates["late"]), asks="candidate"),
        ),
    )  # fmt: skip
    settings = UpdateSettings(timeouts={"early": 0.05, "late": 0.05})
    blocks, configuration = Blocks.find().joined(block), Configuration.of(settings)
    async with System(home, mode=mode, blocks=blocks, configuration=configuration) as system:
        table = system._registry._table = Table(system._registry._table)  # type: ignore[assignment]
        await system.install(workshop.package(**options), approve=yes)
        yield Bench(system, workshop, gates, table)  # type: ignore[arg-type]


GATES = {
    "early gate blocks": "pass the gates",
    "early gate raises": "pass the gates",
    "early gate hangs": "pass the gates",
}
COMMIT = {"the disk is full": ("keep the data", "write the change")}
"""A version that takes over data writes a record before it does."""
STARTING = {
    "init fails": "start",
    "init hangs": "start",
    "init traps": "start",
    "init hoards": "start",
    "unhealthy": "pass the gates",
    "health traps": "pass the gates",
    "late gate blocks": "pass the gates",
    "late gate raises": "pass the gates",
    "late gate hangs": "pass the gates",
}
MIGRATING = {"migrate fails": ("keep the data", "start")}
"""It fails on the copy already; the real one would be part of the start."""


async def nothing(_bench: Bench) -> None:
    pass


async def stop(at: Bench) -> None:
    await at.system.stop(NAME)


async def crash(at: Bench) -> None:
    ref = at.system._hosting._hosted[NAME].ref
    assert ref is not None
    at.system._actors.crash(ref, RuntimeError("the test ends it"))


async def revoke(at: Bench) -> None:
    at.key = generate_key()
    signer: PublicKey = at.workshop.key.public
    await at.system.trust.transfer(NAME, at.key.public)
    await at.system.trust.revoke(signer.fingerprint, "stolen")


@dataclass(frozen=True)
class State:
    """A state of a component, the way into it, and the words of an error for it."""

    enter: Callable[[Bench], Awaitable[None]]
    said: str
    options: Mapping[str, Any]
    mode: str = "online"
    runs_at_update: bool = True


STATES = {
    "running": State(nothing, "continues", {}),
    "stopped": State(stop, "stays installed, and is stopped", {}, runs_at_update=False),
    "not running": State(
        nothing, "stays installed, and is not running", {}, "offline", runs_at_update=False
    ),
    "given up": State(crash, "stays installed, and is given up", {"extra": "intensity = 0"}),
    "restarting": State(crash, "stays installed, and is restarting", {"backoff": 3600.0,
                        "extra": "backoff.maximum = 3600"}),
    "quarantined": State(revoke, "stays installed, and is quarantined", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
async def test_whatever_fails_the_old_version_stays_what_it_was(
    tmp_path: Path, workshop: Workshop, yes: Approve, name: str
) -> None:
    """In its state, with its messages and its files; and the error says exactly that."""
    state = STATES[name]
    async with bench(tmp_path, workshop, yes, mode=state.mode, **state.options) as at:
        system = at.system
        await state.enter(at)
        with anyio.fail_after(30):
            while state.mode == "online" and system.component_status(NAME).state != name:
                await checkpoint()
        if name in ("restarting", "quarantined"):
            ref = system._hosting._hosted[NAME].ref
            assert ref is not None
            ref.tell(b"c")  # waits for the next version
        faults: dict[str, str | tuple[str, ...]] = {**GATES, **COMMIT}
        if state.runs_at_update:
            faults |= {**STARTING, **MIGRATING}
        for fault, step in faults.items():
            found, said = await at.run(fault)
            assert found in ((step,) if isinstance(step, str) else step), fault
            assert said.endswith(f"0.1.0 {state.said}"), fault
            info = system.info(NAME)
            assert [each.version for each in info.versions] == ["0.1.0"], fault
            if state.mode == "online":
                assert system.component_status(NAME).state == name, fault
            if name == "running":
                assert await system.send(NAME, b"v") == b"0.1.0", fault
            assert await system._stored.is_whole(system._registry.get(NAME).active_version)
        good = await system.update(at.package(), approve=yes)
        assert good.version == at.version
        if state.runs_at_update:
            assert await system.send(NAME, b"v") == good.version.encode()
            counted = {"restarting": 2, "quarantined": 2}.get(name, 1)
            assert await system.send(NAME, b"c") == bytes([counted]), "its message had waited"


@pytest.mark.parametrize("mode", ["given up", "failed"])
async def test_a_failed_update_of_what_does_not_run_keeps_each_retained_version(
    tmp_path: Path, workshop: Workshop, yes: Approve, mode: str
) -> None:
    """It once swept one that the registry still listed, and said that a version goes on."""
    settings = Configuration.of(InstallPolicy(retain=2))
    async with System(tmp_path, configuration=settings) as system:
        await system.install(workshop.package(extra="intensity = 0"), approve=yes)
        await system.update(workshop.package("0.2.0", extra="intensity = 0"), approve=yes)
        ref = system._hosting._hosted[NAME].ref
        assert ref is not None
        system._actors.crash(ref, RuntimeError("the test ends it"))
        with anyio.fail_after(30):
            while system.component_status(NAME).state != "given up":
                await checkpoint()
        bad = workshop.package("0.3.0", wasm=workshop.guest("0.3.0", init=1))
        with pytest.raises(UpdateFailed, match=r"0\.2\.0 stays installed, and is given up"):
            await system.update(bad, approve=yes)
        assert [each.version for each in system.info(NAME).versions] == ["0.1.0", "0.2.0"]
        await system.rollback(NAME, "0.1.0")
        assert await system.send(NAME, b"v") == b"0.1.0"


async def test_a_crash_is_mended_while_the_gates_judge(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """The supervisor of the old version does not wait for them."""
    async with bench(tmp_path, workshop, yes) as at:
        asked, answer = anyio.Event(), anyio.Event()

        async def judge(_change: VersionChange) -> Verdict:
            asked.set()
            await answer.wait()
            return Verdict("passed")

        at.gates["late"].judge = judge  # type: ignore[method-assign]
        at.system._updating.switching.gates.settings.timeouts["late"] = 60.0
        async with anyio.create_task_group() as group:
            package = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", migrates=False))
            group.start_soon(lambda: at.system.update(package, approve=yes))
            await asked.wait()
            assert await at.system.send(NAME, b"v") == b"0.1.0"
            with pytest.raises(Exception, match="unreachable"):
                await at.system.send(NAME, b"t")
            assert await at.system.send(NAME, b"v") == b"0.1.0"
            answer.set()
        assert await at.system.send(NAME, b"v") == b"0.2.0"


@pytest.mark.parametrize("gate", ["early", "late"])
@pytest.mark.parametrize("way", ["kill", "cancel"])
async def test_an_update_that_waits_for_a_gate_can_be_ended(
    tmp_path: Path, workshop: Workshop, yes: Approve, way: str, gate: str
) -> None:
    """By `stop --kill`, and by the one who asked for it; nothing of the candidate is left."""
    async with bench(tmp_path, workshop, yes) as at:
        asked = anyio.Event()

        async def judge(_change: VersionChange) -> Verdict:
            asked.set()
            await anyio.sleep_forever()
            raise AssertionError

        at.gates[gate].judge = judge  # type: ignore[method-assign]
        at.system._updating.switching.gates.settings.timeouts[gate] = 3600.0
        failed: list[UpdateFailed] = []

        async def update() -> None:
            try:
                await at.system.update(at.package(), approve=yes)
            except UpdateFailed as error:
                failed.append(error)

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(update)
                await asked.wait()
                if way == "kill":
                    await at.system.stop(NAME, kill=True)
                else:
                    group.cancel_scope.cancel()
        assert [each.active for each in failed] == (["0.1.0"] if way == "kill" else [])
        if way == "kill":
            assert "an operator killed it" in str(failed[0])
            await at.system.start(NAME)
        assert await at.system.send(NAME, b"v") == b"0.1.0"


def test_a_verdict_is_one_line() -> None:
    """For logs and errors."""
    verdict = GateVerdict("early", "blocked", (Reason("a", "one"), Reason("b", "two")))
    assert str(verdict) == "early: blocked: one; two"
