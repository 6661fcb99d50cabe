"""Durable delivery between Python actors: what is accepted is handled, or accounted for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import (
    ActorFailed,
    ActorSystem,
    AskCycle,
    AskTimeout,
    ChildSpec,
    Context,
    DeathReason,
    Envelope,
    Message,
    MessageTooLarge,
    NoRoute,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.messaging import (
    Delivery,
    DurableDelivery,
    DurableMailboxFull,
    DurableSettings,
    MessageNotStorable,
    MessageNotWritten,
    MessagingLimits,
    Messenger,
    RetainedValue,
    RetainedValues,
    SamePolicy,
    messaging_interface,
)
from airswasm.messaging._durable.mailbox import pause_after
from airswasm.runtime import Caller, Ok, Pending
from airswasm.storage import StorageError, StorageUnavailable, Store, open_store

from .test_guests import case_of, outcome_of

pytestmark = pytest.mark.anyio
NAME = "shop/orders"


class Handler:
    """Handles what a script says; notes what it was given."""

    def __init__(self, *failing: bytes) -> None:
        self.seen: list[tuple[object, int]] = []
        self.ids: list[str] = []
        self.topics: list[str | None] = []
        self.failing = set(failing)
        self._changed = anyio.Event()

    def receive(self, message: Message, context: Context) -> object:
        del context
        assert message.envelope is not None
        self.seen.append((message.payload, message.envelope.attempt))
        self.ids.append(message.envelope.id)
        self.topics.append(message.topic)
        self._changed.set()
        self._changed = anyio.Event()
        if message.payload in self.failing:
            raise RuntimeError(f"cannot handle {message.payload!r}")
        return b"re:" + message.payload if isinstance(message.payload, bytes) else None

    @property
    def payloads(self) -> list[object]:
        return [payload for payload, _ in self.seen]

    async def wait(self, count: int) -> None:
        with anyio.fail_after(30):
            while len(self.seen) < count:
                await self._changed.wait()


class Host:
    """A store, an actor system and durable delivery."""

    def __init__(self, store: Store, actors: ActorSystem, delivery: DurableDelivery) -> None:
        self.store = store
        self.actors = actors
        self.delivery = delivery
        self.messenger = Messenger(actors.broker, codec="none")

    async def supervise(self, handler: object, name: str = NAME) -> SupervisorNode:
        """Start an actor that is restarted when it fails."""
        child = ChildSpec(id=name, start=lambda: handler)
        node = SupervisorNode(
            self.actors, SupervisorSpec(intensity=1_000, children=(child,)), name=f"of {name}"
        )
        await node.start()
        return node

    async def settle(self) -> None:
        """Wait until nothing waits in any mailbox."""
        with anyio.fail_after(30):
            while any(map(self.waiting, self.delivery.names())):  # noqa: ASYNC110
                await anyio.sleep(0.001)

    def waiting(self, name: str = NAME) -> int:
        status = self.delivery.status(name)
        return 0 if status is None else status.messages


@asynccontextmanager
async def hosting(
    folder: Path, *, settings: DurableSettings | None = None, durable: str | None = NAME,
    terms: Delivery | None = None,
) -> AsyncIterator[Host]:  # fmt: skip
    async with open_store(folder / "store") as store, ActorSystem() as actors:
        delivery = DurableDelivery(store, actors, settings)
        delivery.open()
        if durable is not None:
            delivery.declare(durable, terms or Delivery())
        try:
            yield Host(store, actors, delivery)
        finally:
            delivery.close()


async def test_messages_wait_for_their_actor(tmp_path: Path) -> None:
    """Also over a restart of the host, in their order, and are gone when they are handled."""
    async with hosting(tmp_path) as host:
        for number in range(10):
            await host.messenger.send(NAME, b"%d" % number)
        status = host.delivery.status(NAME)
        assert status is not None
        assert (status.messages, status.attempt) == (10, 0)
        assert status.size_bytes > 10
        assert status.oldest_age is not None
    async with hosting(tmp_path, durable=None) as host:
        assert host.waiting() == 10
        await host.messenger.send(NAME, b"10")
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await handler.wait(11)
        assert handler.seen == [(b"%d" % number, 1) for number in range(11)]
        assert len(set(handler.ids)) == 11
        await host.settle()
        assert host.delivery.counters.durable_handled == 11
    async with hosting(tmp_path, durable=None) as host:
        assert host.waiting() == 0


async def test_each_way_of_sending_is_durable(tmp_path: Path) -> None:
    """By reference apart, whose users are trusted and see a mailbox."""
    async with hosting(tmp_path) as host:
        broker = host.actors.broker
        broker.tell(NAME, b"tell", sender="a", topic="t")
        await host.messenger.send(NAME, b"send")
        host.messenger.tell(NAME, b"messenger")
        broker.deliver(NAME, Message(b"deliver", "b", envelope=Envelope(id="mine")))
        request = broker.request(NAME, b"request", lambda _: None, timeout=30)
        broker.subscribe("news.*", NAME)
        assert broker.publish("news.today", b"published") == 1
        handler = Handler()
        async with anyio.create_task_group() as group:
            answers: list[object] = []

            async def ask() -> None:
                answers.append(await broker.ask(NAME, b"ask", timeout=30))

            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert handler.seen == []
            host.actors.spawn(handler, name=NAME)
        assert handler.payloads == [
            b"tell", b"send", b"messenger", b"deliver", b"request", b"published", b"ask",
        ]  # fmt: skip
        assert handler.topics == ["t", None, None, None, None, "news.today", None]
        assert handler.ids[3] == "mine"
        assert (answers, request.value) == ([b"re:ask"], b"re:request")
        with pytest.raises(NoRoute):
            broker.tell("shop/other", b"x")


async def test_incarnations_do_not_leave_subscriptions_without_end(tmp_path: Path) -> None:
    """A name has twice as many as one incarnation: those of an update's two versions."""
    async with hosting(tmp_path) as host:
        policy = SamePolicy(MessagingLimits(subscriptions=4))
        call = dict(messaging_interface(host.actors.broker, policy).functions)
        outcomes: list[bool] = []
        for incarnation in range(5):
            caller = Caller(NAME)
            for number in range(4):
                outcome = call["subscribe"](caller, f"orders.{incarnation}.{number}")
                outcomes.append(isinstance(outcome, Ok))
            caller._close()  # as the end of an incarnation does
        assert outcomes == [True] * 8 + [False] * 12
        caller = Caller(NAME)
        assert isinstance(call["subscribe"](caller, "orders.0.0"), Ok)  # it has that one
        assert isinstance(call["unsubscribe"](caller, "orders.0.1"), Ok)
        assert isinstance(call["subscribe"](caller, "orders.9"), Ok)
        assert len(host.actors.broker.subscriptions_of(NAME)) == 8


