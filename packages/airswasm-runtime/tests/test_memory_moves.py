"""Moving a call's values between two memories: all that it can, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from airswasm.runtime import Caller, Engine, Limits
from airswasm.runtime._compose.component_types import BYTES, STRING, Function, Type
from airswasm.runtime._compose.crossings import find_crossings
from airswasm.runtime._compose.memory_moves import is_movable
from airswasm.runtime._compose.outline import read_component
from airswasm.wit import (
    Case,
    Field,
    ListOf,
    OptionOf,
    Primitive,
    Record,
    ResultOf,
    TupleOf,
    Variant,
)

pytestmark = pytest.mark.anyio
U64, U16 = Primitive("u64"), Primitive("u16")
DATA = os.urandom(3000)


@pytest.mark.parametrize(
    ("type_", "is_moved"),
    [
        (U64, True),
        (ListOf(U64), True),
        (ListOf(Record("", (Field("a", U64), Field("b", U16)))), True),
        (OptionOf(TupleOf((STRING, BYTES))), True),
        (Variant("", (Case("a", STRING), Case("b"), Case("c", BYTES))), True),
        (ResultOf(U64, U16), True),
        (ResultOf(U64, STRING), False),  # its pointer shares a slot of 64 bits
        (ListOf(STRING), False),
        (TupleOf((U64, ListOf(OptionOf(BYTES)))), False),
        (Variant("", tuple(Case(f"c{at}", STRING) for at in range(300))), False),
    ],
)
def test_what_points_at_pointers_goes_by_way_of_the_engine(type_: Type, is_moved: bool) -> None:
    """Strings and plain lists are moved, wherever they are; lists of them are not."""
    assert is_movable(Function((("v", type_),), None), has_realloc=True) is is_moved
    assert is_movable(Function((), type_), has_realloc=True) is is_moved


def test_a_guest_without_realloc_gets_nothing_moved_to_it() -> None:
    """Results can be moved without it; parameters that point somewhere cannot."""
    assert is_movable(Function((("v", U64),), BYTES), has_realloc=False)
    assert not is_movable(Function((("v", BYTES),), U64), has_realloc=False)


WIT = """package test:move; interface all {
  texts: func(id: u64, name: string, data: list<u8>, numbers: list<u64>) -> list<u8>;
  first: func(a: option<string>, b: result<list<u8>, string>, c: list<u8>) -> list<u8>;
  names: func(names: list<string>, data: list<u8>) -> list<u8>;
  swapped: func(data: list<u8>, name: string) -> tuple<u16, string, option<list<u8>>>;
}
world w { export all; }"""
GIVE = "(i32.store (i32.const 16) (local.get {at})) (i32.store (i32.const 20) (local.get {length}))"
CORE = f"""(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 1024))
  (global $ended (mut i32) (i32.const 0))
  (func $end (param i32) (global.set $top (i32.const 1024)))
  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32)
    (param $new i32) (result i32) (local $at i32)
    (if (i32.or (local.get $old) (local.get $size)) (then (unreachable)))
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (local.get $at) (local.get $new)))
    (local.get $at))
  (func (export "test:move/all#texts") (param i64 i32 i32 i32 i32 i32 i32) (result i32)
    {GIVE.format(at=3, length=4)}
    (if (i64.ne (i64.load (local.get 5)) (local.get 0)) (then (unreachable)))
    (i32.const 16))
  (func (export "test:move/all#first") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    {GIVE.format(at=4, length=5)} (i32.const 16))
  (func (export "test:move/all#names") (param i32 i32 i32 i32) (result i32)
    {GIVE.format(at=2, length=3)} (i32.const 16))
  (func (export "test:move/all#swapped") (param i32 i32 i32 i32) (result i32)
    (i32.store16 (i32.const 32) (i32.const 7))
    (i32.store (i32.const 36) (local.get 2)) (i32.store (i32.const 40) (local.get 3))
    (i32.store (i32.const 44) (i32.const 1))
    (i32.store (i32.const 48) (local.get 0)) (i32.store (i32.const 52) (local.get 1))
    (i32.const 32))
  (export "cabi_post_test:move/all#texts" (func $end))
  (export "cabi_post_test:move/all#first" (func $end))
  (export "cabi_post_test:move/all#names" (func $end))
  (export "cabi_post_test:move/all#swapped" (func $end)))"""


async def test_values_arrive_as_they_were_sent(
    build: Callable[[str, str], bytes], engine: Engine
) -> None:
    """Beside each other: what is moved inside the guest, and what goes by way of the engine."""
    wasm = build(WIT, CORE)
    crossings = find_crossings(read_component(wasm))
    assert [each.name for each, _ in crossings.inside] == ["texts", "first", "swapped"]
    assert [each.name for each in crossings.behind] == ["names"]
    linked = (await engine.load(wasm)).link()
    instance = await linked.instantiate(caller=Caller("test/move"), limits=Limits(timeout=60))
    for data in (DATA, DATA[:100], b"text", b"", b"\xff"):
        for _ in range(30):  # more than the memory holds, unless each call is ended
            assert await instance.call("test:move/all#texts", 9, "é", data, [9, 1]) == data
            assert await instance.call("test:move/all#names", ["a", "é"], data) == data
        given = await instance.call("test:move/all#swapped", data, "náme")
        assert given == (7, "náme", data)
