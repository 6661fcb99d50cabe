"""JSON (RFC 8259), held to the model and the bounds of the binary codecs.

The standard library's reader is fast and takes more than JSON: `NaN`, numbers beyond 64 bits and
beyond a double, half of a surrogate pair, the last of two equal keys, any depth. What a search in
the bytes cannot rule out is read with a slower hook.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn, cast

from ..errors import InvalidPayload, Unencodable
from .codec import Codec
from .walking import MOST_CONTAINERS, MOST_DEPTH

__all__ = ("JSON", "distinct")

_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A text; one that does not end reaches to the end, so that no search starts within it."""
_LARGE_NUMBER = re.compile(rb"[0-9]{19}|[eE]\+?[0-9]{3}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_EMPTY = re.compile(rb"\[\]|\{\}")
_CONTAINERS = (dict, list, tuple)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def distinct(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a map of pairs.

    Raises:
        ValueError: A key is there twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _encode(value: object) -> bytes:
    _check_keys(value, MOST_DEPTH)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    content = text.encode()
    _check_shape(content)
    if _LARGE_NUMBER.search(content):
        _load(content)
    return content


def _decode(content: bytes) -> object:
    _check_shape(content)
    value = _load(content)
    if _SURROGATE.search(content):
        json.dumps(value, ensure_ascii=False).encode()  # fails where one stands alone
    return value


def _load(content: bytes) -> object:
    is_large = _LARGE_NUMBER.search(content) is not None
    value: object = json.loads(
        content.decode(),
        object_pairs_hook=distinct,
        parse_constant=_refuse,
        parse_int=_integer if is_large else None,
        parse_float=_double if is_large else None,
    )
    return value


def _check_shape(content: bytes) -> None:
    """Bound depth and number of containers, at the speed of a search."""
    if content.count(b"[") + content.count(b"{") <= MOST_DEPTH:
        return
    brackets = _TEXT.sub(b"", content).translate(None, _NO_BRACKETS)
    if len(brackets) > 2 * MOST_CONTAINERS:
        reason = f"it has more than {MOST_CONTAINERS:,} lists and maps"
        raise InvalidPayload("json", 0, reason)
    for _ in range(MOST_DEPTH):  # each round takes the innermost level away
        if not brackets:
            return
        brackets = _EMPTY.sub(b"", brackets)
    if brackets:
        raise InvalidPayload("json", 0, f"it is nested deeper than {MOST_DEPTH}")


def _check_keys(value: object, depth: int) -> None:
    """Refuse what `json.dumps` would write as something else: keys that are no texts."""
    inner: Iterable[object] = ()
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value)
        for key in pairs:
            if not isinstance(key, str):
                raise Unencodable("json", f"a key is {type(key).__name__}; keys are texts")
        inner = pairs.values()
    elif isinstance(value, list | tuple):
        inner = cast("Iterable[object]", value)
    for each in inner:
        if isinstance(each, _CONTAINERS):
            if depth <= 1:
                raise Unencodable("json", f"it is nested deeper than {MOST_DEPTH}")
            _check_keys(cast("object", each), depth - 1)


def _integer(text: str) -> int:
    number = int(text)
    if not -(2**64) <= number < 2**64:
        raise ValueError("a number has more than 64 bits")
    return number


def _double(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is beyond what a double holds")
    return number


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


JSON = Codec("json", 0x0200, _encode, _decode)
