"""Components from `init` to `shutdown`, with a guest that keeps a diary: see data/diary.wat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from airswasm.actor import (
    ActorFailed,
    ActorRef,
    ActorStopped,
    ActorSystem,
    AskCycle,
    AskTimeout,
    Backoff,
    Callback,
    ChildSpec,
    ChildStartFailed,
    ComponentActor,
    GuestRefused,
    HealthCheckFailed,
    InitFailed,
    MigrationFailed,
    Request,
    SupervisorGaveUp,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor.testing import EventRecorder
from airswasm.runtime import (
    Caller,
    Case,
    DeadlineExceeded,
    Engine,
    Err,
    FuelExhausted,
    HostInterface,
    Limits,
    LinkedComponent,
    Ok,
    Pending,
    Trapped,
)

pytestmark = pytest.mark.anyio

GATE = "airswasm:component/gate@0.1.0"
NAME = "test/diary"
ENDLESS = Limits(fuel=10**15, timeout=60.0)


class Gate:
    """The host's side of `gate`: who waits is let on by the test, who asks is told by the broker.

    Attributes:
        waiting: One for each call of `wait`, in order.
        cancelled: How many of them were given up.
        rings: What was refused.
    """

    def __init__(self, system: ActorSystem) -> None:
        self.system = system
        self.waiting: list[Pending] = []
        self.cancelled = 0
        self.rings: list[AskCycle] = []

    def interface(self) -> HostInterface:
        return HostInterface(GATE, {"wait": self.wait, "ask": self.ask})

    def wait(self, _caller: Caller) -> Pending:
        self.waiting.append(Pending(self.note_cancel))
        return self.waiting[-1]

    def note_cancel(self) -> None:
        self.cancelled += 1

    def ask(self, caller: Caller, target: str) -> Pending | Err[str]:
        pending = Pending()

        def done(request: Request) -> None:
            pending.resolve(Err(str(request.error)) if request.error else Ok(None))

        try:
            self.system.broker.request(
                target, b"1", done, timeout=5, sender=caller.name, is_waiting=True
            )
        except AskCycle as error:
            self.rings.append(error)
            return Err(str(error))
        return pending


@pytest.fixture
def gate(system: ActorSystem) -> Gate:
    return Gate(system)


@pytest.fixture
async def diary(engine: Engine, diary_wasm: bytes, gate: Gate) -> LinkedComponent:
    component = await engine.load(diary_wasm, name="diary")
    return component.link([gate.interface()])


Make = Callable[[], object]


def made_by(linked: LinkedComponent, *todo: str, limits: Limits | None = None) -> Make:
    """A factory; each incarnation's `init` is told the next thing to do, and then nothing."""
    remaining = list(todo)

    def make() -> ComponentActor:
        config = {"do": remaining.pop(0)} if remaining else {}
        return ComponentActor(linked, NAME, limits=limits or Limits(), config=config)

    return make


async def run(
    system: ActorSystem, make: Make, *, intensity: int = 10, shutdown: float = 5.0
) -> tuple[SupervisorNode, ActorRef]:
    child = ChildSpec("diary", make, name=NAME, shutdown=shutdown)
    spec = SupervisorSpec(intensity=intensity, children=(child,), backoff=Backoff("immediate"))
    node = SupervisorNode(system, spec)
    await node.start()
    ref = node.child("diary")
    assert isinstance(ref, ActorRef)
    return node, ref


def actor_of(ref: ActorRef) -> ComponentActor:
    assert isinstance(ref.actor, ComponentActor)
    return ref.actor


async def outcome(answer: Awaitable[object]) -> object:
    """An answer, or the kind of error that came instead."""
    try:
        return await answer
    except ActorFailed as error:
        return type(error.cause)
    except (ActorStopped, GuestRefused, AskTimeout) as error:
        return type(error)


async def ask_in_turn(ref: ActorRef, *payloads: bytes) -> list[object]:
    """Puts all of them into the mailbox before the first is handled, and collects the outcomes."""
    outcomes: dict[int, object] = {}
    ref.pause()

    async def ask(number: int, payload: bytes) -> None:
        outcomes[number] = await outcome(ref.ask(payload))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number, payload in enumerate(payloads):
                group.start_soon(ask, number, payload)
                await anyio.wait_all_tasks_blocked()
            ref.resume()
    return [outcomes[number] for number in range(len(payloads))]


