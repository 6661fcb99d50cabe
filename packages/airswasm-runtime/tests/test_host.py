"""Host functions: plain, pending and async; their failures; linking by name."""

from __future__ import annotations

import anyio
import pytest
import wasmtime
from airswasm.runtime import (
    Caller,
    CallState,
    GuestExited,
    HostFunctionFailed,
    HostInterface,
    Pending,
    Trapped,
    UnsatisfiedImport,
)
from airswasm.runtime._component import compatible_track

pytestmark = pytest.mark.anyio


@pytest.fixture
async def probe(engine, probe_wasm):
    return await engine.load(probe_wasm, name="test/probe")


async def _with(probe, probe_host, **functions):
    host = HostInterface(probe_host.name, {**probe_host.functions, **functions})
    return await probe.link([host]).instantiate(caller=Caller("test/host", data="mine"))


async def test_a_host_function_sees_its_caller(probe, probe_host):
    """The caller carries name, the embedder's data and the message in progress."""
    seen = []
    instance = await _with(
        probe,
        probe_host,
        note=lambda caller, text: seen.append((caller.name, caller.data, caller.message, text)),
    )
    instance.caller.message = 42
    await instance.call("#shout", "hi")
    assert seen == [("test/host", "mine", 42, "hi")]


async def test_plain_pending_and_async_are_one_to_the_guest(probe, probe_host, engine):
    """The three ways of answering give the guest the same value."""

    def pending(_caller: Caller, ms: int) -> Pending:
        made = Pending()
        engine.timers.after(0, lambda: made.resolve(ms + 1))
        return made

    def resolved(_caller: Caller, ms: int) -> Pending:
        made = Pending()
        made.resolve(ms + 1)
        return made

    async def later(_caller: Caller, ms: int) -> int:
        await anyio.lowlevel.checkpoint()
        return ms + 1

    plain = [lambda _caller, ms: ms + 1, pending, resolved, later, lambda c, ms: later(c, ms)]
    for wait in plain:
        instance = await _with(probe, probe_host, wait=wait)
        assert await instance.call("#nap", 4) == 5
        assert await instance.call("#nap", 5) == 6


async def test_waits_overlap(probe, probe_host):
    """Two guests that wait for each other's turn both end: nothing blocks."""
    first, second = anyio.Event(), anyio.Event()

    async def meet(caller: Caller, ms: int) -> int:
        mine, other = (first, second) if caller.name == "one" else (second, first)
        mine.set()
        await other.wait()
        return ms

    host = HostInterface(probe_host.name, {**probe_host.functions, "wait": meet})
    linked = probe.link([host])
    one = await linked.instantiate(caller=Caller("one"))
    two = await linked.instantiate(caller=Caller("two"))
    async with anyio.create_task_group() as group:
        group.start_soon(one.call, "#nap", 1)
        group.start_soon(two.call, "#nap", 2)
    assert not one.is_closed


class Unreadable(Exception):
    """An error of a library: `isinstance` reads its `__class__`, which raises."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


async def test_an_exception_is_the_hosts_bug_and_ends_only_that_guest(probe, probe_host):
    """The caller of that guest gets the exception as a cause, with the guest's backtrace."""

    def fail(_caller: Caller, _ms: int) -> int:
        raise LookupError("boo")

    async def fail_later(_caller: Caller, _ms: int) -> int:
        await anyio.lowlevel.checkpoint()
        raise LookupError("boo")

    async def fail_unreadably(_caller: Caller, _ms: int) -> int:
        raise Unreadable

    for wait, raised in (
        (fail, LookupError),
        (fail_later, LookupError),
        (fail_unreadably, Unreadable),
    ):
        broken = await _with(probe, probe_host, wait=wait)
        other = await _with(probe, probe_host)
        with pytest.raises(HostFunctionFailed, match="test:probe/host#wait") as caught:
            await broken.call("#nap", 1)
        assert type(caught.value.__cause__) is raised
        assert broken.is_closed
        assert await other.call("#nap", 1) == 2


async def test_a_fault_raised_by_a_host_function_becomes_the_calls_fault(probe, probe_host):
    """Misuse and exit are the guest's doing, not the host's."""

    def misuse(caller: Caller, _text: str) -> None:
        raise Trapped(caller.name, "note", "broke a rule")

    def leave(caller: Caller, _text: str) -> None:
        raise GuestExited(caller.name, "note", 3)

    with pytest.raises(Trapped, match="broke a rule"):
        await (await _with(probe, probe_host, note=misuse)).call("#shout", "x")
    with pytest.raises(GuestExited) as caught:
        await (await _with(probe, probe_host, note=leave)).call("#shout", "x")
    assert caught.value.status == 3


async def test_cancelling_the_guest_cancels_its_async_host_function(probe, probe_host):
    """The task of an `async` host function ends with the guest that waits for it."""
    ended = []

    async def wait(_caller: Caller, _ms: int) -> int:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)
        return 0

    instance = await _with(probe, probe_host, wait=wait)
    with anyio.move_on_after(0.01):
        await instance.call("#nap", 1)
    while not ended:
        await anyio.lowlevel.checkpoint()
    assert instance.is_closed


async def test_an_async_host_function_runs_in_the_task_that_awaits_its_guest(probe, probe_host):
    """What holds around the call holds in the host function, so it costs no task of its own."""
    tasks = set()

    async def wait(_caller: Caller, ms: int) -> int:
        await anyio.lowlevel.checkpoint()
        tasks.add(anyio.get_current_task().id)
        return ms

    instance = await _with(probe, probe_host, wait=wait)
    await instance.call("#nap", 1)
    assert tasks == {anyio.get_current_task().id}


