"""One actor's fault ends alone, whatever it is and wherever it happens.

A table: each place where the code of an actor or an observer runs, times each kind of fault, on
both loops. After each, a neighbour answers, the books balance, and the block of the system ends as
if nothing had happened.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import (
    ActorFailed,
    ActorRef,
    ActorStopped,
    ActorSystem,
    ChildSpec,
    ChildStartFailed,
    Context,
    Delivery,
    GuestCall,
    LifecycleEvent,
    Message,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor._foreign import attribute_of, describe, has_attribute, text_of, type_name
from airswasm.actor.testing import EventRecorder, Probe
from airswasm.runtime import CallState

pytestmark = pytest.mark.anyio

Fault = Callable[[], object]


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Unequal(Exception):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")


class Unreadable(Exception):
    @property
    def fuel_used(self) -> int:
        raise RuntimeError("no fuel")

    @property
    def backtrace(self) -> str:
        raise SystemExit("no backtrace")


class Nameless(type):
    @property
    def __name__(cls) -> str:
        raise RuntimeError("no name")


class OfNameless(Exception, metaclass=Nameless):
    pass


class StubbornGroup(ExceptionGroup[Exception]):
    def derive(self, excs: object) -> ExceptionGroup[Exception]:
        raise RuntimeError("no part of it")


def raising(error: BaseException | type[BaseException]) -> Fault:
    def fault() -> object:
        raise error

    return fault


def cyclic() -> object:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    one.__context__, other.__context__ = other, one
    raise one


def nested(depth: int) -> Exception:
    """A group in a group in a group: each retry of a library may add one."""
    error: Exception = ValueError("innermost")
    for _ in range(depth):
        error = ExceptionGroup("a try", [error])
    return error


FAULTS: dict[str, Fault] = {
    "error": raising(ValueError("no")),
    "unprintable": raising(Unprintable),
    "unequal": raising(Unequal),
    "unreadable": raising(Unreadable),
    "nameless": raising(OfNameless),
    "cyclic": cyclic,
    "sys.exit": lambda: sys.exit(3),
    "GeneratorExit": raising(GeneratorExit),
    "StopIteration": raising(StopIteration("x")),
    "StopAsyncIteration": raising(StopAsyncIteration),
    "group": raising(ExceptionGroup("two", [ValueError(1), Unprintable()])),
    "nested group": raising(nested(3 * sys.getrecursionlimit())),
    "stubborn group": raising(StubbornGroup("one", [ValueError(1)])),
    "group of exits": raising(BaseExceptionGroup("one", [SystemExit(3)])),
    "cancelled": raising(ValueError),  # replaced by `stray_cancellation`
    "recursion": raising(RecursionError),
}


async def stray_cancellation() -> BaseException:
    """A cancellation of a scope that has ended, as it escapes from careless libraries."""
    caught: list[BaseException] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        except BaseException as error:
            caught.append(error)
            raise
    return caught[0]


@pytest.fixture(params=sorted(FAULTS))
async def fault(request: pytest.FixtureRequest) -> Fault:
    if request.param == "cancelled":
        return raising(await stray_cancellation())
    return FAULTS[request.param]


@pytest.fixture
async def neighbour(system: ActorSystem) -> AsyncIterator[ActorRef]:
    """An actor that is there before and after the fault, in the same state."""
    ref = system.spawn(Probe("here"), name="neighbour")
    yield ref
    assert await ref.ask(1) == "here"
    assert ref.incarnation == 1
    assert system.books().is_balanced, system.books()


class Inline:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def receive(self, message: Message, context: Context) -> object:
        return self.fault() if message.payload == "fault" else message.payload


class Async(Inline):
    async def receive(self, message: Message, context: Context) -> object:
        await anyio.lowlevel.checkpoint()
        return self.fault() if message.payload == "fault" else message.payload


class Mixed(Inline):
    def receive(self, message: Message, context: Context) -> object:
        return self.later() if message.payload == "fault" else message.payload

    async def later(self) -> object:
        await anyio.lowlevel.checkpoint()
        return self.fault()


class DoneCall:
    """A guest's call that is done at once; `at` says which step has the fault."""

    fuel_used = 0
    ended_at = 0.0

    def __init__(self, actor: Guest, payload: object) -> None:
        self.actor, self.payload = actor, payload
        self.polls = 0

    def poll(self) -> CallState:
        self.polls += 1
        if self.payload == "fault":
            if self.actor.at == "poll":
                self.actor.fault()
            if self.actor.at == "poll again" and self.polls == 2:
                self.actor.fault()
            if self.actor.at in ("poll again", "thread"):
                return CallState.READY
        return CallState.DONE

    async def poll_in_thread(self) -> CallState:
        await anyio.lowlevel.checkpoint()
        self.actor.fault()
        return CallState.DONE

    def cancel(self) -> None:
        pass

    def result(self) -> object:
        return self.payload


