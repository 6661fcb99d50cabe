"""A version on trial runs on a copy of its data, and nothing that it does has an effect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import (
    GuestRefused,
    InitFailed,
    Message,
    MigrationFailed,
)
from airswasm.lifecycle import InstallPlan, Package, System
from airswasm.lifecycle._trial.trial import GivenTime, Trial, Trials
from airswasm.runtime import DeadlineExceeded, Effect, FuelExhausted, Trapped
from airswasm.security import Guard
from airswasm.storage import Store

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
pytestmark = pytest.mark.anyio


@pytest.fixture
def books(workshop: Workshop) -> Callable[..., Package]:
    """Packages of the guest that keeps books."""
    return workshop.books_package  # type: ignore[no-any-return]


@pytest.fixture
async def system(
    tmp_path: Path, books: Callable[..., Package], workshop: Workshop, yes: Approve
) -> AsyncIterator[System]:
    """A host with the books, and a component beside it that answers with the version."""
    async with System(tmp_path / "home") as system:
        await system.install(books(), approve=yes)
        await system.install(workshop.package(name="local/other"), approve=yes)
        yield system


def data_of(system: System, name: str = NAME) -> dict[str, bytes]:
    """What the store has under a name."""
    page = system.services.get(Store).namespace(name).read_page()
    return {entry.key: entry.value for entry in page.entries}


async def tried(system: System, package: Package, **options: Any) -> Any:
    """Open a trial of a package that is not installed."""
    await system._loader.check(package)
    return system._trials.trial(NAME, package.wasm_digest, package.manifest, **options)


async def ask(trial: Trial, payload: bytes) -> bytes | None:
    return await trial.handle(Message(payload, "host"))


async def test_it_runs_on_a_copy(system: System, books: Callable[..., Package]) -> None:
    """It sees the data as it is; what it writes is nowhere else, and goes with it."""
    assert await system.send(NAME, b"a") == b"1"
    before = data_of(system)
    async with await tried(system, books(version="0.2.0")) as trial:
        await trial.start()
        assert await ask(trial, b"a") == b"2"
        assert await ask(trial, b"a") == b"3"
        assert trial.data.read("total") == b"3"
        assert data_of(system) == before
    assert data_of(system) == before
    assert not [each for each in system.services.get(Store).namespaces() if "trial" in each]
    assert await system.send(NAME, b"a") == b"2"


async def test_nothing_is_sent(system: System, books: Callable[..., Package]) -> None:
    """A message to another is noted, and does not arrive."""
    handled = system.receipts.of("local/other")
    async with await tried(system, books(version="0.2.0")) as trial:
        await trial.start()
        assert [each.function.partition("/")[2] for each in trial.attempt.calls] == [
            "messaging@0.1.0#subscribe"
        ]
        assert await ask(trial, b"shello") == b"sent"
        (call,) = trial.attempt.calls
        assert call.function == "airswasm:component/messaging@0.1.0#send"
        assert call.arguments == ("local/other", b"hello")
        assert trial.attempt.unanswered == [call.function]
        assert await ask(trial, b"ce") is None  # a call is answered with what says least
    assert system.receipts.of("local/other") == handled


async def test_the_guard_decides(system: System, books: Callable[..., Package]) -> None:
    """What is not granted is denied, as it would be without a trial."""
    async with await tried(system, books("DEFECT_SEND", version="0.2.0")) as trial:
        await trial.start()
        system.forbid("no spies", "messaging.send", ["local/spy"])
        assert await ask(trial, b"e") == b""
        assert trial.attempt.calls == []


async def test_the_audit_log_and_the_guard_know_nothing_of_it(
    system: System, books: Callable[..., Package]
) -> None:
    """No line in the component's name, none of its budget, and no use that gates ask about."""
    guard, audit = system.services.get(Guard), system.audit
    heard: list[object] = []
    guard.listen(heard.append)
    system.forbid("no spies", "messaging.send", ["local/spy"])
    before = audit.head, guard.recent_users("messaging:send", "local/other")
    async with await tried(system, books("DEFECT_SEND", version="0.2.0")) as trial:
        await trial.start()
        for payload in (b"a", b"p", b"e", b"shello", b"l", b"n") * 3:
            await ask(trial, payload)
        assert trial.attempt is not None
    assert (audit.head, guard.recent_users("messaging:send", "local/other")) == before
    assert guard.unwritten_denials(NAME) == 0
    assert heard == []
    await system.send(NAME, b"a")  # the component's own first use has its line
    assert audit.head != before[0]


