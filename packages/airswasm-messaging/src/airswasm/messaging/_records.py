"""The stored form of a message: one CBOR array, with its version in front.

Messages that outlive their host are written so: those of durable targets, timers, and dead letters.
The usual record is put together here, and equals what cbor2 makes of it: that takes a third of the
time. What belongs to one run of a host has no place in it: the time of the system's clock, and the
request of a sender that waits. A reader of this version reads records with further fields, and
leaves them out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import cbor2
from airswasm.actor import Envelope, Message

from .errors import MessageNotStorable, RecordUnreadable

__all__ = ("pack_message", "unpack_message")

_VERSION = 1
_REST = Envelope()[1:]
_DEFAULTS = dict(zip(Envelope.__annotations__, Envelope(), strict=True))
_KINDS: dict[str, type | tuple[type, ...]] = {
    **{name: type(default) for name, default in _DEFAULTS.items()},
    "deadline": (float, int),
}
_BYTES, _TEXT = 0x40, 0x60
_SMALL = 24
"""Below it a size is part of the first byte of its item."""
_HEADS = tuple(bytes((each,)) for each in range(256))
_ONLY_ID = cbor2.dumps({"id": ""})[:-1]
_ID_HEADS = tuple(_ONLY_ID + _HEADS[_TEXT + size] for size in range(_SMALL))
_EMPTY_ENDS = b"\x40\xa0"
"""No payload, and an envelope that says nothing."""


def pack_message(message: Message, target: str) -> bytes:
    """Return a message and the name or topic that it goes to as bytes.

    Raises:
        MessageNotStorable: The payload is not bytes.
    """
    payload, sender, topic, number, _, _, envelope = message
    if not isinstance(payload, bytes):
        raise MessageNotStorable(target, type(payload).__name__)
    if envelope is not None and number == 0 and envelope[1:] == _REST:  # as most are
        own = envelope[0].encode()
        size = len(own)
        return b"".join(
            (
                _beginning(target, sender, topic), _head(_BYTES, len(payload)), payload,
                _ID_HEADS[size] if size < _SMALL else _ONLY_ID + _head(_TEXT, size), own,
            )
        )  # fmt: skip
    said: dict[str, object] | None = None
    if envelope is not None:  # without what it does not say: a record weighs little
        said = {
            name: value
            for (name, default), value in zip(_DEFAULTS.items(), envelope, strict=True)
            if value != default
        }
    return cbor2.dumps([_VERSION, target, sender, topic, number, payload, said])


@lru_cache(1_024)
def _beginning(target: str, sender: str, topic: str | None) -> bytes:
    """Return the first items of the records of one sender to one target."""
    items: list[object] = [_VERSION, target, sender, topic, 0, b"", {}]
    return cbor2.dumps(items)[: -len(_EMPTY_ENDS)]


def _head(kind: int, size: int) -> bytes:
    """Return the first bytes of a CBOR item, as `cbor2.dumps` writes them."""
    if size < _SMALL:
        return _HEADS[kind + size]
    for width, mark in ((1, 24), (2, 25), (4, 26)):
        if size < 1 << 8 * width:
            return _HEADS[kind + mark] + size.to_bytes(width, "big")
    return _HEADS[kind + 27] + size.to_bytes(8, "big")


def unpack_message(stored: bytes) -> tuple[Message, str]:
    """Return the message in a record, and the name or topic that it went to.

    Raises:
        RecordUnreadable: The bytes are damaged, or of a newer version.
    """
    try:
        record = cbor2.loads(stored)
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError) as error:
        raise RecordUnreadable(str(error)) from error
    match record:
        case [1, str(target), str(sender), topic, int(number), bytes(payload), said, *_] if (
            topic is None or isinstance(topic, str)
        ):
            return Message(payload, sender, topic, number, envelope=_envelope(said)), target
        case [int(version), *_] if version != _VERSION:
            raise RecordUnreadable(f"it has version {version}")
        case _:
            raise RecordUnreadable("its fields are not those of a message")


def _envelope(said: object) -> Envelope | None:
    if not isinstance(said, dict):
        return None
    known = cast("dict[str, object]", said)
    own = {name: known[name] for name in _KINDS if name in known}
    for name, value in own.items():
        if not isinstance(value, _KINDS[name]):
            raise RecordUnreadable(f"the {name} of its envelope is {type(value).__name__}")
    return Envelope(**own)  # type: ignore[arg-type]
