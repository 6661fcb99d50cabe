from __future__ import annotations

import anyio
import pytest
from airswasm.actor import (
    ActorFailed,
    ActorRef,
    ActorStopped,
    ActorSystem,
    AskCycle,
    AskTimeout,
    Context,
    Down,
    Message,
    NameTaken,
    SystemClosed,
)
from airswasm.actor._running.reference import cell_of
from airswasm.actor.testing import Crash, CrashOnCue, Hold, Leave, Probe, Reply, Scripted

pytestmark = pytest.mark.anyio


class Forward:
    """Answers with what another actor answers."""

    def __init__(self, target: str) -> None:
        self.target = target

    async def receive(self, message: Message, context: Context) -> object:
        return await context.ask(self.target, message.payload)


async def test_a_class_is_no_actor(system: ActorSystem) -> None:
    """It would crash at the first message; the refusal says what to pass."""
    with pytest.raises(TypeError, match="Forward is a class and no actor"):
        system.spawn(Forward, name="forward")
    assert system.spawn(Forward("forward"), name="forward")


async def test_an_ask_returns_what_receive_returns(system: ActorSystem) -> None:
    """Plain and async handlers answer alike."""
    plain = system.spawn(lambda message, context: ("plain", message.payload))
    waiting = system.spawn(Scripted())
    assert await plain.ask(1) == ("plain", 1)
    assert await waiting.ask(2) == 2


async def test_a_plain_handler_may_return_an_awaitable(system: ActorSystem) -> None:
    """Its result is the answer, and the actor takes no other message meanwhile."""
    gate = anyio.Event()
    busy: list[str] = []

    async def later(payload: object) -> object:
        busy.append("in")
        await gate.wait()
        busy.append("out")
        return payload

    ref = system.spawn(lambda message, context: later(message.payload))
    async with anyio.create_task_group() as group:
        group.start_soon(ref.ask, 1)
        group.start_soon(ref.ask, 2)
        await anyio.wait_all_tasks_blocked()
        assert busy == ["in"]
        gate.set()
    assert busy == ["in", "out", "in", "out"]


async def test_a_plain_handler_may_answer_some_at_once_and_some_later(
    system: ActorSystem,
) -> None:
    """In order, whatever waits behind what; found by the soak's own books."""

    async def later(payload: object) -> object:
        await anyio.lowlevel.checkpoint()
        return payload

    def receive(message: Message, _context: Context) -> object:
        handled.append(message.payload)
        return later(message.payload) if message.payload in (1, 4) else message.payload

    handled: list[object] = []
    answers: dict[int, object] = {}
    ref = system.spawn(receive, is_paused=True)

    async def ask(number: int) -> None:
        answers[number] = await ref.ask(number)

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(ask, number)
            await anyio.wait_all_tasks_blocked()
        ref.resume()
    assert answers == {number: number for number in range(6)}
    assert handled == list(range(6))
    assert len(system.dead_letters) == 0


async def test_messages_arrive_in_the_order_of_sending(system: ActorSystem) -> None:
    """One sender's messages to one actor are never reordered, tells and asks mixed."""
    probe = Probe()
    ref = system.spawn(probe)
    for number in range(200):
        ref.tell(number)
    await ref.ask(200)
    assert probe.payloads == list(range(201))


async def test_handlers_of_one_actor_never_overlap(system: ActorSystem) -> None:
    """While a handler waits, the actor takes no other message; other actors go on."""
    gate = anyio.Event()
    slow = system.spawn(Scripted(Hold(gate, "first")))
    other = system.spawn(Probe("here"))
    answers: list[object] = []

    async def ask(payload: object) -> None:
        answers.append(await slow.ask(payload))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, "a")
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ask, "b")
        await anyio.wait_all_tasks_blocked()
        assert await other.ask(None) == "here"
        assert answers == []
        assert slow.mailbox.size == 1
        gate.set()
    assert sorted(answers) == ["b", "first"]  # type: ignore[type-var]


async def test_a_crash_fails_the_ask_and_ends_an_unsupervised_actor(system: ActorSystem) -> None:
    """The asker gets the cause, the message is a dead letter, later messages are refused."""
    ref = system.spawn(Scripted(Crash("ouch")), name="fragile")
    with pytest.raises(ActorFailed, match="ouch") as caught:
        await ref.ask("poison")
    assert isinstance(caught.value.cause, CrashOnCue)
    with pytest.raises(ActorStopped):
        ref.tell("more")
    (letter,) = system.dead_letters
    assert (letter.message.payload, letter.target, letter.reason) == (
        "poison",
        "fragile",
        "crashed",
    )
    assert letter.incarnation == 1
    assert isinstance(letter.cause, CrashOnCue)


