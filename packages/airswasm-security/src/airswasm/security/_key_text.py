"""A public key as text: base64 of its 32 bytes.

Apart from the keys themselves, because a list that shows who signed what has no use for the
cryptography, which takes twice as long to import as Python takes to start.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from .errors import InvalidKey

__all__ = ("decode_key", "fingerprint_of")


def decode_key(text: str) -> bytes:
    """Return the bytes of a key that is written as text; whether they are a key is not checked.

    Raises:
        InvalidKey: The text is not canonical base64.
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise InvalidKey("the key is not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise InvalidKey("the key is not canonical base64")
    return raw


def fingerprint_of(key: bytes | str) -> str:
    """Return what people compare instead of a key: its SHA-256 in hexadecimal.

    Args:
        key: The 32 bytes, or the text of a key that was checked when it was stored.

    Raises:
        InvalidKey: The text is not canonical base64.
    """
    return hashlib.sha256(key if isinstance(key, bytes) else decode_key(key)).hexdigest()
