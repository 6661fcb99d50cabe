"""Compiling in a child: what is refused, what is bounded, what is shared."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
import wasmtime
from airswasm.runtime import (
    CompileLimitExceeded,
    CompileLimits,
    CompileProgress,
    EngineConfig,
    InvalidComponent,
)
from airswasm.runtime._compile.cache import SUFFIX
from airswasm.runtime._compile.child import answer
from airswasm.runtime._compile.child_process import ChildOutcome
from airswasm.runtime._compile.compiler import (
    Compiler,
    check_preamble,
    compile_component,
    read_answer,
)
from airswasm.runtime._wasmtime.features import HardenedSettings, hardened_config

pytestmark = pytest.mark.anyio
CONFIG = EngineConfig()
EMPTY = bytes(wasmtime.wat2wasm("(component)"))
REFUSED = dict(
    line.split(": ", 1)
    for line in Path(__file__).with_name("guests").joinpath("refused.txt").read_text().splitlines()
)
MODULE = bytes(wasmtime.wat2wasm("(module)"))


def wat(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def answered(wasm: bytes) -> ChildOutcome:
    """What the child answers, without starting one."""
    out = io.BytesIO()
    answer(out, wasm, {"settings": HardenedSettings().to_json(), "bridge": True})
    return ChildOutcome(out.getvalue(), "", 0)


@pytest.mark.parametrize(
    ("wasm", "said"),
    [
        (b"", "empty"),
        (b"\0as", "magic"),
        (b"hello, world", "magic"),
        (b"(component)", "wasm-tools parse"),
        (EMPTY[:6], "ends after 6 bytes"),
        (MODULE, "wasm-tools component new"),
        (b"\0asm\x0c\0\1\0", "version 12"),
    ],
)
def test_what_is_no_component_is_named(wasm: bytes, said: str) -> None:
    """The first bytes tell a module, text, garbage and a torn file apart."""
    with pytest.raises(InvalidComponent, match=said):
        check_preamble(wasm, "x")


@pytest.mark.parametrize("feature", REFUSED)
def test_every_unneeded_feature_is_a_typed_error(feature: str) -> None:
    """A guest that uses a feature outside our set is `InvalidComponent`."""
    wasm = wat(REFUSED[feature])
    with pytest.raises(InvalidComponent):
        read_answer(answered(wasm), feature, CONFIG)


@pytest.mark.parametrize(
    "text",
    [
        "(component (core module (memory 1) (memory 1)))",
        '(component (core module (import "a" "b" (memory 1)) (memory 1)))',
        '(component (core module (import "a" "b" (memory 1)) (import "a" "c" (memory 1))))',
        "(component (component (core module (memory 1) (memory 1))))",
    ],
)
def test_multiple_memories_are_refused(text: str) -> None:
    """The engine allows them for its own adapters; a guest does not get them, nested or not."""
    with pytest.raises(InvalidComponent, match="multiple memories"):
        read_answer(answered(wat(text)), "x", CONFIG)


def test_one_memory_beside_other_imports_is_allowed() -> None:
    """Counting memories gets past imported functions, tables and globals."""
    text = """(component (core module (import "a" "f" (func (param i32)))
      (import "a" "t" (table 1 2 funcref)) (import "a" "g" (global (mut i64)))
      (import "a" "m" (memory 1 4)) (func)))"""
    assert read_answer(answered(wat(text)), "x", CONFIG).image


async def test_what_is_compiled_can_be_run() -> None:
    """The child's code loads into an engine of the same configuration."""
    made = await compile_component(EMPTY, CONFIG)
    made.open(wasmtime.Engine(hardened_config(CONFIG)))
    assert not made.is_from_cache


async def test_a_child_refuses_with_the_engines_reason() -> None:
    """The reason that the engine gives comes through the child."""
    with pytest.raises(InvalidComponent, match="threads must be enabled"):
        await compile_component(wat(REFUSED["threads"]), CONFIG)


async def test_truncated_components_are_invalid() -> None:
    """A component that ends early is the author's problem, not the compiler's."""
    wasm = wat('(component (core module (func (export "f"))))')
    with pytest.raises(InvalidComponent):
        await compile_component(wasm[:-3], CONFIG)


async def test_too_large_a_component_is_not_even_sent() -> None:
    """The size limit holds before anything is started."""
    config = replace(CONFIG, compile_limits=CompileLimits(wasm_bytes=len(EMPTY) - 1))
    with pytest.raises(CompileLimitExceeded) as caught:
        await compile_component(EMPTY, config)
    assert (caught.value.limit, caught.value.value) == ("wasm_bytes", len(EMPTY) - 1)


