"""Install, run, update, roll back and remove: the whole of it, with real components."""

import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import ActorFailed, GuestRefused, MessageTooLarge
from airswasm.lifecycle import (
    AlreadyInstalled,
    ApprovalRefused,
    ArtifactCorrupt,
    Configuration,
    HealthPolicy,
    HostIsRunning,
    HostOffline,
    InstallPlan,
    InstallPolicy,
    LimitPolicy,
    MemoryTooSmall,
    NotInstalled,
    NotMeasured,
    NotRunning,
    OwnerChanged,
    Package,
    PackageUnsigned,
    ProviderFailed,
    SequenceTooOld,
    StartFailed,
    StoreMissing,
    SupervisionPolicy,
    System,
    UpdateFailed,
)
from airswasm.runtime import (
    DeadlineExceeded,
    EngineSettings,
    FuelExhausted,
    Health,
    HealthSources,
    HostInterface,
    InvalidComponent,
    Meters,
    Services,
    Trapped,
)
from airswasm.security import (
    ContentMismatch,
    KeyRevoked,
    generate_key,
    read_audit,
    verify_audit,
)
from airswasm.wit import Block, Blocks, BlocksInvalid, ContractViolation

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
WIDER = 'storage.read = ["everything"]\nstorage.write = ["everything"]'

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def system(home: Path) -> AsyncIterator[System]:
    async with System(home) as system:
        yield system


def log_of(system: System) -> list[str]:
    return [entry.message for entry in system.logs.recent(NAME)]


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await anyio.sleep(0.001)


