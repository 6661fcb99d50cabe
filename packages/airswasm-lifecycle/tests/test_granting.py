"""Asked is not granted: what an operator decides holds at once, and for every later version."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import GuestRefused
from airswasm.lifecycle import (
    Approval,
    ApprovalRefused,
    ComponentRecord,
    GrantInPast,
    InstallPlan,
    ManifestInvalid,
    NotInstalled,
    System,
    UpdateFailed,
)
from airswasm.security import (
    GrantBarred,
    GrantMissing,
    GrantNotNarrower,
    Grants,
    UnknownCapability,
    read_audit,
)

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], "bool | Approval"]
NAME = "local/hello"
READ, WRITE = "storage:read", "storage:write"
WIDER = 'storage.read = ["everything"]\nstorage.write = ["everything"]'
WAY = [False, True]

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def system(home: Path) -> AsyncIterator[System]:
    async with System(home) as system:
        yield system


def may(system: System, capability: str, resource: str) -> bool:
    return bool(system._guard.decide(NAME, capability, resource))


def answering(**answer: Any) -> Approve:
    return lambda _plan: Approval(**answer)


def lines(system: System) -> list[tuple[str, str, str]]:
    found = read_audit(system.home.audit_folder / "audit.jsonl")
    return [
        (str(line["detail"]["act"]), str(line["capability"]), str(line["resource"]))  # type: ignore[index]
        for line in found
        if line["kind"] == "grant"
    ]


class Clock:
    """A clock that a test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class TestInstall:
    """What is asked for is a question; the answer is the record."""

    async def test_yes_grants_what_is_asked_and_says_who(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        await system.install(workshop.package(), approve=yes)
        report = system.grant_report(NAME)
        assert [(each.capability, each.verdict, each.by, each.version) for each in report.entries]
        assert report.in_force == (
            'storage.read = ["everything"]',
            'storage.write = ["count", "migrated"]',
        )
        assert report.not_granted == ()
        assert ("granted", READ, "everything") in lines(system)
        assert await system.send(NAME, b"c") == b"\x01"

    async def test_what_was_denied_stays_denied_in_the_guest_and_after_a_restart(
        self, home: Path, workshop: Workshop
    ) -> None:
        """The guest gets an error that names the record and the command."""
        async with System(home) as system:
            await system.install(
                workshop.package(), approve=answering(denied={"storage.write": ["count"]})
            )
        async with System(home) as system:
            with pytest.raises(GuestRefused, match="airswasm grants add local/hello storage"):
                await system.send(NAME, b"c")
            assert may(system, WRITE, "migrated")
            assert system.grant_report(NAME).not_granted == ('storage.write = ["count"]',)
            assert ("denied", WRITE, "count") in lines(system)

    @pytest.mark.parametrize("line", ['storage.raed = ["x"]', 'storage.read = ["**"]'])
    async def test_what_this_host_cannot_grant_is_no_question(
        self, system: System, workshop: Workshop, yes: Approve, line: str
    ) -> None:
        """Also of a package that was read without the capabilities of this host."""
        package = workshop.package(capabilities=line)
        for change in (system.plan(package), system.install(package, approve=yes)):
            with pytest.raises(ManifestInvalid):
                await change
        assert system.list() == ()

    async def test_an_answer_beyond_the_question_installs_nothing(
        self, system: System, workshop: Workshop
    ) -> None:
        """An approver may only grant less than what is asked for."""
        for answer, error in (
            ({"narrowed": {"storage.write": ["everything"]}}, GrantNotNarrower),
            ({"denied": {"storage.delete": ["everything"]}}, GrantMissing),
        ):
            with pytest.raises(error):
                await system.install(workshop.package(), approve=answering(**answer))
            assert system.list() == ()

    async def test_an_uninstall_ends_the_record(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The next install asks about everything again."""
        await system.install(workshop.package(), approve=yes)
        await system.grants.add(NAME, "storage.read", ["x"])
        await system.uninstall(NAME)
        assert not may(system, READ, "x")
        with pytest.raises(NotInstalled):
            system.grant_report(NAME)
        asked: list[InstallPlan] = []
        await system.install(workshop.package(), approve=lambda plan: asked.append(plan) is None)
        assert asked[0].added_capabilities == asked[0].capabilities

    async def test_a_record_of_before_grants_what_was_approved(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """A home of an earlier airswasm goes on as it was."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            record = system._registry.get(NAME)
        document = json.loads(record.to_json())
        del document["grants"]
        document["format"] = 1
        for version in document["versions"]:
            version["grants"] = version.pop("asked")
        before = ComponentRecord.from_json(NAME, json.dumps(document).encode())
        assert [(each.capability, each.patterns) for each in before.grants.entries] == [
            (READ, ("everything",)),
            (WRITE, ("count", "migrated")),
        ]
        assert {each.verdict for each in before.grants.entries} == {"granted"}
        assert ComponentRecord.from_json(NAME, before.to_json()) == before


class TestChange:
    """A change holds from the next call on, with and without a host."""

    async def test_a_running_component_loses_and_regains_at_once(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        await system.install(workshop.package(), approve=yes)
        assert await system.send(NAME, b"c") == b"\x01"
        await system.grants.deny(NAME, "storage.write", ["count"], reason="a test")
        with pytest.raises(GuestRefused, match="its record of grants denies"):
            await system.send(NAME, b"c")
        await system.grants.add(NAME, "storage.write", ["count"])
        assert await system.send(NAME, b"c") == b"\x02"
        await system.grants.remove(NAME, "storage.write")
        with pytest.raises(GuestRefused, match="and its record of grants does not"):
            await system.send(NAME, b"c")
        assert system.grant_report(NAME).not_granted == ('storage.write = ["count", "migrated"]',)
        assert lines(system)[2:] == [
            ("deny", WRITE, "count"),
            ("add", WRITE, "count"),
            ("remove", WRITE, "everything"),
        ]

    async def test_a_stopped_home_is_changed_for_the_next_start(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
        async with System(home, mode="offline") as system:
            report = await system.grants.narrow(NAME, "storage.read", ["other"])
            assert report.in_force[0] == 'storage.read = ["other"]'
        async with System(home) as system:
            with pytest.raises(GuestRefused, match="denied"):
                await system.send(NAME, b"c")

    async def test_a_change_that_makes_no_sense_changes_nothing(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        await system.install(workshop.package(), approve=yes)
        await system.grants.deny(NAME, "storage.read", ["secret/**"])
        before, grants = system.grant_report(NAME), system.grants
        for error, attempt in (
            (NotInstalled, lambda: grants.add("local/other", "storage.read", ["a"])),
            (UnknownCapability, lambda: grants.add(NAME, "storage.raed", ["a"])),
            (UnknownCapability, lambda: grants.deny(NAME, "storage.raed")),
            (GrantBarred, lambda: grants.add(NAME, "storage.read", ["secret/a"])),
            (GrantNotNarrower, lambda: grants.narrow(NAME, "storage.write", ["everything"])),
            (GrantInPast, lambda: grants.add(NAME, "storage.read", ["a"], until=1.0)),
            (GrantMissing, lambda: grants.remove(NAME, "storage.read", ["nothing"])),
        ):
            with pytest.raises(error):
                await attempt()
            assert system.grant_report(NAME) == before

    async def test_an_end_takes_the_grant_and_the_denial_away(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """In force at once, swept from the record, with a line in the log."""
        clock = Clock()
        async with System(home, clock=clock) as system:
            await system.install(workshop.package(), approve=yes)
            await system.grants.add(NAME, "storage.write", ["extra"], until=2_000.0)
            await system.grants.deny(NAME, "storage.read", ["x"], until=3_000.0)
            assert (may(system, WRITE, "extra"), may(system, READ, "x")) == (True, False)
            clock.now = 2_000.0
            assert await system.grants.sweep() == (NAME,)
            assert (may(system, WRITE, "extra"), may(system, READ, "x")) == (False, False)
            assert ("end", WRITE, "extra") in lines(system)
        clock.now = 3_500.0
        async with System(home, clock=clock, mode="offline") as system:
            assert may(system, READ, "x")
            assert len(system.grant_report(NAME).entries) == 2

    async def test_an_end_needs_no_call(self, home: Path, workshop: Workshop, yes: Approve) -> None:
        """A task of the host waits for it."""
        clock = Clock()
        async with System(home, clock=clock) as system:
            await system.install(workshop.package(), approve=yes)
            await system.grants.add(NAME, "storage.write", ["extra"], until=clock.now + 0.01)
            clock.now += 1
            with anyio.fail_after(60):
                while may(system, WRITE, "extra"):
                    await anyio.lowlevel.checkpoint()


class TestUpdate:
    """A decision outlives the version that it was made on."""

    async def test_it_keeps_denials_and_narrowings_without_a_question(
        self, system: System, workshop: Workshop
    ) -> None:
        await system.install(
            workshop.package(),
            approve=answering(
                narrowed={"storage.read": ["count"]}, denied={"storage.write": ["migrated"]}
            ),
        )
        await system.update(workshop.package("0.2.0"))
        assert await system.send(NAME, b"v") == b"0.2.0"
        assert may(system, READ, "count")
        assert may(system, WRITE, "count")
        assert not may(system, READ, "other")
        assert not may(system, WRITE, "migrated")

    async def test_it_asks_for_the_difference_and_can_be_granted_less(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        await system.install(workshop.package(), approve=yes)
        await system.grants.deny(NAME, "storage.write", ["count"])
        wider = workshop.package("0.2.0", capabilities=WIDER)
        asked: list[Grants] = []

        def answer(plan: InstallPlan) -> Approval:
            asked.append(plan.added_capabilities)
            return Approval(narrowed={"storage.write": ["orders/*"]})

        with pytest.raises(ApprovalRefused):
            await system.update(wider)
        await system.update(wider, approve=answer)
        assert asked == [Grants({WRITE: ("everything",)})]
        assert may(system, WRITE, "orders/1")
        assert not may(system, WRITE, "other")
        assert not may(system, WRITE, "count"), "a denial survives the update that asks for more"

    async def test_what_a_version_does_not_ask_for_it_does_not_get(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """And to ask for it again is a new question."""
        await system.install(workshop.package(capabilities=WIDER), approve=yes)
        await system.grants.add(NAME, "storage.write", ["mine"])
        await system.update(workshop.package("0.2.0", capabilities='storage.read = ["everything"]'))
        assert not may(system, WRITE, "count")
        with pytest.raises(ApprovalRefused):
            await system.update(workshop.package("0.3.0", capabilities=WIDER))

    async def test_a_rollback_to_what_was_approved_asks_nothing(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """It gets back what it had, capabilities and limits, as far as that was not withdrawn."""
        wider = workshop.package(capabilities=WIDER, limits='memory = "2 MiB"')
        await system.install(wider, approve=yes)
        await system.update(workshop.package("0.2.0"))
        plan = await system.plan_rollback(NAME)
        assert (plan.needs_approval, plan.version, plan.withheld) == (False, "0.1.0", Grants())
        assert [each.key for each in plan.raises] == ["limits.memory"]
        await system.rollback(NAME)
        assert may(system, WRITE, "other")
        assert system.info(NAME).limits.memory == 2 * 2**20
        await system.rollback(NAME, "0.2.0")
        assert not may(system, WRITE, "other")

    @pytest.mark.parametrize("act", ["deny", "deny a part", "remove", "end"])
    async def test_what_was_withdrawn_since_stays_withdrawn(
        self, home: Path, workshop: Workshop, yes: Approve, act: str
    ) -> None:
        """And the plan of the rollback says so."""
        now = [1000.0]
        async with System(home, clock=lambda: now[0]) as system:
            await system.install(workshop.package(capabilities=WIDER), approve=yes)
            await system.update(workshop.package("0.2.0", capabilities='storage.read = ["a"]'))
            if act.startswith("deny"):
                patterns = ["other"] if act == "deny a part" else []
                await system.grants.deny(NAME, "storage.write", patterns)
            else:
                await system.grants.remove(NAME, "storage.write")
            if act == "end":
                await system.grants.add(NAME, "storage.write", ["other"], until=1010.0)
                now[0] = 1020.0
                await system.grants.sweep()
            plan = await system.plan_rollback(NAME)
            assert plan.withheld == Grants({WRITE: ("everything",)})
            await system.rollback(NAME)
            assert not may(system, WRITE, "other")
            assert may(system, WRITE, "mine") == (act == "deny a part")

    async def test_what_stays_denied_is_no_question_of_an_update(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """The answer would not change it; the plan says so, and nothing is granted by it."""
        await system.install(workshop.package(), approve=yes)
        await system.grants.deny(NAME, "storage.write", ["secret/**"])
        more = 'storage.write = ["count", "migrated", "secret/keys"]\nstorage.read = ["everything"]'
        plan = await system.plan(workshop.package("0.2.0", capabilities=more), update=True)
        assert (plan.added_capabilities, plan.needs_approval) == (Grants(), False)
        assert plan.withheld == Grants({WRITE: ("secret/keys",)})
        await system.update(workshop.package("0.2.0", capabilities=more))
        await system.grants.remove(NAME, "storage.write", denials=True)
        assert not may(system, WRITE, "secret/keys"), "it was not asked about"

    @pytest.mark.parametrize("fails", WAY)
    async def test_a_denial_during_an_update_holds_for_both_versions(
        self, system: System, workshop: Workshop, yes: Approve, fails: bool
    ) -> None:
        """It does not wait for the update, and the update does not undo it."""
        await system.install(workshop.package(), approve=yes)
        wasm = workshop.guest("0.2.0", init=1) if fails else None
        package = workshop.package("0.2.0", capabilities=WIDER, wasm=wasm)
        load = system._hosting.load_candidate

        async def denied_meanwhile(*arguments: Any) -> Any:
            await system.grants.deny(NAME, "storage.read", ["secret/**"])
            assert may(system, WRITE, "other"), "the next version may already work"
            assert not may(system, READ, "secret/a")
            return await load(*arguments)

        system._hosting.load_candidate = denied_meanwhile  # type: ignore[method-assign]
        if fails:
            with pytest.raises(UpdateFailed):
                await system.update(package, approve=yes)
        else:
            await system.update(package, approve=yes)
        assert not may(system, READ, "secret/a")
        assert may(system, WRITE, "other") is not fails
        verdicts = [each.verdict for each in system.grant_report(NAME).entries]
        assert verdicts.count("denied") == 1
        assert len(verdicts) == (3 if fails else 4)
