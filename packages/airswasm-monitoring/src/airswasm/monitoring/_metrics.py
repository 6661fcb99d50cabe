"""Turn the figures of a snapshot into Prometheus metrics.

prometheus-client writes the format; this is a collector for a registry of its own, so that two
hosts in one process do not share the global one. Each scrape reads all figures anew.

A component is one label value. Prometheus stores each series for ever, so at most `series_limit`
components get their own; the others are added up as `_other`, and the sum over all series stays
right. A guest chooses no label value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from airswasm.runtime import Meters
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from ._snapshot import ComponentSample, Snapshot

__all__ = ("OTHER", "Metrics")

OTHER = "_other"
"""The component label of all components beyond the limit."""


@dataclass(frozen=True, slots=True)
class _Figure:
    name: str
    help: str
    read: Callable[[ComponentSample], float]
    is_counter: bool = False


_FIGURES = (
    _Figure("running", "1 while the component runs.", lambda c: float(c.state == "running")),
    _Figure("given_up", "1 once its supervisor gave up.", lambda c: float(c.state == "given_up")),
    _Figure("mailbox_messages", "Messages that wait in the mailbox.", lambda c: c.mailbox_size),
    _Figure(
        "mailbox_bytes", "Bytes of payload that wait in the mailbox.", lambda c: c.mailbox_bytes
    ),
    _Figure("memory_bytes", "Linear memory of the guest.", lambda c: c.memory_bytes),
    _Figure("host_memory_bytes", "Kept by the host for it.", lambda c: c.host_memory_bytes),
    _Figure("messages", "Messages handled.", lambda c: c.handled, is_counter=True),
    _Figure("fuel", "Fuel used; one unit is about one instruction.", lambda c: c.fuel_used, True),
    _Figure("restarts", "Starts after the first.", lambda c: c.restarts, is_counter=True),
    _Figure("failures", "Incarnations that ended with an error.", lambda c: c.failures, True),
)


class Metrics(Collector):
    """A registry with one collector over `take`, which makes a snapshot.

    Args:
        take: Makes the snapshot of this moment.
        series_limit: Components with figures of their own; the others are added up.
        meters: The figures of other blocks.

    Raises:
        ValueError: A block's metric has the name of one of this block's.
    """

    def __init__(
        self,
        take: Callable[[], Snapshot],
        *,
        series_limit: int = 1000,
        meters: Meters | None = None,
    ) -> None:
        self._take = take
        self._meters = meters or Meters()
        self._series_limit = series_limit
        self._own_series: set[str] = set()
        self._check_names()
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def render(self) -> bytes:
        """Return all figures in Prometheus' text format, UTF-8."""
        return generate_latest(self.registry)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: only a collection knows the families."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families of this moment."""
        snapshot = self._take()
        yield from self._host_families(snapshot)
        yield from self._component_families(snapshot.components)
        yield from self._block_families()

    def _check_names(self) -> None:
        """Refuse a second family of one name, which no scraper reads."""
        whole = Snapshot(0.0, (), audit_lines=0, storage_syncs=0)
        own = [*self._host_families(whole), *self._component_families(())]
        taken = {family.name for family in own}
        for family in self._block_families():
            if family.name in taken:
                raise ValueError(f"two blocks have the metric {family.name}: rename or remove one")

    def _host_families(self, snapshot: Snapshot) -> Iterator[Metric]:
        messages = CounterMetricFamily(
            "airswasm_messages", "Messages of all actors.", labels=["outcome"]
        )
        for outcome, count in snapshot.messages.items():
            messages.add_metric([outcome], count)
        yield messages
        dead = CounterMetricFamily("airswasm_dead_letters", "Undelivered.", labels=["reason"])
        for reason, count in snapshot.dead_letters.items():
            dead.add_metric([reason], count)
        yield dead
        yield GaugeMetricFamily(
            "airswasm_storage_writable",
            "0 while the store refuses to write.",
            value=float(not snapshot.storage_failure),
        )
        yield from _optional("airswasm_audit_lines", "Lines written.", snapshot.audit_lines)
        yield from _optional("airswasm_storage_syncs", "Disk waits.", snapshot.storage_syncs)

    def _component_families(self, components: tuple[ComponentSample, ...]) -> Iterator[Metric]:
        labels = [self._label(component.name) for component in components]
        yield GaugeMetricFamily("airswasm_components", "Known.", value=len(components))
        for figure in _FIGURES:
            family = CounterMetricFamily if figure.is_counter else GaugeMetricFamily
            metric = family(f"airswasm_component_{figure.name}", figure.help, labels=["component"])
            totals: dict[str, float] = {}
            for label, component in zip(labels, components, strict=True):
                totals[label] = totals.get(label, 0.0) + figure.read(component)
            for label, value in totals.items():
                metric.add_metric([label], value)
            yield metric

    def _block_families(self) -> Iterator[Metric]:
        """Yield the metrics of other blocks, by their declarations."""
        for declared in self._meters.metrics:
            is_counter = declared.kind == "counter"
            family = CounterMetricFamily if is_counter else GaugeMetricFamily
            name = f"airswasm_{declared.name.removesuffix('_total')}"
            metric = family(name, declared.help, labels=["component"])
            totals: dict[str, float] = {}
            for component, value in self._meters.samples(declared.name):
                label = self._label(component)
                totals[label] = totals.get(label, 0.0) + value
            for label, value in totals.items():
                metric.add_metric([label], value)
            yield metric

    def _label(self, name: str) -> str:
        """Return the name itself for the first `series_limit` components, then `OTHER`."""
        if name not in self._own_series:
            if len(self._own_series) >= self._series_limit:
                return OTHER
            self._own_series.add(name)
        return name


def _optional(name: str, text: str, value: int | None) -> Iterator[Metric]:
    if value is not None:
        yield CounterMetricFamily(name, text, value=value)
