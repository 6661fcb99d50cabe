"""Says where and why a value does not fit its WIT type: the slow walk after a failed fast one."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeGuard

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

from .._shape import FunctionShape, ValueType, python_name
from .._values import Case, Err, GuestResource, Ok, Some
from .._wasmtime.value_layout import NUMBERS
from ..errors import ValueMismatch

LONGEST_SHOWN = 60


def mismatch(where: str, type_: ValueType, value: object) -> ValueMismatch:
    """Return the error for a value that did not fit, naming the innermost culprit."""
    return _find(where, type_, value) or _wrong(where, type_, value)


def argument_mismatch(
    shape: FunctionShape, arguments: tuple[object, ...], problem: BaseException
) -> Exception:
    """Return the error for arguments of which one did not fit."""
    if len(arguments) != len(shape.parameters):
        return ValueMismatch(
            shape.name, f"{len(shape.parameters)} arguments", f"{len(arguments)} arguments"
        )
    for (name, type_), value in zip(shape.parameters, arguments, strict=True):
        where = f"{shape.name}.{name}"
        try:
            found = _find(where, type_, value)
        except Exception as error:  # an embedder's object, such as one that loads what it has
            return ValueMismatch(where, str(type_), f"one that raises {_shown(error)}")
        if found:
            return found
    for (name, type_), value in zip(shape.parameters, arguments, strict=True):
        if isinstance(value, GuestResource):  # all else was wrong with none of them
            said = "one of another instance, perhaps of one that has ended"
            return ValueMismatch(f"{shape.name}.{name}", str(type_), said)
    return ValueMismatch(shape.name, str(shape), repr(problem))


def _wrong(where: str, type_: ValueType | str, value: object) -> ValueMismatch:
    return ValueMismatch(where, str(type_), _shown(value))


def _shown(value: object) -> str:
    try:
        shown = repr(value)
    except Exception:  # an embedder's object: its fault must not hide this one
        shown = "that has no repr"
    if len(shown) > LONGEST_SHOWN:
        shown = f"{shown[:LONGEST_SHOWN]}…"
    return f"{type(value).__name__} {shown}"


def _find(where: str, type_: ValueType, value: object) -> ValueMismatch | None:
    match type_:
        case Primitive(name):
            return None if _is_primitive(name, value) else _wrong(where, name, value)
        case ListOf(Primitive("u8")):
            return _find_in_bytes(where, value)
        case ListOf(element):
            if not _is_sequence(value):
                return _wrong(where, type_, value)
            return _first(_find(f"{where}[{i}]", element, item) for i, item in enumerate(value))
        case TupleOf(elements):
            if not _is_sequence(value) or len(value) != len(elements):
                return _wrong(where, type_, value)
            pairs = zip(elements, value, strict=True)
            return _first(_find(f"{where}[{i}]", e, item) for i, (e, item) in enumerate(pairs))
        case OptionOf(some):
            return _find_in_option(where, type_, some, value)
        case ResultOf(ok, err):
            return _find_in_result(where, type_, ok, err, value)
        case Record():
            return _find_in_record(where, type_, value)
        case Variant():
            return _find_in_variant(where, type_, value)
        case Enum(_, cases):
            names = [case.name for case in cases]
            fits = isinstance(value, str) and value in names
            return None if fits else _wrong(where, f"one of {', '.join(names)}", value)
        case Flags(_, cases):
            names = [case.name for case in cases]
            fits = _is_set(value) and value <= set(names)
            return None if fits else _wrong(where, f"a set of {', '.join(names)}", value)
        case Own(resource) | Borrow(resource):
            return None if resource.is_imported else _find_in_handle(where, type_, value)


def _find_in_handle(where: str, type_: ValueType, value: object) -> ValueMismatch | None:
    """Say what is wrong with a resource; that it is of another instance, cannot be seen here."""
    if not isinstance(value, GuestResource):
        return _wrong(where, type_, value)
    if not value.is_held:
        return ValueMismatch(where, str(type_), f"a {value.name} that is gone")
    is_same = isinstance(type_, (Own, Borrow)) and value._resource == type_.resource
    return None if is_same else ValueMismatch(where, str(type_), f"a {value.name}")


def _first(found: Iterable[ValueMismatch | None]) -> ValueMismatch | None:
    return next((item for item in found if item is not None), None)


# pyright does not know what a class holds that `isinstance` has found; these say that it is
# anything.


def _is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, (list, tuple))


def _is_set(value: object) -> TypeGuard[AbstractSet[object]]:
    return isinstance(value, (set, frozenset))


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_some(value: object) -> TypeGuard[Some[object]]:
    return type(value) is Some


def _is_result(value: object) -> TypeGuard[Ok[object] | Err[object]]:
    return type(value) in (Ok, Err)


def _is_primitive(name: str, value: object) -> bool:
    if name == "bool":
        return isinstance(value, bool)
    if name in ("string", "char"):
        return (
            isinstance(value, str)
            and (name == "string" or len(value) == 1)
            and not any("\ud800" <= char <= "\udfff" for char in value)
        )
    try:
        struct.pack(f"<{NUMBERS[name][1]}", value)
    except (struct.error, OverflowError, TypeError):
        return False
    return True


def _find_in_bytes(where: str, value: object) -> ValueMismatch | None:
    try:
        memoryview(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return _wrong(where, "bytes (list<u8>)", value)
    return None


def _find_in_option(
    where: str, type_: ValueType, some: ValueType, value: object
) -> ValueMismatch | None:
    if value is None:
        return None
    if not isinstance(some, OptionOf):
        return _find(where, some, value)
    if not _is_some(value):
        return _wrong(where, f"{type_} (None or Some(...))", value)
    return _find(f"{where}.value", some, value.value)


def _find_in_result(
    where: str, type_: ValueType, ok: ValueType | None, err: ValueType | None, value: object
) -> ValueMismatch | None:
    if not _is_result(value):
        return _wrong(where, f"{type_} (Ok(...) or Err(...))", value)
    inner = ok if isinstance(value, Ok) else err
    return _find_payload(where, type(value).__name__, inner, value.value)


def _find_payload(
    where: str, case: str, inner: ValueType | None, payload: object
) -> ValueMismatch | None:
    if inner is None:
        return None if payload is None else _wrong(where, f"{case} without a payload", payload)
    return _find(f"{where}.{case}", inner, payload)


def _find_in_record(where: str, type_: Record[ValueType], value: object) -> ValueMismatch | None:
    names = {python_name(field.name) for field in type_.fields}
    if _is_mapping(value):
        strange = [key for key in value if key not in names]
        if strange:
            return _wrong(where, f"the fields {', '.join(sorted(names))}", strange[0])
    for member in type_.fields:
        field = python_name(member.name)
        try:
            item = value[field] if _is_mapping(value) else getattr(value, field)
        except (KeyError, AttributeError):
            return _wrong(where, f"{type_} with a field `{field}`", value)
        found = _find(f"{where}.{field}", member.type, item)
        if found:
            return found
    return None


def _find_in_variant(where: str, type_: Variant[ValueType], value: object) -> ValueMismatch | None:
    if type(value) is Case:
        for case in type_.cases:
            if case.name == value.name:
                return _find_payload(where, value.name, case.type, value.value)
    names = ", ".join(case.name for case in type_.cases)
    return _wrong(where, f"a Case of {names}", value)
