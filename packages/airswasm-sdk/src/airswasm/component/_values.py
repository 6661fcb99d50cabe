"""Convert between Python's values and plain data: what JSON and CBOR can hold.

The annotation decides: a dataclass is a map of its fields, an enum its value, a tuple a list. What
a stranger sent is checked against it, and the error names the place inside of the value. Kept small
on purpose: a codec of one's own brings any other library (`Codec.convert`).
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeGuard, cast

from .errors import PayloadError

__all__ = ("from_plain", "is_list", "is_map", "to_plain", "type_name")


def is_map(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether plain data is a map; each format refuses keys that are no texts."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Return whether plain data is a list."""
    return isinstance(value, list)


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_collection(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Sequence | set | frozenset)


def to_plain(value: object, *, has_bytes: bool = False) -> object:
    """Return a value as plain data.

    Args:
        value: Plain data, dataclasses, enums, and collections of them.
        has_bytes: Whether bytes are plain data; otherwise they become base64.

    Raises:
        PayloadError: A value has no plain form.
    """
    if isinstance(value, enum.Enum):
        return to_plain(value.value, has_bytes=has_bytes)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes | bytearray):
        return bytes(value) if has_bytes else base64.b64encode(value).decode()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return to_plain(fields, has_bytes=has_bytes)
    if _is_mapping(value):
        return {str(to_plain(key)): to_plain(each, has_bytes=has_bytes)
                for key, each in value.items()}  # fmt: skip
    if _is_collection(value):
        return [to_plain(each, has_bytes=has_bytes) for each in value]
    raise PayloadError(f"{type_name(type(value))} has no form in a message: use a dataclass")


def from_plain(plain: object, annotation: object, place: str = "") -> object:
    """Return plain data as the type of an annotation.

    Args:
        plain: What a codec has read.
        annotation: The type.
        place: Where in the message it stands, for the error.

    Raises:
        PayloadError: It does not fit.
    """
    if annotation is typing.Any or annotation is object:
        return plain
    if annotation is None or annotation is types.NoneType:
        return _expect(plain is None, plain, annotation, place, None)
    origin = typing.get_origin(annotation)
    if origin is not None:
        read = _GENERIC.get(origin)
        if read is not None:
            return read(plain, typing.get_args(annotation), annotation, place)
    if isinstance(annotation, type):
        return _class_from_plain(plain, annotation, place)
    raise PayloadError(f"{_at(place)}{type_name(annotation)} is no type that a message can have")


def type_name(annotation: object) -> str:
    """Return an annotation as people write it."""
    if annotation is types.NoneType:
        return "None"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _class_from_plain(plain: object, kind: type[Any], place: str) -> object:
    if issubclass(kind, enum.Enum):
        try:
            return kind(plain)
        except ValueError:
            known = ", ".join(repr(each.value) for each in kind)
            raise PayloadError(f"{_at(place)}expected one of {known}") from None
    if dataclasses.is_dataclass(kind):
        return _fields_from_plain(plain, kind, place)
    if kind is float:
        is_number = isinstance(plain, int | float) and not isinstance(plain, bool)
        return float(_expect(is_number, plain, kind, place, plain))  # type: ignore[arg-type]
    if kind in (str, int, bool):
        fits = type(plain) is kind
        return _expect(fits, plain, kind, place, plain)
    if kind is bytes:
        return _bytes_from_plain(plain, place)
    if kind in (list, tuple, set, frozenset):
        return cast("Callable[[object], object]", kind)(_items(plain, kind, place))
    if kind is dict:
        return _expect(is_map(plain), plain, kind, place, plain)
    raise PayloadError(
        f"{_at(place)}{kind.__name__} is no type that a message can have: use a dataclass, or a "
        "codec of your own"
    )


