"""Calls: what they return, what ends them, and what that leaves behind."""

from __future__ import annotations

import threading
from dataclasses import replace

import anyio
import pytest
from airswasm.runtime import (
    Caller,
    CallState,
    DeadlineExceeded,
    Engine,
    FuelExhausted,
    HostCallTooLarge,
    HostFunctionFailed,
    HostInterface,
    InstanceBusy,
    InstanceClosed,
    Limits,
    MemoryLimitExceeded,
    NoSuchExport,
    Ok,
    Pending,
    StackOverflowed,
    Trapped,
    ValueMismatch,
)

pytestmark = pytest.mark.anyio
HANDLE = "test:probe/handler#handle-message"


class Waits:
    """A host whose `wait` is completed by the test."""

    def __init__(self) -> None:
        self.pending: list[Pending] = []
        self.cancelled = 0
        self.threads: set[int] = set()

    def wait(self, _caller: Caller, _ms: int) -> Pending:
        self.threads.add(threading.get_ident())
        made = Pending(on_cancel=self._count)
        self.pending.append(made)
        return made

    def _count(self) -> None:
        self.cancelled += 1

    def interface(self, probe_host: HostInterface) -> HostInterface:
        return HostInterface(probe_host.name, {**probe_host.functions, "wait": self.wait})


@pytest.fixture
async def probe(engine, probe_wasm):
    return await engine.load(probe_wasm, name="test/probe")


@pytest.fixture
async def instance(probe, probe_host):
    return await probe.link([probe_host]).instantiate(caller=Caller("test/probe"))


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def waiting(probe, probe_host, waits):
    return await probe.link([waits.interface(probe_host)]).instantiate(caller=Caller("test/wait"))


async def test_calls_return_values(instance):
    """Results of exports are Python values; a call leaves the instance ready for the next."""
    assert await instance.call("#add", 2, 3) == 5
    assert await instance.call(HANDLE, "é", "topic", b"\x00\xff") == Ok(b"\x00\xff")
    assert await instance.call("#relay", bytes(range(256))) == bytes(range(256))[::-1]
    assert not instance.is_closed


async def test_functions_do_not_get_in_each_others_place(instance):
    """However many there are, and whatever was let go of meanwhile."""
    first = {name: instance.function(f"#{name}") for name in ("add", "spin", "nap", "relay")}
    instance.forget("#spin")
    instance.forget("#never")
    assert instance.function("#spin") is not first["spin"]
    assert instance.function("#recurse") is instance.function("#recurse")
    assert await instance.call("#shout", "hello") is None
    assert await instance.call("#add", 40, 2) == 42
    assert await instance.call(first["add"], 1, 2) == 3
    assert await instance.call("#relay", b"abc") == b"cba"
    assert await instance.call("#spin", 10) == await instance.call(first["spin"], 10)


async def test_exports_are_methods(instance):
    """The typed object calls by name, takes keywords, and has a real signature."""
    import inspect

    handler = instance.exports.handler
    assert await handler.handle_message("a", topic=None, payload=b"x") == Ok(b"x")
    assert await instance.exports.add(1, b=2) == 3
    parameters = inspect.signature(handler.handle_message).parameters
    assert list(parameters) == ["sender", "topic", "payload"]
    assert parameters["payload"].annotation is bytes


async def test_unknown_exports_are_named(instance):
    """Asking for what is not there says what is."""
    with pytest.raises(NoSuchExport, match="#add"):
        await instance.call("#subtract", 1, 2)
    assert instance.has_export("#add")
    assert not instance.has_export("#subtract")


async def test_a_wrong_argument_never_enters_the_guest(instance):
    """The mismatch names function and parameter; the instance stays usable."""
    with pytest.raises(ValueMismatch, match=r"handle-message\.topic"):
        await instance.call(HANDLE, "a", 3, b"")
    with pytest.raises(ValueMismatch, match="3 arguments"):
        await instance.call(HANDLE, "a")
    assert await instance.call("#add", 1, 1) == 2


