"""The host functions beside grants, stores and retained values that a host gives them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from airswasm.actor import ActorSystem, MailboxSpec, Message, MessageBroker
from airswasm.actor.testing import Probe
from airswasm.messaging import (
    BLOCK,
    Delivery,
    DurableDelivery,
    MessagingCounters,
    RecordUnreadable,
    RetainedTopics,
    RetainedValues,
    SamePolicy,
    SendingQuota,
    encode,
    messaging_interface,
    provide,
)
from airswasm.messaging._forgetting import forget
from airswasm.messaging._records import pack_message, unpack_message
from airswasm.runtime import Caller, Err, HostFunction, Ok, Pending, Services
from airswasm.security import Grants, Guard, Kinds
from airswasm.storage import StorageUnavailable, open_store
from cbor2 import dumps, loads
from hypothesis import given
from hypothesis import strategies as st

from .test_guests import case_of, outcome_of

pytestmark = pytest.mark.anyio
A, DURABLE = "local/a", "shop/durable"


@asynccontextmanager
async def durable_host(
    folder: Path, terms: Delivery | None = None, policy: SamePolicy | None = None
) -> AsyncIterator[tuple[ActorSystem, DurableDelivery, dict[str, HostFunction]]]:
    async with open_store(folder / "store") as store, ActorSystem() as system:
        delivery = DurableDelivery(store, system, policy=policy)
        delivery.open()
        delivery.declare(DURABLE, terms or Delivery())
        yield system, delivery, dict(messaging_interface(system.broker).functions)
        delivery.close()


async def test_a_broadcast_waits_for_the_disks_of_its_targets(tmp_path: Path) -> None:
    """Each has its own outcome; one that refuses keeps no other from its message."""
    policy = SamePolicy(accepts=("json",))
    async with durable_host(tmp_path, Delivery(messages=2), policy) as (system, delivery, call):
        probe = Probe()
        system.spawn(probe, name="test/memory")
        delivery.declare("shop/full", Delivery(messages=1))
        payload = encode(1, "json")
        targets = ["shop/full", DURABLE, "test/memory", "shop/full", "test/absent"]
        outcome = await outcome_of(call["broadcast"](Caller(A), targets, payload))
        assert isinstance(outcome, Ok)
        words = ["ok" if each == Ok(None) else case_of(each) for each in outcome.value]
        assert words == ["ok", "ok", "ok", "mailbox-full", "unknown-target"]
        assert await probe.wait_for(1) == [payload]
        outcome = call["broadcast"](Caller(A), [DURABLE], encode(1))
        assert isinstance(outcome, Ok)
        assert [case_of(each) for each in outcome.value] == ["invalid"]
        delivery.store.backend.sync = refuse  # type: ignore[method-assign]
        outcome = await outcome_of(call["broadcast"](Caller(A), [DURABLE, "test/memory"], payload))
        assert isinstance(outcome, Ok)
        assert case_of(outcome.value[0]) == "rate-limited"
        assert outcome.value[1] == Ok(None)


async def test_a_host_error_is_no_answer_of_a_broadcast(tmp_path: Path) -> None:
    """What is not the guest's to handle ends its call."""
    async with durable_host(tmp_path) as (system, _, call):

        def fail(_payload: object) -> None:
            raise ZeroDivisionError

        system.spawn(Probe(), name="test/odd", mailbox=MailboxSpec(refuse=fail))
        with pytest.raises(ZeroDivisionError):
            call["broadcast"](Caller(A), ["test/odd"], b"x")
        with pytest.raises(ZeroDivisionError):
            call["send"](Caller(A), "test/odd", b"x")


async def test_a_request_needs_a_place_for_its_callback() -> None:
    """A component without it is told when it asks, and not when the answer comes."""

    class Instance:
        def __init__(self, *, has_callbacks: bool) -> None:
            self.has_callbacks = has_callbacks

        def has_export(self, name: str) -> bool:
            assert "callbacks" in name
            return self.has_callbacks

    async with ActorSystem() as system:
        system.spawn(lambda message, context: b"pong", name="test/pong")
        call = messaging_interface(system.broker).functions["request"]
        caller = Caller(A)
        for has_callbacks in (False, True):
            caller.instance = Instance(has_callbacks=has_callbacks)  # type: ignore[assignment]
            outcome = call(caller, "test/pong", b"", 0)
            assert isinstance(outcome, Ok) is has_callbacks
        caller.instance = Instance(has_callbacks=False)  # type: ignore[assignment]
        outcome = call(caller, "test/pong", b"", 0)
        assert isinstance(outcome, Err)
        assert "callbacks" in str(outcome)


