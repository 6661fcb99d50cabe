"""Cancellation that stays within an actor, that comes from around it, and that an actor resists.

Three tables over the ways in which code cancels or is cancelled. Code that has dealt with a
cancellation goes on. Code that lets one escape fails, alone. Code that is cancelled from outside
ends, however it takes that. Cancellations that others ask for, on asyncio: `test_faults.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

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
    Message,
)
from airswasm.actor.testing import EventRecorder, Probe
from airswasm.runtime import ScopeLeftOpen
from anyio.abc import TaskGroup

from .test_faults import Cancelled, on_asyncio, settled, stray_cancellation, supervise

pytestmark = pytest.mark.anyio

Body = Callable[[], Awaitable[object]]
ON_ASYNCIO: set[Body] = set()


def on_asyncio_only(body: Body) -> Body:
    """Mark code that trio does not have, or refuses."""
    ON_ASYNCIO.add(body)
    return body


def each(bodies: list[Body]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("body", bodies)


@pytest.fixture(autouse=True)
def _fit(request: pytest.FixtureRequest, anyio_backend: str) -> None:
    callspec = getattr(request.node, "callspec", None)
    if callspec and callspec.params.get("body") in ON_ASYNCIO and anyio_backend == "trio":
        pytest.skip("trio cancels no tasks but by scopes")


@pytest.fixture
async def neighbour(system: ActorSystem) -> AsyncIterator[ActorRef]:
    """An actor that is there before and after, in the same state; then all books balance."""

    async def echo(message: Message, context: Context) -> object:
        await anyio.lowlevel.checkpoint()
        return message.payload

    ref = system.spawn(echo, name="neighbour")
    yield ref
    assert await ref.ask("here") == "here"
    assert ref.incarnation == 1
    assert system.books().is_balanced, system.books()


# -- what code does by itself ----------------------------------------------------------------------


async def a_deadline_that_passes() -> None:
    with anyio.move_on_after(0):
        await anyio.sleep_forever()


async def a_scope_that_is_cancelled() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            raise  # as it is told


async def a_shield_in_a_cancelled_scope() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()


async def a_task_group_that_is_cancelled() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        group.cancel_scope.cancel()


async def a_task_group_with_a_stray_cancellation() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        raise await stray_cancellation()


async def counting() -> AsyncIterator[int]:
    for number in range(10):
        await anyio.lowlevel.checkpoint()
        yield number


async def a_generator_that_is_closed() -> None:
    async with aclosing(counting()) as numbers:  # type: ignore[type-var]
        async for _ in numbers:
            break


@on_asyncio_only
async def a_generator_that_is_dropped() -> None:
    async for _ in counting():
        break


@on_asyncio_only
async def a_timeout_of_asyncio_that_is_caught() -> None:
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(60)
    except TimeoutError:
        pass


@on_asyncio_only
async def a_task_of_its_own_that_it_cancels() -> None:
    task = asyncio.ensure_future(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


GOES_ON: list[Body] = [
    a_deadline_that_passes,
    a_scope_that_is_cancelled,
    a_shield_in_a_cancelled_scope,
    a_task_group_that_is_cancelled,
    a_task_group_with_a_stray_cancellation,
    a_generator_that_is_closed,
    a_generator_that_is_dropped,
    a_timeout_of_asyncio_that_is_caught,
    a_task_of_its_own_that_it_cancels,
]


async def a_deadline_that_fails() -> None:
    with anyio.fail_after(0):
        await anyio.sleep_forever()


async def a_group_with_a_cancellation() -> None:
    raise BaseExceptionGroup("two", [await stray_cancellation(), ValueError("no")])


async def a_nested_group_with_a_cancellation() -> None:
    inner = BaseExceptionGroup("inner", [await stray_cancellation()])
    raise BaseExceptionGroup("outer", [inner, SystemExit(3)])


async def a_cancellation_as_a_cause() -> None:
    raise ValueError("no") from await stray_cancellation()


async def the_cancellation_of_asyncio() -> None:
    raise asyncio.CancelledError("on either loop")


async def what_looks_like_a_cancellation() -> None:
    class Cancelled(BaseException):
        pass

    raise Cancelled


async def a_task_group_that_fails() -> None:
    async def fail() -> None:
        raise ValueError("no")

    async with anyio.create_task_group() as group:
        group.start_soon(fail)
        await anyio.sleep_forever()


async def a_generator_that_does_not_close() -> None:
    async def stubborn() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            yield 2

    numbers = stubborn()
    await anext(numbers)
    await numbers.aclose()  # type: ignore[attr-defined]


@on_asyncio_only
async def a_timeout_of_asyncio() -> None:
    async with asyncio.timeout(0):
        await asyncio.sleep(60)


@on_asyncio_only
async def a_task_group_of_asyncio_that_fails() -> None:

    async def fail() -> None:
        raise ValueError("no")

    async with asyncio.TaskGroup() as group:
        group.create_task(fail())
        await asyncio.sleep(60)


@on_asyncio_only
async def a_shielded_future_that_others_cancel() -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.cancel)
    await asyncio.shield(future)


@on_asyncio_only
async def a_gathering_that_others_cancel() -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.cancel)
    await asyncio.gather(future, asyncio.sleep(0))


KEPT: list[object] = []
"""What is left open here: garbage that is collected would be closed."""


async def a_scope_left_open() -> None:
    anyio.CancelScope().__enter__()


async def a_cancelled_scope_left_open() -> None:
    scope = anyio.CancelScope().__enter__()
    scope.cancel()
    await anyio.lowlevel.checkpoint()


async def three_scopes_left_open() -> None:
    for shield in (False, True, False):
        anyio.CancelScope(shield=shield).__enter__()
    raise ValueError("within them")


async def a_deadline_left_open() -> None:
    anyio.CancelScope(deadline=anyio.current_time()).__enter__()


async def a_task_group_left_open() -> None:
    group = anyio.create_task_group()
    await group.__aenter__()
    KEPT.append(group)
    group.start_soon(anyio.sleep_forever)


async def a_task_group_left_open_whose_task_fails() -> None:
    await a_task_group_left_open()

    async def fail() -> None:
        raise ValueError("late")

    group = KEPT[-1]
    assert isinstance(group, TaskGroup)
    group.start_soon(fail)


async def a_generator_left_inside_of_its_scope() -> None:
    async def inside() -> AsyncIterator[int]:
        async with anyio.create_task_group():
            yield 1

    numbers = inside()
    KEPT.append(numbers)
    await anext(numbers)


LEFT_OPEN: list[Body] = [
    a_scope_left_open,
    a_cancelled_scope_left_open,
    three_scopes_left_open,
    a_deadline_left_open,
    a_task_group_left_open,
    a_task_group_left_open_whose_task_fails,
    a_generator_left_inside_of_its_scope,
]

FAILS: list[Body] = [
    *LEFT_OPEN,
    a_deadline_that_fails,
    a_group_with_a_cancellation,
    a_nested_group_with_a_cancellation,
    a_cancellation_as_a_cause,
    the_cancellation_of_asyncio,
    what_looks_like_a_cancellation,
    a_task_group_that_fails,
    a_generator_that_does_not_close,
    a_timeout_of_asyncio,
    a_task_group_of_asyncio_that_fails,
    a_shielded_future_that_others_cancel,
    a_gathering_that_others_cancel,
]


@each(GOES_ON)
async def test_code_that_deals_with_a_cancellation_goes_on(
    system: ActorSystem, neighbour: ActorRef, body: Body
) -> None:
    """As a handler, a start, a stop and a factory; the actor has noticed nothing."""
    events = EventRecorder(system.events)
    node = await supervise(system, ChildSpec("good", lambda: Cancelled(body, "receive")))
    assert await system.broker.ask("good", "fault") == "fault"
    await node.stop()

    async def make() -> object:
        await body()
        return Cancelled(body, "start")

    node = await supervise(system, ChildSpec("good", make))
    await node.stop()
    node = await supervise(system, ChildSpec("good", lambda: Cancelled(body, "stop")))
    await node.stop()
    assert "failed" not in events.kinds("good")


@each(FAILS)
async def test_code_that_lets_one_escape_fails_alone(
    system: ActorSystem, neighbour: ActorRef, body: Body
) -> None:
    """As a handler, a start, a stop and a factory."""
    node = await supervise(system, ChildSpec("bad", lambda: Cancelled(body, "receive")))
    ref = system.broker.resolve("bad")
    with pytest.raises(ActorFailed):
        await ref.ask("fault")
    assert await ref.ask("again") == "again"
    await settled(node)
    assert ref.incarnation == 2

    async def make() -> object:
        return await body()

    for factory in (make, lambda: Cancelled(body, "start")):
        with pytest.raises(ChildStartFailed):
            await node.start_child(ChildSpec("worse", factory))
    with pytest.raises(ActorStopped):
        await system.started(system.spawn(Cancelled(body, "start")))
    await node.start_child(ChildSpec("last", lambda: Cancelled(body, "stop")))
    await node.stop_child("last")
    assert node.is_open


@pytest.mark.parametrize("body", LEFT_OPEN)
async def test_a_scope_left_open_is_named(
    system: ActorSystem, neighbour: ActorRef, body: Body
) -> None:
    """Unless the code has raised an error of its own; what ran in it has ended."""
    with pytest.raises(ActorFailed) as raised:
        await system.spawn(Cancelled(body, "receive"), name="bad").ask("fault")
    if body not in (a_cancelled_scope_left_open, three_scopes_left_open):
        assert isinstance(raised.value.cause, ScopeLeftOpen)
        assert "has left a cancel scope or a task group open" in str(raised.value)


@pytest.mark.parametrize("way", ["told", "timer"])
async def test_plain_code_leaves_no_scope_in_a_task_of_the_system(
    system: ActorSystem, neighbour: ActorRef, way: str
) -> None:
    """One that a plain handler leaves open, in the dispatcher's task, is counted as an error."""
    done = anyio.Event()

    def leave_open() -> None:
        anyio.CancelScope().__enter__().cancel()
        done.set()

    def handle(message: Message, context: Context) -> None:
        if way == "told":
            leave_open()
        else:
            context.call_later(0, leave_open)

    ref = system.spawn(handle)
    ref.tell(1)
    with anyio.fail_after(30):
        await done.wait()
        if way == "timer":
            await ref.wait_stopped()
        else:
            while system.events.last_error is None:
                await anyio.lowlevel.checkpoint()
            assert isinstance(system.events.last_error, ScopeLeftOpen)


