"""Dead letters of a host that runs: settings that change, meters, disks that fail, and replays."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from airswasm.actor import (
    ActorSystem,
    Context,
    DeadLetters,
    DeathReason,
    FunctionCall,
    MailboxSpec,
    Message,
)
from airswasm.messaging import BLOCK, DeadLetterSettings, DeadLetterStore
from airswasm.messaging._block import LETTERS_DROPPED, LETTERS_KEPT, LETTERS_REPLAYED
from airswasm.messaging._dead_letters import letter_store
from airswasm.messaging._dead_letters.letter import pack_letter
from airswasm.runtime import Meters
from airswasm.storage import StorageError, StorageUnavailable
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from .test_letters import SENDER, TARGET, assert_balanced, ids, message, open_memory

pytestmark = pytest.mark.anyio


def kill(dead: DeadLetters, count: int, target: str = TARGET, size: int = 1) -> None:
    """Let some messages die."""
    for number in range(count):
        dead.add(message(bytes(size), number), target, DeathReason.CRASHED, 0.0)


# -- settings --------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    before=st.integers(1, 20), after=st.integers(1, 20), size=st.integers(200, 20_000),
    is_written=st.booleans(), counts=st.lists(st.integers(0, 8), min_size=1, max_size=4),
)  # fmt: skip
async def test_bounds_that_change_hold_at_once(
    before: int, after: int, size: int, counts: list[int], *, is_written: bool
) -> None:
    """The newest letters stay; the others are counted, and leave the disk with the next write."""
    async with open_memory(Path("unused")) as store:
        letters, dead = DeadLetterStore(store, DeadLetterSettings(letters=before)), DeadLetters(0)
        letters.listen(dead)
        for number, count in enumerate(counts):
            kill(dead, count, f"test/{number}", size=200)
        if is_written:
            await letters.flush()
        known = await ids(letters)
        letters.hold_to(DeadLetterSettings(letters=after, size=size))
        left = await ids(letters)
        assert left == [each for each in known if each in left]
        assert letters.counts().size_bytes <= size
        assert len(left) <= after
        if after >= len(known) and size == 20_000:
            assert left == known
        assert_balanced(letters)
        await letters.flush()
        assert store.log(letter_store.LOG_NAME).read_status().entries == len(left)


async def test_a_payload_is_kept_by_the_size_of_today(tmp_path: Path) -> None:
    """A quarter of all letters at most, after a reload as before it."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store, DeadLetterSettings(size=40_000)), DeadLetters(0)
        letters.listen(dead)
        kill(dead, 1, size=10_001)
        letters.hold_to(DeadLetterSettings(size=80_000))
        kill(dead, 1, size=10_001)
        kept = [each.payload is not None async for each in letters.letters()]
        assert kept == [False, True]


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0.2)})])
async def test_letters_that_became_too_old_go_with_a_reload(tmp_path: Path) -> None:
    """Without waiting for the next letter."""
    now = 1_000.0
    async with open_memory(tmp_path) as store, anyio.create_task_group() as group:
        letters, dead = DeadLetterStore(store, clock=lambda: now), DeadLetters(0)
        letters.listen(dead)
        kill(dead, 3)
        group.start_soon(letters.run)
        await anyio.sleep(2.0)  # of the mock clock
        assert letters.counts().stored == 3
        now += 100.0
        letters.hold_to(DeadLetterSettings(age=50.0))
        await anyio.sleep(2.0)
        assert (letters.counts().stored, letters.counts().dropped) == (0, 3)
        group.cancel_scope.cancel()