async def test_what_waits_at_the_end_goes_to_the_dead_letters(system: ActorSystem) -> None:
    """Nothing vanishes: askers are told, tells are dead letters."""
    ref = system.spawn(Probe(), is_paused=True)
    ref.tell("tell")
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                with pytest.raises(ActorStopped):
                    await ref.ask("ask")

            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            await system.stop(ref)
    assert [(one.message.payload, one.reason) for one in system.dead_letters] == [
        ("tell", "stopped"),
        ("ask", "stopped"),
    ]


async def test_an_ask_cycle_is_an_error_and_no_deadlock(system: ActorSystem) -> None:
    """A waits for B waits for C waits for A: the ask that would close the ring is refused."""
    refs = [system.spawn(Forward(target), name=name) for name, target in ("ab", "bc", "ca")]
    with anyio.fail_after(5), pytest.raises(ActorFailed) as caught:
        await refs[0].ask("round")
    error: BaseException | None = caught.value
    while isinstance(error, ActorFailed):
        error = error.cause
    assert isinstance(error, AskCycle)
    assert error.path == ("c", "a", "b", "c")


async def test_an_actor_that_asks_itself_is_a_cycle(system: ActorSystem) -> None:
    """The shortest ring; nothing was sent for it."""
    ref = system.spawn(Forward("self"), name="self")
    with anyio.fail_after(5), pytest.raises(ActorFailed) as caught:
        await ref.ask("x")
    assert isinstance(caught.value.cause, AskCycle)
    assert [letter.message.sender for letter in system.dead_letters] == ["host"]


async def test_waiting_for_the_same_actor_twice_is_no_cycle(system: ActorSystem) -> None:
    """Two actors that wait for a third form a tree, not a ring."""
    system.spawn(Probe("leaf"), name="leaf")
    left, right = (system.spawn(Forward("leaf")) for _ in range(2))
    assert [await left.ask(1), await right.ask(1)] == ["leaf", "leaf"]


async def test_a_cancelled_ask_leaves_the_message_and_no_edge(system: ActorSystem) -> None:
    """An asker that gives up is part of no ring any more."""
    gate = anyio.Event()
    ref = system.spawn(Scripted(Hold(gate)), name="held")
    with anyio.move_on_after(0.01):
        await ref.ask("x", timeout=60)
    assert len(system.timers) == 0
    gate.set()
    assert await ref.drain(5)


async def test_leaving_finishes_the_message_in_hand(system: ActorSystem) -> None:
    """`Context.stop` is a normal end: its message is answered, the rest are dead letters."""
    ref = system.spawn(Scripted(Leave(), Reply("never")), name="leaver")
    downs: list[Down] = []
    ref.watch(downs.append)
    assert await ref.ask("last") is None
    await ref.wait_stopped()
    assert downs == [Down("leaver", "normal")]


async def test_a_watch_of_the_dead_is_answered_at_once(system: ActorSystem) -> None:
    """There is no moment at which a watch can be too late."""
    ref = system.spawn(Probe())
    await system.stop(ref)
    downs: list[Down] = []
    ref.watch(downs.append)
    assert [down.reason for down in downs] == ["shutdown"]


async def test_a_watching_actor_is_told_before_its_other_messages(system: ActorSystem) -> None:
    """System messages go first."""
    watched = system.spawn(Probe(), name="watched")
    seen: list[object] = []

    class Watcher:
        def receive(self, message: Message, context: Context) -> None:
            seen.append(message.payload)
            if message.payload == "watch":
                context.watch(watched)

    watcher = system.spawn(Watcher())
    await watcher.ask("watch")
    watcher.pause()
    watcher.tell("ordinary")
    await system.stop(watched)
    watcher.resume()
    await watcher.drain(5)
    assert seen == ["watch", Down("watched", "shutdown"), "ordinary"]


async def test_a_name_belongs_to_one_actor(system: ActorSystem) -> None:
    """A second one is refused; after the end the name is free again."""
    ref = system.spawn(Probe(), name="one")
    with pytest.raises(NameTaken):
        system.spawn(Probe(), name="one")
    await system.stop(ref)
    assert system.spawn(Probe(), name="one").is_alive


async def test_a_system_serves_from_its_first_step_on() -> None:
    """A handler may hand out what has to be awaited before any task of the system has run."""

    def forward(message: Message, context: Context) -> object:
        return context.ask("echo", message.payload)

    def echo(message: Message, context: Context) -> object:
        return message.payload

    async with ActorSystem() as system:
        system.spawn(echo, name="echo")
        assert await system.spawn(forward).ask(1) == 1


