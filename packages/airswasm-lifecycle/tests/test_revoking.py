"""A revocation that meets another change of the same component: no code of the key runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import EventKind, LifecycleEvent
from airswasm.actor._running.reference import cell_of
from airswasm.lifecycle import InstallPlan, NotInstalled, OwnerChanged, System
from airswasm.lifecycle._hosting.incarnations import HostedActor
from airswasm.lifecycle._registry.ledger import Ledger
from airswasm.security import KeyRevoked, PrivateKey, generate_key
from airswasm.storage import StoreLimits
from airswasm.wit import AirswasmError
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"

pytestmark = pytest.mark.anyio


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with System(tmp_path / "home") as system:
        yield system


def at_work(system: System) -> list[str]:
    return [name for name, _, actor in system._hosting.running() if isinstance(actor, HostedActor)]


class Meeting:
    """Lets something happen at a write of the registry: before it, or between it and the rest."""

    def __init__(self, patch: pytest.MonkeyPatch, write: str) -> None:
        self.before: Callable[[], Any] | None = None
        self.after: Callable[[], Any] | None = None
        original = getattr(Ledger, write)

        async def meet(ledger: Ledger, *arguments: Any, **named: Any) -> None:
            before, self.before = self.before, None
            if before is not None:
                await before()
            await original(ledger, *arguments, **named)
            after, self.after = self.after, None
            if after is not None:
                await after()

        patch.setattr(Ledger, write, meet)


class TestWhileItStarts:
    """Some names of a package are up, others are not yet."""

    @pytest.mark.parametrize("way", ["install many", "start the host"])
    async def test_no_name_comes_up_after_it(
        self, tmp_path: Path, workshop: Workshop, yes: Approve, way: str
    ) -> None:
        """The first name's start is the moment; every name ends as quarantined or absent."""
        package, names = workshop.package(), [f"local/n{number}" for number in range(40)]
        async with System(tmp_path / "home", starts=False) as system:
            if way == "start the host":
                await system.install_many(package, names, approve=yes)
                for name in names:
                    await system._hosting.stop(name)
            async with anyio.create_task_group() as group:

                def revoke(event: LifecycleEvent) -> None:
                    if event.kind is EventKind.READY and not system.trust.revocations():
                        watch.cancel()
                        fingerprint = workshop.key.public.fingerprint
                        group.start_soon(system.trust.revoke, fingerprint, "stolen")

                watch = system._actors.events.listen(revoke)
                try:
                    if way == "start the host":
                        system._running.expect_all()
                        await system.start_all()
                    else:
                        await system.install_many(package, names, approve=yes)
                except AirswasmError:
                    assert way == "install many"
            assert at_work(system) == []
            states = {system.component_status(each.name).state for each in system._registry}
            assert states <= {"quarantined", "stopped"}


