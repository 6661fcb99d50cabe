"""The core wasm that passes a call on between a bridge's memory and a guest's, in bulk.

Between two components the engine copies lists byte for byte: 2 ns and 17 units of
fuel for each, on the guest's account. Inside one component a core module of ours
may see both memories, and `memory.copy` moves 64 KiB in the time that the engine
takes for 2 KiB. So the bridge for exports lies inside the guest's component: its
sections are appended to those of the guest, which stay as they are.

The module does what the canonical ABI would: what a string or list points at is
moved to room that the other side's `realloc` made, of exactly its size, and
pointers are put right. `move_module` does so for exports, `lend_module` for imports.
They move strings and lists whose elements point at nothing; functions that take or
give more go past them, by way of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airswasm.wit import (
    Borrow,
    Enum,
    Flags,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    Record,
    ResultOf,
    TupleOf,
    Variant,
)

from .component_types import (
    FLAT_PARAMETERS,
    STRING,
    Function,
    Named,
    Resource,
    Type,
    aligned,
    discriminant_bytes,
    flatten,
    members,
    payload_offset,
    payloads,
    size_align,
)
from .text_bridge import BRIDGE_NAME
from .wrappers import Wrapper


@dataclass(frozen=True, slots=True)
class Moved:
    """One function of the guest's that is called through the module.

    Attributes:
        wrapper: the bridge's function that calls it.
        has_realloc: whether the guest can make room.
        has_after: whether the guest wants its result back.
    """

    wrapper: Wrapper
    has_realloc: bool
    has_after: bool


def is_movable(function: Function, *, has_realloc: bool) -> bool:
    """Return whether everything that a function takes and gives can be moved."""
    types = [type_ for _, type_ in function.parameters]
    if not has_realloc and any(map(_points, types)):
        return False
    return all(map(_is_movable, [*types, *([function.result] if function.result else [])]))


def is_movable_back(function: Function, *, has_realloc: bool) -> bool:
    """Return the same for an import, whose result needs the room."""
    if not has_realloc and _points(function.result):
        return False
    return is_movable(function, has_realloc=True)


def _points(type_: Type | None) -> bool:
    """Return whether a value points at what must be moved with it."""
    match type_:
        case Primitive():
            return type_ == STRING
        case ListOf():
            return True
        case Named(type=inner):
            return _points(inner)
        case Record() | TupleOf():
            return any(map(_points, members(type_)))
        case OptionOf() | ResultOf() | Variant():
            return any(map(_points, payloads(type_)))
        case _:
            return False


def _is_movable(type_: Type | None) -> bool:
    match type_:
        case Named(type=inner):
            return _is_movable(inner)
        case ListOf(element):
            return not _points(element)
        case Record() | TupleOf():
            return all(map(_is_movable, members(type_)))
        case OptionOf() | ResultOf() | Variant():
            cases = payloads(type_)
            if not any(map(_points, cases)):
                return True  # passed on as it is
            is_plain = set(flatten(type_)) == {"i32"} and discriminant_bytes(cases) == 1
            return is_plain and all(map(_is_movable, cases))
        case None | Primitive() | Own() | Borrow() | Enum() | Flags():
            return True
        case Resource():
            return False


def move_module(functions: Sequence[Moved]) -> str:
    """Write the module whose exports `f0`, `f1`, … call the guest's functions of those names."""
    imports: list[str] = []
    bodies: list[str] = []
    for number, moved in enumerate(functions):
        wrapper = moved.wrapper
        imports.append(_import(f"f{number}", wrapper.core_parameters, wrapper.core_result))
        if moved.has_realloc:
            imports.append(_import(f"realloc{number}", ["i32"] * 4, ["i32"]))
        if moved.has_after:
            imports.append(_import(f"after{number}", wrapper.core_result, []))
        bodies += [*_movers(number, has_realloc=moved.has_realloc), _body(number, moved)]
    return "\n".join(
        [
            f"(module ${BRIDGE_NAME}",
            '(import "own" "memory" (memory $own 1))',
            '(import "guest" "memory" (memory $guest 0))',
            '(import "own" "realloc" (func $room (param i32 i32 i32 i32) (result i32)))',
            *imports,
            *bodies,
            _UP,
            ")",
        ]
    )


@dataclass(frozen=True, slots=True)
class Lent:
    """One import of the guest's that is called through the module.

    Attributes:
        wrapper: the bridge's function for it.
        has_realloc: whether the guest can make room.
    """

    wrapper: Wrapper
    has_realloc: bool


