"""The core wasm of a bridge: turning bytes into text and back, in place.

What the host sees of a byte list is a `string`, in one of three forms, told
apart by the first byte so that the commonest costs nothing at all:

- bytes that are all ASCII are their own text;
- up to 1 KiB, `C2 80` and two hex digits a byte: Python does that fastest;
- beyond, `C2 81`, the length in five digits of base 128, and blocks: 112 bytes
  become 128 of seven bits each, the eighth bits collected in the last sixteen.
  It costs a seventh more room, is ASCII and so passes the engine's UTF-8 check
  at full speed, and takes four SIMD instructions for sixteen bytes.

Rejected: latin-1 code points as UTF-8 (Python and the engine both handle text
that is not ASCII one character at a time, 4 to 6 ns a byte) and the engine's
own latin-1 string encoding (the same loops, hidden).

Everything that a call needs lies behind a bump pointer that goes back to the
start with every call: a bridge is entered by one call at a time, and its
arguments are copied out before its results come in. Each allocation keeps room
behind it for its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airswasm.wit import Borrow, ListOf, OptionOf, Own, Record, ResultOf, TupleOf, Variant

from .component_types import (
    BYTES,
    FLAT_PARAMETERS,
    STRING,
    Function,
    Named,
    Type,
    aligned,
    discriminant_bytes,
    flatten,
    members,
    payload_offset,
    payloads,
    size_align,
)

HEX_MARK, PACKED_MARK = 0x80C2, 0x81C2
HEX_MOST_BYTES = 1024
PACKED_HEADER_BYTES = 7
TEXT_OVERHEAD_BYTES = PACKED_HEADER_BYTES + 128
"""A text is at most twice the payload, and this."""
RESULT_AREA = 16
_BLOCK = range(7)

_LOW = "(v128.const i64x2 0x7f7f7f7f7f7f7f7f 0x7f7f7f7f7f7f7f7f)"
_HIGH = "(v128.const i64x2 0x8080808080808080 0x8080808080808080)"
_NIBBLE = "(v128.const i64x2 0x0f0f0f0f0f0f0f0f 0x0f0f0f0f0f0f0f0f)"
_ONES = "(v128.const i64x2 0x0101010101010101 0x0101010101010101)"
_DIGITS = "(v128.const i8x16 48 49 50 51 52 53 54 55 56 57 97 98 99 100 101 102)"


def _pack_block() -> str:
    """112 bytes at $from become 128 at $to; all are read before any is written."""
    loads = [
        f"(local.set $v{k} (v128.load offset={16 * k} align=1 (local.get $from)))" for k in _BLOCK
    ]
    highs = "(v128.const i64x2 0 0)"
    for k in _BLOCK:
        bit = f"(i64x2.shr_u (v128.and (local.get $v{k}) {_HIGH}) (i32.const {k + 1}))"
        highs = f"(v128.or {highs} {bit})"
    stores = [
        f"(v128.store offset={16 * k} align=1 (local.get $to) (v128.and (local.get $v{k}) {_LOW}))"
        for k in _BLOCK
    ]
    return "\n".join([*loads, f"(local.set $h {highs})", *stores]) + (
        "\n(v128.store offset=112 align=1 (local.get $to) (local.get $h))"
    )


def _unpack_block() -> str:
    loads = [
        f"(local.set $v{k} (v128.load offset={16 * k} align=1 (local.get $from)))" for k in _BLOCK
    ]
    loads.append("(local.set $h (v128.load offset=112 align=1 (local.get $from)))")
    stores = []
    for k in _BLOCK:
        bit = f"(v128.and (i64x2.shl (local.get $h) (i32.const {k + 1})) {_HIGH})"
        stores.append(
            f"(v128.store offset={16 * k} align=1 (local.get $to)"
            f" (v128.or (local.get $v{k}) {bit}))"
        )
    return "\n".join([*loads, *stores])


_VECTORS = " ".join(f"(local $v{k} v128)" for k in _BLOCK) + " (local $h v128)"

CONVERSIONS = f"""
  (func $is_ascii (param $at i32) (param $length i32) (result i32)
    (local $end i32) (local $found v128)
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (v128.store align=1 (local.get $end) (v128.const i64x2 0 0))
    (v128.store offset=16 align=1 (local.get $end) (v128.const i64x2 0 0))
    (v128.store offset=32 align=1 (local.get $end) (v128.const i64x2 0 0))
    (v128.store offset=48 align=1 (local.get $end) (v128.const i64x2 0 0))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $found (v128.and {_HIGH}
        (v128.or
          (v128.or (v128.load align=1 (local.get $at))
                   (v128.load offset=16 align=1 (local.get $at)))
          (v128.or (v128.load offset=32 align=1 (local.get $at))
                   (v128.load offset=48 align=1 (local.get $at))))))
      (if (v128.any_true (local.get $found)) (then (return (i32.const 0))))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br $next)))
    (i32.const 1))

  (func $to_hex (param $at i32) (param $length i32) (result i32)
    (local $from i32) (local $to i32) (local $v v128) (local $high v128) (local $low v128)
    (local.set $from (i32.and (i32.add (local.get $length) (i32.const 15)) (i32.const -16)))
    (local.set $to (i32.add (i32.add (local.get $at) (i32.const 2))
                            (i32.shl (local.get $from) (i32.const 1))))
    (local.set $from (i32.add (local.get $at) (local.get $from)))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $from) (local.get $at)))
      (local.set $from (i32.sub (local.get $from) (i32.const 16)))
      (local.set $to (i32.sub (local.get $to) (i32.const 32)))
      (local.set $v (v128.load align=1 (local.get $from)))
      (local.set $high (i8x16.swizzle {_DIGITS}
        (v128.and (i64x2.shr_u (local.get $v) (i32.const 4)) {_NIBBLE})))
      (local.set $low (i8x16.swizzle {_DIGITS} (v128.and (local.get $v) {_NIBBLE})))
      (v128.store align=1 (local.get $to)
        (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23
          (local.get $high) (local.get $low)))
      (v128.store offset=16 align=1 (local.get $to)
        (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31
          (local.get $high) (local.get $low)))
      (br $next)))
    (i32.store16 align=1 (local.get $at) (i32.const {HEX_MARK}))
    (i32.add (i32.const 2) (i32.shl (local.get $length) (i32.const 1))))

  (func $nibbles (param $v v128) (result v128)
    (local $letter v128)
    (local.set $letter (v128.and (i64x2.shr_u (local.get $v) (i32.const 6)) {_ONES}))
    (local.set $v (i8x16.add (v128.and (local.get $v) {_NIBBLE})
      (i8x16.add (local.get $letter) (i64x2.shl (local.get $letter) (i32.const 3)))))
    (v128.and (v128.const i64x2 0x00ff00ff00ff00ff 0x00ff00ff00ff00ff)
      (v128.or (i16x8.shl (local.get $v) (i32.const 4))
               (i16x8.shr_u (local.get $v) (i32.const 8)))))

  (func $from_hex (param $at i32) (param $length i32) (result i32)
    (local $from i32) (local $to i32) (local $end i32)
    (local.set $length (i32.shr_u (i32.sub (local.get $length) (i32.const 2)) (i32.const 1)))
    (local.set $from (i32.add (local.get $at) (i32.const 2)))
    (local.set $to (local.get $at))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $to) (local.get $end)))
      (v128.store align=1 (local.get $to) (i8x16.narrow_i16x8_u
        (call $nibbles (v128.load align=1 (local.get $from)))
        (call $nibbles (v128.load offset=16 align=1 (local.get $from)))))
      (local.set $from (i32.add (local.get $from) (i32.const 32)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br $next)))
    (local.get $length))

  (func $pack (param $at i32) (param $length i32) (result i32)
    (local $blocks i32) (local $from i32) (local $to i32) {_VECTORS}
    (local.set $blocks (i32.div_u (i32.add (local.get $length) (i32.const 111))
                                  (i32.const 112)))
    (local.set $from (i32.add (local.get $at) (i32.mul (local.get $blocks) (i32.const 112))))
    (local.set $to (i32.add (i32.add (local.get $at) (i32.const {PACKED_HEADER_BYTES}))
                            (i32.shl (local.get $blocks) (i32.const 7))))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $from) (local.get $at)))
      (local.set $from (i32.sub (local.get $from) (i32.const 112)))
      (local.set $to (i32.sub (local.get $to) (i32.const 128)))
      {_pack_block()}
      (br $next)))
    (i32.store16 align=1 (local.get $at) (i32.const {PACKED_MARK}))
    {
    "".join(
        f'''
    (i32.store8 offset={2 + digit} (local.get $at)
      (i32.and (i32.shr_u (local.get $length) (i32.const {7 * digit})) (i32.const 127)))'''
        for digit in range(5)
    )
}
    (i32.add (i32.const {PACKED_HEADER_BYTES}) (i32.shl (local.get $blocks) (i32.const 7))))

  (func $unpack (param $at i32) (result i32)
    (local $length i32) (local $from i32) (local $to i32) (local $end i32) {_VECTORS}
    {
    "".join(
        f'''
    (local.set $length (i32.or (local.get $length)
      (i32.shl (i32.load8_u offset={2 + digit} (local.get $at)) (i32.const {7 * digit}))))'''
        for digit in range(5)
    )
}
    (local.set $from (i32.add (local.get $at) (i32.const {PACKED_HEADER_BYTES})))
    (local.set $to (local.get $at))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $to) (local.get $end)))
      {_unpack_block()}
      (local.set $from (i32.add (local.get $from) (i32.const 128)))
      (local.set $to (i32.add (local.get $to) (i32.const 112)))
      (br $next)))
    (local.get $length))

  (func $encode (export "encode") (param $at i32) (param $length i32) (result i32)
    (if (i32.eqz (local.get $length)) (then (return (i32.const 0))))
    (if (call $is_ascii (local.get $at) (local.get $length))
      (then (return (local.get $length))))
    (if (i32.le_u (local.get $length) (i32.const {HEX_MOST_BYTES}))
      (then (return (call $to_hex (local.get $at) (local.get $length)))))
    (call $pack (local.get $at) (local.get $length)))

  (func $decode (export "decode") (param $at i32) (param $length i32) (result i32)
    (local $mark i32)
    (if (i32.lt_u (local.get $length) (i32.const 2)) (then (return (local.get $length))))
    (local.set $mark (i32.load16_u align=1 (local.get $at)))
    (if (i32.eq (local.get $mark) (i32.const {HEX_MARK}))
      (then (return (call $from_hex (local.get $at) (local.get $length)))))
    (if (i32.eq (local.get $mark) (i32.const {PACKED_MARK}))
      (then (return (call $unpack (local.get $at)))))
    (local.get $length))
