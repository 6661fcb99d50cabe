"""A public key as text: base64 of its 32 bytes.

Apart from the keys themselves, because a list that shows who signed what has no use for the
cryptography, which takes twice as long to import as Python takes to start.
"""

from __future__ import annotations

import binascii
import hashlib

__all__ = (
    "MAXIMUM_SIGNERS",
    "decode_key",
    "encode_key",
    "fingerprint_of",
    "is_fingerprint",
)

MAXIMUM_SIGNERS = 8
"""Of one statement, and of one name."""
_FINGERPRINT_LENGTH = 64
_HEXADECIMAL = frozenset("0123456789abcdef")


def decode_key(text: str) -> bytes:
    """Return the bytes of a key that is written as text; whether they are a key is not checked.

    Raises:
        InvalidKey: The text is not canonical base64.
    """
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise _invalid("the key is not base64") from None
    if encode_key(raw) != text:
        raise _invalid("the key is not canonical base64")
    return raw


def encode_key(raw: bytes) -> str:
    """Return the text of a key."""
    return binascii.b2a_base64(raw, newline=False).decode()


def fingerprint_of(key: bytes | str) -> str:
    """Return what people compare instead of a key: its SHA-256 in hexadecimal.

    Args:
        key: The 32 bytes, or the text of a key that was checked when it was stored.

    Raises:
        InvalidKey: The text is not canonical base64.
    """
    return hashlib.sha256(key if isinstance(key, bytes) else decode_key(key)).hexdigest()


def is_fingerprint(text: str) -> bool:
    """Return whether a text is a whole fingerprint: 64 hexadecimal digits, in lower case."""
    return len(text) == _FINGERPRINT_LENGTH and _HEXADECIMAL.issuperset(text)


def _invalid(reason: str) -> Exception:
    from ..errors import InvalidKey

    return InvalidKey(reason)