# -- what is cancelled from outside ----------------------------------------------------------------


async def in_a_task_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        await anyio.sleep_forever()


async def under_a_deadline() -> None:
    with anyio.fail_after(3600):
        await anyio.sleep_forever()


@on_asyncio_only
async def under_a_timeout_of_asyncio() -> None:
    async with asyncio.timeout(3600):
        await asyncio.sleep(3600)


@on_asyncio_only
async def awaiting_a_task() -> None:
    await asyncio.ensure_future(asyncio.sleep(3600))


async def in_a_generator() -> None:
    async def endless() -> AsyncIterator[int]:
        await anyio.sleep_forever()
        yield 1

    async with aclosing(endless()) as numbers:  # type: ignore[type-var]
        async for _ in numbers:
            pass


async def and_passes_it_on() -> None:
    try:
        await anyio.sleep_forever()
    except BaseException:
        raise


async def and_makes_an_error_of_it() -> None:
    try:
        await anyio.sleep_forever()
    except BaseException as error:
        raise ValueError("unwinding") from error


async def and_makes_a_group_of_it() -> None:
    try:
        await anyio.sleep_forever()
    except BaseException as error:
        raise BaseExceptionGroup("unwinding", [error, ValueError()]) from None


async def and_exits() -> None:
    try:
        await anyio.sleep_forever()
    except BaseException:
        raise SystemExit(3) from None


