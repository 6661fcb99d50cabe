"""Write the lines of decisions, so that no component can fill the log or push others out of it.

A component has a number of lines at once and some more each second, for denials and for allowed
calls apart. What goes beyond is counted:

- The same denial again is counted from the second one on.
- Other denials beyond the budget are counted together.
- Allowed calls beyond it are counted for each pattern that allows them, after a line that names the
  pattern. So no call takes effect before a line that covers it.

The counts become lines when the host calls `note`, every few seconds, and otherwise with the next
decision ten seconds later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from airswasm.runtime import Meters

from .._auditing.lines import AuditEvent, AuditSink, Outcome
from .._auditing.log import AuditLog
from .._block import DENIALS, UNWRITTEN
from .._deciding.decision import Decision
from ..errors import AuditUnavailable
from .budget import LineBudget

__all__ = ("AllowedLines", "DecisionLines")

AllowedLines: TypeAlias = Literal["every", "first", "none"]
"""The allowed calls that get an audit line: every one, the first of its kind, none."""

_COUNTED_SECONDS = 10.0
_REPEATS = 64
_REPEATED_CHARS = 256
"""A resource of more characters is not kept to be compared."""
_NUMBERS = 64
"""The lines of one component whose numbers are known."""


class DecisionLines:
    """Writes decisions to an audit log, within a budget for each component.

    Args:
        audit: Where they are written; None keeps none.
        allowed: The allowed calls that are written.
        clock: Seconds, for the budgets.
        meters: Counts the denials, and those that have no line of their own.
        burst: The lines that a component has at once.
        per_second: The lines that it earns.
        reads: The capabilities that only read. The lines of those and of denials may wait, for no
            effect of theirs outlives the process.
    """

    def __init__(
        self,
        audit: AuditSink | None,
        *,
        allowed: AllowedLines = "first",
        clock: Callable[[], float] = time.monotonic,
        meters: Meters | None = None,
        burst: int = 1_000,
        per_second: float = 20.0,
        reads: frozenset[str] = frozenset(),
    ) -> None:
        self._audit = audit
        self._log = audit if isinstance(audit, AuditLog) else None
        self._reads = reads
        self._allowed = allowed
        self._clock = clock
        self._meters = meters
        self._burst, self._per_second = burst, per_second
        self._written: dict[str, _Written] = {}
        self._numbers: dict[str, dict[tuple[str, str], int]] = {}

    def write_by(self, allowed: AllowedLines, *, burst: int, per_second: float) -> None:
        """Write by other rules from now on; each component has its new budget at once."""
        self.note()
        self._allowed, self._burst, self._per_second = allowed, burst, per_second
        now = self._clock()
        for written in self._written.values():
            written.denied, written.allowed = (LineBudget(now, burst, per_second) for _ in range(2))

    def write(self, decision: Decision) -> Decision:
        """Write a decision, or count it; return it, or a denial when it could not be written."""
        written = self._write(decision)
        if not written.is_allowed and self._meters is not None:
            capability = written.capability.replace(":", ".")
            self._meters.add(DENIALS, written.component, label=capability)
        return written

    def _write(self, decision: Decision) -> Decision:
        if self._audit is None or (decision.is_allowed and self._allowed == "none"):
            return decision
        if decision.is_allowed and self._allowed == "every":
            return self._recorded(decision)
        now = self._clock()
        written = self._written.get(decision.component)
        if written is None:
            denied, allowed = (LineBudget(now, self._burst, self._per_second) for _ in range(2))
            written = self._written[decision.component] = _Written(denied, allowed, now)
        elif now - written.noted_at >= _COUNTED_SECONDS:
            self._note(decision.component)
        write = self._write_allowed if decision.is_allowed else self._write_denied
        return write(decision, written, now)

    def note_end(self, component: str, capability: str, resource: str, text: str) -> None:
        """Record that something ended which is denied now; the change itself has its line."""
        event = AuditEvent("ended", component, "done", capability, resource, text)
        if self._audit is not None:
            with suppress(AuditUnavailable):
                self._audit.record(event)

    def line_of(self, component: str, capability: str, resource: str) -> int:
        """Return the number of the newest line that allowed a call; 0 if it is not known.

        The resource is in its canonical form. Not known are calls that have no line of their own,
        lines that waited for others, and all but the newest of a component.
        """
        return self._numbers.get(component, {}).get((capability, resource), 0)

    def unwritten(self, component: str) -> int:
        """Return how many denials of a component have no line of their own."""
        written = self._written.get(component)
        return written.unwritten_in_all if written is not None else 0

    def note(self) -> None:
        """Write the counts since the last call. What cannot be written stays counted."""
        for component in list(self._written):
            self._note(component)

    def forget(self, component: str) -> None:
        """Write the counts of a component, and forget it."""
        self._note(component)
        self._written.pop(component, None)
        self._numbers.pop(component, None)

    def _write_allowed(self, decision: Decision, written: _Written, now: float) -> Decision:
        if written.allowed.admits(now):
            return self._recorded(decision)
        key = decision.capability, decision.reason
        if key not in written.patterns:
            reason = "allows many resources, which are counted from here on"
            event = _count(decision.component, "allow", key, reason, 0)
            decision = self._recorded(decision, event)
            if not decision.is_allowed:
                return decision
            written.patterns[key] = 0
        written.patterns[key] += 1
        return decision

    def _write_denied(self, decision: Decision, written: _Written, now: float) -> Decision:
        key = decision.capability, decision.resource
        if key in written.repeats:
            written.repeats[key] += 1
            self._count_unwritten(decision.component, written)
            return decision
        if not written.denied.admits(now):
            written.unwritten += 1
            self._count_unwritten(decision.component, written)
            return decision
        unwritten, written.unwritten = written.unwritten, 0
        event = None
        if unwritten:
            event = _event(decision)
            event = replace(event, detail={**event.detail, "unwritten": str(unwritten)})
        recorded = self._recorded(decision, event)
        if recorded is not decision:
            written.unwritten += unwritten
        elif len(written.repeats) < _REPEATS and len(decision.resource) <= _REPEATED_CHARS:
            written.repeats[key] = 0
        return recorded

    def _count_unwritten(self, component: str, written: _Written) -> None:
        written.unwritten_in_all += 1
        if self._meters is not None:
            self._meters.add(UNWRITTEN, component)

    def _note(self, component: str) -> None:
        written = self._written.get(component)
        if written is None or self._audit is None:
            return
        written.noted_at = self._clock()
        try:
            for key, count in list(written.repeats.items()):
                if count:
                    reason = f"denied {count:,} more times"
                    self._audit.record(_count(component, "deny", key, reason, count))
                del written.repeats[key]
            for key, count in list(written.patterns.items()):
                reason = f"allowed {count:,} resources without a line of their own"
                self._audit.record(_count(component, "allow", key, reason, count))
                del written.patterns[key]
            if written.unwritten:
                count = written.unwritten
                reason = f"{count:,} more denials than are written one by one"
                detail = {"unwritten": str(count)}
                event = AuditEvent("denials", component, "deny", reason=reason, detail=detail)
                self._audit.record(event)
                written.unwritten -= count
        except AuditUnavailable:
            written.patterns.clear()  # no further call under them before a line

    def _recorded(self, decision: Decision, event: AuditEvent | None = None) -> Decision:
        """Record a decision, or the event that stands for it; a denial if that fails."""
        assert self._audit is not None
        try:
            if event is not None or self._log is None:
                self._audit.record(event or _event(decision))
            elif not decision.is_allowed:
                self._log.record_soon(decision)
            elif decision.capability in self._reads:
                self._number(decision, self._log.record_soon(decision))
            else:
                self._number(decision, self._log.record_numbered(decision))
        except AuditUnavailable as error:
            return decision.refused(str(error))
        return decision

    def _number(self, decision: Decision, line: int) -> None:
        numbers = self._numbers.setdefault(decision.component, {})
        if len(numbers) >= _NUMBERS:
            del numbers[next(iter(numbers))]
        if len(decision.resource) <= _REPEATED_CHARS:
            numbers[decision.capability, decision.resource] = line


@dataclass(slots=True)
class _Written:
    """The budgets of one component, and what was not written one by one."""

    denied: LineBudget
    allowed: LineBudget
    noted_at: float
    repeats: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    patterns: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    unwritten: int = 0
    unwritten_in_all: int = 0


def _event(decision: Decision) -> AuditEvent:
    return AuditEvent(
        "decision",
        decision.component,
        "allow" if decision.is_allowed else "deny",
        decision.capability,
        decision.resource,
        decision.reason,
        {} if decision.is_allowed else {"layer": decision.layer},
    )


def _count(
    component: str, outcome: Outcome, key: tuple[str, str], reason: str, count: int
) -> AuditEvent:
    capability, resource = key
    detail = {"count": str(count)} if count else {}
    return AuditEvent("decisions", component, outcome, capability, resource, reason, detail)
