from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import (
    ActorFailed,
    ActorRef,
    ActorStopped,
    ActorSystem,
    AskCycle,
    AskError,
    AskTimeout,
    Context,
    Delivery,
    DeliveryError,
    Envelope,
    MailboxFull,
    MailboxSpec,
    Message,
    NameTaken,
    NoRoute,
    Request,
    Subscription,
)
from airswasm.actor.testing import Faults, Hold, Probe, Scripted
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from .conftest import SEEDS

pytestmark = pytest.mark.anyio


async def test_a_name_is_routed_from_spawn_to_end(system: ActorSystem) -> None:
    """Before and after there is no route, and the error names the name."""
    with pytest.raises(NoRoute, match="'later'"):
        system.broker.tell("later", 1)
    ref = system.spawn(Probe("yes"), name="later")
    assert await system.broker.ask("later", 1) == "yes"
    await system.stop(ref)
    with pytest.raises(NoRoute):
        await system.broker.ask("later", 1)


async def test_an_alias_ends_with_its_actor(system: ActorSystem) -> None:
    """A route to an actor under another name goes when it goes."""
    ref = system.spawn(Probe("x"), name="real")
    system.broker.route("alias", ref)
    with pytest.raises(NameTaken):
        system.broker.route("alias", system.spawn(Probe()))
    assert await system.broker.ask("alias", 0) == "x"
    await system.stop(ref)
    assert "alias" not in system.broker.routes


async def test_a_switch_neither_loses_nor_doubles(system: ActorSystem) -> None:
    """Each of the messages sent around a hundred switches arrives exactly once, in order."""
    one, two = Probe(), Probe()
    refs = [system.spawn(one, name="service"), system.spawn(two, name="spare")]
    for number in range(1000):
        if number % 10 == 0:
            system.broker.switch("service", refs[number // 10 % 2])
        system.broker.tell("service", number)
    for ref in refs:
        await ref.drain(5)
    assert sorted([*one.payloads, *two.payloads]) == list(range(1000))  # type: ignore[type-var]
    assert one.payloads == sorted(one.payloads)  # type: ignore[type-var]


async def test_a_replacement_keeps_order_and_never_overlaps(system: ActorSystem) -> None:
    """Old work, then the rest of the old mailbox, then new messages; one handler at a time."""
    gate, log = anyio.Event(), []

    def version(name: str) -> Callable[[Message, Context], object]:
        async def receive(message: Message, context: Context) -> str:
            log.append(f"{name} begins {message.payload}")
            if message.payload == "held":
                await gate.wait()
            log.append(f"{name} ends {message.payload}")
            return name

        return receive

    old = system.spawn(version("v1"), name="svc")
    new = system.spawn(version("v2"), name="svc@2")
    async with anyio.create_task_group() as group:
        for payload in ("held", "waiting 1", "waiting 2"):
            system.broker.tell("svc", payload)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(lambda: system.broker.replace("svc", new, drain=0.01, shutdown=5))
        await anyio.sleep(0.005)
        system.broker.tell("svc", "new 1")
        await anyio.sleep(0.02)
        await anyio.wait_all_tasks_blocked()
        gate.set()
    old.tell("by the old reference")
    assert await system.broker.ask("svc", "last") == "v2"
    assert log == [
        f"{version} {verb} {payload}"
        for version, payload in (
            ("v1", "held"),
            ("v2", "waiting 1"),
            ("v2", "waiting 2"),
            ("v2", "new 1"),
            ("v2", "by the old reference"),
            ("v2", "last"),
        )
        for verb in ("begins", "ends")
    ]
    assert not old.is_alive


async def test_a_cancelled_replacement_changes_nothing(system: ActorSystem) -> None:
    """The old one keeps the name and gets back what had gone to the new one, behind its own."""
    gate, old_probe = anyio.Event(), Probe()

    async def slow(message: Message, context: Context) -> None:
        await gate.wait()
        old_probe.receive(message, context)

    old = system.spawn(slow, name="svc")
    new = system.spawn(Probe(), name="svc@2")
    for number in (1, 2):
        system.broker.tell("svc", number)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: system.broker.replace("svc", new, drain=60))
        await anyio.wait_all_tasks_blocked()
        system.broker.tell("svc", 3)
        group.cancel_scope.cancel()
    assert system.broker.resolve("svc") is old
    gate.set()
    assert await old_probe.wait_for(3) == [1, 2, 3]


class Doomed:
    """Does not come up, after a while."""

    def __init__(self, until: anyio.Event) -> None:
        self.until = until

    async def start(self) -> None:
        await self.until.wait()
        raise RuntimeError("it cannot")

    def receive(self, message: Message, context: Context) -> None:
        raise AssertionError("it was never ready")


async def test_a_successor_that_ends_before_its_turn_gives_the_name_back(
    system: ActorSystem,
) -> None:
    """At once, not when the old one has drained; what had reached it is in the dead letters."""
    held, doom, probe = anyio.Event(), anyio.Event(), Probe("old")

    async def slow(message: Message, context: Context) -> object:
        await held.wait()
        return probe.receive(message, context)

    old = system.spawn(slow, name="svc")
    new = system.spawn(Doomed(doom), name="svc@2")
    old.tell(1)
    old.tell(2)

    async def replace() -> None:
        with pytest.raises(ActorStopped, match="'svc@2' has stopped"):
            await system.broker.replace("svc", new, drain=60)

    async with anyio.create_task_group() as group:
        group.start_soon(replace)
        await anyio.wait_all_tasks_blocked()
        system.broker.tell("svc", "lost")
        doom.set()
        await anyio.wait_all_tasks_blocked()
        assert system.broker.resolve("svc") is old
        system.broker.tell("svc", 3)
        held.set()
    assert probe.payloads == [1, 2, 3]
    assert [letter.message.payload for letter in system.dead_letters] == ["lost"]
    with pytest.raises(ActorStopped):
        await system.broker.replace("svc", new)
    assert await system.broker.ask("svc", 4) == "old"


async def test_a_predecessor_that_ends_while_it_drains_is_succeeded(system: ActorSystem) -> None:
    """Its crash ends it; the new one has the name, and begins without waiting for the drain."""
    crash, probe = anyio.Event(), Probe("new")

    async def fail(message: Message, context: Context) -> None:
        await crash.wait()
        raise RuntimeError("while it drains")

    system.spawn(fail, name="svc").tell(0)
    new = system.spawn(probe, name="svc@2")
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: system.broker.replace("svc", new, drain=60))
        await anyio.wait_all_tasks_blocked()
        system.broker.tell("svc", 1)
        crash.set()
    assert await system.broker.ask("svc", 2) == "new"
    assert probe.payloads == [1, 2]


