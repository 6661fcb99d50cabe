"""CBOR (RFC 8949), in the same bytes for equal values.

Refused, beside what `walking` refuses: tags (they build regular expressions, decimals and cycles),
indefinite lengths, `undefined` and other simple values. `cbor2` then refuses keys that are there
twice, and texts that are not UTF-8. The rest is the JSON model with bytes.
"""

from __future__ import annotations

import re

import cbor2

from ..errors import InvalidPayload, Unencodable
from .codec import Codec, Reading
from .walking import ATOM, LIST, MAP, MOST_DEPTH, STRING, walk

__all__ = ("CBOR",)

_PLAIN = re.compile(rb"[\x00-\x17\x20-\x37\xf4-\xf6]+")
"""Small numbers, false, true and null."""
_KINDS = (ATOM, ATOM, STRING, STRING, LIST, MAP, ATOM, ATOM)
_TAG = 6
_SIMPLE = (20, 21, 22, 25, 26, 27)
"""false, true, null, and floats of three sizes."""


def _encode(value: object) -> bytes:
    try:
        content = cbor2.dumps(value, canonical=True)
    except RecursionError as error:
        raise Unencodable("cbor", "it is nested without an end") from error
    for _ in walk("cbor", content, 0, _head, _PLAIN):
        pass
    return content


def _decode(content: bytes) -> object:
    for _ in walk("cbor", content, 0, _head, _PLAIN):
        pass
    return _load(content)


def _read(content: bytes) -> Reading:
    yield from walk("cbor", content, 0, _head, _PLAIN)
    return _load(content)


def _load(content: bytes) -> object:
    return cbor2.loads(
        content,
        max_depth=MOST_DEPTH + 1,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        strict_hashable_types=True,
    )


def _head(payload: bytes, start: int, end: int) -> tuple[int, int, int]:
    if start >= end:
        raise InvalidPayload("cbor", start, "it is cut short")
    first = payload[start]
    major, info = first >> 5, first & 31
    if major == _TAG:
        raise InvalidPayload("cbor", start, "tags are not accepted")
    if info < 24 and major < _TAG:
        return _KINDS[major], info, start + 1
    if major > _TAG and info not in _SIMPLE:
        raise InvalidPayload("cbor", start, "undefined and other simple values are not accepted")
    if info < 24:
        return ATOM, 0, start + 1
    if info > 27:
        reason = "indefinite lengths are not accepted" if info == 31 else "the head is malformed"
        raise InvalidPayload("cbor", start, reason)
    after = start + 1 + (1 << (info - 24))
    if after > end:
        raise InvalidPayload("cbor", start, "it is cut short")
    return _KINDS[major], int.from_bytes(payload[start + 1 : after], "big"), after


CBOR = Codec("cbor", 0x51, _encode, _decode, _read)
