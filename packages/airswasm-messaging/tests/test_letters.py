"""Dead letters in a store: evidence, bounds, books, replays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import ActorSystem, DeadLetters, DeathReason, Envelope, Message, NoRoute
from cbor2 import dumps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

pytest.importorskip("airswasm.storage")

from airswasm.messaging import (
    DeadLetterSettings,
    DeadLetterStore,
    KeptLetter,
    LetterCause,
    LetterUnkept,
    LetterUnknown,
    RateExceeded,
    RecordUnreadable,
)
from airswasm.messaging._dead_letters.evidence import short_text
from airswasm.messaging._dead_letters.letter import pack_letter, unpack_letter, weight_of
from airswasm.storage import Store, StoreLimits, open_store

pytestmark = pytest.mark.anyio

TARGET, SENDER = "test/target", "test/sender"
_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


def message(payload: object = b"x", number: int = 1, **more: Any) -> Message:
    return Message(payload, more.pop("sender", SENDER), None, number, 0.0, None, **more)


def open_memory(tmp_path: Path, **more: Any) -> Store:
    return open_store(tmp_path / "store", "memory", **more)


async def ids(letters: DeadLetterStore, name: str = "") -> list[str]:
    return [each.id async for each in letters.letters(name)]


def assert_balanced(letters: DeadLetterStore) -> None:
    """Every letter is in exactly one place."""
    books = letters.counts()
    ended = books.dropped + books.discarded + books.replayed + books.forgotten
    assert books.found + books.noted == books.stored + books.waiting + ended


# -- what is kept -------------------------------------------------------------------------------


class Hostile(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.backtrace = (text, text)
        self.fuel_used = 7
        self.memory_peak_bytes = 2**80


@given(_ANY_TEXT, _ANY_TEXT, st.one_of(st.none(), st.binary(max_size=100)), st.integers(0, 3))
def test_a_letter_is_read_as_it_was_written(
    name: str, text: str, payload: bytes | None, replays: int
) -> None:
    """With control characters, escapes and surrogates; and it weighs at least what it takes."""
    letter = KeptLetter(
        id="a-1", time=1.5, reason="crashed", target=short_text(name), sender=short_text(text),
        topic=None, payload=payload, payload_bytes=None, unkept=short_text(text),
        cause=LetterCause(short_text(name), "E0210", short_text(text), short_text(text), 1, None),
        envelope={"correlation": short_text(name), "hops": 3},
        replays=tuple(short_text(name) for _ in range(replays)),
    )  # fmt: skip
    stored = pack_letter(letter)
    assert unpack_letter(stored) == letter
    assert len(stored) <= weight_of(letter)


@given(st.binary(max_size=200))
def test_damaged_letters_are_typed_errors(stored: bytes) -> None:
    """Whatever the disk returns."""
    with pytest.raises(RecordUnreadable):
        unpack_letter(stored)


@pytest.mark.parametrize("text", ["\x1b[31m\n\r", "\ud800\udfff", "x" * 2**20, "\u202e\x00é"])
async def test_evidence_is_bounded_and_fits_a_file(tmp_path: Path, text: str) -> None:
    """Texts of an error are cut; its numbers are kept where they are numbers of an engine."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        dead.add(message(), TARGET, DeathReason.CRASHED, 0.0, incarnation=3, cause=Hostile(text))
        await letters.flush()
        (letter,) = [each async for each in letters.letters()]
        assert letter.cause is not None
        assert (letter.cause.kind, letter.cause.fuel_used) == ("Hostile", 7)
        assert letter.cause.memory_peak_bytes is None
        assert len(letter.cause.text) <= 2_100
        assert len(letter.cause.backtrace) <= 16_001
        assert (letter.incarnation, letter.payload, letter.reason) == (3, b"x", "crashed")
        letter.cause.text.encode()