async def test_hand_overs_of_one_name_take_turns(system: ActorSystem) -> None:
    """The third version begins after the second, whose turn comes after the first has ended."""
    held, log = anyio.Event(), []

    def version(name: str) -> Callable[[Message, Context], object]:
        async def receive(message: Message, context: Context) -> None:
            log.append(f"{name} {message.payload}")
            await held.wait()
            log.append(f"{name} done")

        return receive

    for number, name in enumerate(("svc", "svc@2", "svc@3"), 1):
        system.spawn(version(f"v{number}"), name=name)
    system.broker.tell("svc", 1)
    async with anyio.create_task_group() as group:
        for name in ("svc@2", "svc@3"):
            new = system.broker.resolve(name)
            group.start_soon(lambda new: system.broker.replace("svc", new, drain=60), new)
            await anyio.wait_all_tasks_blocked()
        system.broker.tell("svc", 2)
        held.set()
    assert await system.broker.ask("svc", 3) is None
    assert [line for line in log if "done" not in line] == ["v1 1", "v2 2", "v3 3"]
    assert log == [f"v{number} {what}" for number in (1, 2, 3) for what in (number, "done")]


async def test_a_hand_over_that_is_cancelled_leaves_both_as_they_were(system: ActorSystem) -> None:
    """System messages go back too, and the new one delivers what it is sent by reference.

    Found by the soak: it stayed paused for ever.
    """
    gate, old_probe, new_probe = anyio.Event(), Probe(), Probe()

    async def slow(message: Message, context: Context) -> None:
        await gate.wait()
        old_probe.receive(message, context)

    old = system.spawn(slow, name="svc")
    new = system.spawn(new_probe, name="svc@2")
    old.tell(1)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: system.broker.replace("svc", new, drain=60))
        await anyio.wait_all_tasks_blocked()
        system.broker.resolve("svc").signal("urgent")
        system.broker.tell("svc", 2)
        new.resume()  # resuming it now does not make it overlap
        await anyio.wait_all_tasks_blocked()
        assert new_probe.payloads == []
        group.cancel_scope.cancel()
    gate.set()
    assert await old_probe.wait_for(3) == [1, "urgent", 2]
    new.tell("direct")
    assert await new_probe.wait_for(1) == ["direct"]


