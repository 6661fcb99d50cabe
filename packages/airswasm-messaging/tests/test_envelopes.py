"""What travels with the messages of components, as they and their receivers see it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from airswasm.actor import ActorSystem, Context, Envelope, Message
from airswasm.actor.testing import Probe
from airswasm.messaging import InvalidEnvelope, Messenger, SamePolicy, messaging_interface
from airswasm.runtime import Caller, Case, Err, HostFunction, Ok

from .test_guests import case_of, outcome_of

pytestmark = pytest.mark.anyio

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@asynccontextmanager
async def offered(hops: int = 64) -> AsyncIterator[tuple[ActorSystem, dict[str, HostFunction]]]:
    async with ActorSystem(hops=hops) as system:
        yield system, dict(messaging_interface(system.broker).functions)


def caller_with(message: Message | None) -> Caller:
    caller = Caller("local/a")
    caller.message = message
    return caller


async def test_a_component_sees_what_its_message_came_with() -> None:
    """All that is known, and nothing outside of a handler."""
    async with offered() as (system, call):
        deadline = system.broker.wall_time() + 60
        known = Envelope("m-1", "m-0", deadline, 3, TRACE, "cbor", 2, "m-9", is_retained=True)
        shown = call["envelope"](caller_with(Message(b"x", envelope=known)))
        assert isinstance(shown, dict)
        assert 59_000 < shown.pop("remaining_ms") <= 60_000
        assert shown == {
            "id": "m-1",
            "correlation": "m-0",
            "hops": 3,
            "traceparent": TRACE,
            "codec": "cbor",
            "attempt": 2,
            "replay_of": "m-9",
            "retained": True,
        }
        bare = call["envelope"](caller_with(Message(b"x", id=7)))
        assert isinstance(bare, dict)
        assert bare["id"] == bare["correlation"] == f"{system.dispatcher.origin}-7"
        assert bare["remaining_ms"] is bare["traceparent"] is bare["replay_of"] is None
        assert call["envelope"](caller_with(None)) is None


@pytest.mark.parametrize(
    ("seconds", "shown"), [(math.inf, 2**63), (1e300, 2**63), (-math.inf, 0), (0.0, 0)]
)
async def test_any_deadline_has_a_number(seconds: float, shown: int) -> None:
    """Python code may set one that no clock reaches; the contract's number has 64 bits."""
    async with offered() as (system, call):
        known = Envelope("m-1", deadline=system.broker.wall_time() + seconds)
        envelope = call["envelope"](caller_with(Message(b"x", envelope=known)))
        assert isinstance(envelope, dict)
        assert envelope["remaining_ms"] == shown


async def test_a_time_that_is_no_number_is_refused() -> None:
    """Nothing is earlier or later than that: such a message would never expire."""
    async with ActorSystem() as system:
        system.spawn(Probe(), name="local/a")
        with pytest.raises(InvalidEnvelope, match="expires_after"):
            Messenger(system.broker).tell("local/a", 1, expires_after=math.nan)


@pytest.mark.parametrize("way", ["send", "call", "request", "publish", "broadcast"])
async def test_what_a_component_sends_continues_its_chain(way: str) -> None:
    """On every way, one hop more."""
    async with offered() as (system, call):
        probe = Probe(b"yes")
        system.spawn(probe, name="test/probe")
        system.broker.subscribe("t", "test/probe")
        caller = caller_with(
            Message(b"x", envelope=Envelope("m-1", "m-0", hops=3, traceparent=TRACE))
        )
        caller.instance = _WithCallbacks()  # type: ignore[assignment]
        arguments: dict[str, tuple[object, ...]] = {
            "send": ("test/probe", b"p"),
            "call": ("test/probe", b"p", 0),
            "request": ("test/probe", b"p", 0),
            "publish": ("t", b"p"),
            "broadcast": (["test/probe"], b"p"),
        }
        call[way](caller, *arguments[way])
        await probe.wait_for(1)
        assert probe.messages[0].envelope == Envelope("", "m-0", None, 4, TRACE)


class _WithCallbacks:
    def has_export(self, _path: str) -> bool:
        return True


async def test_too_many_hops_are_a_refusal() -> None:
    """On every way, with its own case; the message goes nowhere, and is counted."""
    async with offered(hops=2) as (system, call):
        probe = Probe()
        system.spawn(probe, name="test/probe")
        system.broker.subscribe("t", "test/probe")
        caller = caller_with(Message(b"x", envelope=Envelope("m-1", "m-0", hops=2)))
        assert case_of(call["send"](caller, "test/probe", b"p")) == "too-many-hops"
        assert case_of(call["call"](caller, "test/probe", b"p", 0)) == "too-many-hops"
        assert case_of(call["publish"](caller, "t", b"p")) == "too-many-hops"
        outcome = call["broadcast"](caller, ["test/probe"], b"p")
        assert isinstance(outcome, Ok)
        assert [case_of(each) for each in outcome.value] == ["too-many-hops"]
        assert system.dispatcher.hop_deaths == 4
        assert probe.messages == []


async def test_a_call_within_a_call_does_not_outlast_it() -> None:
    """The asker of the outer one waits for 0.05 s, and so does the inner one, whatever it says."""
    async with offered() as (system, call):

        async def never(message: Message, context: Context) -> None:
            await anyio.sleep_forever()

        outcomes: list[object] = []

        async def outer(message: Message, context: Context) -> None:
            pending = call["call"](caller_with(message), "test/never", b"p", 60_000)
            outcomes.append(await outcome_of(pending))

        system.spawn(never, name="test/never", shutdown=0)
        ref = system.spawn(outer, name="local/a")
        with anyio.fail_after(20), pytest.raises(TimeoutError):
            await ref.ask(b"x", timeout=0.05)
        assert await ref.drain(20)
        assert outcomes == [Err(Case("timed-out"))]


@pytest.mark.parametrize(
    ("accepts", "payload", "codec"),
    [
        (("cbor", "json"), b"\x80\x04{}", "json"),
        (("cbor", "json"), b"\x51\xa0", "cbor"),
        (("any",), b"\x51uestion", None),
    ],
)
async def test_the_codec_is_known_where_one_was_agreed_on(
    accepts: tuple[str, ...], payload: bytes, codec: str | None
) -> None:
    """The receiver declares what it reads; without that, bytes are bytes."""
    async with ActorSystem() as system:
        call = messaging_interface(system.broker, SamePolicy(accepts=accepts)).functions
        shown = call["envelope"](caller_with(Message(payload, id=7)))
        assert isinstance(shown, dict)
        assert shown["codec"] == codec
