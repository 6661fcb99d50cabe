"""The seam of carriers: what the broker leads to one, and what it asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import pytest
from airswasm.actor import (
    Accepted,
    ActorSystem,
    AskCycle,
    AskTimeout,
    Context,
    DeathReason,
    Delivery,
    Envelope,
    FunctionCall,
    MailboxFull,
    Message,
    NoRoute,
)
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio
NAME = "shop/orders"
MOST = 128 * 2**20


class Shelf:
    """Takes what it is given, and hands it over when a test says so."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Message, Accepted | None]] = []
        self.subscriptions: list[tuple[str, str]] = []
        self.kept_topics: set[str] = set()
        self.is_full = False

    def carry(self, target: str, message: Message, done: Accepted | None) -> None:
        if self.is_full:
            raise MailboxFull(target, 0, 0)
        self.taken.append((target, message, done))

    def keeps(self, subscriber: str, topic: str) -> bool:
        return subscriber == NAME and topic in self.kept_topics

    def publish(
        self, subscribers: Sequence[str], message: Message, done: Accepted | None
    ) -> Sequence[str]:
        if self.is_full:
            return ()
        for name in subscribers:
            self.carry(name, message, done)
        return subscribers

    def subscribed(self, pattern: str, subscriber: str) -> None:
        self.subscriptions.append((pattern, subscriber))

    def unsubscribed(self, pattern: str, subscriber: str) -> None:
        self.subscriptions.remove((pattern, subscriber))

    @property
    def payloads(self) -> list[object]:
        return [message.payload for _, message, _ in self.taken]


class Watcher:
    """A hook that notes the deliveries."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, type[BaseException] | None]] = []

    def before(self, delivery: Delivery) -> None:
        del delivery

    def after(self, delivery: Delivery, error: BaseException | None) -> None:
        self.seen.append((delivery.kind, None if error is None else type(error)))


@pytest.fixture
def shelf(system: ActorSystem) -> Shelf:
    made = Shelf()
    system.broker.use(made)
    system.broker.carry(NAME)
    return made


@pytest.mark.parametrize("is_watched", [False, True])
@pytest.mark.parametrize("has_actor", [False, True])
async def test_every_way_of_sending_leads_to_the_carrier(
    system: ActorSystem, shelf: Shelf, *, is_watched: bool, has_actor: bool
) -> None:
    """Whether the name has an actor or not; each message has an id, and hooks see it."""
    watcher, broker = Watcher(), system.broker
    if is_watched:
        broker.add_hook(watcher)
    if has_actor:
        system.spawn(lambda message, context: None, name=NAME)
    assert broker.is_carried(NAME)
    broker.tell(NAME, b"tell")
    assert broker.submit(NAME, b"submit", lambda _: None) is False
    broker.deliver(NAME, Message(b"deliver", "a/b", envelope=Envelope("mine")))
    request = broker.request(NAME, b"request", lambda _: None, timeout=3600)
    assert shelf.payloads == [b"tell", b"submit", b"deliver", b"request"]
    envelopes = [message.envelope for _, message, _ in shelf.taken]
    assert len({each.id for each in envelopes if each is not None} - {""}) == 4
    shelf.is_full = True
    for send in (
        lambda: broker.tell(NAME, b"x"),
        lambda: broker.submit(NAME, b"x", lambda _: None),
        lambda: broker.request(NAME, b"x", lambda _: None, timeout=3600),
    ):
        with pytest.raises(MailboxFull):
            send()
    if is_watched:
        assert [error for _, error in watcher.seen].count(MailboxFull) == 3
    request.cancel()


async def test_who_asks_waits_no_longer_than_its_own_time(
    system: ActorSystem, shelf: Shelf
) -> None:
    """The message stays with the carrier; a deadline that has passed is no question at all."""
    with pytest.raises(AskTimeout):
        await system.broker.ask(NAME, b"x", timeout=0.001)
    assert shelf.payloads == [b"x"]
    late = Envelope(deadline=system.broker.wall_time() - 1)
    with pytest.raises(AskTimeout):
        system.broker.request(NAME, b"y", lambda _: None, timeout=3600, envelope=late)
    assert shelf.payloads == [b"x"]
    ends: list[object] = []
    request = system.broker.request(NAME, b"z", ends.append, timeout=3600)
    shelf.taken[-1][1].request.resolve(b"answer")  # type: ignore[union-attr]
    assert (request.value, len(ends)) == (b"answer", 1)


async def test_the_patience_of_an_asker_is_no_deadline_for_the_carrier(
    system: ActorSystem, shelf: Shelf
) -> None:
    """What a handler asks within a question is handled in any case."""

    async def pass_on(message: Message, context: Context) -> object:
        return await context.ask(NAME, message.payload, timeout=3600)

    system.spawn(pass_on, name="shop/front")
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: system.broker.ask("shop/front", b"x", timeout=30))
        with anyio.fail_after(30):
            while not shelf.taken:  # noqa: ASYNC110 - the test has no part in what it waits for
                await anyio.sleep(0.001)
        _, message, _ = shelf.taken[0]
        assert message.envelope is not None
        assert message.envelope.deadline is None
        message.request.resolve(b"answer")  # type: ignore[union-attr]


async def test_a_ring_through_a_carrier_is_refused(system: ActorSystem, shelf: Shelf) -> None:
    """Where the actor behind the name waits for the one that asks."""

    async def ask_back(message: Message, context: Context) -> object:
        try:
            return await context.ask(NAME, b"x", timeout=30)
        except AskCycle:
            return b"cycle"

    system.spawn(ask_back, name=NAME)
    ref = system.broker.handling(NAME)
    assert ref is not None
    assert await ref.ask(b"go", timeout=30) == b"cycle"
    assert shelf.taken == []


async def test_a_mailbox_in_memory_accepts_at_once(system: ActorSystem, shelf: Shelf) -> None:
    """Beside a carrier, too: the sender need not wait, and is not called back."""
    ends: list[object] = []
    ref = system.spawn(lambda message, context: None, name="shop/memory")
    assert system.broker.submit("shop/memory", b"x", ends.append) is True
    with pytest.raises(NoRoute):
        system.broker.submit("shop/absent", b"x", ends.append)
    assert await ref.drain(30)
    assert (ends, shelf.taken) == ([], [])


async def test_an_envelope_reaches_the_carrier_as_it_was_sent(
    system: ActorSystem, shelf: Shelf
) -> None:
    """With its own id where it has one, and with its deadline where that is the sender's own."""
    deadline = system.broker.wall_time() + 3600
    said = Envelope("own", "chain", deadline)
    system.broker.tell(NAME, b"1", envelope=said)
    request = system.broker.request(NAME, b"2", lambda _: None, timeout=30, envelope=said)
    assert [message.envelope for _, message, _ in shelf.taken] == [said, said]
    request.cancel()