async def test_a_crash_repeats_the_message_and_keeps_the_order(tmp_path: Path) -> None:
    """After so many attempts it is a dead letter, and the next one comes."""
    async with hosting(tmp_path, terms=Delivery(attempts=3)) as host:
        handler = Handler(b"bad")
        await host.supervise(handler)
        for payload in (b"1", b"bad", b"2"):
            await host.messenger.send(NAME, payload)
        await handler.wait(5)
        assert handler.seen == [(b"1", 1), (b"bad", 1), (b"bad", 2), (b"bad", 3), (b"2", 1)]
        assert len(set(handler.ids[1:4])) == 1
        await host.settle()
        (letter,) = host.actors.dead_letters
        assert (letter.message.payload, letter.target) == (b"bad", NAME)
        assert letter.reason is DeathReason.EXHAUSTED
        assert letter.incarnation == 3
        assert isinstance(letter.cause, RuntimeError)
        counters = host.delivery.counters
        assert (counters.durable_accepted, counters.durable_handled) == (3, 2)
        assert (counters.durable_dead, counters.durable_repeated) == (1, 2)
        assert host.actors.books().is_balanced


async def test_an_asker_waits_through_crashes(tmp_path: Path) -> None:
    """It gets the answer of a later attempt, or the failure of the last."""
    async with hosting(tmp_path, terms=Delivery(attempts=2)) as host:
        handler = Handler(b"bad")
        await host.supervise(handler)
        with pytest.raises(ActorFailed):
            await host.messenger.ask(NAME, b"bad", timeout=30)
        host.delivery.declare("shop/late", Delivery())
        with pytest.raises(AskTimeout):
            await host.messenger.ask("shop/late", b"x", timeout=0.001)
        assert host.waiting("shop/late") == 1
        late = Handler()
        host.actors.spawn(late, name="shop/late")
        await late.wait(1)
        assert late.payloads == [b"x"]  # it was accepted, although its asker has gone