async def test_rings_are_found_across_a_replacement(system: ActorSystem) -> None:
    """The new one stands still until the old one has ended: waiting for it is waiting for that."""
    caught: list[AskError] = []
    replacing = anyio.Event()

    async def asks_back(message: Message, context: Context) -> object:
        try:
            return await context.ask("svc", message.payload)
        except AskCycle as error:
            caught.append(error)
            return "refused"

    async def asks(message: Message, context: Context) -> object:
        await replacing.wait()
        return await context.ask("back", 0)

    system.spawn(asks, name="svc")
    system.spawn(asks_back, name="back")
    new = system.spawn(Probe(), name="svc@2")
    async with anyio.create_task_group() as group:
        group.start_soon(system.broker.ask, "svc", 1)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(lambda: system.broker.replace("svc", new, drain=60))
        await anyio.wait_all_tasks_blocked()
        replacing.set()
    assert caught[0].path == ("back", "svc@2", "svc", "back")  # type: ignore[attr-defined]


async def test_a_publication_reaches_each_subscriber_once(system: ActorSystem) -> None:
    """However many patterns match; in the subscriber's mailbox, with topic and sender."""
    probes = {name: Probe() for name in ("exact", "star", "rest", "other")}
    refs = {name: system.spawn(probe, name=name) for name, probe in probes.items()}
    system.broker.subscribe("orders.eu.paid", refs["exact"])
    system.broker.subscribe("orders.*.paid", refs["star"])
    system.broker.subscribe("orders.**", "rest")
    system.broker.subscribe("**", "rest")
    system.broker.subscribe("orders.us.*", "other")
    assert system.broker.publish("orders.eu.paid", b"42", sender="shop") == 3
    for ref in refs.values():
        await ref.drain(5)
    assert {name: len(probe.messages) for name, probe in probes.items()} == {
        "exact": 1,
        "star": 1,
        "rest": 1,
        "other": 0,
    }
    message = probes["rest"].messages[0]
    assert (message.topic, message.sender, message.payload) == ("orders.eu.paid", "shop", b"42")


async def test_a_subscription_lasts_as_long_as_one_owner_wants_it(system: ActorSystem) -> None:
    """Over an update, the old incarnation's end does not end what the new one subscribed to."""
    probe = Probe()
    ref = system.spawn(probe, name="svc")
    for owner in ("incarnation 1", "incarnation 2"):
        system.broker.subscribe("news.*", "svc", owner=owner)
    system.broker.unsubscribe_owner("incarnation 1")
    assert system.broker.publish("news.today", 1) == 1
    assert system.broker.subscriptions_of("svc") == ["news.*"]
    assert system.broker.unsubscribe("news.*", "svc", owner="incarnation 2")
    assert system.broker.publish("news.today", 2) == 0
    await ref.drain(5)
    assert probe.payloads == [1]


async def test_a_full_subscriber_misses_out_alone(system: ActorSystem) -> None:
    """The others get the message; the count says how many did."""
    full = system.spawn(Probe(), mailbox=MailboxSpec(1), is_paused=True)
    probe = Probe()
    free = system.spawn(probe)
    for ref in (full, free):
        system.broker.subscribe("t", ref)
    assert [system.broker.publish("t", number) for number in range(2)] == [2, 1]
    await free.drain(5)
    assert probe.payloads == [0, 1]
    await system.stop(full)
    assert system.broker.publish("t", 3) == 1