async def test_a_carrier_that_another_has_replaced_ends_nothing(system: ActorSystem) -> None:
    """As that of a host that opens again before the one before it has closed."""
    first, second = Shelf(), Shelf()
    use = system.broker.use(first)
    system.broker.use(second)
    system.broker.carry(NAME)
    use.cancel()
    system.broker.tell(NAME, b"x")
    assert (first.payloads, second.payloads) == ([], [b"x"])


@pytest.mark.parametrize("is_full", [False, True])
async def test_publications_of_kept_topics_go_to_the_carrier(
    system: ActorSystem, shelf: Shelf, *, is_full: bool
) -> None:
    """Once for all its subscribers; the others have theirs in memory, as for other topics."""
    broker, seen = system.broker, list[object]()
    ref = system.spawn(lambda message, _: seen.append(message.payload), name="shop/memory")
    shelf.kept_topics, shelf.is_full = {"orders.new"}, is_full
    for name in (NAME, "shop/memory"):
        broker.subscribe("orders.*", name)
    assert shelf.subscriptions == [("orders.*", NAME), ("orders.*", "shop/memory")]
    assert broker.submit_publication("orders.new", b"1", lambda _: None) == (
        1 + (not is_full), is_full,
    )  # fmt: skip
    assert broker.publish("orders.old", b"2") == 1
    assert await ref.drain(30)
    assert seen == [b"1", b"2"]
    assert shelf.payloads == [b"1"] * (not is_full)
    broker.unsubscribe("orders.*", NAME)
    assert shelf.subscriptions == [("orders.*", "shop/memory")]


async def test_a_name_that_is_carried_no_longer_has_its_mailbox_again(
    system: ActorSystem, shelf: Shelf
) -> None:
    """When its own subscription ends, or the carrier's; one that is not in use ends nothing."""
    broker, seen = system.broker, list[object]()
    ref = system.spawn(lambda message, _: seen.append(message.payload), name="shop/one")
    one = broker.carry("shop/one")
    use = broker.use(other := Shelf())
    broker.tell("shop/one", b"carried")
    one.cancel()
    one.cancel()
    assert not broker.is_carried("shop/one")
    broker.tell("shop/one", b"told")
    use.cancel()
    use.cancel()
    assert not broker.is_carried(NAME)
    with pytest.raises(NoRoute):
        broker.tell(NAME, b"x")
    assert await ref.drain(30)
    assert (other.payloads, shelf.payloads, seen) == ([b"carried"], [], [b"told"])


async def test_what_a_carrier_gives_up_is_a_dead_letter(system: ActorSystem) -> None:
    """With the cause, and in the books."""
    system.broker.give_up(NAME, Message(b"x"), DeathReason.EXHAUSTED, ValueError("why"), 3)
    (letter,) = system.dead_letters
    assert (letter.target, letter.reason, letter.incarnation) == (NAME, DeathReason.EXHAUSTED, 3)
    assert system.books().is_balanced


# -- the weight of a call --------------------------------------------------------------------------


@dataclass
class Record:
    first: object
    second: object


VALUES = st.recursive(
    st.none() | st.integers() | st.text("ab") | st.binary(max_size=9) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner)
        | st.builds(Record, inner, inner)
    ),
    max_leaves=12,
)


def weight(value: object) -> int:
    """Return the weight of one value, from its parts."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, (list, tuple)):
        return 8 + sum(map(weight, value))
    if isinstance(value, dict):
        return 8 + sum(map(weight, value.values()))
    return 8 + (weight(value.first) + weight(value.second) if isinstance(value, Record) else 0)


@given(st.lists(VALUES, max_size=3))
def test_a_call_weighs_what_its_values_do(values: list[object]) -> None:
    """Texts and bytes as they are, and a word for each other value."""
    assert FunctionCall("a:b/c#d", tuple(values)).weight_bytes == sum(map(weight, values))


def test_a_call_that_has_no_end_weighs_more_than_any_may() -> None:
    """One that holds itself, or is too deep; and it is weighed at once."""
    ring: list[object] = []
    ring.append(ring)
    deep: object = None
    for _ in range(300):
        deep = [deep]
    for value in (ring, deep):
        assert FunctionCall("a:b/c#d", (value,)).weight_bytes == MOST + 1
    assert FunctionCall("a:b/c#d", (memoryview(bytes(7)), bytearray(2))).weight_bytes == 9
