"""Host function calls from a guest, plain and async, against stock wasmtime, in one run."""

from __future__ import annotations

from functools import partial

import anyio
from _guest import Stock, compared, probe_host, probe_wasm
from airswasm.runtime import Caller, Engine

DATA = bytes(range(100))


async def reflect_later(_caller: Caller, data: bytes) -> bytes:
    return data


async def main() -> None:
    wasm = probe_wasm()
    stock = Stock(wasm)
    async with Engine() as engine:
        component = await engine.load(wasm)

        for label, host in (("plain", probe_host()), ("async", probe_host(reflect=reflect_later))):
            instance = await component.link([host]).instantiate(caller=Caller("bench"))
            for name, arguments in (("relay", (DATA,)), ("nap", (1,)), ("shout", ("x" * 100,))):
                function = instance.function(f"#{name}")
                other = stock.function(name)
                ours, theirs = await compared(
                    partial(instance.call, function, *arguments), partial(other, *arguments)
                )
                print(
                    f"{label:6} {name:6} {ours:8.1f} us  stock {theirs:9.1f}  {theirs / ours:6.1f}x"
                )


anyio.run(main)
