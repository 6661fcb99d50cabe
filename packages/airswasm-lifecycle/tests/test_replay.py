"""A new version answers recorded messages as the version before it did, or the difference shows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import cbor2
import pytest
from airswasm.actor import ActorError, ActorFailed, FunctionMissing, UnfitPayload
from airswasm.lifecycle import (
    Configuration,
    InstallPlan,
    NothingRecorded,
    Package,
    ReplayReport,
    System,
    UpdateBlocked,
)
from airswasm.lifecycle._trial.attempts import Attempt
from airswasm.lifecycle._trial.recorded import Recorded, pack, unpack
from airswasm.lifecycle._trial.replaying import Tried
from airswasm.lifecycle._trial.tape import HANDLE
from airswasm.lifecycle.errors import RecordingUnreadable
from airswasm.runtime import Case, Err, Meters, Ok
from airswasm.storage import StorageUnavailable, Store
from airswasm.wit import Blocks
from hypothesis import given, settings
from hypothesis import strategies as st

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
Books = Callable[..., Package]
NAME = "local/hello"

pytestmark = pytest.mark.anyio


@pytest.fixture
def books(workshop: Workshop) -> Books:
    """Packages of the guest that keeps books."""
    return workshop.books_package  # type: ignore[no-any-return]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Any]:
    """Opens a host that records."""

    @asynccontextmanager
    async def opening(replay: str = 'record = ["**"]') -> AsyncGenerator[System]:
        configuration = Configuration.parse(f"[replay]\n{replay}\n", Blocks.find())
        async with System(tmp_path / "home", configuration=configuration) as system:
            yield system

    return opening


async def tell(system: System, *payloads: bytes) -> None:
    """Send messages to the component, whatever comes of them."""
    for payload in payloads:
        with anyio.fail_after(30):
            try:
                await system.send(NAME, payload)
            except ActorError:
                while not system._hosting.is_running(NAME):  # noqa: ASYNC110
                    await anyio.sleep(0.001)


async def replayed(system: System, package: Package) -> ReplayReport:
    """Replay the recording to a package that is not installed."""
    record = system._registry.get(NAME)
    await system._loader.check(package)
    running = Tried(
        record.active, record.active_version.wasm_digest, system._stored.manifest(record)
    )
    candidate = Tried(package.version, package.wasm_digest, package.manifest)
    return await system._replaying.replay(NAME, running, candidate)


ALL = (b"a", b"a", b"p", b"t", b"m", b"r", b"shello", b"cv", b"qv", b"l", b"n", b"e1", b"?", b"d")


async def test_a_version_does_as_it_did(
    opened: Any, books: Books, workshop: Workshop, yes: Approve
) -> None:
    """Nothing differs, whatever it used: data, time, chance, others."""
    async with opened() as system:
        await system.install(workshop.package(name="local/other"), approve=yes)
        await system.install(books(), approve=yes)
        await tell(system, *ALL, b"x", b"a", b"t")
        report = await replayed(system, books(version="0.2.0"))
        assert report.divergences == ()
        assert report.differences == ()
        assert report.incomparable == {}
        assert report.verdict == "passed"
        assert report.compared == report.messages == len(ALL) + 4  # and one callback


@pytest.mark.parametrize(
    ("defect", "kinds"),
    [
        ("DEFECT_ANSWER", {"reply"}),
        ("DEFECT_SEND", {"calls"}),
        ("DEFECT_FUEL", {"fuel"}),
        ("DEFECT_CRASH", {"ending"}),
        ("DEFECT_WRITE", set()),
        ("OTHER_ORDER", set()),
    ],
)
async def test_a_planted_difference_shows(
    opened: Any, books: Books, yes: Approve, defect: str, kinds: set[str]
) -> None:
    """Wrong answers, other writes, a further send, too much fuel, a crash; but no other order."""
    async with opened() as system:
        await system.install(books(), approve=yes)
        await tell(system, b"a", b"p", b"a", b"t", b"r", b"ehello")
        before = {
            name: system.services.get(Store).namespace(name).read_page()
            for name in system.services.get(Store).namespaces()
        }
        report = await replayed(system, books(defect, version="0.2.0"))
        print(report)
        assert {each.kind for each in report.divergences} == kinds
        if defect == "OTHER_ORDER":
            assert report.verdict == "passed"
        else:
            assert report.verdict == "blocked"
        if defect == "DEFECT_WRITE":
            (difference,) = report.differences
            assert (difference.key, difference.running) == ("stray", None)
            assert difference.candidate == b"!"
        after = {
            name: system.services.get(Store).namespace(name).read_page()
            for name in system.services.get(Store).namespaces()
        }
        assert {name: page for name, page in after.items() if "/" in name} == {
            name: page for name, page in before.items() if "/" in name
        }


async def test_what_is_only_in_memory_is_not_compared(
    opened: Any, books: Books, yes: Approve
) -> None:
    """Where the start of the incarnation is not in the recording any more."""
    async with opened('record = ["**"]\nmessages = 4') as system:
        await system.install(books(), approve=yes)
        await tell(system, *[b"n"] * 6, b"a")
        system._recordings.flush()
        report = await replayed(system, books("DEFECT_ANSWER", version="0.2.0"))
        assert report.incomparable == {"the running version does not repeat it": 3}
        assert (report.compared, report.diverged) == (1, 1)
        assert report.verdict == "blocked"


async def test_data_that_others_change_meanwhile(opened: Any, books: Books, yes: Approve) -> None:
    """An operator's change is done again where it was done, and is no difference."""
    async with opened() as system:
        await system.install(books(), approve=yes)
        await tell(system, b"a", b"a")
        await system.services.get(Store).namespace(NAME).set("total", b"40")
        await tell(system, b"a", b"a")
        await system.services.get(Store).namespace(NAME).set("total", b"90")
        report = await replayed(system, books(version="0.2.0"))
        assert (report.verdict, report.compared, report.incomparable) == ("passed", 4, {})
        worse = await replayed(system, books("DEFECT_ANSWER", version="0.2.0"))
        assert [(each.recorded, each.came) for each in worse.divergences] == [
            ("'1'", "'2'"), ("'2'", "'4'"), ("'41'", "'42'"), ("'42'", "'44'"),
        ]  # fmt: skip


