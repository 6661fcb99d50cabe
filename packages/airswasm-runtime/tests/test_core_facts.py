"""What is read of core modules: memories, tables, and the functions that make room."""

from __future__ import annotations

import pytest
import wasmtime
from airswasm.runtime import (
    ArgumentsTooLarge,
    Caller,
    Engine,
    EngineConfig,
    Limits,
    MemoryLimitExceeded,
    Trapped,
)
from airswasm.runtime._compose.core_facts import CoreFacts, read_core_facts
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio
ONE = "(core module $m (memory 1) (table 1 funcref) (table 1 funcref))"
counts = st.integers(0, 3)


def assemble(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(component {text})"))


def nested(depth: int, copies: int, inside: int) -> str:
    """Components in components, each with instances of its own and of the one inside."""
    own = ONE + "(core instance (instantiate $m))" * copies
    if depth == 0:
        return own
    return f"{own}(component $c {nested(depth - 1, copies, inside)})" + (
        "(instance (instantiate $c))" * inside
    )


def number(depth: int, copies: int, inside: int) -> int:
    return copies + (inside * number(depth - 1, copies, inside) if depth else 0)


@given(counts, counts, counts)
@settings(max_examples=40, deadline=None)
async def test_the_needs_are_the_engines(depth: int, copies: int, inside: int) -> None:
    """With limits of exactly what was counted a component starts, with one less it does not."""
    text = nested(depth, copies, inside)
    expected = number(depth, copies, inside)
    facts = read_core_facts(assemble(text))
    assert (facts.memories, facts.tables) == (expected, 2 * expected)
    if not expected:
        return
    async with Engine() as engine:
        linked = (await engine.load(assemble(text))).link()
        enough = {"memories": expected, "tables": 2 * expected, "instances": 1000}
        instance = await linked.instantiate(caller=Caller("x"), limits=Limits(**enough))
        instance.close()
        for limit in ("memories", "tables"):
            less = {**enough, limit: enough[limit] - 1}
            if not less[limit]:
                continue
            with pytest.raises(MemoryLimitExceeded, match=f"needs {enough[limit]} {limit}"):
                await linked.instantiate(caller=Caller("x"), limits=Limits(**less))


def test_doubling_inside_of_doubling_is_counted_once_each() -> None:
    """A few hundred bytes stand for 2**24 memories; counting them takes no time."""
    text = ONE + "(core instance (instantiate $m))"
    for _ in range(24):
        text = f"(component $c {text})" + "(instance (instantiate $c))" * 2
    assert read_core_facts(assemble(text)).memories == 2**24


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("", 0),
        ("(core module (memory 0))", 0),
        ("(core module (memory 3 9))", 3),
        ("(core module (memory 2)) (core module (memory 200))", 200),
        ("(component (core module (memory 7)))", 7),
    ],
)
def test_the_memory_at_the_start_is_the_largest(text: str, pages: int) -> None:
    """The limit is for each memory, so what matters is the one that has least room left."""
    assert read_core_facts(assemble(text)).memory_pages == pages


@given(st.binary(max_size=60))
def test_what_cannot_be_read_is_not_known(tail: bytes) -> None:
    """Reading facts never raises."""
    for wasm in (tail, assemble(ONE) + tail):
        assert isinstance(read_core_facts(wasm), CoreFacts)


WIT = """package test:room; interface all {
  bytes: func(id: u64, data: list<u8>) -> list<u8>;
  text: func(name: string) -> u32;
  names: func(names: list<string>, data: list<u8>) -> list<u8>;
  room: func(size: u32) -> u32;
}
world w { export all; }"""
CORE = """(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 1024))
  (func $%s (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $top) (i32.const 65536)) (then %s))
    (local.get $at))
  (func (export "test:room/all#bytes") (param i64 i32 i32) (result i32)
    (if (i32.eq (local.get 2) (i32.const 3)) (then (unreachable)))
    (i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const 1))
    (i32.const 16))
  (func (export "test:room/all#text") (param i32 i32) (result i32)
    (if (i32.eq (local.get 1) (i32.const 3)) (then (unreachable)))
    (i32.const 1))
  (func (export "test:room/all#names") (param i32 i32 i32 i32) (result i32)
    (if (i32.eq (local.get 3) (i32.const 3)) (then (unreachable)))
    (i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const 1))
    (i32.const 16))
  (func (export "test:room/all#room") (param i32) (result i32)
    (call 0 (i32.const 0) (i32.const 0) (i32.const 1) (local.get 0))))"""
REFUSALS = {
    "traps": "(unreachable)",
    "reads beyond": "(drop (i32.load (i32.const 0x7ffffff0)))",
    "gives nonsense": "(return (i32.const 0x7ffffff0))",
}


@pytest.mark.parametrize("bridge", [True, False])
@pytest.mark.parametrize("name", ["cabi_realloc", "_ZN5rust9something"])
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_no_room_for_arguments_is_told_from_a_trap(
    build, config, refusal: str, name: str, bridge: bool
) -> None:
    """By whatever way they cross, whatever the guest's allocator does, and stripped or not."""
    wasm = build(WIT, CORE % (name, REFUSALS[refusal]))
    settings = EngineConfig(cache_folder=config.cache_folder, bridge_bytes=bridge)
    async with Engine(settings) as engine:
        linked = (await engine.load(wasm)).link()

        async def fault(function: str, *arguments: object) -> Trapped | ArgumentsTooLarge:
            instance = await linked.instantiate(caller=Caller("local/x"))
            await instance.call("test:room/all#text", "fits")
            with pytest.raises((Trapped, ArgumentsTooLarge)) as caught:
                await instance.call(f"test:room/all#{function}", *arguments)
            assert instance.is_closed
            return caught.value

        large = "x" * 70_000
        cases = [("bytes", 1, large.encode()), ("bytes", 1, b"\xff" * 70_000), ("text", large)]
        if refusal != "gives nonsense" or not bridge:  # there the engine's own code finds out
            cases.append(("names", [large], b""))
        for function, *arguments in cases:
            found = await fault(function, *arguments)
            assert type(found) is ArgumentsTooLarge, (function, found, found.backtrace)
            assert found.limit == "memory_bytes"
            assert "had no room for its arguments" in str(found)
        for function, *arguments in [("bytes", 1, b"abc"), ("text", "abc"), ("names", [], b"abc")]:
            assert type(await fault(function, *arguments)) is Trapped
        if refusal != "gives nonsense":  # the guest's own allocations are its own affair
            assert type(await fault("room", 70_000)) is Trapped


async def test_more_than_the_bridge_s_memory_is_too_large(build, engine) -> None:
    """The bridge's memory may grow as far as the guest's; text takes up to twice its bytes."""
    wasm = build(WIT, CORE % ("cabi_realloc", "(unreachable)"))
    limits = Limits(memory_bytes=2**17)
    linked = (await engine.load(wasm)).link()
    instance = await linked.instantiate(caller=Caller("x"), limits=limits)
    with pytest.raises(ArgumentsTooLarge):
        await instance.call("test:room/all#bytes", 1, b"\xff" * 2**18)
