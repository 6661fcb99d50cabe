"""The stored form of a message: one CBOR array, with its version in front.

Messages that outlive their host are written so: those of durable targets, timers, and dead letters.
What belongs to one run of a host has no place in it: the time of the system's clock, and the
request of a sender that waits. A reader of this version reads records with further fields, and
leaves them out.
"""

from __future__ import annotations

from typing import cast

import cbor2
from airswasm.actor import Envelope, Message

from .errors import MessageNotStorable, RecordUnreadable

__all__ = ("pack_message", "unpack_message")

_VERSION = 1
_REST = Envelope()[1:]
_DEFAULTS = dict(zip(Envelope.__annotations__, Envelope(), strict=True))


def pack_message(message: Message, target: str) -> bytes:
    """Return a message and the name or topic that it goes to as bytes.

    Raises:
        MessageNotStorable: The payload is not bytes.
    """
    payload = message.payload
    if not isinstance(payload, bytes):
        raise MessageNotStorable(target, type(payload).__name__)
    envelope = message.envelope
    said: dict[str, object] | None = None
    if envelope is not None and envelope[1:] == _REST:  # as most are
        said = {"id": envelope.id}
    elif envelope is not None:  # without what it does not say: a record weighs little
        said = {
            name: value
            for (name, default), value in zip(_DEFAULTS.items(), envelope, strict=True)
            if value != default
        }
    record = [_VERSION, target, message.sender, message.topic, message.id, payload, said]
    return cbor2.dumps(record)


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
    try:
        return Envelope(**{name: known[name] for name in _DEFAULTS if name in known})  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise RecordUnreadable(str(error)) from error