async def test_a_candidate_that_asks_for_more_is_not_comparable_by_its_answer_alone(
    opened: Any, books: Books, yes: Approve
) -> None:
    """Where its answers are the same all the same, it passes."""
    async with opened() as system:
        await system.install(books(), approve=yes)
        await tell(system, b"a", b"e1")
        report = await replayed(system, books("ASKS_MORE", version="0.2.0"))
        assert report.verdict == "passed"
        both = await replayed(system, books("ASKS_MORE", "DEFECT_ANSWER", version="0.2.0"))
        assert (both.verdict, both.unsure) == ("not comparable", 1)
        assert any("get-random-u64" in each for each in both.incomparable)


async def test_what_must_not_be_recorded_is_not(opened: Any, books: Books, yes: Approve) -> None:
    """A message with a member of that name, or of which the host cannot tell, has no content."""
    secret = b"hunter2-marker"
    async with opened('record = ["**"]\nredact = ["password", "card.number"]') as system:
        await system.install(books(), approve=yes)
        await tell(
            system,
            b'{"user": "ann", "deep": [{"Password": "%s"}]}' % secret,
            b'{"card": {"number": "%s"}}' % secret,
            b"e" + secret,
            b'{"number": "plain"}',
        )
        messages = [each async for each in system.recordings.messages(NAME)]
        unkept = [each.unkept for each in messages if each.kind == "message"]
        assert [bool(each) for each in unkept] == [True, True, True, False]
        assert all(secret not in repr(each).encode() for each in messages)
        report = await replayed(system, books(version="0.2.0"))
        assert sum(report.incomparable.values()) == 3
        assert report.compared == 1


async def test_a_recording_is_bounded(opened: Any, books: Books, yes: Approve) -> None:
    """In messages and in bytes, however many there are; and a purge leaves nothing."""
    async with opened('record = ["**"]\nmessages = 50\nsize = "16 KiB"') as system:
        await system.install(books(), approve=yes)
        await tell(system, *[b"e" + bytes(500)] * 300, b"e" + bytes(9_000))
        system._recordings.flush()
        found = system.recordings.get(NAME)
        assert 0 < found.messages <= 50
        assert found.size_bytes <= 16 * 1024
        last = [each async for each in system.recordings.messages(NAME)][-1]
        assert last.unkept == "it takes more bytes than a message of a recording may"
        assert system.recordings.list() == (found,)
        await system.uninstall(NAME, purge=True)
        assert system.recordings.list() == ()
        assert not [each for each in system.services.get(Store).logs() if "recording" in each]