async def test_a_trap_closes_the_instance(instance):
    """A trap has a backtrace of wasm function names and its fuel; then the store is gone."""
    with pytest.raises(Trapped) as caught:
        await instance.call("#trap")
    assert "unreachable" in caught.value.code
    assert caught.value.backtrace[0].function == "trap"
    assert caught.value.fuel_used > 0
    assert instance.is_closed
    assert instance.fault is caught.value
    with pytest.raises(InstanceClosed):
        await instance.call("#add", 1, 2)


@pytest.mark.parametrize(
    ("limits", "call", "fault", "limit"),
    [
        (Limits(fuel=100_000), ("#spin", 10**12), FuelExhausted, "fuel"),
        (Limits(fuel=2**62, timeout=0.05), ("#spin", 10**12), DeadlineExceeded, "timeout"),
        (Limits(timeout=0.05), ("#nap", 1), DeadlineExceeded, "timeout"),
        (Limits(host_call_bytes=9), ("#relay", b"grows"), HostCallTooLarge, "host_call_bytes"),
    ],
)
async def test_every_limit_is_a_typed_fault(probe, probe_host, waits, limits, call, fault, limit):
    """A limit names itself, its value and what changes it."""
    host = waits.interface(probe_host)
    functions = {**host.functions, "reflect": lambda _caller, data: data * 2}
    linked = probe.link([HostInterface(host.name, functions)])
    instance = await linked.instantiate(caller=Caller("test/limits"), limits=limits)
    with pytest.raises(fault) as caught:
        await instance.call(*call)
    assert caught.value.limit == limit
    assert caught.value.value == getattr(limits, limit)
    assert caught.value.setting.startswith("limits.")
    assert f"raise `Limits.{limit}`" in str(caught.value)
    assert instance.is_closed
    assert waits.cancelled == len(waits.pending)


async def test_too_large_an_argument_never_enters_the_guest(probe, probe_host):
    """The bytes of a call are limited on the way down, too; that is the caller's mistake."""
    linked = probe.link([probe_host])
    instance = await linked.instantiate(caller=Caller("x"), limits=Limits(host_call_bytes=99))
    for path, value in (("#relay", b"x" * 100), ("#shout", "x" * 100)):
        with pytest.raises(ValueMismatch, match="host_call"):
            await instance.call(path, value)
    assert await instance.call("#relay", b"x" * 99) == b"x" * 99


async def test_endless_recursion_is_a_fault(engine, abyss_wasm):
    """The guest's stack ends long before the fibre's does."""
    component = await engine.load(abyss_wasm)
    instance = await component.link().instantiate(caller=Caller("test/abyss"))
    with pytest.raises(StackOverflowed) as caught:
        await instance.call("#fall", 0)
    assert caught.value.limit == "stack"


async def test_too_little_memory_says_how_much_is_needed(probe, probe_host):
    """Instantiation fails with the limit and with what the guest needs."""
    linked = probe.link([probe_host])
    with pytest.raises(MemoryLimitExceeded, match="3,276,800 bytes") as caught:
        await linked.instantiate(caller=Caller("x"), limits=Limits(memory_bytes=512 * 1024))
    assert caught.value.setting == "limits.memory"


async def test_memory_cannot_grow_past_its_limit(instance):
    """`memory.grow` beyond the limit answers -1, and the guest goes on."""
    assert await instance.call("#hog", 1000) == -1
    assert await instance.call("#hog", 1) > 0


async def test_one_call_at_a_time(waiting, waits):
    """A second call is refused while the first waits, and does not disturb it."""
    woken = []
    call = waiting.start(waiting.function("#nap"), (1,), woken.append)
    assert call.poll() is CallState.WAITING
    with pytest.raises(InstanceBusy, match="#nap"):
        await waiting.call("#add", 1, 2)
    waits.pending[0].resolve(7)
    assert woken == [call]
    assert call.poll() is CallState.DONE
    assert call.result() == 7
    assert call.fuel_used > 0


