"""One message as a version on trial handles it: the calls that it makes, and their answers.

A call with an effect is noted and not made. It is answered as the same call, with the same
arguments, was answered when the message was recorded; the first with the first answer. A call that
is not in the recording gets the answer that says least. Then the reply is not comparable, and
neither is what follows from it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import cbor2
from airswasm.runtime import Effect, FunctionShape
from airswasm.storage import Written

from .values import as_plain, from_plain, least

__all__ = (
    "Answer",
    "Attempt",
    "HostCalled",
    "TrialRefused",
    "brief",
    "plain_arguments",
    "size_of",
)

T = TypeVar("T")

_MOST_CALLS = 1_000
"""Calls of one message that are noted; more count as one that is not in the recording."""
_MOST_BYTES = 1024 * 1024
"""Of their arguments, each as `brief` has it."""
_WHOLE_BYTES = 256


class TrialRefused(Exception):
    """A function was called that a trial cannot answer."""


@dataclass(frozen=True, slots=True)
class HostCalled:
    """A call with an effect outside of the instance.

    Attributes:
        function: `interface#function`.
        arguments: Their plain forms, brief.
    """

    function: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A call that was recorded.

    Attributes:
        function: `interface#function`.
        effect: Of the function: `READS` or `OUTSIDE`.
        arguments: Their plain forms.
        value: The plain form of what it returned.
        error: What it raised instead; empty if it returned.
    """

    function: str
    effect: Effect
    arguments: tuple[object, ...]
    value: object
    error: str = ""


@dataclass(slots=True)
class Attempt:
    """The calls of one message.

    Attributes:
        calls: Those with an effect, in order.
        unanswered: The functions of which a call is not in the recording.
        written: The last value of each key that was written, brief; None for one that was deleted.
        before: The value that each of these keys had before.
        expiring: The keys among them that expire, or did.
        size_bytes: About what all of this takes.
    """

    calls: list[HostCalled] = field(default_factory=list[HostCalled])
    unanswered: list[str] = field(default_factory=list[str])
    written: dict[str, object] = field(default_factory=dict[str, object])
    before: dict[str, bytes | None] = field(default_factory=dict[str, "bytes | None"])
    expiring: set[str] = field(default_factory=set[str])
    size_bytes: int = 0
    _answers: dict[bytes, deque[Answer]] = field(default_factory=dict[bytes, "deque[Answer]"])
    _last: dict[bytes, Answer] = field(default_factory=dict[bytes, Answer])

    @property
    def is_certain(self) -> bool:
        """Whether nothing was left out or made up: it went as it would have gone for good."""
        return not self.calls and not self.unanswered

    @classmethod
    def of(cls, answers: Iterable[Answer]) -> Attempt:
        """Return an attempt with the answers of a recording."""
        attempt = cls()
        for each in answers:
            key = _key(each.function, each.arguments)
            attempt._answers.setdefault(key, deque()).append(each)
        return attempt

    def act(self, function: str, shape: FunctionShape, arguments: tuple[object, ...]) -> object:
        """Note a call with an effect, and answer it.

        Raises:
            TrialRefused: Nothing is known to answer.
        """
        plain = plain_arguments(shape, arguments)
        call = HostCalled(function, brief(plain))
        self.size_bytes += size_of(call.arguments)
        if len(self.calls) >= _MOST_CALLS or self.size_bytes > _MOST_BYTES:
            self.note_unanswered(function)
            raise TrialRefused("a message makes more calls than a trial notes")
        self.calls.append(call)
        answer = self._take(function, plain)
        if answer is not None:
            return _given(answer, shape)
        self.note_unanswered(function)
        try:
            return least(shape.result)
        except TypeError as error:
            raise TrialRefused(f"a trial has no answer of {function}: {error}") from error

    def read(
        self, function: str, shape: FunctionShape, arguments: tuple[object, ...]
    ) -> tuple[bool, object]:
        """Return whether a call was recorded, and its answer.

        What was asked more often than it was recorded is told the last answer again.
        """
        plain = plain_arguments(shape, arguments)
        answer = self._take(function, plain)
        if answer is None:
            self.note_unanswered(function)
            answer = self._last.get(_key(function, plain))
        return (False, None) if answer is None else (True, _given(answer, shape))

    def note_changes(self, changes: Sequence[Written]) -> None:
        """Note what was written on the copy."""
        for each in changes:
            self.written[each.key] = None if each.after is None else brief(each.after)
            self.before.setdefault(each.key, each.before)
            self.size_bytes += len(each.key) + len(each.before or b"") + _WHOLE_BYTES
            if each.expires:
                self.expiring.add(each.key)

    def note_unanswered(self, function: str) -> None:
        """Note that the recording does not cover a call."""
        if function not in self.unanswered:
            self.unanswered.append(function)

    def _take(self, function: str, plain: tuple[object, ...]) -> Answer | None:
        key = _key(function, plain)
        waiting = self._answers.get(key)
        if not waiting:
            return None
        answer = self._last[key] = waiting.popleft()
        return answer


def plain_arguments(shape: FunctionShape, arguments: tuple[object, ...]) -> tuple[object, ...]:
    """Return the plain forms of a call's arguments."""
    pairs = zip(shape.parameters, arguments, strict=True)
    return tuple(as_plain(type_, value) for (_, type_), value in pairs)


def brief(plain: T) -> T:
    """Return a plain value with its large bytes and texts as their beginning and their digest.

    Equal values stay equal, and others differ.
    """
    value: object = plain
    if isinstance(value, bytes) and len(value) > _WHOLE_BYTES:
        value = value[:64] + b"... " + hashlib.sha256(value).digest()
    elif isinstance(value, str) and len(value) > _WHOLE_BYTES:
        value = f"{value[:64]}... {hashlib.sha256(value.encode(errors='replace')).hexdigest()}"
    elif isinstance(value, tuple):
        value = tuple(map(brief, cast("tuple[object, ...]", value)))
    elif isinstance(value, list):
        value = list(map(brief, cast("list[object]", value)))
    elif isinstance(value, dict):
        members = cast("dict[str, object]", value)
        value = {name: brief(inner) for name, inner in members.items()}
    return cast("T", value)


def size_of(plain: object) -> int:
    """Return about how many bytes a plain value takes."""
    if isinstance(plain, bytes | str):
        return 8 + len(plain)
    if isinstance(plain, list | tuple):
        return 8 + sum(map(size_of, cast("list[object]", plain)))
    if isinstance(plain, dict):
        members = cast("dict[str, object]", plain)
        return 8 + sum(len(name) + size_of(inner) for name, inner in members.items())
    return 8


def _given(answer: Answer, shape: FunctionShape) -> object:
    if answer.error:
        raise TrialRefused(f"as recorded: {answer.error}")
    return from_plain(shape.result, answer.value)


def _key(function: str, arguments: tuple[object, ...]) -> bytes:
    dumps = cast("Any", cbor2.dumps)
    return cast("bytes", dumps([function, list(arguments)]))