async def test_the_patience_of_an_asker_is_no_deadline_of_a_durable_question(
    tmp_path: Path,
) -> None:
    """It bounds how long the inner question is waited for; the message is handled in any case."""
    errors: list[AskTimeout] = []

    async def pass_on(message: Message, context: Context) -> None:
        try:
            await context.ask(NAME, message.payload, timeout=3600)
        except AskTimeout as error:
            errors.append(error)

    async with hosting(tmp_path) as host:
        host.actors.spawn(pass_on, name="shop/front")
        patience = 0.01
        with anyio.fail_after(60):
            while not errors:
                with pytest.raises(AskTimeout):
                    await host.messenger.ask("shop/front", b"x", timeout=patience)
                patience *= 2
                await anyio.lowlevel.checkpoint()
        assert errors[0].is_inherited
        accepted = host.waiting()
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await handler.wait(accepted)
        assert host.delivery.counters.durable_expired == 0


async def test_a_deadline_holds_for_what_follows_from_a_durable_message(tmp_path: Path) -> None:
    async with hosting(tmp_path) as host:
        deadlines: list[float | None] = []

        def note(message: Message, context: Context) -> None:
            assert message.envelope is not None
            deadlines.append(message.envelope.deadline)

        host.actors.spawn(note, name="shop/next")
        host.actors.spawn(
            lambda message, context: context.tell("shop/next", message.payload), name=NAME
        )
        deadline = host.actors.broker.wall_time() + 3600
        host.actors.broker.tell(NAME, b"x", envelope=Envelope(deadline=deadline))
        with anyio.fail_after(30):
            while not deadlines:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        assert deadlines == [deadline]


async def test_a_full_log_refuses_at_the_sender(tmp_path: Path) -> None:
    """By number and by size, typed; and has room when messages are handled."""
    async with hosting(tmp_path, terms=Delivery(messages=3, size_bytes=4_000)) as host:
        with pytest.raises(MessageTooLarge):
            await host.messenger.send(NAME, bytes(5_000))
        for _ in range(3):
            await host.messenger.send(NAME, b"x")
        for send in (host.messenger.tell, host.actors.broker.tell):
            with pytest.raises(DurableMailboxFull):
                send(NAME, b"y")
        with pytest.raises(DurableMailboxFull):
            await host.messenger.ask(NAME, b"y")
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await handler.wait(3)
        await host.messenger.send(NAME, bytes(3_000))
        await handler.wait(4)
        assert host.delivery.counters.durable_refused == 4


async def test_only_bytes_are_durable(tmp_path: Path) -> None:
    async with hosting(tmp_path) as host:
        with pytest.raises(MessageNotStorable):
            host.actors.broker.tell(NAME, {"a": 1})
        assert host.waiting() == 0


async def test_messages_that_are_too_old_expire(tmp_path: Path) -> None:
    """By the age of their mailbox, and by their own deadline; they make room for others."""
    async with hosting(tmp_path, terms=Delivery(messages=2, age_seconds=0.001)) as host:
        await host.messenger.send(NAME, b"old")
        await host.messenger.send(NAME, b"old")
        await anyio.sleep(0.01)
        await host.messenger.send(NAME, b"new")
        assert host.delivery.counters.durable_expired == 2
        host.delivery.declare(NAME, Delivery())
        now = host.actors.broker.wall_time()
        broker = host.actors.broker
        broker.tell(NAME, b"late", envelope=Envelope(deadline=now - 1))
        broker.tell(NAME, b"in time", envelope=Envelope(deadline=now + 3600))
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await handler.wait(2)
        await host.settle()
        assert handler.payloads == [b"new", b"in time"]
        assert host.delivery.counters.durable_expired == 3


