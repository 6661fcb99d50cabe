"""Record the messages of one incarnation as it handles them.

A tape is the `Caller.data` of its instance, so the functions that the instance is linked to reach
it without a look-up, and instances that are not recorded have no part of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from airswasm.actor import (
    Callback,
    Envelope,
    GuestRefused,
    Message,
    MessageTooLarge,
    UnfitPayload,
)
from airswasm.runtime import (
    Case,
    DeadlineExceeded,
    Err,
    GuestFault,
    HostFunctionFailed,
    LimitExceeded,
)
from airswasm.storage import Written

from .attempts import Answer
from .recorded import Ending, Recorded

__all__ = ("Tape", "ending_of")

_EMPTY = dict(zip(Envelope.__annotations__, Envelope(), strict=True))
_MOST_ANSWERS = 1_000
_ANSWER_BYTES = 64
TOO_LARGE = "it takes more bytes than a message of a recording may"


class Keeping(Protocol):
    """Keeps what was recorded."""

    def keep(self, name: str, entry: Recorded) -> None:
        """Keep one message."""
        ...


def ending_of(error: BaseException | None) -> Ending:
    """Return how a message ended; None stands for a reply."""
    match error:
        case None:
            return "replied"
        case GuestRefused():
            return "refused"
        case DeadlineExceeded():
            return "timeout"
        case LimitExceeded():
            return "limited"
        case HostFunctionFailed():
            return "failed"
        case GuestFault():
            return "trapped"
        case _:
            return "failed"


class Tape:
    """The record of one incarnation.

    Args:
        keeping: Gets each message when it has ended.
        name: The component.
        version: Its version.
        most_bytes: What one message may take.
        clock: Returns the seconds since 1970.
        id_of: Returns the id of a message.
    """

    def __init__(
        self,
        keeping: Keeping,
        name: str,
        version: str,
        most_bytes: int,
        clock: Callable[[], float],
        id_of: Callable[[Message], str],
    ) -> None:
        self._keeping, self._name, self._version = keeping, name, version
        self._most_bytes, self._clock, self._id_of = most_bytes, clock, id_of
        self._start: Recorded | None = None
        self._entry: Recorded | None = None
        self._answers: list[Answer] = []
        self._changes: list[Written] = []
        self._uncovered: list[str] = []
        self._bytes = 0

    @property
    def is_noting(self) -> bool:
        """Whether a message is in hand that is recorded."""
        return self._entry is not None

    def begin_start(self) -> None:
        """Begin with the start of the incarnation."""
        self._begin(Recorded("start", self._clock(), self._version))

    def end_start(self, fuel: int) -> None:
        """End the start; it is kept with the first message, for it may never come to one."""
        self._start = self._ended("replied", None, "", fuel)

    def begin(self, message: Message) -> None:
        """Begin with a message; a payload that is neither bytes nor an answer is not recorded."""
        self._abandon()
        payload, envelope = message.payload, message.envelope or Envelope()
        said = {
            name: value
            for (name, default), value in zip(_EMPTY.items(), envelope, strict=True)
            if value != default and name != "id"
        }
        entry = Recorded(
            "message", self._clock(), self._version, self._id_of(message), message.sender,
            message.topic, envelope=said,
        )  # fmt: skip
        if isinstance(payload, bytes):
            self._begin(replace(entry, payload=payload))
        elif isinstance(payload, Callback):
            self._begin(_of_callback(entry, payload))

    def end(self, reply: object, error: BaseException | None, fuel: int) -> None:
        """End the message in hand, with its reply or the error."""
        if self._entry is None:
            return
        if isinstance(error, UnfitPayload | MessageTooLarge):  # the component did not see it
            self._forget()
            return
        answer = reply if isinstance(reply, bytes) else None
        text = error.text if isinstance(error, GuestRefused) else _name_of(error)
        self._keep(self._ended(ending_of(error), answer, text, fuel))

    def close(self) -> None:
        """Keep what is known of a message that was in hand when the incarnation ended."""
        self._abandon()

    def note_answer(self, answer: Answer) -> None:
        """Take the answer of a call."""
        if self._entry is not None and self._has_room(_size_of((answer.arguments, answer.value))):
            self._answers.append(answer)

    def note_uncovered(self, function: str) -> None:
        """Take that a call cannot be recorded."""
        if self._entry is not None and function not in self._uncovered:
            self._uncovered.append(function)

    def note_changes(self, changes: Sequence[Written]) -> None:
        """Take what was written."""
        for each in changes if self._entry is not None else ():
            if self._has_room(len(each.key) + len(each.before or b"") + len(each.after or b"")):
                self._changes.append(each)

    def _has_room(self, size: int) -> bool:
        self._bytes += size + _ANSWER_BYTES
        if self._bytes > self._most_bytes or len(self._answers) >= _MOST_ANSWERS:
            self._bytes = self._most_bytes + 1
            self._answers.clear()
            self._changes.clear()
            return False
        return True

    def _begin(self, entry: Recorded) -> None:
        self._forget()
        self._entry = entry
        self._bytes = _size_of(entry.payload)

    def _ended(self, ending: Ending, reply: bytes | None, text: str, fuel: int) -> Recorded:
        entry = self._entry
        assert entry is not None
        self._has_room(_size_of(reply))
        entry = replace(
            entry,
            ending=ending,
            reply=reply,
            text=text,
            fuel=fuel,
            answers=tuple(self._answers),
            changes=tuple(self._changes),
            uncovered=tuple(self._uncovered),
        )
        if self._bytes > self._most_bytes:
            entry = replace(
                entry, payload=None, reply=None, answers=(), changes=(), unkept=TOO_LARGE
            )
        self._forget()
        return entry

    def _abandon(self) -> None:
        if self._entry is not None:
            self._keep(self._ended("unfinished", None, "", 0))

    def _keep(self, entry: Recorded) -> None:
        start, self._start = self._start, None
        if start is not None:
            self._keeping.keep(self._name, start)
        if entry.kind != "start":  # one that failed has handled nothing
            self._keeping.keep(self._name, entry)

    def _forget(self) -> None:
        self._entry, self._answers, self._changes, self._uncovered = None, [], [], []
        self._bytes = 0


def _of_callback(entry: Recorded, payload: Callback) -> Recorded:
    outcome = payload.outcome
    if isinstance(outcome, Err):
        case: Case = outcome.value
        text = () if case.value is None else (str(case.value),)
        return replace(
            entry, kind="callback", request=payload.request_id, failure=(case.name, *text)
        )
    return replace(entry, kind="callback", request=payload.request_id, payload=outcome.value)


def _name_of(error: BaseException | None) -> str:
    return "" if error is None else type(error).__name__


def _size_of(value: object) -> int:
    """Return about how many bytes a plain value takes."""
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, list | tuple):
        return 8 + sum(map(_size_of, value))
    if isinstance(value, dict):
        return 8 + sum(len(str(key)) + _size_of(inner) for key, inner in value.items())
    return 8
