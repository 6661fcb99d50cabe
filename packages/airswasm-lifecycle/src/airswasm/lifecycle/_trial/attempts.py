"""One message as a version on trial handles it: the calls that it makes, and their answers.

A call with an effect is noted and not made. It is answered as the same call, with the same
arguments, was answered when the message was recorded; the first with the first answer. A call that
is not in the recording gets the answer that says least. Then the reply is not comparable, and
neither is what follows from it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import cbor2
from airswasm.runtime import Effect, FunctionShape
from airswasm.storage import Written

from .values import as_plain, from_plain, least

__all__ = ("Answer", "Attempt", "HostCalled", "TrialRefused", "plain_arguments")

_MOST_CALLS = 10_000
"""Calls of one message that are noted; more count as one that is not in the recording."""


class TrialRefused(Exception):
    """A function was called that a trial cannot answer."""


@dataclass(frozen=True, slots=True)
class HostCalled:
    """A call with an effect outside of the instance.

    Attributes:
        function: `interface#function`.
        arguments: Their plain forms.
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
        written: The last value of each key that was written; None for one that was deleted.
        expiring: The keys among them that expire, or did.
    """

    calls: list[HostCalled] = field(default_factory=list[HostCalled])
    unanswered: list[str] = field(default_factory=list[str])
    written: dict[str, bytes | None] = field(default_factory=dict[str, "bytes | None"])
    expiring: set[str] = field(default_factory=set[str])
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
        if len(self.calls) >= _MOST_CALLS:
            self.note_unanswered(function)
            raise TrialRefused(f"a message makes more than {_MOST_CALLS:,} calls")
        self.calls.append(HostCalled(function, plain))
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
            self.written[each.key] = each.after
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


def _given(answer: Answer, shape: FunctionShape) -> object:
    if answer.error:
        raise TrialRefused(f"as recorded: {answer.error}")
    return from_plain(shape.result, answer.value)


def _key(function: str, arguments: tuple[object, ...]) -> bytes:
    dumps = cast("Any", cbor2.dumps)
    return cast("bytes", dumps([function, list(arguments)]))