async def test_a_stopped_actor_loses_nothing(tmp_path: Path) -> None:
    """What it has not begun is delivered to the next one, as if for the first time."""
    async with hosting(tmp_path) as host:
        first, second = Handler(), Handler()
        ref = host.actors.spawn(first, name=NAME)
        await host.messenger.send(NAME, b"1")
        await first.wait(1)
        ref.pause()
        await host.messenger.send(NAME, b"2")
        await anyio.wait_all_tasks_blocked()
        await host.actors.stop(ref)
        assert host.waiting() == 1
        assert len(host.actors.dead_letters) == 0
        host.actors.spawn(second, name=NAME)
        await second.wait(1)
        assert second.seen == [(b"2", 1)]
        assert host.actors.books().is_balanced


async def test_a_ring_of_actors_that_wait_is_refused(tmp_path: Path) -> None:
    """Also where one of them is durable."""

    class Asking:
        async def receive(self, message: Message, context: Context) -> object:
            del message
            target = "b" if context.name == NAME else NAME
            try:
                return await context.ask(target, b"x", timeout=30)
            except AskCycle:
                return b"cycle"

    async with hosting(tmp_path) as host:
        host.actors.spawn(Asking(), name=NAME)
        host.actors.spawn(Asking(), name="b")
        assert await host.messenger.ask("b", b"go", timeout=30) == b"cycle"


async def test_a_purge_forgets_everything(tmp_path: Path) -> None:
    """Messages, subscriptions and terms; the next owner of the name begins anew."""
    async with hosting(tmp_path) as host:
        host.actors.broker.subscribe("a.**", NAME, owner="incarnation")
        host.actors.broker.unsubscribe_owner("incarnation")
        assert host.actors.broker.publish("a.b", b"x") == 1
        await host.messenger.send(NAME, b"secret")
        request = host.actors.broker.request(NAME, b"ask", lambda _: None, timeout=30)
        await host.messenger.send(NAME, b"secret")
        assert await host.delivery.forget(NAME) == 4
        assert request.is_done
        assert host.actors.broker.publish("a.b", b"x") == 0
        with pytest.raises(NoRoute):
            await host.messenger.send(NAME, b"x")
        host.delivery.declare(NAME, Delivery())
        assert host.waiting() == 0
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await host.messenger.send(NAME, b"new")
        await handler.wait(1)
        assert handler.payloads == [b"new"]
    async with hosting(tmp_path, durable=None) as host:
        assert host.waiting() == 0


async def test_a_purge_that_the_disk_refused_ends_later(tmp_path: Path) -> None:
    """Nothing of the name is left for its next owner, neither terms nor subscriptions."""
    async with hosting(tmp_path) as host:
        host.actors.broker.subscribe("orders.*", NAME)
        await host.messenger.send(NAME, b"secret")
        with refusing_disk(host), pytest.raises(StorageError):
            await host.delivery.forget(NAME)
        await recover(host)
        assert await host.delivery.forget(NAME) == 1
    async with hosting(tmp_path, durable=None) as host:
        assert host.actors.broker.subscriptions_of(NAME) == []
        with pytest.raises(NoRoute):
            await host.messenger.send(NAME, b"x")
        assert host.delivery.names() == ()


async def test_an_uninstalled_name_accepts_nothing_and_keeps_what_it_has(tmp_path: Path) -> None:
    async with hosting(tmp_path) as host:
        await host.messenger.send(NAME, b"1")
        host.delivery.withdraw(NAME)
        with pytest.raises(NoRoute):
            await host.messenger.send(NAME, b"2")
        host.delivery.declare(NAME, Delivery())
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await handler.wait(1)
        assert handler.payloads == [b"1"]


async def test_a_name_that_is_durable_no_longer_keeps_the_order(tmp_path: Path) -> None:
    """What waits in the log comes first; then its mailbox is in memory, and any object goes."""
    async with hosting(tmp_path) as host:
        for number in range(3):
            await host.messenger.send(NAME, b"%d" % number)
        host.delivery.declare(NAME, None)
        host.actors.broker.tell(NAME, b"3")
        handler = Handler()
        ref = host.actors.spawn(handler, name=NAME)
        with anyio.fail_after(30):
            while host.actors.broker.find(NAME) is not ref:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        assert handler.payloads == [b"0", b"1", b"2", b"3"]


