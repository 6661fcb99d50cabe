"""How namespaces share one ordered store without ever seeing each other.

    d <length of id> <id> <key>     a value
    m <length of id> <id>           the namespace's counters

The length goes before the id, so that no id is a prefix of another's keys:
`a` with the key `:b` and `a:` with the key `b` are different bytes.
"""

from __future__ import annotations

from .errors import InvalidKey, InvalidNamespace

KEY_BYTES = 1_024
NAMESPACE_BYTES = 255
COUNTERS_START, COUNTERS_END = b"m", b"n"


def encode_namespace(namespace: str) -> bytes:
    """The length and bytes of a namespace's id.

    Raises:
        InvalidNamespace: Empty, too long, or not encodable.
    """
    try:
        encoded = namespace.encode()
    except UnicodeEncodeError:
        raise InvalidNamespace(namespace, "it is not valid Unicode") from None
    if not 0 < len(encoded) <= NAMESPACE_BYTES:
        raise InvalidNamespace(namespace, f"an id has 1 to {NAMESPACE_BYTES} bytes")
    return bytes((len(encoded),)) + encoded


def decode_namespace(counter_key: bytes) -> str:
    """The namespace that a counter key belongs to."""
    return counter_key[2:].decode()


def encode_key(namespace: str, key: str) -> bytes:
    """The bytes of a key, without its namespace.

    Raises:
        InvalidKey: Empty, too long, or not encodable.
    """
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        raise InvalidKey(namespace, key, "it is not valid Unicode") from None
    if not encoded:
        raise InvalidKey(namespace, key, "it is empty")
    if len(encoded) > KEY_BYTES:
        raise InvalidKey(namespace, key, f"it is longer than {KEY_BYTES} bytes")
    return encoded


def after_prefix(prefix: bytes) -> bytes:
    """The first key that does not start with `prefix`, which is not all 0xff."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,))