async def test_subscriptions_that_end_with_their_component_ask_the_guard_no_more() -> None:
    """Nor does one that ended by itself before."""
    kinds = Kinds(BLOCK.capabilities)
    guard = Guard(kinds, {A: Grants({"messaging:subscribe": ("**",)})})
    async with ActorSystem() as system:
        call = messaging_interface(system.broker, guard=guard).functions
        caller = Caller(A)
        for pattern in ("a.*", "b.*", "a.*"):
            assert call["subscribe"](caller, pattern) == Ok(None)
        assert guard.count_held(A) == 2
        assert call["unsubscribe"](caller, "b.*") == Ok(None)
        assert case_of(call["unsubscribe"](caller, "b..")) == "invalid"
        assert guard.count_held(A) == 1
        caller._close()
        assert guard.count_held(A) == 0


async def test_a_retained_value_that_a_subscriber_cannot_take_is_counted() -> None:
    """The subscription stands, and the others get theirs."""
    async with ActorSystem() as system:
        counters, retained = MessagingCounters(), RetainedValues()
        call = messaging_interface(system.broker, retained=retained, counters=counters).functions
        for topic in ("t.1", "t.2"):
            assert call["publish-retained"](Caller("local/b"), topic, b"x") == Ok(0)
        system.spawn(Probe(), name=A, mailbox=MailboxSpec(1), is_paused=True)
        assert call["subscribe"](Caller(A), "t.*") == Ok(None)
        assert (counters.retained_delivered, counters.retained_missed) == (1, 1)


async def test_everything_of_the_host_is_used_that_is_provided(tmp_path: Path) -> None:
    """Guard, retained values, counters and quota; a purge reaches the values and the messages."""
    async with durable_host(tmp_path) as (system, delivery, _):
        services, retained, counters = Services(), RetainedValues(), MessagingCounters()
        guard = Guard(Kinds(BLOCK.capabilities), {A: Grants({"messaging:subscribe": ("**",)})})
        services.add(MessageBroker, system.broker)
        services.add(Guard, guard)
        services.add(RetainedTopics, retained)  # type: ignore[type-abstract]
        services.add(MessagingCounters, counters)
        services.add(SendingQuota, SendingQuota(SamePolicy(), lambda: 0.0))
        services.add(DurableDelivery, delivery)
        messaging, *_ = provide(services)
        call = messaging.functions
        assert call["subscribe"](Caller(A), "t.*") == Ok(None)
        assert guard.count_held(A) == 1
        assert call["publish-retained"](Caller(DURABLE), "t.1", b"x") == Ok(0)
        assert len(list(retained.matching("**"))) == 1
        pending = call["send"](Caller(A), DURABLE, b"x")
        assert isinstance(pending, Pending)
        assert await outcome_of(pending) == Ok(None)
        assert case_of(call["send"](Caller(A), "no name!", b"x")) == "invalid"
        assert counters.refused["invalid"] == 1
        await forget(services, DURABLE)
        assert list(retained.matching("**")) == []
        assert delivery.names() == ()


@given(said=st.none() | st.integers() | st.lists(st.integers()) | st.text())
def test_an_envelope_that_is_none_is_left_out(said: object) -> None:
    """A record of which only that is odd still has its message."""
    record = loads(pack_message(Message(b"x", "a/b"), "shop/a"))
    message, target = unpack_message(dumps([*record[:-1], said]))
    assert (message.payload, message.envelope, target) == (b"x", None, "shop/a")


@pytest.mark.parametrize("said", [{"correlation": [1]}, {"deadline": {}}, {"hops": None}])
def test_an_envelope_may_say_only_what_an_envelope_says(said: object) -> None:
    """Else every reader of it would have to look; the record is damaged."""
    record = loads(pack_message(Message(b"x", "a/b"), "shop/a"))
    with pytest.raises(RecordUnreadable):
        unpack_message(dumps([*record[:-1], said]))


def refuse(*_: object) -> None:
    raise StorageUnavailable(Path("disk"), "no space left")