async def test_durable_topics(tmp_path: Path) -> None:
    """A subscription outlives its incarnation, and what was published meanwhile arrives."""
    settings = DurableSettings(topics=("orders.**",))
    async with hosting(tmp_path, settings=settings, durable=None) as host:
        broker, names = host.actors.broker, ("a", "b")
        for name in names:
            broker.subscribe("**", name, owner=name)
            broker.unsubscribe_owner(name)
        assert broker.publish("orders.eu.paid", b"1") == 2
        assert broker.publish("other", b"lost") == 0
        before = host.store.syncs
        done = anyio.Event()
        taken = broker.submit_publication("orders.us", b"2", lambda _: done.set())
        assert taken == (2, False)
        await done.wait()
        assert host.store.syncs - before <= 2  # one wait for all of them
    async with hosting(tmp_path, settings=settings, durable=None) as host:
        for name in ("a", "b"):
            handler = Handler()
            host.actors.spawn(handler, name=name)
            await handler.wait(2)
            assert handler.payloads == [b"1", b"2"]
            assert handler.topics == ["orders.eu.paid", "orders.us"]
        host.actors.broker.unsubscribe("**", "a", owner="anyone")
        assert host.actors.broker.publish("orders.x", b"3") == 1


@contextmanager
def refusing_disk(host: Host) -> Iterator[None]:
    """Let the disk refuse all writes inside the block."""
    backend = host.store.backend
    apply = backend.apply

    def refuse(changes: object) -> None:
        del changes
        raise StorageUnavailable(host.store.path, "no space left")

    backend.apply = refuse  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        backend.apply = apply  # type: ignore[method-assign]


async def recover(host: Host) -> None:
    with anyio.fail_after(30):
        while host.store.failure is not None:
            await anyio.sleep(0.11)
            host.store.ask_for_recovery()


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_what_was_handled_while_the_disk_refused_is_over(
    tmp_path: Path, *, is_stopped: bool
) -> None:
    """It takes no room any more once the disk works again, and no restart repeats it."""
    terms = Delivery(messages=3)
    async with hosting(tmp_path, terms=terms) as host:
        for payload in (b"1", b"2", b"3"):
            await host.messenger.send(NAME, payload)
        with refusing_disk(host):
            handler = Handler()
            ref = host.actors.spawn(handler, name=NAME)
            await handler.wait(3)
            await anyio.wait_all_tasks_blocked()
            if is_stopped:
                await host.actors.stop(ref)
        assert host.store.failure is not None
        await recover(host)
        assert host.waiting() == 0
    async with hosting(tmp_path, terms=terms) as host:
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await host.messenger.send(NAME, b"4")
        await handler.wait(1)
        assert handler.seen == [(b"4", 1)]
        assert host.actors.books().is_balanced


async def test_a_disk_that_refuses_accepts_nothing(tmp_path: Path) -> None:
    """The sender is told; what was only told to memory is a dead letter."""
    async with hosting(tmp_path) as host:
        await host.messenger.send(NAME, b"1")
        backend = host.store.backend
        apply = backend.apply

        def refuse(changes: object) -> None:
            raise StorageUnavailable(tmp_path, "no space left")

        backend.apply = refuse  # type: ignore[method-assign, assignment]
        with pytest.raises(MessageNotWritten):
            await host.messenger.send(NAME, b"2")
        with pytest.raises(MessageNotWritten):
            host.messenger.tell(NAME, b"3")
        backend.apply = apply  # type: ignore[method-assign]
        with anyio.fail_after(30):
            while host.store.failure is not None:
                await anyio.sleep(0.11)
                host.store.ask_for_recovery()
        await host.messenger.send(NAME, b"4")
        handler = Handler()
        host.actors.spawn(handler, name=NAME)
        await handler.wait(2)
        assert handler.payloads == [b"1", b"4"]


