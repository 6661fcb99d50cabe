"""The sums of what calls cost: by export, by host function, over instances, and for one call."""

from __future__ import annotations

from bisect import bisect_left

import anyio
import anyio.lowlevel
import pytest
from airswasm.runtime import (
    BOUNDS,
    Caller,
    CallState,
    Engine,
    FuelExhausted,
    Histogram,
    HostFunction,
    HostFunctionFailed,
    HostInterface,
    Instance,
    Limits,
    LinkedComponent,
    Pending,
    Usage,
)
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio
LOOPS = """(component
  (import "test:work/host" (instance $host
    (export "number" (func (param "x" u32) (result u32)))
    (export "text" (func (param "x" string)))))
  (core module $memory (memory (export "memory") 40))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias export $host "number" (func $number))
  (alias export $host "text" (func $text))
  (core func $number (canon lower (func $number)))
  (core func $text (canon lower (func $text) (memory $m)))
  (core module $main
    (import "h" "number" (func $number (param i32) (result i32)))
    (import "h" "text" (func $text (param i32 i32)))
    (func (export "numbers") (param $left i32)
      (loop (drop (call $number (i32.const 1)))
        (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
    (func (export "texts") (param $size i32) (param $left i32)
      (loop (call $text (i32.const 0) (local.get $size))
        (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
  (core instance $i (instantiate $main (with "h" (instance
    (export "number" (func $number)) (export "text" (func $text))))))
  (func (export "numbers") (param "left" u32) (canon lift (core func $i "numbers")))
  (func (export "texts") (param "size" u32) (param "left" u32)
    (canon lift (core func $i "texts"))))"""
TIMES = st.lists(st.floats(-0.001, 100.0) | st.sampled_from([0.0, *BOUNDS]), max_size=60)
NUMBER, TEXT = "test:work/host#number", "test:work/host#text"


async def link(engine: Engine, **functions: HostFunction) -> LinkedComponent:
    offered: dict[str, HostFunction] = {
        "number": lambda _caller, number: number,
        "text": lambda _caller, _text: None,
    }
    host = HostInterface("test:work/host", {**offered, **functions})
    return (await engine.load(bytes(wat2wasm(LOOPS)))).link([host])


async def start(linked: LinkedComponent, usage: Usage | None, fuel: int = 10**9) -> Instance:
    limits = Limits(fuel=fuel, memory_bytes=2**22, timeout=600.0)
    return await linked.instantiate(caller=Caller("test/loop"), limits=limits, usage=usage)


@given(TIMES)
def test_each_time_is_in_the_bucket_of_its_bound(times: list[float]) -> None:
    """Whatever came before it, and however often the counts were read in between."""
    histogram, counts = Histogram(), [0] * (len(BOUNDS) + 1)
    for number, seconds in enumerate(times):
        histogram.add(seconds)
        counts[bisect_left(BOUNDS, seconds)] += 1
        if number % 7 == 0:
            assert histogram.counts == tuple(counts)
    assert histogram.counts == tuple(counts)
    assert histogram.total == len(times)
    assert histogram.seconds == pytest.approx(sum(times))


@given(TIMES, TIMES)
def test_a_merged_histogram_has_the_times_of_both(first: list[float], second: list[float]) -> None:
    """Also when one of them is empty."""
    merged, other, whole = Histogram(), Histogram(), Histogram()
    for seconds in first:
        merged.add(seconds)
        whole.add(seconds)
    for seconds in second:
        other.add(seconds)
        whole.add(seconds)
    merged.merge(other)
    assert (merged.counts, merged.total) == (whole.counts, whole.total)
    assert merged.seconds == pytest.approx(whole.seconds)


@pytest.mark.parametrize(
    ("times", "share", "bound"),
    [
        ([], 0.5, 0.0),
        ([0.5], 0.5, 1.0),
        ([0.000_005] * 99 + [0.5], 0.99, BOUNDS[0]),
        ([0.000_005] * 9 + [0.5], 0.99, 1.0),
        ([99.0], 0.5, float("inf")),
    ],
)
def test_a_quantile_is_the_bound_above_it(times: list[float], share: float, bound: float) -> None:
    """The bucket is all that is known."""
    histogram = Histogram()
    for seconds in times:
        histogram.add(seconds)
    assert histogram.quantile(share) == bound


async def test_sums_by_function_go_on_over_instances(engine: Engine) -> None:
    """Fuel is what the instances count themselves; the host's part is what they were charged."""
    linked, usage = await link(engine), Usage()
    used = 0
    for _ in range(2):
        instance = await start(linked, usage)
        await instance.call("#numbers", 5)
        await instance.call("#texts", 100, 2)
        used += instance.fuel_used
        instance.close()
    exports = usage.exports
    assert {path: each.total for path, each in exports.items()} == {
        "instantiation": 2, "#numbers": 2, "#texts": 2,
    }  # fmt: skip
    assert usage.fuel == used
    host = usage.host
    assert {path: each.total for path, each in host.items()} == {NUMBER: 10, TEXT: 4}
    assert host[NUMBER].fuel == 10 * 3_000
    assert host[TEXT].fuel > 4 * 3_000  # and for each byte
    assert 0 < host[NUMBER].seconds < exports["#numbers"].seconds
    assert usage.memory_peak_bytes == 40 * 65536


