"""Judge the health of the host and its components: a pure decision over one snapshot.

Probes, alerts and people share one vocabulary: a `Finding` names a problem and its subject, what it
makes of it, and a remedy. The findings of a component make its health, those of the parts of the
host theirs, and the worst of them goes up; how far a component's goes is the preset's to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from airswasm.runtime import Finding, Health

from ._snapshot import ComponentSample, Snapshot

__all__ = ("HealthReport", "Thresholds", "assess")

_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds above which a figure becomes a finding, and what findings of components mean.

    Attributes:
        oldest_message: Seconds that a message may wait in a mailbox.
        mailbox_fill: Fraction of a mailbox that may be full, 0 to 1.
        recent_failure: Seconds for which a failure, or a jump of the clock, remains a finding.
        quota_fill: Fraction of a quota, or of a budget of the host, that may be used, 0 to 1.
        event_loop_lag: Seconds that the event loop may be late.
        disk_free_bytes: Free bytes that the disk of the home should have.
        worst_of_components: The most that the health of components does to that of the host.
    """

    oldest_message: float = 30.0
    mailbox_fill: float = 0.9
    recent_failure: float = 60.0
    quota_fill: float = 0.95
    event_loop_lag: float = 1.0
    disk_free_bytes: int = 256 * 2**20
    worst_of_components: Health = Health.DEGRADED


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All findings of one moment, the worst first.

    Attributes:
        health: The health of the host.
        is_ready: Whether it should get traffic.
        findings: At most the hundred worst.
        total: The number of all findings.
        parts: The health of each part of the host that has a finding.
        components: The number of components by their health.
    """

    health: Health
    is_ready: bool
    findings: tuple[Finding, ...]
    total: int
    parts: Mapping[str, Health] = field(default_factory=dict[str, Health])
    components: Mapping[Health, int] = field(default_factory=dict[Health, int])


def assess(
    snapshot: Snapshot,
    thresholds: Thresholds = Thresholds(),
    findings: Iterable[Finding] = (),
) -> HealthReport:
    """Return the health of the host.

    Args:
        snapshot: The host's figures.
        thresholds: Where a figure becomes a finding.
        findings: What the blocks of the host say.
    """
    found = [*findings, *_host_findings(snapshot, thresholds)]
    for component in snapshot.components:
        found.extend(_component_findings(component, snapshot.time, thresholds))
    found.sort(key=lambda finding: (-finding.health, finding.is_of_component, finding.subject))
    worst: dict[str, Health] = {}
    for finding in found:  # the worst of a subject comes first
        worst.setdefault(finding.subject, finding.health)
    known = {component.name for component in snapshot.components}
    parts = {name: health for name, health in worst.items() if "/" not in name}
    ill = {name: health for name, health in worst.items() if "/" in name}
    counted = Counter(ill.values())
    counted[Health.HEALTHY] += len(known - ill.keys())
    up = min(max(ill.values(), default=Health.HEALTHY), thresholds.worst_of_components)
    health = max(*parts.values(), up, Health.HEALTHY)
    is_ready = health is not Health.UNHEALTHY and not any(each.is_unready for each in found)
    return HealthReport(health, is_ready, tuple(found[:_SHOWN]), len(found), parts, dict(counted))


def _host_findings(snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
    if snapshot.storage_failure:
        yield Finding(
            Health.UNHEALTHY,
            "storage",
            f"the store refuses writes: {snapshot.storage_failure}",
            "free space on the disk of AIRSWASM_HOME; the store then accepts writes again",
        )
    if snapshot.audit_failure:
        yield Finding(
            Health.UNHEALTHY,
            "audit",
            f"the audit log cannot be written: {snapshot.audit_failure}; decisions are denials",
            "free space on the disk of AIRSWASM_HOME, or mend its permissions",
        )
    free, wanted = snapshot.disk_free_bytes, thresholds.disk_free_bytes
    if free is not None and free < wanted:
        yield Finding(
            Health.DEGRADED,
            "disk",
            f"{_size(free)} are free on the disk of the home",
            f"free space there: a host should have {_size(wanted)} (monitoring.disk_free_bytes)",
        )
    late = snapshot.event_loop_late
    if late is not None and late > thresholds.event_loop_lag:
        yield Finding(
            Health.DEGRADED,
            "loop",
            f"the event loop was {late:.1f} s late",
            "run fewer components on this host, or give it more processor time",
        )
    at, jump = snapshot.clock_jump
    if at is not None and snapshot.time - at < thresholds.recent_failure:
        yield Finding(
            Health.DEGRADED,
            "clock",
            f"the clock was set {abs(jump):,.0f} s {'forward' if jump > 0 else 'back'}",
            "let a time service keep it: expiry times and audit lines depend on it",
        )
    for part, used, most, unit, key in (
        ("memory", snapshot.memory_bytes, snapshot.memory_most_bytes, "bytes", "memory_bytes"),
        (
            "descriptors", snapshot.descriptors, snapshot.descriptors_most,
            "files and sockets", "descriptors",
        ),
    ):  # fmt: skip
        if used is not None and most and used > thresholds.quota_fill * most:
            yield Finding(
                Health.DEGRADED,
                part,
                f"components take {used:,} of {most:,} {unit}",
                f"airswasm status shows by whom; the bound is host.{key}",
            )


def _component_findings(
    component: ComponentSample, now: float, thresholds: Thresholds
) -> Iterator[Finding]:
    if component.state == "given_up":
        yield Finding(
            Health.UNHEALTHY,
            component.name,
            _given_up(component),
            f"airswasm logs {component.name}; then update it or roll back",
        )
    elif _is_recent(component, now, thresholds.recent_failure):
        yield Finding(
            Health.DEGRADED,
            component.name,
            f"failed {component.failures} times; the last: {component.last_error}",
            f"airswasm logs {component.name}",
        )
    if component.oldest_message_age > thresholds.oldest_message:
        yield Finding(
            Health.DEGRADED,
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
                Health.DEGRADED,
                component.name,
                f"{waiting} of {capacity} {unit} in its mailbox",
                f"raise limits.{limit} in Component.toml, or send less",
            )
    quota = component.storage_quota_bytes
    if quota and component.storage_bytes > thresholds.quota_fill * quota:
        yield Finding(
            Health.DEGRADED,
            component.name,
            f"{_size(component.storage_bytes)} of {_size(quota)} stored",
            f"raise limits.storage in Component.toml, or remove keys: airswasm storage list "
            f"{component.name}",
        )


def _given_up(component: ComponentSample) -> str:
    if not component.failures:
        return f"it did not start: {component.last_error}"
    return f"given up after {component.failures} failures; the last: {component.last_error}"


def _is_recent(component: ComponentSample, now: float, period: float) -> bool:
    return component.last_failure_at is not None and now - component.last_failure_at < period


def _size(count: float) -> str:
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        del units[0]
    return f"{count:.1f} {units[0]}" if count % 1 else f"{count:.0f} {units[0]}"