async def and_shields_what_it_cleans_up() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()


async def and_swallows_it() -> None:
    with anyio.CancelScope():
        try:
            await anyio.sleep_forever()
        except BaseException:
            return


WAITS: list[Body] = [
    in_a_task_group,
    under_a_deadline,
    under_a_timeout_of_asyncio,
    awaiting_a_task,
    in_a_generator,
    and_passes_it_on,
    and_makes_an_error_of_it,
    and_makes_a_group_of_it,
    and_exits,
    and_shields_what_it_cleans_up,
    and_swallows_it,
]


class Waiting(Cancelled):
    """Says when it has begun to wait."""

    def __init__(self, inner: Body, at: str) -> None:
        super().__init__(inner, at)
        self.began = anyio.Event()

    async def take(self, step: str) -> None:
        if self.at == step:
            self.began.set()
        await super().take(step)


@each(WAITS)
@pytest.mark.parametrize("way", ["killed", "stopped", "crashed", "the block ends"])
async def test_a_handler_that_is_ended_from_outside_has_ended(
    system: ActorSystem, neighbour: ActorRef, body: Body, way: str
) -> None:
    """However it takes that. Its message is a dead letter, and its asker is told."""
    bad = Waiting(body, "receive")
    asked: list[BaseException] = []

    async def ask(ref: ActorRef) -> None:
        try:
            await ref.ask("fault", timeout=3600)
        except ActorFailed as error:
            asked.append(error)

    async def end(system: ActorSystem) -> ActorRef:
        ref = system.spawn(bad, name="bad", shutdown=0)
        async with anyio.create_task_group() as group:
            group.start_soon(ask, ref)
            await anyio.lowlevel.checkpoint()
            with anyio.fail_after(30):
                await bad.began.wait()
            if way == "killed":
                await system.stop(ref, timeout=0)
            elif way == "stopped":
                await system.stop(ref, timeout=0.001)
            elif way == "crashed":
                system.crash(ref, ValueError("from outside"))
            else:
                await system._stop_all()
        return ref

    if way == "the block ends":
        async with ActorSystem() as other:
            ref = await end(other)
    else:
        other, ref = system, await end(system)
    assert ref.phase == "stopped"
    assert [letter.reason for letter in other.dead_letters] == ["killed"]
    assert len(asked) == 1
    assert other.books().is_balanced, other.books()


