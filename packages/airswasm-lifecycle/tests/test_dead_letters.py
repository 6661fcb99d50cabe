"""Messages that were not handled: kept with the evidence, replayed, tried, dropped, forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import ActorFailed, MailboxFull
from airswasm.lifecycle import (
    Home,
    HostOffline,
    InstallPlan,
    NotRunning,
    System,
    VersionNotRetained,
)
from airswasm.lifecycle._checks import check_dead_letters
from airswasm.messaging import KeptLetter, LetterUnknown, TapEvent
from airswasm.security import InvalidPattern, read_audit

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def system(home: Path, workshop: Workshop, yes: Approve) -> AsyncIterator[System]:
    """A host with the guest installed."""
    async with System(home) as system:
        await system.install(workshop.package(), approve=yes)
        yield system


async def crash(system: System, payload: bytes = b"t") -> None:
    with pytest.raises(ActorFailed):
        await system.send(NAME, payload)


async def listed(system: System, name: str = "") -> list[KeptLetter]:
    return [each async for each in system.dead_letters.list(name)]


async def test_a_letter_says_which_code_died_and_of_what(system: System) -> None:
    """Version, artifact, error, backtrace, fuel, memory; and the log names the letter."""
    await crash(system, b"t \x1b[31m")
    (letter,) = await listed(system, NAME)
    assert (letter.reason, letter.target, letter.sender) == ("crashed", NAME, "host")
    assert letter.payload == b"t \x1b[31m"
    assert letter.version == "0.1.0"
    assert letter.digest == system.info(NAME).versions[0].wasm_digest
    assert letter.cause is not None
    assert (letter.cause.kind, letter.cause.code) == ("Trapped", "E0210")
    assert letter.cause.fuel_used
    assert letter.cause.memory_peak_bytes
    assert letter.cause.backtrace
    lines = [each.message for each in system.logs.recent(NAME)]
    assert any(f"airswasm dlq show {letter.id}" in each for each in lines)
    assert system.status().dead_letters == 1


@pytest.mark.parametrize("fate", ["reject", "drop-oldest"])
async def test_a_full_mailbox_keeps_what_the_manifest_says(
    home: Path, workshop: Workshop, yes: Approve, fate: str
) -> None:
    """The newest messages, in which case the oldest are letters; or those that came first."""
    limits = f'mailbox = 2\nmailbox_full = "{fate}"'
    async with System(home) as system:
        await system.install(workshop.package(limits=limits), approve=yes)
        ref = system.services.get(_broker()).resolve(NAME)
        ref.pause()
        refused = 0
        for payload in (b"1", b"2", b"3", b"4"):
            try:
                ref.tell(payload)
            except MailboxFull:
                refused += 1
        lost = [(each.reason, each.payload) for each in await listed(system)]
        await system.stop(NAME, kill=True)
        kept = [each.payload for each in await listed(system)][len(lost) :]
    if fate == "reject":
        assert (refused, lost, kept) == (2, [], [b"1", b"2"])
    else:
        dropped = [("dropped", b"1"), ("dropped", b"2")]
        assert (refused, lost, kept) == (0, dropped, [b"3", b"4"])


async def test_letters_outlive_the_host(home: Path, workshop: Workshop, yes: Approve) -> None:
    """Also those of messages that waited when the host stopped, and without a host to read them."""
    async with System(home) as system:
        await system.install(workshop.package(), approve=yes)
        await crash(system)
        (ref,) = [system.services.get(_broker()).resolve(NAME)]
        ref.pause()
        ref.tell(b"waits")
        before = await listed(system)
    for mode in ("readonly", "offline", "online"):
        async with System(home, mode=mode) as system:  # type: ignore[arg-type]
            found = await listed(system)
            assert found[: len(before)] == before
            assert [(each.reason, each.payload) for each in found[1:]] == [("stopped", b"waits")]
    async with System(home, mode="readonly") as system:
        with pytest.raises(HostOffline):
            await system.dead_letters.drop(before[0].id)
        with pytest.raises(HostOffline):
            await system.dead_letters.replay(before[0].id)
    async with System(home, mode="offline") as system:
        with pytest.raises(HostOffline):
            await system.dead_letters.replay(before[0].id)
        assert await system.dead_letters.drop_all(NAME) == 2
        assert await listed(system) == []
    acts = [each.get("reason") for each in read_audit(Home(home).audit_log)]
    assert "dropped, all 2 of them" in acts


def _broker() -> Any:
    from airswasm.actor import MessageBroker

    return MessageBroker


async def test_a_home_that_holds_nothing_has_no_letters(home: Path) -> None:
    """It can be read all the same."""
    async with System(home, mode="readonly") as system:
        assert await listed(system) == []
        assert system.dead_letters.counts().noted == 0
        with pytest.raises(LetterUnknown):
            await system.dead_letters.get("absent")


async def test_a_replay_passes_what_each_message_passes(system: System, home: Path) -> None:
    """What does not run gets none; the audit log has a line before the effect."""
    await crash(system)
    (letter,) = await listed(system)
    await system.stop(NAME)
    with pytest.raises(NotRunning):
        await system.dead_letters.replay(letter.id)
    await system.start(NAME)
    done = await system.dead_letters.replay(letter.id)
    assert done.outcome == "died"
    (again,) = await listed(system)
    assert (again.id, again.replays) == (done.died_as, (letter.id,))
    found = [each for each in read_audit(Home(home).audit_log) if each["kind"] == "dead-letter"]
    lines = [(each["component"], each["resource"], each["reason"]) for each in found]
    assert lines == [(NAME, letter.id, "replayed")]


async def test_a_version_that_does_not_run_tries_a_message(
    system: System, workshop: Workshop, yes: Approve
) -> None:
    """Without a name and without grants; the letter stays, and a trial leaves no letter."""
    await crash(system)
    (letter,) = await listed(system)
    with pytest.raises(VersionNotRetained):
        await system.dead_letters.replay(letter.id, to="9.9.9")
    await system.update(workshop.package("0.2.0"), approve=yes)
    tried = await system.dead_letters.replay(letter.id, to="0.1.0")
    assert (tried.version, tried.outcome, tried.died_as) == ("0.1.0", "died", "")
    assert [each.id for each in await listed(system)] == [letter.id]
    assert (await system.dead_letters.replay(letter.id, to="0.2.0")).version == ""
    assert letter.id not in [each.id for each in await listed(system)]


async def test_a_trial_may_do_nothing(system: System, workshop: Workshop, yes: Approve) -> None:
    """`c` counts in storage: the version that runs may, a trial may not."""
    assert await system.send(NAME, b"c") == b"\x01"
    ref = system.services.get(_broker()).resolve(NAME)
    ref.pause()
    ref.tell(b"c")
    await system.restart(NAME)
    (letter,) = await listed(system)
    await system.update(workshop.package("0.2.0"), approve=yes)
    tried = await system.dead_letters.replay(letter.id, to="0.1.0")
    assert tried.outcome == "refused"
    done = await system.dead_letters.replay(letter.id)
    assert (done.outcome, done.reply) == ("replied", b"\x02")
    assert await listed(system) == []


async def test_trials_of_one_letter_end_by_themselves(
    system: System, workshop: Workshop, yes: Approve
) -> None:
    """Two at once are two instances; what has not ended in time is stopped, and says so."""
    ref = system.services.get(_broker()).resolve(NAME)
    ref.pause()
    ref.tell(b"s")  # spins
    await system.restart(NAME)
    (letter,) = await listed(system)
    await system.update(workshop.package("0.2.0"), approve=yes)
    texts: list[str] = []

    async def replay() -> None:
        tried = await system.dead_letters.replay(letter.id, to="0.1.0", timeout=0.01)
        texts.append(f"{tried.outcome}: {tried.error}")

    async with anyio.create_task_group() as group:
        group.start_soon(replay)
        group.start_soon(replay)
    assert texts == ["waits: it had not ended after 0.01 s, and was stopped"] * 2
    assert not [name for name in system._actors.actors if name.startswith("trial-")]


async def test_a_purge_forgets_the_letters(system: System) -> None:
    """An uninstall alone keeps them."""
    await crash(system)
    await system.uninstall(NAME)
    assert len(await listed(system)) == 1
    async with aclosing(system.dead_letters.list(NAME)) as found:
        assert (await anext(found)).version == "0.1.0"


async def test_a_purged_name_has_no_letters(system: System) -> None:
    """The next owner of the name cannot read them."""
    await crash(system)
    await system.uninstall(NAME, purge=True)
    assert await listed(system) == []
    assert system.dead_letters.counts().forgotten == 1


async def test_doctor_counts_the_letters(home: Path, workshop: Workshop, yes: Approve) -> None:
    """By receiver; a quick look reads none."""
    async with System(home) as system:
        await system.install(workshop.package(), approve=yes)
        assert [each.text async for each in check_dead_letters(home, quick=False)] == [
            "no dead letters"
        ]
        await crash(system)
    (found,) = [each async for each in check_dead_letters(home, quick=False)]
    assert (found.state, f"1 dead letter, most to {NAME} (1)") == ("note", found.text)
    assert [each async for each in check_dead_letters(home, quick=True)] == []


# -- the tap ------------------------------------------------------------------------------------


async def read_tap(system: System, events: list[TapEvent], count: int, **more: Any) -> None:
    async with aclosing(system.tap(more.pop("pattern", "**"), **more)) as found:
        async for each in found:
            events.append(each)
            if len(events) == count:
                return


async def test_a_tap_shows_what_happens_to_a_message(system: System, home: Path) -> None:
    """Sent, what became of it, and its death; and the audit log has the tap."""
    events: list[TapEvent] = []
    broker = system.services.get(_broker())
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: read_tap(system, events, 5, pattern=NAME, payload_bytes=2))
        with anyio.fail_after(30):
            while not broker.has_hooks:
                await anyio.lowlevel.checkpoint()
            await system.send(NAME, b"echo")
            await crash(system)
    acts = [each.act for each in events]
    assert acts == ["asked", "replied", "asked", "trapped", "dead"]
    one, _, two, *_ = events
    assert (one.payload, one.payload_bytes) == (b"ec", 4)
    assert [each.number == one.number for each in events] == [True, True, False, False, False]
    assert two.number > one.number
    (letter,) = await listed(system)
    assert letter.id in events[-1].detail
    assert not broker.has_hooks
    found = [each for each in read_audit(Home(home).audit_log) if each["kind"] == "tap"]
    assert [each["resource"] for each in found] == [NAME]


async def test_a_malformed_pattern_is_refused_at_once(system: System) -> None:
    """And so is a tap where nothing runs."""
    with pytest.raises(InvalidPattern):
        system.tap("")


async def test_a_tap_needs_running_components(home: Path) -> None:
    """A stopped home has no traffic."""
    async with System(home, mode="offline") as system:
        with pytest.raises(HostOffline):
            system.tap()
