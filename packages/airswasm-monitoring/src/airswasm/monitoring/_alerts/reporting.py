"""Reports of rules and alerts: for the command line, the control API and programs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from .book import AlertBook, Silence
from .rules import AlertRule, rendered
from .settings import AlertSettings
from .states import ActiveAlert

__all__ = ("AlertReport", "AlertsReport", "RuleReport", "report_rules", "summary_of")


@dataclass(frozen=True, slots=True)
class AlertReport:
    """One alert of a rule.

    Attributes:
        labels: What it is about.
        state: `pending` or `firing`.
        since: When the condition began to hold, in seconds since 1970.
        fired_at: When it fired, likewise; None while it is pending.
        value: The value at the last evaluation; None before the first one of this host.
        summary: What it says to people.
        is_silenced: Whether no receiver is told of it.
    """

    labels: Mapping[str, str]
    state: str
    since: float
    fired_at: float | None
    value: float | None
    summary: str
    is_silenced: bool


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule, and how it stands.

    Attributes:
        name: Its name.
        when: Its condition.
        promql: The expression of the same rule in Prometheus.
        for_seconds: How long the condition must hold.
        clear: The number of the first comparison while it fires; None for the same.
        severity: `info`, `warning` or `critical`.
        labels: Its further labels.
        annotations: Its texts.
        is_own: Whether it is in config.toml; else the host has it by default.
        is_on: Whether it is evaluated.
        state: `inactive`, or the worst of its alerts: `pending` or `firing`.
        since: When the first alert of that state came, in seconds since 1970; None if inactive.
        alerts: Its alerts, the oldest first.
        silences: When no receiver is told of them.
    """

    name: str
    when: str
    promql: str
    for_seconds: float
    clear: float | None
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    is_own: bool
    is_on: bool
    state: str
    since: float | None
    alerts: tuple[AlertReport, ...] = ()
    silences: tuple[Silence, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class AlertsReport:
    """All rules of a host.

    Attributes:
        evaluated_at: When they were last evaluated, in seconds since 1970; None if never.
        is_on: Whether a running host evaluates them.
        rules: The rules, those that are off included.
    """

    evaluated_at: float | None
    is_on: bool
    rules: tuple[RuleReport, ...]


def report_rules(settings: AlertSettings, book: AlertBook, now: float) -> tuple[RuleReport, ...]:
    """Return all rules, those that are off included.

    Args:
        settings: The rules.
        book: Their alerts and silences.
        now: Seconds since 1970.
    """
    return tuple(_report(settings, each, book, now) for each in settings.all_rules)


def summary_of(rule: AlertRule, alert: ActiveAlert) -> str:
    """Return the summary of an alert; of a rule without one, its condition."""
    text = rule.annotations.get("summary") or rule.when
    return rendered(text, dict(alert.labels), alert.value)


def _report(settings: AlertSettings, rule: AlertRule, book: AlertBook, now: float) -> RuleReport:
    is_on = settings.evaluate == "on" and rule.name not in settings.off
    alerts = tuple(
        AlertReport(
            dict(alert.labels),
            alert.state,
            alert.since / 1_000,
            alert.fired_at / 1_000 if alert.fired_at is not None else None,
            alert.value if math.isfinite(alert.value) else None,
            summary_of(rule, alert),
            book.is_silent(rule.name, dict(alert.labels), now),
        )
        for alert in sorted(book.alerts.get(rule.name, {}).values(), key=lambda each: each.since)
        if is_on
    )
    firing = [each.fired_at for each in alerts if each.fired_at is not None]
    pending = [each.since for each in alerts]
    return RuleReport(
        rule.name,
        rule.when,
        rule.promql,
        rule.for_seconds,
        rule.clear,
        rule.severity,
        rule.labels,
        rule.annotations,
        is_own=rule in settings.rules,
        is_on=is_on,
        state="firing" if firing else "pending" if pending else "inactive",
        since=min(firing or pending, default=None),
        alerts=alerts,
        silences=tuple(
            each for each in book.silences.values() if each.rule == rule.name and each.until > now
        ),
    )
