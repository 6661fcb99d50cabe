"""What is added to a component, and that all else of it stays as it was."""

from __future__ import annotations

import pytest
import wasmtime.component
from airswasm.runtime._compose.added_exports import (
    GAUGE,
    with_added_exports,
    without_added,
)
from airswasm.runtime._wasmtime.reflection import ComponentShape, reflect
from airswasm.wit import Own, Primitive
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import wat2wasm

MEMORY = """(core module $m (memory (export "memory") 2)
    (func (export "f") (param i32) (result i32) local.get 0)
    (func (export "say") (param i32 i32))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))"""
RESOURCE = """(type $thing' (resource (rep i32)))
  (core func $new (canon resource.new $thing'))
  (core module $r (import "" "new" (func (param i32) (result i32)))
    (func (export "make") (result i32) i32.const 0))
  (core instance $made (instantiate $r (with "" (instance (export "new" (func $new))))))
  (func $make (result (own $thing')) (canon lift (core func $made "make")))"""
INNER = """(component $door
    (import "thing" (type $thing (sub resource)))
    (import "make" (func $make (result (own $thing))))
    (export $exported "thing" (type $thing))
    (export "make" (func $make) (func (result (own $exported)))))
  (instance $things (instantiate $door (with "thing" (type $thing')) (with "make" (func $make))))"""

COMPONENTS: dict[str, tuple[str, set[str], bool]] = {
    "nothing": ("(component)", set(), False),
    "a memory": (f"(component {MEMORY})", set(), True),
    "a function with memory": (
        f"""(component {MEMORY}
          (func (export "say") (param "text" string) (canon lift (core func $i "say")
            (memory (core memory $memory)) (realloc (core func $i "realloc")))))""",
        set(),
        True,
    ),
    "a function without memory": (
        """(component (core module $m (func (export "f") (param i32) (result i32) local.get 0))
          (core instance $i (instantiate $m))
          (func (export "f") (param "x" u32) (result u32) (canon lift (core func $i "f"))))""",
        set(),
        False,
    ),
    "a resource in an instance that is put together": (
        f"""(component {RESOURCE}
          (instance $things (export "thing" (type $thing')))
          (export "test:x/things" (instance $things)))""",
        {"test:x/things#thing"},
        False,
    ),
    "a resource in an instance of a component": (
        f"""(component {RESOURCE} {INNER} (export "test:x/things" (instance $things)))""",
        {"test:x/things#thing"},
        False,
    ),
    "a resource twice, and a memory": (
        f"""(component {MEMORY} {RESOURCE} {INNER}
          (instance $again (export "same" (type $thing')))
          (export "test:x/things" (instance $things))
          (export "test:x/again" (instance $again)))""",
        {"test:x/things#thing", "test:x/again#same"},
        True,
    ),
    "a resource that is defined inside": (
        """(component
          (component $inside (type $own' (resource (rep i32))) (export "own" (type $own')))
          (instance $i (instantiate $inside))
          (export "test:x/inside" (instance $i)))""",
        {"test:x/inside#own"},
        False,
    ),
    "a resource of the host that is handed on": (
        """(component
          (import "test:x/host" (instance $host (export "thing" (type (sub resource)))))
          (alias export $host "thing" (type $thing))
          (instance $on (export "thing" (type $thing)))
          (export "test:x/on" (instance $on)))""",
        set(),
        False,
    ),
    "a resource that is imported by itself": (
        """(component
          (import "thing" (type $thing (sub resource)))
          (instance $on (export "thing" (type $thing)))
          (export "test:x/on" (instance $on)))""",
        set(),
        False,
    ),
    "functions of the host that are handed on": (
        """(component
          (import "f" (func $f (param "x" u32)))
          (import "test:x/host" (instance $host (export "g" (func (result string)))))
          (alias export $host "g" (func $g))
          (instance $on (export "f" (func $f)) (export "g" (func $g)))
          (export "test:x/on" (instance $on)) (export "h" (func $f)))""",
        set(),
        False,
    ),
    "a function that a component inside hands on, with its memory": (
        f"""(component {MEMORY}
          (func $say (param "text" string) (canon lift (core func $i "say")
            (memory (core memory $memory)) (realloc (core func $i "realloc"))))
          (component $door
            (import "say" (func $say (param "text" string))) (export "say" (func $say)))
          (instance $behind (instantiate $door (with "say" (func $say))))
          (export "test:x/behind" (instance $behind)))""",
        set(),
        True,
    ),
    "a memory inside a component inside": (
        f"""(component
          (component $inside {MEMORY}
            (func (export "say") (param "text" string) (canon lift (core func $i "say")
              (memory (core memory $memory)) (realloc (core func $i "realloc")))))
          (instance $i (instantiate $inside))
          (export "test:x/inside" (instance $i)))""",
        set(),
        False,
    ),
    "types that are handed on through instances": (
        """(component
          (import "test:x/types" (instance $types
            (type $point' (record (field "x" u32) (field "y" f64)))
            (export "point" (type $point (eq $point')))
            (type $colour' (enum "red" "green"))
            (export "colour" (type (eq $colour')))
            (export "move" (func (param "to" $point) (result (result $point (error string)))))))
          (alias export $types "point" (type $point))
          (import "test:x/more" (instance $more
            (alias outer 1 $point (type $mine'))
            (export "mine" (type $mine (eq $mine')))
            (export "all" (func (result (list $mine))))))
          (alias export $more "all" (func $all))
          (instance $on (export "point" (type $point)) (export "all" (func $all)))
          (export "test:x/on" (instance $on)))""",
        set(),
        False,
    ),
    "a module that is given functions, and values of every kind": (
        """(component
          (import "test:x/host" (instance $host
            (type $set' (flags "a" "b")) (export "set" (type $set (eq $set')))
            (type $some' (variant (case "none") (case "text" string)))
            (export "some" (type $some (eq $some')))
            (export "f" (func (param "a" $set) (param "b" (option $some))
              (param "c" (tuple u8 char)) (result bool)))))
          (core module $libc (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
          (core instance $libc (instantiate $libc))
          (alias core export $libc "memory" (core memory $memory))
          (alias export $host "f" (func $f))
          (core func $lowered (canon lower (func $f) (memory $memory)
            (realloc (core func $libc "realloc")) string-encoding=utf16))
          (core module $main
            (import "h" "f" (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "l" "memory" (memory 1)) (table (export "t") 1 funcref)
            (global (export "g") i32 (i32.const 1)) (func (export "run")))
          (core instance $with (export "f" (func $lowered)))
          (core instance $main (instantiate $main
            (with "h" (instance $with)) (with "l" (instance $libc))))
          (func (export "run") (canon lift (core func $main "run"))))""",
        set(),
        True,
    ),
    "a type that is no resource": (
        """(component (type $flags (flags "a" "b"))
          (instance $types (export "rights" (type $flags)))
          (export "test:x/types" (instance $types)))""",
        set(),
        False,
    ),
}