async def test_a_damaged_recording_is_told(opened: Any, books: Books, yes: Approve) -> None:
    """What was altered is left out, and neither the host nor the replay ends with it."""
    async with opened() as system:
        await system.install(books(), approve=yes)
        await tell(system, b"a", b"a", b"shello")
        system._recordings.flush()
        log = system._recordings._log(NAME)
        entries = log.read_page().entries
        altered = [entries[-1].payload[:40], b"", b"\xff" * 20, b"\xa1ffformat\x02"]
        altered.append(
            entries[-1].payload.replace(b"OUTSIDE", b"NOWHERE").replace(b"outside", b"nowhere")
        )
        altered.append(entries[-1].payload.replace(b"err", b"ok!"))
        await log.extend(altered)
        report = await replayed(system, books(version="0.2.0"))
        assert report.incomparable["its record is damaged"] >= 4
        assert report.compared >= 3
        assert report.divergences == ()


WRONG = (
    None, True, -1, 1.5, float("nan"), float("inf"), 10**30, "", "x", b"\xff", [], [[]], [1], {},
    {"a": 1}, {"deadline": "x"}, {"hops": "x"}, {"correlation": [1]},
    [["f", "outside", 5, None, ""]], [["f", "outside", [], None, ""]],
    [["k", b"", None, 0]], [[1, 2, 3, 4]], cbor2.CBORTag(35, "(("),
)  # fmt: skip


@pytest.mark.parametrize("member", [*(each.name for each in fields(Recorded)), "format"])
def test_a_record_with_a_member_of_another_kind_is_damaged(member: str) -> None:
    """It is refused, or can be shown, packed and replayed as every other one."""
    whole = cbor2.loads(pack(Recorded("message", 1.0, "1.0.0", "id", envelope={"hops": 1})))
    for value in WRONG:
        try:
            found = unpack(cbor2.dumps({**whole, member: value}))
        except RecordingUnreadable:
            continue
        assert unpack(pack(found)) == found
        assert time.localtime(found.at)
        assert found.message.envelope is not None
        assert {found.kind, found.ending, found.version, found.unkept} <= {
            "message", "callback", "call", "start", "replied", "1.0.0", "", "x"
        }  # fmt: skip
        Attempt.of(found.answers)


class TestCalls:
    """Calls of exported functions are recorded and compared as messages are."""

    @staticmethod
    async def called(system: System) -> None:
        """Call every function, with each kind of value; two of the calls have a handle."""
        plugin = system.component(NAME)
        transform, counters = plugin.exports.transform, plugin.exports.counters
        assert await plugin.exports.version() == "1.0.0"
        job = {"text": "ab", "times": 2, "tags": ["x"], "note": None}
        assert await transform.run(job) == Ok("abab #x")
        assert await transform.run({**job, "times": 0}) == Err("nothing to do")
        assert await transform.area(Case("circle", 2.0)) == 12.0
        assert await transform.sum([1, 2]) == 3
        assert await transform.sum([1, 2, 3]) == 6
        assert await transform.mirror(b"\x00\xff") == b"\xff\x00"
        assert await transform.mix("red", {"read"}, (1, "a")) is not None
        assert await transform.count() > 0
        with pytest.raises(ActorFailed):
            await transform.trap()
        while not system._hosting.is_running(NAME):  # noqa: ASYNC110
            await anyio.sleep(0.001)
        assert await transform.sum([]) == 0
        await counters.counter_bump(await counters.new_counter(5))
        with pytest.raises(FunctionMissing):
            await plugin.call("acme:plugin/none@1.0.0#run")
        with pytest.raises(UnfitPayload):
            await transform.sum("no list")

    @pytest.mark.parametrize(
        ("flags", "interface", "kinds"),
        [((), "1.0.0", set()), (("DEFECT_SUM",), "1.0.0", {"reply"}), ((), "2.0.0", {"ending"})],
        ids=["alike", "another result", "another interface"],
    )
    async def test_a_planted_difference_shows(
        self,
        opened: Any,
        workshop: Workshop,
        yes: Approve,
        flags: tuple[str, ...],
        interface: str,
        kinds: set[str],
    ) -> None:
        """By function; what has a handle is counted, and not compared."""
        async with opened() as system:
            package = workshop.package(wasm=workshop.plugin(), capabilities="")
            await system.install(package, approve=yes)
            await self.called(system)
            wasm = workshop.plugin(*flags, interface=interface)
            candidate = workshop.package("0.2.0", wasm=wasm, capabilities="")
            report = await replayed(system, candidate)
            assert {each.kind for each in report.divergences} == kinds, report
            assert report.verdict == ("blocked" if kinds else "passed")
            assert report.incomparable == {f"recorded without its content: {HANDLE}": 2}
            assert (report.messages, report.compared) == (13, 11)
            if flags:
                (divergence,) = report.divergences
                assert (divergence.recorded, divergence.came) == ("3", "4")

    async def test_an_argument_is_redacted_by_its_name(
        self, opened: Any, workshop: Workshop, yes: Approve
    ) -> None:
        """Also a field of a record."""
        async with opened('record = ["**"]\nredact = ["numbers", "tags"]') as system:
            package = workshop.package(wasm=workshop.plugin(), capabilities="")
            await system.install(package, approve=yes)
            await self.called(system)
            found = [each async for each in system._recordings.entries(NAME) if each is not None]
            kept = {each.function.rpartition("#")[2] for each in found if each.payload}
            assert {each.kind for each in found} == {"start", "call"}
            assert {"area", "mix"} <= kept
            assert kept.isdisjoint({"sum", "run", "mirror"})  # bytes may hold anything