def lend_module(functions: Sequence[Lent]) -> str:
    """Write the module whose exports `f0`, `f1`, … the guest calls as its imports.

    They move parameters up, call the bridge's functions of those names, and move results
    down. As the engine does, they refuse the guest its imports while it makes room.
    """
    imports: list[str] = []
    bodies: list[str] = []
    for number, lent in enumerate(functions):
        wrapper = lent.wrapper
        signature = _signature(wrapper.core_parameters, wrapper.core_result)
        imports.append(f'(import "bridge" "f{number}" (func $f{number} {signature}))')
        if lent.has_realloc:
            imports.append(_import(f"realloc{number}", ["i32"] * 4, ["i32"]))
        bodies += [*_movers(number, has_realloc=lent.has_realloc), _lent_body(number, wrapper)]
    return "\n".join(
        [
            f"(module ${BRIDGE_NAME}",
            '(import "own" "memory" (memory $own 1))',
            '(import "guest" "memory" (memory $guest 0))',
            '(import "own" "realloc" (func $room (param i32 i32 i32 i32) (result i32)))',
            '(import "own" "reset" (func $reset))',
            *imports,
            "(global $moves (mut i32) (i32.const 0))",
            *bodies,
            _UP,
            ")",
        ]
    )


def fill_module(wrappers: Sequence[Wrapper], slots: Sequence[tuple[int, int]]) -> str:
    """Write the module that puts the functions of `lend_module` into places of tables.

    Args:
        wrappers: what the functions are for.
        slots: for each, the number of the table, and the place in it.
    """
    imports = [
        f'(import "guest" "table{table}" (table $t{table} 0 funcref))'
        for table in sorted({table for table, _ in slots})
    ]
    segments: list[str] = []
    for number, (wrapper, (table, slot)) in enumerate(zip(wrappers, slots, strict=True)):
        signature = lent_signature(wrapper)
        imports.append(f'(import "lender" "f{number}" (func $f{number} {signature}))')
        segments.append(f"(elem (table $t{table}) (i32.const {slot}) func $f{number})")
    return "\n".join([f"(module ${BRIDGE_NAME}", *imports, *segments, ")"])


def lent_signature(wrapper: Wrapper) -> str:
    """Return the signature of an import as the guest calls it."""
    if wrapper.result_is_in_memory:
        return _signature([*wrapper.core_parameters, "i32"], [])
    return _signature(wrapper.core_parameters, wrapper.core_result)


def _lent_body(number: int, wrapper: Wrapper) -> str:
    parameters = wrapper.core_parameters
    passed = " ".join(f"(local.get {at})" for at in range(len(parameters)))
    lines = ["(if (global.get $moves) (then unreachable))", "(call $reset)"]
    lines += _parameters_moved(wrapper, "$own", "$up")
    call = f"(call $f{number} {passed})"
    if wrapper.result_is_in_memory:
        result = wrapper.function.result
        assert result is not None
        size, _ = size_align(result)
        lines += [
            f"(local.set $given {call})",
            "(global.set $moves (i32.const 1))",
            *_move_memory(result, "(local.get $given)", 0, "$own", f"$down{number}"),
            "(global.set $moves (i32.const 0))",
            f"(memory.copy $guest $own (local.get {len(parameters)}) (local.get $given)"
            f" (i32.const {size}))",
        ]
    else:
        lines.append(call)
    signature = lent_signature(wrapper)
    return f'(func (export "f{number}") {signature} (local $given i32)\n' + "\n".join(lines) + ")"


_UP = """(func $up (param $at i32) (param $size i32) (param $align i32) (result i32)
  (local $to i32)
  (local.set $to (call $room (i32.const 0) (i32.const 0) (local.get $align) (local.get $size)))
  (memory.copy $own $guest (local.get $to) (local.get $at) (local.get $size))
  (local.get $to))"""


def _movers(number: int, *, has_realloc: bool) -> Iterator[str]:
    if has_realloc:
        yield f"""(func $down{number} (param $at i32) (param $size i32) (param $align i32)
  (result i32) (local $to i32)
  (local.set $to
    (call $realloc{number} (i32.const 0) (i32.const 0) (local.get $align) (local.get $size)))
  (memory.copy $guest $own (local.get $to) (local.get $at) (local.get $size))
  (local.get $to))"""


def _import(name: str, parameters: Sequence[str], results: Sequence[str]) -> str:
    return f'(import "guest" "{name}" (func ${name} {_signature(parameters, results)}))'


def _signature(parameters: Sequence[str], results: Sequence[str]) -> str:
    takes = f"(param {' '.join(parameters)})" if parameters else ""
    gives = f"(result {' '.join(results)})" if results else ""
    return f"{takes} {gives}"