async def test_a_code_is_part_of_the_evidence(tmp_path: Path) -> None:
    """So that `airswasm explain` knows it."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        dead.add(message(), TARGET, DeathReason.CRASHED, 0.0, cause=RateExceeded("a/b", "why"))
        (letter,) = [each async for each in letters.letters()]
        assert letter.cause is not None
        assert letter.cause.code == "E0604"


async def test_payloads_that_cannot_be_kept_leave_the_evidence(tmp_path: Path) -> None:
    """Objects, and what is larger than the store's values; the letter says why."""
    async with open_memory(tmp_path, limits=StoreLimits(value_bytes=100_000)) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        for payload in ({"an": "object"}, bytes(200_000)):
            dead.add(message(payload), TARGET, DeathReason.CRASHED, 0.0)
        one, two = [each async for each in letters.letters()]
        assert (one.payload, one.payload_bytes) == (None, None)
        assert "dict" in one.unkept
        assert (two.payload, two.payload_bytes) == (None, 200_000)
        assert "200,000" in two.unkept
        with pytest.raises(LetterUnkept):
            await letters.replay(one.id, ActorSystem().broker, timeout=1.0)


# -- bounds and books ---------------------------------------------------------------------------


_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("die"), st.sampled_from("abcd"), st.integers(0, 3_000)),
        st.tuples(st.sampled_from(("flush", "drop", "forget", "reopen", "age")),
                  st.sampled_from("abcd"), st.integers(0, 9)),
    ),
    max_size=40,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_ACTS)
async def test_the_books_balance_and_the_bounds_hold(acts: list[tuple[str, str, int]]) -> None:
    """Whatever dies, is written, dropped, forgotten, aged or read again."""
    bounds = DeadLetterSettings(letters=10, size=20_000, age=100.0)
    now = 1_000_000.0
    number = 0

    def clock() -> float:
        return now

    async with open_store(Path("unused"), "memory") as store:
        letters, dead = DeadLetterStore(store, bounds, clock=clock), DeadLetters(0)
        letters.listen(dead)
        for act, name, value in acts:
            if act == "die":
                number += 1
                dead.add(message(bytes(value), number), name, DeathReason.CRASHED, 0.0)
            elif act == "flush":
                await letters.flush()
            elif act == "drop":
                found = await ids(letters)
                if found:
                    await letters.drop(found[value % len(found)])
            elif act == "forget":
                before = len(await ids(letters, name))
                assert await letters.forget(name) == before
            elif act == "age":
                now += 20.0 * value
            else:
                await letters.aclose()
                known = await ids(letters)
                now += 1.0  # a start is later than the one before
                letters, dead = DeadLetterStore(store, bounds, clock=clock), DeadLetters(0)
                letters.listen(dead)
                assert await ids(letters) == known
            books = letters.counts()
            assert books.stored + books.waiting <= 10
            assert books.size_bytes <= 20_000
            assert_balanced(letters)
        await letters.flush()
        assert letters.counts().waiting == 0
        kept = [each async for each in letters.letters()]
        assert all(each.time >= now - 100.0 for each in kept)
        assert len({each.id for each in kept}) == len(kept) == letters.counts().stored
        log = store.log("airswasm-dead-letters")
        assert log.read_status().entries == len(kept)


async def test_a_flood_is_bounded_and_counted(tmp_path: Path) -> None:
    """A hundred thousand deaths leave what the bounds keep, and a quiet name its letter."""
    async with open_memory(tmp_path) as store:
        letters = DeadLetterStore(store, DeadLetterSettings(letters=100, size=1_000_000))
        dead = DeadLetters(0)
        letters.listen(dead)
        dead.add(message(b"evidence"), "test/quiet", DeathReason.CRASHED, 0.0)
        for number in range(100_000):
            dead.add(message(bytes(100), number), TARGET, DeathReason.DROPPED, 0.0)
        await letters.flush()
        books = letters.counts()
        assert (books.noted, books.stored, books.dropped) == (100_001, 100, 99_901)
        assert len(await ids(letters, "test/quiet")) == 1
        assert store.log("airswasm-dead-letters").read_status().entries == 100