@pytest.mark.parametrize("setting", ["letters", "size", "age"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_bound_is_above_0(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=setting):
        DeadLetterSettings(**{setting: value})


# -- what is shown ---------------------------------------------------------------------------------


async def test_meters_count_by_receiver(tmp_path: Path) -> None:
    """Those that are kept, gave way and were replayed."""
    meters = Meters(BLOCK.metrics)
    async with open_memory(tmp_path) as store, ActorSystem() as system:
        letters = DeadLetterStore(store, DeadLetterSettings(letters=4))
        letters.listen(system.dead_letters, meters=meters)
        kill(system.dead_letters, 5)
        kill(system.dead_letters, 1, "test/other")
        await letters.flush()
        assert dict(meters.samples(LETTERS_KEPT)) == {TARGET: 3, "test/other": 1}
        assert dict(meters.samples(LETTERS_DROPPED)) == {TARGET: 2}
        system.spawn(lambda _message, _context: b"fine", name="test/other")
        (known,) = await ids(letters, "test/other")
        await letters.replay(known, system.broker, timeout=30.0)
        assert dict(meters.samples(LETTERS_REPLAYED)) == {"test/other": 1}


async def test_letters_of_what_is_tried_are_not_kept(tmp_path: Path) -> None:
    """Inside the block, and only those to that name."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        with letters.ignoring(TARGET):
            kill(dead, 1)
            kill(dead, 1, "test/other")
        with suppress(ZeroDivisionError), letters.ignoring(TARGET):
            raise ZeroDivisionError
        kill(dead, 1)
        assert [each.target async for each in letters.letters()] == ["test/other", TARGET]
        assert letters.counts().noted == 2


async def test_a_call_of_a_function_leaves_its_path(tmp_path: Path) -> None:
    """Its arguments are values of the engine, which have no stored form."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        call = FunctionCall("acme:shop/orders#pay", (b"12345", "6"))
        dead.add(message(call), TARGET, DeathReason.CRASHED, 0.0)
        (letter,) = [each async for each in letters.letters()]
        assert (letter.payload, letter.payload_bytes) == (None, 6)
        assert "acme:shop/orders#pay" in letter.unkept
        assert letter.cause is None


# -- disks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0.2)})])
async def test_the_background_goes_on_when_the_disk_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a new letter; and nothing is wrong then."""
    async with open_memory(tmp_path) as store, anyio.create_task_group() as group:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        assert list(letters.findings()) == []
        with monkeypatch.context() as patch:
            patch.setattr(store, "apply", refuse)
            kill(dead, 300)  # more than one write takes
            group.start_soon(letters.run)
            await anyio.sleep(3.0)  # of the mock clock
            assert (letters.counts().waiting, letters.counts().stored) == (300, 0)
            assert len(list(letters.findings())) == 1
        await anyio.sleep(3.0)
        assert (letters.counts().waiting, letters.counts().stored) == (0, 300)
        assert list(letters.findings()) == []
        group.cancel_scope.cancel()


async def test_a_store_that_nothing_listens_with_closes(tmp_path: Path) -> None:
    """As that of a host that could not open does, also when the disk refuses."""
    async with open_memory(tmp_path) as store:
        letters = DeadLetterStore(store)
        await letters.aclose()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "apply", refuse)
            dead = DeadLetters(0)
            letters.listen(dead)
            kill(dead, 1)
            await letters.aclose()
            kill(dead, 1)  # after the end
        assert (letters.counts().waiting, letters.counts().noted) == (1, 1)


async def test_a_letter_that_was_written_twice_is_one(tmp_path: Path) -> None:
    """A disk that failed may have kept what it refused; what cannot be read is removed."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        kill(dead, 2)
        found = [each async for each in letters.letters()]
        log = store.log(letter_store.LOG_NAME)
        for each in (found[0], found[1], found[0]):
            await log.append(pack_letter(each))
        await log.append(b"no letter")
        again = DeadLetterStore(store)
        assert sorted(await ids(again)) == sorted(each.id for each in found)
        await again.flush()
        assert log.read_status().entries == again.counts().stored == 2
        assert_balanced(again)


async def test_names_that_messages_died_for_cost_no_memory_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many a flood makes up."""
    monkeypatch.setattr(letter_store, "_MOST_BUCKETS", 20)
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store, DeadLetterSettings(letters=5)), DeadLetters(0)
        letters.listen(dead)
        for number in range(50):
            kill(dead, 1, f"test/{number}")
        await letters.flush()
        assert len(letters._buckets) <= 20
        assert_balanced(letters)


async def test_letters_that_go_while_they_are_read_are_left_out(tmp_path: Path) -> None:
    """The others are read to the end."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        kill(dead, 4)
        known, seen = await ids(letters), list[str]()
        async for letter in letters.letters():
            seen.append(letter.id)
            if letter.id == known[1]:
                await letters.drop(known[0], known[2])
        assert seen == [known[0], known[1], known[3]]


# -- replays ---------------------------------------------------------------------------------------


async def test_a_letter_may_give_way_to_its_own_replay(tmp_path: Path) -> None:
    """Where the receiver's mailbox drops its oldest message for it, and one letter is kept."""
    async with open_memory(tmp_path) as store, ActorSystem() as system:
        letters = DeadLetterStore(store, DeadLetterSettings(letters=2))
        letters.listen(system.dead_letters)
        kill(system.dead_letters, 1)
        kill(system.dead_letters, 1, "test/other")
        (known,) = await ids(letters, TARGET)
        mailbox = MailboxSpec(capacity=1, when_full="drop-oldest")
        ref = system.spawn(
            lambda message, _: message.payload, name=TARGET, mailbox=mailbox, is_paused=True
        )
        ref.tell(b"old", sender=SENDER)
        system.dead_letters.listen(lambda _letter: system.timers.after(0.0, ref.resume))
        done = await letters.replay(known, system.broker, timeout=30.0)
        assert (done.outcome, done.reply) == ("replied", b"\0")
        (left,) = [each async for each in letters.letters(TARGET)]
        assert (left.payload, left.reason) == (b"old", "dropped")
        assert_balanced(letters)


async def test_a_replay_that_dies_after_its_sender_has_gone_names_the_letter(
    tmp_path: Path,
) -> None:
    """The operator did not wait for it; the chain is not lost."""
    begun, release = anyio.Event(), anyio.Event()

    async def receive(_message: Message, _context: Context) -> None:
        begun.set()
        await release.wait()
        raise RuntimeError("late")

    async with open_memory(tmp_path) as store, ActorSystem() as system:
        letters = DeadLetterStore(store)
        letters.listen(system.dead_letters)
        kill(system.dead_letters, 1)
        (known,) = await ids(letters)
        ref = system.spawn(receive, name=TARGET)
        done = await letters.replay(known, system.broker, timeout=0.001)
        assert (done.outcome, done.died_as) == ("waits", "")
        await begun.wait()
        release.set()
        with anyio.fail_after(30):
            while ref.is_alive:  # noqa: ASYNC110 - the test has no part in what it waits for
                await anyio.sleep(0.001)
        (letter,) = [each async for each in letters.letters()]
        assert letter.replays == (known,)
        assert_balanced(letters)


async def test_a_replay_whose_letter_cannot_be_removed_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk's error tells; the letter goes when the disk works again."""
    got: list[object] = []
    async with open_memory(tmp_path) as store, ActorSystem() as system:
        letters = DeadLetterStore(store)
        letters.listen(system.dead_letters)
        kill(system.dead_letters, 1)
        await letters.flush()
        (known,) = await ids(letters)
        ref = system.spawn(lambda message, _: got.append(message.payload), name=TARGET)
        with monkeypatch.context() as patch:
            patch.setattr(store, "apply", refuse)
            with pytest.raises(StorageError):
                await letters.replay(known, system.broker, timeout=30.0)
        assert await ref.drain(30)
        assert got == [b"\0"]
        await letters.flush()
        assert (await ids(letters), store.log(letter_store.LOG_NAME).read_status().entries) == (
            [], 0,
        )  # fmt: skip


def refuse(_changes: object) -> None:
    raise StorageUnavailable(Path("disk"), "no space left")
