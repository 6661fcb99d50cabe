"""Bytes through a component and back: ours, wasmtime's Python API, Extism's Python SDK.

Ours goes by copies, as where memories are packed, and as text. All echo the same payload
in the same process. What counts is CPU time, of all threads, and the best of twenty short
rounds: what else the machine does is not counted. A ratio is how many times longer the
other one takes.
Extism is measured where it is installed (`pip install extism`); its guest copies
input and output eight bytes at a time, as its plug-in kits do. Run it as
`python bench/bytes.py`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import wasmtime
from airswasm.runtime import Caller, Engine, EngineConfig, HostInterface, Limits, Ok
from wasmtime import component as wc

GUEST = Path(__file__).parent.parent / "tests" / "guests" / "bytes.wat"
HANDLE = "test:bytes/handler@1.0.0#handle-message"
SIZES = (0, 100, 1024, 65_536, 1_048_576)
LIMITS = Limits(memory_bytes=64 * 2**20, fuel=10**15, timeout=300.0)
ROUNDS = 20


def payloads(size_bytes: int) -> dict[str, bytes]:
    return {"text": b"x" * size_bytes, "binary": os.urandom(size_bytes)}


def repeats(size_bytes: int) -> int:
    return max(2, min(300, 1_000_000 // (size_bytes + 1)))


async def measured(call: Callable[[], Awaitable[object]], times: int) -> float:
    """Microseconds for one call."""
    await call()
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            await call()
        rounds.append((time.process_time() - started) / times * 1e6)
    return min(rounds)


def host() -> list[HostInterface]:
    return [
        HostInterface(
            "test:bytes/host@1.0.0",
            {
                "swap": lambda _caller, _key, value: Ok(value),
                "plain": lambda _caller, number: number,
                "many": lambda _caller, a, b, c: (a, b, c[1]),
            },
        ),
        HostInterface("", {"hashed": lambda _caller, data: data}),
    ]


async def ours(config: EngineConfig) -> dict[tuple[str, int], float]:
    found, bridge = {}, config.bridge_bytes
    wasm = bytes(wasmtime.wat2wasm(GUEST.read_text()))
    async with Engine(config) as engine:
        linked = (await engine.load(wasm)).link(host())
        instance = await linked.instantiate(limits=LIMITS, caller=Caller("bench/echo"))
        handle, hashed = instance.function(HANDLE), instance.function("#hashed")
        for size in SIZES if bridge else SIZES[:-1]:
            for kind, payload in payloads(size).items():
                times = repeats(size) if bridge else min(repeats(size), 200_000 // (size + 1) + 2)
                assert await handle("host", None, payload) == Ok(payload or None)
                found[f"call, {kind}", size] = await measured(
                    lambda payload=payload: handle("host", None, payload), times
                )
                found[f"relay through the host, {kind}", size] = await measured(
                    lambda payload=payload: hashed(payload), times
                )
        instance.close()
    return found


async def stock() -> dict[tuple[str, int], float]:
    """`wasmtime.component` as it comes: synchronous, no limits but fuel and epochs."""
    config = wasmtime.Config()
    config.consume_fuel = config.epoch_interruption = True
    engine = wasmtime.Engine(config)
    component = wc.Component(engine, GUEST.read_text())
    linker, store = wc.Linker(engine), wasmtime.Store(engine)
    with linker.root() as root:
        root.add_func("hashed", lambda _store, data: data)
        with root.add_instance("test:bytes/host@1.0.0") as instance:
            instance.add_func("swap", lambda _store, _key, value: value)
            instance.add_func("plain", lambda _store, number: number)
            instance.add_func("many", lambda _store, a, b, c: (a, b, c[1]))
    store.set_fuel(10**17)
    store.set_epoch_deadline(10**6)
    made = linker.instantiate(store, component)
    index = component.get_export_index("test:bytes/handler@1.0.0")
    handle = made.get_func(store, component.get_export_index("handle-message", index))
    found = {}
    for size in SIZES:
        payload = payloads(size)["binary"]

        async def call(payload: bytes = payload) -> object:
            return handle(store, "host", None, payload)

        times = max(1, min(300, 100_000 // (size + 1)))
        if size > 500_000:  # seconds each: once is enough to know
            started = time.process_time()
            await call()
            found["call", size] = (time.process_time() - started) * 1e6
        else:
            found["call", size] = await measured(call, times)
    return found


EXTISM_ECHO = """(module
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "input_load_u64" (func $in8 (param i64) (result i64)))
  (import "extism:host/env" "input_load_u8" (func $in1 (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $out8 (param i64 i64)))
  (import "extism:host/env" "store_u8" (func $out1 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 64)
  (func (export "echo") (result i32) (local $n i64) (local $i i64) (local $o i64)
    (local.set $n (call $length))
    (block $done (loop $next
      (br_if $done (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (local.get $n)))
      (i64.store (i32.wrap_i64 (local.get $i)) (call $in8 (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 8))) (br $next)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
      (i32.store8 (i32.wrap_i64 (local.get $i)) (call $in1 (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 1))) (br $next)))
    (local.set $o (call $alloc (local.get $n)))
    (local.set $i (i64.const 0))
    (block $done (loop $next
      (br_if $done (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (local.get $n)))
      (call $out8 (i64.add (local.get $o) (local.get $i))
        (i64.load (i32.wrap_i64 (local.get $i))))
      (local.set $i (i64.add (local.get $i) (i64.const 8))) (br $next)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
      (call $out1 (i64.add (local.get $o) (local.get $i))
        (i32.load8_u (i32.wrap_i64 (local.get $i))))
      (local.set $i (i64.add (local.get $i) (i64.const 1))) (br $next)))
    (call $output (local.get $o) (local.get $n))
    (i32.const 0)))"""


async def peer() -> dict[tuple[str, int], float]:
    try:
        import extism  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return {}
    wasm = bytes(wasmtime.wat2wasm(EXTISM_ECHO))
    plugin = extism.Plugin({"wasm": [{"data": wasm}], "memory": {"max_pages": 2000}})
    found = {}
    for size in SIZES:
        payload = payloads(size)["binary"]

        async def call(payload: bytes = payload) -> object:
            return plugin.call("echo", payload)

        found["call", size] = await measured(call, min(repeats(size), 200))
    return found


async def main() -> None:
    bridged, as_text = await ours(EngineConfig.dense()), await ours(EngineConfig())
    plain = await ours(EngineConfig(bridge_bytes=False))
    base, extism = await stock(), await peer()
    print(
        f"{'':42}{'bytes':>9}{'CPU µs':>10}{'as text':>9}{'unbridged':>11}{'stock':>9}{'Extism':>9}"
    )
    for (what, size), took in bridged.items():
        compared = [
            f"{as_text[what, size] / took:.1f}x",
            f"{plain[what, size] / took:.1f}x" if (what, size) in plain else "-",
            f"{base['call', size] / took:.0f}x" if what.startswith("call") else "-",
            f"{extism['call', size] / took:.2f}x" if extism and what.startswith("call") else "-",
        ]
        print(
            f"{what:42}{size:>9}{took:>10.1f}{compared[0]:>9}{compared[1]:>11}"
            f"{compared[2]:>9}{compared[3]:>9}"
        )


if __name__ == "__main__":
    asyncio.run(main())
