"""Tests of logs: order, acknowledgement, redelivery, bounds."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from .._logs.consumer import Consumer
from .._logs.log import Log
from .._logs.log_records import LogBounds
from .._settings import StoreLimits
from ..errors import InvalidNamespace, LogFull, StorageClosed, ValueTooLarge
from ._suite import HOSTILE, Clock, OpenStore, Suite


async def payloads_of(log: Log) -> list[bytes]:
    """Return the payloads of all entries that are there."""
    payloads: list[bytes] = []
    after = 0
    while True:
        page = await log.read(after)
        payloads += [entry.payload for entry in page.entries]
        if page.next is None:
            return payloads
        after = page.next


async def is_counted(log: Log) -> bool:
    """Whether the counters are those of a recount."""
    status = await log.status()
    return (status.entries, status.size_bytes) == await log.recount()


def numbers_of(consumer: Consumer, limit: int = 0) -> list[int]:
    """Return the numbers of the entries that are delivered next."""
    return [entry.number for entry in consumer.take(limit)]


class LogTests(Suite):
    """The promises of `Log` and `Consumer`."""

    pytestmark = pytest.mark.anyio

    async def test_entries_come_in_their_order(self, open_store: OpenStore) -> None:
        """Whatever their payloads, also after a restart; numbers are never given twice."""
        async with open_store(durability="sync", clock=lambda: 12.5) as store:
            log = store.log("a")
            assert await log.append(b"") == 1
            assert list(await log.extend([b"\0" * 1_000, b"\xff"])) == [2, 3]
            assert list(await log.extend([])) == []
            assert await log.remove(3) == 1
        async with open_store() as store:
            log = store.log("a")
            assert await log.append(b"last") == 4
            entries = (await log.read()).entries
            assert [entry.number for entry in entries] == [1, 2, 4]
            assert entries[0].appended_at == 12.5
            assert await payloads_of(log) == [b"", b"\0" * 1_000, b"last"]
            assert await is_counted(log)

    async def test_pages_of_a_log_are_bounded(self, open_store: OpenStore) -> None:
        """In entries and in bytes, without gap or repeat; a larger entry comes alone."""
        limits = StoreLimits(page_entries=10, page_bytes=1_000, value_bytes=5_000)
        async with open_store(limits=limits) as store:
            log = store.log("a")
            sent = [bytes(400), bytes(400), bytes(400), bytes(5_000), *[b"x"] * 25]
            await log.extend(sent)
            assert await payloads_of(log) == sent
            assert len((await log.read()).entries) == 2
            assert len((await log.read(4)).entries) == 10
            assert len((await log.read(4, limit=3)).entries) == 3
            assert (await log.read(29)).entries == ()
            with pytest.raises(ValueTooLarge):
                await log.append(bytes(5_001))

    async def test_logs_never_meet(self, open_store: OpenStore) -> None:
        """Whatever the names of logs, consumers and namespaces."""
        async with open_store() as store:
            for name in HOSTILE:
                await store.namespace(name).set(name, b"value")
                await store.log(name).append(name.encode())
                for consumer in HOSTILE[:6]:
                    await store.log(name).consumer(consumer)
            assert set(store.logs()) == set(HOSTILE)
            await store.log("a:").delete()
            for name in set(HOSTILE) - {"a:"}:
                log = store.log(name)
                assert await payloads_of(log) == [name.encode()]
                assert set(await log.consumers()) == set(HOSTILE[:6])
                assert await store.namespace(name).get(name) == b"value"
        async with open_store() as store:
            assert "a:" not in store.logs()
            assert await store.log("a:").consumers() == ()
            assert await store.log("a:").append(b"new") == 1
            assert await payloads_of(store.log("a:")) == [b"new"]
            for bad in ("", "x" * 256, "\ud800"):
                with pytest.raises(InvalidNamespace):
                    store.log(bad)

    async def test_each_consumer_gets_everything_once(self, open_store: OpenStore) -> None:
        """In order, from the oldest entry or from the next, and acknowledged ones not again."""
        async with open_store() as store:
            log = store.log("a", LogBounds(keep_acknowledged=True))
            await log.extend([b"1", b"2"])
            old, new = await log.consumer("old"), await log.consumer("new", "newest")
            await log.extend([b"3", b"4"])
            assert [entry.payload for entry in await old.receive()] == [b"1", b"2", b"3", b"4"]
            assert [entry.payload for entry in await new.receive()] == [b"3", b"4"]
            assert old.take() == ()
            await old.acknowledge(1, 2, 3)
            assert await log.consumer("old") is old
        async with open_store() as store:
            log = store.log("a", LogBounds(keep_acknowledged=True))
            old, new = await log.consumer("old", "newest"), await log.consumer("new")
            assert numbers_of(old) == [4]
            assert numbers_of(new) == [3, 4]
            assert len(await payloads_of(log)) == 4

    async def test_what_all_acknowledged_is_removed(self, open_store: OpenStore) -> None:
        """The slowest consumer decides; one that was removed does not."""
        async with open_store() as store:
            log = store.log("a")
            fast, slow = await log.consumer("fast"), await log.consumer("slow")
            await log.extend([b"%d" % number for number in range(1_000)])
            await fast.acknowledge_through(1_000)
            assert (await log.status()).entries == 1_000
            slow.take()
            await slow.acknowledge(*range(1, 11))
            assert (await log.status()).entries == 990
            assert await log.remove_consumer("slow")
            assert not await log.remove_consumer("slow")
            with pytest.raises(StorageClosed):
                slow.take()
            await log.trim()
            assert await payloads_of(log) == []
            assert await is_counted(log)

    async def test_acknowledgements_come_in_any_order(self, open_store: OpenStore) -> None:
        """Twice as well; what was left out is delivered again, in order, and counted."""
        async with open_store() as store:
            log = store.log("a")
            consumer = await log.consumer("c")
            await log.extend([b"x"] * 10)
            assert len(consumer.take()) == 10
            await consumer.acknowledge(9, 3, 1)
            await consumer.acknowledge(3, 3)
            consumer.redeliver()
            assert [(e.number, e.attempt) for e in consumer.take(3)] == [(2, 2), (4, 2), (5, 2)]
            await consumer.acknowledge(2)
            assert consumer.read_status().acknowledged == 3
            for bad in (0, 11, -1):
                with pytest.raises(ValueError, match="no entry"):
                    await consumer.acknowledge(bad)
        async with open_store() as store:
            consumer = await store.log("a").consumer("c")
            found = [(entry.number, entry.attempt) for entry in consumer.take()]
            assert found == [(4, 3), (5, 3), (6, 2), (7, 2), (8, 2), (10, 2)]
            assert await is_counted(store.log("a"))

    async def test_removed_entries_hold_up_no_consumer(self, open_store: OpenStore) -> None:
        """A gap counts as acknowledged, whether the entry was delivered before or not."""
        async with open_store() as store:
            log = store.log("a")
            consumer = await log.consumer("c")
            await log.extend([b"x"] * 6)
            consumer.take(3)
            assert await log.remove(2, 5, 5, 77) == 2
            assert numbers_of(consumer) == [4, 6]
            await consumer.acknowledge(1, 3, 4, 6)
            assert consumer.read_status().acknowledged == 6
            assert (await log.status()).entries == 0
            assert await is_counted(log)

    async def test_the_window_bounds_what_is_delivered(self, open_store: OpenStore) -> None:
        """In entries and in bytes; an acknowledgement makes room, for waiting tasks too."""
        async with open_store() as store:
            log = store.log("a")
            consumer = await log.consumer("c", window_entries=3, window_bytes=100)
            await log.extend([b"", b"", b"", b"", bytes(90), bytes(20), bytes(500)])
            assert numbers_of(consumer) == [1, 2, 3]
            assert numbers_of(consumer) == []
            await consumer.acknowledge(2)
            assert numbers_of(consumer) == [4]
            received: list[int] = []

            async def receive() -> None:
                received.extend(entry.number for entry in await consumer.receive())

            async with anyio.create_task_group() as group:
                group.start_soon(receive)
                await anyio.wait_all_tasks_blocked()
                assert not received
                await consumer.acknowledge_through(4)
            assert received == [5]
            await consumer.acknowledge(5)
            assert numbers_of(consumer) == [6]
            await consumer.acknowledge(6)
            assert numbers_of(consumer) == [7]

    async def test_an_entry_is_delivered_once_it_is_durable(self, open_store: OpenStore) -> None:
        """Before, a power loss could give its number to another entry."""
        async with open_store(durability="sync") as store:
            log = store.log("a")
            consumer = await log.consumer("c")
            log.write([b"1"], lambda _: None)
            assert consumer.take() == ()
            assert [entry.payload for entry in await consumer.receive()] == [b"1"]

    async def test_a_receiver_waits_for_an_entry(self, open_store: OpenStore) -> None:
        """And is told when the store closes."""
        seen: list[bytes] = []

        async def follow(consumer: Consumer) -> None:
            async for entry in consumer:
                seen.append(entry.payload)
                await consumer.acknowledge(entry.number)

        async def follow_to_the_end(consumer: Consumer) -> None:
            with pytest.raises(StorageClosed):
                await follow(consumer)

        async with anyio.create_task_group() as group:
            async with open_store(durability="sync") as store:
                log = store.log("a")
                group.start_soon(follow_to_the_end, await log.consumer("c"))
                await log.append(b"1")
                await log.append(b"2")
                with anyio.fail_after(10):
                    while len(seen) < 2:
                        await anyio.lowlevel.checkpoint()
        assert seen == [b"1", b"2"]

    async def test_tasks_may_share_a_consumer(self, open_store: OpenStore) -> None:
        """Each entry goes to one of them."""
        async with open_store(durability="sync") as store:
            log = store.log("a")
            consumer = await log.consumer("c", window_entries=5)
            handled: list[int] = []

            async def work(scope: anyio.CancelScope) -> None:
                while True:
                    for entry in await consumer.receive(1):
                        await anyio.lowlevel.checkpoint()
                        handled.append(entry.number)
                        await consumer.acknowledge(entry.number)
                        if len(handled) == 60:
                            scope.cancel()

            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(work, group.cancel_scope)
                for _ in range(60):
                    await log.append(b"x")
            assert sorted(handled) == list(range(1, 61))

    @pytest.mark.parametrize(
        "bounds", [LogBounds(entries=10), LogBounds(size_bytes=10 * (100 + 64))]
    )
    async def test_a_full_log_refuses(self, open_store: OpenStore, bounds: LogBounds) -> None:
        """An entry stays until it is acknowledged; the acknowledgement frees its space."""
        async with open_store() as store:
            log = store.log("a", bounds)
            consumer = await log.consumer("c")
            await log.extend([bytes(100)] * 9)
            with pytest.raises(LogFull):
                await log.extend([bytes(100)] * 2)
            assert await log.append(bytes(100)) == 10
            with pytest.raises(LogFull) as caught:
                await log.append(bytes(100))
            assert caught.value.entries == 10
            await consumer.acknowledge_through(3)
            await log.extend([bytes(100)] * 3)
            assert numbers_of(consumer) == list(range(4, 14))
            assert (await log.status()).dropped_entries == 0
            assert await is_counted(log)
            with pytest.raises(LogFull):
                await log.extend([b""] * 100_000)

    async def test_a_log_that_may_drop_says_what_it_dropped(self, open_store: OpenStore) -> None:
        """The oldest go; the log counts them, and each consumer those that it missed."""
        bounds = LogBounds(entries=5, when_full="drop")
        async with open_store() as store:
            log = store.log("a", bounds)
            one, other = await log.consumer("one"), await log.consumer("other")
            await log.extend([b"%d" % number for number in range(1, 6)])
            assert len(one.take()) == 5
            await one.acknowledge(1, 2, 4)
            for number in range(6, 12):
                await log.append(b"%d" % number)
            status = await log.status()
            assert (status.entries, status.dropped_entries) == (5, 6)
            assert status.dropped_bytes == 6 * 65
            assert one.read_status().missed == 3, "3, 5 and 6; 1, 2 and 4 were acknowledged"
            assert other.read_status().missed == 6
            await one.acknowledge(3, 5)
            assert numbers_of(one) == [7, 8, 9, 10, 11]
        async with open_store() as store:
            log = store.log("a", bounds)
            assert (await log.consumer("other")).read_status().missed == 6
            assert numbers_of(await log.consumer("other")) == [7, 8, 9, 10, 11]
            assert await is_counted(log)

    async def test_a_log_without_consumers_keeps_the_newest(self, open_store: OpenStore) -> None:
        """As a record of the last events: bounded, and without acknowledgements."""
        async with open_store() as store:
            log = store.log("a", LogBounds(entries=3, when_full="drop"))
            for number in range(10):
                await log.append(b"%d" % number)
            assert await payloads_of(log) == [b"7", b"8", b"9"]
            assert (await log.status()).dropped_entries == 7

    @pytest.mark.parametrize("when_full", ["refuse", "drop"])
    async def test_entries_age(self, open_store: OpenStore, when_full: str) -> None:
        """Old ones go once they are acknowledged, or when the bounds say so, and are counted."""
        clock = Clock()
        bounds = LogBounds(age_seconds=60, when_full=when_full, keep_acknowledged=True)  # type: ignore[arg-type]
        async with open_store(clock=clock) as store:
            log = store.log("a", bounds)
            consumer = await log.consumer("c")
            await log.extend([b"x"] * 600)
            await consumer.acknowledge_through(200)
            clock.now += 59
            await log.append(b"young")
            assert await log.trim() == 0
            clock.now += 1
            assert await log.trim() == (200 if when_full == "refuse" else 600)
            status = await log.status()
            assert status.dropped_entries == (0 if when_full == "refuse" else 400)
            assert consumer.read_status().missed == status.dropped_entries
            assert (await payloads_of(log))[-1] == b"young"
            assert await is_counted(log)

    async def test_a_long_log_takes_no_memory(self, open_store: OpenStore) -> None:
        """A log holds only its window in memory, however many entries wait."""
        async with open_store() as store:
            log = store.log("a")
            consumer = await log.consumer("c", window_entries=8)
            for _ in range(20):
                await log.extend([b"x"] * 500)
            consumer.take()
            assert len(log._charges) <= 8
            assert len(consumer._outstanding) == 8
            assert (await log.status()).entries == 10_000
            other = await log.consumer("other", window_entries=8)
            for _ in range(100):
                await other.acknowledge(*numbers_of(other))
            assert len(log._charges) <= 16

    async def test_what_is_acknowledged_goes_by_itself(self, open_store: OpenStore) -> None:
        """However much it is, in the background; after a restart at the next chance."""
        async with open_store() as store:
            log = store.log("a")
            consumer = await log.consumer("c")
            for _ in range(6):
                await log.extend([b"x"] * 500)
            await consumer.acknowledge_through(2_999)
            with anyio.fail_after(30):
                while (await log.status()).entries > 1:
                    await anyio.lowlevel.checkpoint()
            assert await is_counted(log)
            assert numbers_of(consumer) == [3_000]
