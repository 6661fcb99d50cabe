"""Answers that wait are on the requester's account: its mailbox's bytes."""

from __future__ import annotations

import anyio.lowlevel
import pytest
from airswasm.actor import ActorSystem, Callback, MailboxFull, MailboxSpec
from airswasm.messaging import OpenRequests, messaging_interface
from airswasm.runtime import Account, Caller, Case, Err, Ok

pytestmark = pytest.mark.anyio
NAME = "local/hello"


async def test_answers_that_wait_are_bounded_like_messages() -> None:
    """What does not fit is told without its bytes; every request still has its callback."""
    async with ActorSystem() as system:
        seen: list[Callback] = []
        ref = system.spawn(
            lambda message, _context: seen.append(message.payload),
            name=NAME,
            mailbox=MailboxSpec(capacity_bytes=10_000),
        )
        await system.started(ref)
        ref.pause()
        system.spawn(lambda _message, _context: bytes(3_000), name="test/large")
        requests = OpenRequests(
            system.broker, lambda request, _most: Ok(request.value), most=lambda: 100
        )  # type: ignore[arg-type]
        for _ in range(10):
            requests.start(NAME, "test/large", b"", 5.0)
        while requests.count_of(NAME):
            await anyio.lowlevel.checkpoint()
        assert ref.mailbox.signals == 10
        assert ref.mailbox.size_bytes == 9_000
        assert ref.mailbox.room_bytes == 1_000
        with pytest.raises(MailboxFull):
            ref.tell(bytes(2_000))
        ref.tell(bytes(1_000))
        ref.resume()
        await ref.drain(5)
        outcomes = [each.outcome for each in seen if isinstance(each, Callback)]
        assert outcomes[:3] == [Ok(bytes(3_000))] * 3
        refused = Err(Case("mailbox-full", "the answer of test/large found no room"))
        assert outcomes[3:] == [refused] * 7
        assert ref.mailbox.size_bytes == 0
        assert ref.mailbox.room_bytes == 10_000


async def test_a_sender_waits_for_answers_to_be_taken() -> None:
    """Where senders may wait, an answer that is taken lets the next one in."""
    async with ActorSystem() as system:
        spec = MailboxSpec(capacity_bytes=1_000, when_full="wait", wait=10.0)
        ref = system.spawn(lambda _message, _context: None, name=NAME, mailbox=spec)
        await system.started(ref)
        ref.pause()
        ref.signal(Callback(1, Ok(bytes(900))))
        async with anyio.create_task_group() as group:
            group.start_soon(ref.send, bytes(500))
            while not ref.mailbox.senders_waiting:
                await anyio.lowlevel.checkpoint()
            ref.resume()
        await ref.drain(5)
        assert ref.handled == 2


async def test_a_hand_over_keeps_count() -> None:
    """Answers that move to a successor are counted there, and no longer here."""
    async with ActorSystem() as system:
        spec = MailboxSpec(capacity_bytes=10_000)
        old, new = [
            system.spawn(lambda _message, _context: None, name=name, mailbox=spec, is_paused=True)
            for name in ("test/old", "test/new")
        ]
        await system.started(new)
        old.signal(Callback(1, Ok(bytes(4_000))))
        assert old.mailbox.room_bytes == 6_000
        system.broker.route(NAME, old)
        async with anyio.create_task_group() as group:
            group.start_soon(system.broker.replace, NAME, new)
            while new.mailbox.room_bytes == 10_000:
                await anyio.lowlevel.checkpoint()
            assert new.mailbox.room_bytes == 6_000
            new.resume()


async def test_requests_and_subscriptions_are_on_the_account() -> None:
    """A component that has no room left is told so, and has it again once they end."""
    async with ActorSystem() as system:
        functions = messaging_interface(system.broker).functions
        caller = Caller("local/a")
        caller._account = account = Account(20_000)
        for number in range(1_000):
            outcome = functions["subscribe"](caller, f"a.b.c{number}")
            if outcome != Ok(None):
                break
        assert isinstance(outcome, Err)
        assert outcome.value.name == "rate-limited"
        assert 5 < number < 20
        held = account.held_bytes
        assert functions["unsubscribe"](caller, "a.b.c0") == Ok(None)
        assert account.held_bytes < held
        requests = OpenRequests(system.broker, lambda request, _most: Ok(b""), most=lambda: 100)
        system.spawn(lambda _message, _context: b"", name="test/quick")
        before = account.held_bytes
        requests.start("local/a", "test/quick", b"", 5.0, account.hold(1_000))
        assert account.held_bytes == before + 1_000
        while requests.count_of("local/a"):
            await anyio.lowlevel.checkpoint()
        assert account.held_bytes == before
