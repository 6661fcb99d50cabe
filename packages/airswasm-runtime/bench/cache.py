"""What the compile cache spares: a component ready to run, compiled or from the folder.

Without an argument it compiles a component of its own making, large enough to
take about a second; `python bench/cache.py guest.wasm` takes yours, for example
what componentize-py made. Medians of several loads.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import wasmtime
from airswasm.runtime import Engine, EngineConfig
from airswasm.runtime._compile.compiler import Compiler
from airswasm.runtime._wasmtime.features import hardened_config

WARM_LOADS = 7


def made_up(functions: int = 3000) -> bytes:
    step = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const {})) (local.get 1)))"
    body = " ".join(step.format(at) for at in range(30))
    function = f"(func (param i32 i32) (result i32) {body} local.get 0)"
    return bytes(wasmtime.wat2wasm(f"(component (core module {function * functions}))"))


async def ready(config: EngineConfig, engine: wasmtime.Engine, wasm: bytes) -> tuple[float, bool]:
    """Seconds until the code can be instantiated, and whether it came from the cache."""
    started = time.perf_counter()
    compiled = await Compiler(config).load(wasm, "bench")
    compiled.open(engine)
    return time.perf_counter() - started, compiled.is_from_cache


async def main(wasm: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(cache_folder=Path(folder) / "cache")
        engine = wasmtime.Engine(hardened_config(config))
        cold, _ = await ready(config, engine, wasm)
        warm = [await ready(config, engine, wasm) for _ in range(WARM_LOADS)]
        assert all(from_cache for _, from_cache in warm)
        best = statistics.median(seconds for seconds, _ in warm)
        small = bytes(wasmtime.wat2wasm("(component)"))
        smallest, _ = await ready(config, engine, small)
        small_warm = statistics.median(
            [(await ready(config, engine, small))[0] for _ in range(WARM_LOADS)]
        )
        async with Engine(config) as running:
            loads = []
            for _ in range(WARM_LOADS):
                started = time.perf_counter()
                await running.load(wasm)
                loads.append(time.perf_counter() - started)
            loaded = statistics.median(loads)
    print(f"component of {len(wasm):,} bytes: compiled {cold:.2f} s, cached {best * 1e3:.1f} ms")
    print(
        f"  cached is {cold / best:.0f}x faster; Engine.load from the cache {loaded * 1e3:.1f} ms"
    )
    print(f"empty component: compiled {smallest * 1e3:.0f} ms, cached {small_warm * 1e3:.2f} ms")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else made_up()))
