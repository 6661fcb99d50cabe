"""Attacks of guests that no other file tries: loops in odd places, hoards, echoes, Ctrl-C."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import wasmtime
from airswasm.runtime import (
    Caller,
    Engine,
    FuelExhausted,
    GuestFault,
    HostCallTooLarge,
    HostFunctionFailed,
    HostInterface,
    Instance,
    Limits,
    NoSuchExport,
    Trapped,
)

pytestmark = pytest.mark.anyio
MIB = 2**20
EVERYWHERE = """(component
  (core module $m
    (memory (export "memory") 1)
    (global $spins (mut i32) (i32.const 0))
    (func $spin (param i32)
      (if (i32.eq (global.get $spins) (local.get 0)) (then (loop $on (br $on)))))
    (func (export "spin-in") (param i32) (global.set $spins (local.get 0)))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (call $spin (i32.const 1)) (i32.const 64))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1))
      (i32.const 0))
    (func (export "after") (param i32) (call $spin (i32.const 2))))
  (core instance $i (instantiate $m))
  (func (export "spin-in") (param "place" u32) (canon lift (core func $i "spin-in")))
  (func (export "bytes") (param "v" (list u8)) (result (list u8)) (canon lift
    (core func $i "echo") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))
    (post-return (core func $i "after"))))
  (func (export "text") (param "v" string) (result string) (canon lift
    (core func $i "echo") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))
    (post-return (core func $i "after")))))"""


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def start(engine: Engine, wat: str, limits: Limits, *hosts: HostInterface) -> Instance:
    component = await engine.load(bytes(wasmtime.wat2wasm(wat)))
    return await component.link(hosts).instantiate(caller=Caller("x"), limits=limits)


@pytest.mark.parametrize("bridged", [True, False])
@pytest.mark.parametrize("place", [1, 2], ids=["realloc", "post-return"])
@pytest.mark.parametrize(("function", "value"), [("#bytes", b"abc"), ("#text", "abc")])
async def test_loops_outside_of_the_function_end_too(config, bridged, place, function, value):
    """Where the engine or the bridge calls the guest on its own account."""
    async with Engine(replace(config, bridge_bytes=bridged)) as engine:
        guest = await start(engine, EVERYWHERE, Limits(fuel=1_000_000))
        assert await guest.call(function, value) == value
        await guest.call("#spin-in", place)
        with pytest.raises(FuelExhausted):
            await guest.call(function, value)
        assert guest.is_closed


async def test_a_table_cannot_grow_past_its_limit(engine):
    """The guest is told no, before the host has made room for it."""
    wat = """(component
      (core module $m (table 10 funcref)
        (func (export "grow") (param i32) (result i32)
          (table.grow 0 (ref.null func) (local.get 0))))
      (core instance $i (instantiate $m))
      (func (export "grow") (param "by" u32) (result s32) (canon lift (core func $i "grow"))))"""
    guest = await start(engine, wat, Limits(table_elements=1000))
    before = resident_bytes()
    assert await guest.call("#grow", 50_000_000) == -1
    assert await guest.call("#grow", 990) == 10
    assert await guest.call("#grow", 1) == -1
    assert resident_bytes() - before < 16 * MIB


async def test_a_guest_that_hoards_its_own_handles_ends(engine):
    """The engine's table of handles is bounded, and fuel ends it before."""
    wat = """(component
      (type $r (resource (rep i32)))
      (core func $new (canon resource.new $r))
      (core module $m (import "" "new" (func $new (param i32) (result i32)))
        (func (export "hoard") (loop $on (drop (call $new (i32.const 1))) (br $on))))
      (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
      (func (export "hoard") (canon lift (core func $i "hoard"))))"""
    guest = await start(engine, wat, Limits(fuel=2**40, timeout=60))
    before = resident_bytes()
    with pytest.raises(GuestFault):
        await guest.call("#hoard")
    assert guest.is_closed
    assert resident_bytes() - before < 128 * MIB


ALIASED = """(component
  (core module $m
    (memory (export "memory") 20)
    (func $fill (param $at i32) (param $times i32)
      (loop $next
        (i32.store (local.get $at) (i32.const 65536))
        (i32.store offset=4 (local.get $at) (i32.const 1048576))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))
    (func (export "give") (param i32) (result i32)
      (call $fill (i32.const 16) (local.get 0))
      (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (local.get 0))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func (export "give") (param "times" u32) (result (list ITEM)) (canon lift
    (core func $i "give") (memory (core memory $i "memory")))))"""


@pytest.mark.parametrize("item", ["string", "(list u8)"])
async def test_one_megabyte_given_125_times_is_counted_125_times(config, item):
    """Strings may share memory in the guest; here each has its own, so each counts."""
    for bridged in (True, False):
        async with Engine(replace(config, bridge_bytes=bridged)) as engine:
            wat = ALIASED.replace("ITEM", item)
            guest = await start(engine, wat, Limits(host_call_bytes=4 * MIB, fuel=2**40))
            assert len(await guest.call("#give", 2)) == 2
            before = resident_bytes()
            with pytest.raises(HostCallTooLarge):
                await guest.call("#give", 125)
            assert resident_bytes() - before < 200 * MIB