"""


def allocator_module(heap: int) -> str:
    """The module that owns a bridge's memory: allocation and conversion.

    Args:
        heap: the first address that calls may use.
    """
    return f"""(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const {heap}))
  (func (export "reset") (global.set $top (i32.const {heap})))
  (func (export "realloc")
    (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $end i32) (local $pages i32)
    (if (i32.le_u (local.get $size) (local.get $old_size))
      (then (return (select (local.get $old) (i32.const {heap}) (local.get $old)))))
    (if (i32.gt_u (local.get $size) (i32.const 0x1fffffff)) (then (unreachable)))
    (local.set $at (global.get $top))
    (local.set $end (i32.and (i32.const -16) (i32.add
      (i32.add (local.get $at) (i32.const {HEX_MOST_BYTES + 64}))
      (i32.add (local.get $size) (i32.shr_u (local.get $size) (i32.const 2))))))
    (if (i32.lt_u (local.get $end) (local.get $at)) (then (unreachable)))
    (local.set $pages (i32.add (i32.const 1) (i32.shr_u (local.get $end) (i32.const 16))))
    (if (i32.gt_u (local.get $pages) (memory.size)) (then
      (if (i32.eq (i32.const -1)
            (memory.grow (i32.sub (local.get $pages) (memory.size))))
        (then (unreachable)))))
    (global.set $top (local.get $end))
    (if (local.get $old_size) (then
      (memory.copy (local.get $at) (local.get $old) (local.get $old_size))))
    (local.get $at))
{CONVERSIONS})"""


# --- which parts of a function are carried as text ----------------------------------------


def as_text(type_: Type, where: str) -> tuple[Type, tuple[str, ...]]:
    """Replaces byte lists by strings where a bridge can reach them.

    Through options, results and tuples; not into lists, and not into types with
    a name, whose name would then stand for something else.

    Returns:
        The type that the host sees, and the paths of the replaced parts.
    """
    if type_ == BYTES:
        return STRING, (where,)
    match type_:
        case OptionOf(some):
            inner, paths = as_text(some, f"{where}.some")
            return OptionOf(inner), paths
        case ResultOf(ok, err):
            ok, found = (None, ()) if ok is None else as_text(ok, f"{where}.ok")
            err, more = (None, ()) if err is None else as_text(err, f"{where}.err")
            return ResultOf(ok, err), found + more
        case TupleOf(elements):
            parts = [as_text(each, f"{where}.{at}") for at, each in enumerate(elements)]
            return TupleOf(tuple(t for t, _ in parts)), tuple(p for _, ps in parts for p in ps)
    return type_, ()


def function_as_text(function: Function) -> tuple[Function, tuple[str, ...]]:
    """`as_text` for a whole function; paths start with a parameter's number or `result`."""
    parameters: list[tuple[str, Type]] = []
    paths: list[str] = []
    for at, (name, type_) in enumerate(function.parameters):
        replaced, found = as_text(type_, str(at))
        parameters.append((name, replaced))
        paths += found
    result = function.result
    if result is not None:
        result, found = as_text(result, "result")
        paths += found
    return Function(tuple(parameters), result), tuple(paths)