class TestInstall:
    """From a package to a reply."""

    async def test_what_is_installed_answers(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Bytes, no reply, and a refusal are three different answers."""
        info = await system.install(workshop.package(), approve=yes)
        assert (info.name, info.version, info.state) == (NAME, "0.1.0", "running")
        assert await system.send(NAME, b"echo") == b"echo"
        assert await system.send(NAME, b"-") is None
        with pytest.raises(GuestRefused, match="refused"):
            await system.send(NAME, b"refuse")

    async def test_the_one_who_approves_sees_what_it_asks_for(
        self, system: System, workshop: Workshop
    ) -> None:
        """Capabilities, limits, version and signer; `async` approvers are awaited."""
        seen: list[InstallPlan] = []

        async def approve(plan: InstallPlan) -> bool:
            seen.append(plan)
            return True

        await system.install(workshop.package(), approve=approve)
        (plan,) = seen
        assert plan.capabilities.allow["storage:write"] == ("count", "migrated")
        assert plan.limits.memory == 2**20
        assert plan.signer == workshop.key.public.fingerprint
        assert plan.is_new_signer

    @pytest.mark.parametrize("approve", [None, lambda _plan: False])
    async def test_without_approval_nothing_is_installed(
        self, system: System, workshop: Workshop, approve: Approve | None
    ) -> None:
        """And nothing stays behind: no pin, no file."""
        with pytest.raises(ApprovalRefused):
            await system.install(workshop.package(), approve=approve)
        assert system.list() == ()
        assert not list(system.home.trust_folder.iterdir())
        assert not list(system.home.artifacts_folder.rglob("*"))

    async def test_a_folder_and_a_file_are_installed_alike(
        self, system: System, workshop: Workshop, yes: Approve, tmp_path: Path
    ) -> None:
        """`install` takes a path to either."""
        package = workshop.package()
        package.write_archive(tmp_path / "hello.airswasm")
        folder = tmp_path / "folder"
        folder.mkdir()
        for name, content in package.files.items():
            (folder / name).write_bytes(content)
        package.write_signature(folder)
        await system.install(tmp_path / "hello.airswasm", approve=yes)
        await system.install(folder, name="local/other", approve=yes)
        assert [each.name for each in system.list()] == [NAME, "local/other"]

    async def test_a_changed_byte_is_refused(
        self, system: System, workshop: Workshop, tmp_path: Path
    ) -> None:
        """Before anybody is asked about anything."""
        package = workshop.package()
        package.write_signature(tmp_path)
        (tmp_path / "Component.toml").write_bytes(package.files["Component.toml"] + b"\n")
        (tmp_path / "component.wasm").write_bytes(package.wasm)
        with pytest.raises(ContentMismatch):
            await system.install(tmp_path)

    async def test_a_core_module_and_noise_are_refused(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """With a typed error, and nothing half-installed."""
        for wasm in (b"\0asm\1\0\0\0", b"", b"noise", workshop.guest()[:500]):
            with pytest.raises((ContractViolation, InvalidComponent)):
                await system.install(workshop.package(wasm=wasm), approve=yes)
        assert system.list() == ()

    async def test_a_taken_name_is_refused(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Update is another verb."""
        await system.install(workshop.package(), approve=yes)
        with pytest.raises(AlreadyInstalled):
            await system.install(workshop.package(), approve=yes)

    async def test_a_component_that_cannot_start_in_its_memory_is_told_what_to_write(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """As every Python guest would be in 4 MiB."""
        big = workshop.package(wasm=workshop.guest(pages=64))
        with pytest.raises(MemoryTooSmall, match='memory = "64 MiB"'):
            await system.install(big, approve=yes)

    async def test_a_component_whose_init_fails_is_not_installed(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """On a running host installing includes starting."""
        with pytest.raises(StartFailed, match="refused"):
            await system.install(workshop.package(wasm=workshop.guest(init=1)), approve=yes)
        assert system.list() == ()
        assert any("did not start" in line for line in log_of(system))
        assert (await system.install(workshop.package(sequence=20), approve=yes)).state == "running"

    async def test_many_names_share_one_artifact(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Asked once, written once, loaded once; each has its own data."""
        asked: list[InstallPlan] = []
        names = [f"local/n{number}" for number in range(50)]
        count = await system.install_many(
            workshop.package(), names, approve=lambda plan: asked.append(plan) is None
        )
        assert count == 50
        assert len(asked) == 1
        assert len(system._loader._linked) == 1
        assert await system.send("local/n7", b"c") == b"\1"
        assert await system.send("local/n7", b"c") == b"\2"
        assert await system.send("local/n8", b"c") == b"\1"
        info = system.info("local/n8")
        assert info.package_name == NAME
        with pytest.raises(ActorFailed) as failed:
            await system.send("local/n9", b"t")
        assert str(failed.value.cause).startswith("local/n9: "), "the one that failed is named"

    async def test_an_install_of_many_names_holds_each_of_them(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """An install of one of them waits for its end, the approval's time included."""
        late: list[Exception] = []

        async def install_later() -> None:
            try:
                await system.install(workshop.package("0.2.0"), name="local/n1", approve=yes)
            except AlreadyInstalled as error:
                late.append(error)

        async with anyio.create_task_group() as group:

            async def approve(_plan: InstallPlan) -> bool:
                group.start_soon(install_later)
                await anyio.wait_all_tasks_blocked()
                return not late and not system.list()

            names = ["local/n2", "local/n1", "local/n2"]
            assert await system.install_many(workshop.package(), names, approve=approve) == 2
        assert len(late) == 1
        assert system.info("local/n1").version == "0.1.0"


class TestBeforeApproval:
    """Nothing of a package runs before it was approved."""

    async def test_a_refused_install_has_run_nothing(
        self, system: System, workshop: Workshop
    ) -> None:
        """Not even the code that runs when it is instantiated; and the plan shows it unrun."""
        eager = workshop.package(wasm=workshop.guest(eager=1))
        plan = await system.plan(eager)
        with pytest.raises(ApprovalRefused):
            await system.install(eager, approve=lambda given: given.digest != plan.digest)
        assert log_of(system) == []
        assert system._loader._linked == {}

    async def test_a_refused_update_has_run_nothing_under_the_old_grants(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """What the installed version stored is as it was."""
        await system.install(workshop.package(), approve=yes)
        await system.send(NAME, b"c")
        eager = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", eager=1), capabilities=WIDER)
        with pytest.raises(ApprovalRefused):
            await system.update(eager, approve=lambda _plan: False)
        assert await system._store.namespace(NAME).get("count") == b"\1"
        assert "hello log" not in log_of(system)
        assert await system.send(NAME, b"c") == b"\2"

    @pytest.mark.parametrize("verb", ["install", "update"])
    async def test_the_trial_has_neither_name_nor_grants(
        self, system: System, workshop: Workshop, yes: Approve, verb: str
    ) -> None:
        """Its effects are those of one start: the real one."""
        if verb == "update":
            await system.install(workshop.package(), approve=yes)
        eager = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", eager=1))
        await getattr(system, verb)(eager, approve=yes)
        assert log_of(system).count("hello log") == 1
        assert await system._store.namespace(NAME).get("count") == b"0"
        written = list(read_audit(system.home.audit_folder / "audit.jsonl"))
        assert {line.get("component") for line in written} == {NAME}

    async def test_what_only_running_can_tell_is_told_before_the_change(
        self, system: System, workshop: Workshop
    ) -> None:
        """After the question, and before anything is written."""
        asked: list[InstallPlan] = []
        big = workshop.package(wasm=workshop.guest(pages=64))
        with pytest.raises(MemoryTooSmall):
            await system.install(big, approve=lambda plan: asked.append(plan) is None)
        assert len(asked) == 1
        assert system.list() == ()
        assert not list(system.home.artifacts_folder.rglob("*"))


class TestPlan:
    """What would be done, decided and not done."""

    async def test_a_plan_is_what_is_asked_about(self, system: System, workshop: Workshop) -> None:
        """For an install and for an update; planning changes nothing."""
        seen: list[InstallPlan] = []

        def approve(plan: InstallPlan) -> bool:
            seen.append(plan)
            return True

        for verb, version in (("install", "0.1.0"), ("update", "0.2.0")):
            wider = workshop.package(version, capabilities=WIDER if verb == "update" else "")
            plan = await system.plan(wider, update=verb == "update")
            assert [each.version for each in system.list()] == ["0.1.0"][: verb == "update"]
            await getattr(system, verb)(wider, approve=approve)
            assert replace(seen.pop(), verdicts=plan.verdicts) == plan

    @pytest.mark.parametrize("member", ["component.wasm", "Component.toml", "component.sig"])
    async def test_the_digest_covers_every_byte(
        self, system: System, workshop: Workshop, member: str
    ) -> None:
        """The component, the manifest with all that it sets, and who signed it."""
        package = workshop.package()
        other = {
            "component.wasm": lambda: workshop.package(wasm=workshop.guest("0.1.1")),
            "Component.toml": lambda: workshop.package(extra="intensity = 4"),
            "component.sig": lambda: workshop.package(sequence=2),
        }[member]()
        first, second = await system.plan(package), await system.plan(other)
        assert first.digest != second.digest
        assert first == await system.plan(Package.from_bytes(package.to_archive()))

    async def test_the_digest_covers_what_the_change_means_here(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The name it gets, and the version that it replaces."""
        await system.install(workshop.package(), approve=yes)
        update = workshop.package("0.3.0")
        first = await system.plan(update, update=True)
        assert (await system.plan(update, name="local/other")).digest != first.digest
        await system.update(workshop.package("0.2.0"), approve=yes)
        assert (await system.plan(update, update=True)).digest != first.digest

    async def test_an_update_whose_predecessor_cannot_be_read_is_asked_about(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """There is nothing to compare it with: all that it sets counts as more."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            digest = system._registry.get(NAME).active_version.files["Component.toml"]
        system._stored.artifacts.path(digest).unlink()
        async with System(home) as system:
            plan = await system.plan(workshop.package("0.2.0"), update=True)
        assert plan.needs_approval
        assert {"limits.memory", "limits.fuel"} <= {each.key for each in plan.raises}

    async def test_nothing_is_planned_for_a_home_that_is_only_read(
        self, home: Path, workshop: Workshop
    ) -> None:
        """It has no engine to compile with."""
        async with System(home, mode="readonly") as system:
            with pytest.raises(HostOffline):
                await system.plan(workshop.package())


class TestSigned:
    """Who may install and update."""

    async def test_unsigned_is_for_development(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Only where the policy says so."""
        unsigned = Package.from_files(workshop.package().files)
        async with System(home) as system:
            with pytest.raises(PackageUnsigned):
                await system.install(unsigned, approve=yes)
        settings = Configuration.of(InstallPolicy(unsigned=True))
        async with System(home, configuration=settings) as system:
            assert (await system.install(unsigned, approve=yes)).owner is None

    async def test_another_key_cannot_update(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The installed version goes on."""
        await system.install(workshop.package(), approve=yes)
        with pytest.raises(OwnerChanged):
            await system.update(workshop.package("0.2.0", key=generate_key()), approve=yes)
        assert await system.send(NAME, b"v") == b"0.1.0"

    async def test_an_older_sequence_cannot_update(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Even with a higher version number."""
        await system.install(workshop.package(), approve=yes)
        with pytest.raises(SequenceTooOld):
            await system.update(workshop.package("0.2.0", sequence=10), approve=yes)

    async def test_a_name_stays_its_owners_after_it_was_uninstalled(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Its data is still there; `purge` gives up both."""
        await system.install(workshop.package(), approve=yes)
        await system.send(NAME, b"c")
        await system.uninstall(NAME)
        stranger = workshop.package(key=generate_key())
        with pytest.raises(OwnerChanged):
            await system.install(stranger, approve=yes)
        await system.install(workshop.package(), approve=yes)
        assert await system.send(NAME, b"c") == b"\2"
        await system.uninstall(NAME, purge=True)
        await system.install(stranger, approve=yes)
        assert await system.send(NAME, b"c") == b"\1"

    async def test_a_revoked_key_starts_nothing(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """What is installed is verified again whenever it is loaded."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            system._trust.revoke(workshop.key.public.fingerprint, "stolen")
        async with System(home) as system:
            assert system.list()[0].state == "quarantined"
            assert any("stolen" in line for line in log_of(system))
            with pytest.raises(KeyRevoked):
                await system.start(NAME)

    @pytest.mark.parametrize("member", ["component.wasm", "Component.toml"])
    async def test_bytes_that_changed_on_disk_are_not_run(
        self, home: Path, workshop: Workshop, yes: Approve, member: str
    ) -> None:
        """The bytes that run are hashed when they are loaded; others go on."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            await system.install(workshop.package(name="local/fine"), approve=yes)
            digest = system._registry.get(NAME).active_version.files[member]
            if member == "component.wasm":
                await system.uninstall("local/fine")
        path = system._stored.artifacts.path(digest)
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        async with System(home) as system:
            assert any("changed" in line for line in log_of(system))
            with pytest.raises(ArtifactCorrupt):
                await system.start(NAME)
            # what its hint says: the same package again puts the files back
            assert (await system.install(workshop.package())).state == "running"
            assert await system.send(NAME, b"echo") == b"echo"
            with pytest.raises(AlreadyInstalled):
                await system.install(workshop.package(), approve=yes)
            if member == "Component.toml":
                assert await system.send("local/fine", b"echo") == b"echo"


class TestUpdate:
    """A newer version takes over while messages keep coming."""

    async def test_the_new_version_answers_and_has_the_data(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Data belongs to the name; `migrate` was told which version ran before."""
        await system.install(workshop.package(), approve=yes)
        await system.send(NAME, b"c")
        info = await system.update(workshop.package("0.2.0"))
        assert (info.version, info.state) == ("0.2.0", "running")
        assert system.component_status(NAME).restarts == 0
        assert "0.2.0 took over, incarnation 2" in log_of(system)
        assert await system.send(NAME, b"v") == b"0.2.0"
        assert await system.send(NAME, b"c") == b"\2"
        assert await system._store.namespace(NAME).get("migrated") == b"0.1.0"

    async def test_no_message_sent_meanwhile_is_lost(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Every one is answered, in the old version first and then in the new one."""
        await system.install(workshop.package(), approve=yes)
        answers: list[bytes | None] = []
        is_over = False

        async def keep_sending() -> None:
            while not is_over:
                answers.append(await system.send(NAME, b"v"))
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(keep_sending)
            for version in ("0.2.0", "0.3.0", "0.4.0"):
                await system.update(workshop.package(version))
            is_over = True
        assert answers == sorted(answers, key=lambda answer: answer or b"")
        assert set(answers) >= {b"0.1.0", b"0.4.0"}

    async def test_widened_capabilities_are_asked_about_again(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """And only those; once granted they work at once."""
        await system.install(workshop.package(), approve=yes)
        wider = workshop.package("0.2.0", capabilities=WIDER)
        with pytest.raises(GuestRefused, match=r'storage.write = \["count", "migrated", "other"\]'):
            await system.send(NAME, b"o")
        with pytest.raises(ApprovalRefused):
            await system.update(wider)
        assert await system.send(NAME, b"v") == b"0.1.0"
        asked: list[InstallPlan] = []
        await system.update(wider, approve=lambda plan: asked.append(plan) is None)
        assert asked[0].added_capabilities.allow == {"storage:write": ("everything",)}
        assert await system.send(NAME, b"o") is None

    @pytest.mark.parametrize("failing", ["init", "migrate"])
    async def test_a_version_that_does_not_come_up_changes_nothing(
        self, system: System, workshop: Workshop, yes: Approve, failing: str
    ) -> None:
        """The old one runs on, with its grants; it is still what is installed."""
        await system.install(workshop.package(), approve=yes)
        bad = workshop.package(
            "0.2.0", wasm=workshop.guest("0.2.0", **{failing: 1}), capabilities=WIDER
        )
        with pytest.raises(UpdateFailed, match=r"refused.*0\.1\.0 continues") as caught:
            await system.update(bad, approve=yes)
        assert caught.value.step == "start"
        assert await system.send(NAME, b"v") == b"0.1.0"
        assert system.info(NAME).version == "0.1.0"
        assert "0.2.0 did not take over, at 'start'" in "".join(log_of(system))
        with pytest.raises(GuestRefused):
            await system.send(NAME, b"o")
        await system.update(workshop.package("0.3.0"))
        assert await system.send(NAME, b"v") == b"0.3.0"

    async def test_a_component_that_gave_up_can_be_mended_by_an_update(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """That is what updates are for."""
        await system.install(workshop.package(extra="intensity = 0"), approve=yes)
        with pytest.raises(ActorFailed):
            await system.send(NAME, b"trap")
        await until(lambda: system.list()[0].state == "given up")
        await system.update(workshop.package("0.2.0"), approve=yes)
        assert await system.send(NAME, b"v") == b"0.2.0"

    async def test_a_stopped_component_is_updated_and_stays_stopped(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Starting it is another decision; then the data is taken over."""
        await system.install(workshop.package(), approve=yes)
        await system.stop(NAME)
        assert (await system.update(workshop.package("0.2.0"))).state == "stopped"
        await system.start(NAME)
        assert await system.send(NAME, b"v") == b"0.2.0"
        assert await system._store.namespace(NAME).get("migrated") == b"0.1.0"

    async def test_an_unknown_name_is_not_updated(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Install is another verb."""
        with pytest.raises(NotInstalled):
            await system.update(workshop.package("0.2.0"), approve=yes)

    async def test_two_updates_at_once_are_one_after_the_other(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The second finds what the first has made."""
        await system.install(workshop.package(), approve=yes)
        asked = anyio.Event()

        def approve(_plan: object) -> bool:
            asked.set()
            return True

        first = workshop.package("0.2.0", capabilities=WIDER)
        async with anyio.create_task_group() as group:
            group.start_soon(partial(system.update, first, approve=approve))
            await asked.wait()
            second = workshop.package("0.3.0", capabilities=WIDER)
            group.start_soon(partial(system.update, second, approve=yes))
        assert await system.send(NAME, b"v") == b"0.3.0"


class TestRollback:
    """Going back is explicit, audited, and only to what is retained."""

    async def test_the_version_before_answers_again(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """With its own grants; the floor stays, so the bad version cannot come back."""
        await system.install(workshop.package(), approve=yes)
        await system.update(workshop.package("0.2.0", capabilities=WIDER), approve=yes)
        info = await system.rollback(NAME)
        assert (info.version, info.floor) == ("0.1.0", 20)
        assert await system.send(NAME, b"v") == b"0.1.0"
        with pytest.raises(GuestRefused):
            await system.send(NAME, b"o")
        with pytest.raises(SequenceTooOld):
            await system.update(workshop.package("0.2.0", capabilities=WIDER), approve=yes)

    async def test_any_retained_version_can_be_named(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Forward again, too."""
        await system.install(workshop.package(), approve=yes)
        for version in ("0.2.0", "0.3.0"):
            await system.update(workshop.package(version))
        await system.rollback(NAME, "0.1.0")
        assert await system.send(NAME, b"v") == b"0.1.0"
        await system.rollback(NAME, "0.3.0")
        assert await system.send(NAME, b"v") == b"0.3.0"

    async def test_what_is_no_longer_retained_leaves_the_disk(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Ten versions do not cost ten times the space."""
        settings = Configuration.of(InstallPolicy(retain=2, retain_for=0.0))
        async with System(home, configuration=settings) as system:
            await system.install(workshop.package(), approve=yes)
            for version in ("0.2.0", "0.3.0", "0.4.0"):
                await system.update(workshop.package(version))
            assert [each.version for each in system.info(NAME).versions] == ["0.3.0", "0.4.0"]
            files = [path for path in home.joinpath("artifacts").rglob("*") if path.is_file()]
            assert len(files) == 6
            assert len(system._loader._linked) <= 2


class TestRun:
    """What misbehaves is stopped, restarted, given up; the others do not notice."""

    async def test_a_trap_is_restarted_and_told(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """In the log and in the status; its data is still there."""
        await system.install(workshop.package(), approve=yes)
        await system.send(NAME, b"c")
        with pytest.raises(ActorFailed) as caught:
            await system.send(NAME, b"trap")
        assert isinstance(caught.value.cause, Trapped)
        assert await system.send(NAME, b"c") == b"\2"
        status = system.component_status(NAME)
        assert (status.state, status.restarts) == ("running", 1)
        assert "unreachable" in str(status.last_error)
        assert any(line.startswith("failed:") for line in log_of(system))
        assert "restarted, incarnation 2" in log_of(system)

    async def test_a_message_is_delivered_with_its_receipt(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Good or bad; what never came to be handled raises as `send` does."""
        with pytest.raises(NotInstalled):
            await system.deliver(NAME, b"echo")
        await system.install(workshop.package(), approve=yes)
        done = await system.deliver(NAME, b"echo")
        assert (done.reply, done.error) == (b"echo", None)
        assert (done.receipt.outcome, done.receipt.version) == ("replied", "0.1.0")
        assert done.receipt.fuel > 0
        failed = await system.deliver(NAME, b"trap")
        assert failed.reply is None
        assert isinstance(failed.error, ActorFailed)
        assert (failed.receipt.outcome, failed.receipt.error) == ("trapped", "Trapped")
        counted = await system.deliver(NAME, b"c")
        assert counted.receipt.use is not None
        stored = {each.function for each in counted.receipt.use.host_calls}
        assert any("storage" in function for function in stored)
        await system.stop(NAME)
        with pytest.raises(NotRunning):
            await system.deliver(NAME, b"echo")

    async def test_its_profile_says_where_time_and_fuel_go(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Over restarts, updates and stops, until the name is purged; only while measured."""
        reader = system.receipts.measure()
        await system.install(workshop.package(), approve=yes)
        await system.send(NAME, b"c")
        with pytest.raises(ActorFailed):
            await system.send(NAME, b"trap")
        await system.send(NAME, b"c")
        await system.update(workshop.package("0.2.0"))
        await system.send(NAME, b"c")
        await system.stop(NAME)
        await system.start(NAME)
        profile = system.profile(NAME)
        assert profile.messages == {"replied": 3, "trapped": 1}
        handled = next(each for each in profile.exports if each.function.endswith("handle-message"))
        assert (handled.calls, handled.faults) == (4, 1)
        assert sum(each.fuel for each in profile.exports) == profile.fuel
        assert sum(each.fuel for each in profile.host_functions) < profile.fuel
        assert all(each.calls for each in profile.host_functions)
        assert list(profile.exports) == sorted(profile.exports, key=lambda each: -each.fuel)
        await system.stop(NAME)
        system.receipts.forget(NAME)
        with pytest.raises(NotMeasured, match="it has not run since the host started"):
            system.profile(NAME)
        await system.uninstall(NAME, purge=True)
        assert system.receipts.of(NAME) is None
        await system.install(workshop.package(), approve=yes)
        assert system.profile(NAME).messages == {}
        reader.cancel()

    async def test_an_endless_loop_ends_at_its_limit(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Fuel or time, whichever comes first; others answer meanwhile."""
        await system.install(workshop.package(), approve=yes)
        await system.install(workshop.package(name="local/calm"), approve=yes)
        async with anyio.create_task_group() as group:

            async def spin() -> None:
                with pytest.raises(ActorFailed) as caught:
                    await system.send(NAME, b"spin")
                assert isinstance(caught.value.cause, FuelExhausted | DeadlineExceeded)

            group.start_soon(spin)
            await anyio.lowlevel.checkpoint()
            assert await system.send("local/calm", b"echo") == b"echo"
        assert "limits." in str(system.component_status(NAME).last_error)

    async def test_growth_beyond_the_limit_is_refused(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The guest is told so and goes on."""
        await system.install(workshop.package(), approve=yes)
        assert await system.send(NAME, b"grow") == b"refused"
        assert system.component_status(NAME).restarts == 0

    async def test_one_that_crashes_too_often_is_given_up_alone(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """With its own intensity; it says so, and can be started again by hand."""
        await system.install(workshop.package(extra="intensity = 1"), approve=yes)
        await system.install(workshop.package(name="local/calm"), approve=yes)
        for _ in range(2):
            with pytest.raises(ActorFailed):
                await system.send(NAME, b"trap")
        await until(lambda: system.component_status(NAME).state == "given up")
        assert any(line.startswith("given up:") for line in log_of(system))
        with pytest.raises(NotRunning, match="given up"):
            await system.send(NAME, b"echo")
        assert await system.send("local/calm", b"echo") == b"echo"
        await system.start(NAME)
        assert await system.send(NAME, b"echo") == b"echo"

    async def test_what_does_not_start_says_why_in_the_status(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """It failed unwatched; stopping it on purpose ends the matter."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
        for artifact in (home / "artifacts").glob("*/*"):
            artifact.write_bytes(b"gone")
        async with System(home) as system:
            status = system.component_status(NAME)
            assert status.state == "failed"
            assert status.last_error is not None
            await system.stop(NAME)
            assert system.component_status(NAME).state == "stopped"

    async def test_there_is_an_end_to_how_many_run(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Running out of mappings would take the whole host down."""
        settings = Configuration.of(LimitPolicy(running=1))
        async with System(home, configuration=settings) as system:
            await system.install(workshop.package(), approve=yes)
            with pytest.raises(StartFailed, match="1 components run already"):
                await system.install(workshop.package(name="local/more"), approve=yes)
            assert await system.send(NAME, b"echo") == b"echo"

    async def test_logging_and_denials_leave_their_marks(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Its own lines in its log; the denial in the audit log, before the answer."""
        await system.install(workshop.package(), approve=yes)
        await system.send(NAME, b"log")
        assert log_of(system)[-1] == "hello log"
        with pytest.raises(GuestRefused, match="denied"):
            await system.send(NAME, b"o")
        path = system.home.audit_folder / "audit.jsonl"
        denials = [line for line in read_audit(path) if line.get("outcome") == "deny"]
        assert denials[-1]["component"] == NAME
        assert denials[-1]["resource"] == "other"

    async def test_one_that_was_given_up_comes_back_where_its_manifest_says_so(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """After the cool-down, with a line in log and audit log, a count and a metric."""
        settings = Configuration.of(SupervisionPolicy(revive=0.01))
        async with System(home, configuration=settings) as system:
            await system.install(
                workshop.package(extra="intensity = 0\nrevive = 0.01"), approve=yes
            )
            for count in (1, 2):
                with pytest.raises(ActorFailed):
                    await system.send(NAME, b"trap")
                await until(lambda: system.component_status(NAME).revivals == count)  # noqa: B023
                await until(lambda: system.component_status(NAME).state == "running")
                assert await system.send(NAME, b"echo") == b"echo"
            assert any(line.startswith("starts again, 0.01 s") for line in log_of(system))
            meters = system.services.get(Meters)
            assert dict(meters.samples("component_revivals_total")) == {NAME: 2.0}
            lines = list(read_audit(system.home.audit_folder / "audit.jsonl"))
            revived = [line for line in lines if line["kind"] == "revive"]
            assert [line["component"] for line in revived] == [NAME, NAME]

    async def test_a_cool_down_ends_with_what_an_operator_does(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """A component that was stopped, or started by hand, is left as it is."""
        await system.install(workshop.package(extra='intensity = 0\nrevive = "5 min"'), approve=yes)
        for act in (system.start, system.stop):
            with pytest.raises(ActorFailed):
                await system.send(NAME, b"trap")
            await until(lambda: system.component_status(NAME).state == "given up")
            revives_in = system.component_status(NAME).revives_in
            assert revives_in is not None
            assert 0 < revives_in <= 300
            await act(NAME)
            assert system.component_status(NAME).revives_in is None

    async def test_a_revival_that_fails_is_tried_again(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """After another cool-down, with the reason in the status."""
        settings = Configuration.of(SupervisionPolicy(revive=0.01))
        async with System(home, configuration=settings) as system:
            await system.install(
                workshop.package(extra="intensity = 0\nrevive = 0.01"), approve=yes
            )
            contents = {path: path.read_bytes() for path in (home / "artifacts").glob("*/*")}
            for path in contents:
                path.write_bytes(b"gone")
            system._loader.keep_only(())
            with pytest.raises(ActorFailed):
                await system.send(NAME, b"trap")
            await until(lambda: system.component_status(NAME).revivals > 1)
            await until(lambda: system.component_status(NAME).state == "failed")
            for path, content in contents.items():
                path.write_bytes(content)
            await until(lambda: system.component_status(NAME).state == "running")

    async def test_health_is_asked_for_at_its_interval(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The component's own words, when it is not well."""
        package = workshop.package(
            wasm=workshop.guest(health=1), extra='[health]\ninterval = "10 ms"'
        )
        settings = Configuration.of(HealthPolicy(interval=0.01))
        async with System(home, configuration=settings) as system:
            await system.install(package, approve=yes)
            await until(lambda: any("unhealthy: " in line for line in log_of(system)))

    async def test_a_component_whose_checks_fail_is_restarted(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """After as many in a row as its manifest says, like after a crash."""
        extra = '[health]\ninterval = "10 ms"\nfailures = 2'
        package = workshop.package(wasm=workshop.guest(health=1), extra=extra)
        settings = Configuration.of(HealthPolicy(interval=0.01))
        async with System(home, configuration=settings) as system:
            await system.install(package, approve=yes)
            await until(lambda: system.component_status(NAME).restarts > 1)
            lines = [line for line in log_of(system) if "failed checks in a row" in line]
        assert [line[-2] for line in lines[:4]] == ["1", "2", "1", "2"]

    async def test_a_component_may_stay_however_often_it_is_unwell(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """With `failures = 0`; its health is a finding that names its words."""
        extra = '[health]\ninterval = "10 ms"\nfailures = 0'
        package = workshop.package(wasm=workshop.guest(health=1), extra=extra)
        settings = Configuration.of(HealthPolicy(interval=0.01))
        async with System(home, configuration=settings) as system:
            await system.install(package, approve=yes)
            await until(lambda: sum("unhealthy: " in line for line in log_of(system)) > 5)
            assert system.component_status(NAME).restarts == 0
            (finding,) = system.services.get(HealthSources).findings()
        assert (finding.subject, finding.health) == (NAME, Health.UNHEALTHY)
        assert "health check fails" in finding.text

    async def test_an_update_can_begin_to_ask_for_health(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The interval is the new version's."""
        settings = Configuration.of(HealthPolicy(interval=0.001))
        async with System(home, configuration=settings) as system:
            await system.install(workshop.package(), approve=yes)
            healthy = workshop.package("0.2.0", extra='[health]\ninterval = "1 ms"')
            await system.update(healthy, approve=yes)
            await until(lambda: system.component_status(NAME).health == "healthy")

    async def test_the_mailbox_is_what_the_running_version_asks_for(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Bounded in messages and bytes; an update changes both for the reference there is."""

        def package(version: str, limits: str) -> Package:
            text = workshop.package(version).files["Component.toml"].decode()
            manifest = text.replace("[limits]", f"[limits]\n{limits}")
            wasm = workshop.guest(version)
            files = {"Component.toml": manifest.encode(), "component.wasm": wasm}
            sequence = int(version.replace(".", ""))
            return Package.from_files(files).sign(workshop.key, sequence=sequence)

        await system.install(package("0.1.0", 'mailbox_bytes = "2 KiB"'), approve=yes)
        ref = system._actors.broker.resolve(NAME)
        assert (ref.mailbox.capacity, ref.mailbox.capacity_bytes) == (1024, 2048)
        with pytest.raises(MessageTooLarge):
            await system.send(NAME, bytes(2049))
        ref.pause()
        ref.tell(bytes(2000))
        assert system.component_status(NAME).mailbox_bytes == 2000
        ref.resume()
        await system.update(package("0.2.0", "mailbox = 7"), approve=yes)
        assert (ref.mailbox.capacity, ref.mailbox.capacity_bytes) == (7, 16 * 2**20)

    @pytest.mark.parametrize(
        ("size", "limit"), [(2_000_000, "message_bytes"), (100_000, "memory_bytes")]
    )
    async def test_a_neighbour_cannot_switch_a_component_off(
        self, system: System, workshop: Workshop, yes: Approve, size: int, limit: str
    ) -> None:
        """Twenty messages that do not fit, before delivery or in the guest, count for nothing."""
        once = workshop.package(extra="intensity = 1")
        await system.install(once, approve=yes)
        await system.send(NAME, b"c")
        for number in range(20):
            with pytest.raises(MessageTooLarge) as caught:
                await system.send(NAME, bytes(size))
            assert caught.value.limit == limit
            assert await system.send(NAME, b"c") == bytes([number + 2])
        status = system.component_status(NAME)
        assert (status.state, status.restarts, status.last_error) == ("running", 0, None)
        assert system._actors.books().is_balanced
        ref = system._actors.broker.resolve(NAME)
        assert ref.incarnation == (1 if limit == "message_bytes" else 21)

    @pytest.mark.parametrize(
        ("written", "policy", "expected"),
        [
            ("", 16 * 2**20, (2**20 - 2**16) // 8),
            ('message_bytes = "1 KiB"', 16 * 2**20, 1024),
            ('message_bytes = "2 MiB"', 16 * 2**20, 2 * 2**20),
            ('message_bytes = "2 MiB"\nhost_call = "1 MiB"', 16 * 2**20, 2**20 - 2**12),
            ("", 1000, 1000),
        ],
    )
    async def test_one_message_is_bounded_by_memory_manifest_or_policy(
        self, home: Path, workshop: Workshop, yes: Approve, written: str, policy: int, expected: int
    ) -> None:
        """What the manifest says holds; else its memory; the policy caps either."""
        package = workshop.package()
        text = package.files["Component.toml"].decode().replace("[limits]", f"[limits]\n{written}")
        files = {**package.files, "Component.toml": text.encode()}
        files.pop("component.sig", None)
        signed = Package.from_files(files).sign(workshop.key, sequence=10)
        settings = Configuration.of(LimitPolicy(message_bytes=policy))
        async with System(home, configuration=settings) as system:
            await system.install(signed, approve=yes)
            assert system._actors.broker.resolve(NAME).mailbox.message_bytes == expected
            with pytest.raises(MessageTooLarge):
                await system.send(NAME, bytes(expected + 1))

    async def test_stop_start_and_restart(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """A stopped component is not there, and its data is when it comes back."""
        await system.install(workshop.package(), approve=yes)
        await system.send(NAME, b"c")
        await system.stop(NAME)
        with pytest.raises(NotRunning, match="stopped"):
            await system.send(NAME, b"c")
        await system.start(NAME)
        assert await system.send(NAME, b"c") == b"\2"
        await system.restart(NAME)
        assert await system.send(NAME, b"c") == b"\3"

    async def test_unknown_names_are_told_what_looks_like_them(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Everywhere."""
        await system.install(workshop.package(), approve=yes)
        for call in (system.send("local/helo", b""), system.stop("local/helo"),
                     system.uninstall("local/helo"), system.rollback("local/helo")):  # fmt: skip
            with pytest.raises(NotInstalled, match="did you mean local/hello"):
                await call


class TestHome:
    """One home outlives its hosts."""

    async def test_everything_is_there_after_a_restart(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Versions, routes, data, what is stopped, and the audit chain."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            await system.install(workshop.package(name="local/idle"), approve=yes, start=False)
            await system.update(workshop.package("0.2.0"))
            await system.send(NAME, b"c")
            before = system.info(NAME)
        async with System(home) as system:
            assert system.info(NAME) == before
            assert [each.state for each in system.list()] == ["running", "stopped"]
            assert await system.send(NAME, b"c") == b"\2"
            assert await system._store.namespace(NAME).get("migrated") == b"0.1.0"
        verify_audit(home / "audit" / "audit.jsonl")

    async def test_it_is_installed_without_a_host(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Offline changes what is installed and runs nothing."""
        async with System(home, mode="offline") as system:
            await system.install(workshop.package(), approve=yes)
            await system.update(workshop.package("0.2.0"))
            assert system.list()[0].state == "offline"
            with pytest.raises(HostOffline):
                await system.send(NAME, b"echo")
        async with System(home) as system:
            assert await system.send(NAME, b"v") == b"0.2.0"
            assert await system._store.namespace(NAME).get("migrated") == b"0.1.0"

    async def test_an_update_without_a_host_that_cannot_migrate_is_taken_back_at_start(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """An error of `migrate` cancels the update, whenever it comes."""
        bad = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", migrate=1))
        async with System(home, mode="offline") as system:
            await system.install(workshop.package(), approve=yes)
            await system.update(bad)
        async with System(home) as system:
            assert await system.send(NAME, b"v") == b"0.1.0"
            assert system.info(NAME).version == "0.1.0"
            assert "went back to 0.1.0" in log_of(system)
            said = system.component_status(NAME).last_error
            assert said is not None
            assert said.startswith("0.2.0 did not start: ")

    async def test_a_store_that_is_gone_is_no_empty_home(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Its disk may only not be mounted: nothing is swept, and put back all is there."""
        async with System(home, mode="offline") as system:
            await system.install(workshop.package(), approve=yes)
        (home / "store").rename(home / "elsewhere")
        for closed in (System(home), System(home, mode="readonly")):
            with pytest.raises(StoreMissing, match="store is missing"):
                async with closed:
                    pass
        (home / "elsewhere").rename(home / "store")
        async with System(home) as system:
            assert await system.send(NAME, b"echo") == b"echo"

    async def test_writes_that_the_disk_lost_are_told(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """In the status of the host that finds out, and in the audit log for good."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            for _ in range(5):
                await system.send(NAME, b"c")
            assert await system.verify_data() > 2
            shutil.copytree(home / "store", home / "torn")  # as kill -9 leaves it
            assert system.status().lost_writes == 0
        shutil.rmtree(home / "store")
        (home / "torn").rename(home / "store")
        log = max((home / "store").glob("*.log"), key=lambda file: file.stat().st_size)
        with log.open("r+b") as file:
            file.truncate(log.stat().st_size - 40)
        async with System(home) as system:
            assert system.status().lost_writes > 0
        lines = [line for line in read_audit(home / "audit" / "audit.jsonl") if "lost" in str(line)]
        assert len(lines) == 1

    async def test_the_second_host_is_told(self, home: Path) -> None:
        """With the process that has it; afterwards it is free."""
        async with System(home):
            with pytest.raises(HostIsRunning):
                async with System(home):
                    pass
        async with System(home):
            pass

    async def test_it_can_be_read_while_a_host_runs(
        self, system: System, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Read-only takes no lock and changes nothing."""
        await system.install(workshop.package(), approve=yes)
        async with System(home, mode="readonly") as reader:
            assert [each.name for each in reader.list()] == [NAME]
            assert reader.info(NAME).version == "0.1.0"
            assert reader.status().pid is not None
            assert [entry.message for entry in reader.logs.recent(NAME)] == ["started"]
            with pytest.raises(HostOffline):
                await reader.uninstall(NAME)

    async def test_an_empty_home_can_be_read(self, home: Path) -> None:
        """Without making it."""
        async with System(home, mode="readonly") as reader:
            assert reader.list() == ()
            with pytest.raises(NotInstalled):
                reader.info(NAME)
        assert not home.exists()  # noqa: ASYNC240

    async def test_two_systems_do_not_know_of_each_other(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Same process, same name, other data."""
        async with System(tmp_path / "a") as a, System(tmp_path / "b") as b:
            await a.install(workshop.package(), approve=yes)
            await b.install(workshop.package("0.2.0"), approve=yes)
            assert await a.send(NAME, b"c") == b"\1"
            assert await a.send(NAME, b"c") == b"\2"
            assert await b.send(NAME, b"c") == b"\1"
            assert (await a.send(NAME, b"v"), await b.send(NAME, b"v")) == (b"0.1.0", b"0.2.0")

    async def test_an_engine_for_few_guests_runs_them_too(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The policy decides how guests' memory is laid out, not whether they work."""
        settings = Configuration.of(EngineSettings(guests="few"))
        async with System(home, configuration=settings) as system:
            await system.install(workshop.package(), approve=yes)
            assert await system.send(NAME, b"grow") == b"refused"
            assert await system.send(NAME, b"echo") == b"echo"

    @pytest.mark.skipif(sys.platform != "linux", reason="only there stacks are packed")
    async def test_idle_components_give_their_stacks_memory_back(
        self, home: Path, workshop: Workshop, yes: Approve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And answer as before when the next call comes."""
        monkeypatch.setattr("airswasm.lifecycle._composition._REST", 0.01)
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            for _ in range(3):
                assert await system.send(NAME, b"echo") == b"echo"
                instance = system._hosting._hosted[NAME].ref.actor.instance
                await until(lambda one=instance: one._is_resting)

    async def test_what_the_body_raises_comes_out_as_it_is(self, home: Path) -> None:
        """Not wrapped in the groups that work inside."""
        with pytest.raises(ZeroDivisionError):
            async with System(home):
                raise ZeroDivisionError

    async def test_a_block_that_cannot_set_itself_up_is_named_and_nothing_stays_open(
        self, home: Path
    ) -> None:
        """Opening is all or nothing: the home is free again."""

        def broken(_services: Services) -> list[HostInterface]:
            raise ZeroDivisionError("no luck")

        broken_block = Block(name="broken", summary="Raises.", provide=broken)
        with pytest.raises(ProviderFailed, match="no luck"):
            async with System(home, blocks=Blocks.of(broken_block)):
                pass
        async with System(home):
            pass

    async def test_an_interface_without_a_check_is_not_offered(self, home: Path) -> None:
        """What the contract does not know has no annotations to enforce."""
        unknown = HostInterface("evil:backdoor/shell@1.0.0", {"run": lambda _caller: None})
        for name in (unknown.name, "wasi:acme/x@0.2.0"):
            shell = replace(unknown, name=name)
            block = Block(
                name="evil",
                summary="Opens.",
                interfaces=(name,),
                provide=lambda _: [shell],  # noqa: B023
            )
            with pytest.raises((BlocksInvalid, ProviderFailed), match="evil"):
                async with System(home, blocks=Blocks.of(block)):
                    pass
            undeclared = replace(block, interfaces=())
            with pytest.raises(ProviderFailed, match="evil"):
                async with System(home, blocks=Blocks.of(undeclared)):
                    pass

    async def test_a_given_provider_can_replace_an_interface_of_wasi(self, home: Path) -> None:
        """As an installed block can: it has no annotations, and its provider asks the guard."""
        clock = HostInterface("wasi:clocks/monotonic-clock@0.2.0", {"now": lambda _caller: 7})
        block = Block(
            name="clock", summary="Tells.", interfaces=(clock.name,), provide=lambda _: [clock]
        )
        async with System(home, blocks=Blocks.of(block)) as system:
            assert list(system.interfaces) == [clock.name]

    async def test_a_cancelled_host_ends_at_once_and_loses_nothing(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Like a crash; the home is free afterwards."""
        with anyio.CancelScope() as scope:
            async with System(home) as system:
                await system.install(workshop.package(), approve=yes)
                await system.send(NAME, b"c")
                scope.cancel()
                await anyio.sleep_forever()
        with anyio.fail_after(20):
            async with System(home) as system:
                assert await system.send(NAME, b"c") == b"\2"

    async def test_leaving_stops_in_order(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The log says so."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
        assert log_of(system)[-1] == "stopped (shutdown)"

    async def test_uninstalling_leaves_nothing_that_runs(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """No record, no file, no route; purge also takes data and log."""
        await system.install(workshop.package(), approve=yes)
        await system.send(NAME, b"c")
        await system.uninstall(NAME, purge=True)
        assert system.list() == ()
        with pytest.raises(NotInstalled):
            await system.send(NAME, b"echo")
        assert not [path for path in system.home.artifacts_folder.rglob("*") if path.is_file()]
        assert await system._store.namespace(NAME).get("count") is None
        assert not list(system.home.logs_folder.rglob("*.jsonl"))

    async def test_what_is_said_of_a_component_is_json(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The log on disk is one JSON document for each line."""
        await system.install(workshop.package(), approve=yes)
        lines = (system.home.logs_folder / f"{NAME}.jsonl").read_text().splitlines()
        assert all(json.loads(line)["component"] == NAME for line in lines)