async def test_charges_that_were_paid_are_counted_once(engine: Engine) -> None:
    """A debt is taken from the store's fuel now and then, in the middle of a call."""
    usage = Usage()
    instance = await start(await link(engine), usage)
    await instance.call("#numbers", 1_000)
    assert usage.host[NUMBER].fuel == 1_000 * 3_000


@pytest.mark.parametrize("way", ["plain", "async", "pending"])
async def test_a_host_call_lasts_until_its_answer(engine: Engine, way: str) -> None:
    """What the guest waits for is the host function's time, and no work of the guest's."""
    gates: list[Pending] = []
    clock: list[float] = []

    async def later(_caller: Caller, number: int) -> int:
        clock.append(anyio.current_time())
        await anyio.sleep(0.01)
        clock.append(anyio.current_time())
        return number

    def gate(_caller: Caller, _number: int) -> Pending:
        gates.append(Pending())
        return gates[-1]

    function: HostFunction = {
        "plain": lambda _caller, number: number, "async": later, "pending": gate,
    }[way]  # fmt: skip
    usage = Usage()
    instance = await start(await link(engine, number=function), usage)
    call = instance.start(instance.function("#numbers"), (1,), lambda _call: None)
    call.itemize()
    state = call.poll()
    while state is not CallState.DONE:
        for each in gates:
            each.resolve(1)
        await anyio.lowlevel.checkpoint()
        state = call.poll()
    use = call.use()
    (item,) = use.host_calls
    assert (item.function, item.calls, item.fuel) == (NUMBER, 1, 3_000)
    assert usage.host[NUMBER].total == 1
    assert usage.host[NUMBER].seconds == item.seconds
    assert use.seconds >= item.seconds >= (clock[1] - clock[0] if clock else 0.0)
    export = usage.exports["#numbers"]
    assert export.busy_seconds == pytest.approx(use.busy_seconds)
    if way == "plain":
        assert export.idle_seconds < use.seconds / 2
    else:
        assert use.busy_seconds < use.seconds
    assert use.memory_bytes == 40 * 65536


async def test_a_computing_guest_is_at_work_in_a_thread(engine: Engine) -> None:
    """Its processor time there counts, and the calls of the host that it makes from there."""
    usage = Usage()
    instance = await start(await link(engine), usage, fuel=10**12)
    call = instance.start(instance.function("#numbers"), (20_000,), lambda _call: None)
    call.itemize()
    state = CallState.READY
    while state is not CallState.DONE:
        state = await call.poll_in_thread()
    use = call.use()
    (item,) = use.host_calls
    assert item.calls == usage.host[NUMBER].total == 20_000
    assert 0 < use.busy_seconds <= use.seconds


async def test_a_fault_counts_and_so_does_the_call_of_the_host_that_caused_it(
    engine: Engine,
) -> None:
    """The sums have what was used until then."""

    def fail(_caller: Caller, _number: int) -> int:
        raise ValueError("no")

    usage = Usage()
    instance = await start(await link(engine, number=fail), usage)
    with pytest.raises(HostFunctionFailed):
        await instance.call("#numbers", 3)
    instance = await start(await link(engine), usage, fuel=100_000)
    with pytest.raises(FuelExhausted) as caught:
        await instance.call("#numbers", 1_000)
    export = usage.exports["#numbers"]
    assert (export.total, export.faults) == (2, 2)
    assert export.fuel >= caught.value.fuel_used
    assert usage.host[NUMBER].total > 1


async def test_a_call_that_waits_when_it_is_ended_has_waited(engine: Engine) -> None:
    """A host function that never answers is in the sums, once the call is over."""
    usage = Usage()
    instance = await start(await link(engine, number=lambda *_: Pending()), usage)
    call = instance.start(instance.function("#numbers"), (1,), lambda _call: None)
    assert call.poll() is CallState.WAITING
    assert NUMBER not in usage.host
    call.cancel()
    assert usage.host[NUMBER].total == 1
    assert usage.exports["#numbers"].faults == 1


async def test_it_can_begin_and_end_at_any_time(engine: Engine) -> None:
    """Nothing is measured before and after."""
    first, second = Usage(), Usage()
    instance = await start(await link(engine), None)
    for usage in (None, first, None, second):
        instance.measure(usage)
        await instance.call("#numbers", 2)
    for usage in (first, second):
        assert {path: each.total for path, each in usage.exports.items()} == {"#numbers": 1}
        assert usage.host[NUMBER].total == 2
