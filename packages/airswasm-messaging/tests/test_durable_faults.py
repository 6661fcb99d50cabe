"""What becomes of durable messages when disks fail, records are damaged and components refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import (
    ActorSystem,
    AskTimeout,
    ComponentActor,
    Context,
    DeathReason,
    Envelope,
    GuestRefused,
    Message,
    NoRoute,
)
from airswasm.messaging import (
    Delivery,
    DurableDelivery,
    DurableMailboxFull,
    DurableSettings,
    MessageNotWritten,
    RecordUnreadable,
)
from airswasm.messaging._durable import letter_box, mailbox
from airswasm.messaging._durable.names import KnownNames
from airswasm.runtime import Engine
from airswasm.storage import StorageUnavailable, Store, open_store
from cbor2 import dumps
from wasmtime import wat2wasm

from .test_durable import NAME, Handler, Host, hosting, recover, refusing_disk

pytestmark = pytest.mark.anyio

REFUSE = """
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "handle") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
      (i32.store8 (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (i32.const 64))
      (i32.store (i32.const 24) (i32.const 2))
      (i32.const 16))
    (data (i32.const 64) "no"))
  (core instance $i (instantiate $m))
  (func $handle (param "sender" string) (param "topic" (option string))
    (param "payload" (list u8)) (result (result (option (list u8)) (error string)))
    (canon lift (core func $i "handle") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc"))))
  (instance $handler (export "handle-message" (func $handle)))
  (export "airswasm:component/handler@0.1.0" (instance $handler)))
"""


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Keeper:
    """A store of dead letters that refuses until it is told to take them."""

    def __init__(self) -> None:
        self.is_refusing = True
        self.asked = 0
        self._changed = anyio.Event()

    async def settle(self) -> None:
        self.asked += 1
        self._changed.set()
        self._changed = anyio.Event()
        await anyio.lowlevel.checkpoint()
        if self.is_refusing:
            raise StorageUnavailable(Path("letters"), "no space left")

    async def wait(self, count: int) -> None:
        with anyio.fail_after(30):
            while self.asked < count:
                await self._changed.wait()


@asynccontextmanager
async def hosting_with(
    store: Store, *, terms: Delivery | None = None, keeper: Keeper | None = None
) -> AsyncIterator[Host]:
    """A host over a store that is open already."""
    async with ActorSystem() as actors:
        settle = None if keeper is None else keeper.settle
        delivery = DurableDelivery(store, actors, settle=settle)
        delivery.open()
        delivery.declare(NAME, terms or Delivery())
        yield Host(store, actors, delivery)
        delivery.close()


async def until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not is_so():  # noqa: ASYNC110 - the test has no part in what it waits for
            await anyio.sleep(0.001)


# -- disks that fail -------------------------------------------------------------------------------


async def test_a_message_that_the_disk_loses_after_it_was_taken(tmp_path: Path) -> None:
    """Who waits is told, also who asked; of a message that nothing waits for a letter remains."""
    async with hosting(tmp_path, settings=DurableSettings(topics=("t",))) as host:
        broker, ends = host.actors.broker, list[object]()
        broker.subscribe("t", NAME)
        host.store.backend.sync = refuse  # type: ignore[method-assign]
        broker.tell(NAME, b"told")
        broker.publish("t", b"published")
        broker.submit(NAME, b"sent", ends.append)
        broker.submit_publication("t", b"published, and waited for", ends.append)
        request = broker.request(NAME, b"asked", lambda _: None, timeout=30)
        await until(lambda: request.is_done and len(ends) == 2)
        assert [type(each) for each in (*ends, request.error)] == [MessageNotWritten] * 3
        letters = {each.message.payload: each for each in host.actors.dead_letters}
        assert letters.keys() == {b"told", b"published"}
        assert {each.reason for each in letters.values()} == {DeathReason.UNDELIVERED}
        assert host.delivery.counters.durable_accepted == 0


async def test_what_cannot_be_read_is_read_when_the_disk_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and the order stays."""
    monkeypatch.setattr(mailbox, "_UNREADABLE_PAUSE", 0.001)
    async with hosting(tmp_path) as host:
        for number in range(3):
            await host.messenger.send(NAME, b"%d" % number)
    async with hosting(tmp_path) as host:
        handler, backend = Handler(), host.store.backend
        scan, refused = backend.scan, 0

        def refuse_to_scan(*_: object, **__: object) -> object:
            nonlocal refused
            refused += 1
            raise StorageUnavailable(tmp_path, "cannot be read")

        backend.scan = refuse_to_scan  # type: ignore[assignment, method-assign]
        host.actors.spawn(handler, name=NAME)
        await until(lambda: refused > 2)
        assert handler.seen == []
        backend.scan = scan  # type: ignore[method-assign]
        await handler.wait(3)
        assert handler.seen == [(b"%d" % number, 1) for number in range(3)]
        assert isinstance(host.actors.events.last_error, StorageUnavailable)


async def test_the_state_of_a_mailbox_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    """An operator who looks at other things is not kept from it by one."""
    async with hosting(tmp_path) as host:
        await host.messenger.send(NAME, b"1")
    async with hosting(tmp_path) as host:
        backend = host.store.backend
        scan = backend.scan
        backend.scan = refuse  # type: ignore[method-assign]
        status = host.delivery.status(NAME)
        assert status is not None
        assert status.oldest_age is None
        backend.scan = scan  # type: ignore[method-assign]
        assert host.waiting() == 1


async def test_a_change_of_the_names_that_the_disk_refuses_is_noted(tmp_path: Path) -> None:
    """The host goes on with it; the next start begins with the state before."""
    async with hosting(tmp_path) as host:
        with refusing_disk(host):
            host.delivery.declare(NAME, Delivery(attempts=1))
            assert isinstance(host.actors.events.last_error, StorageUnavailable)
        await recover(host)


# -- the store of dead letters ---------------------------------------------------------------------


async def test_a_message_stays_until_its_letter_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one comes after it; the one who asked is told at once."""
    monkeypatch.setattr(letter_box, "_PAUSE", 0.001)
    keeper = Keeper()
    async with (
        open_store(tmp_path / "store") as store,
        hosting_with(store, terms=Delivery(attempts=1), keeper=keeper) as host,
    ):
        request = host.actors.broker.request(NAME, b"bad", lambda _: None, timeout=3600)
        await host.messenger.send(NAME, b"good")
        handler = Handler(b"bad")
        await host.supervise(handler)
        await keeper.wait(3)
        assert request.is_done
        assert (handler.payloads, host.waiting()) == ([b"bad"], 2)
        keeper.is_refusing = False
        await host.settle()
        assert handler.seen == [(b"bad", 1), (b"good", 1)]
        assert len(host.actors.dead_letters) == 1
        assert host.delivery.counters.durable_dead == 1


@pytest.mark.parametrize("is_purged", [False, True])
async def test_a_host_that_ends_before_the_letter_is_kept(
    tmp_path: Path, *, is_purged: bool
) -> None:
    """The next start has the message again, tried as often as it was; but not after a purge."""
    keeper, bad = Keeper(), Handler(b"bad")
    async with open_store(tmp_path / "store") as store:
        async with hosting_with(store, terms=Delivery(attempts=2), keeper=keeper) as host:
            await host.messenger.send(NAME, b"bad")
            await host.supervise(bad)
            await keeper.wait(1)
            if is_purged:
                assert await host.delivery.forget(NAME) == 1
            host.delivery.close()
            keeper.is_refusing = False
        keeper = Keeper()
        keeper.is_refusing = False
        async with hosting_with(store, terms=Delivery(attempts=2), keeper=keeper) as host:
            assert host.waiting() == (not is_purged)
            await host.supervise(bad)
            await host.settle()
            assert bad.seen == [(b"bad", 1), (b"bad", 2)]
            assert [each.reason for each in host.actors.dead_letters] == (
                [] if is_purged else [DeathReason.EXHAUSTED]
            )


# -- damaged records -------------------------------------------------------------------------------


DAMAGED = (
    b"", b"\xff", b"\x9b" + b"\xff" * 8, b"no record", dumps(1), dumps([]), dumps([None, 1]),
    dumps([None, [1]]), dumps([None, [[]]]), dumps([[1, 1], [], []]), dumps([[0, 1, 1, None], []]),
    dumps([["1", 1, 1, None], []]), dumps([[1, 1, 1, None, "of a newer version"], []]),
)  # fmt: skip


async def test_damaged_names_keep_no_host_from_starting(tmp_path: Path) -> None:
    """They are noted, and durable again when they are declared; their messages are there."""
    async with open_store(tmp_path / "store") as store:
        async with hosting_with(store) as host:
            await host.messenger.send(NAME, b"1")
        for number, stored in enumerate(DAMAGED):
            await store.namespace("airswasm-durable").set(f"shop/{number}", stored)
        await store.namespace("airswasm-durable").set(NAME, DAMAGED[-1])
        async with ActorSystem() as actors:
            delivery = DurableDelivery(store, actors)
            delivery.open()
            assert actors.events.listener_errors == len(DAMAGED) + 1
            assert isinstance(actors.events.last_error, RecordUnreadable)
            with pytest.raises(NoRoute):
                actors.broker.tell(NAME, b"2")
            delivery.declare(NAME, Delivery())
            status = delivery.status(NAME)
            assert status is not None
            assert status.messages == 1
            delivery.close()
        noted = list[RecordUnreadable]()
        assert [name for name, _ in KnownNames(store, noted.append).load()] == [NAME]
        assert len(noted) == len(DAMAGED)


# -- age -------------------------------------------------------------------------------------------


async def test_only_what_is_too_old_makes_room(tmp_path: Path) -> None:
    """From the head of a full log up to the first message that is still worth something."""
    clock = Clock()
    async with (
        open_store(tmp_path / "store", clock=clock) as store,
        hosting_with(store, terms=Delivery(messages=3, age_seconds=60)) as host,
    ):
        await host.messenger.send(NAME, b"old")
        await store.log(mailbox.log_name(NAME)).append(b"no record")
        clock.now += 50
        await host.messenger.send(NAME, b"young")
        clock.now += 20
        for payload in (b"new", b"newer"):
            await host.messenger.send(NAME, payload)
        with pytest.raises(DurableMailboxFull):
            await host.messenger.send(NAME, b"newest")
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await host.settle()
        assert handler.seen == [(b"young", 1), (b"new", 1), (b"newer", 1)]
        assert host.delivery.counters.durable_expired == 2


async def test_who_asked_is_told_when_a_question_expires(tmp_path: Path) -> None:
    """However patient it is: the answer would come too late for all others."""
    clock = Clock()
    async with (
        open_store(tmp_path / "store", clock=clock) as store,
        hosting_with(store, terms=Delivery(age_seconds=60)) as host,
    ):
        request = host.actors.broker.request(NAME, b"x", lambda _: None, timeout=3600)
        await host.store.namespace("x").set("k", b"")  # the disk has all before that
        clock.now += 61
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await host.settle()
        assert isinstance(request.error, AskTimeout)
        assert handler.seen == []


async def test_a_deadline_that_passes_in_the_mailbox_of_the_actor(tmp_path: Path) -> None:
    """The message is expired, and neither tried again nor a dead letter."""
    async with hosting(tmp_path) as host:
        handler, release = Handler(), anyio.Event()

        async def slow(message: Message, context: Context) -> None:
            if message.payload == b"first":
                await release.wait()
            handler.receive(message, context)

        ref = host.actors.spawn(slow, name=NAME)
        ref.tell(b"first", envelope=Envelope())  # by reference: it has the actor busy
        deadline = host.actors.broker.wall_time() + 0.05
        host.actors.broker.tell(NAME, b"late", envelope=Envelope(deadline=deadline))
        await host.store.namespace("x").set("k", b"")  # the disk has all before that
        await until(lambda: host.actors.broker.wall_time() > deadline)
        release.set()
        await host.settle()
        assert handler.payloads == [b"first"]
        assert host.delivery.counters.durable_expired == 1
        assert len(host.actors.dead_letters) == 0


# -- ends ------------------------------------------------------------------------------------------


async def test_what_is_in_hand_when_the_host_ends_comes_again(tmp_path: Path) -> None:
    """Marked as a repetition, although its handler may have ended well."""
    begun, release = anyio.Event(), anyio.Event()

    async def slow(message: Message, context: Context) -> None:
        begun.set()
        await release.wait()

    async with open_store(tmp_path / "store") as store:
        async with hosting_with(store) as host:
            await host.messenger.send(NAME, b"x")
            ref = host.actors.spawn(slow, name=NAME)
            await begun.wait()
            host.delivery.close()
            release.set()
            assert await ref.drain(30)
            assert host.delivery.counters.durable_handled == 0
        async with hosting_with(store) as host:
            handler = Handler()
            host.actors.spawn(handler, name=NAME)
            await handler.wait(1)
            assert handler.seen == [(b"x", 2)]


async def test_a_component_that_refuses(tmp_path: Path) -> None:
    """An asker has its answer then; another message is tried again, after pauses, and dies."""
    async with Engine() as engine, open_store(tmp_path / "store") as store:
        component = await engine.load(bytes(wat2wasm(REFUSE)), name="refuse")
        async with hosting_with(store, terms=Delivery(attempts=2)) as host:
            ref = host.actors.spawn(ComponentActor(component.link(), NAME), name=NAME)
            await host.actors.started(ref)
            with pytest.raises(GuestRefused, match="no"):
                await host.messenger.ask(NAME, b"asked", timeout=30)
            counters = host.delivery.counters
            assert (counters.durable_handled, counters.durable_repeated) == (1, 0)
            await host.messenger.send(NAME, b"told")
            await host.settle()
            assert (counters.durable_dead, counters.durable_repeated) == (1, 1)
            (letter,) = host.actors.dead_letters
            assert (letter.message.payload, letter.reason) == (b"told", DeathReason.EXHAUSTED)
            assert isinstance(letter.cause, GuestRefused)
            assert (ref.is_alive, ref.incarnation) == (True, 1)
            await host.messenger.send(NAME, b"pausing")
            await until(lambda: ref.handled > 3)
            host.delivery.close()
        async with hosting_with(store, terms=Delivery(attempts=2)) as host:
            handler = Handler()
            host.actors.spawn(handler, name=NAME)
            await handler.wait(1)
            ((payload, attempt),) = handler.seen
            assert payload == b"pausing"
            assert attempt > 1


def refuse(*_: object, **__: object) -> None:
    raise StorageUnavailable(Path("disk"), "no space left")
