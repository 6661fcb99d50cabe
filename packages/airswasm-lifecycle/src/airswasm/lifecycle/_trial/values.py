"""Write values of WIT types down as plain data, and read them again.

Plain data is what CBOR has: None, bools, numbers, texts, bytes, lists and mappings with texts as
keys. The type decides, because a value alone does not tell a record from an object of the host's.
A handle is a place in one instance, and has no plain form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

__all__ = ("as_plain", "from_plain", "has_handle", "is_plain", "least")

_U8 = Primitive("u8")


def is_plain(shape: FunctionShape) -> bool:
    """Return whether all arguments and the result of a function have a plain form."""
    types = [type_ for _, type_ in shape.parameters]
    return not any(map(has_handle, types)) and not has_handle(shape.result)


def has_handle(type_: ValueType | None) -> bool:
    """Return whether a value of the type holds, or may hold, a handle."""
    match type_:
        case Own() | Borrow():
            return True
        case ListOf(element):
            return has_handle(element)
        case OptionOf(payload):
            return has_handle(payload)
        case TupleOf(items):
            return any(map(has_handle, items))
        case ResultOf(ok, error):
            return has_handle(ok) or has_handle(error)
        case Record():
            return any(has_handle(field.type) for field in type_.fields)
        case Variant():
            return any(has_handle(case.type) for case in type_.cases)
        case _:
            return False


def as_plain(type_: ValueType | None, value: object) -> object:
    """Return a value's plain form.

    Raises:
        TypeError, ValueError, AttributeError, LookupError: It is no value of the type.
    """
    match type_:
        case None:
            return None
        case ListOf(element) if element == _U8:
            return bytes(cast("bytes", value))
        case ListOf(element):
            return [as_plain(element, item) for item in cast("Sequence[object]", value)]
        case TupleOf(items):
            pairs = zip(items, cast("Sequence[object]", value), strict=True)
            return [as_plain(item, each) for item, each in pairs]
        case OptionOf(payload):
            if value is None:
                return []
            inner = cast("Some[object]", value).value if isinstance(value, Some) else value
            return [as_plain(payload, inner)]
        case ResultOf(ok, error):
            if isinstance(value, Ok):
                return ["ok", as_plain(ok, cast("Ok[object]", value).value)]
            return ["err", as_plain(error, cast("Err[object]", value).value)]
        case Record():
            return _plain_record(type_, value)
        case Variant():
            found = cast("Case", value)
            types = {case.name: case.type for case in type_.cases}
            return [found.name, as_plain(types[found.name], found.value)]
        case Flags():
            return sorted(cast("frozenset[str]", value))
        case Own() | Borrow():
            raise TypeError("a handle has no plain form")
        case _:
            return value


def from_plain(type_: ValueType | None, plain: object) -> object:
    """Return the value that `as_plain` made a plain form of.

    Raises:
        TypeError, ValueError, AttributeError, LookupError: It is no plain form of the type.
    """
    match type_:
        case None:
            return None
        case ListOf(element) if element == _U8:
            if not isinstance(plain, bytes):
                raise TypeError("expected bytes")
            return plain
        case ListOf(element):
            return [from_plain(element, item) for item in _items(plain)]
        case TupleOf(items):
            pairs = zip(items, _items(plain), strict=True)
            return tuple(from_plain(item, each) for item, each in pairs)
        case OptionOf(payload):
            if not _items(plain):
                return None
            (only,) = _items(plain)
            inner = from_plain(payload, only)
            return Some(inner) if isinstance(payload, OptionOf) else inner
        case ResultOf(ok, error):
            kind, content = _items(plain)
            if kind == "ok":
                return Ok(from_plain(ok, content))
            return Err(from_plain(error, content))
        case Record():
            members = cast("Mapping[str, object]", plain)
            return {
                _python_name(field.name): from_plain(field.type, members[field.name])
                for field in type_.fields
            }
        case Variant():
            name, content = _items(plain)
            types = {case.name: case.type for case in type_.cases}
            return Case(str(name), from_plain(types[str(name)], content))
        case Flags():
            return frozenset(map(str, _items(plain)))
        case Own() | Borrow():
            raise TypeError("a handle has no plain form")
        case _:
            return plain


def least(type_: ValueType | None) -> object:
    """Return the value that says least: `ok`, none, 0, nothing.

    Raises:
        TypeError: There is none: only what was really done could be told.
    """
    match type_:
        case None | OptionOf():
            return None
        case ResultOf(ok, _):
            return Ok(least(ok))
        case ListOf(element):
            return b"" if element == _U8 else []
        case Primitive("bool"):
            return True
        case Primitive("string"):
            return ""
        case Primitive("char"):
            raise TypeError("no character says least")
        case Primitive():
            return 0
        case TupleOf(items):
            return tuple(map(least, items))
        case Flags():
            return frozenset[str]()
        case Enum() | Record() | Variant() | Own() | Borrow():
            raise TypeError(f"nothing says least for {type_}")


def _plain_record(type_: Record[ValueType], value: object) -> dict[str, object]:
    plain: dict[str, object] = {}
    for field in type_.fields:
        name = _python_name(field.name)
        if isinstance(value, Mapping):
            inner = cast("Mapping[str, object]", value)[name]
        else:
            inner = getattr(value, name)
        plain[field.name] = as_plain(field.type, inner)
    return plain


def _items(plain: object) -> Sequence[object]:
    if not isinstance(plain, list | tuple):
        raise TypeError("expected a list")
    return cast("Sequence[object]", plain)


def _python_name(name: str) -> str:
    return name_labels([name])[0]
