"""The engine: loading, its life as a context manager, and independence of others."""

from __future__ import annotations

import anyio
import pytest
from airswasm.runtime import (
    Caller,
    CompileProgress,
    DeadlineExceeded,
    Engine,
    HostInterface,
    InvalidComponent,
    Limits,
    Pending,
    _engine,
)
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio


async def test_a_component_is_loaded_from_bytes_or_a_file(engine, probe_wasm, tmp_path):
    """Both give the same digest, and the shapes of its imports and exports."""
    file = tmp_path / "probe.wasm"
    file.write_bytes(probe_wasm)
    one = await engine.load(probe_wasm, name="a/b")
    two = await engine.load(file)
    assert one.digest == two.digest
    assert len(one.digest) == 64
    assert one.name == "a/b"
    assert set(one.imports) == {"test:probe/host"}
    relay = one.exports[""].functions["relay"]
    assert str(relay) == "relay: func(data: list<u8>) -> list<u8>"
    handler = one.exports["test:probe/handler"].functions["handle-message"]
    assert str(handler.result) == "result<option<list<u8>>, string>"


async def test_loading_reports_its_progress(engine, probe_wasm):
    """The last report says that it is done, and how long it took."""
    seen: list[CompileProgress] = []
    await engine.load(probe_wasm, name="a/b", progress=seen.append)
    assert seen[-1].stage == "done"
    assert seen[-1].name == "a/b"


@pytest.mark.parametrize(
    ("imported", "said"),
    [
        ('(import "m" (core module))', "the core module `m`"),
        (
            '(import "i" (instance (export "j" (instance (export "f" (func))))))',
            "the instance inside an instance `j` in `i`",
        ),
    ],
)
async def test_what_no_host_can_offer_is_refused(engine, imported, said):
    """A component that wants code instead of functions says so at load, not when it starts."""
    with pytest.raises(InvalidComponent, match=said):
        await engine.load(bytes(wat2wasm(f"(component {imported})")))


async def test_an_error_leaves_the_engine_as_it_is(config):
    """What the body raises is not wrapped in an exception group."""
    with pytest.raises(InvalidComponent):
        async with Engine(config) as engine:
            await engine.load(b"\0asm\x01\0\0\0")


async def test_a_cancel_goes_through_the_engine(config):
    """An engine inside a cancelled scope ends with it."""
    with anyio.move_on_after(0.01) as scope:
        async with Engine(config):
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def test_leaving_the_engine_ends_what_runs(config, probe_wasm, probe_host):
    """A waiting call is cancelled with its operation; its instance is closed."""
    cancelled: list[bool] = []
    waiting = Pending(on_cancel=lambda: cancelled.append(True))
    functions = {**probe_host.functions, "wait": lambda _caller, _ms: waiting}
    async with Engine(config) as engine:
        linked = (await engine.load(probe_wasm)).link([HostInterface(probe_host.name, functions)])
        instance = await linked.instantiate(caller=Caller("x"))
        call = instance.start(instance.function("#nap"), (1,), lambda _call: None)
        call.poll()
    assert cancelled == [True]
    assert instance.is_closed


async def test_two_engines_do_not_know_of_each_other(config, probe_wasm, probe_host):
    """One can end, and the other goes on: nothing is shared."""
    async with Engine(config) as outer:
        instance = await (
            (await outer.load(probe_wasm)).link([probe_host]).instantiate(caller=Caller("x"))
        )
        async with Engine(config) as inner:
            other = await (
                (await inner.load(probe_wasm)).link([probe_host]).instantiate(caller=Caller("y"))
            )
            assert await other.call("#add", 1, 1) == 2
        assert await instance.call("#add", 2, 2) == 4
        late = await (
            (await outer.load(probe_wasm))
            .link([probe_host])
            .instantiate(caller=Caller("z"), limits=Limits(timeout=0.03, fuel=2**60))
        )
        with pytest.raises(DeadlineExceeded):
            await late.call("#spin", 10**12)


async def test_one_link_makes_independent_instances(engine, probe_wasm, probe_host):
    """A trap in one leaves the others of the same link as they were."""
    linked = (await engine.load(probe_wasm)).link([probe_host])
    instances = [await linked.instantiate(caller=Caller(f"x/{n}")) for n in range(3)]
    with pytest.raises(Exception, match="unreachable"):
        await instances[1].call("#trap")
    assert [await instances[n].call("#add", n, n) for n in (0, 2)] == [0, 4]


async def test_an_engine_that_cannot_start_says_why_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also inside the scopes of a program around it."""

    def no_thread(address: int, tick: float) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_engine, "start_ticker", no_thread)
    async with anyio.create_task_group():  # it could not be left in order
        with pytest.raises(RuntimeError, match="can't start"):
            await Engine().__aenter__()
