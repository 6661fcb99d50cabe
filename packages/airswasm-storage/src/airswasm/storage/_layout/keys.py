"""The layout of everything that one ordered store holds.

    m <length of name> <name>                   a namespace: its counters and its generation
    p <length of name> <name> <label>           a checkpoint of a namespace: the same
    k <length of name> <name> <label>           a checkpoint that the host keeps: the same
    l <length of name> <name>                   a log: its counters and its generation
    c <length of log's name> <name> <consumer>  how far a consumer of a log has come
    d <generation> <key>                        a value of a namespace, or an entry of a log
    e <generation> <key>                        when that value expires, if ever
    x <generation> <time> <key>                 the same, in the order of the times
    g <generation>                              a generation that belongs to nothing
    n                                           the last generation that was given out
    t                                           the store's time, below which it does not go back

A generation is a number of eight bytes that is given out once. Names never stand before keys,
so no name, however it is chosen, reaches the keys of another. To replace the whole content of
a namespace (purge, import, restore) is to write another generation into its record: one small
batch, whatever the size. The old generation is swept afterwards, a step at a time.

Rejected: the name before each key, which makes those operations as long as the content, or
visible half done.
"""

from __future__ import annotations

from ..errors import InvalidKey, InvalidNamespace

KEY_BYTES = 1_024
NAME_BYTES = 255

SPACES = b"m"
CHECKPOINTS = b"p"
KEPT = b"k"
LOGS = b"l"
CONSUMERS = b"c"
GARBAGE = b"g"
LAST_GENERATION = b"n"
LAST_TIME = b"t"
EVERYTHING = (b"", b"\x7f")

_DATA = b"d"
_EXPIRY = b"e"
_DEADLINE = b"x"


def encode_name(name: str, kind: str = "namespace") -> bytes:
    """Return the length and the bytes of the name of a namespace, or of another kind.

    Raises:
        InvalidNamespace: Empty, too long, or not encodable.
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise InvalidNamespace(name, "it is not valid Unicode", kind) from None
    if not 0 < len(encoded) <= NAME_BYTES:
        raise InvalidNamespace(name, f"it must have 1 to {NAME_BYTES} bytes", kind)
    return bytes((len(encoded),)) + encoded


def decode_name(record_key: bytes) -> str:
    """Return the name in the key of a record."""
    return record_key[2 : 2 + record_key[1]].decode()


def after_name(record_key: bytes) -> str:
    """Return the label or the consumer that follows the name in the key of a record."""
    return record_key[2 + record_key[1] :].decode()


def encode_key(namespace: str, key: str) -> bytes:
    """Return the bytes of a key, without its generation.

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


def data_prefix(generation: int) -> bytes:
    """Return the bytes before each key of a generation; there are `DATA_PREFIX_BYTES`."""
    return _DATA + generation.to_bytes(8, "big")


DATA_PREFIX_BYTES = 9


def expiry_prefix(generation: int) -> bytes:
    """Return the bytes before each key whose value expires."""
    return _EXPIRY + generation.to_bytes(8, "big")


def deadline_prefix(generation: int) -> bytes:
    """Return the bytes before the time and the key of each value that expires."""
    return _DEADLINE + generation.to_bytes(8, "big")


def prefixes_of(generation: int) -> tuple[bytes, ...]:
    """Return the bytes before all that belongs to a generation, in their order."""
    return data_prefix(generation), expiry_prefix(generation), deadline_prefix(generation)


def garbage_key(generation: int) -> bytes:
    """Return the key that marks a generation as belonging to nothing."""
    return GARBAGE + generation.to_bytes(8, "big")


def after_prefix(prefix: bytes) -> bytes:
    """Return the first key that does not start with `prefix`, which is not all 0xff."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,))


def range_of(prefix: bytes) -> tuple[bytes, bytes]:
    """Return the bounds of all keys that start with `prefix`."""
    return prefix, after_prefix(prefix)