async def test_a_host_call_of_129_mebibytes_is_too_large(engine):
    """The engine's own bound, which no limit can go beyond, is a typed fault as well."""
    wat = """(component
      (import "test:threats/host" (instance $host (export "take" (func (param "t" string)))))
      (core module $memory (memory (export "memory") 2100))
      (core instance $memory (instantiate $memory))
      (core func $take (canon lower (func $host "take") (memory (core memory $memory "memory"))))
      (core module $m (import "" "take" (func $take (param i32 i32)))
        (func (export "go") (param i32) (call $take (i32.const 0) (local.get 0))))
      (core instance $i (instantiate $m (with "" (instance (export "take" (func $take))))))
      (func (export "go") (param "size" u32) (canon lift (core func $i "go"))))"""
    taken: list[int] = []
    host = HostInterface("test:threats/host", {"take": lambda _c, text: taken.append(len(text))})
    limits = Limits(memory_bytes=256 * MIB, host_call_bytes=512 * MIB, fuel=2**40, timeout=60)
    guest = await start(engine, wat, limits, host)
    await guest.call("#go", 1000)
    with pytest.raises(HostCallTooLarge):
        await guest.call("#go", 129 * MIB)
    assert taken == [1000]


RESULTS = {
    "bool": ("bool", "(result i32)", "(drop (call $fail))"),
    "u64": ("u64", "(result i64)", "(drop (call $fail))"),
    "string": ("string", "(param i32)", "(call $fail (i32.const 0))"),
    "tuple": ("(tuple u32 string)", "(param i32)", "(call $fail (i32.const 0))"),
    "option": ("(option u8)", "(param i32)", "(call $fail (i32.const 0))"),
}


@pytest.mark.parametrize("raised", [KeyboardInterrupt, GeneratorExit, ValueError])
@pytest.mark.parametrize("result", RESULTS)
async def test_what_a_host_function_raises_comes_back_whatever_it_returns(engine, result, raised):
    """To its caller, and the guest never sees a made-up value."""
    type_, core, call = RESULTS[result]
    wat = f"""(component
      (import "test:threats/host" (instance $host (export "fail" (func (result {type_})))))
      (core module $memory (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
      (core instance $memory (instantiate $memory))
      (core func $fail (canon lower (func $host "fail") (memory (core memory $memory "memory"))
        (realloc (core func $memory "realloc"))))
      (core module $m (import "" "fail" (func $fail {core}))
        (func (export "go") {call} unreachable))
      (core instance $i (instantiate $m (with "" (instance (export "fail" (func $fail))))))
      (func (export "go") (canon lift (core func $i "go"))))"""

    def fail(_caller: Caller) -> object:
        raise raised("mine")

    guest = await start(engine, wat, Limits(), HostInterface("test:threats/host", {"fail": fail}))
    with pytest.raises((raised, HostFunctionFailed)) as caught:
        await guest.call("#go")
    assert "mine" in repr(caught.value) + repr(caught.value.__cause__)
    assert not isinstance(caught.value, Trapped)


async def test_an_instance_of_another_engine_is_refused(config, probe_wasm, probe_host):
    """Functions belong to one store of one engine."""
    async with Engine(config) as one, Engine(config) as other:
        here, there = [
            await (await each.load(probe_wasm)).link([probe_host]).instantiate(caller=Caller("x"))
            for each in (one, other)
        ]
        with pytest.raises(NoSuchExport):
            here.start(there.function("#add"), (1, 2), lambda call: None)
        assert await here.call("#add", 1, 2) == await there.call("#add", 1, 2) == 3


INTERRUPTED = """
import sys
from pathlib import Path
import anyio
from airswasm.runtime import *

async def main():
    async with Engine(EngineConfig(cache_folder=Path(sys.argv[2]))) as engine:
        offered = dict.fromkeys(("wait", "reflect", "note"), print)
        component = await engine.load(Path(sys.argv[1]).read_bytes())
        linked = component.link([HostInterface("test:probe/host", offered)])
        limits = Limits(fuel=2**60, timeout=600)
        guest = await linked.instantiate(caller=Caller("x"), limits=limits)
        print("ready", flush=True)
        await guest.call("#spin", 2**62)

anyio.run(main, backend=sys.argv[3])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_ctrl_c_ends_a_computing_guest(anyio_backend, probe_wasm, tmp_path, cache_folder):
    """At once, although its limits would let it run for minutes."""
    path = tmp_path / "probe.wasm"
    path.write_bytes(probe_wasm)
    command = [sys.executable, "-c", INTERRUPTED, path, cache_folder, anyio_backend]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT, 1), said
    assert "KeyboardInterrupt" in said
    assert "panicked" not in said
