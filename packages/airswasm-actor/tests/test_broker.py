from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import (
    ActorFailed,
    ActorStopped,
    ActorSystem,
    AskCycle,
    AskError,
    AskTimeout,
    Context,
    Delivery,
    MailboxFull,
    MailboxSpec,
    Message,
    NameTaken,
    NoRoute,
    Request,
)
from airswasm.actor.testing import Hold, Probe, Scripted
from hypothesis import given
from hypothesis import strategies as st

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


async def test_rings_are_found_across_a_replacement(system: ActorSystem) -> None:
    """The new one stands still until the old one has ended: waiting for it is waiting for that."""
    caught: list[AskError] = []

    async def asks_back(message: Message, context: Context) -> object:
        try:
            return await context.ask("svc", message.payload)
        except AskCycle as error:
            caught.append(error)
            return "refused"

    async def asks(message: Message, context: Context) -> object:
        await anyio.sleep(0.01)
        return await context.ask("back", 0)

    system.spawn(asks, name="svc")
    system.spawn(asks_back, name="back")
    new = system.spawn(Probe(), name="svc@2")
    async with anyio.create_task_group() as group:
        group.start_soon(system.broker.ask, "svc", 1)
        await anyio.lowlevel.checkpoint()
        group.start_soon(lambda: system.broker.replace("svc", new, drain=5))
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


async def test_hooks_see_and_refuse(system: ActorSystem) -> None:
    """Everything that passes the broker by name or topic; until they are removed."""
    ledger = Ledger()
    hook = system.broker.add_hook(ledger)
    ref = system.spawn(Probe("answer"), name="svc")
    system.broker.tell("svc", 1, sender="a")
    assert await system.broker.ask("svc", 1, sender="b") == "answer"
    system.broker.publish("t", 1, sender="c")
    with pytest.raises(NoRoute):
        system.broker.tell("nobody", 1)
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
        "before tell host > nobody",
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
        self.cancelled = 0
        self.done: list[Callable[[object, BaseException | None], None]] = []

    def knows(self, target: str) -> bool:
        return target.startswith("far/")

    def tell(self, target: str, payload: object, *, sender: str) -> None:
        self.sent.append((target, payload, sender))

    def request(
        self,
        target: str,
        payload: object,
        *,
        sender: str,
        timeout: float,
        on_done: Callable[[object, BaseException | None], None],
    ) -> Callable[[], None]:
        self.sent.append((target, payload, sender))
        self.done.append(on_done)
        return self.note_end

    def publish(self, topic: str, payload: object, *, sender: str) -> int:
        self.sent.append((topic, payload, sender))
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
        system.broker.deliver("nobody", message)
    ref.resume()
    assert await ref.drain(5)
    assert probe.messages == [message]
    books = system.books()
    assert (books.sent, books.handled, books.rejected) == (2, 1, 1)


async def test_unknown_names_go_through_the_transport(system: ActorSystem) -> None:
    """Only those that it knows; answers, failures and time-outs come back as from an actor."""
    wire = Wire()
    connection = system.broker.connect(wire)
    system.broker.tell("far/a", 1, sender="x")
    assert system.broker.publish("t", 2) == 2
    outcomes: list[Request] = []
    system.broker.request("far/a", 3, outcomes.append, timeout=5)
    wire.done[0]("answer", None)
    assert outcomes[0].result() == "answer"
    with pytest.raises(AskTimeout):
        await system.broker.ask("far/a", 4, timeout=0.01)
    assert wire.cancelled == 2
    with pytest.raises(NoRoute):
        system.broker.tell("near/a", 5)
    connection.cancel()
    with pytest.raises(NoRoute):
        system.broker.tell("far/a", 6)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(1, 5)),
        st.tuples(st.just("replace"), st.sampled_from((0.0, 0.5, 5.0))),
        st.tuples(st.just("sleep"), st.sampled_from((0.0, 0.3, 2.0))),
    ),
    max_size=15,
)


@given(steps=STEPS, delay=st.sampled_from((0.0, 0.2)), shutdown=st.sampled_from((0.0, 0.1, 5.0)))
def test_replacements_under_load_keep_the_books(
    steps: list[tuple[object, ...]], delay: float, shutdown: float
) -> None:
    """Every message is handled once, in order, by one version at a time, or is a dead letter."""
    import trio.testing

    clock = trio.testing.MockClock(autojump_threshold=0)
    anyio.run(
        _replace_under_load,
        steps,
        delay,
        shutdown,
        backend="trio",
        backend_options={"clock": clock},
    )


async def _replace_under_load(
    steps: list[tuple[object, ...]], delay: float, shutdown: float
) -> None:
    seen: list[int] = []
    active: list[str] = []

    def version(name: str) -> Callable[[Message, Context], object]:
        async def receive(message: Message, context: Context) -> None:
            assert not active
            active.append(name)
            try:
                await anyio.sleep(delay)
                seen.append(int(str(message.payload)))
            finally:
                active.remove(name)

        return receive

    async with ActorSystem() as system:
        system.spawn(version("svc"), name="svc")
        sent = versions = 0
        for step in steps:
            if step[0] == "tell":
                for _ in range(int(str(step[1]))):
                    system.broker.tell("svc", sent)
                    sent += 1
            elif step[0] == "sleep":
                await anyio.sleep(float(str(step[1])))
            elif step[0] == "replace":
                versions += 1
                new = system.spawn(version(f"svc@{versions}"), name=f"svc@{versions}")
                drain = float(str(step[1]))
                await system.broker.replace("svc", new, drain=drain, shutdown=shutdown)
        assert await system.broker.resolve("svc").drain(1000)
        assert seen == sorted(seen)
        dead = [int(str(letter.message.payload)) for letter in system.dead_letters]
        assert sorted(seen + dead) == list(range(sent))
        assert system.books().is_balanced


@pytest.mark.parametrize("_seed", range(5))
def test_a_killed_handler_has_unwound_before_its_successor_begins(_seed: int) -> None:
    """Found by the state machine: brutally killed in a chain of replacements, two overlapped."""
    import trio.testing

    steps = [("tell", 4), *[("replace", 0.0)] * 2, ("sleep", 0.0), ("replace", 0.0), ("sleep", 0.3)]
    clock = trio.testing.MockClock(autojump_threshold=0)
    options = {"clock": clock}
    anyio.run(_replace_under_load, steps, 0.0, 0.0, backend="trio", backend_options=options)


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