async def test_a_scheduled_guest_gets_a_task_for_its_async_host_function(probe, probe_host):
    """Where no task awaits the guest, the engine runs what it waits for."""
    tasks, woken = set(), anyio.Event()

    async def wait(_caller: Caller, ms: int) -> int:
        tasks.add(anyio.get_current_task().id)
        return ms

    instance = await _with(probe, probe_host, wait=wait)
    call = instance.start(instance.function("#nap"), (1,), lambda _call: woken.set())
    assert call.poll() is CallState.WAITING
    await woken.wait()
    assert call.poll() is CallState.DONE
    assert tasks
    assert anyio.get_current_task().id not in tasks


async def test_a_call_that_ends_at_once_leaves_no_coroutine_behind(probe, probe_host):
    """A host function that was not awaited yet is closed with its call, without a warning."""
    started = []

    async def wait(_caller: Caller, ms: int) -> int:
        started.append(ms)
        return ms

    instance = await _with(probe, probe_host, wait=wait)
    call = instance.start(instance.function("#nap"), (1,), lambda _call: None)
    call._is_awaited = True
    assert call.poll() is CallState.WAITING
    call.cancel()
    assert call.state is CallState.DONE
    assert not started


async def test_missing_imports_are_named(probe, probe_host):
    """Linking names the interface, and the function when only that is missing."""
    with pytest.raises(UnsatisfiedImport) as caught:
        probe.link([])
    assert (caught.value.interface, caught.value.function) == ("test:probe/host", None)
    with pytest.raises(UnsatisfiedImport) as caught:
        probe.link([HostInterface(probe_host.name, {"wait": lambda _c, ms: ms})])
    assert caught.value.function in ("reflect", "note")


async def test_a_later_interface_of_the_same_name_wins(probe, probe_host):
    """That is how a block replaces what is built in."""
    other = HostInterface(
        probe_host.name, {**probe_host.functions, "wait": lambda _caller, _ms: 99}
    )
    instance = await probe.link([probe_host, other]).instantiate(caller=Caller("x"))
    assert await instance.call("#nap", 1) == 99


@pytest.mark.parametrize(
    ("one", "other", "is_compatible"),
    [
        ("wasi:io/poll@0.2.0", "wasi:io/poll@0.2.12", True),
        ("wasi:io/poll@0.2.0", "wasi:io/poll@0.3.0", False),
        ("a:b/c@1.0.0", "a:b/c@1.9.2", True),
        ("a:b/c@1.0.0", "a:b/c@2.0.0", False),
        ("a:b/c@0.0.1", "a:b/c@0.0.2", False),
        ("a:b/c", "a:b/c", True),
        ("a:b/c", "a:b/c@1.0.0", False),
        ("a:b/c@1.0.0-rc1", "a:b/c@1.0.0", False),
    ],
)
async def test_versions_match_by_semver(one, other, is_compatible):
    """Compatible versions share a track; others, and pre-releases, do not."""
    assert (compatible_track(one) == compatible_track(other)) is is_compatible


async def test_a_function_of_the_world_itself_is_named(engine):
    """It belongs to no interface, so that the error says its own name; and it can be linked."""
    wat = """(component
      (import "log-line" (func $log (param "level" u32)))
      (core func $low (canon lower (func $log)))
      (core module $m (import "" "log" (func $log (param i32)))
        (func (export "go") (call $log (i32.const 7))))
      (core instance $i (instantiate $m (with "" (instance (export "log" (func $low))))))
      (func (export "go") (canon lift (core func $i "go"))))"""
    component = await engine.load(bytes(wasmtime.wat2wasm(wat)), name="local/x")
    for offered in ([], [HostInterface("", {"other": lambda _caller: None})]):
        with pytest.raises(UnsatisfiedImport) as caught:
            component.link(offered)
        assert (caught.value.interface, caught.value.function) == ("", "log-line")
        assert "imports the function `log-line` of its world" in str(caught.value)
    heard: list[int] = []
    linked = component.link([HostInterface("", {"log-line": lambda _caller, n: heard.append(n)})])
    await (await linked.instantiate(caller=Caller("x"))).call("#go")
    assert heard == [7]


async def test_a_specialized_component_has_what_it_was_given(probe, probe_host):
    """Bound imports are no imports any more, and hold whatever is linked; the code is shared."""
    bound = HostInterface(probe_host.name, {**probe_host.functions, "wait": lambda _caller, ms: 7})
    other = probe.specialized("test/other", "0" * 64, bound=[bound], exports=[""])
    assert (other.name, other.digest, dict(other.imports)) == ("test/other", "0" * 64, {})
    assert set(other.exports) == {""}
    assert "test:probe/handler#handle-message" in probe.paths
    assert "test:probe/handler#handle-message" not in other.paths
    for offered in ([], [probe_host]):
        instance = await other.link(offered).instantiate(caller=Caller("test/other"))
        assert await instance.call("#nap", 1) == 7
        assert not instance.has_export("test:probe/handler#handle-message")
    with pytest.raises(UnsatisfiedImport):
        probe.link([])
    again = other.specialized("test/third", "1" * 64, bound=[], exports=())
    assert (again.paths, dict(again.imports)) == ((), {})
    again.link([])
