"""A replay: a new message that names the dead letter that it repeats."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from airswasm.actor import (
    ActorError,
    ActorFailed,
    AskTimeout,
    Envelope,
    GuestRefused,
    Request,
)
from airswasm.wit import safe_text

from .letter import KeptLetter

__all__ = ("Replayed", "Replays", "outcome_of", "replay_envelope")

ReplayOutcome = Literal["replied", "handled", "refused", "died", "waits"]
_LONGEST_CHAIN = 16


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome of a replay.

    Attributes:
        letter: The letter's id.
        target: The receiver.
        message_id: The id of the new message.
        outcome: `replied`, `handled` (without a reply), `refused` (the component answered with an
            error), `died`, or `waits`: the receiver had not ended in time.
        reply: The reply.
        error: What the receiver answered, or ended with; empty without an error.
        died_as: The letter of the new message, if it died; empty if it did not.
        version: The version that tried the message without being the one that runs; empty for a
            replay to the one that runs. After a trial the letter stays.
    """

    letter: str
    target: str
    message_id: str
    outcome: ReplayOutcome
    reply: bytes | None
    error: str
    died_as: str = ""
    version: str = ""


class Replays:
    """The replays that are under way, and the letters that they repeat."""

    def __init__(self) -> None:
        self._chains: dict[str, tuple[str, ...]] = {}
        self._died_as: dict[str, str] = {}

    @contextmanager
    def following(self, letter: KeptLetter) -> Generator[None]:
        """Know the letter's history, and notice the death of its replay, inside the block."""
        self._chains[letter.id] = letter.replays
        try:
            yield
        finally:
            self._chains.pop(letter.id, None)
            self._died_as.pop(letter.id, None)

    def chain(self, replay_of: str) -> tuple[str, ...]:
        """Return the letters that a message repeats, the latest last."""
        return (*self._chains.get(replay_of, ()), replay_of)[-_LONGEST_CHAIN:]

    def note_death(self, letter: KeptLetter) -> None:
        """Note the letter of a replay that died."""
        if letter.replays[-1] in self._chains:
            self._died_as[letter.replays[-1]] = letter.id

    def died_as(self, letter_id: str) -> str:
        """Return the letter of a replay that died; an empty text if it did not."""
        return self._died_as.get(letter_id, "")


def replay_envelope(letter: KeptLetter, message_id: str) -> Envelope:
    """Return the envelope of a replay: without the deadline, the hops and the attempts before."""
    said = letter.envelope
    return Envelope(
        id=message_id,
        correlation=str(said.get("correlation", "")),
        traceparent=str(said.get("traceparent", "")),
        codec=str(said.get("codec", "")),
        replay_of=letter.id,
    )


async def outcome_of(request: Request) -> tuple[ReplayOutcome, bytes | None, str]:
    """Wait for the end of a request; return its outcome, the reply, and the error's text."""
    try:
        reply = await request.wait()
    except AskTimeout as error:
        return "waits", None, safe_text(error)
    except GuestRefused as error:
        return "refused", None, safe_text(error.text)
    except ActorFailed as error:
        return "died", None, safe_text(error.cause or error)
    except ActorError as error:
        return "died", None, safe_text(error)
    return ("handled", None, "") if reply is None else ("replied", _bytes_of(reply), "")


def _bytes_of(reply: object) -> bytes:
    return reply if isinstance(reply, bytes) else safe_text(reply).encode()
