"""While data changes hands, no code of one version sees the data of the other.

A table of changes and causes. Each change is led through its phases: the places where it awaits
something, which is a block that copies or exchanges, a gate, or a write. In every phase a cause
asks for an incarnation. The oracle stands in the incarnations: a note, which is exchanged with the
data, says whose data is there, and each call of a guest's function compares it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest
from airswasm.actor import ActorRef
from airswasm.lifecycle import (
    ComponentRecord,
    Configuration,
    InstallPlan,
    System,
    UpdateSettings,
    Verdict,
    VersionChange,
)
from airswasm.lifecycle._hosting.incarnations import HostedActor, Maker
from airswasm.wit import AirswasmError, Block, Blocks, Gate

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
COPIED = "copied, and not yet still"
SUPERVISION = "intensity = 100\nbackoff.jitter = 0\nbackoff.maximum = 0.001"

pytestmark = pytest.mark.anyio


class Stage:
    """A system, the phases of its changes, and what its incarnations have seen."""

    def __init__(self) -> None:
        self.system: System = None  # type: ignore[assignment]
        self.notebook: Any = None
        self.cause: Callable[[Stage], Awaitable[None]] | None = None
        self.fails_at = ""
        self.is_slow = False
        self.starts = 0
        self.now = ""
        self.is_awaited = False
        self.version = "0.2.0"
        self.phases: set[str] = set()
        self.wrong: list[str] = []
        self.makers: dict[int, tuple[str, Maker]] = {}
        self.copies = 0
        self.expected = ""
        """The version that works on the newest copy; empty once it has begun."""
        self.group: anyio.abc.TaskGroup | None = None

    def owner(self, maker: Maker) -> str:
        """Return what the note says where the data is its own."""
        if id(maker) not in self.makers:
            is_new = bool(self.expected)
            owner = self.notebook.read(NAME)
            if is_new and maker.version != self.expected:
                owner = "another version"
            self.expected = ""
            self.makers[id(maker)] = owner, maker
        return self.makers[id(maker)][0]

    def begin(self, cause: Callable[[Stage], Awaitable[None]] | None, to: str = "0.2.0") -> None:
        """Begin with the change that counts, after what led to it."""
        self.cause, self.version = cause, to
        self.phases, self.is_awaited = set(), False

    @property
    def ref(self) -> ActorRef | None:
        return self.system._hosting.ref(NAME)

    def look(self, maker: Maker, what: str) -> None:
        owner, note = self.owner(maker), self.notebook.read(NAME)
        if note != owner:
            self.wrong.append(f"{what} of {owner} ({maker.version}) on the data of {note}")

    async def phase(self, name: str) -> None:
        self.phases.add(name)
        self.now = name
        if self.cause is not None:
            await self.cause(self)
        if name == self.fails_at:
            self.fails_at = ""
            raise OSError("no space left")

    async def judge(self, _change: VersionChange) -> Verdict:
        await self.phase("gate")
        return Verdict("passed")

    def build(self, maker: Maker) -> HostedActor:
        self.owner(maker)
        return _watched(self, maker)


def _watched(stage: Stage, maker: Maker) -> HostedActor:
    class Watched(HostedActor):
        async def start(self) -> None:
            if self.instance is None:
                stage.look(maker, "start")
                stage.starts += 1
                for _ in range(1_000 if stage.is_slow and stage.now == COPIED else 0):
                    if stage.is_awaited or "exchanged" in stage.phases:
                        break
                    await anyio.sleep(0.001)
                stage.look(maker, "start")
            await super().start()

        async def stop(self) -> None:
            await stage.phase("end")
            await super().stop()

        def begin(self, *arguments: Any) -> Any:
            stage.look(maker, "message")
            return super().begin(*arguments)

        def _function(self, path: str) -> Any:
            stage.look(maker, path)
            return super()._function(path)

    return Watched(maker)


@pytest.fixture
async def stage(
    tmp_path: Path, notebook: Any, workshop: Workshop, yes: Approve
) -> AsyncIterator[Stage]:
    """0.1.0 runs, and is watched."""
    stage = Stage()

    class Kept(notebook.Notebook):  # type: ignore[misc, name-defined]
        async def take(self, name: str, label: str, still: Any) -> None:
            await stage.phase(COPIED)
            await super().take(name, label, still)
            await stage.phase("taken")

        async def exchange(self, name: str, label: str, aside: str | None) -> None:
            await stage.phase("exchange" if aside else "put back")
            await super().exchange(name, label, aside)
            stage.expected = stage.version if aside else ""
            if aside:
                stage.copies += 1
                self.write(name, str(stage.copies))
            await stage.phase("exchanged" if aside else "was put back")

    stage.notebook = Kept(tmp_path / "notes")
    block = Block(
        name="notebook",
        summary="Notes.",
        snapshots=lambda _services: stage.notebook,
        gates=(Gate("probe", "It asks the candidate.", lambda _: stage, asks="candidate"),),
    )
    blocks = Blocks.find().joined(block)
    configuration = Configuration.of(UpdateSettings(checkpoints="migrations"))
    async with System(tmp_path / "home", blocks=blocks, configuration=configuration) as system:
        stage.system = system
        system._hosting._build = stage.build
        put, wait_started = system._registry.put, system._hosting._turns.wait_started

        async def waiting(name: str) -> None:
            stage.is_awaited = True
            await wait_started(name)

        async def putting(*records: ComponentRecord, **beside: Any) -> None:
            is_change = "exchanged" in stage.phases and not any(each.set_aside for each in records)
            if is_change:
                await stage.phase("write")
            await put(*records, **beside)
            if is_change:
                await stage.phase("written")

        stage.notebook.write(NAME, "0")
        await system.install(workshop.package(extra=SUPERVISION), approve=yes)
        system._registry.put = putting  # type: ignore[method-assign]
        system._hosting._turns.wait_started = waiting  # type: ignore[method-assign]
        yield stage
        stage.cause = None


async def settled() -> None:
    """Let what was asked for happen: a supervisor's restart needs no more turns than these."""
    for _ in range(30):
        await anyio.lowlevel.checkpoint()
    await anyio.sleep(0.002)  # the back-off is 1 ms
    for _ in range(30):
        await anyio.lowlevel.checkpoint()