@each(WAITS)
@pytest.mark.parametrize("step", ["start", "stop"])
async def test_a_step_that_is_cut_off_has_ended(
    system: ActorSystem, neighbour: ActorRef, body: Body, step: str
) -> None:
    """A supervisor that is stopped at once does not wait for the code of an actor."""
    bad = Waiting(body, step)
    ref = system.spawn(bad, name="bad")
    if step == "start":
        with anyio.fail_after(30):
            await bad.began.wait()
    else:
        await system.started(ref)
    with anyio.fail_after(30):
        await system.stop(ref, timeout=0.001)
    assert ref.phase == "stopped"
    assert bad.began.is_set()


@pytest.mark.parametrize("way", ["told", "timer", "async"])
async def test_a_task_that_is_cancelled_later_goes_on(
    system: ActorSystem, neighbour: ActorRef, way: str
) -> None:
    """A handler keeps the task that it runs in, which is the system's, and cancels it once idle."""
    on_asyncio()
    cancelled = anyio.Event()

    def cancel_later() -> None:
        task = asyncio.current_task()
        assert task is not None

        def cancel(task: asyncio.Task[object]) -> None:
            task.cancel()
            cancelled.set()

        asyncio.get_running_loop().call_later(0.001, cancel, task)

    def handle(message: Message, context: Context) -> object:
        if message.payload == "cancel":
            if way == "timer":
                context.call_later(0, cancel_later)
            else:
                cancel_later()
        return message.payload

    async def handle_in_task(message: Message, context: Context) -> object:
        await anyio.lowlevel.checkpoint()
        return handle(message, context)

    ref = system.spawn(handle_in_task if way == "async" else handle)
    ref.tell("cancel")
    with anyio.fail_after(30):
        await cancelled.wait()
        fired = anyio.Event()
        system.timers.after(0.001, fired.set)
        await fired.wait()
        ref.tell("told")
        assert await ref.ask("asked") == "asked"
        assert await ref.drain(5)
    assert ref.incarnation == 1


