"""The documents of dead letters, and of what passes a tap."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, fields

from airswasm.messaging import KeptLetter, LetterCause, Replayed, TapEvent

__all__ = (
    "LetterDocument",
    "ReplayDocument",
    "TapDocument",
    "letter_document",
    "replay_document",
    "tap_document",
)


@dataclass(frozen=True, slots=True)
class LetterDocument:
    """A dead letter without its payload.

    Attributes:
        id: Its id.
        time: When the message died, in seconds since 1970.
        reason: `crashed`, `killed`, `stopped`, `dropped`, `undelivered` or `exhausted`.
        target: The receiver.
        sender: The sender's name.
        topic: The topic, when it was published.
        payload_bytes: The size of the payload; None if it was no bytes.
        unkept: Why the payload was not kept; empty if it was.
        message_id: The id that it had as a message.
        sent_at: When it was sent, in seconds since 1970.
        incarnation: The incarnation that had it in hand, 0 when none did.
        version: The receiver's version; empty if it is no component.
        digest: The SHA-256 of the receiver's artifact.
        cause: The error; None without one.
        envelope: What else travelled with it.
        replays: The letters of which it is a replay, the latest last.
    """

    id: str
    time: float
    reason: str
    target: str
    sender: str
    topic: str | None
    payload_bytes: int | None
    unkept: str
    message_id: str
    sent_at: float
    incarnation: int
    version: str
    digest: str
    cause: LetterCause | None
    envelope: Mapping[str, object]
    replays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReplayDocument:
    """The outcome of a replay.

    Attributes:
        letter: The letter's id.
        target: The receiver.
        message_id: The id of the new message.
        outcome: `replied`, `handled`, `refused`, `died` or `waits`.
        reply: The reply in base64; None if there is none.
        error: What the receiver answered, or ended with; empty without an error.
        died_as: The letter of the new message, if it died; empty if it did not.
        version: The version that tried the message without being the one that runs; else empty.
    """

    letter: str
    target: str
    message_id: str
    outcome: str
    reply: str | None
    error: str
    died_as: str
    version: str


def letter_document(letter: KeptLetter) -> LetterDocument:
    """Return a letter as its readers see it."""
    return LetterDocument(**{each.name: getattr(letter, each.name) for each in _SHOWN})


_SHOWN = fields(LetterDocument)


def replay_document(done: Replayed) -> ReplayDocument:
    """Return the outcome of a replay as its readers see it."""
    reply = None if done.reply is None else b64encode(done.reply).decode()
    return ReplayDocument(
        done.letter, done.target, done.message_id, done.outcome, reply, done.error,
        done.died_as, done.version,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TapDocument:
    """One thing that happened to a message.

    Attributes:
        time: When, in seconds since 1970.
        act: `sent`, `asked`, `published`, `rejected`, an outcome of the handling, or `dead`.
        number: The message's number in this run of the host; events of one message share it. 0 for
            a publication: each of its deliveries is a message of its own.
        sender: The sender's name.
        target: The receiver; empty for a publication.
        topic: The topic; None where there is none.
        payload_bytes: The size of the payload; None if it is no bytes.
        codec: The name of the payload's codec, where it is known.
        payload: The beginning of the payload in base64, if it was asked for.
        seconds: How long the handling took; None before its end.
        waited: Seconds that the message had waited in the mailbox; None before its end.
        detail: Why it was rejected, with what it ended, or the id of the dead letter.
        lost: Events left out before this one, because the reader or the rate was too slow.
    """

    time: float
    act: str
    number: int
    sender: str
    target: str
    topic: str | None
    payload_bytes: int | None
    codec: str
    payload: str | None
    seconds: float | None
    waited: float | None
    detail: str
    lost: int


_TAPPED = tuple(each.name for each in fields(TapDocument) if each.name != "payload")


def tap_document(event: TapEvent) -> TapDocument:
    """Return an event as its readers see it."""
    content = None if event.payload is None else b64encode(event.payload).decode()
    return TapDocument(payload=content, **{each: getattr(event, each) for each in _TAPPED})
