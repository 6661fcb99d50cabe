"""Says where and why a value does not fit its WIT type: the slow walk after a failed fast one."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from ._plan import NUMBERS
from .errors import ValueMismatch
from .shape import (
    EnumOf,
    FlagsOf,
    ListOf,
    OptionOf,
    Primitive,
    RecordOf,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
    python_name,
)
from .values import Case, Err, Ok, Some

LONGEST_SHOWN = 60


def mismatch(where: str, type_: WitType, value: object) -> ValueMismatch:
    """The error for a value that did not fit, naming the innermost culprit."""
    return _find(where, type_, value) or _wrong(where, type_, value)


def find_mismatch(where: str, type_: WitType, value: object) -> ValueMismatch | None:
    """As `mismatch`; None when the value fits."""
    return _find(where, type_, value)


def _wrong(where: str, type_: WitType | str, value: object) -> ValueMismatch:
    shown = repr(value)
    if len(shown) > LONGEST_SHOWN:
        shown = f"{shown[:LONGEST_SHOWN]}…"
    return ValueMismatch(where, str(type_), f"{type(value).__name__} {shown}")


def _find(where: str, type_: WitType, value: object) -> ValueMismatch | None:
    match type_:
        case Primitive(name):
            return None if _is_primitive(name, value) else _wrong(where, name, value)
        case ListOf(Primitive("u8")):
            return _find_in_bytes(where, value)
        case ListOf(element):
            if not isinstance(value, (list, tuple)):
                return _wrong(where, type_, value)
            return _first(_find(f"{where}[{i}]", element, item) for i, item in enumerate(value))
        case TupleOf(elements):
            if not isinstance(value, (list, tuple)) or len(value) != len(elements):
                return _wrong(where, type_, value)
            pairs = zip(elements, value, strict=True)
            return _first(_find(f"{where}[{i}]", e, item) for i, (e, item) in enumerate(pairs))
        case OptionOf(some):
            return _find_in_option(where, type_, some, value)
        case ResultOf(ok, err):
            return _find_in_result(where, type_, ok, err, value)
        case RecordOf():
            return _find_in_record(where, type_, value)
        case VariantOf():
            return _find_in_variant(where, type_, value)
        case EnumOf(_, names):
            fits = isinstance(value, str) and value in names
            return None if fits else _wrong(where, f"one of {', '.join(names)}", value)
        case FlagsOf(_, names):
            fits = isinstance(value, (set, frozenset)) and value <= set(names)
            return None if fits else _wrong(where, f"a set of {', '.join(names)}", value)
    return _wrong(where, type_, value)


def _first(found: object) -> ValueMismatch | None:
    return next((item for item in found if item is not None), None)  # type: ignore[attr-defined]


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
    if isinstance(value, (bytes, bytearray, memoryview)):
        return None
    return _wrong(where, "bytes (list<u8>)", value)


def _find_in_option(
    where: str, type_: WitType, some: WitType, value: object
) -> ValueMismatch | None:
    if value is None:
        return None
    if not isinstance(some, OptionOf):
        return _find(where, some, value)
    if not isinstance(value, Some):
        return _wrong(where, f"{type_} (None or Some(...))", value)
    return _find(f"{where}.value", some, value.value)


def _find_in_result(
    where: str, type_: WitType, ok: WitType | None, err: WitType | None, value: object
) -> ValueMismatch | None:
    if not isinstance(value, (Ok, Err)):
        return _wrong(where, f"{type_} (Ok(...) or Err(...))", value)
    inner = ok if isinstance(value, Ok) else err
    return _find_payload(where, type(value).__name__, inner, value.value)


def _find_payload(
    where: str, case: str, inner: WitType | None, payload: object
) -> ValueMismatch | None:
    if inner is None:
        return None if payload is None else _wrong(where, f"{case} without a payload", payload)
    return _find(f"{where}.{case}", inner, payload)


def _find_in_record(where: str, type_: RecordOf, value: object) -> ValueMismatch | None:
    names = {python_name(name) for name, _ in type_.fields}
    if isinstance(value, Mapping):
        strange = [key for key in value if key not in names]
        if strange:
            return _wrong(where, f"the fields {', '.join(sorted(names))}", strange[0])
    for name, field_type in type_.fields:
        field = python_name(name)
        try:
            item = value[field] if isinstance(value, Mapping) else getattr(value, field)
        except (KeyError, AttributeError):
            return _wrong(where, f"{type_} with a field `{field}`", value)
        found = _find(f"{where}.{field}", field_type, item)
        if found:
            return found
    return None


def _find_in_variant(where: str, type_: VariantOf, value: object) -> ValueMismatch | None:
    cases = dict(type_.cases)
    if not isinstance(value, Case) or value.name not in cases:
        return _wrong(where, f"a Case of {', '.join(cases)}", value)
    return _find_payload(where, value.name, cases[value.name], value.value)


def describe(error: BaseException) -> str:
    """Return type and text of an error that is not ours; reading either may raise."""
    try:
        kind = str(type(error).__name__)
    except Exception:
        kind = "an error"
    try:
        return f"{kind}: {error}"
    except Exception as problem:
        return f"{kind}: <no text: its __str__ raised {type(problem).__name__}>"
