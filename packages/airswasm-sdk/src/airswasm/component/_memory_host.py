"""The double of the host: its functions over memory, with the grants of a manifest.

It keeps the promises that a component can see: a denial has the line that grants it, a key expires,
a scan has pages in the order of the keys, the outcome of a request comes after the message that
made it. What only a host can show (fuel, memory, the rates) needs the built component:
`airswasm.sdk.testing`. One suite runs against both.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from ._host import Envelope
from ._records import LogLine, Published, Reply, ScheduledSend, SentMessage
from ._service import matches
from .errors import (
    Denied,
    Failed,
    HostError,
    Invalid,
    InvalidKey,
    UnknownTarget,
)

__all__ = ("FUNCTIONS", "MemoryHost")

_PAGE = 100
_KEY_BYTES = 1_024
_SEPARATORS = {"messaging.publish": ".", "messaging.subscribe": "."}

FUNCTIONS = frozenset({
    "storage.get", "storage.set", "storage.delete", "storage.scan",
    "messaging.send", "messaging.call", "messaging.request",
    "messaging.publish", "messaging.subscribe", "timers.send-later", "timers.send-every",
})  # fmt: skip
"""The functions of the host that can fail here: all that a class calls and that can be denied."""


class MemoryHost:
    """A host for one component.

    Args:
        name: The component's name.
        capabilities: What it may do, as in Component.toml; None for everything.
        replies: The answers of other components, by their names. Others are unknown.

    Attributes:
        now: Milliseconds that have passed; `advance` of the running component moves it.
        faults: An error for each function that is to fail.
    """

    def __init__(
        self,
        name: str,
        capabilities: Mapping[str, Sequence[str]] | None = None,
        replies: Mapping[str, Reply] | None = None,
    ) -> None:
        self.name = name
        self.capabilities, self.replies = capabilities, dict(replies or {})
        self.data: dict[str, tuple[bytes, int | None]] = {}
        self.now = 0
        self.published: list[Published] = []
        self.sent: list[SentMessage] = []
        self.logs: list[LogLine] = []
        self.subscriptions: list[str] = []
        self.denials: list[Denied] = []
        self.timers: list[ScheduledSend] = []
        self.due: dict[int, int] = {}
        self.outcomes: dict[int, bytes | HostError | None] = {}
        self.faults: dict[str, HostError] = {}
        self.in_hand: Envelope | None = None
        self._ids = itertools.count(1)
        self._timer_ids = itertools.count(1)

    def log(self, level: str, message: str) -> None:
        self.logs.append(LogLine(level, message))

    def get(self, key: str) -> bytes | None:
        self._enter("storage.get", "storage.read", _checked(key))
        return self._live(key)

    def set(self, key: str, value: bytes, ttl_ms: int | None = None) -> None:
        self._enter("storage.set", "storage.write", _checked(key))
        if ttl_ms is not None and ttl_ms <= 0:
            raise Invalid("a time to live is more than 0")
        self.data[key] = (value, None if ttl_ms is None else self.now + ttl_ms)

    def delete(self, key: str) -> bool:
        self._enter("storage.delete", "storage.delete", _checked(key))
        was_there = self._live(key) is not None
        self.data.pop(key, None)
        return was_there

    def scan(
        self, prefix: str, after: str | None, limit: int, *, reverse: bool
    ) -> tuple[Sequence[tuple[str, bytes]], str | None]:
        self._enter("storage.scan", "storage.read", prefix, is_prefix=True)
        keys = sorted((key for key in self.data if key.startswith(prefix)), key=str.encode)
        if reverse:
            keys.reverse()
        if after is not None:
            keys = [k for k in keys if (k.encode() < after.encode()) == reverse and k != after]
        found = [(key, value) for key in keys if (value := self._live(key)) is not None]
        page = found[: limit or _PAGE]
        return page, page[-1][0] if len(found) > len(page) else None

    def envelope(self) -> Envelope | None:
        return self.in_hand

    def send(self, target: str, payload: bytes) -> None:
        self._enter("messaging.send", "messaging.send", target)
        self.sent.append(SentMessage("send", target, payload))

    def call(self, target: str, payload: bytes, timeout_ms: int) -> bytes | None:
        del timeout_ms
        self._enter("messaging.call", "messaging.request", target)
        outcome = self._answer("call", target, payload)
        if isinstance(outcome, HostError):
            raise outcome
        return outcome

    def request(self, target: str, payload: bytes, timeout_ms: int) -> int:
        del timeout_ms
        self._enter("messaging.request", "messaging.request", target)
        given = next(self._ids)
        self.outcomes[given] = self._answer("request", target, payload)
        return given

    def cancel(self, request_id: int) -> bool:
        was_there = request_id in self.outcomes
        self.outcomes.pop(request_id, None)
        return was_there

    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int:
        self._enter("messaging.publish", "messaging.publish", topic)
        self.published.append(Published(topic, payload, is_retained=retained))
        return 1

    def subscribe(self, pattern: str) -> None:
        self._enter("messaging.subscribe", "messaging.subscribe", pattern, is_pattern=True)
        self.subscriptions.append(pattern)

    def unsubscribe(self, pattern: str) -> None:
        if pattern in self.subscriptions:
            self.subscriptions.remove(pattern)

    def send_later(self, target: str, payload: bytes, delay_ms: int, *, durable: bool) -> int:
        return self._set_timer(target, payload, delay_ms, durable=durable, repeats=False)

    def send_every(self, target: str, payload: bytes, interval_ms: int, *, durable: bool) -> int:
        return self._set_timer(target, payload, interval_ms, durable=durable, repeats=True)

    def cancel_timer(self, timer_id: int) -> bool:
        found = [each for each in self.timers if each.id == timer_id]
        self.timers[:] = [each for each in self.timers if each.id != timer_id]
        return bool(found)

    def end_incarnation(self) -> None:
        """Forget what belongs to an incarnation: subscriptions, timers, requests."""
        self.subscriptions.clear()
        self.timers[:] = [each for each in self.timers if each.is_durable]
        self.outcomes.clear()

    def _set_timer(
        self, target: str, payload: bytes, milliseconds: int, *, durable: bool, repeats: bool
    ) -> int:
        function = "timers.send-every" if repeats else "timers.send-later"
        self._enter(function, "messaging.schedule", target)
        timer = ScheduledSend(
            next(self._timer_ids), target, payload, milliseconds, repeats, durable
        )
        self.timers.append(timer)
        self.due[timer.id] = self.now + milliseconds
        return timer.id

    def _live(self, key: str) -> bytes | None:
        value, until = self.data.get(key, (None, None))
        return value if until is None or until > self.now else None

    def _answer(self, kind: str, target: str, payload: bytes) -> bytes | HostError | None:
        self.sent.append(SentMessage(kind, target, payload))
        if target not in self.replies:
            return UnknownTarget(f"{target} is not among the replies of this test")
        reply = self.replies[target]
        try:
            answer = reply(payload) if callable(reply) else reply
        except HostError as error:
            return error
        if isinstance(answer, HostError):
            return answer
        return Failed(str(answer)) if isinstance(answer, Exception) else answer

    def _enter(
        self,
        function: str,
        capability: str,
        resource: str,
        *,
        is_prefix: bool = False,
        is_pattern: bool = False,
    ) -> None:
        """Decide about a call, as the guard does before the function runs."""
        assert function in FUNCTIONS
        if self.capabilities is not None:
            held = tuple(self.capabilities.get(capability, ()))
            covers = _covers_prefix if is_prefix else _covers_pattern if is_pattern else matches
            separator = _SEPARATORS.get(capability, "/")
            if not any(each == "everything" or covers(each, resource, separator) for each in held):
                line = ", ".join(f'"{each}"' for each in (*held, resource))
                denied = Denied(
                    f"{capability} on {resource!r} is denied: it was not granted; add to "
                    f"[capabilities] in Component.toml: {capability} = [{line}]",
                    capability,
                    resource,
                )
                self.denials.append(denied)
                raise denied
        if function in self.faults:
            raise self.faults[function]


def _checked(key: str) -> str:
    if not 0 < len(key.encode()) <= _KEY_BYTES:
        raise InvalidKey(f"a key has 1 to {_KEY_BYTES:,} bytes")
    return key


def _covers_prefix(pattern: str, prefix: str, separator: str) -> bool:
    return pattern.split(separator)[-1] == "**" and matches(pattern, prefix, separator)


def _covers_pattern(pattern: str, wanted: str, separator: str) -> bool:
    """Return whether a grant covers a pattern: each wildcard as what no literal covers.

    `**` is any number of segments; more than the grant has make no difference.
    """
    numbers = range(pattern.count(separator) + 3)
    choices: list[list[tuple[str, ...]]] = []
    before = ""
    for each in wanted.split(separator):
        if each != "**":
            choices.append([("\0" if each == "*" else each,)])
        elif before != "**":
            choices.append([("\0",) * number for number in numbers])
        before = each
    tries = (separator.join(itertools.chain(*choice)) for choice in itertools.product(*choices))
    return all(matches(pattern, each, separator) for each in tries if each)
