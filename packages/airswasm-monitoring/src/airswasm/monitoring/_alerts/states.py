"""The alerts of a rule from one evaluation to the next: a pure function of what it found.

The states are those of Prometheus: `pending` while the condition holds, and `firing` once it has
held for the rule's time. While an alert fires, the threshold to clear takes the place of the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, get_args

from .evaluating import evaluate
from .history import Labels, SampleHistory
from .rules import AlertRule

__all__ = ("ALERT_STATES", "MOST_ALERTS", "ActiveAlert", "AlertState", "next_alerts")

AlertState = Literal["pending", "firing"]
ALERT_STATES: tuple[AlertState, ...] = get_args(AlertState)

MOST_ALERTS = 1_000
"""Alerts of one rule at a time."""


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """One alert.

    Attributes:
        labels: What it is about; without the labels of the rule.
        state: `pending` or `firing`.
        since: When the condition began to hold, in milliseconds since 1970.
        fired_at: When it fired; None while it is pending.
        value: The value of the first comparison at the last evaluation.
    """

    labels: Labels
    state: AlertState
    since: int
    fired_at: int | None
    value: float


def next_alerts(
    rule: AlertRule,
    history: SampleHistory,
    before: Mapping[Labels, ActiveAlert],
    *,
    unseen: Collection[Labels] = (),
) -> dict[Labels, ActiveAlert]:
    """Return the alerts of a rule after one more evaluation.

    Args:
        rule: The rule.
        history: The samples; its `now` is the time of the evaluation.
        before: The alerts after the evaluation before.
        unseen: Alerts of before that stay as they are unless the condition holds for them: the
            samples do not reach back far enough to say that it does not.
    """
    held = dict(evaluate(rule.condition, history))
    firing = [labels for labels, alert in before.items() if alert.state == "firing"]
    if rule.clear is not None and firing:
        staying = evaluate(rule.condition_to_stay, history)
        held = {**{each: staying[each] for each in firing if each in staying}, **held}
    kept = {each: before[each] for each in unseen if each in before and each not in held}
    known = {each: value for each, value in held.items() if each in before}
    found = {
        labels: _advanced(rule, history.now, labels, value, before.get(labels))
        for labels, value in {**known, **held}.items()
    }
    return dict(islice({**kept, **found}.items(), MOST_ALERTS))


def _advanced(
    rule: AlertRule, now: int, labels: Labels, value: float, before: ActiveAlert | None
) -> ActiveAlert:
    alert = before or ActiveAlert(labels, "pending", now, None, value)
    if alert.state == "pending" and now - alert.since >= rule.for_seconds * 1_000:
        return replace(alert, state="firing", fired_at=now, value=value)
    return replace(alert, value=value)