@pytest.mark.parametrize("before", [b"", b"old"])
@pytest.mark.parametrize("payload", [b"new", b""])
async def test_a_publication_that_is_not_written_retains_nothing(
    tmp_path: Path, before: bytes, payload: bytes
) -> None:
    """The publisher is told, and the topic has the value that it had before."""
    async with hosting(tmp_path, settings=DurableSettings(topics=("t",))) as host:
        retained = RetainedValues()
        call = messaging_interface(host.actors.broker, retained=retained).functions
        host.actors.spawn(Handler(), name="a/late", is_paused=True)
        publisher = Caller("a/publisher")
        if before:
            assert call["publish-retained"](publisher, "t", before) == Ok(0)
        host.actors.broker.subscribe("t", NAME)
        backend = host.store.backend
        apply = backend.apply

        def refuse(changes: object) -> None:
            raise StorageUnavailable(tmp_path, "no space left")

        backend.apply = refuse  # type: ignore[method-assign, assignment]
        outcome = call["publish-retained"](publisher, "t", payload)
        if isinstance(outcome, Pending):
            outcome = await outcome_of(outcome)
        backend.apply = apply  # type: ignore[method-assign]
        assert case_of(outcome) == "rate-limited"
        assert [each.payload for each in retained.matching("t")] == [before] * bool(before)


async def test_a_value_that_is_taken_back_undoes_no_other() -> None:
    """Nor does it exceed the bounds: the room of the one before may be another's by now."""
    retained = RetainedValues(MessagingLimits(retained_values=1))

    def value(topic: str, payload: bytes) -> RetainedValue:
        return RetainedValue(topic, payload, "a/a", Envelope())

    retained.retain(value("t", b"1"))
    take_back = retained.retain(value("t", b"2"))
    retained.retain(value("t", b"3"))
    take_back()
    assert [each.payload for each in retained.matching("t")] == [b"3"]
    take_back = retained.retain(value("t", b""))
    retained.retain(value("u", b"4"))
    take_back()
    assert [each.payload for each in retained.matching("**")] == [b"4"]


async def test_the_settings_hold_what_a_component_asks_for() -> None:
    settings = DurableSettings(attempts=3, messages=10, size=1_000, age=60)
    assert settings.hold(Delivery(9, 5, 9_999, None)) == Delivery(3, 5, 1_000, 60)
    assert settings.hold(Delivery(1, 99, 1, 5)) == Delivery(1, 10, 1, 5)
    for wrong in ({"attempts": 0}, {"age": -1.0}, {"topics": ("a..b",)}, {"components": ("[",)}):
        with pytest.raises(ValueError, match=r"."):
            DurableSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="above 0"):
        Delivery(messages=0)


async def test_an_object_is_published_to_those_who_can_take_it(tmp_path: Path) -> None:
    """A durable subscriber gets a dead letter, and the publisher no error."""
    async with hosting(tmp_path) as host:
        broker, seen = host.actors.broker, list[object]()
        broker.subscribe("orders.*", NAME)
        broker.subscribe("orders.*", "memory")
        host.actors.spawn(lambda message, _: seen.append(message.payload), name="memory")
        ref = host.actors.broker.resolve("memory")
        assert broker.publish("orders.paid", {"order": 1}) == 1
        await ref.drain(5)
        assert seen == [{"order": 1}]
        (letter,) = host.actors.dead_letters
        assert (letter.target, letter.reason) == (NAME, DeathReason.UNDELIVERED)
        assert isinstance(letter.cause, MessageNotStorable)
        assert host.actors.books().is_balanced
        assert broker.publish("orders.paid", b"1") == 2


async def test_a_subscription_that_is_cancelled_is_kept_no_longer(tmp_path: Path) -> None:
    """Whether it ends by `unsubscribe` or by the object that `subscribe` returned."""
    async with hosting(tmp_path) as host:
        subscription = host.actors.broker.subscribe("orders.*", NAME)
        subscription.cancel()
        assert host.actors.broker.publish("orders.paid", b"1") == 0
        assert host.actors.broker.subscriptions_of(NAME) == []
    async with hosting(tmp_path) as host:
        assert host.actors.broker.publish("orders.paid", b"1") == 0


def test_the_pause_before_a_repetition_is_bounded() -> None:
    """However many attempts an operator allows: doubling them for ever has no float."""
    pauses = [pause_after(tries) for tries in range(2_000)]
    assert pauses == sorted(pauses)
    assert pauses[0] == pauses[1] == 0.1
    assert {*pauses[20:], pause_after(10**9)} == {30.0}