async def test_ids_of_two_runs_differ(tmp_path: Path) -> None:
    """A letter's id names no other letter, also after a restart."""
    seen: list[str] = []
    async with open_memory(tmp_path) as store:
        for start in (1_000_000.0, 1_000_001.0):
            letters = DeadLetterStore(store, clock=lambda start=start: start)  # type: ignore[misc]
            dead = DeadLetters(0)
            letters.listen(dead)
            dead.add(message(), TARGET, DeathReason.CRASHED, 0.0)
            await letters.aclose()
            seen = await ids(letters)
    assert len(seen) == len(set(seen)) == 2


async def test_letters_are_found_by_name_reason_and_time(tmp_path: Path) -> None:
    """And the newest so many of them, oldest first."""
    now = 100.0
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store, clock=lambda: now), DeadLetters(0)
        letters.listen(dead)
        for name, reason in (("a", "crashed"), ("b", "dropped"), ("a", "dropped")):
            dead.add(message(), name, DeathReason(reason), 0.0)
            now += 10.0

        async def numbers(**chosen: Any) -> list[str]:
            found = letters.letters(chosen.pop("name", ""), **chosen)
            return [each.id.split("-")[1] async for each in found]

        assert await numbers() == ["1", "2", "3"]
        assert await numbers(name="a") == ["1", "3"]
        assert await numbers(reason="dropped") == ["2", "3"]
        assert await numbers(since=110.0) == ["2", "3"]
        assert await numbers(last=1) == ["3"]


async def test_dropping_is_all_or_nothing(tmp_path: Path) -> None:
    """An unknown id among them keeps the others."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        dead.add(message(), TARGET, DeathReason.CRASHED, 0.0)
        (known,) = await ids(letters)
        with pytest.raises(LetterUnknown):
            await letters.drop(known, "absent")
        assert await ids(letters) == [known]
        await letters.drop(known, known)
        assert await ids(letters) == []
        with pytest.raises(LetterUnknown):
            await letters.get(known)


async def test_all_letters_to_a_name_are_dropped_in_a_flood(tmp_path: Path) -> None:
    """One that gives way meanwhile keeps none of the others."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store, DeadLetterSettings(letters=5)), DeadLetters(0)
        letters.listen(dead)
        for name in (TARGET, TARGET, "test/other"):
            dead.add(message(), name, DeathReason.CRASHED, 0.0)
        assert await letters.count_to(TARGET) == 2
        async with anyio.create_task_group() as group:
            group.start_soon(letters.drop_all, TARGET)
            for _ in range(20):
                dead.add(message(), TARGET, DeathReason.CRASHED, 0.0)
                await anyio.lowlevel.checkpoint()
        await letters.drop_all(TARGET)
        assert [each.target async for each in letters.letters()] == ["test/other"]
        assert_balanced(letters)


