"""Payloads that say in which codec they are, for components in Python.

A payload begins with the number of its codec in the public multicodec table, as an unsigned varint.
`wrap` writes it and `split` reads it; what follows is the codec's own: `json` is in the standard
library, and pure-Python modules for the others can be bundled with a component.
"""

PROTOBUF, CBOR, RAW, DAG_CBOR = 0x50, 0x51, 0x55, 0x71
JSON, MESSAGEPACK = 0x0200, 0x0201
BORSH, BINCODE = 0x300000, 0x300001  # not in the table: private numbers of airswasm


def wrap(codec: int, content: bytes) -> bytes:
    """Return content as a payload in a codec."""
    prefix = bytearray()
    while codec > 0x7F:
        prefix.append(codec & 0x7F | 0x80)
        codec >>= 7
    return bytes((*prefix, codec)) + content


def split(payload: bytes) -> tuple[int | None, bytes]:
    """Return the number of a payload's codec, and its content.

    Bytes that begin with no number have none: they are returned as they are. Also a text begins
    with a number, its first letter: compare the codec with those that you read, or let
    `[codecs] accepts` do it.
    """
    codec = 0
    for at, byte in enumerate(payload[:9]):
        codec |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            return (codec, payload[at + 1 :]) if byte or not at else (None, payload)
    return None, payload