def _bytes_from_plain(plain: object, place: str) -> bytes:
    if isinstance(plain, bytes):
        return plain
    if isinstance(plain, str):
        try:
            return base64.b64decode(plain, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise PayloadError(f"{_at(place)}expected bytes, as base64")


def _fields_from_plain(plain: object, kind: type[Any], place: str) -> object:
    if not is_map(plain):
        raise _mismatch(plain, kind, place)
    annotations = typing.get_type_hints(kind)
    values: dict[str, object] = {}
    for each in dataclasses.fields(kind):
        if not each.init:
            continue
        if each.name in plain:
            inside = f"{place}.{each.name}" if place else each.name
            values[each.name] = from_plain(plain[each.name], annotations[each.name], inside)
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise PayloadError(f"{_at(place)}{kind.__name__} needs {each.name}")
    unknown = [name for name in plain if name not in values and name != "type"]
    if unknown:
        raise PayloadError(f"{_at(place)}{kind.__name__} has no {unknown[0]}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise PayloadError(f"{_at(place)}{error}") from error


def _union_from_plain(
    plain: object, inside: tuple[object, ...], whole: object, place: str
) -> object:
    problems: list[str] = []
    for each in inside:
        try:
            return from_plain(plain, each, place)
        except PayloadError as error:
            problems.append(str(error))
    if len(inside) == 2 and types.NoneType in inside:
        raise PayloadError(problems[inside.index(types.NoneType) - 1])
    raise _mismatch(plain, whole, place)


def _literal_from_plain(
    plain: object, inside: tuple[object, ...], _whole: object, place: str
) -> object:
    for each in inside:
        if plain == each and type(plain) is type(each):
            return plain
    raise PayloadError(f"{_at(place)}expected one of {', '.join(map(repr, inside))}")


def _list_from_plain(
    plain: object, inside: tuple[object, ...], whole: object, place: str
) -> object:
    make = typing.get_origin(whole)
    items = _items(plain, whole, place)
    read = [from_plain(each, inside[0], f"{place}[{at}]") for at, each in enumerate(items)]
    return cast("Callable[[object], object]", make)(read) if make in (set, frozenset) else read


def _tuple_from_plain(
    plain: object, inside: tuple[object, ...], whole: object, place: str
) -> object:
    items = list(_items(plain, whole, place))
    if len(inside) == 2 and inside[1] is Ellipsis:
        inside = (inside[0],) * len(items)
    if len(items) != len(inside):
        raise PayloadError(f"{_at(place)}expected {len(inside)} items, not {len(items)}")
    pairs = zip(items, inside, strict=True)
    return tuple(from_plain(each, kind, f"{place}[{at}]") for at, (each, kind) in enumerate(pairs))


def _map_from_plain(plain: object, inside: tuple[object, ...], whole: object, place: str) -> object:
    if not is_map(plain):
        raise _mismatch(plain, whole, place)
    return {_key(key, inside[0], place): from_plain(each, inside[1], f"{place}[{key!r}]")
            for key, each in plain.items()}  # fmt: skip


def _key(key: object, kind: object, place: str) -> object:
    if kind is int and isinstance(key, str):
        try:
            return int(key)
        except ValueError:
            raise PayloadError(f"{_at(place)}{key!r} is no number") from None
    return from_plain(key, kind, place)


def _annotated_from_plain(
    plain: object, inside: tuple[object, ...], _whole: object, place: str
) -> object:
    return from_plain(plain, inside[0], place)


_GENERIC: dict[object, Callable[[object, tuple[object, ...], object, str], object]] = {
    typing.Union: _union_from_plain,
    types.UnionType: _union_from_plain,
    typing.Literal: _literal_from_plain,
    typing.Annotated: _annotated_from_plain,
    tuple: _tuple_from_plain,
    **dict.fromkeys((dict, Mapping), _map_from_plain),
    **dict.fromkeys((list, set, frozenset, Sequence, Iterable), _list_from_plain),
}


def _items(plain: object, whole: object, place: str) -> Sequence[object]:
    if not is_list(plain):
        raise _mismatch(plain, whole, place)
    return plain


def _expect(fits: bool, plain: object, kind: object, place: str, value: object) -> object:
    if not fits:
        raise _mismatch(plain, kind, place)
    return value


def _mismatch(plain: object, kind: object, place: str) -> PayloadError:
    wanted = "an object" if dataclasses.is_dataclass(kind) else type_name(kind)
    return PayloadError(f"{_at(place)}expected {wanted}, not {_described(plain)}")


def _described(plain: object) -> str:
    names: dict[type, str] = {
        dict: "an object", list: "a list", str: "a text", bool: "true or false",
    }  # fmt: skip
    return names.get(type(plain), "null" if plain is None else "a number")


def _at(place: str) -> str:
    return f"{place}: " if place else ""
