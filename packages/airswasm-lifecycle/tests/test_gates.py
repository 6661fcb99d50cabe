"""What a new version has to pass before it takes over; planted bad versions are stopped."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import (
    Configuration,
    ConfigurationInvalid,
    ExportUsers,
    GateUnknown,
    GateVerdict,
    InstallPlan,
    OverrideUnexplained,
    Reason,
    System,
    UpdateBlocked,
    UpdateFailed,
    UpdateSettings,
    Verdict,
    VersionChange,
)
from airswasm.runtime import Meters, Services
from airswasm.security import Guard
from airswasm.wit import Block, Blocks, Gate

pytestmark = pytest.mark.anyio

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
NARROW = '[codecs]\naccepts = ["json"]'
NEIGHBOUR = "local/neighbour"
MAY_SEND = 'messaging.send = ["local/hello"]'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def verdict_of(verdicts: tuple[GateVerdict, ...], gate: str) -> GateVerdict:
    (found,) = [each for each in verdicts if each.gate == gate]
    return found


@dataclass
class Planted:
    """A gate of a stranger's package, which does what a test tells it."""

    answer: Callable[[VersionChange], Verdict] = lambda _change: Verdict("passed")
    hangs: bool = False
    seen: list[VersionChange] = field(default_factory=list)
    fuel: list[int] = field(default_factory=list)

    async def judge(self, change: VersionChange) -> Verdict:
        self.seen.append(change)
        self.fuel += [change.candidate.fuel_used] if change.candidate is not None else []
        if self.hangs:
            await anyio.sleep_forever()
        return self.answer(change)

    def block(self, asks: Any = "versions") -> Block:
        def make(_services: Services) -> Planted:
            return self

        gate = Gate("license", "Its license is one that we accept.", make, asks=asks)
        return Block(name="legal", summary="Keeps lawyers calm.", gates=(gate,))

    def blocks(self, asks: Any = "versions") -> Blocks:
        return Blocks.find().joined(self.block(asks))


def answering(verdict: Any) -> Callable[[VersionChange], Any]:
    return lambda _change: verdict


def refusing(_change: VersionChange) -> Verdict:
    return Verdict("blocked", (Reason("license", "it is under no license", "component.license"),))


def raising(_change: VersionChange) -> Verdict:
    raise RuntimeError("out of paper")


