"""Lines and queued instances: order, bounds, deadlines, and what a cancel leaves behind."""

from __future__ import annotations

import math
import random

import anyio
import anyio.lowlevel
import pytest
from airswasm.runtime import (
    Caller,
    HostInterface,
    InstanceBusy,
    InstanceClosed,
    InstanceQueue,
    Limits,
    Pending,
    QueueExpired,
    QueueFull,
    Trapped,
)
from airswasm.runtime._queue import Line
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio
STEPS = st.lists(st.sampled_from(["enter", "leave", "cancel", "run"]), max_size=40)


async def settle() -> None:
    """Let all tasks go as far as they can."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


class Model:
    """Callers of one line, driven step by step, and what must hold after each."""

    def __init__(self, places: int, waiting: int) -> None:
        self.line = Line("x", places, waiting, None)
        self.places = places
        self.next = 0
        self.inside: list[int] = []
        self.in_line: dict[int, anyio.CancelScope] = {}
        self.order: list[int] = []

    async def visit(self, number: int) -> None:
        with anyio.CancelScope() as scope:
            self.in_line[number] = scope
            try:
                await self.line.enter()
            except QueueFull:
                self.order.remove(number)
                return
            except BaseException:
                self.order.remove(number)
                raise
            finally:
                del self.in_line[number]
            assert self.order.pop(0) == number, "one was overtaken"
            self.inside.append(number)

    def check(self) -> None:
        assert len(self.inside) + self.line.free == self.places
        assert self.line.waiting == len(self.in_line)
        assert not (self.line.free and self.line.waiting)


@given(st.integers(1, 3), st.integers(0, 4), STEPS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_places_are_never_lost_and_none_is_overtaken(
    backend: str, places: int, waiting: int, steps: list[str], chance: random.Random
) -> None:
    """Whatever callers do, and whenever they are cancelled."""

    async def play() -> None:
        model = Model(places, waiting)
        async with anyio.create_task_group() as tasks:
            for step in steps:
                if step == "enter":
                    model.order.append(model.next)
                    tasks.start_soon(model.visit, model.next)
                    model.next += 1
                    await settle()
                elif step == "leave" and model.inside:
                    model.inside.remove(chance.choice(model.inside))
                    model.line.leave()
                elif step == "cancel" and model.in_line:
                    model.in_line[chance.choice(list(model.in_line))].cancel()
                else:
                    await settle()
                    model.check()
            await settle()
            model.check()
            tasks.cancel_scope.cancel()

    anyio.run(play, backend=backend)


@pytest.mark.parametrize(
    "bounds", [(0, 1, None), (1, -1, None), (1, 1, -0.1), (1, 1, math.nan), (1, 1, -math.inf)]
)
def test_impossible_lines_are_refused(bounds: tuple[int, int, float | None]) -> None:
    """A line without a place, or with negative bounds, is a mistake of its maker's."""
    with pytest.raises(ValueError, match="line"):
        Line("x", *bounds)


async def test_a_place_that_comes_in_time_is_kept() -> None:
    """Who gets a place in the moment of the deadline has it."""
    line = Line("x", 1, 1, 0.0)
    await line.enter()
    with pytest.raises(QueueExpired):
        await line.enter()
    line.leave()
    await line.enter()
    assert (line.free, line.expired, line.waiting) == (0, 1, 0)


@pytest.fixture
def pending() -> list[Pending]:
    return []


@pytest.fixture
async def instance(engine, probe_wasm, pending):  # type: ignore[no-untyped-def]
    """One whose host function `wait` is answered by the test."""

    def wait(_caller: Caller, _ms: int) -> Pending:
        pending.append(Pending())
        return pending[-1]

    host = HostInterface(
        "test:probe/host",
        {"wait": wait, "reflect": lambda _c, data: data, "note": lambda _c, _text: None},
    )
    linked = (await engine.load(probe_wasm)).link([host])
    async with await linked.instantiate(caller=Caller("local/x"), limits=Limits(timeout=60)) as one:
        yield one
    assert one.is_closed


async def answer(pending: list[Pending], number: int) -> None:
    while len(pending) <= number:
        await anyio.lowlevel.checkpoint()
    pending[number].resolve(number)


async def test_a_busy_instance_refuses_and_a_queue_waits(instance, pending):
    """The same two calls, on the instance itself and through a queue."""
    results: list[object] = []

    async def nap(where) -> None:
        results.append(await where.call("#nap", 1))

    queue = InstanceQueue(instance)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(nap, queue)
        await settle()
        with pytest.raises(InstanceBusy):
            await instance.call("#add", 1, 2)
        tasks.start_soon(nap, queue)
        await settle()
        assert queue.waiting == 1
        await answer(pending, 0)
        await answer(pending, 1)
    assert results == [0, 1]
    assert await queue.exports.add(1, 2) == 3


async def test_a_queue_is_bounded_in_number_and_time(instance, pending):
    """One error for each bound, and both leave the calls before them alone."""
    async with InstanceQueue(instance, waiting=1, seconds=0) as queue:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(queue.call, "#nap", 1)
            await settle()
            with pytest.raises(QueueExpired, match="local/x"):
                await queue.call("#add", 1, 2)
            full = InstanceQueue(instance, waiting=0)
            await full._line.enter()
            with pytest.raises(QueueFull) as caught:
                await full.call("#add", 1, 2)
            assert caught.value.waiting == 0
            await answer(pending, 0)
    with pytest.raises(InstanceClosed):
        await queue.call("#add", 1, 2)


async def test_a_fault_reaches_those_who_wait(instance, pending):
    """The state that they wanted is gone: each is told, none waits for ever."""
    outcomes: list[type[BaseException]] = []
    queue = InstanceQueue(instance)

    async def call(function: str, *arguments: object) -> None:
        try:
            await queue.call(function, *arguments)
        except Exception as problem:
            outcomes.append(type(problem))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, "#nap", 1)
        await settle()
        tasks.start_soon(call, "#trap")
        await settle()
        tasks.start_soon(call, "#add", 1, 2)
        await settle()
        await answer(pending, 0)
    assert outcomes == [Trapped, InstanceClosed]
