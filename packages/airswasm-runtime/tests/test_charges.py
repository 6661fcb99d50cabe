"""Fuel and time for the host's work: what a guest lets the host do is on its own account."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest
from airswasm.runtime import (
    Caller,
    CallState,
    Engine,
    EngineConfig,
    FuelExhausted,
    HostCallTooLarge,
    HostFunction,
    HostInterface,
    HostResource,
    Instance,
    Limits,
    Pending,
)
from airswasm.runtime._calls import charges
from airswasm.runtime._calls.plan import _weight
from airswasm.runtime._shape import ValueType
from airswasm.wit import ListOf, OptionOf, Primitive, ResultOf, TupleOf
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio

LOOPS = """(component
  (import "test:work/host" (instance $host
    (export "number" (func (param "x" u32) (result u32)))
    (export "text" (func (param "x" string)))
    (export "list" (func (param "x" (list u32))))
    (export "thing" (type $thing (sub resource)))
    (export "make" (func (result (own $thing))))))
  (core module $memory (memory (export "memory") 40))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias export $host "thing" (type $thing))
  (alias export $host "number" (func $number))
  (alias export $host "text" (func $text))
  (alias export $host "list" (func $list))
  (alias export $host "make" (func $make))
  (core func $number (canon lower (func $number)))
  (core func $text (canon lower (func $text) (memory $m)))
  (core func $list (canon lower (func $list) (memory $m)))
  (core func $make (canon lower (func $make)))
  (core func $drop (canon resource.drop $thing))
  (core module $main
    (import "h" "number" (func $number (param i32) (result i32)))
    (import "h" "text" (func $text (param i32 i32)))
    (import "h" "list" (func $list (param i32 i32)))
    (import "h" "make" (func $make (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "numbers") (param $left i32)
      (loop (drop (call $number (i32.const 1)))
        (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
    (func (export "texts") (param $size i32) (param $left i32)
      (loop (call $text (i32.const 0) (local.get $size))
        (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
    (func (export "lists") (param $size i32) (param $left i32)
      (loop (call $list (i32.const 0) (local.get $size))
        (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
    (func (export "things") (param $left i32)
      (loop (call $drop (call $make))
        (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
  (core instance $i (instantiate $main (with "h" (instance
    (export "number" (func $number)) (export "text" (func $text)) (export "list" (func $list))
    (export "make" (func $make)) (export "drop" (func $drop))))))
  (func (export "numbers") (param "left" u32) (canon lift (core func $i "numbers")))
  (func (export "texts") (param "size" u32) (param "left" u32)
    (canon lift (core func $i "texts")))
  (func (export "lists") (param "size" u32) (param "left" u32)
    (canon lift (core func $i "lists")))
  (func (export "things") (param "left" u32) (canon lift (core func $i "things"))))"""
AMPLE = Limits(fuel=10**12, memory_bytes=2**22, timeout=60.0)


async def start(engine: Engine, limits: Limits = AMPLE, **functions: HostFunction) -> Instance:
    offered: dict[str, HostFunction] = {
        "number": lambda _caller, number: number,
        "text": lambda _caller, _text: None,
        "list": lambda _caller, _items: None,
        "make": lambda _caller: object(),
    }
    host = HostInterface("test:work/host", {**offered, **functions}, {"thing": HostResource()})
    linked = (await engine.load(bytes(wat2wasm(LOOPS)))).link([host])
    return await linked.instantiate(caller=Caller("test/loop"), limits=limits)


async def fuel_of(instance: Instance, path: str, *arguments: int) -> int:
    before = instance.fuel_used
    await instance.call(path, *arguments)
    return instance.fuel_used - before


@pytest.mark.parametrize("path", ["#numbers", "#things"])
async def test_a_loop_over_host_calls_ends_by_fuel(path: str) -> None:
    """However cheap a host function looks, a loop over it runs out of fuel, and exactly of it."""
    made: list[object] = []

    def make(_caller: Caller, *_arguments: int) -> object:
        made.append(None)
        return 1 if _arguments else object()

    async with Engine() as engine:
        instance = await start(engine, Limits(fuel=10_000_000), number=make, make=make)
        with pytest.raises(FuelExhausted) as caught:
            await instance.call(path, 2**31)
    assert caught.value.fuel_used == 10_000_000
    assert len(made) <= (10_000_000 + charges.PAY) // charges.CALL + 1  # it pays in instalments


async def test_a_loop_over_functions_that_wait_ends_by_fuel() -> None:
    """To wait in between does not make a host function free of charge."""

    async def wait(_caller: Caller, number: int) -> int:
        await anyio.lowlevel.checkpoint()
        return number

    async with Engine() as engine:
        instance = await start(engine, Limits(fuel=1_000_000), number=wait)
        with pytest.raises(FuelExhausted):
            await instance.call("#numbers", 2**31)


async def test_a_call_that_ends_in_debt_has_run_out_of_fuel() -> None:
    """The debt of the last few calls counts, although it was not taken from the store yet."""
    async with Engine() as engine:
        instance = await start(engine, Limits(fuel=10 * charges.CALL))
        assert await fuel_of(instance, "#numbers", 9) < 10 * charges.CALL
        with pytest.raises(FuelExhausted):
            await instance.call("#numbers", 10)
        assert instance.is_closed


@pytest.mark.parametrize("slice_", [0.0, 1000.0])
async def test_the_same_call_uses_the_same_fuel(slice_: float) -> None:
    """Fuel depends on the input, not on the clock, the scheduler, or the thread."""
    async with Engine(EngineConfig(host_slice=slice_)) as engine:
        instance = await start(engine)
        used = {await fuel_of(instance, "#numbers", 1_000) for _ in range(3)}
        function = instance.function("#numbers")
        before = instance.fuel_used
        call = instance.start(function, (1_000,), lambda _call: None)
        while await call.poll_in_thread() is not CallState.DONE:
            pass
        used.add(instance.fuel_used - before)
        plain = await fuel_of(instance, "#numbers", 2_000) - await fuel_of(
            instance, "#numbers", 1_000
        )
    assert len(used) == 1
    assert 1_000 * charges.CALL < plain < 1_000 * (charges.CALL + 100)


async def test_what_a_call_carries_is_charged() -> None:
    """Each byte, and each item of a list by its weight, in both directions."""
    async with Engine() as engine:
        instance = await start(engine)
        short, long = [await fuel_of(instance, "#texts", size, 1) for size in (1, 10_001)]
        assert long - short == 10_000 * charges.UNIT
        few, many = [await fuel_of(instance, "#lists", size, 1) for size in (1, 1_001)]
        assert many - few == 1_000 * charges.NUMBER_WEIGHT * charges.UNIT


async def test_dropping_a_handle_is_charged() -> None:
    """A guest that makes and drops resources pays for both."""
    async with Engine() as engine:
        instance = await start(engine)
        assert await fuel_of(instance, "#things", 100) >= 200 * charges.CALL


async def test_a_list_has_as_many_items_as_the_host_can_lift_in_a_moment() -> None:
    """An item is worth more than the byte that it may take in the guest."""
    most = AMPLE.host_call_bytes // charges.NUMBER_WEIGHT
    async with Engine() as engine:
        instance = await start(engine)
        await instance.call("#lists", most, 1)
        with pytest.raises(HostCallTooLarge):
            await instance.call("#lists", most + 1, 1)


async def test_a_host_function_charges_before_it_works() -> None:
    """What a guest cannot pay for is not done."""
    done: list[int] = []

    def search(caller: Caller, number: int) -> int:
        caller.charge(1_000_000)
        done.append(number)
        return number

    async with Engine() as engine:
        instance = await start(engine, Limits(fuel=5_500_000), number=search)
        with pytest.raises(FuelExhausted):
            await instance.call("#numbers", 100)
    assert len(done) == 5


def polls(call: object, poll: Callable[[], CallState]) -> list[CallState]:
    states = [poll()]
    while states[-1] in (CallState.READY, CallState.SERVED):
        states.append(poll())
    return states


async def test_a_guest_gives_way_after_a_slice_of_the_hosts_time() -> None:
    """The host's time counts like the guest's: no loop over host calls keeps the event loop."""
    async with Engine(EngineConfig(host_slice=0.0)) as engine:
        instance = await start(engine)
        call = instance.start(instance.function("#numbers"), (1_000,), lambda _call: None)
        states = polls(call, call.poll)
    assert states[-1] is CallState.DONE
    assert states.count(CallState.SERVED) >= 1_000 * charges.CALL // charges.LOOK // 3


async def test_a_result_that_was_held_back_arrives() -> None:
    """Giving way loses nothing: each result reaches the guest once, in order."""
    seen: list[int] = []

    def number(_caller: Caller, value: int) -> int:
        seen.append(value)
        return value

    async with Engine(EngineConfig(host_slice=0.0)) as engine:
        instance = await start(engine, number=number)
        await instance.call("#numbers", 500)
    assert len(seen) == 500


async def test_a_guest_that_gave_way_can_be_cancelled() -> None:
    """While its result is held back a call ends like any other."""
    async with Engine(EngineConfig(host_slice=0.0)) as engine:
        instance = await start(engine)
        call = instance.start(instance.function("#numbers"), (1_000,), lambda _call: None)
        while call.poll() is not CallState.SERVED:
            pass
        call.cancel()
        assert call.state is CallState.DONE
        assert instance.is_closed


async def test_a_function_that_waits_is_not_held_back_twice() -> None:
    """A guest that waits gives way by that, whatever the clock says."""
    async with Engine(EngineConfig(host_slice=0.0)) as engine:
        waiting: list[Pending] = []

        def wait(_caller: Caller, _number: int) -> Pending:
            waiting.append(Pending())
            return waiting[-1]

        instance = await start(engine, number=wait)
        call = instance.start(instance.function("#numbers"), (20,), lambda _call: None)
        while call.poll() is not CallState.DONE:
            assert call.state is CallState.WAITING
            waiting[-1].resolve(1)
        assert len(waiting) == 20


async def test_other_tasks_run_between_slices() -> None:
    """`Instance.call` lets the loop go on while a guest makes host calls in a loop."""
    turns: list[int] = []
    calls: list[int] = []

    async def neighbour() -> None:
        while len(calls) < 1_000:
            turns.append(len(calls))
            await anyio.lowlevel.checkpoint()

    async with Engine(EngineConfig(host_slice=0.0)) as engine:
        instance = await start(engine, number=lambda _caller, _n: calls.append(1) or 1)
        async with anyio.create_task_group() as group:
            group.start_soon(neighbour)
            await instance.call("#numbers", 1_000)
    assert len(turns) > 20


async def test_a_function_that_charges_is_looked_at_all_the_same() -> None:
    """What a function adds to its price does not put off the look at the clock."""

    def charged(caller: Caller, value: int) -> int:
        caller.charge(1)
        return value

    async with Engine(EngineConfig(host_slice=0.0)) as engine:
        instance = await start(engine, number=charged)
        call = instance.start(instance.function("#numbers"), (1_000,), lambda _call: None)
        assert polls(call, call.poll).count(CallState.SERVED) > 50


async def test_functions_that_never_wait_let_the_loop_go_on() -> None:
    """An `async` function that has its answer at once, as a denial, gives no turn by itself."""
    turns: list[int] = []
    calls: list[int] = []

    async def answer(_caller: Caller, value: int) -> int:
        calls.append(value)
        return value

    async def neighbour() -> None:
        while len(calls) < 1_000:
            turns.append(len(calls))
            await anyio.lowlevel.checkpoint()

    async with Engine(EngineConfig(host_slice=0.0)) as engine:
        instance = await start(engine, number=answer)
        async with anyio.create_task_group() as group:
            group.start_soon(neighbour)
            await instance.call("#numbers", 1_000)
    assert len(turns) > 100


@pytest.mark.parametrize(
    ("item", "weight"),
    [
        (Primitive("u64"), charges.NUMBER_WEIGHT),
        (Primitive("string"), charges.ITEM_WEIGHT),
        (ListOf(Primitive("u8")), charges.ITEM_WEIGHT),
        (TupleOf((Primitive("string"), ListOf(Primitive("u8")))), 3 * charges.ITEM_WEIGHT),
        (OptionOf(Primitive("bool")), charges.ITEM_WEIGHT + charges.NUMBER_WEIGHT),
        (ResultOf(None, Primitive("string")), 2 * charges.ITEM_WEIGHT),
    ],
    ids=str,
)
def test_an_item_weighs_what_its_parts_weigh(item: ValueType, weight: int) -> None:
    """A pair of texts is three objects to make: 60,000 in one call held the loop for 0.1 s."""
    assert _weight(item) == weight


async def test_a_call_that_pays_at_once_still_gives_way() -> None:
    """A function that charges much is paid within the call; the clock is looked at all the same."""

    def costly(caller: Caller, number: int) -> int:
        caller.charge(2 * charges.PAY)
        return number

    config = EngineConfig(host_slice=1e-9)
    async with Engine(config) as engine:
        instance = await start(engine, Limits(fuel=200 * charges.PAY), number=costly)
        call = instance.start(instance.function("#numbers"), (20,), lambda _call: None)
        states = polls(call, call.poll)
    assert states.count(CallState.SERVED) >= 9
