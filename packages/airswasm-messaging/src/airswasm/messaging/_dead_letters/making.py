"""A letter of the actor system becomes one that can be kept."""

from __future__ import annotations

from collections.abc import Callable

from airswasm.actor import DeadLetter, FunctionCall, Message

from .evidence import LetterCause, cause_of, short_text
from .letter import KeptLetter, members_of
from .replaying import Replays

__all__ = ("Identify", "LetterMaker")

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

Identify = Callable[[str], tuple[str, str]]
"""Returns version and digest of what runs under a name; empty texts where no component does."""


class LetterMaker:
    """Makes letters with the evidence that there is at this moment.

    Args:
        clock: Returns the seconds since 1970. The first call is part of all ids, so that no other
            run of the host has them.
        most_payload: See below.

    Attributes:
        most_payload: The bytes of the largest payload that is kept.
        identify: Tells the version that runs under a name.
        message_id: Returns the id of a message.
    """

    def __init__(self, clock: Callable[[], float], most_payload: int) -> None:
        self.identify: Identify = lambda _name: ("", "")
        self.message_id: Callable[[Message], str] = lambda message: str(message.id)
        self._clock, self.most_payload = clock, most_payload
        self._origin = _base36(int(clock()))
        self._last_cause: tuple[BaseException | None, LetterCause | None] = (None, None)

    def id_of(self, letter: DeadLetter) -> str:
        """Return the id under which a letter of this host's run is kept."""
        return f"{self._origin}-{letter.number}"

    def make(self, letter: DeadLetter, replays: Replays) -> KeptLetter:
        """Return a letter as it is kept."""
        message, now = letter.message, self._clock()
        payload, payload_bytes, unkept = self._payload_of(message.payload)
        version, digest = self.identify(letter.target)
        envelope = message.envelope
        replay_of = "" if envelope is None else envelope.replay_of
        return KeptLetter(
            id=self.id_of(letter),
            time=now,
            reason=letter.reason.value,
            target=short_text(letter.target),
            sender=short_text(message.sender),
            topic=None if message.topic is None else short_text(message.topic),
            payload=payload,
            payload_bytes=payload_bytes,
            unkept=unkept,
            message_id=self.message_id(message),
            sent_at=now - max(0.0, letter.time - message.sent_at),
            incarnation=letter.incarnation,
            version=version,
            digest=digest,
            cause=self._cause_of(letter),
            envelope={} if envelope is None else members_of(envelope),
            replays=replays.chain(short_text(replay_of)) if replay_of else (),
        )

    def _payload_of(self, payload: object) -> tuple[bytes | None, int | None, str]:
        if isinstance(payload, FunctionCall):
            text = f"it is a call of {short_text(payload.path)}, whose arguments are not written"
            return None, payload.weight_bytes, text
        if not isinstance(payload, bytes):
            return None, None, f"it is no bytes but {short_text(type(payload).__name__)}"
        if len(payload) > self.most_payload:
            text = f"it has {len(payload):,} bytes, and {self.most_payload:,} are kept at most"
            return None, len(payload), text
        return payload, len(payload), ""

    def _cause_of(self, letter: DeadLetter) -> LetterCause | None:
        """Read the evidence once for all messages that one end has cost."""
        known, cause = self._last_cause
        if letter.cause is not known:
            cause = cause_of(letter)
            self._last_cause = letter.cause, cause
        return cause


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text
