"""The host's counters and gauges: figures of the blocks, for each component.

A block declares its metrics (`airswasm.wit.Metric`) and counts them here; an observer, where one
is installed, reads them when it is asked. Counting is one addition to a dictionary, so it costs
the same whether or not anything reads it. A value belongs to a component and, where the family has
a second label, to a value of that which the block chooses: no label value is chosen by a guest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from airswasm.wit import Metric

__all__ = ("Meters",)


class Meters:
    """The counters and gauges of one host.

    Args:
        metrics: The families that may be counted.
    """

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._values: dict[str, dict[str, dict[str, float]]] = {name: {} for name in self._metrics}

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The families."""
        return tuple(self._metrics.values())

    def add(self, metric: str, component: str, amount: float = 1.0, *, label: str = "") -> None:
        """Add to a component's value.

        Args:
            metric: The family.
            component: Whose value.
            amount: How much.
            label: The value of the family's second label, where it has one.

        Raises:
            KeyError: No block declares the metric.
            ValueError: A counter would go down, or the family has no second label, or needs one.
        """
        declared = self._metrics[metric]
        if amount < 0 and declared.kind == "counter":
            raise ValueError(f"{metric} is a counter and cannot go down")
        values = self._of(declared, component, label)
        values[label] = values.get(label, 0.0) + amount

    def set(self, metric: str, component: str, value: float, *, label: str = "") -> None:
        """Set a component's gauge.

        Raises:
            KeyError: No block declares the metric.
            ValueError: It is a counter, or the family has no second label, or needs one.
        """
        declared = self._metrics[metric]
        if declared.kind == "counter":
            raise ValueError(f"{metric} is a counter: use `add`")
        self._of(declared, component, label)[label] = value

    def samples(self, metric: str) -> Iterator[tuple[str, float]]:
        """Iterate over the components of a family and their values, summed over a second label.

        Raises:
            KeyError: No block declares the metric.
        """
        for component, values in list(self._values[metric].items()):
            yield component, sum(values.values())

    def labelled(self, metric: str) -> Mapping[str, Mapping[str, float]]:
        """Return the values of a family, by component and by the value of its second label.

        Raises:
            KeyError: No block declares the metric.
        """
        return {name: values.copy() for name, values in self._values[metric].items()}

    def forget(self, component: str) -> None:
        """Drop all values of a component that is gone."""
        for values in self._values.values():
            values.pop(component, None)

    def _of(self, declared: Metric, component: str, label: str) -> dict[str, float]:
        if bool(label) != bool(declared.label):
            wanted = f"a value of {declared.label}" if declared.label else "no second label"
            raise ValueError(f"{declared.name} has {wanted}")
        return self._values[declared.name].setdefault(component, {})