class TestWhileItChanges:
    """An update or a rollback of the component is in progress."""

    async def test_before_the_approval_of_a_version_it_signed_too(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Neither an update nor an install is written."""
        reviewer = generate_key()
        await system.install(workshop.package(), approve=yes)
        limits = 'memory = "2 MiB"'

        async def approve(plan: InstallPlan) -> bool:
            await system.trust.revoke(reviewer.public.fingerprint, "left")
            return True

        update = workshop.package("0.2.0", limits=limits, more=(reviewer,))
        with pytest.raises(AirswasmError, match="left"):
            await system.update(update, approve=approve)
        assert system.info(NAME).version == "0.1.0"
        assert await system.send(NAME, b"v") == b"0.1.0"

        second = generate_key()

        async def approve_second(plan: InstallPlan) -> bool:
            await system.trust.revoke(second.public.fingerprint, "left")
            return True

        other = workshop.package(name="local/other", more=(second,))
        with pytest.raises(KeyRevoked):
            await system.install(other, approve=approve_second)
        with pytest.raises(NotInstalled):
            system.info("local/other")

    async def test_a_rollback_to_a_version_it_signed(
        self, system: System, workshop: Workshop, yes: Approve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It was valid as the rollback began; the present version goes on."""
        reviewer = generate_key()
        await system.install(workshop.package(more=(reviewer,)), approve=yes)
        await system.update(workshop.package("0.2.0"), approve=yes)
        meeting = Meeting(monkeypatch, "put")

        async def revoke() -> None:
            await system.trust.revoke(reviewer.public.fingerprint, "left")

        meeting.before = revoke
        with pytest.raises(AirswasmError, match="left"):
            await system.rollback(NAME)
        assert system.info(NAME).version == "0.2.0"
        assert await system.send(NAME, b"v") == b"0.2.0"

    @pytest.mark.parametrize("moment", ["before", "after"])
    async def test_an_update_by_the_same_key(
        self, system: System, workshop: Workshop, yes: Approve, moment: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Before the write it fails, after the write it ends; neither version runs."""
        await system.install(workshop.package(), approve=yes)
        meeting = Meeting(monkeypatch, "put_package")
        async with anyio.create_task_group() as group:

            async def revoke() -> None:
                group.start_soon(system.trust.revoke, workshop.key.public.fingerprint, "stolen")
                await anyio.wait_all_tasks_blocked()

            setattr(meeting, moment, revoke)
            try:
                await system.update(workshop.package("0.2.0"), approve=yes)
            except AirswasmError:
                assert moment == "before"
        assert at_work(system) == []
        assert system.component_status(NAME).state == "quarantined"
        with pytest.raises(KeyRevoked):
            await system.start(NAME)

    async def test_an_update_by_the_next_owner_comes_through(
        self, system: System, workshop: Workshop, yes: Approve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The quarantine waits for the update, and then finds nothing left to end."""
        await system.install(workshop.package(), approve=yes)
        new = generate_key()
        await system.trust.transfer(NAME, new.public)
        meeting = Meeting(monkeypatch, "put_package")
        async with anyio.create_task_group() as group:

            async def revoke() -> None:
                group.start_soon(system.trust.revoke, workshop.key.public.fingerprint, "stolen")
                while not system.trust.revocations():
                    await anyio.wait_all_tasks_blocked()

            meeting.before = revoke
            await system.update(workshop.package("0.2.0", key=new), approve=yes)
        assert await system.send(NAME, b"v") == b"0.2.0"
        assert system.component_status(NAME).state == "running"


class TestWhileItStops:
    async def test_a_message_in_hand_ends(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """A stop would let it finish, and call `shutdown`; a revocation does neither."""
        await system.install(workshop.package(), approve=yes)
        ref = system._hosting._hosted[NAME].ref
        assert ref is not None
        instance = ref.actor.instance  # type: ignore[union-attr]
        assert instance is not None
        ended: list[Exception] = []

        async def spin() -> None:
            try:
                await system.send(NAME, b"spin")
            except Exception as error:
                ended.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(spin)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(system.stop, NAME)
            await anyio.wait_all_tasks_blocked()
            await system.trust.revoke(workshop.key.public.fingerprint, "stolen")
            assert instance.is_closed
        assert len(ended) == 1
        assert system.component_status(NAME).state == "stopped"

    async def test_a_caller_that_leaves_does_not_end_it(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The key is refused, so its code ends too, whether or not the answer is awaited."""
        await system.install(workshop.package(), approve=yes)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await system.trust.revoke(workshop.key.public.fingerprint, "stolen")
        assert len(system.trust.revocations()) == 1
        assert at_work(system) == []


class TestOwners:
    """A name passes to another key while the component changes, or after its pin was removed."""

    async def test_a_transfer_during_another_change_stays(
        self, system: System, workshop: Workshop, yes: Approve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The change writes what it is about, and not the owner that it read before."""
        await system.install(workshop.package(), approve=yes)
        await system.update(workshop.package("0.2.0"), approve=yes)
        meeting = Meeting(monkeypatch, "put")
        for change in (system.rollback, system.stop, system.start):
            new = generate_key()

            async def transfer(key: PrivateKey = new) -> None:
                await system.trust.transfer(NAME, key.public)

            meeting.before = transfer
            await change(NAME)
            assert system.info(NAME).owner == str(new.public)
        assert system.info(NAME).version == "0.1.0"

    async def test_an_update_outlives_the_transfer_that_met_it(
        self, system: System, workshop: Workshop, yes: Approve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The record keeps the new version, and has the new owner."""
        await system.install(workshop.package(), approve=yes)
        new = generate_key()
        meeting = Meeting(monkeypatch, "put_package")
        async with anyio.create_task_group() as group:

            async def transfer() -> None:
                group.start_soon(system.trust.transfer, NAME, new.public)

            meeting.after = transfer
            await system.update(workshop.package("0.2.0"), approve=yes)
        assert (system.info(NAME).version, system.info(NAME).owner) == ("0.2.0", str(new.public))

    async def test_a_removed_pin_of_a_revoked_owner_can_be_transferred(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The lost key needs no approval to be replaced."""
        await system.install(workshop.package(), approve=yes)
        await system.trust.revoke(workshop.key.public.fingerprint, "stolen")
        await system.trust.remove(NAME)
        new = generate_key()
        await system.trust.transfer(NAME, new.public)
        await system.update(workshop.package("0.2.0", key=new), approve=yes)
        assert await system.send(NAME, b"v") == b"0.2.0"

    async def test_an_install_under_another_name_takes_no_owner_over(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The pin is removed, the owner is known: another key is refused before any question."""
        await system.install(workshop.package(), approve=yes)
        await system.trust.remove(NAME)
        stranger = workshop.package("0.2.0", key=generate_key())
        with pytest.raises(OwnerChanged):
            await system.install(stranger, name="local/twin", approve=lambda _plan: False)
        with pytest.raises(OwnerChanged):
            await system.install_many(stranger, ["local/twin"], approve=lambda _plan: False)
        assert system.trust.components() == ()


async def test_one_write_takes_as_many_names_as_there_are(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """The bounds of a guest's atomic write are not the registry's: not at install, nor later."""
    names = [f"local/n{number}" for number in range(StoreLimits().batch_entries + 1)]
    new = generate_key()
    async with System(tmp_path / "home") as system:
        await system.install_many(workshop.package(), names, approve=yes, start=False)
        await system.trust.transfer(NAME, new.public)
        assert {each.owner for each in system._registry} == {str(new.public)}


class TestBehindAnUpdate:
    """Another change of the component takes longer than the revocation waits."""

    @pytest.mark.parametrize("moment", ["it succeeds", "it fails", "a message is in hand"])
    async def test_the_mailbox_stays(
        self, system: System, workshop: Workshop, yes: Approve, moment: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """The old code ends at once; the messages wait for what the next owner brings."""
        await system.install(workshop.package(**ENDLESS), approve=yes)
        new = generate_key()
        await system.trust.transfer(NAME, new.public)
        old = at_hand(system)
        monkeypatch.setattr("airswasm.lifecycle._hosting.hosting._QUARANTINE_TIME", 0.2)
        go_on, is_there = anyio.Event(), anyio.Event()
        failures: list[Exception] = []
        is_busy, fails = moment == "a message is in hand", moment == "it fails"

        async def wait() -> None:
            is_there.set()
            await go_on.wait()
            if fails:
                raise KeyRevoked("0" * 64, "the test ends it")

        meeting = Meeting(monkeypatch, "put_package")
        meeting.before = None if is_busy else wait
        second = workshop.package("0.2.0", key=new, **ENDLESS)
        async with anyio.create_task_group() as group:
            if is_busy:
                await begin_to_spin(system, group, failures)
            group.start_soon(attempt, failures, lambda: system.update(second, approve=yes))
            if not is_busy:
                await is_there.wait()
            await system.trust.revoke(workshop.key.public.fingerprint, "stolen")
            assert old.is_closed
            system._actors.broker.tell(NAME, b"echo")
            go_on.set()
        assert len(failures) == is_busy + fails
        if fails:
            assert at_work(system) == []
            status = system.component_status(NAME)
            assert (status.state, status.mailbox) == ("quarantined", 1)
            third = workshop.package("0.3.0", key=new, **ENDLESS)
            await system.update(third, approve=yes)
        assert await system.send(NAME, b"v") == (b"0.3.0" if fails else b"0.2.0")
        status = system.component_status(NAME)
        assert (status.state, status.mailbox, status.restarts) == ("running", 0, 0)
        assert system._actors.dead_letters.total == is_busy, "the one in hand"

    async def test_what_finishes_after_a_switch_ends_too(
        self, system: System, workshop: Workshop, yes: Approve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A rollback is written, and the version of before has a message in hand."""
        await system.install(workshop.package(**ENDLESS), approve=yes)
        new = generate_key()
        await system.trust.transfer(NAME, new.public)
        await system.update(workshop.package("0.2.0", key=new, **ENDLESS), approve=yes)
        second = at_hand(system)
        written = anyio.Event()

        async def note() -> None:
            written.set()

        meeting = Meeting(monkeypatch, "put")
        failures: list[Exception] = []
        async with anyio.create_task_group() as group:
            await begin_to_spin(system, group, failures)
            meeting.after = note
            group.start_soon(attempt, failures, lambda: system.rollback(NAME))
            await written.wait()
            report = await system.trust.revoke(new.public.fingerprint, "stolen")
            assert second.is_closed
            assert report.quarantined == ()
        assert len(failures) == 1
        assert await system.send(NAME, b"v") == b"0.1.0"
        status = system.component_status(NAME)
        assert (status.state, status.restarts) == ("running", 0)


ENDLESS = {"fuel": 10**11, "timeout": "60 s"}


def at_hand(system: System) -> Any:
    """The instance that runs."""
    ref = system._hosting._hosted[NAME].ref
    assert ref is not None
    assert isinstance(ref.actor, HostedActor)
    return ref.actor.instance


async def attempt(failures: list[Exception], act: Callable[[], Any]) -> None:
    try:
        await act()
    except Exception as error:
        failures.append(error)


async def begin_to_spin(system: System, group: TaskGroup, failures: list[Exception]) -> None:
    """Let the component work on a message that does not end, and wait until it does."""
    ref = system._hosting._hosted[NAME].ref
    assert ref is not None
    group.start_soon(attempt, failures, lambda: system.send(NAME, b"spin"))
    while cell_of(ref).work is None:
        await checkpoint()


class TestASecondOne:
    """It lists what it newly stops, and nothing that a revocation before it had stopped."""

    @pytest.mark.parametrize("mode", ["online", "offline"])
    @pytest.mark.parametrize("first", ["owner", "reviewer", "the same"])
    async def test_it_lists_only_that(
        self, tmp_path: Path, workshop: Workshop, yes: Approve, mode: Any, first: str
    ) -> None:
        """Whichever signer is revoked first, on a host and on a stopped home, running or not."""
        owner, reviewer = generate_key(), generate_key()
        async with System(tmp_path / "home", mode=mode) as system:
            await system.install(workshop.package(key=owner, more=(reviewer,)), approve=yes)
            await system.install(workshop.package(name="local/theirs", key=reviewer), approve=yes)
            await system.install(
                workshop.package(name="local/idle", key=owner), approve=yes, start=False
            )
            keys = {"owner": [owner, reviewer], "reviewer": [reviewer, owner]}
            found = [
                (await system.trust.revoke(key.public.fingerprint, "lost")).quarantined
                for key in keys.get(first, [owner, owner])
            ]
        both, theirs, idle = NAME, "local/theirs", "local/idle"
        assert (
            found
            == {
                "owner": [(both, idle), (theirs,)],
                "reviewer": [(both, theirs), (idle,)],
                "the same": [(both, idle), ()],
            }[first]
        )
