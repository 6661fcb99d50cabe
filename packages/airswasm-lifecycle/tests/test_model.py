"""What a name leads to, and its data, after any sequence of changes: a model beside a real home.

The model knows of a name which version is active, what it has stored, which data is kept with
which version, and which messages wait. A run makes random changes (install, update, rollback, stop,
gc, a clock that jumps) with hosts and without, and compares the whole home with the model after
each. In the middle of some changes it copies the home, as a power cut would leave it: opened again,
the copy is as before the change or as after it.

`AIRSWASM_MODEL_RUNS` sets the number of runs; `nox -s kills` has 60.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from airswasm.lifecycle import (
    Configuration,
    DataUndecided,
    InstallPolicy,
    LifecycleError,
    NoCheckpoint,
    Package,
    System,
    UpdateFailed,
    UpdateSettings,
    VersionActive,
)
from airswasm.storage import StorageSettings, Store

Workshop = Any  # tests/conftest.py, which nothing can import
NAME = "local/hello"
RUNS = int(os.environ.get("AIRSWASM_MODEL_RUNS", "2"))
STEPS = 40
MOST_VERSIONS = 90
IMAGES = 0.25
"""The share of changes in the middle of which the home is copied."""
ALL = 'storage.read = ["everything"]\nstorage.write = ["everything"]'
DURABLE = '[delivery]\nmode = "durable"\nmessages = 100_000'
Mode = Literal["online", "offline"]


@dataclass(frozen=True)
class Data:
    """What a component has stored.

    Attributes:
        count: The messages that it counted.
        migrated: The version whose data the last migration took over; empty without one.
        notes: The keys of the messages that it noted.
    """

    count: int = 0
    migrated: str = ""
    notes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Known:
    """What the model knows of the name.

    Attributes:
        active: The active version.
        data: What it has stored.
        kept: The data that is kept with each version.
        migrates: The versions that take over data.
        pending: The version whose data the active one has yet to take over; empty if none.
        untried: The versions that were left before their first start, with the migration that the
            data had then.
        is_wanted: Whether it runs where there is a host.
        waiting: The keys of the messages that it has yet to note.
        pinned: The pinned versions.
        versions: The retained versions.
    """

    active: str
    data: Data = Data()
    kept: dict[str, Data] = field(default_factory=dict[str, Data])
    migrates: frozenset[str] = frozenset()
    pending: str = ""
    untried: dict[str, str] = field(default_factory=dict[str, str])
    is_wanted: bool = True
    waiting: frozenset[str] = frozenset()
    pinned: frozenset[str] = frozenset()
    versions: tuple[str, ...] = ()

    def started(self, checkpoints: str) -> Known:
        """Return what is known once the active version has started."""
        if not self.pending:
            return self
        if self.active not in self.migrates:
            return replace(self, pending="")
        kept = {**self.kept, self.pending: self.data} if checkpoints != "never" else self.kept
        data = replace(self.data, migrated=self.pending)
        return replace(self, pending="", kept=kept, data=data)

    def updated(self, version: str, checkpoints: str, *, runs: bool, migrates: bool) -> Known:
        """Return what is known after an update."""
        former, kept, untried = self.pending or self.active, self.kept, self.untried
        if self.pending:
            untried = {**untried, self.active: self.data.migrated}
        if checkpoints == "always" and not migrates:
            kept = {**kept, former: self.data}
        after = replace(
            self, active=version, pending=former, untried=untried, kept=kept,
            migrates=self.migrates | {version} if migrates else self.migrates,
        )  # fmt: skip
        return after.started(checkpoints) if runs else after

    def rolled_back(self, to: str, checkpoints: str, *, runs: bool, restores: bool) -> Known:
        """Return what is known after a rollback."""
        untried = dict(self.untried)
        if self.pending:
            untried.setdefault(self.active, self.data.migrated)
        was_left = untried.pop(to, None)
        is_same = restores or was_left == self.data.migrated
        takes_over = was_left is not None and is_same
        former, kept, data = self.pending or self.active, dict(self.kept), self.data
        if restores:
            data = kept.pop(to)
            kept[self.active] = self.data
        elif checkpoints == "always" and not (takes_over and to in self.migrates):
            kept[former] = self.data
        after = replace(
            self, active=to, kept=kept, data=data, untried=untried,
            pending=former if takes_over else "",
        )  # fmt: skip
        if not (runs and takes_over):
            return after
        if restores and to in self.migrates:  # on the data that goes back, which is no longer kept
            return replace(after, pending="", data=replace(data, migrated=former))
        return after.started(checkpoints)


@dataclass(frozen=True)
class Change:
    """One change, and what it makes of the model.

    Attributes:
        label: For people.
        carry_out: Makes it.
        after: What is known when it is done.
        may_raise: The errors that leave all as it was.
        must_raise: Whether it has to raise one of them.
        has_image: Whether the home may be copied in the middle of it.
    """

    label: str
    carry_out: Callable[[System], Awaitable[object]]
    after: Known | None
    may_raise: tuple[type[LifecycleError], ...] = ()
    must_raise: bool = False
    has_image: bool = True


class Run:
    """One run of random changes on one home.

    Args:
        seed: Of the random numbers.
        engine: The storage engine.
        folder: Where the home and its copies lie.
        workshop: Makes the packages.
    """

    def __init__(self, seed: int, engine: str, folder: Path, workshop: Workshop) -> None:
        self.rng, self.folder, self.workshop = random.Random(seed), folder, workshop
        self.checkpoints = self.rng.choice(["migrations", "always"])
        rules = InstallPolicy(
            retain=self.rng.choice([1, 2, 3, 5]),
            retain_for=self.rng.choice([0.0, 3600.0, 86_400.0]),
            retain_most=self.rng.choice([3, 50]),
        )
        self.configuration = Configuration.of(
            UpdateSettings(checkpoints=self.checkpoints),  # type: ignore[arg-type]
            rules, StorageSettings(engine=engine),
        )  # fmt: skip
        self.now, self.count, self.images = 1.8e9, 0, 0
        self.known: Known | None = None
        self.left: Known | None = None
        """What an uninstalled component was: its data stays, and the messages that wait."""
        self.mode: Mode = "online"
        self.at_step: Callable[[str], None] = lambda _step: None
        self.told: list[str] = []

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    def open(self, home: str, mode: Mode) -> System:
        return System(
            self.folder / home, mode=mode, configuration=self.configuration, clock=self.clock,
            checkpoint=lambda step: self.at_step(step) if home == "home" else None,
        )  # fmt: skip

    async def go(self, steps: int) -> None:
        """Make changes, in some hosts one after the other."""
        while steps > 0 and self.count < MOST_VERSIONS:
            self.mode = "online" if self.rng.random() < 0.8 else "offline"
            self.told.append(f"-- {self.mode}")
            async with self.open("home", self.mode) as system:
                self.known = await self.compare(system, self.mode, [self.known])
                for _ in range(self.rng.randint(2, 12)):
                    steps -= 1
                    await self.step(system)

    async def step(self, system: System) -> None:
        """Make one change, and compare."""
        change = self.choose()
        if change is None:
            return
        self.told.append(change.label)
        before, raised = self.known, None
        image = self.expect_image() if change.has_image else []
        try:
            await change.carry_out(system)
        except change.may_raise as error:
            raised = error
            self.told.append(f"   {type(error).__name__}")
        finally:
            self.at_step = lambda _step: None
        assert raised is not None or not change.must_raise, "it must not pass"
        if raised is None and change.label.startswith("uninstall"):
            self.left = before
        elif raised is None and change.label.split()[0] in ("install", "purge"):
            self.left = None
        after = before if raised is not None else change.after
        self.known = await self.compare(system, self.mode, [after])
        if image:
            self.images += 1
            self.told.append(f"   a copy at {image[0]}")
            await self.open_image([before, after])

    def expect_image(self) -> list[str]:
        """Copy the home at one of the next steps; return where that was, once it is done."""
        taken: list[str] = []
        if self.rng.random() > IMAGES:
            return taken
        left = self.rng.randint(1, 14)

        def count_down(step: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                ignored = shutil.ignore_patterns("*.sock")
                shutil.copytree(self.folder / "home", self.folder / "image", ignore=ignored)
                taken.append(step)

        self.at_step = count_down
        return taken

    async def open_image(self, allowed: Sequence[Known | None]) -> None:
        """Open a copy as a host would after a power cut; it is as before, or as after."""
        mode: Mode = self.rng.choice(["online", "online", "offline"])
        started = [each.started(self.checkpoints) for each in allowed if each is not None]
        async with self.open("image", mode) as system:
            await self.compare(system, mode, [*allowed, *started])
        shutil.rmtree(self.folder / "image")

    # -- comparing -----------------------------------------------------------------------------

    async def compare(
        self, system: System, mode: Mode, allowed: Sequence[Known | None]
    ) -> Known | None:
        """Return the one of the allowed states that the home is in."""
        record = system._registry.find(NAME)
        states = [each for each in allowed if (each is None) == (record is None)]
        assert states, f"installed: {record is not None}"
        if record is None:
            return None
        runs = mode == "online" and record.wanted == "running"
        if runs:
            await self.drain(system)
        found = await self.data(system)
        labels = {each.version for each in record.versions if each.checkpoint is not None}
        reasons: list[str] = []
        for each in states:
            assert each is not None
            known = each.started(self.checkpoints) if runs and each.is_wanted else each
            retained = tuple(version.version for version in record.versions)
            known = replace(
                known, versions=retained,
                kept={key: data for key, data in known.kept.items() if key in retained},
            )  # fmt: skip
            reason = self.difference(known, record.active, found, labels, retained, runs=runs)
            if not reason:
                await self.check_home(system, record.active, runs=runs)
                waiting = known.waiting - found.notes
                return replace(known, data=found, waiting=waiting)
            reasons.append(reason)
        raise AssertionError(f"{reasons}; {system.component_status(NAME)}")

    def difference(
        self, known: Known, active: str, found: Data, labels: set[str],
        retained: Sequence[str], *, runs: bool,
    ) -> str:  # fmt: skip
        """Return how a home differs from what is known; empty if it does not."""
        if active != known.active:
            return f"{active} is active, not {known.active}"
        wanted = known.data.notes | known.waiting
        is_between = known.data.notes <= found.notes <= wanted
        if not is_between or (runs and found.notes != wanted):
            return f"notes {sorted(found.notes ^ wanted)}"
        if replace(found, notes=frozenset()) != replace(known.data, notes=frozenset()):
            return f"{found} is stored, not {known.data}"
        if labels != set(known.kept):
            return f"the data of {sorted(labels)} is kept, not of {sorted(known.kept)}"
        lost = known.pinned - set(retained)
        return f"{sorted(lost)} was pinned" if lost else ""

    async def check_home(self, system: System, active: str, *, runs: bool) -> None:
        """Check what holds for every home, whatever happened to it."""
        if runs:
            assert await system.send(NAME, b"v") == active.encode()
        assert await system._data.drop_released()
        blocks = system._data._blocks.values()
        labels = {label for each in blocks for name, label in each.labels() if name == NAME}
        assert labels == set(system._registry.labels(NAME))
        assert not system._registry.get(NAME).set_aside
        async for check in system.artifacts.verify():
            assert not check.problem, check
        done = [each for each in await system.history.read(NAME) if each.outcome == "done"]
        assert not done or done[-1].after == active

    async def drain(self, system: System) -> None:
        """Wait until no message waits for the component, which runs."""
        with anyio.fail_after(60):
            while system.component_status(NAME).durable_messages:  # noqa: ASYNC110 - nothing tells
                await anyio.sleep(0.005)
        status = system.component_status(NAME)
        assert status.state == "running", status

    async def data(self, system: System) -> Data:
        space = system.services.get(Store).namespace(NAME)
        count, migrated = await space.get("count"), await space.get("migrated")
        notes = frozenset([each.key async for each in space.entries("n/")])
        return Data(count[0] if count else 0, (migrated or b"").decode(), notes)

    # -- choosing ------------------------------------------------------------------------------

    def package(self, *, migrates: bool, **defects: int) -> Package:
        self.count += 1
        version = f"{self.count // 10}.{self.count % 10}.0"
        wasm = self.workshop.guest(version, migrates=migrates, **defects)
        return self.workshop.package(  # type: ignore[no-any-return]
            version, wasm=wasm, capabilities=ALL, extra=DURABLE, backoff=0.01
        )

    def choose(self) -> Change | None:
        """Return the next change; None where the chosen one is impossible now."""
        known, rng, runs = self.known, self.rng, self.mode == "online"
        if known is None:
            return self.install()
        runs = runs and known.is_wanted
        kinds = {
            "update": 8, "bad": 4, "rollback": 10, "stop": 4, "start": 6, "count": 6, "post": 6,
            "pin": 3, "gc": 2, "clock": 3, "uninstall": 1,
        }  # fmt: skip
        match rng.choices(list(kinds), list(kinds.values()))[0]:
            case "update":
                return self.update(known, runs=runs)
            case "bad" if runs:
                defect = rng.choice([{"init": 1}, {"init": 3}, {"migrate": 1}, {"health": 1}])
                bad = self.package(migrates=True, **defect)
                return Change(f"bad {bad.version} {defect}", lambda system: system.update(bad),
                              None, (UpdateFailed,), must_raise=True)  # fmt: skip
            case "rollback":
                return self.rollback(known, runs=runs)
            case "stop":
                kill = rng.random() < 0.4
                return Change(f"stop, kill={kill}", lambda system: system.stop(NAME, kill=kill),
                              replace(known, is_wanted=False))  # fmt: skip
            case "start":
                after = replace(known, is_wanted=True)
                if self.mode == "online" and rng.random() < 0.3:
                    return Change("restart", lambda system: system.restart(NAME), after)
                return Change("start", lambda system: system.start(NAME), after)
            case "count" if runs:
                data = replace(known.data, count=known.data.count + 1)
                return Change("count", lambda system: system.send(NAME, b"c"),
                              replace(known, data=data))  # fmt: skip
            case "post" if self.mode == "online":
                return self.post(known)
            case "pin":
                return self.pin(known)
            case "gc":
                return Change("gc", lambda system: system.artifacts.gc(), known)
            case "clock":
                self.now += rng.choice([-3.15e7, 3.15e7, 3600, 90_000, -90_000])
                return None
            case "uninstall":
                purge = rng.random() < 0.5
                return Change("purge" if purge else "uninstall",
                              lambda system: system.uninstall(NAME, purge=purge), None)  # fmt: skip
            case _:
                return None

    def install(self) -> Change:
        migrates, start = self.rng.random() < 0.5, self.rng.random() < 0.8
        package = self.package(migrates=migrates)
        after = Known(
            package.version, self.left.data if self.left else Data(), is_wanted=start,
            migrates=frozenset({package.version} if migrates else ()),
            waiting=self.left.waiting if self.left else frozenset(),
        )  # fmt: skip
        return Change(
            f"install {package.version}, migrates={migrates}, start={start}",
            lambda system: system.install(package, approve=lambda _plan: True, start=start), after,
        )  # fmt: skip

    def update(self, known: Known, *, runs: bool) -> Change:
        migrates = self.rng.random() < 0.67
        package = self.package(migrates=migrates)
        after = known.updated(package.version, self.checkpoints, runs=runs, migrates=migrates)
        return Change(f"update {package.version}, migrates={migrates}",
                      lambda system: system.update(package), after)  # fmt: skip

    def rollback(self, known: Known, *, runs: bool) -> Change:
        to = self.rng.choice(known.versions)
        data = self.rng.choice(["keep", "restore", "restore", None])
        label = f"rollback {to}, data={data}"

        def carry_out(system: System) -> Awaitable[object]:
            return system.rollback(NAME, to, data=data)

        if data == "restore" and to not in known.kept:
            refused = (NoCheckpoint, VersionActive)
            return Change(label, carry_out, known, refused, must_raise=True)
        if data != "restore" and to == known.active:
            return Change(label, carry_out, known, (VersionActive, DataUndecided))
        after = known.rolled_back(to, self.checkpoints, runs=runs, restores=data == "restore")
        refused = (DataUndecided,) if data is None else ()
        return Change(label, carry_out, after, refused)

    def post(self, known: Known) -> Change:
        first = len(known.data.notes | known.waiting)
        keys = [f"n/{self.now:.3f}/{first + each}" for each in range(self.rng.randint(1, 4))]

        async def carry_out(system: System) -> None:
            for key in keys:
                await system.post(NAME, key.encode())

        after = replace(known, waiting=known.waiting | set(keys))
        return Change(f"post {len(keys)}", carry_out, after, has_image=False)

    def pin(self, known: Known) -> Change:
        version = self.rng.choice(known.versions)
        if version in known.pinned:
            return Change(f"unpin {version}", lambda system: system.artifacts.unpin(NAME, version),
                          replace(known, pinned=known.pinned - {version}))  # fmt: skip
        return Change(f"pin {version}", lambda system: system.artifacts.pin(NAME, version),
                      replace(known, pinned=known.pinned | {version}))  # fmt: skip


@pytest.mark.parametrize("engine", ["rocksdb", "sqlite"])
@pytest.mark.parametrize("seed", range(RUNS))
def test_a_home_is_what_the_model_says(
    tmp_path: Path, workshop: Workshop, seed: int, engine: str
) -> None:
    """After each change, and wherever the power goes."""
    run = Run(seed, engine, tmp_path, workshop)
    try:
        anyio.run(run.go, STEPS)
    except BaseException as error:
        error.add_note("\n".join([f"checkpoints: {run.checkpoints}", *run.told]))
        raise
    assert run.count
