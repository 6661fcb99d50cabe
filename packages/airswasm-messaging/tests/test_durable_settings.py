"""Which messages are durable, while settings, grants and manifests change under a running host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from airswasm.actor import ActorSystem, MailboxSpec, MessageTooLarge, NoRoute
from airswasm.messaging import (
    BLOCK,
    CodecNotAccepted,
    Delivery,
    DurableDelivery,
    DurableSettings,
    SamePolicy,
    encode,
)
from airswasm.security import Grants, Guard, Kinds
from airswasm.storage import open_store

from .test_durable import NAME, Handler, Host, hosting

pytestmark = pytest.mark.anyio
ORDERS = DurableSettings(topics=("orders.**",))


@asynccontextmanager
async def guarded(folder: Path, *patterns: str) -> AsyncIterator[tuple[Host, Guard]]:
    """A host whose one component may subscribe to some patterns."""
    guard = Guard(Kinds(BLOCK.capabilities), {NAME: subscriptions(*patterns)})
    async with open_store(folder / "store") as store, ActorSystem() as actors:
        delivery = DurableDelivery(store, actors, ORDERS, guard=guard)
        delivery.open()
        yield Host(store, actors, delivery), guard
        delivery.close()


def subscriptions(*patterns: str) -> Grants:
    return Grants({"messaging:subscribe": patterns})


async def passed(host: Host, seconds: float) -> None:
    """Wait until all timers have fired that are due in so many seconds from now."""
    fired = anyio.Event()
    host.actors.timers.after(seconds, fired.set)
    with anyio.fail_after(30):
        await fired.wait()


# -- settings --------------------------------------------------------------------------------------


async def test_topics_become_durable_and_cease_to_be_while_the_host_runs(tmp_path: Path) -> None:
    """What waits stays, and the bounds of today hold for what comes."""
    async with hosting(tmp_path, settings=ORDERS, durable=None) as host:
        broker, handler = host.actors.broker, Handler()
        broker.subscribe("**", NAME)
        assert (broker.publish("orders.1", b"1"), broker.publish("news.1", b"lost")) == (1, 0)
        host.delivery.hold_to(DurableSettings(topics=("news.*",), messages=2))
        assert (broker.publish("orders.2", b"lost"), broker.publish("news.2", b"2")) == (0, 1)
        written: list[object] = []
        assert broker.submit_publication("news.3", b"full", written.append) == (0, True)
        host.actors.spawn(handler, name=NAME)
        await handler.wait(2)
        await host.settle()
        assert handler.payloads == [b"1", b"2"]
        assert written == []


async def test_terms_of_a_manifest_hold_when_settings_change(tmp_path: Path) -> None:
    """Until the name is declared anew; those of other subscribers change at once."""
    async with hosting(tmp_path, settings=ORDERS, terms=Delivery(messages=3)) as host:
        host.actors.broker.subscribe("orders.*", NAME)
        host.actors.broker.subscribe("orders.*", "shop/other")
        host.delivery.hold_to(DurableSettings(topics=("orders.**",), messages=1))
        counts = [host.actors.broker.publish("orders.x", b"x") for _ in range(4)]
        assert counts == [2, 1, 1, 0]
        host.delivery.declare(NAME, Delivery(messages=3))  # the most is 1 now
        handler = Handler()
        ref = host.actors.spawn(handler, name=NAME)
        await handler.wait(3)
        await host.actors.stop(ref)
        counts = [host.actors.broker.publish("orders.x", b"x") for _ in range(2)]
        assert counts == [1, 0]


async def test_memory_for_topics_is_bounded(tmp_path: Path) -> None:
    """However many there are: a sender chooses their names."""
    async with hosting(tmp_path, settings=ORDERS, durable=None) as host:
        host.actors.broker.subscribe("**", NAME)
        for number in range(5_000):
            host.actors.broker.publish(f"news.{number}", b"")
        assert len(host.delivery._durable_topics) < 4_097
        assert host.actors.broker.publish("orders.x", b"") == 1


# -- manifests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("asks_again", [False, True])
async def test_a_name_that_leaves_while_messages_wait(tmp_path: Path, *, asks_again: bool) -> None:
    """It stays durable when it asks for that again before they are handled."""
    async with hosting(tmp_path) as host:
        await host.messenger.send(NAME, b"1")
        host.delivery.declare(NAME, None)
        if asks_again:
            host.delivery.declare(NAME, Delivery())
        await passed(host, 0.06)
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await handler.wait(1)
        await passed(host, 0.06)
        assert host.actors.broker.is_carried(NAME) is asks_again
        assert handler.seen == [(b"1", 1)]


async def test_a_name_that_leaves_and_is_uninstalled(tmp_path: Path) -> None:
    """What waits is for its next owner, and nothing is taken for it until then."""
    async with hosting(tmp_path) as host:
        await host.messenger.send(NAME, b"1")
        host.delivery.declare(NAME, None)
        host.delivery.withdraw(NAME)
        await passed(host, 0.06)
        with pytest.raises(NoRoute):
            await host.messenger.send(NAME, b"2")
        assert host.actors.events.listener_errors == 0
    async with hosting(tmp_path) as host:
        assert host.waiting() == 1


@pytest.mark.parametrize("is_withdrawn", [False, True])
async def test_a_name_that_never_was_durable_leaves_no_trace(
    tmp_path: Path, *, is_withdrawn: bool
) -> None:
    """A component of which neither manifest nor settings say so costs the store nothing."""
    async with hosting(tmp_path, durable=None) as host:
        host.delivery.declare(NAME, None)
        if is_withdrawn:
            host.delivery.withdraw(NAME)
        host.delivery.declare(NAME, None)
        assert host.delivery.names() == ()
        assert host.delivery.status(NAME) is None
        page = host.store.namespace("airswasm-durable").read_page("")
        assert list(page.entries) == []


async def test_a_subscription_that_nothing_waits_for_outlives_the_host(tmp_path: Path) -> None:
    """A mailbox is made for it when the first publication comes."""
    async with hosting(tmp_path, settings=ORDERS, durable=None) as host:
        host.actors.broker.subscribe("orders.*", NAME)
    async with hosting(tmp_path, settings=ORDERS, durable=None) as host:
        assert host.delivery.names() == ()
        assert host.actors.broker.publish("orders.x", b"x") == 1
        assert host.delivery.names() == (NAME,)


# -- grants and limits -----------------------------------------------------------------------------


async def test_a_kept_subscription_ends_with_its_grant(tmp_path: Path) -> None:
    """At once while the host runs; otherwise before the first publication of the next run."""
    async with guarded(tmp_path, "orders.*", "orders.eu.*") as (host, guard):
        broker = host.actors.broker
        for pattern in ("orders.*", "orders.eu.*"):
            broker.subscribe(pattern, NAME, owner="incarnation")
        broker.unsubscribe_owner("incarnation")
        counts = [broker.publish(topic, b"") for topic in ("orders.x", "orders.eu.x")]
        assert counts == [1, 1]
        guard.grant(NAME, subscriptions("orders.eu.*"))
        counts = [broker.publish(topic, b"") for topic in ("orders.x", "orders.eu.x")]
        assert counts == [0, 1]
        assert guard.count_held(NAME) == 1
    async with guarded(tmp_path, "orders.*") as (host, guard):
        counts = [host.actors.broker.publish(topic, b"") for topic in ("orders.x", "orders.eu.x")]
        assert counts == [0, 0]
        assert guard.count_held(NAME) == 0
    async with guarded(tmp_path, "orders.**") as (host, _):  # a grant that returns revives none
        assert host.actors.broker.publish("orders.eu.x", b"") == 0


async def test_a_subscription_beyond_the_grants_is_not_kept(tmp_path: Path) -> None:
    """It ends with its owner, be that an incarnation or Python code."""
    async with guarded(tmp_path, "news.*") as (host, guard):
        broker = host.actors.broker
        broker.subscribe("orders.*", NAME, owner="incarnation")
        assert guard.count_held(NAME) == 0
        broker.unsubscribe_owner("incarnation")
        assert broker.publish("orders.x", b"") == 0


async def test_a_payload_that_its_receiver_does_not_read_is_not_written(tmp_path: Path) -> None:
    """Its sender is told while it is there; a publication leaves the subscriber out."""
    async with open_store(tmp_path / "store") as store, ActorSystem() as actors:
        delivery = DurableDelivery(store, actors, policy=SamePolicy(accepts=("json",)))
        delivery.open()
        delivery.declare(NAME, Delivery())
        actors.broker.subscribe("orders.*", NAME)
        for send in (actors.broker.tell, lambda target, value: actors.broker.submit(
            target, value, lambda _: None
        )):  # fmt: skip
            with pytest.raises(CodecNotAccepted):
                send(NAME, encode(1))
        assert actors.broker.publish("orders.x", encode(1)) == 0
        assert actors.broker.publish("orders.x", encode(1, "json")) == 1
        await store.namespace("x").set("k", b"")  # the disk has all before that
        assert delivery.counters.durable_accepted == 1
        delivery.close()


async def test_a_message_larger_than_its_actor_takes_is_refused(tmp_path: Path) -> None:
    """Where it is sent, by the bound of the last incarnation that was there."""
    async with hosting(tmp_path) as host:
        await host.messenger.send(NAME, bytes(11))  # no incarnation has said how much it takes
        mailbox = MailboxSpec(message_bytes=10)
        ref = host.actors.spawn(Handler(), name=NAME, mailbox=mailbox)
        await host.settle()
        assert [letter.target for letter in host.actors.dead_letters] == [NAME]
        await host.actors.stop(ref)
        await host.messenger.send(NAME, bytes(10))
        with pytest.raises(MessageTooLarge):
            await host.messenger.send(NAME, bytes(11))
        assert (host.waiting(), host.delivery.counters.durable_refused) == (1, 1)
