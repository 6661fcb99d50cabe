"""Tests of what durable mailboxes need of logs: posting, and one entry in hand at a time."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .._logs.log import Log
from .._logs.log_records import LogBounds, LogEntry
from .._logs.succession import Succession
from ..errors import LogFull, StorageClosed, StorageError, ValueTooLarge
from ._suite import OpenStore, Suite

STEPS = st.lists(
    st.sampled_from(("post", "next", "next", "fail", "put back", "restart", "write")), max_size=40
)


class Senders:
    """Notes which posts were called back, and with what."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.errors: list[StorageError] = []
        self.called = anyio.Event()

    def __call__(self, number: int, error: StorageError | None) -> None:
        """Note one outcome."""
        if error is None:
            self.numbers.append(number)
        else:
            self.errors.append(error)
        self.called.set()
        self.called = anyio.Event()

    async def wait(self, count: int) -> None:
        """Wait until so many posts have ended."""
        while len(self.numbers) + len(self.errors) < count:
            await self.called.wait()


def ignore() -> None:
    """Take no notice."""


class SuccessionTests(Suite):
    """The promises of `Log.post` and of `Succession`."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("durability", ["sync", "os"])
    async def test_posts_share_a_step(self, open_store: OpenStore, durability: str) -> None:
        """They keep their order, among themselves and with what is appended between."""
        async with open_store(durability=durability) as store:  # type: ignore[arg-type]
            log, senders = store.log("a"), Senders()
            for number in range(50):
                log.post(b"%d" % number, senders)
            assert await log.append(b"50") == 51
            before = store.syncs
            for number in range(51, 3_000):
                log.post(b"%d" % number, senders)
            await senders.wait(2_999)
            assert senders.numbers == [*range(1, 51), *range(52, 3_001)]
            assert store.syncs - before < 20
            assert await log.recount() == (3_000, log.read_status().size_bytes)
        async with open_store() as store:
            last = (await store.log("a").read(2_999)).entries
            assert [entry.payload for entry in last] == [b"2999"]

    async def test_a_post_is_on_the_disk_when_the_store_closes(self, open_store: OpenStore) -> None:
        """To close waits for it."""
        senders = Senders()
        async with open_store(durability="sync") as store:
            store.log("a").post(b"x", senders)
        assert senders.numbers == [1]
        with pytest.raises(StorageClosed):
            store.log("a").post(b"y", senders)
        async with open_store() as store:
            assert store.log("a").read_status().entries == 1

    async def test_a_post_that_does_not_fit_is_refused(self, open_store: OpenStore) -> None:
        """At once, with what waits to be written counted in."""
        async with open_store(durability="sync") as store:
            log, senders = store.log("a", LogBounds(entries=10, size_bytes=2_000)), Senders()
            with pytest.raises(ValueTooLarge):
                log.post(bytes(2_001), senders)
            for _ in range(10):
                log.post(b"x", senders)
            with pytest.raises(LogFull):
                log.post(b"x", senders)
            await senders.wait(10)
            assert log.read_status().entries == 10
            one = log.succession("c", ignore)
            assert one.next() is not None
            assert one.next() is not None  # the first is acknowledged now
            log.post(b"y", senders)
            await senders.wait(11)
            assert senders.errors == []

    async def test_bounds_that_change_hold_from_the_next_post(self, open_store: OpenStore) -> None:
        """An entry that the bounds of before have accepted stays accepted, written or not."""
        async with open_store(durability="sync") as store:
            log, senders = store.log("a", LogBounds(entries=3)), Senders()
            for _ in range(3):
                log.post(b"x", senders)
            assert store.log("a", LogBounds(entries=1)) is log
            with pytest.raises(LogFull):
                log.post(b"x", senders)
            store.log("a", LogBounds(entries=4))
            log.post(b"x", senders)
            store.log("a", LogBounds(entries=5))
            log.post(b"x", senders)
            with pytest.raises(LogFull):
                log.post(b"x", senders)
            await senders.wait(5)
            assert (senders.numbers, senders.errors) == ([1, 2, 3, 4, 5], [])

    async def test_one_entry_is_in_hand(self, open_store: OpenStore) -> None:
        """The next one acknowledges it; a restart delivers it again, and only it."""
        async with open_store() as store:
            log = store.log("a")
            await log.extend([b"1", b"2", b"3"])
            one = log.succession("c", ignore)
            assert [(e.payload, e.attempt) for e in map(take, [one] * 2)] == [(b"1", 1), (b"2", 1)]
        async with open_store() as store:
            one = store.log("a").succession("c", ignore)
            entry = take(one)
            assert (entry.number, entry.attempt, one.tries) == (2, 2, 0)
            assert (one.fail().attempt, one.tries) == (3, 1)
        async with open_store() as store:
            one = store.log("a").succession("c", ignore)
            assert (take(one).attempt, one.tries) == (3, 1)
            assert take(one).number == 3
            assert one.next() is None
            assert one.waiting() == (0, 0)
            assert one.oldest() is None

    async def test_it_hears_of_new_entries(self, open_store: OpenStore) -> None:
        """Once they are durable, and not before their sender is told."""
        async with open_store(durability="sync") as store:
            log, seen = store.log("a"), list[object]()
            one = log.succession("c", lambda: seen.append(one.next()))
            log.post(b"x", lambda number, _: seen.append(number))
            assert seen == []
            await log.append(b"y")
            assert [getattr(each, "payload", each) for each in seen] == [1, b"x", b"y"]

    async def test_memory_does_not_grow_with_a_log(self, open_store: OpenStore) -> None:
        """It reads ahead by a page, and what is acknowledged is removed meanwhile."""
        async with open_store() as store:
            log = store.log("a")
            one = log.succession("c", ignore)
            for _ in range(20):
                await log.extend([bytes(1_000)] * 100)
            for number in range(1, 2_001):
                assert take(one).number == number
                assert len(one._page) <= 64  # what it keeps in memory
            assert one.waiting() == (1, 1_000)
            assert await log.recount() == (1, 1_064)

    async def test_a_removed_consumer_says_so(self, open_store: OpenStore) -> None:
        """Like one whose log was deleted."""
        async with open_store() as store:
            log = store.log("a")
            await log.append(b"x")
            one = log.succession("c", ignore)
            await log.delete()
            with pytest.raises(StorageClosed):
                one.next()

    def test_it_delivers_as_a_model_says(self, open_store: OpenStore) -> None:
        """Whatever fails, is put back, or restarts."""

        @settings(max_examples=self.examples, deadline=None)
        @given(steps=STEPS)
        def check(steps: list[str]) -> None:
            anyio.run(self._compare, open_store, steps)

        check()

    async def _compare(self, open_store: OpenStore, steps: list[str]) -> None:
        model = Model()
        name = f"a{id(model)}"
        at = 0
        while at < len(steps) or not at:
            async with open_store() as store:
                log = store.log(name)
                one = log.succession("c", ignore)
                for step in steps[at:]:
                    at += 1
                    if step == "restart":
                        break
                    await model.step(step, log, one)
                else:
                    at += 1
                model.restart()
        async with open_store() as store:
            await store.log(name).delete()


class Model:
    """A succession in a few lines."""

    def __init__(self) -> None:
        self.last = 0
        self.through = 0
        self.in_hand = 0
        self.tries = 0
        self.was_cut = False

    def restart(self) -> None:
        """Restart: what was in hand has perhaps been handled."""
        self.was_cut = self.was_cut or bool(self.in_hand)
        self.in_hand = 0

    async def step(self, step: str, log: Log, one: Succession) -> None:
        """Do one step on both, and compare."""
        if step == "write":
            await log.append(b"x")
            self.last += 1
        elif step == "post":
            log.post(b"x", lambda _number, _error: None)
            self.last += 1
        elif step == "fail" and self.in_hand:
            self.tries += 1
            self.compare(one.fail(), one)
        elif step == "put back":
            one.put_back()
            self.in_hand = 0
        elif step == "next":
            if self.in_hand:
                self.through, self.tries, self.was_cut = self.in_hand, 0, False
            self.in_hand = self.through + 1 if self.through < self.last else 0
            self.compare(one.next(), one)
        assert one.waiting()[0] == self.last - self.through

    def compare(self, entry: object, one: Succession) -> None:
        """Compare what is in hand."""
        if not self.in_hand:
            assert entry is None
            return
        assert entry is one.in_hand
        assert one.in_hand is not None
        expected = (self.in_hand, 1 + self.tries + self.was_cut, self.tries)
        assert (one.in_hand.number, one.in_hand.attempt, one.tries) == expected


def take(one: Succession) -> LogEntry:
    """Return the next entry, which is there."""
    entry = one.next()
    assert entry is not None
    return entry
