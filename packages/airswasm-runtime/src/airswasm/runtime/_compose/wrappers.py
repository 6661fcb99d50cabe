"""The functions of a bridge: which parts of a call are text, and the code that converts them.

A wrapper takes the parameters of a function, converts what crosses as text, calls
the function behind it and converts its result; see `text_bridge` for the text.
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
from .text_bridge import BRIDGE_NAME, RESULT_AREA


def as_text(type_: Type, where: str) -> tuple[Type, tuple[str, ...]]:
    """Replace byte lists by strings where a bridge can reach them.

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
        case _:
            return type_, ()


def function_as_text(function: Function) -> tuple[Function, tuple[str, ...]]:
    """Do `as_text` for a whole function; paths start with a parameter's number or `result`."""
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


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One function of a bridge.

    Attributes:
        function: its type, with byte lists.
        inward: what converts its parameters, `to_host` or `from_host`.
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
    """Return whether a bridge can pass on everything that the function takes.

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
        case _:
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
        case _:
            return False


def result_area_bytes(wrappers: Sequence[Wrapper]) -> int:
    """Return the room for the largest result that is returned through memory."""
    sizes = [size_align(each.function.result)[0] for each in wrappers]
    return aligned(max([16, *sizes]), 16)


def wrapper_module(wrappers: Sequence[Wrapper]) -> str:
    """Write the module whose exports `f0`, `f1`, … convert and call the imports of those names."""
    imports: list[str] = []
    bodies: list[str] = []
    for number, wrapper in enumerate(wrappers):
        imports.append(_import(f"f{number}", f"$to{number}", _lowered_signature(wrapper)))
        imports += [
            _import(f"drop{number}-{at}", f"$drop{number}-{at}", "(param i32)")
            for at in wrapper.borrows
        ]
        bodies += [_body(number, wrapper), _after(number, wrapper)]
    return "\n".join(
        [
            f"(module ${BRIDGE_NAME}",
            '(import "own" "memory" (memory 1))',
            '(import "own" "reset" (func $reset))',
            '(import "own" "to_host" (func $to_host (param i32 i32) (result i32 i32)))',
            '(import "own" "from_host" (func $from_host (param i32 i32) (result i32 i32)))',
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
    scratch = "(local $at i32) (local $length i32)"
    return f'(func (export "f{number}") {signature} {scratch}\n' + "\n".join(lines) + ")"


def _flat_start(wrapper: Wrapper, parameter: int) -> int:
    types = [type_ for _, type_ in wrapper.function.parameters[:parameter]]
    return sum(len(flatten(type_)) for type_ in types)


def _convert_parameters(wrapper: Wrapper) -> list[str]:
    types = [type_ for _, type_ in wrapper.function.parameters]
    if sum(len(flatten(type_)) for type_ in types) > FLAT_PARAMETERS:
        return _convert_memory(TupleOf(tuple(types)), "(local.get 0)", 0, wrapper.inward)
    lines: list[str] = []
    for at, type_ in enumerate(types):
        lines += _convert_flat(type_, _flat_start(wrapper, at), wrapper.inward)
    return lines


def _convert_flat(type_: Type | None, start: int, how: str) -> list[str]:
    if type_ == BYTES:
        return [
            f"(call ${how} (local.get {start}) (local.get {start + 1}))",
            f"(local.set {start + 1}) (local.set {start})",
        ]
    match type_:
        case TupleOf(elements):
            lines: list[str] = []
            for each in elements:
                lines += _convert_flat(each, start, how)
                start += len(flatten(each))
            return lines
        case OptionOf() | ResultOf():
            return _convert_flat_cases(type_, start, how)
        case _:
            return []


def _convert_flat_cases(type_: Type, start: int, how: str) -> list[str]:
    lines: list[str] = []
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
        return [
            f"(call ${how} {at} {length}) (local.set $length) (local.set $at)",
            f"(i32.store offset={offset} {base} (local.get $at))",
            f"(i32.store offset={offset + 4} {base} (local.get $length))",
        ]
    match type_:
        case TupleOf(elements):
            lines: list[str] = []
            for each in elements:
                size, align = size_align(each)
                offset = aligned(offset, align)
                lines += _convert_memory(each, base, offset, how)
                offset += size
            return lines
        case OptionOf() | ResultOf():
            return _convert_memory_cases(type_, base, offset, how)
        case _:
            return []


def _convert_memory_cases(type_: Type, base: str, offset: int, how: str) -> list[str]:
    cases = payloads(type_)
    assert discriminant_bytes(cases) == 1
    lines: list[str] = []
    for number, case in enumerate(cases):
        inner = _convert_memory(case, base, offset + payload_offset(cases), how)
        if inner:
            condition = f"(i32.eq (i32.load8_u offset={offset} {base}) (i32.const {number}))"
            lines.append(f"(if {condition} (then {' '.join(inner)}))")
    return lines
