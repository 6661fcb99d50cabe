"""Check the conditions of rules against the metrics that the host has.

A condition that reads a metric, or compares a label, that does not exist holds never, or always: no
error shows it, in Prometheus as here. So the names are looked up where rules come into force. What
does not fit is a finding and no refusal: a rule may be meant for a block that is installed later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import TypeAlias

from .condition import Aggregation, Comparison, Matcher, Metric, parts_in, parts_of
from .rules import AlertRule

__all__ = ("KnownMetrics", "mistakes_in")

KnownMetrics: TypeAlias = Mapping[str, Mapping[str, frozenset[str] | None]]
"""By the names of a scrape: the labels, and the values that each can have; None for any."""


def mistakes_in(rules: Iterable[AlertRule], known: KnownMetrics) -> Iterator[tuple[str, str]]:
    """Iterate over what rules name that no metric has: the rule, and the mistake."""
    for rule in rules:
        found = dict.fromkeys(_mistakes(rule, known))
        yield from ((rule.name, each) for each in found)


def _mistakes(rule: AlertRule, known: KnownMetrics) -> Iterator[str]:
    for metric in parts_of(rule.condition, Metric):
        labels = known.get(metric.name)
        if labels is None:
            yield f"no metric {metric.name} exists{_near(metric.name, known)}"
            continue
        for matcher in metric.matchers:
            yield from _mistakes_of(metric.name, matcher, labels)
    for comparison in rule.condition.comparisons:
        yield from _unknown_labels("on", comparison.on or (), comparison, known)
    for sums in parts_of(rule.condition, Aggregation):
        yield from _unknown_labels("by", sums.by, sums, known)


def _mistakes_of(
    name: str, matcher: Matcher, labels: Mapping[str, frozenset[str] | None]
) -> Iterator[str]:
    if matcher.label not in labels:
        yield f"{name} has no label {matcher.label}{_near(matcher.label, labels)}"
        return
    values = labels[matcher.label]
    if values is None:
        return
    is_pattern = matcher.operator in ("=~", "!~")
    positive = replace(matcher, operator="=~" if is_pattern else "=")
    if not any(map(positive.accepts, values)):
        what = "no value like" if is_pattern else "no value"
        yield f"{matcher.label} of {name} has {what} {matcher.text!r}{_near(matcher.text, values)}"


def _unknown_labels(
    word: str, labels: Iterable[str], part: Comparison | Aggregation, known: KnownMetrics
) -> Iterator[str]:
    """Iterate over labels that none of the metrics has that are added up or compared."""
    metrics = [known[each.name] for each in parts_in(part.value, Metric) if each.name in known]
    there = {label for each in metrics for label in each}
    for label in labels if metrics else ():
        if label not in there:
            yield f"`{word} ({label})`: no metric there has the label{_near(label, there)}"


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
