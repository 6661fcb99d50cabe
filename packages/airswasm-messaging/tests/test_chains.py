"""What Python code says of its messages: the conversation, the trace, until when they matter."""

from __future__ import annotations

import anyio
import pytest
from airswasm.actor import ActorSystem, Context, Envelope, Message, NoRoute
from airswasm.actor.testing import Probe
from airswasm.messaging import (
    InvalidAddress,
    InvalidEnvelope,
    Messenger,
    RetainedValues,
    listen,
    new_chain,
)
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_messenger_begins_chains() -> None:
    """Its correlation and trace travel with each message; a deadline with the one it is for."""
    async with ActorSystem() as system:
        probe = Probe()
        system.spawn(probe, name="test/probe")
        system.broker.subscribe("t", "test/probe")
        messenger = Messenger(system.broker, correlation="order-7", traceparent=TRACE)
        messenger.tell("test/probe", 1)
        await messenger.ask("test/probe", 2)
        messenger.publish("t", 3)
        messenger.broadcast(["test/probe"], 4)
        now = system.broker.wall_time()
        messenger.tell("test/probe", 5, expires_after=60)
        await probe.wait_for(5)
        envelopes = [message.envelope for message in probe.messages]
        assert envelopes[:4] == [Envelope("", "order-7", traceparent=TRACE)] * 4
        assert envelopes[4] is not None
        assert envelopes[4].deadline == pytest.approx(now + 60, abs=5)
        Messenger(system.broker).tell("test/probe", 6)
        await probe.wait_for(6)
        assert probe.messages[5].envelope is None


async def test_a_messenger_of_an_actor_continues_the_chain() -> None:
    """As the context itself does."""
    async with ActorSystem() as system:
        probe = Probe()
        system.spawn(probe, name="test/probe")

        def receive(message: Message, context: Context) -> None:
            Messenger.of(context).tell("test/probe", 1)
            Messenger.of(context).tell("test/probe", 2, expires_after=60)

        known = Envelope("m-1", "m-0", hops=3, traceparent=TRACE)
        system.spawn(receive, name="test/actor").tell(b"go", envelope=known)
        await probe.wait_for(2)
        first, second = (message.envelope for message in probe.messages)
        assert first == Envelope("", "m-0", None, 4, TRACE)
        assert second is not None
        assert second.deadline is not None
        assert [message.sender for message in probe.messages] == ["test/actor"] * 2


async def test_a_broadcast_tells_each_outcome() -> None:
    """In the order of the targets, with the errors that `tell` would have raised."""
    async with ActorSystem() as system:
        probe = Probe()
        system.spawn(probe, name="test/probe")
        targets = ["test/absent", "test/probe", "*"]
        outcomes = Messenger(system.broker).broadcast(targets, "hello")
        assert [type(each) for each in outcomes] == [NoRoute, type(None), InvalidAddress]
        await probe.wait_for(1)


async def test_a_messenger_retains_and_a_listener_gets_it() -> None:
    """First what was retained, with the mark, then what is published."""
    async with ActorSystem() as system:
        retained = RetainedValues()
        messenger = Messenger(system.broker, codec="none", retained=retained)
        messenger.publish("room.1", b"on", retain=True)
        async with listen(system, "room.*", retained=retained) as publications:
            messenger.publish("room.2", b"off")
            got: list[tuple[str | None, object, bool]] = []
            with anyio.fail_after(20):
                async for message in publications:
                    mark = message.envelope is not None and message.envelope.is_retained
                    got.append((message.topic, message.payload, mark))
                    if len(got) == 2:
                        break
        assert got == [("room.1", b"on", True), ("room.2", b"off", False)]
        assert messenger.publish("room.2", b"off") == 0
        messenger.publish("room.1", b"", retain=True)
        assert len(retained) == 0
        with pytest.raises(ValueError, match="retained"):
            Messenger(system.broker).publish("t", 1, retain=True)


async def test_a_slow_listener_loses_the_oldest() -> None:
    """It holds up nothing, and takes bounded memory."""
    async with ActorSystem() as system:
        async with listen(system, "t", capacity=2) as publications:
            for number in range(5):
                system.broker.publish("t", number)
            with anyio.fail_after(20):
                assert (await anext(publications)).payload == 3  # type: ignore[arg-type]
        assert not system.actors


@given(st.text(max_size=200))
def test_a_correlation_is_visible_ascii(text: str) -> None:
    """Nothing else comes into logs and headers."""
    is_good = 0 < len(text) <= 128 and all("!" <= char <= "~" for char in text)
    if text == "":
        assert new_chain(correlation=text) is None
    elif is_good:
        assert new_chain(correlation=text) == Envelope("", text)
    else:
        with pytest.raises(InvalidEnvelope, match="correlation"):
            new_chain(correlation=text)


@pytest.mark.parametrize(
    "wrong",
    [
        "00",
        TRACE.upper(),
        TRACE + "-x",
        TRACE[:-1],
        f"ff{TRACE[2:]}",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        TRACE + "\n",
    ],
)
def test_a_trace_context_is_the_w3cs(wrong: str) -> None:
    """Version, trace, span and flags; none of them invalid."""
    assert new_chain(traceparent=TRACE) == Envelope(traceparent=TRACE)
    with pytest.raises(InvalidEnvelope, match="traceparent"):
        new_chain(traceparent=wrong)