async def test_a_read_that_runs_has_its_line(system: System, books: Callable[..., Package]) -> None:
    """What is not recorded is read in truth: the guard writes what was read, and by whom."""
    trials = system._trials
    offers = [
        replace(each, raw=replace(each.raw, effects={**each.raw.effects, "get": Effect.READS}))
        if "storage" in each.raw.name
        else each
        for each in trials._doors.offers
    ]
    doors = replace(trials._doors, offers=offers)
    reading = Trials(trials.copies, doors, system._loader, system._hosting.beside)
    package = books(version="0.2.0")
    await system._loader.check(package)
    async with reading.trial(NAME, package.wasm_digest, package.manifest) as trial:
        await trial.start()
        before = system.audit.head
        await ask(trial, b"a")
        assert system.audit.head != before


async def test_it_migrates_the_copy(system: System, books: Callable[..., Package]) -> None:
    """`migrate` runs on the copy, and a failure shows there."""
    before = data_of(system)
    async with await tried(system, books("MIGRATES", version="0.2.0")) as trial:
        await trial.start()
        await trial.migrate("0.1.0")
        assert trial.data.read("migrated") == b"0.1.0"
    async with await tried(system, books("MIGRATES", "DEFECT_MIGRATE", version="0.2.0")) as trial:
        await trial.start()
        with pytest.raises(MigrationFailed):
            await trial.migrate("0.1.0")
    assert data_of(system) == before


async def test_it_fails_as_it_would(
    system: System, books: Callable[..., Package], workshop: Workshop
) -> None:
    """A refusal, a trap and a limit are raised, and it can be started again."""
    async with await tried(system, books(version="0.2.0")) as trial:
        await trial.start()
        with pytest.raises(GuestRefused, match="what"):
            await ask(trial, b"?")
        with pytest.raises(Trapped):
            await ask(trial, b"x")
        assert trial.has_ended
        await trial.start()
        assert await ask(trial, b"n") == b"1"
    bad = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", init=1))
    async with await tried(system, bad) as trial:
        with pytest.raises(InitFailed):
            await trial.start()


async def test_a_hanging_version_ends(system: System, books: Callable[..., Package]) -> None:
    """Its own limits end it, and other components go on meanwhile."""
    async with await tried(system, books("DEFECT_HANG", version="0.2.0")) as trial:
        await trial.start()
        ended = anyio.Event()

        async def hang() -> None:
            with pytest.raises((FuelExhausted, DeadlineExceeded)):
                await ask(trial, b"e")
            ended.set()

        async with anyio.create_task_group() as group:
            group.start_soon(hang)
            await system.send("local/other", b"e")
            await ended.wait()


async def test_time_is_given(system: System, books: Callable[..., Package]) -> None:
    """Clocks and random bytes are those that the caller sets."""
    time = GivenTime()
    async with await tried(system, books(version="0.2.0"), time=time) as trial:
        time.move(12.5, 7)
        await trial.start()
        assert trial.data.read("begun") == b"12"
        assert await ask(trial, b"t") == b"12500000000"
        drawn = await ask(trial, b"r")
        time.move(12.5, 7)
        assert await ask(trial, b"r") == drawn


async def test_a_killed_host_leaves_nothing(
    tmp_path: Path, books: Callable[..., Package], yes: Approve
) -> None:
    """The next start drops the copy of a trial that a host did not end."""
    async with System(tmp_path / "home") as system:
        await system.install(books(), approve=yes)
        await system.send(NAME, b"a")
        copies = system._trials.copies
        async with copies.of(NAME) as copy:
            left = copy.name
            assert copy.read("total") == b"1"
            copies._drop = _nothing  # as if the process ended here
    async with System(tmp_path / "home") as system:
        store = system.services.get(Store)
        assert left not in store.namespaces()
        assert "airswasm-trials" not in store.namespaces()


async def _nothing(_label: str) -> None:
    return