def bomb(functions: int = 1, size: int = 40_000) -> bytes:
    """Small wasm that takes long to compile: one huge function of dependent branches."""
    step = "(br_if 0 (i32.eq (local.tee 0 (i32.add (local.get 0) (local.get 1))) (i32.const 7)))"
    body = f"(func (param i32 i32) {'(block ' + step + ')'} {step * size})"
    return wat(f"(component (core module {body * functions}))")


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are enforced on Linux")
async def test_a_compile_bomb_ends_at_the_cpu_limit() -> None:
    """Compiling takes no more CPU time than it may."""
    config = replace(CONFIG, compile_limits=CompileLimits(seconds=1.0))
    with pytest.raises(CompileLimitExceeded) as caught:
        await compile_component(bomb(functions=8), config)
    assert (caught.value.limit, caught.value.value) == ("seconds", 1.0)


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are enforced on Linux")
async def test_compiling_ends_at_the_memory_limit() -> None:
    """Compiling takes no more memory than it may, and the error says so."""
    config = replace(CONFIG, compile_limits=CompileLimits(memory_bytes=100 * 2**20))
    with pytest.raises(CompileLimitExceeded) as caught:
        await compile_component(wat(f"(component (core module {'(func)' * 15_000}))"), config)
    assert caught.value.limit == "memory_bytes"


async def test_progress_is_reported() -> None:
    """A load that waits hears that compiling has begun."""
    heard: list[CompileProgress] = []
    await compile_component(EMPTY, CONFIG, heard.append, name="local/x")
    assert heard[0].name == "local/x"
    assert heard[0].stage == "compiling"


def children() -> set[str]:
    command = ["ps", "-o", "pid=", "--ppid", str(os.getpid())]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(listed.stdout.split())


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process table with ps")
async def test_a_cancel_kills_the_child() -> None:
    """A component that no load waits for any more is not compiled."""
    heard = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(compile_component, bomb(functions=8), CONFIG, lambda _p: heard.set())
        await heard.wait()
        tasks.cancel_scope.cancel()
    assert not any(_is_compiling(each) for each in children())


def _is_compiling(pid: str) -> bool:
    try:
        return b"airswasm.runtime._compile" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def test_concurrent_loads_compile_once(tmp_path: Path) -> None:
    """Ten loads of the same bytes start one child: one of them hears how it goes."""
    compiler = Compiler(CONFIG)
    heard: set[int] = set()
    loaded = []

    async def load(number: int) -> None:
        loaded.append(await compiler.load(EMPTY, "x", lambda _: heard.add(number)))

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(load, number)
    assert len(loaded) == 10
    assert {id(each) for each in loaded} == {id(loaded[0])}
    assert len(heard) == 1


async def test_concurrent_loads_share_a_failure() -> None:
    """What one load finds invalid is not compiled again for those that wait."""
    compiler = Compiler(CONFIG)
    heard: set[int] = set()
    failures: list[InvalidComponent] = []

    async def load(number: int) -> None:
        try:
            await compiler.load(wat(REFUSED["threads"]), "x", lambda _: heard.add(number))
        except InvalidComponent as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(load, number)
    assert (len(failures), len(heard)) == (3, 1)


async def test_another_load_takes_over_from_a_cancelled_one() -> None:
    """Cancelling the load that compiles does not fail the ones that wait."""
    compiler = Compiler(CONFIG)
    begun, loaded = anyio.Event(), []
    first = anyio.CancelScope()

    async def cancelled() -> None:
        with first:
            await compiler.load(EMPTY, "x", lambda _p: begun.set())

    async def waiting() -> None:
        loaded.append(await compiler.load(EMPTY, "x"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancelled)
        await begun.wait()
        tasks.start_soon(waiting)
        await anyio.lowlevel.checkpoint()
        first.cancel()
    assert len(loaded) == 1


async def test_the_cache_spares_compiling(tmp_path: Path) -> None:
    """What was compiled once comes from the folder, also for the next engine."""
    config = replace(CONFIG, cache_folder=tmp_path / "cache")
    assert not (await Compiler(config).load(EMPTY, "x")).is_from_cache
    again = await Compiler(config).load(EMPTY, "x")
    assert again.is_from_cache
    again.open(wasmtime.Engine(hardened_config(config)))
    other = replace(config, memory_reservation_bytes=2**24)
    assert not (await Compiler(other).load(EMPTY, "x")).is_from_cache
    assert not (await Compiler(config).load(EMPTY, "x", recompile=True)).is_from_cache


async def test_a_damaged_entry_is_compiled_again(tmp_path: Path) -> None:
    """A corrupt entry is never executed, and costs no more than compiling."""
    config = replace(CONFIG, cache_folder=tmp_path / "cache")
    await Compiler(config).load(EMPTY, "x")
    (entry,) = (tmp_path / "cache").glob(f"*{SUFFIX}")
    content = bytearray(entry.read_bytes())
    content[100] ^= 1
    entry.write_bytes(content)
    assert not (await Compiler(config).load(EMPTY, "x")).is_from_cache
    assert (await Compiler(config).load(EMPTY, "x")).is_from_cache