async def test_start_comes_before_the_first_message(system: ActorSystem) -> None:
    """Messages wait for `start`; a failed start ends the actor."""
    log: list[object] = []

    class Child:
        def __init__(self, error: Exception | None = None) -> None:
            self.error = error

        async def start(self) -> None:
            await anyio.lowlevel.checkpoint()
            log.append("start")
            if self.error:
                raise self.error

        async def stop(self) -> None:
            log.append("stop")

        def receive(self, message: Message, context: Context) -> None:
            log.append(message.payload)

    good = system.spawn(Child())
    good.tell("message")
    await good.drain(5)
    await system.stop(good)
    assert log == ["start", "message", "stop"]
    bad = system.spawn(Child(ValueError("no")))
    with pytest.raises(ActorStopped) as caught:
        await system.started(bad)
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_drain_ends_when_nothing_waits_and_nothing_is_in_hand(system: ActorSystem) -> None:
    """True then; False when the time is over."""
    gate = anyio.Event()
    ref = system.spawn(Scripted(Hold(gate)))
    ref.tell(1)
    assert not await ref.drain(0.01)
    gate.set()
    assert await ref.drain(5)


async def test_systems_are_independent(anyio_backend: object) -> None:
    """Two systems may use one name; what happens in one is unknown to the other."""
    async with ActorSystem("a") as one, ActorSystem("b") as two:
        refs: list[ActorRef] = [system.spawn(Probe(system.name), name="x") for system in (one, two)]
        assert [await ref.ask(0) for ref in refs] == ["a", "b"]
        refs[0].tell(0)
        await refs[0].drain(5)
        assert (one.books().handled, two.books().handled) == (2, 1)


async def test_a_message_that_was_killed_is_not_handled_after_all(system: ActorSystem) -> None:
    """Killed before its handler's task has begun: it is a dead letter, and only that."""
    handled: list[object] = []

    async def receive(message: Message, context: Context) -> None:
        handled.append(message.payload)

    ref = system.spawn(receive)
    ref.tell("x")
    while cell_of(ref).work is None:
        await anyio.lowlevel.checkpoint()
        if ref.handled:
            break
    if cell_of(ref).work is not None:
        await system.stop(ref, timeout=0)
    await anyio.wait_all_tasks_blocked()
    dead = [letter.message.payload for letter in system.dead_letters]
    assert sorted([*handled, *dead]) == ["x"]  # type: ignore[type-var]


async def test_a_callback_that_raises_harms_no_one_else(system: ActorSystem) -> None:
    """It is counted; the actor goes on."""

    def bad(_: object) -> None:
        raise ValueError("callback bug")

    ref = system.spawn(Probe("fine"))
    ref.watch(bad)
    system.dead_letters.listen(bad)
    ref.request(1, bad, timeout=5)
    assert await ref.drain(5)
    assert await ref.ask(2) == "fine"
    ref.pause()
    ref.tell("dead")
    await system.stop(ref)
    assert (system.events.listener_errors, system.dead_letters.listener_errors) == (2, 1)


async def test_an_error_leaves_the_block_as_it_was(anyio_backend: str) -> None:
    """No exception group around it; actors are let go, what they had is dead letters."""
    gate = anyio.Event()
    system = ActorSystem()
    with pytest.raises(KeyError):  # noqa: PT012 - the block is what is tested
        async with system:
            ref = system.spawn(Scripted(Hold(gate)))
            ref.tell("in hand")
            ref.tell("waiting")
            await anyio.wait_all_tasks_blocked()
            raise KeyError("mine")
    assert not ref.is_alive
    assert [letter.reason for letter in system.dead_letters] == ["killed", "stopped"]
    assert system.books().is_balanced


async def test_a_closed_system_spawns_nothing(anyio_backend: object) -> None:
    """Before and after its block, an error says so."""
    system = ActorSystem()
    with pytest.raises(SystemClosed):
        system.spawn(Probe())
    async with system:
        ref = system.spawn(Probe())
    with pytest.raises(SystemClosed):
        system.spawn(Probe())
    with pytest.raises(ActorStopped):
        ref.tell(1)


class TestOnAClockThatJumps:
    @pytest.fixture
    def anyio_backend(self, autojump: object) -> object:
        return autojump

    async def test_an_ask_times_out_and_the_late_answer_is_dropped(
        self, anyio_backend: object
    ) -> None:
        """`AskTimeout` names target and seconds; the handler is not disturbed."""
        async with ActorSystem() as system:
            gate = anyio.Event()
            ref = system.spawn(Scripted(Hold(gate)), name="slow")
            before = anyio.current_time()
            with pytest.raises(AskTimeout, match=r"'slow' did not answer within 30 s"):
                await ref.ask(1, timeout=30)
            assert anyio.current_time() - before == pytest.approx(30)
            gate.set()
            assert await ref.drain(1)
            assert system.books().handled == 1

    async def test_the_age_of_the_oldest_message_is_observable(self, anyio_backend: object) -> None:
        """Size and age of what waits, on the system's clock."""
        async with ActorSystem() as system:
            ref = system.spawn(Probe(), is_paused=True)
            ref.tell(1)
            await anyio.sleep(7)
            ref.tell(2)
            info = ref.mailbox
            assert (info.size, info.oldest_age) == (2, pytest.approx(7))
            await system.stop(ref)
