"""The supervisor at work. Names in brackets are the cases of OTP's supervisor_SUITE."""

from __future__ import annotations

import random
from collections.abc import Callable

import anyio
import pytest
from airswasm.actor import (
    ActorFailed,
    ActorRef,
    ActorStopped,
    ActorSupervised,
    ActorSystem,
    Backoff,
    ChildExists,
    ChildNotRunning,
    ChildRunning,
    ChildSpec,
    ChildStartFailed,
    Context,
    EventKind,
    InvalidChildSpec,
    Message,
    NoSuchChild,
    SupervisorGaveUp,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor.testing import (
    Crash,
    CrashOnCue,
    EventRecorder,
    Faults,
    Hold,
    Leave,
    Probe,
    Reply,
    Scripted,
)

pytestmark = pytest.mark.anyio


def ref_of(node: SupervisorNode, id_: str) -> ActorRef:
    child = node.child(id_)
    assert isinstance(child, ActorRef)
    return child


async def run(
    system: ActorSystem, *children: ChildSpec, intensity: int = 10, backoff: Backoff | None = None
) -> SupervisorNode:
    spec = SupervisorSpec(intensity=intensity, children=children, backoff=backoff or Backoff())
    node = SupervisorNode(system, spec)
    await node.start()
    return node


class Stubborn:
    """Does not stop."""

    def __init__(self) -> None:
        self.was_asked = False

    async def stop(self) -> None:
        self.was_asked = True
        await anyio.sleep_forever()

    def receive(self, message: Message, context: Context) -> None:
        return None


async def test_the_mailbox_survives_and_the_poison_does_not(system: ActorSystem) -> None:
    """One reference over a restart: the poison is a dead letter, the rest is delivered."""
    script = Scripted(Crash(), *[Reply(number) for number in range(3)])
    node = await run(system, ChildSpec("a", lambda: script))
    ref = ref_of(node, "a")
    answers: dict[str, object] = {}
    ref.pause()

    async def ask(payload: str) -> None:
        try:
            answers[payload] = await ref.ask(payload)
        except ActorFailed as error:
            answers[payload] = type(error.cause)

    async with anyio.create_task_group() as group:
        for payload in ("poison", "x", "y", "z"):
            group.start_soon(ask, payload)
            await anyio.wait_all_tasks_blocked()
        ref.resume()
    assert answers == {"poison": CrashOnCue, "x": 0, "y": 1, "z": 2}
    assert [letter.message.payload for letter in system.dead_letters] == ["poison"]
    assert ref.incarnation == 2
    assert [(one.id, one.reason) for one in node.restart_history] == [("a", "crash")]


@pytest.mark.parametrize("rounds", [1, 3])
async def test_a_crash_with_nothing_waiting_leaves_it_able_to_hear(
    system: ActorSystem, rounds: int
) -> None:
    """The message after the only one, which was poison, is handled like any other."""

    def receive(message: Message, _context: Context) -> object:
        if message.payload == "crash":
            raise RuntimeError("as it was told")
        return message.payload

    node = await run(system, ChildSpec("a", lambda: receive))
    ref = ref_of(node, "a")
    for _ in range(rounds):
        ref.tell("crash")
        await anyio.wait_all_tasks_blocked()
        assert await ref.ask("hello", timeout=5) == "hello"
    assert ref.incarnation == rounds + 1


async def test_events_tell_the_life_of_an_actor(system: ActorSystem) -> None:
    """Started, ready, failed with cause, restarted, ready, stopping, stopped."""
    recorder = EventRecorder(system.events)
    node = await run(system, ChildSpec("a", lambda: Scripted(Crash())))
    ref_of(node, "a").tell(1)
    await anyio.wait_all_tasks_blocked()
    await node.stop()
    assert recorder.kinds("a") == [
        "started",
        "ready",
        "failed",
        "restarted",
        "ready",
        "stopping",
        "stopped",
    ]
    failed = next(event for event in recorder.events if event.kind == "failed")
    assert isinstance(failed.cause, CrashOnCue)
    assert failed.incarnation == 1


async def test_a_failed_start_stops_those_that_have_started(system: ActorSystem) -> None:
    """And says which child and why; nothing is left of it [sup_start_fail]."""
    log: list[str] = []

    class Logged:
        def __init__(self, name: str) -> None:
            self.name = name

        async def start(self) -> None:
            log.append(f"start {self.name}")
            if self.name == "c":
                raise ValueError("no c")

        async def stop(self) -> None:
            log.append(f"stop {self.name}")

        def receive(self, message: Message, context: Context) -> None:
            return None

    def child(name: str) -> ChildSpec:
        return ChildSpec(name, lambda: Logged(name))

    with pytest.raises(ChildStartFailed, match="child 'c' of 'supervisor'") as caught:
        await run(system, child("a"), child("b"), child("c"))
    assert isinstance(caught.value.cause, ValueError)
    assert log == ["start a", "start b", "start c", "stop b", "stop a"]
    assert not system.actors


async def test_dynamic_children(system: ActorSystem) -> None:
    """Start, stop, restart, delete, with OTP's errors [child_adm, child_adm_simple]."""
    node = await run(system)
    spec = ChildSpec("a", Probe)
    ref = await node.start_child(spec)
    with pytest.raises(ChildExists, match="which is running; stop that one"):
        await node.start_child(spec)
    with pytest.raises(ChildRunning):
        await node.restart_child("a")
    with pytest.raises(ChildRunning):
        await node.delete_child("a")
    await node.stop_child("a")
    with pytest.raises(ActorStopped):
        ref_of(node, "a").tell(1)
    with pytest.raises(ChildExists, match="which is stopped; restart that one"):
        await node.start_child(spec)
    assert await node.restart_child("a") is ref
    assert await ref_of(node, "a").ask(1) is None
    await node.stop_child("a")
    await node.delete_child("a")
    with pytest.raises(NoSuchChild, match="no child 'a'"):
        await node.stop_child("a")
    assert node.status() == ()


async def test_a_stopped_temporary_child_is_gone(system: ActorSystem) -> None:
    """Its specification is not kept [temporary_normal, temporary_shutdown]."""
    node = await run(system, ChildSpec("t", Probe, restart="temporary"))
    await node.stop_child("t")
    assert node.status() == ()


async def test_giving_up_stops_the_rest_and_escalates(system: ActorSystem) -> None:
    """The parent sees a crash of its child and restarts the whole branch, until it gives up too.

    [one_for_one_escalation, rest_for_one_escalation, one_for_all_escalation]
    """
    recorder = EventRecorder(system.events)
    made: list[SupervisorNode] = []

    def branch() -> SupervisorNode:
        spec = SupervisorSpec(
            intensity=1,
            children=(
                ChildSpec("leaf", lambda: Scripted(Crash(), Crash(), Crash())),
                ChildSpec("sibling", Probe),
            ),
        )
        made.append(SupervisorNode(system, spec, name="branch"))
        return made[-1]

    top = SupervisorNode(
        system,
        SupervisorSpec(intensity=1, children=(ChildSpec("b", branch, type="supervisor"),)),
        name="top",
    )
    await top.start()
    for _ in range(4):
        ref_of(made[-1], "leaf").tell("die")
        await anyio.wait_all_tasks_blocked()
    with anyio.fail_after(5), pytest.raises(SupervisorGaveUp, match="'top' gave up"):
        await top.wait_stopped()
    assert len(made) == 2
    assert recorder.kinds("branch").count("given_up") == 2
    assert not system.actors
    assert not system.supervisors


async def test_a_transient_branch_is_not_restarted_when_it_gives_up(system: ActorSystem) -> None:
    """Its reason is `shutdown`, which is no crash: OTP's rule for nested supervisors."""

    def branch() -> SupervisorNode:
        children = (ChildSpec("leaf", lambda: Scripted(Crash())),)
        return SupervisorNode(system, SupervisorSpec(intensity=0, children=children))

    node = await run(system, ChildSpec("b", branch, type="supervisor", restart="transient"))
    inner = node.child("b")
    assert isinstance(inner, SupervisorNode)
    ref_of(inner, "leaf").tell("die")
    await anyio.wait_all_tasks_blocked()
    assert [(child.id, child.state) for child in node.status()] == [("b", "stopped")]


async def test_brutal_kill_asks_no_one(system: ActorSystem) -> None:
    """`stop` is not called; the message in hand is a dead letter."""
    actor = Stubborn()
    gate = anyio.Event()
    node = await run(
        system,
        ChildSpec("a", lambda: actor, shutdown="brutal_kill"),
        ChildSpec("b", lambda: Scripted(Hold(gate)), shutdown="brutal_kill"),
    )
    ref_of(node, "b").tell("in hand")
    await anyio.wait_all_tasks_blocked()
    with anyio.fail_after(5):
        await node.stop()
    assert not actor.was_asked
    assert [letter.reason for letter in system.dead_letters] == ["killed"]


async def test_an_update_in_place_goes_unnoticed(system: ActorSystem) -> None:
    """Same reference, same mailbox, no overlap: the message in hand ends with the old one."""
    gate = anyio.Event()
    node = await run(system, ChildSpec("a", lambda: Scripted(Hold(gate, "old"), Reply("old"))))
    ref = ref_of(node, "a")
    answers: list[object] = []
    prepared: list[object] = []

    async def ask() -> None:
        answers.append(await ref.ask(len(answers)))

    async def prepare(actor: object) -> None:
        prepared.append(actor)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        new = Probe("new")
        group.start_soon(lambda: node.update_child(ChildSpec("a", lambda: new), prepare=prepare))
        await anyio.wait_all_tasks_blocked()
        assert prepared == [new]
        assert answers == []
        gate.set()
    assert answers == ["old", "new"]
    assert ref_of(node, "a") is ref
    assert ref.incarnation == 2
    Faults(system).kill(ref)
    ref.tell("after the restart")
    await anyio.wait_all_tasks_blocked()
    assert new.payloads[-1] == "after the restart"


@pytest.mark.parametrize("where", ["make", "start", "prepare"])
async def test_a_failed_update_leaves_the_old_one_alone(system: ActorSystem, where: str) -> None:
    """Whatever fails, the old one has not noticed."""

    class Bad(Probe):
        async def start(self) -> None:
            if where == "start":
                raise ValueError(where)

    def make() -> Bad:
        if where == "make":
            raise ValueError(where)
        return Bad()

    async def prepare(actor: object) -> None:
        raise ValueError(where)

    node = await run(system, ChildSpec("a", lambda: Probe("old")))
    with pytest.raises(ChildStartFailed):
        await node.update_child(ChildSpec("a", make), prepare=prepare)
    assert await ref_of(node, "a").ask(1) == "old"
    assert ref_of(node, "a").incarnation == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_what_waits_for_its_restart_is_replaced_at_once(
    system: ActorSystem, fails: bool
) -> None:
    """With the messages that wait for it; if that fails, its restart comes as it would have."""
    backoff = Backoff("linear", initial=30.0, jitter=0.0)
    node = await run(system, ChildSpec("a", lambda: Probe("old")), backoff=backoff)
    ref = ref_of(node, "a")
    Faults(system).kill(ref)
    await anyio.wait_all_tasks_blocked()
    assert node.status()[0].state == "restarting"
    ref.tell("waits")

    async def prepare(actor: object) -> None:
        if fails:
            raise ValueError("not today")

    new = Probe("new")
    if fails:
        with pytest.raises(ChildStartFailed):
            await node.update_child(ChildSpec("a", lambda: new), prepare=prepare)
        assert (node.status()[0].state, new.payloads) == ("restarting", [])
        return
    await node.update_child(ChildSpec("a", lambda: new), prepare=prepare)
    await anyio.wait_all_tasks_blocked()
    assert new.payloads == ["waits"]
    assert (node.status()[0].state, ref.incarnation, node.is_open) == ("running", 2, True)


class TestOnAClockThatJumps:
    @pytest.fixture
    def anyio_backend(self, autojump: object) -> object:
        return autojump

    @pytest.mark.parametrize(("shutdown", "seconds"), [(None, 5.0), (2.0, 2.0), ("brutal_kill", 0)])
    async def test_a_child_that_does_not_stop_is_killed_in_time(
        self, anyio_backend: object, shutdown: float | None, seconds: float
    ) -> None:
        """After its own time; a worker's default is five seconds."""
        async with ActorSystem() as system:
            node = await run(system, ChildSpec("a", Stubborn, shutdown=shutdown))
            before = anyio.current_time()
            await node.stop()
            assert anyio.current_time() - before == pytest.approx(seconds)
            assert not system.actors

    async def test_a_branch_waits_for_its_children(self, anyio_backend: object) -> None:
        """A supervisor child has no limit of its own; each of its children has."""
        async with ActorSystem() as system:

            def branch() -> SupervisorNode:
                children = tuple(ChildSpec(id_, Stubborn, shutdown=3.0) for id_ in "xyz")
                return SupervisorNode(system, SupervisorSpec(children=children))

            node = await run(system, ChildSpec("b", branch, type="supervisor"))
            before = anyio.current_time()
            await node.stop()
            assert anyio.current_time() - before == pytest.approx(9)

    async def test_a_supervisor_that_takes_too_long_is_killed(self, anyio_backend: object) -> None:
        """With all below it, in the time that its stop was given."""
        async with ActorSystem() as system:

            def branch() -> SupervisorNode:
                children = tuple(ChildSpec(id_, Stubborn, shutdown="infinity") for id_ in "xy")
                return SupervisorNode(system, SupervisorSpec(children=children))

            node = await run(system, ChildSpec("b", branch, type="supervisor", shutdown=4.0))
            before = anyio.current_time()
            await node.stop()
            assert anyio.current_time() - before == pytest.approx(4)
            assert not system.actors

    async def test_restarts_back_off(self, anyio_backend: object) -> None:
        """Each failure in a row waits longer; messages wait in the mailbox meanwhile."""
        async with ActorSystem(rng=random.Random(1)) as system:
            script = Scripted(Crash(), Crash(), Crash())
            node = await run(
                system,
                ChildSpec("a", lambda: script),
                backoff=Backoff("exponential", initial=1.0, jitter=0.0),
            )
            ref = ref_of(node, "a")
            before = anyio.current_time()
            for _ in range(3):
                ref.tell("die")
            assert await ref.ask("alive", timeout=60) == "alive"
            assert anyio.current_time() - before == pytest.approx(1 + 2 + 4)
            assert [record.delay for record in node.restart_history] == [1, 2, 4]

    async def test_a_stop_is_served_while_a_back_off_runs(self, anyio_backend: object) -> None:
        """Nothing is started after that [shutdown during restart]."""
        async with ActorSystem() as system:
            starts: list[int] = []

            def make() -> Scripted:
                starts.append(1)
                return Scripted(Crash())

            node = await run(
                system, ChildSpec("a", make), backoff=Backoff("linear", initial=100, jitter=0)
            )
            ref_of(node, "a").tell("die")
            ref_of(node, "a").tell("never read")
            await anyio.sleep(1)
            assert node.status()[0].state == "restarting"
            before = anyio.current_time()
            await node.stop()
            await anyio.sleep(1000)
            assert (len(starts), anyio.current_time() - before) == (1, pytest.approx(1000))
            reasons = [letter.reason.value for letter in system.dead_letters]
            assert reasons == ["crashed", "stopped"]

    async def test_a_failing_start_is_tried_until_intensity_is_reached(
        self, anyio_backend: object
    ) -> None:
        """Each try counts [restart fails, retry, give up]."""
        async with ActorSystem() as system:
            tries: list[float] = []

            def make() -> Probe:
                tries.append(anyio.current_time())
                if len(tries) > 1:
                    raise ValueError("not again")
                return Probe()

            node = await run(system, ChildSpec("a", make), intensity=3)
            Faults(system).kill(ref_of(node, "a"))
            with pytest.raises(SupervisorGaveUp):
                await node.wait_stopped()
            assert len(tries) == 1 + 3

    @pytest.mark.parametrize(("gap", "survives"), [(1.1, False), (2.1, True)])
    async def test_whole_seconds_count(
        self, anyio_backend: object, gap: float, survives: bool
    ) -> None:
        """Intensity 1 in 1 s: crashes 1.1 s apart trip it, 2.1 s apart do not."""
        start = anyio.current_time()
        async with ActorSystem(clock=lambda: anyio.current_time() - start + 0.5) as system:
            spec = SupervisorSpec(intensity=1, period=1, children=(ChildSpec("a", Probe),))
            node = SupervisorNode(system, spec)
            await node.start()
            faults = Faults(system)
            faults.kill(ref_of(node, "a"))
            await anyio.sleep(gap)
            faults.kill(ref_of(node, "a"))
            await anyio.sleep(0.01)
            assert node.is_open is survives


def test_nothing_runs_without_being_asked() -> None:
    """Making a supervisor starts nothing, so it needs no loop."""
    make: Callable[[], SupervisorNode] = lambda: SupervisorNode(  # noqa: E731
        ActorSystem(), SupervisorSpec()
    )
    assert not make().is_open


async def test_a_supervisor_at_rest_has_no_task(system: ActorSystem) -> None:
    """Supervisors of children that do nothing cost no task, and still hear of a crash."""
    before = len(anyio.get_running_tasks())
    nodes = [await run(system, ChildSpec(f"a{number}", Crashing)) for number in range(20)]
    assert len(anyio.get_running_tasks()) == before
    refs = [ref_of(node, f"a{number}") for number, node in enumerate(nodes)]
    for ref in refs:
        ref.tell("crash")
    await anyio.wait_all_tasks_blocked()
    assert [ref.incarnation for ref in refs] == [2] * 20
    assert len(anyio.get_running_tasks()) == before


class Crashing:
    def receive(self, message: Message, context: Context) -> None:
        raise RuntimeError("as it was told")


async def test_a_cancelled_stop_kills(system: ActorSystem) -> None:
    """A caller that gives up leaves nothing half stopped: the rest is killed."""
    stubborn = Stubborn()
    node = await run(
        system,
        ChildSpec("a", lambda: Probe()),
        ChildSpec("b", lambda: stubborn, shutdown="infinity"),
    )
    with anyio.move_on_after(0.01) as scope:
        await node.stop()
    assert scope.cancelled_caught
    assert stubborn.was_asked
    assert not node.is_open
    assert not ref_of(node, "a").is_alive
    assert not ref_of(node, "b").is_alive
    with anyio.fail_after(5):
        await node.wait_stopped()
    assert node not in system.supervisors


async def test_a_cancelled_stop_of_an_actor_kills_it(system: ActorSystem) -> None:
    """As with a supervisor: it does not stay behind half stopped, taking messages in vain."""
    ref = system.spawn(Stubborn())
    with anyio.move_on_after(0.01) as scope:
        await system.stop(ref, timeout=None)
    assert scope.cancelled_caught
    assert not ref.is_alive
    with pytest.raises(ActorStopped):
        ref.tell(1)


@pytest.mark.parametrize("how", ["it is deleted", "the other is stopped"])
async def test_a_child_that_will_not_start_again_takes_no_messages(
    system: ActorSystem, how: str
) -> None:
    """Found by the state machine: it waited for another's restart, which never came."""

    class Late(Probe):
        async def start(self) -> None:
            if len(made) > 1:
                await gate.wait()
                raise ValueError("not yet")

    made: list[Late] = []
    gate = anyio.Event()

    def make() -> Late:
        made.append(Late())
        return made[-1]

    spec = SupervisorSpec("one_for_all", 1, children=(ChildSpec("a", make), ChildSpec("b", Probe)))
    node = SupervisorNode(system, spec)
    await node.start()
    b = ref_of(node, "b")
    Faults(system).kill(ref_of(node, "a"))
    async with anyio.create_task_group() as group:
        await anyio.wait_all_tasks_blocked()
        b.tell("waits for the restart")
        if how == "it is deleted":
            group.start_soon(node.delete_child, "b")
        else:
            group.start_soon(node.stop_child, "a")
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert not b.is_alive
    assert [letter.reason for letter in system.dead_letters] == ["stopped"]


async def test_an_actor_that_leaves_while_it_is_updated_has_its_successor(
    system: ActorSystem,
) -> None:
    """Found by the state machine: its end was taken for that of the new one."""
    started, gate = anyio.Event(), anyio.Event()

    class New(Probe):
        async def start(self) -> None:
            started.set()
            await gate.wait()

    class Old(Scripted):
        async def stop(self) -> None:
            gate.set()
            await anyio.wait_all_tasks_blocked()

    node = await run(system, ChildSpec("a", lambda: Old(Leave("normal"))), intensity=0)
    ref = ref_of(node, "a")
    new = New("new")
    async with anyio.create_task_group() as group:
        group.start_soon(node.update_child, ChildSpec("a", lambda: new, restart="transient"))
        await started.wait()
        ref.tell("leave")
    await anyio.wait_all_tasks_blocked()
    assert node.is_open
    assert (ref.incarnation, await ref.ask(1)) == (2, "new")
    assert node.status()[0].state == "running"


async def test_only_its_supervisor_stops_a_child(system: ActorSystem) -> None:
    """Stopped by others, it would still be taken for running."""
    node = await run(system, ChildSpec("a", Probe))
    ref = ref_of(node, "a")
    spare = system.spawn(Probe("new"))
    for stop in (lambda: system.stop(ref), lambda: system.broker.replace("a", spare)):
        with pytest.raises(ActorSupervised, match="stop it with `stop_child`"):
            await stop()
    assert system.broker.resolve("a") is ref
    await system.broker.replace("a", spare, stop_predecessor=lambda: node.stop_child("a"))
    assert await ref.ask(1) == "new"
    await system.stop(ref)  # it has stopped


async def test_an_update_needs_an_actor_that_runs(system: ActorSystem) -> None:
    """The error says what to do instead."""
    node = await run(system, ChildSpec("a", Probe))
    branch = ChildSpec("b", lambda: SupervisorNode(system, SupervisorSpec()), type="supervisor")
    await node.start_child(branch)
    await node.stop_child("a")
    with pytest.raises(ChildNotRunning, match="is stopped; start it with restart_child"):
        await node.update_child(ChildSpec("a", Probe))
    with pytest.raises(InvalidChildSpec, match="a supervisor cannot be updated in place"):
        await node.update_child(branch)
    await node.stop_child("b")
    with pytest.raises(ChildNotRunning):
        node.child("b")


async def test_all_who_stop_it_wait_for_its_end(system: ActorSystem) -> None:
    """A second stop while it stops is no error, and returns when it has stopped."""
    hold = Stubborn()
    node = await run(system, ChildSpec("a", lambda: hold, shutdown=0.05))
    recorder = EventRecorder(system.events)
    ended: list[bool] = []

    async def stop() -> None:
        await node.stop()
        ended.append(ref_of(node, "a").is_alive)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(stop)
    assert ended == [False] * 3
    assert [event.kind for event in recorder.events if event.name == node.name] == [
        EventKind.STOPPING,
        EventKind.STOPPED,
    ]