async def test_a_purged_name_leaves_no_letter(tmp_path: Path) -> None:
    """To it and from it, written or not."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        dead.add(message(), "test/gone", DeathReason.CRASHED, 0.0)
        await letters.flush()
        dead.add(message(sender="test/gone"), TARGET, DeathReason.CRASHED, 0.0)
        dead.add(message(), TARGET, DeathReason.CRASHED, 0.0)
        assert await letters.forget("test/gone") == 2
        assert len(await ids(letters)) == 1
        assert_balanced(letters)


# -- replays ------------------------------------------------------------------------------------


async def test_a_replay_is_a_new_message_that_names_the_letter(tmp_path: Path) -> None:
    """With the sender, topic and correlation of before; the letter goes when it is accepted."""
    got: list[Message] = []

    async def receive(message: Message, _context: object) -> bytes:
        got.append(message)
        return b"fine"

    async with open_memory(tmp_path) as store, ActorSystem() as system:
        letters = DeadLetterStore(store)
        letters.listen(system.dead_letters)
        system.dead_letters.add(
            Message(b"again", SENDER, "a.b", 9, 0.0, None, Envelope(correlation="c", hops=5)),
            TARGET, DeathReason.CRASHED, 0.0,
        )  # fmt: skip
        (known,) = await ids(letters)
        with pytest.raises(NoRoute):
            await letters.replay(known, system.broker, timeout=1.0)
        assert await ids(letters) == [known]
        system.spawn(receive, name=TARGET)
        done = await letters.replay(known, system.broker, timeout=5.0)
        assert (done.outcome, done.reply, done.died_as) == ("replied", b"fine", "")
        assert (got[0].payload, got[0].sender, got[0].topic) == (b"again", SENDER, "a.b")
        envelope = got[0].envelope
        assert envelope is not None
        assert (envelope.replay_of, envelope.correlation) == (known, "c")
        assert (envelope.id, envelope.hops) == (done.message_id, 0)
        assert await ids(letters) == []
        assert_balanced(letters)


async def test_a_replay_that_dies_again_is_a_letter_that_names_the_chain(tmp_path: Path) -> None:
    """The latest last."""

    async def crash(_message: Message, _context: object) -> None:
        raise RuntimeError("again")

    async with open_memory(tmp_path) as store, ActorSystem() as system:
        letters = DeadLetterStore(store)
        letters.listen(system.dead_letters)
        system.dead_letters.add(message(), TARGET, DeathReason.CRASHED, 0.0)
        chain = await ids(letters)
        for _ in range(3):
            system.spawn(crash, name=TARGET)
            done = await letters.replay(chain[-1], system.broker, timeout=5.0)
            assert (done.outcome, "again" in done.error) == ("died", True)
            letter = await letters.get(done.died_as)
            assert letter.replays == tuple(chain)
            chain.append(done.died_as)
        assert await ids(letters) == chain[-1:]
        assert_balanced(letters)


# -- a disk that refuses ------------------------------------------------------------------------


async def test_what_the_disk_refuses_waits_within_the_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted and said; nothing is raised where messages die, and it is written later."""
    from airswasm.storage import StorageUnavailable

    async with open_memory(tmp_path) as store:
        letters = DeadLetterStore(store, DeadLetterSettings(letters=5))
        dead = DeadLetters(0)
        letters.listen(dead)
        apply: Callable[[Any], None] = store.apply

        def refuse(_changes: object) -> None:
            raise StorageUnavailable(tmp_path, "no space left")

        monkeypatch.setattr(store, "apply", refuse)
        dead.add(message(), TARGET, DeathReason.CRASHED, 0.0)
        with pytest.raises(StorageUnavailable):
            await letters.flush()
        for number in range(9):
            dead.add(message(number=number), TARGET, DeathReason.CRASHED, 0.0)
        books = letters.counts()
        assert (books.waiting, books.stored, books.lost) == (5, 0, 5)
        assert "no space left" in books.failure
        texts = [each.text for each in letters.findings()]
        assert any("5 dead letters wait" in each for each in texts)
        assert any("5 dead letters were not kept" in each for each in texts)
        assert len(await ids(letters)) == 5
        monkeypatch.setattr(store, "apply", apply)
        await letters.flush()
        assert (letters.counts().stored, letters.counts().failure) == (5, "")
        assert_balanced(letters)


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0.2)})])
async def test_letters_are_written_in_the_background(tmp_path: Path) -> None:
    """Soon after they died, and no write for each."""
    async with open_memory(tmp_path) as store:
        letters, dead = DeadLetterStore(store), DeadLetters(0)
        letters.listen(dead)
        async with anyio.create_task_group() as group:
            group.start_soon(letters.run)
            for number in range(100):
                dead.add(message(number=number), TARGET, DeathReason.CRASHED, 0.0)
            await anyio.sleep(5.0)  # of the mock clock
            assert (letters.counts().waiting, letters.counts().stored) == (0, 100)
            group.cancel_scope.cancel()
        assert store.syncs < 20
        again = DeadLetterStore(store)
        async with anyio.create_task_group() as group:
            group.start_soon(again.run)
            await anyio.sleep(1.0)  # no letter has come, and what is there is known
            assert (again.counts().found, again.counts().stored) == (100, 100)
            group.cancel_scope.cancel()


@pytest.mark.parametrize("format_number", [0, 2, "1", None])
def test_a_letter_of_another_format_says_so(format_number: object) -> None:
    """As a newer version writes it, which an older one opens after it."""
    with pytest.raises(RecordUnreadable, match="format"):
        unpack_letter(dumps({"format": format_number}))