async def crash(stage: Stage) -> None:
    """A component crashes, as under memory pressure, and is restarted if it may."""
    if stage.ref is not None:
        stage.system._actors.crash(stage.ref, RuntimeError("crashed"))
    await settled()


async def crash_and_go_on(stage: Stage) -> None:
    """The back-off ends in the next phase, or when the change is over."""
    if stage.ref is not None:
        stage.system._actors.crash(stage.ref, RuntimeError("crashed"))
    for _ in range(5):  # the supervisor has decided
        await anyio.lowlevel.checkpoint()


async def crash_and_begin(stage: Stage) -> None:
    """The next incarnation is about to start, and has not yet."""
    starts = stage.starts
    await crash_and_go_on(stage)
    for _ in range(50):
        if stage.starts == starts:
            await anyio.sleep(0.0001)


async def evict(stage: Stage) -> None:
    """An incarnation ends without a restart that counts, also while it is being replaced."""
    if stage.ref is not None:
        await stage.system._actors.evict(stage.ref, RuntimeError("evicted"))
    await settled()


async def ask(stage: Stage) -> None:
    """An operator, the host's revival, and senders ask for it, all at once."""

    async def quietly(call: Callable[..., Awaitable[object]], *arguments: object) -> None:
        with suppress(AirswasmError):
            await call(*arguments)

    system = stage.system
    assert stage.group is not None
    for call, *arguments in (
        (system.restart,), (system.start,), (system._start_waiting,), (system._revive, 1.0),
        (system.send, b"v"),
    ):  # fmt: skip
        stage.group.start_soon(quietly, call, NAME, *arguments)
    await settled()


async def update(stage: Stage, workshop: Workshop) -> None:
    await stage.system.update(workshop.package("0.2.0", extra=SUPERVISION))


async def roll_back(stage: Stage, workshop: Workshop) -> None:
    cause, stage.cause = stage.cause, None
    await update(stage, workshop)
    stage.begin(cause, "0.1.0")
    await stage.system.rollback(NAME, "0.1.0", data="restore")


async def take_that_of_then(stage: Stage, workshop: Workshop) -> None:
    """Both versions have one number."""
    cause, stage.cause = stage.cause, None
    await update(stage, workshop)
    await stage.system.rollback(NAME, "0.1.0", data="keep")
    stage.begin(cause, "0.1.0")
    await stage.system.rollback(NAME, "0.1.0", data="restore")


async def migrate_at_the_start(stage: Stage, workshop: Workshop) -> None:
    cause, stage.cause = stage.cause, None
    fails_at, stage.fails_at = stage.fails_at, ""
    await stage.system.stop(NAME)
    await update(stage, workshop)
    stage.begin(cause)
    stage.fails_at = fails_at
    await stage.system.start(NAME)


CHANGES = (update, roll_back, take_that_of_then, migrate_at_the_start)
CAUSES = (crash, crash_and_go_on, crash_and_begin, evict, ask)
FAILURES = ("", "gate", "write")
TABLE = list(product(CHANGES, FAILURES, CAUSES, (False, True), ("asyncio", "trio")))
if "AIRSWASM_TURNS" not in os.environ:  # `nox -s kills` has all of it
    TABLE = TABLE[:: len(TABLE) // 25]


@pytest.mark.parametrize(
    ("change", "fails_at", "cause", "is_slow", "anyio_backend"),
    TABLE,
    ids=lambda each: getattr(each, "__name__", str(each)),
)
async def test_no_code_runs_on_the_data_of_another_version(
    stage: Stage,
    workshop: Workshop,
    change: Callable[[Stage, Workshop], Awaitable[None]],
    fails_at: str,
    cause: Callable[[Stage], Awaitable[None]],
    is_slow: bool,
) -> None:
    """Whatever asks for it, in whatever phase; and in the end one version runs, on its own data."""
    stage.is_slow, stage.cause, stage.fails_at = is_slow, cause, fails_at
    async with anyio.create_task_group() as group:
        stage.group = group
        try:
            await change(stage, workshop)
        except (AirswasmError, OSError):
            assert fails_at
        else:
            assert fails_at not in stage.phases
        stage.cause, stage.fails_at = None, ""
    assert stage.wrong == []
    assert stage.phases >= {"exchange", "exchanged"}
    assert {"put back", "was put back"} <= stage.phases or fails_at not in stage.phases
    await settled()
    if not stage.system._hosting.is_running(NAME):  # a failed start is not tried again
        await stage.system.start(NAME)
    assert await stage.system.send(NAME, b"v") == stage.system._registry.get(NAME).active.encode()
    assert stage.wrong == []