async def test_a_guest_cannot_be_entered_by_its_own_host_function(probe, probe_host):
    """Re-entry is refused as a host bug instead of recursing."""

    def enter(caller: Caller, _text: str) -> None:
        caller.instance.start(caller.instance.function("#add"), (1, 2), lambda _call: None)

    host = HostInterface(probe_host.name, {**probe_host.functions, "note": enter})
    instance = await probe.link([host]).instantiate(caller=Caller("test/enter"))
    with pytest.raises(HostFunctionFailed) as caught:
        await instance.call("#shout", "x")
    assert isinstance(caught.value.__cause__, InstanceBusy)


async def test_a_slice_gives_way(instance):
    """A computing call comes back READY after each slice, and ends in the end."""
    call = instance.start(instance.function("#spin"), (1_000_000,), lambda _call: None)
    states = [call.poll()]
    while states[-1] is CallState.READY:
        states.append(call.poll())
    assert states[-1] is CallState.DONE
    assert len(states) > 2
    assert call.fuel_used > 1_000_000


async def test_cancelling_the_await_ends_the_guest(waiting, waits):
    """A cancelled call cancels what it waits for and closes the instance."""
    with anyio.move_on_after(0) as scope:
        await waiting.call("#nap", 1)
    assert scope.cancelled_caught
    assert waits.cancelled == 1
    assert waiting.is_closed
    waits.pending[0].resolve(1)  # too late: without effect


async def test_cancelling_a_computing_guest_ends_it(probe, probe_host):
    """A guest on a worker thread is cancelled within its stint; it has fuel for a minute."""
    instance = await probe.link([probe_host]).instantiate(
        caller=Caller("test/probe"), limits=Limits(fuel=2**50, timeout=60)
    )
    with anyio.move_on_after(0.02) as scope:
        await instance.call("#spin", 10**12)
    assert scope.cancelled_caught  # before the deadline of the call
    assert instance.is_closed


async def test_a_guest_on_a_worker_thread_calls_the_host_on_the_loop(probe, probe_host, engine):
    """Host functions never run on another thread, whatever polls the guest."""
    threads = set()

    def reflect(_caller: Caller, data: bytes) -> bytes:
        threads.add(threading.get_ident())
        return data[::-1]

    host = HostInterface(probe_host.name, {**probe_host.functions, "reflect": reflect})
    instance = await probe.link([host]).instantiate(caller=Caller("test/thread"))
    call = instance.start(instance.function("#relay"), (b"abc",), lambda _call: None)
    while await call.poll_in_thread() is not CallState.DONE:
        pass
    assert call.result() == b"cba"
    assert threads == {threading.get_ident()}


async def test_waiting_on_a_worker_thread_parks_the_call(waiting, waits):
    """A call that waits leaves its thread; it is woken on the loop."""
    woken = []
    call = waiting.start(waiting.function("#nap"), (1,), woken.append)
    assert await call.poll_in_thread() is CallState.WAITING
    assert waits.threads == {threading.get_ident()}
    waits.pending[0].resolve(9)
    assert woken == [call]
    while await call.poll_in_thread() is not CallState.DONE:
        pass
    assert call.result() == 9


