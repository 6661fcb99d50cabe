"""Loads and starts what `wasm-tools smith` makes up, and guests with damaged bytes.

Run by `test_smith.py` in a process of its own, from a first seed to a last. For
each seed it says what it is about to do, then how it ended, so that a death
tells its seed and step. What the compile child does is done here, without the
child: 300 of them would take a minute.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from pathlib import Path

import anyio
import wasmtime
from airswasm.runtime import (
    Caller,
    Engine,
    EngineError,
    GuestFault,
    HostInterface,
    Limits,
    Ok,
)
from airswasm.runtime._compile.child import Refused, compile_image
from airswasm.runtime._compile.compiler import CompiledComponent
from airswasm.runtime._component import Component
from airswasm.runtime._compose.reader import Unreadable
from airswasm.runtime._compose.writer import ComponentWriter
from airswasm.runtime._wasmtime.features import HardenedSettings
from airswasm.runtime._wasmtime.reflection import UnsupportedType

LIMITS = Limits(memory_bytes=2**20, fuel=2_000_000, timeout=2.0, table_elements=10_000)


REFUSED = ("gc", "exceptions", "memory64", "threads", "tail-call", "relaxed-simd")


def made_up(tool: str, seed: int) -> bytes:
    """A component around a module that the seed makes up: of every feature, or only of ours."""
    data = random.Random(seed).randbytes(2000)
    options = ["--max-imports", "0", "--min-funcs", "1"]
    if seed % 3 == 1:
        options += ["--max-memories", "1"]
        options += [word for name in REFUSED for word in (f"--{name}-enabled", "false")]
    done = subprocess.run([tool, "smith", *options], input=data, capture_output=True, check=True)
    writer = ComponentWriter()
    writer.core_instance(writer.core_module(done.stdout))
    return writer.finish()


def damaged(guest: bytes, seed: int) -> bytes:
    """The guest with one to four bytes changed."""
    chance, content = random.Random(seed), bytearray(guest)
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(8, len(content))] = chance.randrange(256)
    return bytes(content)


def interfaces() -> list[HostInterface]:
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


async def run(engine: Engine, wasm: bytes, seed: int) -> str:
    """How far a component gets."""
    print(seed, "compile", flush=True)
    try:
        image, description = compile_image(wasm, HardenedSettings(), bridge=True)
    except (Refused, Unreadable, UnsupportedType, wasmtime.WasmtimeError):
        return "refused"
    print(seed, "run", flush=True)
    code = CompiledComponent(bytes(image), description)
    try:
        component = Component(
            engine, "fuzz/guest", description, code.open(engine._small.wasm), engine._small
        )
        linked = component.link(interfaces())
        instance = await linked.instantiate(limits=LIMITS, caller=Caller("fuzz/guest"))
        for path in component.paths[:8]:
            if "hashed" in path:
                await instance.call(path, bytes(range(256)))
        instance.close()
    except GuestFault as fault:
        return f"fault {type(fault).__name__}"
    except EngineError as error:
        return f"error {type(error).__name__}"
    return "ran with a bridge" if description.bridging.is_bridged else "ran"


async def main(tool: str, first: int, last: int) -> None:
    text = Path(__file__).with_name("bytes.wat").read_text()
    guest = bytes(wasmtime.wat2wasm(text))
    async with Engine() as engine:
        for seed in range(first, last):
            wasm = damaged(guest, seed) if seed % 3 == 0 else made_up(tool, seed)
            ended = await run(engine, wasm, seed)
            print(seed, "ended", ended, flush=True)
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