class Ledger:
    """A hook that notes, and refuses what is called `secret`."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def before(self, delivery: Delivery) -> None:
        if delivery.payload == "secret":
            raise ActorStopped(delivery.target, "denied")
        self.lines.append(f"before {delivery.kind} {delivery.sender} > {delivery.target}")

    def after(self, delivery: Delivery, error: Exception | None) -> None:
        self.lines.append(f"after {type(error).__name__ if error else 'ok'}")


async def test_hooks_learn_that_a_question_was_sent(system: ActorSystem) -> None:
    """Once for each, whatever becomes of the answer: an asker may give up, or be cancelled."""

    class Silent:
        async def receive(self, _message: object, _context: object) -> None:
            await anyio.sleep_forever()

    ledger = Ledger()
    system.broker.add_hook(ledger)
    system.spawn(Silent(), name="silent", shutdown=0.1)
    with anyio.move_on_after(0.02):
        await system.broker.ask("silent", 1)
    with pytest.raises(AskTimeout):
        await system.broker.ask("silent", 2, timeout=0.02)
    asked = "before ask host > silent"
    assert ledger.lines == [asked, "after ok", asked, "after ok"]


async def test_hooks_see_and_refuse(system: ActorSystem) -> None:
    """Everything that passes the broker by name or topic; until they are removed."""
    ledger = Ledger()
    hook = system.broker.add_hook(ledger)
    ref = system.spawn(Probe("answer"), name="svc")
    system.broker.tell("svc", 1, sender="a")
    assert await system.broker.ask("svc", 1, sender="b") == "answer"
    system.broker.publish("t", 1, sender="c")
    with pytest.raises(NoRoute):
        system.broker.tell("absent", 1)
    with pytest.raises(ActorStopped, match="denied"):
        system.broker.tell("svc", "secret")
    hook.cancel()
    system.broker.tell("svc", "secret")
    assert await ref.drain(5)
    assert ledger.lines == [
        "before tell a > svc",
        "after ok",
        "before ask b > svc",
        "after ok",
        "before publish c > t",
        "after ok",
        "before tell host > absent",
        "after NoRoute",
    ]


async def test_a_request_calls_back_exactly_once(system: ActorSystem) -> None:
    """With the outcome: an answer, a failure, or nothing after a cancel."""
    gate = anyio.Event()
    system.spawn(Scripted(Hold(gate, "late")), name="svc")
    outcomes: list[Request] = []
    first = system.broker.request("svc", 1, outcomes.append, timeout=5)
    second = system.broker.request("svc", 2, outcomes.append, timeout=5)
    assert second.cancel()
    assert not second.cancel()
    gate.set()
    await system.broker.resolve("svc").drain(5)
    assert outcomes == [first]
    assert first.result() == "late"
    assert len(system.timers) == 0


class Wire:
    """A transport to a system that is not there: it answers itself."""

    def __init__(self) -> None:
        self.sent: list[tuple[object, ...]] = []
        self.envelopes: list[Envelope | None] = []
        self.cancelled = 0
        self.done: list[Callable[[object, BaseException | None], None]] = []

    def knows(self, target: str) -> bool:
        return target.startswith("far/")

    def tell(self, target: str, payload: object, *, sender: str, envelope: Envelope | None) -> None:
        self.sent.append((target, payload, sender))
        self.envelopes.append(envelope)

    def request(
        self,
        target: str,
        payload: object,
        *,
        sender: str,
        envelope: Envelope | None,
        timeout: float,
        on_done: Callable[[object, BaseException | None], None],
    ) -> Callable[[], None]:
        self.sent.append((target, payload, sender))
        self.envelopes.append(envelope)
        self.done.append(on_done)
        return self.note_end

    def publish(
        self, topic: str, payload: object, *, sender: str, envelope: Envelope | None
    ) -> int:
        self.sent.append((topic, payload, sender))
        self.envelopes.append(envelope)
        return 2

    def note_end(self) -> None:
        self.cancelled += 1


async def test_what_is_handed_over_is_on_the_books(system: ActorSystem) -> None:
    """`deliver` keeps sender and id of the message, and is counted like any other way."""
    probe = Probe()
    ref = system.spawn(probe, name="svc", mailbox=MailboxSpec(1), is_paused=True)
    message = Message(b"x", "far/a", "t", 7, 1.5)
    system.broker.deliver("svc", message)
    with pytest.raises(MailboxFull):
        system.broker.deliver("svc", message)
    with pytest.raises(NoRoute):
        system.broker.deliver("absent", message)
    ref.resume()
    assert await ref.drain(5)
    assert probe.messages == [message]
    books = system.books()
    assert (books.sent, books.handled, books.rejected) == (2, 1, 1)


async def test_unknown_names_go_through_the_transport(system: ActorSystem) -> None:
    """Only those that it knows; answers, failures and time-outs come back as from an actor."""
    wire = Wire()
    connection = system.broker.connect(wire)
    envelope = Envelope("a-1")
    system.broker.tell("far/a", 1, sender="x", envelope=envelope)
    assert system.broker.publish("t", 2, envelope=envelope) == 2
    outcomes: list[Request] = []
    system.broker.request("far/a", 3, outcomes.append, timeout=5, envelope=envelope)
    assert wire.envelopes == [envelope] * 3
    wire.done[0]("answer", None)
    assert outcomes[0].result() == "answer"
    with pytest.raises(AskTimeout):
        await system.broker.ask("far/a", 4, timeout=0.01)
    assert wire.cancelled == 2
    bound = Envelope(deadline=system.broker.wall_time() + 0.01)
    with pytest.raises(AskTimeout) as caught:
        await system.broker.ask("far/a", 4, timeout=60, envelope=bound)
    assert caught.value.is_inherited
    with pytest.raises(AskTimeout):
        await system.broker.ask("far/a", 4, timeout=60, envelope=bound)
    assert len(wire.done) == 3
    wire.done[2]("too late", None)
    assert system.dispatcher.late == 1
    with pytest.raises(NoRoute):
        system.broker.tell("near/a", 5)
    connection.cancel()
    with pytest.raises(NoRoute):
        system.broker.tell("far/a", 6)


NAMES = ("a", "b", "c")
names = st.sampled_from(NAMES)
targets = st.sampled_from((*NAMES, "x", "y", "far/z", "absent"))
aliases = st.sampled_from(("x", "y", "a"))
patterns = st.sampled_from(("t", "t.*", "t.**", "*.u", "**", "t.u.v"))
topics = st.sampled_from(("t", "t.u", "t.u.v", "w", "w.u"))
owners = st.sampled_from((None, "one", "two"))
broker_steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("spawn", "spawn", "stop", "crash")), names),
        st.tuples(st.sampled_from(("tell", "tell", "ask")), targets),
        st.tuples(st.sampled_from(("route", "switch")), aliases, names),
        st.tuples(st.just("unroute"), aliases),
        st.tuples(st.sampled_from(("publish", "publish")), topics),
        st.tuples(
            st.sampled_from(("subscribe", "subscribe", "unsubscribe")),
            patterns,
            st.sampled_from(("a", "b", "x", "ref a", "ref b")),
            owners,
        ),
        st.tuples(st.just("unsubscribe owner"), owners),
        st.tuples(st.sampled_from(("guard", "unguard", "connect", "disconnect"))),
    ),
    min_size=5,
    max_size=40,
)


def falls_under(topic: str, pattern: str) -> bool:
    """Whether a topic falls under a pattern, by another way than the code under test."""
    expression = re.escape(pattern).replace(r"\*\*", "**").replace(r"\*", "[^.]+")
    if expression == "**":
        return True
    if expression.endswith(r"\.**"):
        expression = expression[: -len(r"\.**")] + r"(\..+)?"
    return re.fullmatch(expression, topic) is not None


class BrokerModel:
    """Routes and subscriptions in the simplest words. Actors are numbers, in spawning order."""

    def __init__(self) -> None:
        self.alive: dict[int, str] = {}
        self.routes: dict[str, int] = {}
        self.heard: list[tuple[int, str]] = []
        self.subscriptions: dict[tuple[str, str | int], set[str | None]] = {}
        self.far: list[str] = []
        self.is_guarded = self.is_connected = False

    def end(self, actor: int) -> None:
        del self.alive[actor]
        self.routes = {name: ref for name, ref in self.routes.items() if ref != actor}
        self.subscriptions = {
            key: owners for key, owners in self.subscriptions.items() if key[1] != actor
        }

    def send(self, target: str) -> str:
        """Return the receiver: an actor, far away, or an error."""
        if self.is_guarded and target == "b":
            return "denied"
        if target in self.routes:
            self.heard.append((self.routes[target], target))
            return "here"
        if self.is_connected and target.startswith("far/"):
            self.far.append(target)
            return "far"
        return "NoRoute"

    def publish(self, topic: str) -> int:
        reached: dict[str | int, None] = {}
        for pattern, subscriber in self.subscriptions:
            if falls_under(topic, pattern):
                reached[subscriber] = None
        actors = [self.routes.get(each) if isinstance(each, str) else each for each in reached]
        self.heard += [(actor, topic) for actor in actors if actor is not None]
        self.far += [topic] * self.is_connected
        return sum(actor is not None for actor in actors) + 2 * self.is_connected


class Guard:
    """A hook that refuses what goes to b."""

    def before(self, delivery: Delivery) -> None:
        if delivery.target == "b":
            raise DeliveryError("b", "denied")

    def after(self, delivery: Delivery, error: Exception | None) -> None:
        return


class BrokerMachine:
    """Takes the same steps with a model and with a broker."""

    def __init__(self, system: ActorSystem) -> None:
        self.system, self.broker = system, system.broker
        self.model = BrokerModel()
        self.refs: list[ActorRef] = []
        self.heard: list[tuple[int, str]] = []
        self.wire = Wire()
        self.connection: Subscription | None = None
        self.guard: Subscription | None = None

    async def take(self, step: tuple[object, ...]) -> None:
        taken = getattr(self, "_" + str(step[0]).replace(" ", "_"))(*step[1:])
        if isinstance(taken, Awaitable):
            await taken
        await anyio.wait_all_tasks_blocked()
        model = self.model
        assert dict(self.broker.routes) == {
            name: self.refs[actor] for name, actor in model.routes.items()
        }
        # Subscribers hear in the order of subscribing, but take turns of their own.
        for actor, ref in enumerate(self.refs):
            heard = [what for who, what in self.heard if who == actor]
            assert heard == [what for who, what in model.heard if who == actor]
            assert ref.is_alive == (actor in model.alive)
        assert [sent[0] for sent in self.wire.sent] == model.far
        assert self.system.books().is_balanced

    def _spawn(self, name: str) -> None:
        number = len(self.refs)

        def receive(message: Message, _context: Context) -> object:
            if message.payload == "crash":
                raise RuntimeError("as it was told")
            self.heard.append((number, str(message.payload)))
            return "here"

        if name in self.model.routes or self._find(name) is not None:
            with pytest.raises(NameTaken):
                self.system.spawn(receive, name=name)
            return
        self.refs.append(self.system.spawn(receive, name=name))
        self.model.alive[number] = name
        self.model.routes[name] = number

    def _find(self, name: str) -> int | None:
        """The actor that was spawned under a name, wherever that leads now."""
        return next((one for one, own in self.model.alive.items() if own == name), None)

    async def _stop(self, name: str) -> None:
        actor = self._find(name)
        if actor is not None:
            await self.system.stop(self.refs[actor])
            self.model.end(actor)

    def _crash(self, name: str) -> None:
        actor = self._find(name)
        if actor is not None:
            self.refs[actor].tell("crash")
            self.model.end(actor)

    def _tell(self, target: str) -> None:
        expected = self.model.send(target)
        outcome = "sent"
        try:
            self.broker.tell(target, target)
        except DeliveryError as error:
            outcome = "NoRoute" if isinstance(error, NoRoute) else "denied"
        assert outcome == ("sent" if expected in ("here", "far") else expected)

    async def _ask(self, target: str) -> None:
        expected = self.model.send(target)
        kinds = {NoRoute: "NoRoute", AskTimeout: "far", DeliveryError: "denied"}
        try:
            outcome = await self.broker.ask(target, target, timeout=1)
        except (DeliveryError, AskTimeout) as error:
            outcome = kinds[type(error)]
        assert outcome == expected

    def _route(self, alias: str, name: str) -> None:
        actor, known = self._find(name), self.model.routes.get(alias)
        if actor is None:
            return
        if known not in (None, actor):
            with pytest.raises(NameTaken):
                self.broker.route(alias, self.refs[actor])
            return
        self.broker.route(alias, self.refs[actor])
        self.model.routes[alias] = actor

    def _switch(self, alias: str, name: str) -> None:
        actor, known = self._find(name), self.model.routes.get(alias)
        if actor is None:
            return
        if known is None:
            with pytest.raises(NoRoute):
                self.broker.switch(alias, self.refs[actor])
            return
        assert self.broker.switch(alias, self.refs[actor]) is self.refs[known]
        self.model.routes[alias] = actor

    def _unroute(self, alias: str) -> None:
        self.broker.unroute(alias)
        self.model.routes.pop(alias, None)

    def _publish(self, topic: str) -> None:
        assert self.broker.publish(topic, topic) == self.model.publish(topic)

    def _subscriber(self, text: str) -> tuple[str | ActorRef, str | int] | None:
        if not text.startswith("ref "):
            return text, text
        actor = self._find(text[4:])
        return None if actor is None else (self.refs[actor], actor)

    def _subscribe(self, pattern: str, text: str, owner: str | None) -> None:
        subscriber = self._subscriber(text)
        if subscriber is not None:
            self.broker.subscribe(pattern, subscriber[0], owner=owner)
            self.model.subscriptions.setdefault((pattern, subscriber[1]), set()).add(owner)

    def _unsubscribe(self, pattern: str, text: str, owner: str | None) -> None:
        subscriber = self._subscriber(text)
        if subscriber is not None:
            owned = self.model.subscriptions.get((pattern, subscriber[1]), set())
            was_there = owner in owned
            assert self.broker.unsubscribe(pattern, subscriber[0], owner=owner) is was_there
            owned.discard(owner)
            self._forget_unowned()

    def _unsubscribe_owner(self, owner: str | None) -> None:
        self.broker.unsubscribe_owner(owner)
        for owned in self.model.subscriptions.values():
            owned.discard(owner)
        self._forget_unowned()

    def _forget_unowned(self) -> None:
        subscriptions = self.model.subscriptions
        self.model.subscriptions = {key: owned for key, owned in subscriptions.items() if owned}

    def _guard(self) -> None:
        self._unguard()
        self.guard = self.broker.add_hook(Guard())
        self.model.is_guarded = True

    def _unguard(self) -> None:
        if self.guard is not None:
            self.guard.cancel()
        self.model.is_guarded = False

    def _connect(self) -> None:
        self.connection = self.broker.connect(self.wire)
        self.model.is_connected = True

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.cancel()
        self.model.is_connected = False


@given(steps=broker_steps)
@settings(max_examples=SEEDS)
def test_the_broker_does_what_its_model_does(steps: list[tuple[object, ...]]) -> None:
    """Names, aliases, topics, owners, hooks and a transport, while actors come, end and crash."""

    async def run() -> None:
        async with ActorSystem() as system:
            machine = BrokerMachine(system)
            for step in steps:
                await machine.take(step)

    options = {"clock": MockClock(autojump_threshold=0)}
    anyio.run(run, backend="trio", backend_options=options)


tells = st.tuples(st.just("tell"), st.integers(1, 5))
hand_over_steps = st.lists(
    st.one_of(
        tells,
        tells,
        st.tuples(
            st.just("replace"),
            st.sampled_from((0.0, 0.5, 5.0)),  # drain
            st.sampled_from((None, None, None, 0.0, 0.3, 1.0)),  # the successor fails after that
            st.sampled_from((None, None, 0.1, 0.6)),  # it is cancelled after that
            st.booleans(),  # whether the steps wait for it
        ),
        st.one_of(
            st.tuples(st.just("sleep"), st.sampled_from((0.0, 0.05, 0.3, 2.0))),
            st.tuples(st.sampled_from(("crash", "kill"))),
        ),
    ),
    min_size=4,
    max_size=20,
)


class Versions:
    """One name, whose actors follow each other while messages keep coming."""

    def __init__(self, system: ActorSystem, delay: float, shutdown: float) -> None:
        self.system = system
        self.delay, self.shutdown = delay, shutdown
        self.active: list[str] = []
        self.seen: list[int] = []
        self.sent = self.refused = self.versions = 0
        self.new()

    def new(self, fails_after: float | None = None) -> ActorRef:
        self.versions += 1
        name = f"svc@{self.versions}"
        ref = self.system.spawn(Version(self, name, fails_after), name=name)
        self.system.broker.routes.get("svc") or self.system.broker.route("svc", ref)
        return ref

    def tell(self, payload: object) -> None:
        try:
            self.system.broker.tell("svc", payload)
        except NoRoute:  # the last one has ended: another is started
            self.new()
            self.system.broker.tell("svc", payload)

    async def take(self, step: tuple[object, ...], group: anyio.abc.TaskGroup) -> None:
        if step[0] == "tell":
            for _ in range(int(str(step[1]))):
                self.tell(self.sent)
                self.sent += 1
        elif step[0] == "sleep":
            await anyio.sleep(float(str(step[1])))
        elif step[0] == "crash":
            self.tell("crash")
        elif step[0] == "kill" and "svc" in self.system.broker.routes:
            Faults(self.system).kill(self.system.broker.resolve("svc"))
        elif step[0] == "replace":
            await self.replace(group, *step[1:])  # type: ignore[arg-type]

    async def replace(
        self,
        group: anyio.abc.TaskGroup,
        drain: float,
        fails_after: float | None,
        cancel_after: float | None,
        is_waited_for: bool,
    ) -> None:
        if "svc" not in self.system.broker.routes:
            self.new()
        new = self.new(fails_after)

        async def hand_over() -> None:
            with anyio.move_on_after(math.inf if cancel_after is None else cancel_after):
                try:
                    await self.system.broker.replace(
                        "svc", new, drain=drain, shutdown=self.shutdown
                    )
                except (NoRoute, ActorStopped):
                    self.refused += 1

        if is_waited_for:
            await hand_over()
        else:
            group.start_soon(hand_over)


class Version:
    """One of them; notices when another handles messages at the same time."""

    def __init__(self, all_: Versions, name: str, fails_after: float | None) -> None:
        self.all, self.name, self.fails_after = all_, name, fails_after

    async def start(self) -> None:
        if self.fails_after is not None:
            await anyio.sleep(self.fails_after)
            raise RuntimeError("it cannot")

    async def receive(self, message: Message, _context: Context) -> None:
        assert not self.all.active, f"{self.name} overlaps {self.all.active}"
        self.all.active.append(self.name)
        try:
            await anyio.sleep(self.all.delay)
            if message.payload == "crash":
                raise RuntimeError("as it was told")
            self.all.seen.append(int(str(message.payload)))
        finally:
            self.all.active.remove(self.name)


@given(
    steps=hand_over_steps,
    delay=st.sampled_from((0.0, 0.2, 0.5)),
    shutdown=st.sampled_from((0.0, 0.1, 5.0)),
)
@settings(max_examples=SEEDS)
def test_hand_overs_under_faults_keep_the_books(
    steps: list[tuple[object, ...]], delay: float, shutdown: float
) -> None:
    """Every message is handled once, in order, by one version at a time, or is a dead letter."""
    options = {"clock": MockClock(autojump_threshold=0)}
    anyio.run(_hand_over, steps, delay, shutdown, backend="trio", backend_options=options)


async def _hand_over(steps: list[tuple[object, ...]], delay: float, shutdown: float) -> None:
    async with ActorSystem(dead_letters=10_000) as system:
        versions = Versions(system, delay, shutdown)
        async with anyio.create_task_group() as group:
            for step in steps:
                await versions.take(step, group)
                await anyio.wait_all_tasks_blocked()
        await anyio.sleep(1000)
        assert system.books().in_hand == 0
        seen = versions.seen
        assert seen == sorted(seen)
        letters = [letter.message.payload for letter in system.dead_letters]
        dead = [payload for payload in letters if isinstance(payload, int)]
        waiting = versions.sent - len(seen) - len(dead)
        assert waiting == 0, f"{waiting} wait for an answer that cannot come"
        assert sorted(seen + dead) == list(range(versions.sent))
        assert system.books().is_balanced
        assert not system.broker._names.hand_overs
        assert len(system.timers) == 0


@pytest.mark.parametrize("_seed", range(5))
def test_a_killed_handler_has_unwound_before_its_successor_begins(_seed: int) -> None:
    """Found by the state machine: brutally killed in a chain of replacements, two overlapped."""
    replace = ("replace", 0.0, None, None, True)
    steps = [("tell", 4), replace, replace, ("sleep", 0.0), replace, ("sleep", 0.3)]
    options = {"clock": MockClock(autojump_threshold=0)}
    anyio.run(_hand_over, steps, 0.0, 0.0, backend="trio", backend_options=options)


async def test_a_failed_ask_by_name_is_typed(system: ActorSystem) -> None:
    """As by reference."""
    system.spawn(Probe(), name="full", mailbox=MailboxSpec(1), is_paused=True)
    system.broker.tell("full", 1)
    with pytest.raises(MailboxFull):
        await system.broker.ask("full", 2)

    def fail(message: Message, context: Context) -> None:
        raise ValueError("no")

    system.spawn(fail, name="fails")
    with pytest.raises(ActorFailed):
        await system.broker.ask("fails", 1)