class Guest(Inline):
    def __init__(self, fault: Fault, at: str) -> None:
        super().__init__(fault)
        self.at = at

    def begin(
        self, message: Message, context: Context, wake: Callable[[GuestCall], None]
    ) -> GuestCall:
        if self.at == "begin" and message.payload == "fault":
            self.fault()
        return DoneCall(self, message.payload)

    def complete(self, call: GuestCall) -> object:
        result = call.result()
        return self.fault() if self.at == "complete" and result == "fault" else result


HANDLERS: dict[str, Callable[[Fault], object]] = {
    "inline": Inline,
    "async": Async,
    "awaitable": Mixed,
    "guest begins": lambda fault: Guest(fault, "begin"),
    "guest polls": lambda fault: Guest(fault, "poll"),
    "guest polls again": lambda fault: Guest(fault, "poll again"),
    "guest polls in a thread": lambda fault: Guest(fault, "thread"),
    "guest completes": lambda fault: Guest(fault, "complete"),
}


async def supervise(system: ActorSystem, *specs: ChildSpec) -> SupervisorNode:
    node = SupervisorNode(system, SupervisorSpec(intensity=5, children=specs))
    await node.start()
    return node


async def settled(node: SupervisorNode) -> None:
    with anyio.fail_after(30):
        while not node.is_idle:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("place", sorted(HANDLERS))
async def test_a_handler_fails_alone(
    system: ActorSystem, neighbour: ActorRef, fault: Fault, place: str
) -> None:
    """The asker gets ActorFailed, the message is a dead letter, the actor is restarted.

    Asked at once, from the queue, and told.
    """
    node = await supervise(system, ChildSpec("bad", lambda: HANDLERS[place](fault)))
    ref = system.broker.resolve("bad")
    for before in ([], ["first"]):
        for payload in before:
            ref.tell(payload)
        with pytest.raises(ActorFailed) as raised:
            await ref.ask("fault", timeout=5)
        assert raised.value.cause is not None
        assert str(raised.value).startswith("'bad' failed while handling the message: ")
        assert await ref.ask("again", timeout=5) == "again"
        await settled(node)
    ref.tell("fault")
    assert await ref.ask("again", timeout=5) == "again"
    await settled(node)
    assert ref.incarnation == 4
    letters = [(letter.message.payload, letter.reason) for letter in system.dead_letters]
    assert letters == [("fault", "crashed")] * 3


