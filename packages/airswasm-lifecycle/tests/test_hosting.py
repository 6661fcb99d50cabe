"""An operator gets through, whatever a component does: while it starts, stops, or is updated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import ActorError
from airswasm.lifecycle import (
    HostOffline,
    InstallPlan,
    NotInstalled,
    NotRunning,
    Package,
    StartFailed,
    System,
    UpdateFailed,
)
from airswasm.security import read_audit

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
OTHER = "local/other"

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def system(home: Path) -> AsyncIterator[System]:
    async with System(home) as system:
        yield system


@pytest.fixture
def patient(workshop: Workshop) -> Callable[..., Package]:
    """Packages whose limits end nothing for a long time."""

    def make(version: str = "0.1.0", *, extra: str = "", **guest: int) -> Package:
        wasm = workshop.guest(version, **guest)
        text = workshop.package(version, wasm=wasm, extra=extra).files["Component.toml"].decode()
        manifest = text.replace('"2 s"', '"250 s"').replace("50_000_000", "1_000_000_000_000")
        files = {"Component.toml": manifest.encode(), "component.wasm": wasm}
        sequence = int(version.replace(".", ""))
        return Package.from_files(files).sign(workshop.key, sequence=sequence)

    return make


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await anyio.sleep(0.001)


def is_in_hand(system: System) -> bool:
    """Whether the component handles the message that logs first, and spins."""
    return any(entry.message == "hello log" for entry in system.logs.recent(NAME))


class Outcome:
    """What a call in another task came to."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.value: object = None
        self.has_begun = False
        self.is_over = anyio.Event()

    async def of(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        self.has_begun = True
        try:
            self.value = await call(*arguments, **named)
        except Exception as error:
            self.error = error
        self.is_over.set()


class TestStartingAll:
    """With the host, behind a socket that is open already."""

    @pytest.fixture
    async def stopped(self, home: Path, workshop: Workshop, yes: Approve) -> AsyncIterator[System]:
        """A home with two components, opened, of which none was started."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            await system.install(workshop.package(name=OTHER), approve=yes)
        async with System(home, starts=False) as system:
            yield system

    async def test_what_waits_for_its_turn_is_starting(self, stopped: System) -> None:
        """And a message to it waits until it runs."""
        assert [each.state for each in stopped.list()] == ["starting", "starting"]
        sent = Outcome()
        async with anyio.create_task_group() as group:
            group.start_soon(sent.of, stopped.send, NAME, b"echo")
            await until(lambda: sent.has_begun)
            assert not sent.is_over.is_set()
            await stopped.start_all()
        assert sent.value == b"echo"
        assert [each.state for each in stopped.list()] == ["running", "running"]

    async def test_a_message_waits_no_longer_than_it_says(self, stopped: System) -> None:
        """Then it is told what the component does instead."""
        with pytest.raises(NotRunning, match="starting"):
            await stopped.send(NAME, b"echo", timeout=0.01)

    async def test_a_change_before_its_turn_is_kept(
        self, stopped: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Stopped, updated, started, or gone: the start comes to what is there then."""
        await stopped.stop(OTHER)
        await stopped.update(workshop.package("0.2.0"))
        assert await stopped.send(NAME, b"v") == b"0.2.0"
        await stopped.start_all()
        assert stopped.component_status(NAME).restarts == 0
        assert stopped.component_status(OTHER).state == "stopped"
        await stopped.uninstall(NAME)
        await stopped.start_all()
        assert [each.name for each in stopped.list()] == [OTHER]

    async def test_only_an_online_system_starts_anything(self, home: Path) -> None:
        """And records where it can be talked to."""
        async with System(home, mode="offline") as system:
            with pytest.raises(HostOffline):
                await system.start_all()
            with pytest.raises(HostOffline):
                system.announce(home / "s")

    async def test_one_that_hangs_in_its_init_holds_up_no_other(
        self, home: Path, patient: Callable[..., Package], workshop: Workshop, yes: Approve
    ) -> None:
        """It can be stopped meanwhile, and does not start again with the next host."""
        async with System(home) as system:
            await system.install(workshop.package(name=OTHER), approve=yes)
            await system.install(patient(init=2), approve=yes, start=False)
            wanted = system._registry.get(NAME)
        async with System(home, starts=False) as system:
            await system._running._want(NAME, "running")
            system._running.expect_all()
            async with anyio.create_task_group() as group:
                group.start_soon(system.start_all)
                assert await system.send(OTHER, b"echo") == b"echo"
                await until(lambda: system.component_status(NAME).state == "starting")
                with anyio.fail_after(30):
                    await system.stop(NAME, kill=True)
            assert system.component_status(NAME).state == "stopped"
        async with System(home) as system:
            assert system.component_status(NAME).state == "stopped"
            assert wanted.name == NAME


class TestKilling:
    """`stop --kill` waits for nothing that a guest does."""

    async def test_a_message_in_hand_is_not_finished(
        self, system: System, patient: Callable[..., Package], yes: Approve
    ) -> None:
        """Its sender hears of it; the component stays stopped, and can be started."""
        await system.install(patient(), approve=yes)
        sent = Outcome()
        async with anyio.create_task_group() as group:
            group.start_soon(sent.of, system.send, NAME, b"k", 200.0)
            await until(lambda: is_in_hand(system))
            with anyio.fail_after(30):
                await system.stop(NAME, kill=True)
                await sent.is_over.wait()
        assert isinstance(sent.error, ActorError)
        assert system.component_status(NAME).state == "stopped"
        await system.start(NAME)
        assert await system.send(NAME, b"echo") == b"echo"

    async def test_a_stop_that_waits_for_long_ends(
        self, system: System, patient: Callable[..., Package], yes: Approve
    ) -> None:
        """As long as the policy lets a manifest say."""
        await system.install(patient(extra="shutdown = 60"), approve=yes)
        sent, stopped = Outcome(), Outcome()
        async with anyio.create_task_group() as group:
            group.start_soon(sent.of, system.send, NAME, b"k", 200.0)
            await until(lambda: is_in_hand(system))
            group.start_soon(stopped.of, system.stop, NAME)
            await until(lambda: stopped.has_begun)
            with anyio.fail_after(30):
                await system.stop(NAME, kill=True)
                await stopped.is_over.wait()
                await sent.is_over.wait()
        assert stopped.error is None
        assert system.component_status(NAME).state == "stopped"

    async def test_a_start_that_hangs_ends_as_one_that_failed(
        self, system: System, patient: Callable[..., Package], yes: Approve
    ) -> None:
        """Also an install's, which leaves nothing."""
        installed = Outcome()
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: installed.of(system.install, patient(init=2), approve=yes))
            await until(lambda: system._hosting.state(NAME) == "starting")
            with anyio.fail_after(30):
                with pytest.raises(NotInstalled):
                    await system.stop(NAME, kill=True)
                await installed.is_over.wait()
        assert isinstance(installed.error, StartFailed)
        assert "killed" in str(installed.error)
        assert system.list() == ()

    async def test_an_update_that_hangs_ends_as_one_that_failed(
        self, system: System, patient: Callable[..., Package], yes: Approve
    ) -> None:
        """The version before is what is installed; nothing of either runs."""
        await system.install(patient(), approve=yes)
        updated = Outcome()
        async with anyio.create_task_group() as group:
            group.start_soon(
                lambda: updated.of(system.update, patient("0.2.0", init=2), approve=yes)
            )
            await until(lambda: NAME in system._hosting._trying)
            with anyio.fail_after(30):
                await system.stop(NAME, kill=True)
                await updated.is_over.wait()
        assert isinstance(updated.error, UpdateFailed)
        assert system.list()[0].version == "0.1.0"
        assert system.component_status(NAME).state == "stopped"
        await system.start(NAME)
        assert await system.send(NAME, b"v") == b"0.1.0"

    async def test_changes_that_wait_behind_it_start_nothing_meanwhile(
        self, system: System, patient: Callable[..., Package], yes: Approve
    ) -> None:
        """They were asked for before the kill, and are answered with an error."""
        await system.install(patient(), approve=yes)
        restarts = [Outcome() for _ in range(3)]
        async with anyio.create_task_group() as group:
            for each in restarts:
                group.start_soon(each.of, system.restart, NAME)
            await until(lambda: all(each.has_begun for each in restarts))
            await system.stop(NAME, kill=True)
        assert {type(each.error) for each in restarts} <= {StartFailed, type(None)}
        assert system.component_status(NAME).state == "stopped"

    async def test_what_is_not_installed_cannot_be_killed(self, system: System) -> None:
        """As it cannot be stopped."""
        with pytest.raises(NotInstalled):
            await system.stop(NAME, kill=True)


async def test_what_happens_to_the_host_is_in_its_audit_log(system: System, home: Path) -> None:
    """Who stopped it, for one."""
    system.note("stopping, by SIGTERM")
    (line,) = list(read_audit(home / "audit" / "audit.jsonl"))
    assert (line["kind"], line["reason"]) == ("host", "stopping, by SIGTERM")


async def test_a_clock_that_goes_back_changes_nothing(
    home: Path, workshop: Workshop, yes: Approve
) -> None:
    """Order is of versions and sequences, not of times."""
    now = 2e9

    def clock() -> float:
        nonlocal now
        now -= 3600
        return now

    async with System(home, clock=clock) as system:
        await system.install(workshop.package(), approve=yes)
        await system.update(workshop.package("0.2.0"))
        await system.send(NAME, b"log")
        assert (await system.rollback(NAME)).version == "0.1.0"
        assert (await system.rollback(NAME, "0.2.0")).version == "0.2.0"
    async with System(home, clock=clock) as system:
        assert await system.send(NAME, b"v") == b"0.2.0"