async def test_a_refusing_disk_ends_no_message(opened: Any, books: Books, yes: Approve) -> None:
    """What could not be kept is counted, and the message is answered."""
    async with opened() as system:
        await system.install(books(), approve=yes)
        recordings = system._recordings

        class Full:
            def write(self, *_arguments: object) -> None:
                raise StorageUnavailable("store", "the disk is full")

        recordings._index = Full()  # type: ignore[assignment]
        await tell(system, *[b"e1"] * 130)
        assert await system.send(NAME, b"e2") == b"2"
        recordings.flush()
        lost = dict(system.services.get(Meters).samples("messages_recorded_without_content_total"))
        assert lost[NAME] >= 131
        assert recordings.list() == ()


async def test_nothing_is_recorded_unasked(opened: Any, books: Books, yes: Approve) -> None:
    """And nothing of a recorder is in the way of a message."""
    async with opened('record = ["shop/*"]') as system:
        await system.install(books(), approve=yes)
        await tell(system, b"a")
        assert system.recordings.list() == ()
        (_, _, actor) = next(iter(system._hosting.running()))
        assert type(actor).__name__ == "HostedActor"
        with pytest.raises(NothingRecorded) as caught:
            await system.recordings.replay(NAME)
        assert f"--reload; then: airswasm restart {NAME}" in caught.value.hint


async def test_a_candidate_that_does_not_start(
    opened: Any, books: Books, workshop: Workshop, yes: Approve
) -> None:
    """It is a divergence, and the running one goes on."""
    async with opened() as system:
        await system.install(books(), approve=yes)
        await tell(system, b"a")
        bad = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", init=1))
        report = await replayed(system, bad)
        assert [each.kind for each in report.divergences] == ["start"]
        assert report.verdict == "blocked"
        assert await system.send(NAME, b"a") == b"2"


async def test_a_hanging_candidate_holds_nothing_up(
    opened: Any, books: Books, workshop: Workshop, yes: Approve
) -> None:
    """Its limits end each message, and the replay has a time of its own."""
    async with opened('record = ["**"]\ntimeout = "4 s"') as system:
        await system.install(books(), approve=yes)
        await tell(system, *[b"e1"] * 20)
        done = anyio.Event()
        reports: list[ReplayReport] = []

        async def replay() -> None:
            reports.append(await replayed(system, books("DEFECT_HANG", version="0.2.0")))
            done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(replay)
            while not done.is_set():
                assert await system.send(NAME, b"e2") == b"2"
                await anyio.lowlevel.checkpoint()
        assert reports[0].verdict == "blocked"


@pytest.fixture(scope="module")
def same(workshop: Workshop) -> Package:
    """The same component as a newer version."""
    return workshop.books_package(version="0.2.0")  # type: ignore[no-any-return]


