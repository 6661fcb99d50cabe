"""Turn values into payloads: raw bytes, or CBOR that marks itself as CBOR.

A CBOR payload starts with the self-describe tag `d9d9f7`, with which no UTF-8 text and no other
common format starts; every other payload is raw. So a receiver knows the codec from the payload
itself, without a header.

The decoder reads untrusted input. It walks the bytes once before `cbor2` sees them: no tags (they
build regular expressions, decimals and cycles), no lengths beyond the payload, no indefinite
lengths, a bounded depth, nothing after the value. `cbor2` then refuses duplicate keys and keys that
are not texts or bytes. The rest is the JSON model with bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

import cbor2

from .errors import InvalidCbor, Unencodable

__all__ = (
    "CBOR_MARK",
    "Codec",
    "check_cbor",
    "codec_of",
    "decode",
    "decode_cbor",
    "encode",
    "encode_cbor",
)

Codec: TypeAlias = Literal["raw", "cbor"]

CBOR_MARK = b"\xd9\xd9\xf7"
"""CBOR's self-describe tag, 55799."""

MAXIMUM_DEPTH = 32

_STRINGS, _CONTAINERS, _MAP, _TAG = (2, 3), (4, 5), 5, 6
STEP_ITEMS = 1_000
"""Items in one step: less than a millisecond."""
_PLAIN_ITEMS = re.compile(rb"[\x00-\x17\x20-\x37\xf4-\xf6]+")
"""Small numbers, false, true and null."""
_SIMPLE = (20, 21, 22, 25, 26, 27)
"""false, true, null, and floats of three sizes."""


def codec_of(payload: bytes) -> Codec:
    """Return the codec that a payload claims."""
    return "cbor" if payload.startswith(CBOR_MARK) else "raw"


def encode(value: object, codec: Codec) -> bytes:
    """Return a value as a payload; raw takes bytes, or a text as UTF-8.

    Raises:
        Unencodable: The codec has no form for the value.
    """
    if codec == "cbor":
        return encode_cbor(value)
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise Unencodable("raw", "the text is not valid Unicode") from None
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise Unencodable("raw", f"{type(value).__name__} is neither bytes nor a text; use cbor")


def decode(payload: bytes) -> object:
    """Return the value of a payload: decoded if it is marked as CBOR, else the bytes.

    Raises:
        InvalidCbor: The payload is marked as CBOR, but this host does not accept it.
    """
    return decode_cbor(payload) if payload.startswith(CBOR_MARK) else payload


def encode_cbor(value: object) -> bytes:
    """Return a value as marked CBOR, the same bytes for equal values.

    Args:
        value: None, a bool, a number of at most 64 bits, a text, bytes, or lists and mappings
            (keys: texts or bytes) of them.

    Raises:
        Unencodable: The value is of another type.
    """
    try:
        payload = CBOR_MARK + cbor2.dumps(value, canonical=True)
        check_cbor(payload)
    except InvalidCbor as error:
        raise Unencodable("cbor", error.reason) from error
    except (cbor2.CBOREncodeError, ValueError, TypeError, RecursionError) as error:
        raise Unencodable("cbor", str(error)) from error
    return payload


def decode_cbor(payload: bytes) -> object:
    """Return the value of a marked CBOR payload.

    Raises:
        InvalidCbor: This host does not accept the payload.
    """
    check_cbor(payload)
    return load_cbor(payload)


def load_cbor(payload: bytes) -> object:
    """Decode a payload that `walk_cbor` has gone through.

    Raises:
        InvalidCbor: A text in it is not UTF-8, or a key is there twice.
    """
    try:
        value: object = cbor2.loads(
            payload[len(CBOR_MARK) :],
            max_depth=MAXIMUM_DEPTH + 1,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        raise InvalidCbor(len(CBOR_MARK), str(error)) from error
    return value


def check_cbor(payload: bytes) -> None:
    """Walk a marked payload once, in time linear in its length, building nothing.

    Raises:
        InvalidCbor: The payload has tags, lengths beyond its end, indefinite lengths, too much
            depth, odd map keys or simple values, or bytes after the value.
    """
    for _ in walk_cbor(payload):
        pass


def walk_cbor(payload: bytes) -> Iterator[int]:
    """`check_cbor` in steps, for payloads of strangers: a megabyte may hold as many items.

    Yields:
        The number of items that were looked at since the last step, a thousand or so.
    """
    if not payload.startswith(CBOR_MARK):
        raise InvalidCbor(0, "it does not start with the mark d9d9f7")
    end, position = len(payload), len(CBOR_MARK)
    left, is_map = 1, False  # items to come in the innermost container
    outer: list[tuple[int, bool]] = []
    seen = 0
    while left or outer:
        if not left:
            left, is_map = outer.pop()
            continue
        seen += 1
        if seen >= STEP_ITEMS:
            yield seen
            seen = 0
        if not is_map and (run := _PLAIN_ITEMS.match(payload, position, position + left)):
            left -= run.end() - position  # each is one byte, and an item
            position = run.end()
            continue
        left -= 1
        start = position
        major, argument, position = _head(payload, start, end)
        if is_map and left & 1 and major not in _STRINGS:
            raise InvalidCbor(start, "a map key is neither a text nor bytes")
        if major in _STRINGS:
            position += argument
            if position > end:
                raise InvalidCbor(start, "a length reaches beyond the payload")
        elif major in _CONTAINERS:
            outer.append((left, is_map))
            left, is_map = _open(start, major, argument, end - position, len(outer))
    if position != end:
        raise InvalidCbor(position, "bytes follow the value")
    yield seen


def _open(start: int, major: int, argument: int, rest_bytes: int, depth: int) -> tuple[int, bool]:
    """Enter a container; every item of it takes at least one byte of the rest."""
    items = argument * (major - 3)
    if items > rest_bytes:
        raise InvalidCbor(start, "a length reaches beyond the payload")
    if depth > MAXIMUM_DEPTH:
        raise InvalidCbor(start, f"it is nested deeper than {MAXIMUM_DEPTH}")
    return items, major == _MAP


def _head(payload: bytes, start: int, end: int) -> tuple[int, int, int]:
    """Return major type, argument and position after one item's head."""
    if start >= end:
        raise InvalidCbor(start, "it is cut short")
    first = payload[start]
    major, info = first >> 5, first & 31
    if info < 24 and major < _TAG:
        return major, info, start + 1
    if major >= _TAG:
        _check_odd(start, major, info)
    if info == 31:
        raise InvalidCbor(start, "indefinite lengths are not accepted")
    if info < 24:
        return major, info, start + 1
    if info > 27:
        raise InvalidCbor(start, "the head is malformed")
    after = start + 1 + (1 << (info - 24))
    if after > end:
        raise InvalidCbor(start, "it is cut short")
    return major, int.from_bytes(payload[start + 1 : after], "big"), after


def _check_odd(start: int, major: int, info: int) -> None:
    if major == _TAG:
        raise InvalidCbor(start, "tags are not accepted")
    if info not in _SIMPLE:
        raise InvalidCbor(start, "undefined and other simple values are not accepted")