def test_a_system_that_is_never_left_ends_with_its_loop() -> None:
    """At its end `asyncio.run` cancels the tasks that are left, and waits for them."""
    left: list[ActorSystem] = []

    async def main() -> None:
        system = ActorSystem()
        left.append(system)
        await system.__aenter__()
        assert await system.spawn(Probe("here")).ask(1) == "here"

    asyncio.run(main())
    assert left[0].is_open


# -- who asks is cancelled -------------------------------------------------------------------------


@each(WAITS)
@pytest.mark.parametrize("who", ["the program", "a handler"])
async def test_a_cancel_of_the_asker_is_the_asker_s(
    system: ActorSystem, neighbour: ActorRef, body: Body, who: str
) -> None:
    """The actor that was asked goes on with the message, and the scope of the asker ends."""
    asked = Waiting(body, "receive")
    ref = system.spawn(asked, name="asked", shutdown=0)

    async def ask() -> str:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(cancel, scope)
                await ref.ask("fault", timeout=3600)
        return "cancelled" if scope.cancelled_caught else "answered"

    async def cancel(scope: anyio.CancelScope) -> None:
        await asked.began.wait()
        scope.cancel()

    async def handle(message: Message, context: Context) -> object:
        return await ask()

    with anyio.fail_after(30):
        if who == "the program":
            assert await ask() == "cancelled"
        else:
            assert await system.spawn(handle, name="asks").ask(1) == "cancelled"
    assert system.books().in_hand == 1
    await system.stop(ref, timeout=0)


async def test_a_handler_that_is_killed_while_it_asks_leaves_the_asked_alone(
    system: ActorSystem, neighbour: ActorRef
) -> None:
    """The question is answered, and the answer dropped."""
    asked, answer = anyio.Event(), anyio.Event()

    async def slow(message: Message, context: Context) -> object:
        asked.set()
        await answer.wait()
        return "late"

    async def asks(message: Message, context: Context) -> object:
        return await system.broker.ask("slow", 1, timeout=3600)

    slow_ref = system.spawn(slow, name="slow")
    ref = system.spawn(asks, name="asks")
    ref.tell(1)
    with anyio.fail_after(30):
        await asked.wait()
        await system.stop(ref, timeout=0)
        answer.set()
        assert await slow_ref.drain(5)
    assert slow_ref.incarnation == 1
    assert system.books().handled == 1


async def test_a_handler_whose_question_is_killed_fails_alone(
    system: ActorSystem, neighbour: ActorRef
) -> None:
    """An ask inside a handler raises; what is asked does not cancel the asker."""
    asked = Waiting(in_a_task_group, "receive")
    target = system.spawn(asked, name="asked", shutdown=0)

    async def asks(message: Message, context: Context) -> object:
        if message.payload == "fault":
            await target.ask("fault", timeout=3600)
        return message.payload

    node = await supervise(system, ChildSpec("asks", lambda: asks))
    ref = system.broker.resolve("asks")
    ref.tell("fault")
    with anyio.fail_after(30):
        await asked.began.wait()
        await system.stop(target, timeout=0)
    assert await ref.ask("again") == "again"
    await settled(node)
    assert ref.incarnation == 2
    assert [letter.reason for letter in system.dead_letters] == ["killed", "crashed"]
