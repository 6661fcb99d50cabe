"""The answer to a plan: what of the question is granted, narrowed or denied.

A plan asks about what its package may do beyond the installed version. `True` grants all of it;
an `Approval` says more. The answer becomes entries of the name's grant record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from airswasm.security import (
    ALL_PATTERNS,
    AuditEvent,
    Decider,
    GrantEntry,
    GrantOrigin,
    GrantRecord,
    Kinds,
)

from .plan import InstallPlan

__all__ = ("Approval", "Approve", "annotation_of", "grant_event")

_NAMES = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Approval:
    """Approves a plan, and says which of its capabilities are granted.

    Attributes:
        narrowed: For a capability (`storage.read`), the patterns to grant instead of those that
            the plan asks about; each must be within one of these.
        denied: For a capability, the patterns to deny. They stay denied in updates.
        until: The time at which the grants end, seconds since 1970; None for no end.
        reason: The reason, for people.
        by: The decider.
    """

    narrowed: Mapping[str, Sequence[str]] = field(default_factory=_NAMES)
    denied: Mapping[str, Sequence[str]] = field(default_factory=_NAMES)
    until: float | None = None
    reason: str = ""
    by: Decider = "operator"

    def decide(
        self, plan: InstallPlan, before: GrantRecord, now: float, kinds: Kinds
    ) -> GrantRecord:
        """Return the record with this answer to the plan's question.

        Raises:
            GrantNotNarrower, GrantMissing: The answer does not fit the question.
        """
        origin = GrantOrigin(self.by, now, plan.version, self.until, self.reason)
        before = before.without_decider("level")
        if plan.level == "development":
            return GrantRecord((*before.entries, *_everything(origin, kinds)))
        return before.deciding(
            plan.added_capabilities,
            origin,
            narrowed={annotation_of(name): each for name, each in self.narrowed.items()},
            denied={annotation_of(name): each for name, each in self.denied.items()},
            kinds=kinds,
        )


def _everything(origin: GrantOrigin, kinds: Kinds) -> Iterator[GrantEntry]:
    for each in kinds:
        yield GrantEntry.of(each.annotation, "granted", ALL_PATTERNS, origin, is_extra=True)


Approve: TypeAlias = Callable[[InstallPlan], bool | Approval | Awaitable[bool | Approval]]
"""Answers a plan: False refuses it, True grants all that it asks for."""


def annotation_of(capability: str) -> str:
    """Return a capability as annotations write it: `storage:read` for `storage.read`."""
    return capability if ":" in capability else capability.replace(".", ":", 1)


def grant_event(name: str, entry: GrantEntry, act: str) -> AuditEvent:
    """Return the audit line of one decision.

    Args:
        name: The component.
        entry: The decision.
        act: What becomes of it: `add`, `deny`, `end`, ...
    """
    return AuditEvent(
        kind="grant",
        component=name,
        outcome="done",
        capability=entry.capability,
        resource=", ".join(entry.patterns),
        reason=entry.reason,
        detail={
            "act": act,
            "verdict": entry.verdict,
            "by": entry.by,
            "version": entry.version,
            "until": "" if entry.until is None else f"{entry.until:.3f}",
        },
    )
