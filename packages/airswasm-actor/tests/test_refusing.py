"""A mailbox that refuses payloads: by every way in, before anything is changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from airswasm.actor import HOST, ActorSystem, DeliveryError, MailboxSpec, Message

pytestmark = pytest.mark.anyio

BOUNDS = (
    MailboxSpec(),
    MailboxSpec(capacity_bytes=1_000),
    MailboxSpec(message_bytes=100),
    MailboxSpec(when_full="drop-oldest", capacity=2),
    MailboxSpec(when_full="wait", capacity=2),
)


class Unread(DeliveryError):
    """The payload does not begin with an `a`."""


def unread(payload: object) -> DeliveryError | None:
    if isinstance(payload, bytes) and not payload.startswith(b"a"):
        return Unread("test/picky", "it begins with something else")
    return None


@pytest.mark.parametrize("is_idle", [True, False])
@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
async def test_every_way_in_refuses(bounds: MailboxSpec, is_idle: bool) -> None:
    """By name and by reference, asked and told, into an idle actor and into a waiting mailbox."""
    async with ActorSystem() as system:
        seen: list[object] = []

        def note(message: Message, _context: object) -> object:
            seen.append(message.payload)
            return message.payload

        spec = replace(bounds, refuse=unread)
        ref = system.spawn(note, name="test/picky", mailbox=spec)
        await system.started(ref)
        broker = system.broker
        broker.subscribe("news", "test/picky")
        if not is_idle:
            ref.pause()
            ref.tell(b"a0")
        before = system.dispatcher.rejected
        with pytest.raises(Unread):
            ref.tell(b"b")
        with pytest.raises(Unread):
            await ref.send(b"b")
        with pytest.raises(Unread):
            await ref.ask(b"b")
        with pytest.raises(Unread):
            ref.request(b"b", lambda _request: None, timeout=1)
        with pytest.raises(Unread):
            broker.tell("test/picky", b"b")
        with pytest.raises(Unread):
            await broker.ask("test/picky", b"b")
        with pytest.raises(Unread):
            broker.request("test/picky", b"b", lambda _request: None, timeout=1)
        with pytest.raises(Unread):
            broker.deliver("test/picky", Message(b"b", HOST))
        assert broker.publish("news", b"b") == 0
        assert system.dispatcher.rejected == before + 9
        assert ref.mailbox.size == (0 if is_idle else 1)
        ref.resume()
        assert await ref.ask(b"a1") == b"a1"
        assert await ref.ask(7) == 7
        assert broker.publish("news", b"a2") == 1
        await ref.drain(5)
        assert seen == [*([] if is_idle else [b"a0"]), b"a1", 7, b"a2"]
        ref.signal(b"b")
        await ref.drain(5)
        assert seen[-1] == b"b"
