"""Bytes that say that they are just bytes."""

from __future__ import annotations

from .codec import Codec

__all__ = ("RAW", "plain_bytes")


def plain_bytes(value: object) -> bytes:
    """Return bytes as they are, and a text as UTF-8.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, memoryview):
        return value.tobytes()
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise TypeError(f"{type(value).__name__} is neither bytes nor a text; encode it first")


RAW = Codec("raw", 0x55, plain_bytes, bytes)
