"""What the benchmarks share: the probe guest, stock wasmtime, Extism, and a stopwatch."""

from __future__ import annotations

import inspect
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import wasmtime
from airswasm.runtime import Caller, HostFunction, HostInterface
from wasmtime import component as wc

GUESTS = Path(__file__).parents[1] / "tests" / "guests"
HANDLE = "test:probe/handler#handle-message"
ECHO_PLUGIN = """(module
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (func (export "echo") (result i32) (call $output (call $offset) (call $length)) i32.const 0))"""


def probe_wasm() -> bytes:
    """Compiles `tests/guests/probe.c`, with ziglang and wasm-tools."""
    with tempfile.TemporaryDirectory() as folder:
        core, embedded, component = (Path(folder) / n for n in ("core", "embedded", "component"))
        flags = "-target wasm32-freestanding -O2 -nostdlib -Wl,--no-entry -Wl,--export-dynamic"
        compile_ = [sys.executable, "-m", "ziglang", "cc", *flags.split()]
        tool = Path(sys.executable).with_name("wasm-tools")
        for command in (
            [*compile_, "-Wl,-z,stack-size=65536", "-o", core, GUESTS / "probe.c"],
            [tool, "component", "embed", GUESTS / "probe.wit", core, "-o", embedded],
            [tool, "component", "new", embedded, "-o", component],
        ):
            subprocess.run(command, check=True)
        return component.read_bytes()


class Stock:
    """The probe guest under `wasmtime.component` as it comes, with fuel and epoch on."""

    def __init__(self, wasm: bytes) -> None:
        config = wasmtime.Config()
        config.consume_fuel = config.epoch_interruption = True
        engine = wasmtime.Engine(config)
        self.component = wc.Component(engine, wasm)
        linker = wc.Linker(engine)
        with linker.root() as root, root.add_instance("test:probe/host") as host:
            host.add_func("wait", wait)
            host.add_func("reflect", reflect)
            host.add_func("note", note)
        self.store = wasmtime.Store(engine)
        self.store.set_fuel(10**18)
        self.store.set_epoch_deadline(10**9)
        self.instance = linker.instantiate(self.store, self.component)

    def function(self, name: str, interface: str | None = None) -> Callable[..., object]:
        parent = self.component.get_export_index(interface) if interface else None
        index = self.component.get_export_index(name, parent)
        found = self.instance.get_func(self.store, index)
        return lambda *arguments: found(self.store, *arguments)


Contender = Callable[[], object]


async def compared(*contenders: Contender, rounds: int = 15) -> list[float]:
    """The median microseconds of one call of each, in short rounds that take turns.

    Taking turns, so that whatever else the machine does meets all of them alike.
    """
    numbers = [_number(await _timed(each, 2)) for each in contenders]
    took: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        for each, number, times in zip(contenders, numbers, took, strict=True):
            times.append(await _timed(each, number))
    return [statistics.median(times) * 1e6 for times in took]


async def _timed(call: Contender, number: int) -> float:
    """Seconds for one call; a contender may be awaitable."""
    is_awaited = inspect.isawaitable(first := call())
    if is_awaited:
        await first
    started = time.perf_counter()
    if is_awaited:
        for _ in range(number):
            await call()  # type: ignore[misc]
    else:
        for _ in range(number):
            call()
    return (time.perf_counter() - started) / number


def _number(seconds: float) -> int:
    """Calls that make a round of about 10 ms."""
    return max(1, int(0.01 / max(seconds, 1e-7)))


async def microseconds_async(
    function: Callable[..., Awaitable[object]], *arguments: object, budget: float = 0.5
) -> float:
    """The median time of one call, over rounds of about 20 ms within `budget` seconds."""
    await function(*arguments)
    started = time.perf_counter()
    await function(*arguments)
    number = max(1, int(0.02 / max(time.perf_counter() - started, 1e-7)))
    rounds, until = [], time.perf_counter() + budget
    while len(rounds) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        for _ in range(number):
            await function(*arguments)
        rounds.append((time.perf_counter() - started) / number)
    return statistics.median(rounds) * 1e6


def wait(_caller: Caller, ms: int) -> int:
    return ms


def reflect(_caller: Caller, data: bytes) -> bytes:
    return data


def note(_caller: Caller, _text: str) -> None:
    pass


def probe_host(**functions: HostFunction) -> HostInterface:
    """The host that the probe guest needs, at its fastest."""
    offered: dict[str, HostFunction] = {"wait": wait, "reflect": reflect, "note": note}
    return HostInterface("test:probe/host", {**offered, **functions})