# --- wrappers ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One function of a bridge.

    Attributes:
        function: its type, with byte lists.
        inward: what converts its parameters, `encode` or `decode`.
        outward: what converts its result, the other one.
        is_inside: whether it is in the guest's own component, which then gives
            borrowed handles back itself.
    """

    function: Function
    inward: str
    outward: str
    is_inside: bool = False

    @property
    def borrows(self) -> tuple[int, ...]:
        """The parameters that are borrowed handles, which the bridge must give back."""
        if self.is_inside:
            return ()
        return tuple(
            at
            for at, (_, type_) in enumerate(self.function.parameters)
            if isinstance(type_, Borrow)
        )

    @property
    def core_parameters(self) -> list[str]:
        """The core parameters: the flat values, or one pointer to all of them."""
        flat = [each for _, type_ in self.function.parameters for each in flatten(type_)]
        return flat if len(flat) <= FLAT_PARAMETERS else ["i32"]

    @property
    def core_result(self) -> list[str]:
        """The core result; more than one value is a pointer."""
        flat = flatten(self.function.result)
        return flat if len(flat) <= 1 else ["i32"]

    @property
    def result_is_in_memory(self) -> bool:
        """Whether the result is read through a pointer."""
        return len(flatten(self.function.result)) > 1


def is_carriable(function: Function) -> bool:
    """Whether a bridge can pass on everything that the function takes.

    A borrowed handle must be given back after the call, so it must be a
    parameter of its own. A byte list within a case must not share its slots
    with a value of another kind, which would widen them.
    """
    types = [type_ for _, type_ in function.parameters]
    is_direct = sum(len(flatten(type_)) for type_ in types) <= FLAT_PARAMETERS
    return all(
        is_direct if isinstance(type_, Own | Borrow) else not _holds_borrow(type_)
        for type_ in types
    ) and all(map(_joins_are_plain, types))


def _joins_are_plain(type_: Type) -> bool:
    match type_:
        case TupleOf():
            return all(map(_joins_are_plain, members(type_)))
        case OptionOf() | ResultOf():
            return set(flatten(type_)) == {"i32"} or not as_text(type_, "")[1]
    return True


def _holds_borrow(type_: Type | None) -> bool:
    match type_:
        case Borrow():
            return True
        case Named(type=inner) | ListOf(element=inner):
            return _holds_borrow(inner)
        case TupleOf() | Record():
            return any(map(_holds_borrow, members(type_)))
        case OptionOf() | ResultOf() | Variant():
            return any(map(_holds_borrow, payloads(type_)))
    return False


def result_area_bytes(wrappers: Sequence[Wrapper]) -> int:
    """Room for the largest result that is returned through memory."""
    sizes = [size_align(each.function.result)[0] for each in wrappers]
    return aligned(max([16, *sizes]), 16)


def wrapper_module(wrappers: Sequence[Wrapper]) -> str:
    """The module whose exports `f0`, `f1`, … convert and call the imports of the same names."""
    imports, bodies = [], []
    for number, wrapper in enumerate(wrappers):
        imports.append(_import(f"f{number}", f"$to{number}", _lowered_signature(wrapper)))
        imports += [
            _import(f"drop{number}-{at}", f"$drop{number}-{at}", "(param i32)")
            for at in wrapper.borrows
        ]
        bodies += [_body(number, wrapper), _after(number, wrapper)]
    return "\n".join(
        [
            "(module",
            '(import "own" "memory" (memory 1))',
            '(import "own" "reset" (func $reset))',
            '(import "own" "encode" (func $encode (param i32 i32) (result i32)))',
            '(import "own" "decode" (func $decode (param i32 i32) (result i32)))',
            *imports,
            *bodies,
            ")",
        ]
    )


def _import(name: str, identifier: str, signature: str) -> str:
    return f'(import "other" "{name}" (func {identifier} {signature}))'


def _signature(parameters: Sequence[str], results: Sequence[str]) -> str:
    takes = f"(param {' '.join(parameters)})" if parameters else ""
    gives = f"(result {' '.join(results)})" if results else ""
    return f"{takes} {gives}"


def _lowered_signature(wrapper: Wrapper) -> str:
    if wrapper.result_is_in_memory:
        return _signature([*wrapper.core_parameters, "i32"], [])
    return _signature(wrapper.core_parameters, wrapper.core_result)


def _after(number: int, wrapper: Wrapper) -> str:
    signature = _signature(wrapper.core_result, [])
    return f'(func (export "after{number}") {signature} (call $reset))'


def _body(number: int, wrapper: Wrapper) -> str:
    parameters = wrapper.core_parameters
    passed = " ".join(f"(local.get {at})" for at in range(len(parameters)))
    lines = [*_convert_parameters(wrapper), "(call $reset)"]
    if wrapper.result_is_in_memory:
        lines.append(f"(call $to{number} {passed} (i32.const {RESULT_AREA}))")
    else:
        lines.append(f"(call $to{number} {passed})")
    lines += [
        f"(call $drop{number}-{at} (local.get {_flat_start(wrapper, at)}))"
        for at in wrapper.borrows
    ]
    if wrapper.result_is_in_memory:
        assert wrapper.function.result is not None
        base = f"(i32.const {RESULT_AREA})"
        lines += _convert_memory(wrapper.function.result, base, 0, wrapper.outward)
        lines.append(base)
    signature = _signature(parameters, wrapper.core_result)
    return f'(func (export "f{number}") {signature}\n' + "\n".join(lines) + ")"


def _flat_start(wrapper: Wrapper, parameter: int) -> int:
    types = [type_ for _, type_ in wrapper.function.parameters[:parameter]]
    return sum(len(flatten(type_)) for type_ in types)


def _convert_parameters(wrapper: Wrapper) -> list[str]:
    types = [type_ for _, type_ in wrapper.function.parameters]
    if sum(len(flatten(type_)) for type_ in types) > FLAT_PARAMETERS:
        return _convert_memory(TupleOf(tuple(types)), "(local.get 0)", 0, wrapper.inward)
    lines = []
    for at, type_ in enumerate(types):
        lines += _convert_flat(type_, _flat_start(wrapper, at), wrapper.inward)
    return lines


def _convert_flat(type_: Type | None, start: int, how: str) -> list[str]:
    if type_ == BYTES:
        at, length = f"(local.get {start})", f"(local.get {start + 1})"
        return [f"(local.set {start + 1} (call ${how} {at} {length}))"]
    match type_:
        case TupleOf(elements):
            lines = []
            for each in elements:
                lines += _convert_flat(each, start, how)
                start += len(flatten(each))
            return lines
        case OptionOf() | ResultOf():
            return _convert_flat_cases(type_, start, how)
    return []


def _convert_flat_cases(type_: Type, start: int, how: str) -> list[str]:
    lines = []
    for number, case in enumerate(payloads(type_)):
        inner = _convert_flat(case, start + 1, how)
        if inner:
            condition = f"(i32.eq (local.get {start}) (i32.const {number}))"
            lines.append(f"(if {condition} (then {' '.join(inner)}))")
    return lines


def _convert_memory(type_: Type | None, base: str, offset: int, how: str) -> list[str]:
    if type_ == BYTES:
        at = f"(i32.load offset={offset} {base})"
        length = f"(i32.load offset={offset + 4} {base})"
        return [f"(i32.store offset={offset + 4} {base} (call ${how} {at} {length}))"]
    match type_:
        case TupleOf(elements):
            lines = []
            for each in elements:
                size, align = size_align(each)
                offset = aligned(offset, align)
                lines += _convert_memory(each, base, offset, how)
                offset += size
            return lines
        case OptionOf() | ResultOf():
            return _convert_memory_cases(type_, base, offset, how)
    return []


def _convert_memory_cases(type_: Type, base: str, offset: int, how: str) -> list[str]:
    cases = payloads(type_)
    assert discriminant_bytes(cases) == 1
    lines = []
    for number, case in enumerate(cases):
        inner = _convert_memory(case, base, offset + payload_offset(cases), how)
        if inner:
            condition = f"(i32.eq (i32.load8_u offset={offset} {base}) (i32.const {number}))"
            lines.append(f"(if {condition} (then {' '.join(inner)}))")
    return lines
