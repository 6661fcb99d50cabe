"""Judge the health of the host and its components: a pure decision over one snapshot.

Probes, alerts and people share one vocabulary: a `Finding` names a problem and its subject, its
severity, and a remedy. The health of the host is its worst finding. Rejected: alert rules in a
language of their own; Prometheus has one, over the same figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from ._snapshot import ComponentSample, Snapshot

__all__ = ("Finding", "HealthReport", "Severity", "Thresholds", "assess")


class Severity(IntEnum):
    """The severity of a finding."""

    OK = 0
    DEGRADED = 1
    """A part works less well than it should; the rest continues."""
    FAILING = 2
    """The host cannot do its work."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds above which a figure becomes a finding.

    Attributes:
        oldest_message: Seconds that a message may wait in a mailbox.
        mailbox_fill: Fraction of a mailbox that may be full, 0 to 1.
        recent_failure: Seconds for which a failure remains a finding.
    """

    oldest_message: float = 30.0
    mailbox_fill: float = 0.9
    recent_failure: float = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem.

    Attributes:
        severity: The severity.
        subject: The component's name, or the part of the host.
        text: The problem.
        hint: The remedy.
    """

    severity: Severity
    subject: str
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All findings of one moment, the worst first.

    Attributes:
        severity: The worst of them; `OK` if there are none.
        findings: At most the hundred worst.
        total: The number of all findings.
    """

    severity: Severity
    findings: tuple[Finding, ...]
    total: int


def assess(snapshot: Snapshot, thresholds: Thresholds = Thresholds()) -> HealthReport:
    """Return the problems in `snapshot`."""
    findings = [*_host_findings(snapshot)]
    for component in snapshot.components:
        findings.extend(_component_findings(component, snapshot.time, thresholds))
    findings.sort(key=lambda finding: (-finding.severity, finding.subject))
    worst = findings[0].severity if findings else Severity.OK
    return HealthReport(worst, tuple(findings[:100]), len(findings))


def _host_findings(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.storage_failure:
        yield Finding(
            Severity.FAILING,
            "storage",
            f"the store refuses writes: {snapshot.storage_failure}",
            "free space on the disk of AIRSWASM_HOME; the store then accepts writes again",
        )


def _component_findings(
    component: ComponentSample, now: float, thresholds: Thresholds
) -> Iterator[Finding]:
    if component.state == "given_up":
        yield Finding(
            Severity.DEGRADED,
            component.name,
            _given_up(component),
            f"airswasm logs {component.name}; then update it or roll back",
        )
    elif _is_recent(component, now, thresholds.recent_failure):
        yield Finding(
            Severity.DEGRADED,
            component.name,
            f"failed {component.failures} times; the last: {component.last_error}",
            f"airswasm logs {component.name}",
        )
    if component.oldest_message_age > thresholds.oldest_message:
        yield Finding(
            Severity.DEGRADED,
            component.name,
            f"a message has waited for {component.oldest_message_age:.0f} s",
            f"airswasm info {component.name} shows its activity",
        )
    for waiting, capacity, unit, limit in (
        (component.mailbox_size, component.mailbox_capacity, "messages", "mailbox"),
        (component.mailbox_bytes, component.mailbox_capacity_bytes, "bytes", "mailbox_bytes"),
    ):
        if capacity is not None and waiting > thresholds.mailbox_fill * capacity:
            yield Finding(
                Severity.DEGRADED,
                component.name,
                f"{waiting} of {capacity} {unit} in its mailbox",
                f"raise limits.{limit} in Component.toml, or send less",
            )


def _given_up(component: ComponentSample) -> str:
    if not component.failures:
        return f"it did not start: {component.last_error}"
    return f"given up after {component.failures} failures; the last: {component.last_error}"


def _is_recent(component: ComponentSample, now: float, period: float) -> bool:
    return component.last_failure_at is not None and now - component.last_failure_at < period
