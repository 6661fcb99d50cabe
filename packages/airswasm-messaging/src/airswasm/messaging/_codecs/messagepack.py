"""MessagePack.

Refused, beside what `walking` refuses: extension types, timestamps among them. `msgpack` then
refuses texts that are not UTF-8; it would take the last of two equal keys, so they are counted.
"""

from __future__ import annotations

import re

import msgpack

from ..errors import InvalidPayload
from .codec import Codec, Reading
from .json_text import distinct
from .walking import ATOM, LIST, MAP, STRING, walk

__all__ = ("MESSAGEPACK",)

_PLAIN = re.compile(rb"[\x00-\x7f\xc0\xc2\xc3\xe0-\xff]+")
"""Small numbers, nil, false and true."""

_SIZED = {
    0xC4: (STRING, 1), 0xC5: (STRING, 2), 0xC6: (STRING, 4),
    0xD9: (STRING, 1), 0xDA: (STRING, 2), 0xDB: (STRING, 4),
    0xDC: (LIST, 2), 0xDD: (LIST, 4), 0xDE: (MAP, 2), 0xDF: (MAP, 4),
}  # fmt: skip
"""First bytes that a length of so many bytes follows."""
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8} | {
    first + power: 1 << power for first in (0xCC, 0xD0) for power in range(4)
}
"""First bytes that so many bytes of a number follow."""


def _encode(value: object) -> bytes:
    content: bytes = msgpack.packb(value)
    for _ in walk("msgpack", content, 0, _head, _PLAIN):
        pass
    return content


def _decode(content: bytes) -> object:
    for _ in walk("msgpack", content, 0, _head, _PLAIN):
        pass
    return _load(content)


def _read(content: bytes) -> Reading:
    yield from walk("msgpack", content, 0, _head, _PLAIN)
    return _load(content)


def _load(content: bytes) -> object:
    value: object = msgpack.unpackb(content, object_pairs_hook=distinct)
    return value


def _head(payload: bytes, start: int, end: int) -> tuple[int, int, int]:
    if start >= end:
        raise InvalidPayload("msgpack", start, "it is cut short")
    first = payload[start]
    after = start + 1
    if first < 0x80 or first >= 0xE0:
        return ATOM, 0, after
    if first < 0xC0:
        return (STRING, first & 31, after) if first >= 0xA0 else _small(first, after)
    if first in _FIXED:
        return ATOM, 0, after + _FIXED[first]
    if first not in _SIZED:
        reason = "the head is malformed" if first == 0xC1 else "extension types are not accepted"
        raise InvalidPayload("msgpack", start, reason)
    kind, size = _SIZED[first]
    if after + size > end:
        raise InvalidPayload("msgpack", start, "it is cut short")
    return kind, int.from_bytes(payload[after : after + size], "big"), after + size


def _small(first: int, after: int) -> tuple[int, int, int]:
    return (MAP if first < 0x90 else LIST), first & 15, after


MESSAGEPACK = Codec("msgpack", 0x0201, _encode, _decode, _read)