@given(st.lists(st.sampled_from([*ALL, b"x", b"\x00", b""]), max_size=25), st.booleans())
@settings(max_examples=8)
def test_a_version_never_differs_from_itself(
    workshop: Workshop, same: Package, payloads: list[bytes], is_other_there: bool
) -> None:
    """Whatever it is sent: what cannot be repeated is not compared, and nothing differs."""

    async def check() -> None:
        with tempfile.TemporaryDirectory() as folder:
            configuration = Configuration.parse('[replay]\nrecord = ["**"]\n', Blocks.find())
            async with System(Path(folder) / "home", configuration=configuration) as system:
                if is_other_there:
                    other = workshop.package(name="local/other")
                    await system.install(other, approve=lambda _plan: True)
                package = workshop.books_package(extra="intensity = 100")
                await system.install(package, approve=lambda _plan: True)
                await tell(system, *payloads, b"a")
                report = await replayed(system, same)
                assert report.divergences == ()
                assert report.differences == ()
                assert not report.incomparable

    anyio.run(check)


class TestTheGate:
    """An update of a component whose messages are recorded passes the gate `replay`, or stays."""

    async def test_a_version_that_answers_otherwise_does_not_take_over(
        self, opened: Any, books: Books, yes: Approve
    ) -> None:
        """The old one goes on, and the error has each difference as data."""
        async with opened() as system:
            await system.install(books(), approve=yes)
            await tell(system, b"a", b"a", b"e1")
            with pytest.raises(UpdateBlocked) as blocked:
                await system.update(books("DEFECT_ANSWER", version="0.2.0"), approve=yes)
            (verdict,) = [each for each in blocked.value.verdicts if each.gate == "replay"]
            assert verdict.outcome == "blocked"
            reason = next(each for each in verdict.reasons if each.code == "other-reply")
            assert (reason.detail["recorded"], reason.detail["came"]) == ("'1'", "'2'")
            assert any(each.code == "other-value" for each in verdict.reasons)
            assert system.info(NAME).version == "0.1.0"
            assert await system.send(NAME, b"a") == b"3"

    async def test_a_version_that_answers_alike_takes_over(
        self, opened: Any, books: Books, yes: Approve
    ) -> None:
        """With nothing sent, written or counted on the way."""
        async with opened() as system:
            await system.install(books(), approve=yes)
            await tell(system, b"a", b"a", b"e1")
            await system.update(books("OTHER_ORDER", version="0.2.0"), approve=yes)
            assert system.info(NAME).version == "0.2.0"
            assert await system.send(NAME, b"a") == b"3"

    async def test_a_migration_is_replayed_on_the_data_of_before(
        self, opened: Any, books: Books, yes: Approve
    ) -> None:
        """Keys that `migrate` writes are no difference; a failing one blocks."""
        async with opened() as system:
            await system.install(books(), approve=yes)
            await tell(system, b"a", b"a")
            with pytest.raises(UpdateBlocked):
                await system.update(
                    books("MIGRATES", "DEFECT_MIGRATE", version="0.2.0"), approve=yes
                )
            assert system.services.get(Store).namespace(NAME).read("migrated") is None
            await system.update(books("MIGRATES", version="0.3.0"), approve=yes)
            assert system.services.get(Store).namespace(NAME).read("migrated") == b"0.1.0"
            assert await system.send(NAME, b"a") == b"3"

    async def test_an_operator_overrides_it(self, opened: Any, books: Books, yes: Approve) -> None:
        """With a reason, which stays with the version."""
        async with opened() as system:
            await system.install(books(), approve=yes)
            await tell(system, b"a")
            await system.update(
                books("DEFECT_ANSWER", version="0.2.0"),
                approve=yes,
                overrides={"replay": "it is meant to count by two"},
            )
            assert await system.send(NAME, b"a") == b"3"

    async def test_without_a_recording_it_does_not_apply(
        self, opened: Any, books: Books, yes: Approve
    ) -> None:
        """An update of what is not recorded pays nothing for it."""
        async with opened("record = []") as system:
            await system.install(books(), approve=yes)
            await tell(system, b"a")
            await system.update(books("DEFECT_ANSWER", version="0.2.0"), approve=yes)
            assert await system.send(NAME, b"a") == b"3"
