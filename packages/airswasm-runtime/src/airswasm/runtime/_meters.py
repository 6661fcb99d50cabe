"""The host's counters and gauges: figures of the blocks, for each component.

A block declares its metrics (`airswasm.wit.Metric`) and counts them here; an observer, where one
is installed, reads them when it is asked. Counting is one addition to a dictionary, so it costs
the same whether or not anything reads it. Labels are components' names and nothing else: no
label value is chosen by a guest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airswasm.wit import Metric

__all__ = ("Meters",)


class Meters:
    """The counters and gauges of one host.

    Args:
        metrics: The families that may be counted.
    """

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._values: dict[str, dict[str, float]] = {name: {} for name in self._metrics}

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The families."""
        return tuple(self._metrics.values())

    def add(self, metric: str, component: str, amount: float = 1.0) -> None:
        """Add to a component's value.

        Raises:
            KeyError: No block declares the metric.
            ValueError: A counter would go down.
        """
        if amount < 0 and self._metrics[metric].kind == "counter":
            raise ValueError(f"{metric} is a counter and cannot go down")
        values = self._values[metric]
        values[component] = values.get(component, 0.0) + amount

    def set(self, metric: str, component: str, value: float) -> None:
        """Set a component's gauge.

        Raises:
            KeyError: No block declares the metric.
            ValueError: It is a counter.
        """
        if self._metrics[metric].kind == "counter":
            raise ValueError(f"{metric} is a counter: use `add`")
        self._values[metric][component] = value

    def samples(self, metric: str) -> Iterator[tuple[str, float]]:
        """Iterate over the components of a family and their values.

        Raises:
            KeyError: No block declares the metric.
        """
        yield from list(self._values[metric].items())

    def forget(self, component: str) -> None:
        """Drop all values of a component that is gone."""
        for values in self._values.values():
            values.pop(component, None)