BEYOND_THE_ENGINE = (
    "functions of the host that are handed on",
    "types that are handed on through instances",
)
"""Read here and not by the engine."""


def shape_of(wasm: bytes) -> ComponentShape:
    """The shape of a component as the engine sees it, which checks it whole."""
    engine = wasmtime.Engine()
    return reflect(engine, wasmtime.component.Component(engine, wasm))


@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_component_gets_what_it_needs_and_keeps_all_that_it_has(kind: str) -> None:
    """One function for each resource of its own, one if it has a memory, nothing else."""
    text, resources, has_memory = COMPONENTS[kind]
    wasm = bytes(wat2wasm(text))
    changed, added = with_added_exports(wasm)
    assert added.drops.keys() == resources
    assert added.gauge == (GAUGE if has_memory else "")
    assert bool(added) == (changed != wasm) == bool(resources or has_memory)
    assert added.names == {*added.drops.values(), *filter(None, [added.gauge])}
    assert len(added.names) == len(resources) + has_memory
    assert changed.startswith(wasm)  # sections are put behind its own
    if kind in BEYOND_THE_ENGINE:
        with pytest.raises(wasmtime.WasmtimeError, match="reexport of an imported function"):
            shape_of(wasm)
        return
    shape = shape_of(changed)
    assert added.names <= (shape.exports[""].functions.keys() if added else set())
    assert without_added(shape, (), added.names) == shape_of(wasm)
    for path, drop in added.drops.items():
        ((_, taken),) = shape.exports[""].functions[drop].parameters
        assert isinstance(taken, Own)
        assert f"{taken.resource.interface}#{taken.resource.name}" in resources
        assert path.rpartition("#")[2] == taken.resource.name or len(resources) > 1
    if added.gauge:
        assert shape.exports[""].functions[added.gauge].result == Primitive("u32")


@given(kind=st.sampled_from(sorted(COMPONENTS.keys() - {"nothing"})), data=st.data())
def test_a_damaged_component_is_left_as_it_is_or_extended(kind: str, data: st.DataObject) -> None:
    """Nothing is raised, whatever is read: the engine says what is wrong with it."""
    wasm = bytearray(wat2wasm(COMPONENTS[kind][0]))
    for _ in range(data.draw(st.integers(1, 3))):
        wasm[data.draw(st.integers(8, len(wasm) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(wasm[: data.draw(st.integers(8, len(wasm)))])
    changed, added = with_added_exports(damaged)
    assert changed.startswith(damaged)
    assert bool(added) == (changed != damaged)