class Steps(Probe):
    """An actor with a fault in one of its steps, as long as `is_bad`."""

    is_bad = True

    def __init__(self, fault: Fault, at: str) -> None:
        super().__init__("fine")
        self.fault, self.at = fault, at

    def take(self, step: str) -> None:
        if self.at == step and self.is_bad:
            self.fault()

    def bind(self, context: Context) -> None:
        self.take("bind")

    async def start(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.take("start")

    async def stop(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.take("stop")

    def discard(self) -> None:
        self.take("discard")

    def receive(self, message: Message, context: Context) -> object:
        if message.payload == "crash":
            raise ValueError
        return super().receive(message, context)


def factories(fault: Fault, at: str) -> Callable[[], object]:
    """A factory whose product fails in a step, or which fails itself."""
    if at == "factory":
        return fault
    if at == "async factory":

        async def make() -> object:
            await anyio.lowlevel.checkpoint()
            return fault()

        return make
    return lambda: Steps(fault, at)


STARTS = ("factory", "async factory", "bind", "start")


@pytest.mark.parametrize("place", STARTS)
async def test_a_first_start_fails_alone(
    system: ActorSystem, neighbour: ActorRef, fault: Fault, place: str
) -> None:
    """The code that starts the supervisor gets ChildStartFailed; so does `start_child`."""
    with pytest.raises(ChildStartFailed):
        await supervise(system, ChildSpec("bad", factories(fault, place)))
    node = await supervise(system)
    with pytest.raises(ChildStartFailed):
        await node.start_child(ChildSpec("bad", factories(fault, place)))
    assert node.is_open
    assert system.broker.find("bad") is None


@pytest.mark.parametrize("place", STARTS)
async def test_a_restart_that_fails_is_tried_again(
    system: ActorSystem, neighbour: ActorRef, fault: Fault, place: str
) -> None:
    """And each try counts, whatever the fault is."""
    made = 0

    def make() -> object:
        nonlocal made
        made += 1
        return factories(fault, place)() if made == 2 else Steps(fault, "nowhere")

    node = await supervise(system, ChildSpec("bad", make))
    ref = system.broker.resolve("bad")
    ref.tell("crash")
    assert await ref.ask("again", timeout=5) == "fine"
    await settled(node)
    assert made == 3
    assert len(node.restart_history) == 2


@pytest.mark.parametrize("place", ["start", "prepare", *STARTS[:3]])
async def test_an_update_that_fails_leaves_the_old_one(
    system: ActorSystem, neighbour: ActorRef, fault: Fault, place: str
) -> None:
    """It has not noticed anything."""
    node = await supervise(system, ChildSpec("bad", lambda: Probe("old")))

    async def prepare(_actor: object) -> None:
        await anyio.lowlevel.checkpoint()
        if place == "prepare":
            fault()

    with pytest.raises(ChildStartFailed):
        await node.update_child(ChildSpec("bad", factories(fault, place)), prepare=prepare)
    ref = system.broker.resolve("bad")
    assert (await ref.ask(1), ref.incarnation) == ("old", 1)


async def test_a_start_in_the_background_fails_alone(
    system: ActorSystem, neighbour: ActorRef, fault: Fault
) -> None:
    """The spawned actor ends, and what waited for it is answered."""
    ref = system.spawn(Steps(fault, "start"))
    ref.tell(1)
    with pytest.raises(ActorStopped):
        await system.started(ref)
    assert ref.phase == "stopped"
    assert len(system.dead_letters) == 1


@pytest.mark.parametrize("place", ["stop", "discard"])
@pytest.mark.parametrize("way", ["system", "supervisor", "itself", "end of the block"])
async def test_an_end_fails_alone(
    system: ActorSystem, neighbour: ActorRef, fault: Fault, place: str, way: str
) -> None:
    """The actor has ended all the same, and a FAILED event tells of the error."""
    events = EventRecorder(system.events)
    if way == "supervisor":
        node = await supervise(system, ChildSpec("bad", factories(fault, place)))
        await node.stop_child("bad")
    elif way == "end of the block":
        async with ActorSystem() as other:
            events = EventRecorder(other.events)
            await other.started(other.spawn(Steps(fault, place), name="bad"))
    else:
        ref = system.spawn(Steps(fault, place), name="bad")
        await system.started(ref)
        if way == "system":
            await system.stop(ref)
        else:
            system.life.request_exit(ref._cell, "normal")
            await ref.wait_stopped()
    assert events.kinds("bad")[-3:] in (
        ["stopping", "failed", "stopped"],
        ["failed", "stopping", "stopped"],
    )


async def test_an_async_timer_is_a_crash_and_not_silence(
    system: ActorSystem, neighbour: ActorRef
) -> None:
    """Nothing would wait for it, and nothing would tell why it does not happen."""

    async def later() -> None:
        raise AssertionError("it is not run")

    def handle(message: Message, context: Context) -> None:
        context.call_later(0, later)  # type: ignore[arg-type]

    errors: list[object] = []
    system.events.listen(lambda event: errors.append(event.cause))
    node = await supervise(system, ChildSpec("bad", lambda: handle))
    ref = system.broker.resolve("bad")
    ref.tell(1)
    with anyio.fail_after(30):
        while ref.incarnation == 1:
            await anyio.lowlevel.checkpoint()
    await settled(node)
    assert any("the callback is async" in str(error) for error in errors)


async def test_a_timer_of_an_actor_fails_alone(
    system: ActorSystem, neighbour: ActorRef, fault: Fault
) -> None:
    """It is a crash of the actor that set it; of one that has ended, only counted."""

    def handle(message: Message, context: Context) -> None:
        context.call_later(0, fault)  # type: ignore[arg-type]

    node = await supervise(system, ChildSpec("bad", lambda: handle))
    ref = system.broker.resolve("bad")
    ref.tell(1)
    with anyio.fail_after(30):
        while ref.incarnation == 1:
            await anyio.lowlevel.checkpoint()
    await settled(node)

    def handle_and_leave(message: Message, context: Context) -> None:
        handle(message, context)
        context.stop()

    ended = system.spawn(handle_and_leave)
    ended.tell(1)
    await ended.wait_stopped()
    with anyio.fail_after(30):
        while system.events.listener_errors == 0:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("observer", ["watch", "on_done", "after", "event", "letter"])
async def test_an_observer_fails_alone(
    system: ActorSystem, neighbour: ActorRef, fault: Fault, observer: str
) -> None:
    """Its error is counted, and reaches neither the actor nor the sender."""

    class Hook:
        def before(self, delivery: Delivery) -> None:
            pass

        def after(self, delivery: Delivery, error: BaseException | None) -> None:
            fault()

    def observe(_: object) -> None:
        fault()

    ref = system.spawn(Inline(raising(ValueError)), name="seen")
    if observer == "watch":
        ref.watch(observe)
    elif observer == "after":
        hook = system.broker.add_hook(Hook())
        assert await system.broker.ask("seen", 1) == 1
        system.broker.tell("seen", 1)
        assert system.broker.publish("seen", 1) == 0
        hook.cancel()
    elif observer == "event":
        system.events.listen(observe)
    elif observer == "letter":
        system.dead_letters.listen(observe)
    if observer == "on_done":
        ref.request("fault", observe, timeout=5)
    else:
        ref.tell("fault")
    await ref.wait_stopped()
    counter = system.dead_letters if observer == "letter" else system.events
    assert counter.listener_errors >= 1
    assert counter.last_error is not None


# -- cancellation --------------------------------------------------------------------------------


def on_asyncio() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pytest.skip("trio cancels no tasks but by scopes")


async def cancelled_by_others() -> object:
    """Awaits a future that a library gives up, as when it closes a connection."""
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    return await future


async def cancels_itself() -> object:
    """The cancellation arrives at the next await, which may be the system's."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return None


async def cancels_itself_and_waits() -> object:
    await cancels_itself()
    await asyncio.sleep(60)
    return None


async def cancels_itself_and_fails() -> object:
    await cancels_itself()
    raise ValueError


Inner = Callable[[], Awaitable[object]]
INNER: list[Inner] = [
    cancelled_by_others,
    cancels_itself,
    cancels_itself_and_waits,
    cancels_itself_and_fails,
]


class Cancelled:
    """An actor one of whose steps is cancelled, but not by a scope around it."""

    def __init__(self, inner: Inner, at: str) -> None:
        self.inner, self.at = inner, at

    async def take(self, step: str) -> None:
        if self.at == step:
            await self.inner()

    async def start(self) -> None:
        await self.take("start")

    async def stop(self) -> None:
        await self.take("stop")

    async def receive(self, message: Message, context: Context) -> object:
        if message.payload == "fault":
            await self.take("receive")
        return message.payload


@pytest.mark.parametrize("inner", INNER)
async def test_a_cancelled_handler_fails_alone(
    system: ActorSystem, neighbour: ActorRef, inner: Inner
) -> None:
    """A cancellation that no scope has asked for is a crash."""
    on_asyncio()
    node = await supervise(system, ChildSpec("bad", lambda: Cancelled(inner, "receive")))
    ref = system.broker.resolve("bad")
    with pytest.raises(ActorFailed) as raised:
        await ref.ask("fault")
    assert isinstance(raised.value.cause, asyncio.CancelledError | ValueError)
    ref.tell("fault")
    assert await ref.ask("again") == "again"
    await settled(node)
    assert ref.incarnation == 3


@pytest.mark.parametrize("inner", INNER)
async def test_a_cancelled_start_fails_alone(
    system: ActorSystem, neighbour: ActorRef, inner: Inner
) -> None:
    """In the supervisor's own task, and in the background."""
    on_asyncio()
    node = await supervise(system)
    with pytest.raises(ChildStartFailed):
        await node.start_child(ChildSpec("bad", lambda: Cancelled(inner, "start")))
    assert node.is_open
    with pytest.raises(ActorStopped):
        await system.started(system.spawn(Cancelled(inner, "start")))


@pytest.mark.parametrize("inner", INNER)
async def test_a_cancelled_stop_fails_alone(
    system: ActorSystem, neighbour: ActorRef, inner: Inner
) -> None:
    """The supervisor goes on."""
    on_asyncio()
    node = await supervise(system, ChildSpec("bad", lambda: Cancelled(inner, "stop")))
    await node.stop_child("bad")
    assert node.is_open
    async with ActorSystem() as other:
        other.spawn(Cancelled(inner, "stop"))
        await anyio.lowlevel.checkpoint()


async def test_a_start_that_others_cancel_fails_in_the_caller_s_task(
    system: ActorSystem, neighbour: ActorRef
) -> None:
    """The supervisor is started in the caller's task, which is not cancelled by that."""
    on_asyncio()
    with pytest.raises(ChildStartFailed):
        await supervise(system, ChildSpec("bad", lambda: Cancelled(cancelled_by_others, "start")))


@pytest.mark.parametrize("step", ["start", "stop"])
async def test_who_cancels_the_caller_is_obeyed(
    system: ActorSystem, neighbour: ActorRef, step: str
) -> None:
    """`asyncio.timeout` and `Task.cancel` are the caller's, and no fault of an actor."""
    on_asyncio()
    node = SupervisorNode(
        system,
        SupervisorSpec(children=(ChildSpec("slow", lambda: Cancelled(anyio.sleep_forever, step)),)),
    )

    async def run() -> None:
        async with asyncio.timeout(0.01):
            await node.start()
            await node.stop()

    with pytest.raises(TimeoutError):
        await run()
    assert not node.is_open
    assert system.broker.find("slow") is None


async def test_a_plain_handler_cannot_cancel_the_dispatcher(
    system: ActorSystem, neighbour: ActorRef
) -> None:
    """The task that it runs in is the system's."""
    on_asyncio()

    def handle(message: Message, context: Context) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    ref = system.spawn(handle)
    ref.tell(1)
    ref.tell(2)
    await ref.drain(5)


class Stubborn:
    """Swallows the cancellation of one step, once."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.began = anyio.Event()

    async def take(self, step: str) -> None:
        if self.at != step:
            return
        self.began.set()
        try:
            await anyio.sleep_forever()
        except BaseException:
            return

    async def start(self) -> None:
        await self.take("start")

    async def stop(self) -> None:
        await self.take("stop")

    async def receive(self, message: Message, context: Context) -> object:
        await self.take("receive")
        return "late"


@pytest.mark.parametrize("step", ["start", "receive", "stop"])
async def test_a_swallowed_cancellation_ends_the_actor_all_the_same(
    system: ActorSystem, neighbour: ActorRef, step: str
) -> None:
    """Its result is dropped: the message was given up when it was killed."""
    actor = Stubborn(step)
    ref = system.spawn(actor)
    if step == "receive":
        ref.tell(1)
    if step != "stop":
        with anyio.fail_after(30):
            await actor.began.wait()
    with anyio.fail_after(30):
        await system.stop(ref, timeout=0.01)
    assert ref.phase == "stopped"
    assert [letter.reason for letter in system.dead_letters] == (
        ["killed"] if step == "receive" else []
    )


async def test_a_killed_handler_that_fails_while_it_unwinds_fails_alone(
    system: ActorSystem, neighbour: ActorRef
) -> None:
    """A task group in a handler mixes the cancellation with errors of its tasks."""
    began = anyio.Event()

    async def unwind() -> None:
        try:
            began.set()
            await anyio.sleep_forever()
        finally:
            raise ValueError("while unwinding")

    class Groups:
        async def receive(self, message: Message, context: Context) -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(unwind)
                await anyio.sleep_forever()

    ref = system.spawn(Groups())
    ref.tell(1)
    await began.wait()
    await system.stop(ref, timeout=0)
    async with ActorSystem() as other:
        began = anyio.Event()
        other.spawn(Groups(), shutdown=0).tell(1)
        await began.wait()


async def test_a_command_that_is_cut_off_is_an_error_for_its_caller(
    system: ActorSystem, neighbour: ActorRef
) -> None:
    """The end of the supervisor in the middle of it is no success."""
    began = anyio.Event()

    class Slow(Probe):
        async def start(self) -> None:
            began.set()
            await anyio.sleep_forever()

    node = await supervise(system)
    errors: list[Exception] = []

    async def add() -> None:
        try:
            await node.start_child(ChildSpec("slow", Slow))
        except Exception as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(add)
        await began.wait()
        await node.stop(timeout=0)
    assert [type(error) for error in errors] == [ActorStopped]


# -- interrupts ----------------------------------------------------------------------------------

INTERRUPTED: dict[str, Callable[[Fault], object]] = {
    "inline": Inline,
    "async": Async,
    "guest": lambda fault: Guest(fault, "complete"),
    "start": lambda fault: Steps(fault, "start"),
}


@pytest.mark.parametrize("place", sorted(INTERRUPTED))
@pytest.mark.parametrize("is_grouped", [False, True])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_interrupt_is_the_program_s(backend: str, place: str, is_grouped: bool) -> None:
    """Ctrl-C lands in any code: the program gets it, and the books balance."""
    error = KeyboardInterrupt()
    fault = raising(BaseExceptionGroup("one", [error]) if is_grouped else error)
    systems: list[ActorSystem] = []

    async def main() -> None:
        async with ActorSystem() as system:
            systems.append(system)
            system.spawn(INTERRUPTED[place](fault)).tell("fault")
            await anyio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main, backend=backend)
    (system,) = systems
    books = system.books()
    assert books.is_balanced, books
    assert (books.handled, books.dead) == (0, 1)


@pytest.mark.parametrize("intensity", [0, 5])
@pytest.mark.parametrize("place", sorted(HANDLERS))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_interrupt_throws_no_task_away(backend: str, place: str, intensity: int) -> None:
    """Not the supervisors' that are to restart or to give up, nor those of other actors.

    Python warns of a coroutine that was never awaited, and pytest makes an error of it.
    """
    systems: list[ActorSystem] = []

    def make() -> object:
        return HANDLERS[place](raising(KeyboardInterrupt))

    def node_of(spec: ChildSpec) -> SupervisorNode:
        (system,) = systems
        return SupervisorNode(system, SupervisorSpec(intensity=intensity, children=(spec,)))

    async def main() -> None:
        async with ActorSystem() as system:
            systems.append(system)
            await supervise(system, ChildSpec("inner", lambda: node_of(ChildSpec("bad", make))))
            system.spawn(Async(raising(ValueError)), name="before").tell("fine")
            system.broker.tell("bad", "fault")
            system.spawn(Async(raising(ValueError)), name="after").tell("fine")
            await anyio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main, backend=backend)
    gc.collect()
    (system,) = systems
    assert system.books().is_balanced, system.books()


async def test_an_interrupt_in_an_inline_ask_is_the_asker_s(system: ActorSystem) -> None:
    """It is raised where the program is: in the ask. The actor has crashed over the message."""
    ref = system.spawn(Inline(raising(KeyboardInterrupt)))
    with pytest.raises(KeyboardInterrupt):
        await ref.ask("fault")
    assert system.books().is_balanced
    assert ref.phase == "stopped"


# -- what is read of foreign objects -------------------------------------------------------------


class Hostile(metaclass=Nameless):
    def __getattr__(self, name: str) -> object:
        raise SystemExit(name)

    def __str__(self) -> str:
        raise GeneratorExit

    __repr__ = __str__


def test_foreign_objects_are_read_without_trust() -> None:
    """Each reader answers, whatever the object does."""
    thing = Hostile()
    assert text_of(thing).endswith(", whose text cannot be made: GeneratorExit>")
    assert type_name(thing) == "object"
    assert attribute_of(thing, "x") is None
    assert not has_attribute(thing, "x")
    assert (
        describe(Unprintable())
        == "Unprintable: <Unprintable, whose text cannot be made: RuntimeError>"
    )
    assert describe(ValueError("x")) == "ValueError: x"
    assert describe(TimeoutError()) == "TimeoutError"


async def test_what_tells_of_a_fault_can_be_shown(system: ActorSystem) -> None:
    """Events and dead letters show the other fields, whatever error and payload do."""
    events: list[LifecycleEvent] = []
    system.events.listen(events.append)

    def fail(message: Message, context: Context) -> object:
        raise Unprintable

    with pytest.raises(ActorFailed):
        await system.spawn(fail, name="faulty").ask(Hostile())
    causes = [event for event in events if event.cause is not None]
    assert causes
    for each in (*causes, *system.dead_letters):
        assert "'faulty'" in repr(each)
        assert "<Unprintable, whose text cannot be made: RuntimeError>" in repr(each)


async def test_a_reply_may_be_hostile(system: ActorSystem, neighbour: ActorRef) -> None:
    """It is handed over as it is; only looking for `__await__` touches it."""

    class Angry(type):
        def __hash__(cls) -> int:
            raise RuntimeError("no hash")

        def __getattr__(cls, name: str) -> object:
            raise RuntimeError("no attribute")

    class Reply(metaclass=Angry):
        pass

    hostile = Hostile()
    ref = system.spawn(lambda message, context: hostile)
    assert await ref.ask(1) is hostile
    bad = system.spawn(lambda message, context: Reply())
    with pytest.raises(ActorFailed):
        await bad.ask(1)


async def test_a_payload_may_change_while_it_waits(
    system: ActorSystem, neighbour: ActorRef
) -> None:
    """Bytes that shrink, grow or go away do not upset the bounds for longer than the queue."""
    from airswasm.actor import MailboxSpec

    ref = system.spawn(Probe(), mailbox=MailboxSpec(capacity_bytes=100), is_paused=True)
    view, array = memoryview(bytes(50)), bytearray(50)
    ref.tell(view)
    ref.tell(array)
    view.release()
    array.extend(bytes(1000))
    ref.resume()
    await ref.drain(5)
    assert ref.mailbox.size_bytes == 0
    ref.pause()
    ref.tell(bytes(100))
    assert ref.mailbox.size_bytes == 100
    ref.resume()


async def test_letters_are_taken_without_comparing(
    system: ActorSystem, neighbour: ActorRef
) -> None:
    """A payload that refuses to be compared does not keep a letter."""

    class Payload:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no comparison")

        __hash__ = None  # type: ignore[assignment]

    ref = system.spawn(Probe(), is_paused=True)
    ref.tell(Payload())
    ref.tell(Payload())
    await system.stop(ref)
    last = list(system.dead_letters)[-1]
    assert system.dead_letters.take(last.message.id) is last


async def test_an_async_generator_is_a_value(system: ActorSystem, neighbour: ActorRef) -> None:
    """A handler that yields has not begun to run; its asker gets the generator."""

    class Yields:
        async def receive(self, message: Message, context: Context) -> AsyncIterator[object]:
            yield message.payload

    answer = await system.spawn(Yields()).ask(1)
    assert [each async for each in answer] == [1]  # type: ignore[attr-defined]