class TestStrangersGate:
    """A block of a stranger's brings a gate as ours do."""

    async def test_it_sees_both_versions_and_the_candidate(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """And its verdict is in the result, in the log, the audit log and the metrics."""
        gate = Planted()
        async with System(home, blocks=gate.blocks("candidate")) as system:
            await system.install(workshop.package(), approve=yes)
            info = await system.update(workshop.package("0.2.0"))
            (change,) = gate.seen
            assert change.old is not None
            assert (change.verb, change.name) == ("update", NAME)
            assert (change.old.version, change.new.version) == ("0.1.0", "0.2.0")
            assert change.new.manifest.component.version == "0.2.0"
            assert await change.old.read_wasm() == workshop.guest()
            assert await change.new.read_wasm() == workshop.guest("0.2.0")
            assert change.candidate is not None
            assert gate.fuel[0] > 0
            gates = [each.gate for each in info.verdicts]
            assert gates == ["interface", "replay", "health", "license"]
            assert {each.outcome for each in info.verdicts} == {"passed", "not applicable"}
            meters = system.services.get(Meters)
            assert dict(meters.samples("gates_passed_total")) == {NAME: 4.0}
            audit = (home / "audit" / "audit.jsonl").read_text().splitlines()
            assert sum('"kind":"gate"' in line for line in audit) == 4

    @pytest.mark.parametrize("asks", ["versions", "candidate"])
    @pytest.mark.parametrize(
        ("gate", "code", "said"),
        [
            (Planted(refusing), "license", "it is under no license"),
            (Planted(raising), "gate-failed", "it failed: RuntimeError: out of paper"),
            (Planted(hangs=True), "timed-out", "did not end within 0.05 s"),
            (Planted(answering(None)), "gate-failed", "its verdict is a NoneType"),
            (Planted(answering("passed")), "gate-failed", "its verdict is a str"),
            (Planted(answering(Verdict("block"))), "gate-failed", "has the outcome 'block'"),  # type: ignore[arg-type]
            (Planted(answering(Verdict("passed", ("so",)))), "gate-failed", "is no Reason"),  # type: ignore[arg-type]
        ],
    )
    async def test_what_it_blocks_does_not_take_over(
        self, home: Path, workshop: Workshop, yes: Approve, gate: Planted, code: str, said: str,
        asks: str,
    ) -> None:  # fmt: skip
        """One that raises, hangs or gives no verdict blocks, too; the error has all verdicts."""
        settings = Configuration.of(UpdateSettings(timeouts={"license": 0.05}))
        async with System(home, blocks=gate.blocks(asks), configuration=settings) as system:
            await system.install(workshop.package(), approve=yes)
            with pytest.raises(UpdateBlocked, match=r"license.*; 0\.1\.0 continues$") as caught:
                await system.update(workshop.package("0.2.0"))
            found = verdict_of(caught.value.verdicts, "license")
            assert (found.outcome, found.is_stopping) == ("blocked", True)
            assert found.reasons[0].code == code
            assert said in found.reasons[0].text
            health = verdict_of(caught.value.verdicts, "health").outcome
            assert health == ("passed" if asks == "candidate" else "not tried")  # it migrates
            again = pickle.loads(pickle.dumps(caught.value))
            assert (again.verdicts, again.hint) == (caught.value.verdicts, caught.value.hint)
            assert "--override license --reason" in again.hint
            assert await system.send(NAME, b"v") == b"0.1.0"
            assert [each.version for each in system.info(NAME).versions] == ["0.1.0"]
            assert '"outcome":"deny"' in (home / "audit" / "audit.jsonl").read_text()

    @pytest.mark.parametrize("way", ["warn", "off", "override"])
    async def test_an_operator_decides_whether_it_blocks(
        self, home: Path, workshop: Workshop, yes: Approve, way: str
    ) -> None:
        """By a setting or for one update, never in silence."""
        gate = Planted(refusing)
        settings = UpdateSettings(
            warn=("license",) if way == "warn" else (), off=("license",) if way == "off" else ()
        )
        configuration = Configuration.of(settings)
        async with System(home, blocks=gate.blocks(), configuration=configuration) as system:
            await system.install(workshop.package(), approve=yes)
            overrides = {"license": "the lawyers know"} if way == "override" else None
            info = await system.update(workshop.package("0.2.0"), overrides=overrides)
            found = verdict_of(info.verdicts, "license")
            entries = await system.history.read(NAME)
            told = entries[-1].detail.get("override license", "")
            assert told == ("the lawyers know" if way == "override" else "")
            kept = {} if way != "override" else overrides
            (active,) = [each for each in system.info(NAME).versions if each.is_active]
            assert active.overridden == kept
            assert len(gate.seen) == (0 if way == "off" else 1)
            outcome = "not tried" if way == "off" else "blocked"
            assert (found.outcome, found.is_stopping) == (outcome, False)
            assert str(found).startswith(
                {"warn": "license: blocked (only warns here): it is under no license",
                 "off": "license: not tried: updates.off names it",
                 "override": "license: blocked (overridden: the lawyers know): it is"}[way]
            )  # fmt: skip
            meters = system.services.get(Meters)
            metric = {"warn": "warned", "off": "without_verdict", "override": "overridden"}[way]
            assert dict(meters.samples(f"gates_{metric}_total")) == {NAME: 1.0}
        async with System(home, blocks=gate.blocks(), configuration=configuration) as system:
            (active,) = [each for each in system.info(NAME).versions if each.is_active]
            assert active.overridden == kept
        text = (home / "audit" / "audit.jsonl").read_text()
        assert ('"override":"the lawyers know"' in text) == (way == "override")

    async def test_gates_are_asked_side_by_side(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Each waits for the others here: one after the other would end at its time."""
        started: list[str] = []
        all_there = anyio.Event()

        def gate(name: str) -> Gate:
            class Waiting:
                async def judge(self, _change: VersionChange) -> Verdict:
                    started.append(name)
                    if len(started) == 3:
                        all_there.set()
                    await all_there.wait()
                    return Verdict("passed")

            return Gate(name, "Waits.", lambda _services: Waiting(), asks="candidate")

        block = Block(name="x", summary="x", gates=tuple(map(gate, ("one", "two", "three"))))
        settings = Configuration.of(UpdateSettings(gate_timeout=20.0))
        blocks = Blocks.find().joined(block)
        async with System(home, blocks=blocks, configuration=settings) as system:
            await system.install(workshop.package(), approve=yes)
            info = await system.update(workshop.package("0.2.0"))
        assert {each.outcome for each in info.verdicts} == {"passed", "not applicable"}

    async def test_two_blocks_cannot_bring_one_gate(self, home: Path) -> None:
        """No order of loading decides whose it is."""
        twin = replace(Planted().block(), name="twin")
        blocks = Planted().blocks().joined(twin)
        assert any("the gate license comes from" in str(each) for each in blocks.problems)

    async def test_what_is_no_gate_names_its_package(self, home: Path) -> None:
        """As the System opens, not at the first update."""
        gate = Gate("license", "x", lambda _services: object())
        blocks = Blocks.find().joined(Block(name="legal", summary="x", gates=(gate,)))
        with pytest.raises(Exception, match=r"legal .*the gate license has no method judge"):
            async with System(home, blocks=blocks):
                raise AssertionError


class TestSettings:
    async def test_an_unknown_gate_is_an_error_with_a_suggestion(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """In an override as in config.toml: a typo must not read as `blocks`."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            for verb in (
                lambda over: system.update(workshop.package("0.2.0"), overrides=over),
                lambda over: system.rollback(NAME, overrides=over),
            ):
                with pytest.raises(GateUnknown, match="'helth'; did you mean health"):
                    await verb({"helth": "x"})
                with pytest.raises(OverrideUnexplained, match="health cannot be overridden"):
                    await verb({"health": "  "})
            assert system.info(NAME).version == "0.1.0"
        (home / "config.toml").write_text('[updates]\nwarn = ["interfaces"]\n')
        with pytest.raises(ConfigurationInvalid, match=r"updates.warn: .*`interface`"):
            async with System(home):
                raise AssertionError

    @pytest.mark.parametrize(
        "wrong", [{"gate_timeout": 0.0}, {"timeouts": {"health": -1.0}}, {"health_checks": 0}]
    )
    def test_values_have_bounds(self, wrong: dict[str, Any]) -> None:
        """A gate without time would block all updates."""
        with pytest.raises(ValueError, match=r"from (a millisecond|1) to"):
            UpdateSettings(**wrong)


class TestPlantedVersions:
    """Bad versions with real guests: the old one goes on, and the reason is exact."""

    @pytest.mark.parametrize(
        ("init", "step", "said"),
        [
            (1, "start", "refused"),
            (2, "start", "(fuel|time|ran out)"),
            (3, "start", "unreachable"),
            (4, "start", "(memory|unreachable)"),
        ],
    )
    async def test_one_whose_init_fails_hangs_crashes_or_hoards(
        self, home: Path, workshop: Workshop, yes: Approve, init: int, step: str, said: str
    ) -> None:
        """Nothing of it is left, and a good version can follow."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            bad = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", init=init))
            with pytest.raises(UpdateFailed, match=rf"{said}.*0\.1\.0 continues") as caught:
                await system.update(bad)
            assert (caught.value.step, caught.value.state) == (step, "running")
            assert await system.send(NAME, b"v") == b"0.1.0"
            await system.update(workshop.package("0.3.0"))
            assert await system.send(NAME, b"v") == b"0.3.0"

    @pytest.mark.parametrize(
        ("health", "code"), [(1, "unhealthy"), (2, "crashed"), (3, "crashed"), (4, "unhealthy")]
    )
    async def test_one_that_is_unwell(
        self, home: Path, workshop: Workshop, yes: Approve, health: int, code: str
    ) -> None:
        """At its first check, or at a later one: it says that it does not work, traps or hangs."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            bad = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", health=health))
            with pytest.raises(UpdateBlocked) as caught:
                await system.update(bad)
            found = verdict_of(caught.value.verdicts, "health")
            assert [each.code for each in found.reasons] == [code]
            assert found.reasons[0].detail == {"check": 2 if health == 4 else 1, "of": 3}
            assert await system.send(NAME, b"v") == b"0.1.0"

    async def test_one_that_does_not_answer_its_check_in_time(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The time is that of its own manifest."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            bad = workshop.package(
                "0.2.0", wasm=workshop.guest("0.2.0", health=3), timeout="60 s",
                fuel=100_000_000_000, extra='[health]\ninterval = "1 h"\ntimeout = 0.1',
            )  # fmt: skip
            with pytest.raises(UpdateBlocked, match="blocked by health") as caught:
                await system.update(bad, approve=yes)
            assert any("did not answer within 0.1 s" in each for each in caught.value.lines)
            assert verdict_of(caught.value.verdicts, "health").reasons[0].code == "no-answer"
            assert await system.send(NAME, b"v") == b"0.1.0"

    @pytest.mark.parametrize("health", [1, 2])
    async def test_an_unwell_one_takes_over_by_an_override(
        self, home: Path, workshop: Workshop, yes: Approve, health: int
    ) -> None:
        """One that the check has ended starts again for it."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            unwell = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", health=health))
            info = await system.update(unwell, overrides={"health": "its check is wrong"})
            assert verdict_of(info.verdicts, "health").is_overridden
            assert await system.send(NAME, b"v") == b"0.2.0"

    async def test_a_migration_that_is_blocked_already_is_not_begun(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """A gate that compares the versions has its verdict before the data is touched."""
        gate = Planted(refusing)
        async with System(home, blocks=gate.blocks()) as system:
            await system.install(workshop.package(), approve=yes)
            with pytest.raises(UpdateBlocked) as caught:
                await system.update(workshop.package("0.2.0"))
            found = verdict_of(caught.value.verdicts, "health")
            assert (found.outcome, found.reasons[0].code) == ("not tried", "no-candidate")
            assert system.info(NAME).storage_bytes == 0


class TestInterface:
    async def installed(
        self, system: System, workshop: Workshop, yes: Approve, functions: str
    ) -> None:
        wasm = workshop.typed_guest("0.1.0", functions)
        await system.install(workshop.package(wasm=wasm), approve=yes)

    @pytest.mark.parametrize(
        ("now", "code"),
        [
            ("", "interface-removed"),
            ("size: func(text: string) -> u32;", "function-removed"),
            ("count: func(text: string) -> u16;", None),
            ("count: func(text: string) -> s32;", "type-changed"),
            ("count: func(text: string, of: string) -> u32;", "parameter-added"),
            ("count: func(text: string) -> u32; size: func(text: string) -> u32;", None),
        ],
    )
    async def test_exports_that_break_python_code_that_calls_them(
        self, home: Path, workshop: Workshop, yes: Approve, now: str, code: str | None
    ) -> None:
        """With a caller it blocks and names it; without one it is said, and passes."""
        package = workshop.package("0.2.0", wasm=workshop.typed_guest("0.2.0", now))
        async with System(home) as system:
            await self.installed(system, workshop, yes, "count: func(text: string) -> u32;")
            plan = await system.plan(package, update=True)
            found = verdict_of(plan.verdicts, "interface")
            codes = {each.code for each in found.reasons}
            assert (found.outcome, code is None or code in codes) == ("passed", True)
            if code is not None:
                assert "this host knows no user of it" in found.reasons[0].text
            users = system.services.get(ExportUsers)
            with users.using(NAME, "acme:plugin/words@1.0.0", "shop.words"):
                plan = await system.plan(package, update=True)
                found = verdict_of(plan.verdicts, "interface")
                assert found.outcome == ("blocked" if code is not None else "passed")
                if code is not None:
                    assert found.reasons[0].affected == ("shop.words",)
                    with pytest.raises(UpdateBlocked) as caught:
                        await system.update(package)
                    assert "this hits shop.words" in caught.value.account
                    assert await system.send(NAME, b"v") == b"0.1.0"
            await system.update(package)
            assert await system.send(NAME, b"v") == b"0.2.0"

    @pytest.mark.parametrize(
        ("before", "now", "code"),
        [
            ("", NARROW, "codec-refused"),
            ('[codecs]\naccepts = ["json", "cbor"]', NARROW, "codec-refused"),
            (NARROW, "", None),
            ('[delivery]\nmode = "durable"', "", "delivery-weaker"),
            ("", '[delivery]\nmode = "durable"', None),
        ],
    )
    async def test_terms_that_break_senders(
        self, home: Path, workshop: Workshop, yes: Approve, before: str, now: str, code: str | None
    ) -> None:
        """A change hits each component that may send to it; alone on a host, it hits none."""
        package = workshop.package("0.2.0", extra=now)
        async with System(home) as system:
            await system.install(workshop.package(extra=before), approve=yes)
            found = verdict_of((await system.plan(package, update=True)).verdicts, "interface")
            assert found.outcome == "passed"
            neighbour = workshop.package(name=NEIGHBOUR, capabilities=MAY_SEND)
            await system.install(neighbour, approve=yes)
            found = verdict_of((await system.plan(package, update=True)).verdicts, "interface")
            assert found.outcome == ("passed" if code is None else "blocked")
            assert [each.code for each in found.reasons] == ([] if code is None else [code])
            if code is not None:
                assert found.reasons[0].affected == (f"{NEIGHBOUR} (may send to it)",)
                assert found.reasons[0].detail == {"users": 1}

    async def test_what_needs_it_is_a_user(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Whether or not it may send, and before all other uses."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            neighbour = workshop.package(name=NEIGHBOUR, capabilities=MAY_SEND, needs=(NAME,))
            await system.install(neighbour, approve=yes)
            plan = await system.plan(workshop.package("0.2.0", extra=NARROW), update=True)
            found = verdict_of(plan.verdicts, "interface")
            assert found.reasons[0].affected == (f"{NEIGHBOUR} (needs it)",)

    async def test_who_has_sent_is_told_from_who_may(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The guard remembers whom it let pass."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            neighbour = workshop.package(name=NEIGHBOUR, capabilities=MAY_SEND)
            await system.install(neighbour, approve=yes)
            system.services.get(Guard).enforce(NEIGHBOUR, "messaging:send", NAME)
            plan = await system.plan(workshop.package("0.2.0", extra=NARROW), update=True)
            found = verdict_of(plan.verdicts, "interface")
            assert found.reasons[0].affected == (f"{NEIGHBOUR} (has sent to it)",)

    async def test_a_topic_that_is_given_up_hits_its_subscribers(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """They would wait for ever."""
        async with System(home) as system:
            publishing = 'messaging.publish = ["orders/new"]'
            await system.install(workshop.package(capabilities=publishing), approve=yes)
            reader = workshop.package(
                name=NEIGHBOUR, capabilities='messaging.subscribe = ["orders/new"]'
            )
            await system.install(reader, approve=yes)
            plan = await system.plan(workshop.package("0.2.0", capabilities=""), update=True)
            found = verdict_of(plan.verdicts, "interface")
            assert [(each.code, each.affected) for each in found.reasons] == [
                ("topic-abandoned", (NEIGHBOUR,))
            ]

    async def test_without_the_files_of_before_nothing_can_be_compared(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """That does not keep a good version from replacing a damaged one."""
        async with System(home) as system:
            await system.install(workshop.package(), approve=yes)
            digest = system.info(NAME).versions[0].wasm_digest
            for path in (home / "artifacts").rglob(f"*{digest}*"):
                path.unlink()
            info = await system.update(workshop.package("0.2.0"))
            found = verdict_of(info.verdicts, "interface")
            assert (found.outcome, found.is_stopping) == ("not comparable", False)
            assert await system.send(NAME, b"v") == b"0.2.0"


class TestRollback:
    async def test_only_the_health_gate_blocks_one(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """A rollback is for emergencies: a break of interfaces is said."""
        gate = Planted(refusing)
        async with System(home, blocks=gate.blocks()) as system:
            await system.install(workshop.package(extra=NARROW), approve=yes)
            neighbour = workshop.package(name=NEIGHBOUR, capabilities=MAY_SEND)
            await system.install(neighbour, approve=yes)
            over = {"license": "x"}
            await system.update(workshop.package("0.2.0"), overrides=over)
            plan = await system.plan_rollback(NAME)
            assert [str(each) for each in plan.verdicts if each.gate == "interface"] == [
                "interface: blocked (only warns here): some codecs are refused: it accepts json; "
                f"this hits {NEIGHBOUR} (may send to it)"
            ]
            info = await system.rollback(NAME)
            assert [(each.gate, each.outcome, each.mode) for each in info.verdicts] == [
                ("interface", "blocked", "warns"),
                ("replay", "not applicable", "warns"),
                ("health", "passed", "blocks"),
                ("license", "blocked", "warns"),
            ]
            assert (info.version, info.state) == ("0.1.0", "running")
            assert not any(each.overridden for each in info.versions if each.is_active)

    async def test_a_version_that_does_not_work_any_more_is_no_way_back(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Unless its operator says so."""
        async with System(home) as system:
            sick = workshop.package(wasm=workshop.guest("0.1.0", health=1))
            await system.install(sick, approve=yes)
            await system.update(workshop.package("0.2.0"))
            with pytest.raises(UpdateBlocked, match=r"health.*; 0\.2\.0 continues") as caught:
                await system.rollback(NAME)
            assert caught.value.hint.startswith("mend 0.1.0, or choose another version; ")
            assert await system.send(NAME, b"v") == b"0.2.0"
            await system.rollback(NAME, overrides={"health": "it never worked"})
            assert await system.send(NAME, b"v") == b"0.1.0"


class TestWhereNothingRuns:
    @pytest.mark.parametrize("where", ["no host runs", "it is stopped"])
    async def test_gates_that_ask_a_candidate_say_so(
        self, home: Path, workshop: Workshop, yes: Approve, where: str
    ) -> None:
        """And the others have their verdict."""
        mode: Any = "offline" if where == "no host runs" else "online"
        async with System(home, mode=mode) as system:
            await system.install(workshop.package(), approve=yes, start=False)
            info = await system.update(workshop.package("0.2.0"))
            found = verdict_of(info.verdicts, "health")
            assert (found.outcome, str(found.reasons[0])) == ("not tried", where)
            assert verdict_of(info.verdicts, "interface").outcome == "passed"

    async def test_a_gate_blocks_there_too(
        self, home: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The error does not say that a version goes on which does not run."""
        gate = Planted(refusing)
        async with System(home, mode="offline", blocks=gate.blocks()) as system:
            await system.install(workshop.package(), approve=yes, start=False)
            with pytest.raises(UpdateBlocked, match=r"0\.1\.0 stays installed, and is not running"):
                await system.update(workshop.package("0.2.0"))
            assert system.info(NAME).version == "0.1.0"
