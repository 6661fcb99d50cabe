"""One message as it was recorded, and its stored form: a CBOR map with a version.

It has all that the component was told and all that it did: the message, the answers of the host,
the changes of its stored data, the reply. The start of an incarnation is recorded alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import UnionType
from typing import Any, Literal, TypeAlias, cast, get_args

import cbor2
from airswasm.actor import Callback, Envelope, Message
from airswasm.runtime import Case, Effect, Err, Ok
from airswasm.storage import Written

from ..errors import RecordingUnreadable
from .attempts import Answer
from .calls import RecordedCall

__all__ = ("Ending", "Kind", "Recorded", "pack", "unpack")

_FORMAT = 1
Kind: TypeAlias = Literal["start", "message", "callback", "call"]
Ending: TypeAlias = Literal[
    "replied", "refused", "trapped", "limited", "timeout", "failed", "unfinished"
]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message, or the start of an incarnation.

    Attributes:
        kind: `message`, `callback` for the answer to a request, `call` of an exported function, or
            `start`.
        at: When it was handled, in seconds since 1970.
        version: The version that handled it.
        id: The id of the message.
        sender: The sender's name.
        topic: The topic, when it was published.
        payload: The payload; of a callback the answer, of a call the arguments. None where it is
            not kept, or is none.
        request: The id of the request that a callback answers.
        failure: The case and the text of a request that failed; empty for one that did not.
        envelope: What else travelled with it, without what it does not say.
        ending: How it ended; `unfinished` if the component was ended meanwhile.
        reply: The reply; None without one.
        text: The component's refusal, or the error.
        fuel: The fuel that it took.
        answers: What the host answered, in order.
        changes: The keys that it wrote, in order.
        uncovered: Functions that it called and that cannot be recorded.
        unkept: Why its content is not kept; empty if it is.
        function: The path of the function that was called; empty for no call.
    """

    kind: Kind
    at: float
    version: str
    id: str = ""
    sender: str = ""
    topic: str | None = None
    payload: bytes | None = None
    request: int = 0
    failure: tuple[str, ...] = ()
    envelope: Mapping[str, object] = field(default_factory=dict[str, object])
    ending: Ending = "replied"
    reply: bytes | None = None
    text: str = ""
    fuel: int = 0
    answers: tuple[Answer, ...] = ()
    changes: tuple[Written, ...] = ()
    uncovered: tuple[str, ...] = ()
    unkept: str = ""
    function: str = ""

    @property
    def message(self) -> Message:
        """The message, to be handled again."""
        envelope = Envelope(id=self.id, **self.envelope)  # type: ignore[arg-type]
        payload: object = self.payload
        if self.kind == "callback":
            outcome: Ok[bytes | None] | Err[Case] = Ok(self.payload)
            if self.failure:
                name, *text = self.failure
                outcome = Err(Case(name, text[0] if text else None))
            payload = Callback(self.request, outcome)
        elif self.kind == "call":
            payload = RecordedCall(self.function, self.payload or b"")
        return Message(payload, self.sender, self.topic, envelope=envelope)

    def without_content(self, reason: str) -> Recorded:
        """Return the same without all that the component, or a sender, chose freely."""
        return replace(
            self, topic=None, payload=None, failure=self.failure[:1], envelope={}, reply=None,
            text="", answers=(), changes=(), unkept=reason,
        )  # fmt: skip


_KINDS, _ENDINGS = get_args(Kind), get_args(Ending)
_MEMBERS = tuple(each.name for each in fields(Recorded))


def pack(entry: Recorded) -> bytes:
    """Return the stored form."""
    members: dict[str, object] = {name: getattr(entry, name) for name in _MEMBERS}
    members["envelope"] = dict(entry.envelope)
    members["answers"] = [
        [each.function, each.effect.value, list(each.arguments), each.value, each.error]
        for each in entry.answers
    ]
    members["changes"] = [
        [each.key, each.before, each.after, each.expires] for each in entry.changes
    ]
    dumps = cast("Any", cbor2.dumps)
    return cast("bytes", dumps({"format": _FORMAT, **members}))


def unpack(stored: bytes) -> Recorded:
    """Read the stored form; a member that this version does not know is left out.

    Raises:
        RecordingUnreadable: It is damaged, or of another format.
    """
    try:
        members = cast("dict[str, object]", cbor2.loads(stored))
        if members["format"] != _FORMAT:
            raise ValueError(f"its format is {members['format']!r}")
        known = {name: members[name] for name in _MEMBERS if name != "function"}
        known["function"] = members.get("function", "")  # earlier versions recorded no calls
        known["answers"] = tuple(map(_answer, cast("list[Any]", known["answers"])))
        known["changes"] = tuple(map(_written, cast("list[Any]", known["changes"])))
        for name in ("uncovered", "failure"):
            known[name] = tuple(map(str, cast("Sequence[object]", known[name])))
        _check(known)
        entry = Recorded(**known)  # type: ignore[arg-type]
        entry.message  # noqa: B018 - it raises if the envelope has other members
        return entry
    except (cbor2.CBORDecodeError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordingUnreadable(str(error) or type(error).__name__) from error


def _answer(members: Sequence[Any]) -> Answer:
    function, effect, arguments, value, error = members
    return Answer(str(function), Effect(effect), tuple(arguments), value, str(error))


def _written(members: Sequence[Any]) -> Written:
    key, before, after, expires = members
    for value in (before, after):
        if not isinstance(value, bytes | None):
            raise TypeError("a stored value is no bytes")
    return Written(str(key), before, after, bool(expires))


_ENVELOPE: Mapping[str, type | UnionType] = {
    "correlation": str,
    "deadline": int | float | None,
    "hops": int,
    "traceparent": str,
    "codec": str,
    "attempt": int,
    "replay_of": str,
    "is_retained": bool,
}
_TYPES: Mapping[str, type | UnionType] = {
    "payload": bytes | None,
    "reply": bytes | None,
    "version": str,
    "sender": str,
    "topic": str | None,
    "text": str,
    "id": str,
    "unkept": str,
    "function": str,
}
_MOST = 2**63
_MOST_SECONDS = 2.0**37
"""Of a time that can be shown: the year 9999 is a little later."""


def _check(members: Mapping[str, object]) -> None:
    """Refuse what the replay could not use, and what could not be shown."""
    envelope = members["envelope"]
    if not isinstance(envelope, dict):
        raise TypeError("its envelope is no map")
    said = cast("dict[str, object]", envelope)
    numbers = [members["fuel"], members["request"]]
    at = members["at"]
    is_fit = (
        all(isinstance(members[name], type_) for name, type_ in _TYPES.items())
        and all(isinstance(value, _ENVELOPE[name]) for name, value in said.items())
        and all(type(each) is int and 0 <= each < _MOST for each in numbers)
        and type(at) in (int, float)
        and 0 <= cast("float", at) < _MOST_SECONDS
    )
    if not is_fit or members["kind"] not in _KINDS or members["ending"] not in _ENDINGS:
        raise ValueError("its members have other types")