async def test_the_loop_stays_responsive_beside_a_computing_guest(instance):
    """While one guest spins, the loop's own tasks go on."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(turn)
        await instance.call("#spin", 20_000_000)
        group.cancel_scope.cancel()
    assert turns > 5


async def test_closing_during_a_call_cancels_it(waiting, waits):
    """`close` ends a waiting call; its result raises, its operation is cancelled."""
    call = waiting.start(waiting.function("#nap"), (1,), lambda _call: None)
    call.poll()
    waiting.close()
    assert waits.cancelled == 1
    assert call.poll() is CallState.DONE
    with pytest.raises(InstanceClosed):
        call.result()


async def test_closing_during_a_call_wakes_whoever_awaits_it(waiting, waits):
    """`close` from another task ends the await with `InstanceClosed`; no task waits for ever."""

    async def close() -> None:
        while not waits.pending:
            await anyio.lowlevel.checkpoint()
        waiting.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close)
        with anyio.fail_after(30), pytest.raises(InstanceClosed):
            await waiting.call("#nap", 1)


async def test_close_callbacks_run_once_latest_first(instance):
    """What host functions hung on their caller is undone when the instance ends."""
    undone = []
    instance.caller.on_close(lambda: undone.append(1))
    instance.caller.on_close(lambda: undone.append(2))
    instance.close()
    instance.close()
    assert undone == [2, 1]


async def test_a_failing_clean_up_hides_nothing(probe, probe_host):
    """Every clean-up runs; a failure is a note of the fault, or reaches who closes."""
    undone: list[int] = []

    def fail() -> None:
        raise LookupError("gone")

    linked = probe.link([probe_host])
    for end in ("#trap", None):
        instance = await linked.instantiate(caller=Caller("test/clean-up"))
        instance.caller.on_close(lambda: undone.append(1))
        instance.caller.on_close(fail)
        if end is None:
            with pytest.raises(LookupError):
                instance.close()
        else:
            with pytest.raises(Trapped) as caught:
                await instance.call(end)
            assert "gone" in caught.value.__notes__[0]
        assert instance.is_closed
    assert undone == [1, 1]


async def test_a_thousand_guests_wait_on_one_thread(engine, probe, probe_host, waits):
    """Waiting costs no thread and no task; each is woken by its own operation."""
    linked = probe.link([waits.interface(probe_host)])
    threads, calls, woken = threading.active_count(), [], []
    for _ in range(1000):
        instance = await linked.instantiate(caller=Caller("test/many"), limits=Limits(timeout=600))
        call = instance.start(instance.function("#nap"), (1,), woken.append)
        assert call.poll() is CallState.WAITING
        calls.append(call)
    assert threading.active_count() == threads
    for number, pending in enumerate(reversed(waits.pending)):
        pending.resolve(number)
    assert woken == calls[::-1]
    assert all(call.poll() is CallState.DONE for call in woken)
    assert [call.result() for call in woken] == list(range(1000))


async def test_a_large_component_has_a_larger_stack(config, build):
    """It recurses as deep as its stack allows, and the fault names what changes that."""
    core = """(module (memory (export "memory") 20) %s
      (func $fall (export "fall") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $fall (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 0)))))"""
    wit = "package test:fall; world fall { export fall: func(depth: u32) -> u32; }"
    small = build(wit, core % "")
    large = build(wit, core % f'(data (i32.const 0) "{"x" * 70_000}")')
    async with Engine(replace(config, small_component_bytes=64 * 1024)) as engine:

        async def depth_and_fault(wasm: bytes) -> tuple[int, StackOverflowed]:
            linked = (await engine.load(wasm)).link()
            for depth in (1000 * 2**step for step in range(20)):
                instance = await linked.instantiate(caller=Caller("x"), limits=ROOM)
                try:
                    await instance.call("#fall", depth)
                except StackOverflowed as fault:
                    return depth, fault
            raise AssertionError("it never ends")

        small_depth, small_fault = await depth_and_fault(small)
        large_depth, large_fault = await depth_and_fault(large)
    assert small_fault.setting == "EngineConfig.max_wasm_stack_bytes"
    assert large_fault.setting == "EngineConfig.large_wasm_stack_bytes"
    assert (small_fault.value, large_fault.value) == (512 * 1024, 4 * 2**20)
    assert large_depth == 8 * small_depth


ROOM = Limits(memory_bytes=2 * 2**20, timeout=60, fuel=2**50)
