"""Write what came of allowed calls: a line after the effect that names the line of its decision.

The line of a decision is written before the effect, and says what may happen. The line of an effect
says what did: the outcome, the bytes in each direction, the time, and the layer that denied it
where the guard had allowed it. A connection, a process and an open file have one line, at their
end.

These lines protect no promise: the effect is over. So they may wait for others, and have a small
budget of their own for each component, because an effect is as frequent as a message and must not
push decisions out of the log. What goes beyond it is summed for each capability and outcome, and
the sums become lines when the host calls `note`, every few seconds.

Rejected: the outcome in the decision's line (that line stands before the effect, or it protects
from nothing), and a log of its own (an operator asks what a component did, and wants one answer).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from .._auditing.lines import AuditEvent, AuditSink
from .._auditing.log import AuditLog
from ..errors import AuditUnavailable
from .budget import LineBudget

__all__ = ("EffectLines", "EffectRecord", "WrittenEffects")

WrittenEffects: TypeAlias = Literal["every", "changes", "failed", "none"]
"""The effects that get an audit line: every one, all but reads that went well, those that failed,
none."""

LineOf: TypeAlias = Callable[[str, str, str], int]
"""Returns the number of the line that allowed a call, by component, capability and resource; 0 if
it is not known."""


class EffectRecord(NamedTuple):
    """The result of an allowed call.

    Attributes:
        component: The caller.
        capability: `domain:verb`.
        resource: The resource, as the caller gave it.
        outcome: `done`; `deny` when a layer behind the guard refused it; else `failed`.
        act: The operation, where a capability has several: `append`.
        reason: The reason of a failure.
        layer: The layer that denied it: `system` for the operating system.
        bytes_in: Bytes that the component got.
        bytes_out: Bytes that it gave.
        seconds: The time of the call, or the life of what it opened.
    """

    component: str
    capability: str
    resource: str
    outcome: Literal["done", "deny", "failed"] = "done"
    act: str = ""
    reason: str = ""
    layer: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0


class EffectLines:
    """Writes effects to an audit log, within a budget for each component.

    Args:
        audit: Where they are written; None keeps none.
        line_of: Returns the line of the decision.
        written: The effects that are written.
        reads: The capabilities that only read.
        burst: The lines that a component has at once.
        per_second: The lines that it earns.
        clock: Seconds, for the budgets.
    """

    def __init__(
        self,
        audit: AuditSink | None,
        line_of: LineOf = lambda _component, _capability, _resource: 0,
        *,
        written: WrittenEffects = "changes",
        reads: Iterable[str] = (),
        burst: int = 100,
        per_second: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audit = audit
        self._log = audit if isinstance(audit, AuditLog) else None
        self._line_of = line_of
        self._chosen = written
        self._reads = frozenset(reads)
        self._burst, self._per_second = burst, per_second
        self._clock = clock
        self._components: dict[str, _Kept] = {}

    def write_by(self, written: WrittenEffects, *, burst: int, per_second: float) -> None:
        """Write by other rules from now on; each component has its new budget at once."""
        self.note()
        self._chosen, self._burst, self._per_second = written, burst, per_second
        self._components = {name: kept for name, kept in self._components.items() if kept.sums}
        for kept in self._components.values():
            kept.budget = self._new_budget()

    def write(self, effect: EffectRecord) -> None:
        """Write an effect, or add it to the sums."""
        if self._audit is None or not self._is_chosen(effect):
            return
        kept = self._components.get(effect.component)
        if kept is None:
            kept = self._components[effect.component] = _Kept(self._new_budget())
        if not kept.budget.admits(self._clock()) or not self._recorded(self._event(effect)):
            kept.add(effect)

    def note(self) -> None:
        """Write the sums since the last call. What cannot be written stays summed."""
        now = self._clock()
        for component, kept in list(self._components.items()):
            for key, total in list(kept.sums.items()):
                if self._recorded(_summed(component, key, total)):
                    del kept.sums[key]
            if not kept.sums and kept.budget.is_full(now):
                del self._components[component]

    def _is_chosen(self, effect: EffectRecord) -> bool:
        if self._chosen == "every":
            return True
        if self._chosen == "none":
            return False
        if effect.outcome != "done":
            return True
        return self._chosen == "changes" and effect.capability not in self._reads

    def _new_budget(self) -> LineBudget:
        return LineBudget(self._clock(), self._burst, self._per_second)

    def _event(self, effect: EffectRecord) -> AuditEvent:
        detail = {"act": effect.act} if effect.act else {}
        if line := self._line_of(effect.component, effect.capability, effect.resource):
            detail["decision"] = str(line)
        if effect.layer:
            detail["layer"] = effect.layer
        detail |= _amounts(effect.bytes_in, effect.bytes_out, effect.seconds)
        return AuditEvent(
            "effect",
            effect.component,
            effect.outcome,
            effect.capability,
            effect.resource,
            effect.reason,
            detail,
        )

    def _recorded(self, event: AuditEvent) -> bool:
        assert self._audit is not None
        try:
            if self._log is not None:
                self._log.record_soon(event)
            else:
                self._audit.record(event)
        except AuditUnavailable:
            return False
        return True


_Key: TypeAlias = "tuple[str, Literal['done', 'deny', 'failed']]"


@dataclass(slots=True)
class _Total:
    count: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Kept:
    """The budget of one component, and the sums of what was not written one by one."""

    budget: LineBudget
    sums: dict[_Key, _Total] = field(default_factory=dict[_Key, _Total])

    def add(self, effect: EffectRecord) -> None:
        total = self.sums.setdefault((effect.capability, effect.outcome), _Total())
        total.count += 1
        total.bytes_in += effect.bytes_in
        total.bytes_out += effect.bytes_out
        total.seconds += effect.seconds


def _summed(component: str, key: _Key, total: _Total) -> AuditEvent:
    capability, outcome = key
    reason = f"{total.count:,} effects without a line of their own"
    amounts = _amounts(total.bytes_in, total.bytes_out, total.seconds)
    detail = {"count": str(total.count), **amounts}
    return AuditEvent("effects", component, outcome, capability, reason=reason, detail=detail)


def _amounts(bytes_in: int, bytes_out: int, seconds: float) -> dict[str, str]:
    amounts = (("in", bytes_in), ("out", bytes_out))
    return {
        **{name: str(value) for name, value in amounts if value},
        "seconds": f"{seconds:.6f}",
    }