class TestInit:
    """The first thing that a guest hears."""

    async def test_it_comes_before_the_first_message(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """Messages that wait while it runs are handled after it."""
        ref = system.spawn(ComponentActor(diary, NAME))
        assert await ref.ask(b"d") == b"id"

    @pytest.mark.parametrize(
        ("todo", "limits", "cause"),
        [
            ("refuse", Limits(), InitFailed),
            ("trap", Limits(), Trapped),
            ("spin", Limits(fuel=1_000_000), FuelExhausted),
            ("spin", Limits(fuel=10**15, timeout=0.1), DeadlineExceeded),
        ],
    )
    async def test_a_failed_init_is_a_failed_start(
        self,
        system: ActorSystem,
        diary: LinkedComponent,
        todo: str,
        limits: Limits,
        cause: type[Exception],
    ) -> None:
        """With the guest's words or its fault; nothing of it stays, and its askers are told."""
        with pytest.raises(ChildStartFailed) as caught:
            await run(system, made_by(diary, todo, limits=limits))
        assert type(caught.value.cause) is cause
        assert not system.actors
        spawned = system.spawn(made_by(diary, todo, limits=limits)())
        assert await outcome(spawned.ask(b"d")) is ActorStopped
        with pytest.raises(ActorStopped) as stopped:
            await system.started(spawned)
        assert type(stopped.value.__cause__) is cause

    async def test_a_restart_that_fails_is_tried_again(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """Messages wait for the incarnation that comes up; each try counts."""
        node, ref = await run(system, made_by(diary, "", "refuse", "trap"), intensity=3)
        assert await ask_in_turn(ref, b"t", b"d") == [Trapped, b"id"]
        assert [type(record.cause) for record in node.restart_history] == [
            Trapped,
            InitFailed,
            Trapped,
        ]

    async def test_and_not_without_an_end(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """A supervisor that gives up answers the messages that wait."""
        node, ref = await run(system, made_by(diary, "", *["refuse"] * 9), intensity=3)
        assert await ask_in_turn(ref, b"t", b"d") == [Trapped, ActorStopped]
        with pytest.raises(SupervisorGaveUp) as caught:
            await node.wait_stopped()
        assert isinstance(caught.value.__cause__, InitFailed)
        assert [letter.reason for letter in system.dead_letters] == ["crashed", "stopped"]


class TestShutdown:
    """The last thing that a guest hears, if it lets itself be told."""

    async def test_it_comes_after_the_message_in_hand(
        self, system: ActorSystem, diary: LinkedComponent, gate: Gate
    ) -> None:
        """Which is finished; what waits behind it is not begun."""
        node, ref = await run(system, made_by(diary))
        answers: dict[bytes, object] = {}

        async def ask(payload: bytes) -> None:
            answers[payload] = await outcome(ref.ask(payload))

        async with anyio.create_task_group() as group:
            for payload in (b"w", b"d"):
                group.start_soon(ask, payload)
                await anyio.wait_all_tasks_blocked()
            group.start_soon(node.stop)
            await anyio.wait_all_tasks_blocked()
            gate.waiting[0].resolve()
        assert answers == {b"w": b"w", b"d": ActorStopped}

    @pytest.mark.parametrize("how", [b"n", b"N"])
    async def test_who_ignores_it_is_killed_in_time(
        self, system: ActorSystem, diary: LinkedComponent, gate: Gate, how: bytes
    ) -> None:
        """Whether it computes or waits; the host function it waits in is told."""
        node, ref = await run(system, made_by(diary, limits=ENDLESS), shutdown=0.1)
        assert await ref.ask(how) == how
        instance = actor_of(ref).instance
        assert instance is not None
        with anyio.fail_after(30):
            await node.stop()
        assert instance.is_closed
        assert not system.actors
        assert gate.cancelled == len(gate.waiting) == (1 if how == b"N" else 0)

    async def test_a_sibling_that_ignores_it_does_not_hold_up_the_restart(
        self, system: ActorSystem, diary: LinkedComponent, gate: Gate
    ) -> None:
        """One for all: it has its time, then both begin again, with their mailboxes."""
        children = tuple(
            ChildSpec(id_, made_by(diary, limits=ENDLESS), shutdown=0.1) for id_ in ("a", "b")
        )
        node = SupervisorNode(system, SupervisorSpec("one_for_all", 10, children=children))
        await node.start()
        a, b = (system.broker.resolve(id_) for id_ in ("a", "b"))
        b.tell(b"w")
        b.tell(b"x")
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(30):
            assert await outcome(a.ask(b"t")) is Trapped
            assert await b.ask(b"d") == b"ixd"
        assert gate.cancelled == 1
        assert [letter.reason for letter in system.dead_letters] == ["crashed", "killed"]


class TestMigrate:
    """The new version is told which one ran before, once, before its first message."""

    async def test_a_new_version_takes_over(
        self, system: ActorSystem, diary: LinkedComponent, gate: Gate
    ) -> None:
        """The old one finishes what it has in hand; a restart later does not migrate again."""
        node, ref = await run(system, made_by(diary))
        answers: dict[bytes, object] = {}

        async def ask(payload: bytes) -> None:
            answers[payload] = await outcome(ref.ask(payload))

        async with anyio.create_task_group() as group:
            for payload in (b"w", b"d"):
                group.start_soon(ask, payload)
                await anyio.wait_all_tasks_blocked()
            child = ChildSpec("diary", made_by(diary), name=NAME)
            group.start_soon(
                lambda: node.update_child(child, prepare=lambda new: migrate(new, "1.0.0"))
            )
            await anyio.wait_all_tasks_blocked()
            assert answers == {}
            gate.waiting[0].resolve()
        assert answers == {b"w": b"w", b"d": b"imd"}
        assert await ask_in_turn(ref, b"t", b"d") == [Trapped, b"id"]

    @pytest.mark.parametrize(("version", "cause"), [("0.9.0", MigrationFailed), ("t", Trapped)])
    async def test_a_failed_migration_leaves_the_old_version_alone(
        self, system: ActorSystem, diary: LinkedComponent, version: str, cause: type[Exception]
    ) -> None:
        """It has its state and goes on; the new one's store is dropped."""
        node, ref = await run(system, made_by(diary))
        assert await ref.ask(b"1") == b"1"
        new: list[object] = []

        async def prepare(actor: object) -> None:
            new.append(actor)
            await migrate(actor, version)

        with pytest.raises(ChildStartFailed) as caught:
            await node.update_child(ChildSpec("diary", made_by(diary)), prepare=prepare)
        assert type(caught.value.cause) is cause
        assert getattr(new[0], "instance") is None  # noqa: B009
        assert await ref.ask(b"d") == b"i1d"

    async def test_who_cannot_migrate_has_nothing_to_do(
        self, system: ActorSystem, load: Callable[..., Awaitable[LinkedComponent]]
    ) -> None:
        """A component that does not export it."""
        from .conftest import ECHO

        actor = ComponentActor(await load(ECHO), "test/echo")
        ref = system.spawn(actor)
        await system.started(ref)
        await actor.migrate("1.0.0")
        assert await ref.ask(b"still here") == b"still here"


async def migrate(actor: object, version: str) -> None:
    assert isinstance(actor, ComponentActor)
    await actor.migrate(version)


class TestCheck:
    """Health is asked in turn, before what waits."""

    async def test_it_overtakes_what_waits(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """And what it says is no message: no observer sees it."""
        ref = system.spawn(ComponentActor(diary, NAME))
        await system.started(ref)
        ref.pause()
        ref.tell(b"1")
        async with anyio.create_task_group() as group:
            group.start_soon(actor_of(ref).check)
            await anyio.wait_all_tasks_blocked()
            ref.resume()
        assert await ref.ask(b"d") == b"ih1d"

    async def test_who_is_unwell_goes_on(self, system: ActorSystem, diary: LinkedComponent) -> None:
        """The check fails with its words; the asker decides what follows."""
        ref = system.spawn(ComponentActor(diary, NAME))
        await ref.ask(b"u")
        for _ in range(2):
            with pytest.raises(HealthCheckFailed, match="'test/diary' is unhealthy: unwell"):
                await actor_of(ref).check()
        assert await ref.ask(b"d") == b"iuhhd"

    async def test_a_trap_over_the_question_is_a_crash(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """Like any other; the next incarnation is well."""
        _, ref = await run(system, made_by(diary))
        await ref.ask(b"x")
        with pytest.raises(ActorFailed) as caught:
            await actor_of(ref).check()
        assert isinstance(caught.value.cause, Trapped)
        await anyio.wait_all_tasks_blocked()
        await actor_of(ref).check()
        assert await ref.ask(b"d") == b"ihd"

    async def test_who_is_busy_does_not_answer_in_time(
        self, system: ActorSystem, diary: LinkedComponent, gate: Gate
    ) -> None:
        """It is not entered twice; the answer still comes before the rest, and is dropped."""
        ref = system.spawn(ComponentActor(diary, NAME))
        await system.started(ref)
        ref.tell(b"w")
        ref.tell(b"1")
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(AskTimeout):
            await actor_of(ref).check(timeout=0.01)
        gate.waiting[0].resolve()
        assert await ref.ask(b"d") == b"iwh1d"

    async def test_who_does_not_run_cannot_be_asked(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """Before its start, and after its end."""
        actor = ComponentActor(diary, NAME)
        with pytest.raises(ActorStopped):
            await actor.check()
        ref = system.spawn(actor)
        await system.started(ref)
        await system.stop(ref)
        with pytest.raises(ActorStopped):
            await actor.check()


class TestCallbacks:
    """Answers to requests are messages to the guest's `handle-callback`."""

    async def test_every_outcome_arrives_in_turn(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """Answers, empty ones, and each kind of error; between messages, never within one."""
        ref = system.spawn(ComponentActor(diary, NAME))
        outcomes = (
            Ok(b"answer"), Ok(None), Err(Case("timed-out")), Err(Case("failed", "it said no")),
        )  # fmt: skip
        for number, each in enumerate(outcomes):
            ref.tell(Callback(number, each))
            ref.tell(b"%d" % number)
        assert await ref.ask(b"d") == b"ic0c1f2f3d"

    async def test_a_trap_in_it_is_a_crash_with_the_callback_as_evidence(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """It goes to the dead letters, the messages behind it to the next incarnation."""
        _, ref = await run(system, made_by(diary))
        ref.tell(Callback(13, Ok(None)))
        assert await ref.ask(b"d") == b"id"
        (letter,) = system.dead_letters
        assert letter.message.payload == Callback(13, Ok(None))
        assert (letter.reason, type(letter.cause)) == ("crashed", Trapped)

    @pytest.mark.parametrize(
        "wrong",
        [
            Callback(-1, Ok(None)),
            Callback(1, Ok("no bytes")),  # type: ignore[arg-type]
            Callback(1, Err(Case("no-such-case"))),
        ],
    )
    async def test_one_that_is_none_does_no_harm(
        self, system: ActorSystem, diary: LinkedComponent, wrong: Callback
    ) -> None:
        """A mistake of the host's is not the guest's fault: it is not bothered."""
        ref = system.spawn(ComponentActor(diary, NAME))
        ref.tell(wrong)
        assert await ref.ask(b"d") == b"id"
        assert [letter.reason for letter in system.dead_letters] == ["undelivered"]


class TestFaults:
    """The effect of a fault on other messages that wait."""

    async def test_those_behind_the_poison_are_answered_by_the_next_incarnation(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """Each poison costs one incarnation and one message, with its evidence; the rest none."""
        node, ref = await run(system, made_by(diary))
        answers = await ask_in_turn(ref, b"1", b"t1", b"d", b"t2", b"t3", b"2", b"d")
        assert answers == [b"1", Trapped, b"id", Trapped, Trapped, b"2", b"i2d"]
        letters = list(system.dead_letters)
        assert [letter.message.payload for letter in letters] == [b"t1", b"t2", b"t3"]
        assert [letter.incarnation for letter in letters] == [1, 2, 3]
        assert all(letter.fuel_used and letter.backtrace for letter in letters)
        assert ref.incarnation == 4
        assert len(node.restart_history) == 3

    async def test_without_a_supervisor_they_are_told(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """It is not restarted: messages that wait are answered with its end."""
        ref = system.spawn(ComponentActor(diary, NAME))
        await system.started(ref)
        assert await ask_in_turn(ref, b"1", b"t", b"d", b"d") == [
            b"1",
            Trapped,
            ActorStopped,
            ActorStopped,
        ]
        assert [letter.reason for letter in system.dead_letters] == ["crashed", *["stopped"] * 2]

    async def test_a_trap_after_waiting_in_the_host_is_the_guest_s(
        self, system: ActorSystem, diary: LinkedComponent, gate: Gate
    ) -> None:
        """A host function that fails ends the incarnation; its message is the dead letter."""
        _, ref = await run(system, made_by(diary))
        ref.tell(b"w")
        ref.tell(b"1")
        await anyio.wait_all_tasks_blocked()
        gate.waiting[0].fail(RuntimeError("the host's mistake"))
        assert await ref.ask(b"d") == b"i1d"
        (letter,) = system.dead_letters
        assert letter.message.payload == b"w"

    async def test_its_life_is_told_in_events(
        self, system: ActorSystem, diary: LinkedComponent
    ) -> None:
        """A component's are those of any actor."""
        recorder = EventRecorder(system.events)
        node, ref = await run(system, made_by(diary))
        assert await outcome(ref.ask(b"t")) is Trapped
        await ref.ask(b"d")
        await node.stop()
        assert recorder.kinds(NAME) == [
            "started", "ready", "failed", "restarted", "ready", "stopping", "stopped",
        ]  # fmt: skip


class TestWaiting:
    """A guest in a host function holds up only its own mailbox."""

    async def test_its_own_messages_wait_and_the_others_do_not(
        self, system: ActorSystem, diary: LinkedComponent, gate: Gate
    ) -> None:
        """It is not entered twice; another of the same component answers meanwhile."""
        ref, other = (system.spawn(ComponentActor(diary, name)) for name in ("test/a", "test/b"))
        answers: dict[bytes, object] = {}

        async def ask(payload: bytes) -> None:
            answers[payload] = await ref.ask(payload)

        async with anyio.create_task_group() as group:
            for payload in (b"w", b"d"):
                group.start_soon(ask, payload)
                await anyio.wait_all_tasks_blocked()
            assert [await other.ask(b"%d" % number) for number in range(3)] == [b"0", b"1", b"2"]
            assert answers == {}
            assert (ref.mailbox.size, len(gate.waiting)) == (1, 1)
            gate.waiting[0].resolve()
        assert answers == {b"w": b"w", b"d": b"iwd"}

    @pytest.mark.parametrize("length", [1, 2, 3, 10])
    async def test_a_ring_of_components_is_refused(
        self, system: ActorSystem, diary: LinkedComponent, gate: Gate, length: int
    ) -> None:
        """The one that would close it gets the ring, the others the refusal; then all go on."""
        names = [f"test/c{number}" for number in range(length)]
        refs = [
            system.spawn(ComponentActor(diary, name), name=name, is_paused=True) for name in names
        ]
        asked: list[Request] = []
        for ref, target in zip(refs, [*names[1:], names[0]], strict=True):
            await system.started(ref)
            ref.request(b"a" + target.encode(), asked.append, timeout=5)
        for ref in refs:
            ref.resume()
        with anyio.fail_after(30):
            for ref in refs:
                await ref.drain(5)
        (ring,) = gate.rings
        assert ring.path[0] == ring.path[-1]
        assert set(ring.path) == set(names)
        assert len(asked) == length
        assert any(isinstance(request.error, GuestRefused) for request in asked)
        for name in names:
            assert await system.broker.ask(name, b"1") == b"1"