def _body(number: int, moved: Moved) -> str:
    wrapper = moved.wrapper
    parameters, results = wrapper.core_parameters, wrapper.core_result
    passed = " ".join(f"(local.get {at})" for at in range(len(parameters)))
    lines = _parameters_moved(wrapper, "$guest", f"$down{number}")
    call = f"(call $f{number} {passed})"
    takes, gives = parameters, results
    if wrapper.result_is_in_memory:
        takes, gives = [*parameters, "i32"], []
        lines += _result_up(wrapper.function.result, call, len(parameters))
    elif results:
        lines.append(f"(local.set $given {call})")
    else:
        lines.append(call)
    given = "(local.get $given)" if results else ""
    if moved.has_after:
        lines.append(f"(call $after{number} {given})")
    if gives:
        lines.append(given)
    local = f"(local $given {results[0]})" if results else ""
    return f'(func (export "f{number}") {_signature(takes, gives)} {local}\n' + (
        "\n".join(lines) + ")"
    )


def _parameters_moved(wrapper: Wrapper, memory: str, mover: str) -> list[str]:
    """Write the code that moves what parameters point at into a memory, and puts them right."""
    types = tuple(type_ for _, type_ in wrapper.function.parameters)
    if sum(len(flatten(type_)) for type_ in types) <= FLAT_PARAMETERS:
        lines: list[str] = []
        start = 0
        for type_ in types:
            lines += _move_flat(type_, start, mover)
            start += len(flatten(type_))
        return lines
    spilled = TupleOf(types)
    size, align = size_align(spilled)
    return [
        f"(local.set 0 (call {mover} (local.get 0) (i32.const {size}) (i32.const {align})))",
        *_move_memory(spilled, "(local.get 0)", 0, memory, mover),
    ]


def _result_up(result: Type | None, call: str, area: int) -> list[str]:
    assert result is not None
    size, _ = size_align(result)
    base = f"(local.get {area})"
    return [
        f"(local.set $given {call})",
        f"(memory.copy $own $guest {base} (local.get $given) (i32.const {size}))",
        *_move_memory(result, base, 0, "$own", "$up"),
    ]


def _extent(type_: Type, length: str) -> tuple[str, int]:
    """Return how many bytes a string or list takes, as code, and their alignment."""
    if not isinstance(type_, ListOf):
        return length, 1
    size, align = size_align(type_.element)
    return (length if size == 1 else f"(i32.mul {length} (i32.const {size}))"), align


def _move_flat(type_: Type | None, start: int, mover: str) -> list[str]:
    match type_:
        case Named(type=inner):
            return _move_flat(inner, start, mover)
        case ListOf() | Primitive() if _points(type_):
            extent, align = _extent(type_, f"(local.get {start + 1})")
            moved = f"(call {mover} (local.get {start}) {extent} (i32.const {align}))"
            return [f"(local.set {start} {moved})"]
        case Record() | TupleOf():
            lines: list[str] = []
            for each in members(type_):
                lines += _move_flat(each, start, mover)
                start += len(flatten(each))
            return lines
        case OptionOf() | ResultOf() | Variant() if _points(type_):
            tag = f"(local.get {start})"
            return _cases(tag, [_move_flat(each, start + 1, mover) for each in payloads(type_)])
        case _:
            return []


def _move_memory(type_: Type | None, base: str, offset: int, memory: str, mover: str) -> list[str]:
    match type_:
        case Named(type=inner):
            return _move_memory(inner, base, offset, memory, mover)
        case ListOf() | Primitive() if _points(type_):
            at = f"(i32.load {memory} offset={offset} {base})"
            extent, align = _extent(type_, f"(i32.load {memory} offset={offset + 4} {base})")
            moved = f"(call {mover} {at} {extent} (i32.const {align}))"
            return [f"(i32.store {memory} offset={offset} {base} {moved})"]
        case Record() | TupleOf():
            lines: list[str] = []
            for each in members(type_):
                size, align = size_align(each)
                offset = aligned(offset, align)
                lines += _move_memory(each, base, offset, memory, mover)
                offset += size
            return lines
        case OptionOf() | ResultOf() | Variant() if _points(type_):
            tag = f"(i32.load8_u {memory} offset={offset} {base})"
            inside = offset + payload_offset(payloads(type_))
            cases = [_move_memory(p, base, inside, memory, mover) for p in payloads(type_)]
            return _cases(tag, cases)
        case _:
            return []


def _cases(tag: str, cases: Sequence[list[str]]) -> list[str]:
    return [
        f"(if (i32.eq {tag} (i32.const {number})) (then {' '.join(lines)}))"
        for number, lines in enumerate(cases)
        if lines
    ]
