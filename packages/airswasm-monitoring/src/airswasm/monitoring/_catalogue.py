"""The metrics that a host can have, as plain data: for pages, and to check what rules name."""

from __future__ import annotations

from collections.abc import Iterable

from airswasm.runtime import Meters
from airswasm.wit import Metric as Declared
from prometheus_client.core import Metric as Family

from ._alerts.checking import KnownMetrics
from ._families import Families
from ._full_snapshot import full_snapshot

__all__ = ("full_families", "known_metrics")

_CLOSED = frozenset(("event", "le", "outcome", "reason", "state"))
"""The labels of this block's families whose values are known; other blocks choose theirs."""


def full_families(metrics: Iterable[Declared]) -> list[Family]:
    """Return every family with a sample, those of other blocks included."""
    meters = Meters(metrics)
    for each in meters.metrics:
        label = "x" if each.label else ""
        if each.kind == "counter":
            meters.add(each.name, "a/b", label=label)
        else:
            meters.set(each.name, "a/b", 1.0, label=label)
    families = Families(meters, series_limit=1, histogram_limit=1)
    return list(families.of(full_snapshot(), families.metered()))


def known_metrics(metrics: Iterable[Declared]) -> KnownMetrics:
    """Return the metrics of a host by the names that they have in a scrape, with their labels."""
    declared = tuple(metrics)
    others = {f"airswasm_{each.name}".removesuffix("_total") for each in declared}
    found: dict[str, dict[str, set[str]]] = {}
    of_others: set[str] = set()
    for family in full_families(declared):
        for sample in family.samples:
            if family.name in others:
                of_others.add(sample.name)
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return {
        name: {
            label: frozenset(values) if label in _CLOSED and name not in of_others else None
            for label, values in labels.items()
        }
        for name, labels in found.items()
    }
