"""Values of WIT types as JSON, for callers outside of Python: the command and the control API.

| WIT | JSON |
|---|---|
| `bool`, numbers, `string`, `char` | the same; a float may be `"inf"`, `"-inf"` or `"nan"` |
| `list<u8>` | `{"base64": "…"}`; also a text, which stands for its UTF-8 bytes |
| `list`, `tuple` | an array |
| `option` | `null` or the value; inside another option `{"some": value}` |
| `result` | `{"ok": value}` or `{"err": value}` |
| `record` | an object with the fields' names of WIT; an option may be left out |
| `variant` | `{"case": value}`, or `"case"` for one without a value |
| `enum` | the name |
| `flags` | an array of names |
| a resource | none: it lives in one instance, and only Python code can hold it |

The names are WIT's and not Python's, because the callers are not Python. Rejected: WAVE, the text
form of the component model's tools: no other tool of a caller writes it, and JSON says the same.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import cast

from airswasm.runtime import Case, Err, FunctionShape, Ok, Some, ValueType
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
    name_labels,
)

from ..errors import ArgumentUnfit

__all__ = ("definitions", "holds_resource", "read_arguments", "value_document")

_LONGEST_SHOWN = 60
_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_BITS = {f"{sign}{bits}": (sign, bits) for sign in "us" for bits in (8, 16, 32, 64)}


def read_arguments(shape: FunctionShape, values: Sequence[object]) -> tuple[object, ...]:
    """Return the Python values for a function's parameters.

    Raises:
        ArgumentUnfit: A value does not fit its type, or there are too many or too few.
    """
    count = len(shape.parameters)
    if len(values) != count:
        given = f"{len(values)} argument{'s' * (len(values) != 1)}"
        raise ArgumentUnfit(shape.name, f"{count} for {shape}", given)
    pairs = zip(shape.parameters, values, strict=True)
    return tuple(_read(type_, value, f"{shape.name}.{name}") for (name, type_), value in pairs)


def value_document(type_: ValueType | None, value: object) -> object:
    """Return a value that a function gave as what `json.dumps` takes.

    Raises:
        ArgumentUnfit: It holds a resource.
    """
    match type_:
        case None:
            return None
        case Primitive():
            is_odd = isinstance(value, float) and not math.isfinite(value)
            return str(value) if is_odd else value
        case ListOf(Primitive("u8")):
            return {"base64": base64.b64encode(cast("bytes", value)).decode()}
        case ListOf(element):
            return [value_document(element, each) for each in cast("Sequence[object]", value)]
        case TupleOf(elements):
            items = cast("Sequence[object]", value)
            return [value_document(*pair) for pair in zip(elements, items, strict=True)]
        case OptionOf(some):
            if value is None:
                return None
            if isinstance(some, OptionOf):
                return {"some": value_document(some, cast("Some[object]", value).value)}
            return value_document(some, value)
        case ResultOf(ok, err):
            if isinstance(value, Ok):
                return {"ok": value_document(ok, cast("Ok[object]", value).value)}
            return {"err": value_document(err, cast("Err[object]", value).value)}
        case Record():
            found = {
                each.name: getattr(value, each.name) for each in fields(cast("Ok[object]", value))
            }
            return {
                each.name: value_document(each.type, found[_python(each.name)])
                for each in type_.fields
            }
        case Variant():
            chosen = cast("Case", value)
            inner = next(each.type for each in type_.cases if each.name == chosen.name)
            if inner is None:
                return chosen.name
            return {chosen.name: value_document(inner, chosen.value)}
        case Enum():
            return value
        case Flags():
            return [each.name for each in type_.cases if each.name in cast("frozenset[str]", value)]
        case Own() | Borrow():
            raise ArgumentUnfit(
                str(type_), "a value", "a resource, which only Python code can hold"
            )


def holds_resource(type_: ValueType | None) -> bool:
    """Return whether values of a type may hold a resource."""
    return any(isinstance(each, (Own, Borrow)) for each in _within(type_))


def definitions(type_: ValueType | None) -> tuple[str, ...]:
    """Return the definitions of the named types in a type, each after those that it uses."""
    named = (each for each in _within(type_) if isinstance(each, (Record, Variant, Enum, Flags)))
    return tuple(each.spelled_out() for each in named if each.name)


def _within(type_: ValueType | None) -> Iterator[ValueType]:
    """Yield a type and all that it is made of, the parts first."""
    parts: Iterable[ValueType | None] = ()
    match type_:
        case None:
            return
        case ListOf(inner) | OptionOf(inner):
            parts = (inner,)
        case TupleOf(elements):
            parts = elements
        case ResultOf(ok, err):
            parts = (ok, err)
        case Record():
            parts = (each.type for each in type_.fields)
        case Variant():
            parts = (each.type for each in type_.cases)
        case _:
            pass
    for part in parts:
        yield from _within(part)
    yield type_


def _read(type_: ValueType, value: object, where: str) -> object:
    match type_:
        case Primitive(name):
            return _read_primitive(name, value, where)
        case ListOf(Primitive("u8")):
            return _read_bytes(value, where)
        case ListOf(element):
            items = _sequence(type_, value, where)
            return [_read(element, each, f"{where}[{at}]") for at, each in enumerate(items)]
        case TupleOf(elements):
            items = _sequence(type_, value, where)
            if len(items) != len(elements):
                raise _unfit(where, str(type_), value)
            pairs = enumerate(zip(elements, items, strict=True))
            return tuple(_read(*pair, f"{where}[{at}]") for at, pair in pairs)
        case OptionOf(some):
            return _read_option(some, value, where)
        case ResultOf(ok, err):
            key, inner = _single(("ok", "err"), str(type_), value, where)
            if key == "ok":
                return Ok(_read_payload(ok, inner, f"{where}.ok"))
            return Err(_read_payload(err, inner, f"{where}.err"))
        case Record():
            return _read_record(type_, value, where)
        case Variant():
            return _read_variant(type_, value, where)
        case Enum():
            names = [each.name for each in type_.cases]
            if value not in names:
                raise _unfit(where, f"one of {', '.join(names)}", value)
            return value
        case Flags():
            names = [each.name for each in type_.cases]
            items = _sequence(type_, value, where)
            if any(each not in names for each in items):
                raise _unfit(where, f"an array of {', '.join(names)}", value)
            return frozenset(cast("Sequence[str]", items))
        case Own() | Borrow():
            raise ArgumentUnfit(where, "a call from Python", "a resource, which JSON cannot name")


def _read_primitive(name: str, value: object, where: str) -> object:
    if name == "bool" and isinstance(value, bool):
        return value
    if name in ("string", "char") and isinstance(value, str):
        if _is_text(value) and (name == "string" or len(value) == 1):
            return value
        raise _unfit(where, name, value)
    if name in _BITS and isinstance(value, int) and not isinstance(value, bool):
        sign, bits = _BITS[name]
        least = 0 if sign == "u" else -(1 << bits - 1)
        if least <= value < (1 << bits) + least:
            return value
    if name in ("f32", "f64"):
        if isinstance(value, str) and value in _NOT_FINITE:
            return _NOT_FINITE[value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _float(name, value, where)
    raise _unfit(where, name, value)


def _is_text(value: str) -> bool:
    """Return whether a text can be written: JSON can hold half of a pair of surrogates."""
    return not any("\ud800" <= each <= "\udfff" for each in value)


def _float(name: str, value: float, where: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _unfit(where, name, value) from None


def _read_bytes(value: object, where: str) -> bytes:
    given = value
    if isinstance(value, str) and _is_text(value):
        return value.encode()
    if isinstance(value, Mapping):
        content = cast("Mapping[str, object]", value)
        text = content.get("base64")
        if list(content) == ["base64"] and isinstance(text, str):
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise _unfit(where, "base64", text) from None
    raise _unfit(where, 'list<u8>: a text or {"base64": "…"}', given)


def _read_option(some: ValueType, value: object, where: str) -> object:
    if value is None:
        return None
    if isinstance(some, OptionOf):
        _, inner = _single(("some",), f"option<{some}>", value, where)
        return Some(_read(some, inner, f"{where}.some"))
    return _read(some, value, where)


def _read_record(type_: Record[ValueType], value: object, where: str) -> object:
    if not isinstance(value, Mapping):
        raise _unfit(where, str(type_), value)
    given = cast("Mapping[str, object]", value)
    names = [each.name for each in type_.fields]
    strange = [key for key in given if key not in names]
    if strange:
        raise _unfit(where, f"the fields {', '.join(names)}", strange[0])
    found: dict[str, object] = {}
    for each in type_.fields:
        if each.name not in given and not isinstance(each.type, OptionOf):
            raise _unfit(where, f"a field {each.name}", given)
        found[_python(each.name)] = _read(each.type, given.get(each.name), f"{where}.{each.name}")
    return found


def _read_variant(type_: Variant[ValueType], value: object, where: str) -> Case:
    cases = {each.name: each.type for each in type_.cases}
    expected = f"one of {', '.join(cases)}"
    if isinstance(value, str) and value in cases and cases[value] is None:
        return Case(value)
    name, inner = _single(tuple(cases), expected, value, where)
    return Case(name, _read_payload(cases[name], inner, f"{where}.{name}"))


def _read_payload(type_: ValueType | None, value: object, where: str) -> object:
    if type_ is not None:
        return _read(type_, value, where)
    if value is not None:
        raise _unfit(where, "null", value)
    return None


def _single(names: Sequence[str], expected: str, value: object, where: str) -> tuple[str, object]:
    """Return the one member of an object, which says what it is."""
    given = value
    members = (
        list(cast("Mapping[str, object]", value).items()) if isinstance(value, Mapping) else []
    )
    if len(members) != 1 or members[0][0] not in names:
        shape = " or ".join(f'{{"{each}": …}}' for each in names[:8])
        raise _unfit(where, f"{expected}: {shape}", given)
    return members[0]


def _sequence(type_: ValueType, value: object, where: str) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        raise _unfit(where, str(type_), value)
    return cast("Sequence[object]", value)


def _python(name: str) -> str:
    return name_labels([name])[0]


def _unfit(where: str, expected: str, value: object) -> ArgumentUnfit:
    shown = repr(value)
    short = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
    return ArgumentUnfit(where, expected, short)
