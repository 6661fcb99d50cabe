"""The samples that conditions look back on.

Only metrics of conditions are kept, and no sample is older than the longest window over its metric.
A series that is absent in a collection has ended, as it has for Prometheus: it has no present value
any more, and windows still see what it had. A series is two arrays of numbers, so an hour of a
thousand series, one sample each 15 seconds, takes 4 MB.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from .condition import Condition, Metric, Windowed, parts_of

__all__ = ("Labels", "Sample", "SampleHistory", "windows_of")

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, sorted, without the metric's name."""
Sample: TypeAlias = tuple[str, Labels, float]
"""The metric, its labels and its value."""


class SampleHistory:
    """The samples of some metrics in the last time.

    Args:
        windows: How far back each metric is kept, in milliseconds; others are not kept at all.
    """

    def __init__(self, windows: Mapping[str, int]) -> None:
        self._windows = dict(windows)
        self._series: dict[str, dict[Labels, _Series]] = {name: {} for name in windows}
        self.now = 0

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics that are kept."""
        return frozenset(self._windows)

    def look_back(self, windows: Mapping[str, int]) -> None:
        """Keep other metrics from now on, or for another time; what is there of them stays."""
        self._windows = dict(windows)
        self._series = {name: self._series.get(name, {}) for name in windows}

    def add(self, now: int, samples: Iterable[Sample]) -> None:
        """Add one collection.

        Args:
            now: When it was made, in milliseconds, later than the one before.
            samples: What was collected; metrics that are not kept are left out.
        """
        for name, labels, value in samples:
            series = self._series.get(name)
            if series is not None:
                series.setdefault(labels, _Series()).add(now, value)
        self.now = now
        for name, series in self._series.items():
            first = now - self._windows[name]
            for labels in [each for each, kept in series.items() if kept.last < first]:
                del series[labels]
            for kept in series.values():
                kept.drop_before(first)

    def present(self, metric: Metric) -> Iterator[tuple[Labels, float]]:
        """Iterate over the series of a metric that were in the last collection."""
        for labels, series in self._matching(metric):
            if series.last == self.now:
                yield labels, series.values[-1]

    def window(
        self, metric: Metric, milliseconds: int
    ) -> Iterator[tuple[Labels, array[int], array[float]]]:
        """Iterate over the series of a metric, each with the times and values of a window."""
        for labels, series in self._matching(metric):
            at = bisect_left(series.times, self.now - milliseconds)
            if at < len(series.times):
                yield labels, series.times[at:], series.values[at:]

    def _matching(self, metric: Metric) -> Iterator[tuple[Labels, _Series]]:
        for labels, series in self._series.get(metric.name, {}).items():
            values = dict(labels)
            if all(each.accepts(values.get(each.label, "")) for each in metric.matchers):
                yield labels, series


class _Series:
    """The samples of one series, the oldest first."""

    __slots__ = ("times", "values")

    def __init__(self) -> None:
        self.times: array[int] = array("q")
        self.values: array[float] = array("d")

    @property
    def last(self) -> int:
        return self.times[-1] if self.times else -1

    def add(self, now: int, value: float) -> None:
        self.times.append(now)
        self.values.append(value)

    def drop_before(self, first: int) -> None:
        if self.times and self.times[0] < first:
            at = bisect_left(self.times, first)
            del self.times[:at], self.values[:at]


def windows_of(conditions: Iterable[Condition]) -> dict[str, int]:
    """Return how far back conditions look, by metric, in milliseconds."""
    windows: dict[str, int] = {}
    for condition in conditions:
        for name in condition.metrics:
            windows.setdefault(name, 0)
        for part in parts_of(condition, Windowed):
            windows[part.metric.name] = max(windows[part.metric.name], part.window)
    return windows
