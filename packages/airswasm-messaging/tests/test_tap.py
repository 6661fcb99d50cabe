"""A tap shows live traffic, within bounds; nothing waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import (
    ActorSystem,
    AskTimeout,
    FunctionCall,
    MailboxFull,
    MailboxSpec,
    Message,
)
from airswasm.messaging import (
    BLOCK,
    MOST_TAPPED_BYTES,
    Delivery,
    DurableDelivery,
    MessagingLimits,
    Messenger,
    Rate,
    SamePolicy,
    SendingQuota,
    TapEvent,
    TapPattern,
    Taps,
    messaging_interface,
)
from airswasm.runtime import Caller
from airswasm.security import Grants, Guard, InvalidPattern, Kinds, PermissionDenied
from airswasm.storage import open_store
from airswasm.wit import Capability, contract
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio

A, B = "test/a", "test/b"


@asynccontextmanager
async def tapped(
    system: ActorSystem, pattern: str = "**", taps: Taps | None = None, **more: Any
) -> AsyncIterator[Any]:
    """A tap that is open, and a function that reads on until there are so many events."""
    events: list[TapEvent] = []
    permits, arrived, released = anyio.Semaphore(1), anyio.Condition(), 1

    async def look() -> None:
        opened = taps or Taps(system)
        async with aclosing(opened.read(TapPattern(pattern), **more)) as found:
            while True:
                await permits.acquire()
                events.append(await anext(found))
                async with arrived:
                    arrived.notify_all()

    async def read(count: int) -> list[TapEvent]:
        nonlocal released
        while released < count:
            released += 1
            permits.release()
        with anyio.fail_after(30):
            async with arrived:
                while len(events) < count:
                    await arrived.wait()
        return events

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        while not system.broker.has_hooks:
            await anyio.lowlevel.checkpoint()
        yield read
        group.cancel_scope.cancel()


async def reply(message: Message, _context: object) -> object:
    if message.payload == b"crash":
        raise RuntimeError("crashed")
    return message.payload


def shown(events: list[TapEvent]) -> list[tuple[str, str, str]]:
    return [(each.act, each.sender, each.target) for each in events]


async def test_without_a_tap_nothing_is_installed() -> None:
    """Neither before nor after."""
    async with ActorSystem() as system:
        system.spawn(reply, name=A)
        assert not system.broker.has_hooks
        async with tapped(system) as read:
            assert system.broker.has_hooks
            assert system.receipts.is_listening
            await system.broker.ask(A, b"x")
            await read(2)
        assert not system.broker.has_hooks
        assert not system.receipts.is_listening


async def test_the_way_of_a_message_is_shown() -> None:
    """Sent and asked, replied and handled, rejected and published; one number for one message."""
    async with ActorSystem() as system:
        full = MailboxSpec(capacity=1)
        system.spawn(reply, name=A)
        system.spawn(reply, name=B, mailbox=full, is_paused=True)
        async with tapped(system, payload_bytes=2) as read:
            await system.broker.ask(A, b"hello", sender=B)
            system.broker.tell(B, b"one", sender=A)
            with pytest.raises(MailboxFull):
                system.broker.tell(B, b"two", sender=A)
            system.broker.publish("some.topic", b"news", sender=A)
            events = await read(6)
    assert shown(events) == [
        ("asked", B, A),
        ("replied", B, A),
        ("sent", A, B),
        ("sent", A, B),
        ("rejected", A, B),
        ("published", A, ""),
    ]
    asked, replied, _, refused, rejected, published = events
    assert asked.number == replied.number > 0
    assert (asked.payload, asked.payload_bytes, replied.payload) == (b"he", 5, None)
    assert replied.seconds is not None
    assert refused.number == rejected.number
    assert "full" in rejected.detail
    assert (published.number, published.topic) == (0, "some.topic")


async def test_what_is_sent_by_reference_is_shown_where_it_is_handled_or_dies() -> None:
    """It does not pass the broker."""
    async with ActorSystem() as system:
        ref = system.spawn(reply, name=A)
        async with tapped(system) as read:
            ref.tell(b"x", sender=B)
            ref.tell(b"crash", sender=B)
            events = await read(3)
    assert [each.act for each in events] == ["handled", "failed", "dead"]
    assert "crashed" in events[-1].detail


async def test_a_sample_shows_all_that_happens_to_a_message() -> None:
    """One of so many messages, with all its events."""
    async with ActorSystem() as system:
        system.spawn(reply, name=A)
        async with tapped(system, sample=3) as read:
            for _ in range(9):
                await system.broker.ask(A, b"x")
            events = await read(6)
    numbers = [each.number for each in events]
    assert numbers == [number for number in sorted(set(numbers)) for _ in range(2)]
    assert all(number % 3 == 0 for number in numbers)


async def test_a_durable_message_shares_no_number_with_another(tmp_path: Path) -> None:
    """It has none, from the sending to the end."""
    async with open_store(tmp_path / "store") as store, ActorSystem() as system:
        delivery = DurableDelivery(store, system)
        delivery.open()
        delivery.declare(A, Delivery())
        system.spawn(reply, name=B)
        async with tapped(system) as read:
            system.broker.tell(A, b"x")
            system.broker.tell(B, b"y")
            await read(3)
            system.spawn(reply, name=A)
            events = await read(4)
        delivery.close()
    (number,) = {event.number for event in events if event.target == B}
    assert number > 0
    assert [event.number for event in events if event.target == A] == [0, 0]


@pytest.mark.parametrize("bound", [{"capacity": 10}, {"rate": 1.0}])
async def test_a_reader_that_is_too_slow_loses_events_and_is_told(bound: dict[str, Any]) -> None:
    """No message waits; the next event says how many are missing."""
    async with ActorSystem() as system:
        ref = system.spawn(reply, name=A, mailbox=MailboxSpec(capacity=1_000), is_paused=True)
        async with tapped(system, **bound) as read:
            for _ in range(500):
                system.broker.tell(A, b"x")
            assert ref.mailbox.size == 500
            events = await read(1)
            assert events[0].lost == 0
            if "capacity" in bound:
                events = await read(10)
                system.broker.tell(A, b"x")
                events = await read(11)
                assert events[-1].lost == 490


async def test_readers_end_when_the_taps_close() -> None:
    """After what waits for them."""
    async with ActorSystem() as system:
        taps, acts = Taps(system), list[str]()
        system.spawn(reply, name=A)

        async def look() -> None:
            async with aclosing(taps.read(TapPattern("**"))) as found:
                acts.extend([each.act async for each in found])

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(look)
                while not system.broker.has_hooks:
                    await anyio.lowlevel.checkpoint()
                await system.broker.ask(A, b"x")
                taps.close()
        assert acts == ["asked", "replied"]
        assert not system.broker.has_hooks


async def test_payloads_are_cut() -> None:
    """However much is asked for; and an object is none of its bytes."""
    async with ActorSystem() as system:
        system.spawn(reply, name=A)
        async with tapped(system, payload_bytes=10**9) as read:
            await system.broker.ask(A, bytes(MOST_TAPPED_BYTES + 1))
            await system.broker.ask(A, {"an": "object"})
            events = await read(4)
    assert len(events[0].payload or b"") == MOST_TAPPED_BYTES
    assert (events[2].payload, events[2].payload_bytes) == (None, None)


@pytest.mark.parametrize(
    ("pattern", "sender", "target", "topic", "is_covered"),
    [
        ("**", "host", "a/b", None, True),
        ("a/*", "host", "a/b", None, True),
        ("a/*", "a/c", "x/y", None, True),
        ("a/*", "x/z", "x/y", None, False),
        ("a/*", "x/z", "", "a.b", False),
        ("orders.**", "x/z", "", "orders.new.eu", True),
        ("orders.**", "x/z", "orders/new", None, False),
        ("hello", "host", "local/hello", None, True),
        ("hello", "host", "other/hello", None, False),
        ("hello", "host", "", "hello", True),
        ("host", "host", "a/b", None, True),
    ],
)
def test_a_pattern_covers_names_or_topics(
    pattern: str, sender: str, target: str, topic: str | None, is_covered: bool
) -> None:
    """A slash makes it one of names."""
    assert TapPattern(pattern).covers(sender, target, topic) == is_covered


@given(st.text(st.characters(exclude_categories=()), max_size=20), st.text(max_size=20))
def test_any_pattern_is_read_or_refused(pattern: str, text: str) -> None:
    """And matches in bounded time, whatever it is compared with."""
    with suppress(InvalidPattern):
        TapPattern(pattern).covers(text, text, text)


async def test_what_is_refused_at_the_door_is_shown() -> None:
    """What the guard denies, what is too large and what is beyond a rate; nothing without a tap."""
    async with ActorSystem() as system:
        guard = Guard(Kinds(BLOCK.capabilities), {A: Grants({"messaging:send": (B,)})})
        policy = SamePolicy(MessagingLimits(payload_bytes=10), rate=Rate(0.001, 1))
        quota = SendingQuota(policy, lambda: 0.0)
        interface = messaging_interface(system.broker, policy, guard=guard, quota=quota)
        call = guard.guarded(interface, contract()).functions
        system.spawn(reply, name=B)
        caller = Caller(A)
        async with tapped(system, A, Taps(system, guard=guard, quota=quota)) as read:
            call["send"](caller, "test/c", b"x")
            call["publish"](caller, "orders.eu", b"x")
            call["send"](caller, B, bytes(11))
            call["send"](caller, B, b"1")
            call["send"](caller, B, b"2")
            events = await read(5)
            rejected = [each for each in events if each.act == "rejected"]
            assert [(each.target, each.topic, each.payload_bytes) for each in rejected] == [
                ("test/c", None, None), ("", "orders.eu", None), (B, None, 11), (B, None, 1),
            ]  # fmt: skip
            details = ("messaging.send", "messaging.publish", "11 bytes", "rate of messages")
            for each, words in zip(rejected, details, strict=True):
                assert words in each.detail
        assert guard._gate._listeners == ()
        assert quota._listeners == ()


async def test_a_message_that_expired_is_shown() -> None:
    """With the time that it waited: its asker had given up, or its deadline had passed."""
    async with ActorSystem() as system:
        ref = system.spawn(reply, name=A, is_paused=True)
        async with tapped(system) as read:
            with suppress(AskTimeout):
                await system.broker.ask(A, b"asked", timeout=0.01)
            Messenger(system.broker, codec="none").tell(A, b"told", expires_after=-1)
            ref.resume()
            events = await read(4)
        assert [(each.act, each.number) for each in events] == [
            ("asked", 1), ("sent", 2), ("expired", 1), ("expired", 2),
        ]  # fmt: skip
        assert [each.payload_bytes for each in events[2:]] == [5, 4]
        assert events[2].waited is not None
        assert events[2].waited > 0


async def test_a_durable_message_that_expired_is_shown(tmp_path: Path) -> None:
    """Of those that wait on the disk, a sample is shown as of the others."""
    async with open_store(tmp_path / "s") as store, ActorSystem() as system:
        delivery = DurableDelivery(store, system)
        delivery.open()
        delivery.declare(A, Delivery(age_seconds=1e-9))
        messenger = Messenger(system.broker, codec="none")
        async with tapped(system, sample=3) as read:
            for number in range(7):
                await messenger.send(A, b"%d" % number)
            assert [each.act for each in await read(2)] == ["sent", "sent"]
            system.spawn(reply, name=A)
            events = await read(9)
        assert [(each.act, each.number) for each in events[2:]] == [("expired", 0)] * 7
        delivery.close()


async def test_a_malformed_address_is_shown() -> None:
    """It is refused before the broker has seen it."""
    async with ActorSystem() as system:
        quota = SendingQuota(SamePolicy(), anyio.current_time)
        call = messaging_interface(system.broker, quota=quota).functions
        async with tapped(system, taps=Taps(system, quota=quota)) as read:
            call["send"](Caller(A), "no name!", b"x")
            (event,) = await read(1)
        assert (event.act, event.sender, event.target) == ("rejected", A, "no name!")
        assert "no name" in event.detail


async def test_a_sample_of_publications_and_no_denial_of_other_blocks() -> None:
    """One in so many, as of messages; what messaging has no part in is not shown."""
    async with ActorSystem() as system:
        alarm = Capability("alarm.set", "set alarms")
        guard = Guard(Kinds((*BLOCK.capabilities, alarm)), {A: Grants({})})
        async with tapped(system, taps=Taps(system, guard=guard), sample=2) as read:
            for number in range(4):
                system.broker.publish(f"t.{number}", b"x", sender=A)
            for capability, target in (("alarm:set", "noon"), ("messaging:send", B)):
                with pytest.raises(PermissionDenied):
                    guard.admit(Caller(A), capability, target, argument="target")
            events = await read(3)
        assert [(each.act, each.topic, each.target) for each in events] == [
            ("published", "t.1", ""), ("published", "t.3", ""), ("rejected", None, B),
        ]  # fmt: skip


async def test_what_a_pattern_does_not_cover_is_not_shown() -> None:
    """Neither what is sent nor what is refused at the door."""
    async with ActorSystem() as system:
        quota = SendingQuota(SamePolicy(MessagingLimits(payload_bytes=1)), anyio.current_time)
        call = messaging_interface(system.broker, quota=quota).functions
        for name in (A, B):
            system.spawn(reply, name=name)
        async with tapped(system, A, taps=Taps(system, quota=quota)) as read:
            for target in (B, A):
                call["send"](Caller("test/c"), target, b"12")
                system.broker.tell(target, b"1", sender="test/c")
            events = await read(3)
        assert shown(events) == [
            ("rejected", "test/c", A), ("sent", "test/c", A), ("handled", "test/c", A),
        ]  # fmt: skip


async def test_a_call_of_a_function_is_shown_by_its_path() -> None:
    """With the weight of its arguments, and never their values."""
    async with ActorSystem() as system:
        system.spawn(reply, name=A)
        async with tapped(system, payload_bytes=100) as read:
            system.broker.tell(A, FunctionCall("acme:shop/orders#pay", (b"secret",)), sender=B)
            (event, *_) = await read(1)
        assert (event.detail, event.payload_bytes, event.payload) == (
            "acme:shop/orders#pay",
            6,
            None,
        )
