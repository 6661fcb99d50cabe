"""One dead letter as it is kept, and its stored form: a CBOR map with a version.

A reader ignores members that it does not know, so that a newer host's letters can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import cast

import cbor2
from airswasm.actor import Envelope

from ..errors import RecordUnreadable
from .evidence import LetterCause, short_text, size_of

__all__ = ("KeptLetter", "members_of", "pack_letter", "unpack_letter", "weight_of")

_FORMAT = 1
_OVERHEAD = 1_024
"""Of a letter beside its payload and its texts: names of members, numbers, the index."""


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A message that was not handled, and the evidence.

    Attributes:
        id: Unique in the home for ever.
        time: When it died, in seconds since 1970.
        reason: `crashed`, `killed`, `stopped`, `dropped`, `undelivered` or `exhausted`.
        target: The actor that it was for.
        sender: The sender's name.
        topic: The topic, when it was published.
        payload: The payload; None if it could not be kept.
        payload_bytes: The size of the payload; None if it was no bytes.
        unkept: Why the payload could not be kept; empty if it was.
        message_id: The id that it had as a message.
        sent_at: When it was sent, in seconds since 1970.
        incarnation: The incarnation that had it in hand, 0 when none did.
        version: The target's version; empty if it is no component.
        digest: The SHA-256 of the target's artifact; empty if it is no component.
        cause: The error; None without one.
        envelope: What else travelled with it: correlation, deadline, hops, traceparent, codec,
            attempt.
        replays: The letters of which it is a replay, the latest last.
    """

    id: str
    time: float
    reason: str
    target: str
    sender: str
    topic: str | None
    payload: bytes | None
    payload_bytes: int | None
    unkept: str = ""
    message_id: str = ""
    sent_at: float = 0.0
    incarnation: int = 0
    version: str = ""
    digest: str = ""
    cause: LetterCause | None = None
    envelope: Mapping[str, object] = field(default_factory=dict[str, object])
    replays: tuple[str, ...] = ()


_MEMBERS = tuple(each.name for each in fields(KeptLetter))


def members_of(envelope: Envelope) -> dict[str, object]:
    """Return what an envelope says; what a letter says otherwise is left out."""
    pairs = zip(Envelope.__annotations__, envelope, strict=True)
    given = {key: value for key, value in pairs if value}
    for key in ("id", "replay_of"):
        given.pop(key, None)
    return {
        key: short_text(value) if isinstance(value, str) else value for key, value in given.items()
    }


def weight_of(letter: KeptLetter) -> int:
    """Return the bytes that a letter counts for: at least those of its stored form."""
    texts = (
        letter.id, letter.message_id, letter.target, letter.sender, letter.topic or "",
        letter.unkept, letter.version, letter.digest, *letter.replays,
    )  # fmt: skip
    size = _OVERHEAD + len(letter.payload or b"") + sum(map(size_of, texts))
    for key, value in letter.envelope.items():
        size += len(key) + size_of(str(value))
    return size + (letter.cause.size_bytes if letter.cause is not None else 0)


def pack_letter(letter: KeptLetter) -> bytes:
    """Return the stored form of a letter."""
    members: dict[str, object] = {name: getattr(letter, name) for name in _MEMBERS}
    members["envelope"] = dict(letter.envelope)
    members["cause"] = None if letter.cause is None else asdict(letter.cause)
    return cbor2.dumps({"format": _FORMAT, **members})


def unpack_letter(stored: bytes) -> KeptLetter:
    """Read the stored form of a letter.

    Raises:
        RecordUnreadable: It is damaged, or of another format.
    """
    try:
        members = cast("dict[str, object]", cbor2.loads(stored))
        if members["format"] != _FORMAT:
            raise ValueError(f"its format is {members['format']!r}")
        known = {name: members[name] for name in _MEMBERS}
        if known["cause"] is not None:
            known["cause"] = LetterCause(**cast("dict[str, str]", known["cause"]))  # type: ignore[arg-type]
        known["replays"] = tuple(cast("list[str]", known["replays"]))
        return KeptLetter(**known)  # type: ignore[arg-type]
    except (cbor2.CBORDecodeError, ValueError, KeyError, TypeError) as error:
        raise RecordUnreadable(str(error)) from error
