"""The record of a component's actions, and the world beyond it: peers, time, faults."""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from airswasm.component import HostError
from airswasm.component.testing import (
    LogLine,
    Published,
    Refusal,
    Reply,
    ScheduledSend,
    SentMessage,
)
from airswasm.runtime import Caller, Case, Err, Ok
from airswasm.security import AuditEvent

__all__ = (
    "LogLine",
    "Published",
    "Record",
    "Refusal",
    "Reply",
    "ScheduledSend",
    "SentMessage",
    "case_of",
)

_EMPTY = {"timed-out", "cancelled"}
_QUOTA = {
    "used_bytes": 0, "needed_bytes": 0, "quota_bytes": 0, "used_keys": 0, "needed_keys": 0,
    "quota_keys": None,
}  # fmt: skip


def case_of(error: Exception) -> Err[Any]:
    """Return an error as a host function answers with it: `MailboxFull` is `mailbox-full`."""
    if not isinstance(error, HostError):
        return Err(Case("failed", str(error)))
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
    if name in _EMPTY:
        return Err(Case(name))
    inside: object = {"quota-exceeded": _QUOTA, "conflict": None}.get(name, error.text or name)
    return Err(Case(name, inside))


class Record:
    """The acts of a component; also its audit log, its standard output, and its clock.

    Attributes:
        now_ms: Milliseconds since 1970 of its timers and stored values.
        faults: An error for each function that is to fail.
        functions: The functions of the host that can fail.
    """

    def __init__(self, replies: Mapping[str, Reply]) -> None:
        self.replies = replies
        self.published: list[Published] = []
        self.timers: list[ScheduledSend] = []
        self.sent: list[SentMessage] = []
        self.logs: list[LogLine] = []
        self.subscriptions: list[str] = []
        self.denials: list[AuditEvent] = []
        self.outcomes: dict[int, object] = {}
        self.faults: dict[str, HostError] = {}
        self.functions: set[str] = set()
        self.messages = 0
        self.now_ms = 1_700_000_000_000
        self._due: dict[int, int] = {}
        self._next_id = 0
        self._timer_ids = itertools.count(1)

    def seconds(self) -> float:
        """Return the time, for the store."""
        return self.now_ms / 1000

    def begin_incarnation(self) -> None:
        """Forget what ends with an incarnation; durable timers stay."""
        self.subscriptions.clear()
        self.outcomes.clear()
        self.timers[:] = [each for each in self.timers if each.is_durable]

    @contextmanager
    def kept_on_failure(self) -> Generator[None]:
        """Take back what a start that fails has changed: subscriptions, timers and requests."""
        subscriptions, timers, outcomes = (
            list(self.subscriptions), list(self.timers), dict(self.outcomes),
        )  # fmt: skip
        try:
            yield
        except BaseException:
            self.subscriptions[:], self.timers[:] = subscriptions, timers
            self.outcomes = outcomes
            raise

    def record(self, event: AuditEvent) -> None:
        if event.outcome == "deny":
            self.denials.append(event)

    def line(self, caller: Caller, stream: str, text: str) -> None:
        del caller
        self.logs.append(LogLine(stream, text))

    def answer(self, caller: Caller, kind: str, target: str, payload: bytes) -> object:
        self.sent.append(SentMessage(kind, target, payload))
        if target not in self.replies:
            return Err(Case("unknown-target", f"{target} is not among the harness's replies"))
        reply = self.replies[target]
        try:
            content = reply(payload) if callable(reply) else reply
        except HostError as error:
            return case_of(error)
        if isinstance(content, Exception):
            return case_of(content)
        if content is not None and len(content) > caller.message_bytes:
            return Err(Case("too-large", f"the reply of {target} has {len(content):,} bytes"))
        return Ok(content)

    def request(self, caller: Caller, target: str, payload: bytes) -> int:
        self._next_id += 1
        self.outcomes[self._next_id] = self.answer(caller, "request", target, payload)
        return self._next_id

    def first_outcome(self) -> tuple[int, object]:
        """Remove and return the outcome of the earliest request."""
        request_id = next(iter(self.outcomes))
        return request_id, self.outcomes.pop(request_id)

    def set_timer(
        self, target: str, payload: bytes, milliseconds: int, *, repeats: bool, durable: bool
    ) -> int:
        """Keep a timer; return its id."""
        timer = ScheduledSend(
            next(self._timer_ids), target, payload, milliseconds, repeats, durable
        )
        self.timers.append(timer)
        self._due[timer.id] = self.now_ms + milliseconds
        return timer.id

    def cancel_timer(self, timer_id: int) -> bool:
        """End a timer; return whether it was there."""
        found = [each for each in self.timers if each.id == timer_id]
        for each in found:
            self.timers.remove(each)
        return bool(found)

    def next_due(self, until_ms: int) -> ScheduledSend | None:
        """Let time pass to the next timer, and return it; None if none is due by then."""
        due = min(self.timers, default=None, key=lambda each: (self._due[each.id], each.id))
        if due is None or self._due[due.id] > until_ms:
            self.now_ms = until_ms
            return None
        self.now_ms = self._due[due.id]
        if due.repeats:
            self._due[due.id] += max(1, due.milliseconds)
        else:
            self.timers.remove(due)
        return due
