"""A codec, and the prefix with which its payloads begin.

The prefix is the codec's number in the public multicodec table, as an unsigned varint: seven bits
in each byte, the lowest first, the highest bit set in all but the last. Python, the other end of
a cable and a tool that knows nothing of airswasm read it alike. borsh and bincode are not in the
table; they have numbers of its private range.

Rejected: CBOR's self-describe tag for CBOR and nothing for the rest, since a receiver of two
formats then guesses; a field beside the payload, since what is stored, relayed or printed loses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeAlias

from ..errors import InvalidCodec

__all__ = ("ANY", "NONE", "PRIVATE", "Codec", "Reading", "read_varint", "varint")

ANY = "any"
"""In `accepts`: every payload, unexamined."""
NONE = "none"
"""In the place of a codec's name: the bytes as they are, without a prefix."""
PRIVATE = range(0x300000, 0x400000)
"""The numbers that the multicodec table leaves to private use."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_MOST_CODE = 2**63 - 1
_VARINT_BYTES = 9

Reading: TypeAlias = Generator[None, None, object]
"""Decodes in steps of less than a millisecond where it can, and returns the value."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One encoding of payloads.

    Without `encode` it takes bytes that are encoded already; without `decode` the host compares
    the prefix and passes the payload on, unread.

    Attributes:
        name: The name in manifests and options: lower-case letters, digits and `-`.
        code: The number in the multicodec table, or one of `PRIVATE`.
        encode: Returns a value as bytes, without the prefix. Raises `ValueError`, `TypeError` or
            `Unencodable` for a value that has no form.
        decode: Returns the value of such bytes. It reads what strangers wrote: it raises
            `ValueError` or `InvalidPayload`, and takes time and memory in proportion to them.
        read: As `decode`, in steps, for payloads that are long; None where `decode` does.
        prefix: The bytes with which each payload begins.
    """

    name: str
    code: int
    encode: Callable[[object], bytes] | None = None
    decode: Callable[[bytes], object] | None = None
    read: Callable[[bytes], Reading] | None = None
    prefix: bytes = field(init=False)

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None or self.name in (ANY, NONE):
            raise InvalidCodec(self.name, "a name is of a-z, 0-9 and -, and not any or none")
        if not 0 <= self.code <= _MOST_CODE:
            raise InvalidCodec(self.name, f"its code {self.code} is not in the multicodec table")
        object.__setattr__(self, "prefix", varint(self.code))


def varint(number: int) -> bytes:
    """Return a number as an unsigned varint, in its one shortest form."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def read_varint(content: bytes) -> tuple[int, int] | None:
    """Return the number at the beginning and its length in bytes; None without a shortest one."""
    number = 0
    for at, byte in enumerate(content[:_VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            return (number, at + 1) if byte or not at else None
    return None
