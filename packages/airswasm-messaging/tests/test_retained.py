"""The last values of topics: kept within bounds, and delivered to those who come later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest
from airswasm.actor import ActorSystem, Envelope, MailboxSpec
from airswasm.actor.testing import Probe
from airswasm.messaging import (
    MessagingCounters,
    MessagingLimits,
    RetainedFull,
    RetainedTopics,
    RetainedValue,
    RetainedValues,
    SamePolicy,
    messaging_interface,
)
from airswasm.messaging._forgetting import forget
from airswasm.runtime import Caller, HostFunction, Ok, Services
from hypothesis import given
from hypothesis import strategies as st

from .test_guests import case_of

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def offered(
    limits: MessagingLimits | None = None,
) -> AsyncIterator[tuple[ActorSystem, dict[str, HostFunction], MessagingCounters]]:
    async with ActorSystem() as system:
        counters = MessagingCounters()
        policy = SamePolicy(limits or MessagingLimits())
        interface = messaging_interface(system.broker, policy, counters=counters)
        yield system, dict(interface.functions), counters


async def test_a_later_subscriber_gets_the_last_value() -> None:
    """With topic, publisher and the mark; an earlier one gets it once, without the mark."""
    async with offered() as (system, call, counters):
        early, late = Probe(), Probe()
        for name, probe in (("local/early", early), ("local/late", late)):
            system.spawn(probe, name=name)
        publisher = Caller("local/publisher")
        assert call["subscribe"](Caller("local/early"), "room.*.state") == Ok(None)
        assert call["publish-retained"](publisher, "room.1.state", b"off") == Ok(1)
        assert call["publish-retained"](publisher, "room.1.state", b"on") == Ok(1)
        assert call["publish-retained"](publisher, "room.2.other", b"x") == Ok(0)
        assert call["subscribe"](Caller("local/late"), "**.state") == Ok(None)
        assert await early.wait_for(2) == [b"off", b"on"]
        assert await late.wait_for(1) == [b"on"]
        (message,) = late.messages
        assert (message.topic, message.sender) == ("room.1.state", "local/publisher")
        assert message.envelope is not None
        assert message.envelope.is_retained
        assert message.envelope.id
        assert not any(m.envelope is not None and m.envelope.is_retained for m in early.messages)
        assert (counters.retained_published, counters.retained_delivered) == (3, 1)


async def test_an_empty_payload_clears() -> None:
    """It is published, the topic has no value afterwards, and its room is free."""
    async with offered() as (system, call, counters):
        probe = Probe()
        system.spawn(probe, name="local/late")
        publisher = Caller("local/publisher")
        call["publish-retained"](publisher, "a.b", b"x")
        assert counters.retained_bytes > 0
        call["publish-retained"](publisher, "a.b", b"")
        assert (counters.retained_values, counters.retained_bytes) == (0, 0)
        assert counters.retained_cleared == 1
        call["subscribe"](Caller("local/late"), "a.b")
        await system.broker.resolve("local/late").drain(5)
        assert probe.messages == []


async def test_the_same_subscription_gets_it_once() -> None:
    """Subscribing again to a pattern that holds already delivers nothing."""
    async with offered() as (system, call, _):
        probe = Probe()
        system.spawn(probe, name="local/late")
        call["publish-retained"](Caller("local/publisher"), "a.b", b"x")
        caller = Caller("local/late")
        for _ in range(3):
            call["subscribe"](caller, "a.*")
        await system.broker.resolve("local/late").drain(5)
        assert probe.payloads == [b"x"]


async def test_beyond_the_bounds_nothing_is_published() -> None:
    """The publisher is told, and neither subscriber nor value sees the payload."""
    async with offered(MessagingLimits(retained_values_each=1)) as (system, call, _):
        probe = Probe()
        system.spawn(probe, name="local/late")
        call["subscribe"](Caller("local/late"), "**")
        publisher = Caller("local/publisher")
        assert call["publish-retained"](publisher, "a", b"1") == Ok(1)
        assert case_of(call["publish-retained"](publisher, "b", b"2")) == "rate-limited"
        assert call["publish-retained"](publisher, "a", b"3") == Ok(1)
        assert call["publish-retained"](Caller("local/other"), "b", b"4") == Ok(1)
        assert await probe.wait_for(3) == [b"1", b"3", b"4"]


async def test_a_subscriber_gets_what_it_has_room_for() -> None:
    """The rest is counted; the subscription holds."""
    async with offered() as (system, call, counters):
        system.spawn(Probe(), name="local/late", mailbox=MailboxSpec(2), is_paused=True)
        for number in range(5):
            call["publish-retained"](Caller("local/publisher"), f"a.{number}", b"x")
        assert call["subscribe"](Caller("local/late"), "a.*") == Ok(None)
        assert system.broker.resolve("local/late").mailbox.size == 2
        assert (counters.retained_delivered, counters.retained_missed) == (2, 3)


async def test_a_malformed_topic_retains_nothing() -> None:
    """It is refused before anything is kept."""
    async with offered() as (_, call, counters):
        assert case_of(call["publish-retained"](Caller("local/p"), "a..b", b"x")) == "invalid"
        assert counters.retained_values == 0


SENDERS, TOPICS = ("local/a", "local/b", "local/c"), ("t", "t.u", "v")
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(SENDERS), st.sampled_from(TOPICS), st.integers(0, 3_000)),
        st.sampled_from(SENDERS),
    )
)
bounds = st.builds(
    MessagingLimits,
    retained_values=st.integers(1, 4),
    retained_bytes=st.integers(1, 8_000),
    retained_values_each=st.integers(1, 3),
    retained_bytes_each=st.integers(1, 5_000),
)


@given(steps, bounds)
def test_the_bounds_hold_and_the_counts_are_exact(
    steps: list[tuple[str, str, int] | str], limits: MessagingLimits
) -> None:
    """A refusal changes nothing; what is replaced, cleared or forgotten gives its room back."""
    counters = MessagingCounters()
    values, model = RetainedValues(limits, counters), dict[str, RetainedValue]()
    for step in steps:
        if isinstance(step, str):
            gone = [topic for topic, value in model.items() if value.sender == step]
            assert anyio.run(values.forget, step) == len(gone)
            for topic in gone:
                del model[topic]
            continue
        sender, topic, size = step
        value = RetainedValue(topic, bytes(size), sender, Envelope())
        after = {**model, topic: value}
        if not size:
            del after[topic]
        if not size or _fit(after, sender, limits):
            values.retain(value)
            model = after
        else:
            with pytest.raises(RetainedFull) as refused:
                values.retain(value)
            assert getattr(limits, refused.value.setting) == refused.value.most
        assert {each.topic: each for each in values.matching("**")} == model
        assert counters.retained_values == len(model) == len(values)
        assert counters.retained_bytes == sum(each.size_bytes for each in model.values())


def _fit(values: dict[str, RetainedValue], sender: str, limits: MessagingLimits) -> bool:
    mine = [value.size_bytes for value in values.values() if value.sender == sender]
    return (
        len(values) <= limits.retained_values
        and sum(value.size_bytes for value in values.values()) <= limits.retained_bytes
        and len(mine) <= limits.retained_values_each
        and sum(mine) <= limits.retained_bytes_each
    )


@pytest.mark.anyio
async def test_a_purge_forgets_the_values() -> None:
    """Those of the name, and no others."""
    values, services = RetainedValues(), Services()
    await forget(services, "local/a")
    services.add(RetainedTopics, values)  # type: ignore[type-abstract]
    mine = RetainedValue("t", b"x", "local/a", Envelope())
    values.retain(mine)
    values.retain(replace(mine, topic="u", sender="local/b"))
    await forget(services, "local/a")
    assert [value.sender for value in values.matching("*")] == ["local/b"]
