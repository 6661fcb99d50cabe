"""Record the messages of one incarnation as it handles them.

A tape is the `Caller.data` of its instance, so the functions that the instance is linked to reach
it without a look-up, and instances that are not recorded have no part of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from airswasm.actor import (
    Callback,
    Envelope,
    FunctionCall,
    GuestRefused,
    Message,
    MessageTooLarge,
    UnfitPayload,
)
from airswasm.runtime import (
    Case,
    DeadlineExceeded,
    Err,
    FunctionShape,
    GuestFault,
    HostFunctionFailed,
    LimitExceeded,
    Ok,
)
from airswasm.storage import Written

from .attempts import Answer, size_of
from .calls import pack_arguments, pack_result
from .recorded import Ending, Kind, Recorded
from .values import is_plain

__all__ = ("Tape", "ending_of")

_EMPTY = dict(zip(Envelope.__annotations__, Envelope(), strict=True))
_NO_MESSAGE = Message(None)
_MOST_ANSWERS = 1_000
_ANSWER_BYTES = 64
TOO_LARGE = "it takes more bytes than a message of a recording may"
HANDLE = "it is a call that takes or returns a handle"


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
        self._kind: Kind | None = None
        """Of what is in hand; None while that is not recorded."""
        self._message = _NO_MESSAGE
        self._at = 0.0
        self._answers: list[Answer] = []
        self._changes: list[Written] = []
        self._uncovered: list[str] = []
        self._bytes = 0
        self._function = ""
        self._shape: FunctionShape | None = None
        self._arguments: bytes | None = None

    @property
    def is_noting(self) -> bool:
        """Whether a message is in hand that is recorded."""
        return self._kind is not None

    def begin_start(self) -> None:
        """Begin with the start of the incarnation."""
        self._begin("start", _NO_MESSAGE, 0)

    def end_start(self, fuel: int) -> None:
        """End the start; it is kept with the first message, for it may never come to one."""
        self._start = self._ended("replied", None, "", fuel)

    def begin(self, message: Message) -> None:
        """Begin with a message whose payload is bytes or an answer; another is not recorded."""
        if self._kind is not None:
            self._abandon()
        payload = message.payload
        if isinstance(payload, bytes):
            self._begin("message", message, len(payload))
        elif isinstance(payload, Callback):
            self._begin("callback", message, payload.weight_bytes)

    def begin_call(self, message: Message, function: str, shape: FunctionShape | None) -> None:
        """Begin with a call of an exported function.

        Args:
            message: Its payload is a `FunctionCall`.
            function: The path of the function that answers.
            shape: Its types; None for one that is not recorded.
        """
        if self._kind is not None:
            self._abandon()
        payload = message.payload
        if shape is None or not isinstance(payload, FunctionCall):
            return
        arguments = None
        if is_plain(shape):
            try:
                arguments = pack_arguments(shape, payload.arguments)
            except (TypeError, ValueError, AttributeError, LookupError):
                return  # the component does not see them either
        self._begin("call", message, payload.weight_bytes)
        self._function, self._shape, self._arguments = function, shape, arguments

    def end(self, reply: object, error: BaseException | None, fuel: int) -> None:
        """End the message in hand, with its reply or the error."""
        if self._kind is None:
            return
        if error is None:
            answer = reply if isinstance(reply, bytes) else None
            if self._shape is not None:
                answer = pack_result(self._shape, reply) if is_plain(self._shape) else None
            self._keep(self._ended("replied", answer, "", fuel))
        elif isinstance(error, UnfitPayload | MessageTooLarge):  # the component did not see it
            self._forget()
        else:
            text = error.text if isinstance(error, GuestRefused) else type(error).__name__
            self._keep(self._ended(ending_of(error), None, text, fuel))

    def close(self) -> None:
        """Keep what is known of a message that was in hand when the incarnation ended."""
        self._abandon()

    def note_answer(self, answer: Answer) -> None:
        """Take the answer of a call."""
        if self._kind is not None and self._has_room(size_of((answer.arguments, answer.value))):
            self._answers.append(answer)

    def note_uncovered(self, function: str) -> None:
        """Take that a call cannot be recorded."""
        if self._kind is not None and function not in self._uncovered:
            self._uncovered.append(function)

    def note_changes(self, changes: Sequence[Written]) -> None:
        """Take what was written."""
        for each in changes if self._kind is not None else ():
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

    def _begin(self, kind: Kind, message: Message, size: int) -> None:
        self._forget()
        self._kind, self._message, self._at, self._bytes = kind, message, self._clock(), size

    def _ended(self, ending: Ending, reply: bytes | None, text: str, fuel: int) -> Recorded:
        kind, message, payload = self._kind, self._message, self._message.payload
        assert kind is not None
        self._has_room(len(reply) if reply is not None else 0)
        request, is_kept = 0, self._bytes <= self._most_bytes
        unkept = "" if is_kept else TOO_LARGE
        failure: tuple[str, ...] = ()
        if self._shape is not None:
            payload = self._arguments
            if payload is None:
                is_kept, unkept = False, HANDLE
        if isinstance(payload, Callback):
            request, failure = payload.request_id, _failure_of(payload)
            payload = payload.outcome.value if isinstance(payload.outcome, Ok) else None
        entry = Recorded(
            kind,
            self._at,
            self._version,
            "" if kind == "start" else self._id_of(message),
            message.sender,
            message.topic,
            payload if is_kept and isinstance(payload, bytes) else None,
            request,
            failure,
            {} if message.envelope is None else _said(message.envelope),
            ending,
            reply if is_kept else None,
            text,
            fuel,
            tuple(self._answers) if is_kept else (),
            tuple(self._changes) if is_kept else (),
            tuple(self._uncovered),
            unkept,
            self._function,
        )
        self._forget()
        return entry

    def _abandon(self) -> None:
        if self._kind is not None:
            self._keep(self._ended("unfinished", None, "", 0))

    def _keep(self, entry: Recorded) -> None:
        start, self._start = self._start, None
        if start is not None:
            self._keeping.keep(self._name, start)
        if entry.kind != "start":  # one that failed has handled nothing
            self._keeping.keep(self._name, entry)

    def _forget(self) -> None:
        self._kind, self._message, self._bytes = None, _NO_MESSAGE, 0
        self._function, self._shape, self._arguments = "", None, None
        if self._answers or self._changes or self._uncovered:
            self._answers, self._changes, self._uncovered = [], [], []


def _failure_of(payload: Callback) -> tuple[str, ...]:
    outcome = payload.outcome
    if not isinstance(outcome, Err):
        return ()
    case: Case = outcome.value
    return (case.name,) if case.value is None else (case.name, str(case.value))


def _said(envelope: Envelope) -> dict[str, object]:
    """Return what an envelope says beside the message's id."""
    return {
        name: value
        for (name, default), value in zip(_EMPTY.items(), envelope, strict=True)
        if value != default and name != "id"
    }
