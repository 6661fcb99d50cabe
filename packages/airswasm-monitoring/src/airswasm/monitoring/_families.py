"""The metric families of one host, made of a snapshot.

A component is one label value, and so is a host function; a guest chooses neither. `_series` bounds
the number of components, and that of histograms further: each is sixteen series. Names and units
follow Prometheus' conventions (`promtool check metrics`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeAlias

from airswasm.actor import Receipt
from airswasm.runtime import BOUNDS, Meters
from airswasm.wit import Metric as Declared
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Exemplar, Sample

from ._full_snapshot import full_snapshot
from ._host_families import buckets_of, host_families
from ._series import OTHER, Growth, Series
from ._snapshot import ComponentSample, Snapshot, Times

__all__ = ("Exemplars", "Families", "Metered", "exemplars_of")

Exemplars: TypeAlias = Mapping[tuple[str, str, int], tuple[float, str]]
"""Measurements with the id of their trace: by histogram, component and bucket."""
Metered: TypeAlias = Mapping[str, Mapping[str, Mapping[str, float]]]
"""The figures of other blocks: by family, component and the value of a second label."""


@dataclass(frozen=True, slots=True)
class _Gauge:
    name: str
    help: str
    read: Callable[[ComponentSample], float]


@dataclass(frozen=True, slots=True)
class _Counter:
    name: str
    help: str
    read: Callable[[ComponentSample], float]


@dataclass(frozen=True, slots=True)
class _Times:
    name: str
    help: str
    read: Callable[[ComponentSample], Times | None]


_GAUGES = (
    _Gauge("running", "1 while the component runs.", lambda c: c.state == "running"),
    _Gauge("given_up", "1 once its supervisor gave up.", lambda c: c.state == "given_up"),
    _Gauge("mailbox_messages", "Messages that wait in the mailbox.", attrgetter("mailbox_size")),
    _Gauge(
        "mailbox_bytes", "Bytes of payload that wait in the mailbox.", lambda c: c.mailbox_bytes
    ),
    _Gauge(
        "oldest_message_age_seconds", "Age of what waits longest.", lambda c: c.oldest_message_age
    ),
    _Gauge("durable_messages", "Messages that wait on the disk.", attrgetter("durable_messages")),
    _Gauge("durable_bytes", "Bytes of them.", attrgetter("durable_bytes")),
    _Gauge(
        "oldest_durable_age_seconds",
        "Age of what waits longest on the disk.",
        attrgetter("oldest_durable_age"),
    ),
    _Gauge("memory_bytes", "Linear memory of the guest.", attrgetter("memory_bytes")),
    _Gauge("memory_peak_bytes", "The most that any incarnation had.", attrgetter("memory_peak")),
    _Gauge("host_memory_bytes", "Kept by the host for it.", attrgetter("host_memory_bytes")),
    _Gauge("storage_bytes", "Stored bytes, as its quota counts them.", attrgetter("storage_bytes")),
    _Gauge("storage_quota_bytes", "The most of them.", attrgetter("storage_quota_bytes")),
    _Gauge("storage_keys", "Stored keys.", attrgetter("storage_keys")),
    _Gauge("storage_quota_keys", "The most of them.", attrgetter("storage_quota_keys")),
)
_COUNTERS = (
    _Counter("fuel", "Fuel used; one unit is about one instruction.", attrgetter("fuel_used")),
    _Counter("cpu_seconds", "Seconds at work, calls of the host included.", attrgetter("cpu")),
    _Counter(
        "received_bytes", "Payloads of messages that it handled.", attrgetter("received_bytes")
    ),
    _Counter("replied_bytes", "Answers of the component.", attrgetter("replied_bytes")),
    _Counter("restarts", "Starts after a failure.", attrgetter("restarts")),
    _Counter("updates", "Times that another version took over.", attrgetter("updates")),
    _Counter("failures", "Incarnations that ended with an error.", attrgetter("failures")),
)
_TIMES = (
    _Times("queue_seconds", "Messages' wait in the mailbox.", lambda c: c.queueing),
    _Times("handling_seconds", "Handling of messages, waiting included.", lambda c: c.handling),
)


class Families:
    """Makes the families of each moment, and remembers what the sums need of the one before.

    Args:
        meters: The figures of other blocks.
        series_limit: Components with figures of their own; the others are added up.
        histogram_limit: Components with histograms of their own.

    Raises:
        ValueError: A block's metric has the name of one of this block's.
    """

    def __init__(self, meters: Meters, *, series_limit: int, histogram_limit: int) -> None:
        self._meters = meters
        self._series = Series(series_limit)
        self._times = Series(histogram_limit)
        self._timed: dict[str, float] = {}  # the seconds that are added up already
        self._host_calls = Growth()
        self._called: dict[str, float] = {}  # likewise, of host functions
        self._check_names()

    def limit_series(self, series: int, histograms: int) -> None:
        """Give so many components figures of their own, and histograms, from now on."""
        self._series.limit, self._times.limit = series, histograms

    def metered(self) -> Metered:
        """Return the figures of other blocks at this moment."""
        return {each.name: self._meters.labelled(each.name) for each in self._meters.metrics}

    def of(
        self,
        snapshot: Snapshot,
        metered: Metered,
        exemplars: Exemplars = MappingProxyType({}),
    ) -> Iterator[Family]:
        """Iterate over the families of a moment, which is not before the one of the last call."""
        names = [component.name for component in snapshot.components]
        self._series.see([*names, *(name for values in metered.values() for name in values)])
        self._times.see(names)
        yield from host_families(snapshot)
        yield from self._component_families(snapshot.components, metered, exemplars)
        yield from self._function_families(snapshot)

    def _check_names(self) -> None:
        """Refuse a second family of one name, which no scraper reads."""
        whole = replace(full_snapshot(), components=(), host_calls={})
        taken: set[str] = set()
        for family in (
            *host_families(whole),
            *self._component_families((), {metric.name: {} for metric in self._meters.metrics}, {}),
            *self._function_families(whole),
        ):
            if family.name in taken:
                raise ValueError(f"two blocks have the metric {family.name}: rename or remove one")
            taken.add(family.name)

    def _component_families(
        self, components: tuple[ComponentSample, ...], metered: Metered, exemplars: Exemplars
    ) -> Iterator[Family]:
        yield GaugeMetricFamily("airswasm_components", "Known.", value=len(components))
        own, others = list[tuple[dict[str, str], ComponentSample]](), list[ComponentSample]()
        for component in components:
            if self._series.label(component.name) == OTHER:
                others.append(component)
            else:  # one mapping for all samples of it: to make each its own takes longest
                own.append(({"component": component.name}, component))
        for gauge in _GAUGES:
            name = f"airswasm_component_{gauge.name}"
            family = GaugeMetricFamily(name, gauge.help, labels=["component"])
            family.samples += [
                Sample(name, labels, float(gauge.read(component))) for labels, component in own
            ]
            if others:
                family.add_metric([OTHER], sum(map(gauge.read, others)))
            yield family
        counters = {component.name: _counters(component) for component in components}
        kinds = {metric.name: metric.kind for metric in self._meters.metrics}
        for metric, by_name in metered.items():
            if kinds[metric] == "counter":
                for name, values in by_name.items():
                    mine = counters.setdefault(name, {})
                    mine.update({(metric, label): value for label, value in values.items()})
        by_label = self._series.count(counters)
        yield _outcomes(by_label)
        for counter in _COUNTERS:
            yield _counter(
                f"airswasm_component_{counter.name}", counter.help, counter.name, by_label
            )
        timed = self._times.count(self._changed_times(components))
        for times in _TIMES:
            yield _histogram(times, timed, exemplars)
        yield from self._metered_counters(by_label)
        for declared in self._meters.metrics:
            if declared.kind == "gauge":
                yield self._metered_gauge(declared, metered[declared.name])

    def _metered_counters(
        self, by_label: Mapping[str, Mapping[Hashable, float]]
    ) -> Iterator[Family]:
        counters = [each for each in self._meters.metrics if each.kind == "counter"]
        families = {
            each.name: CounterMetricFamily(
                f"airswasm_{each.name.removesuffix('_total')}", each.help, labels=_labels(each)
            )
            for each in counters
        }
        for label, values in by_label.items():
            for key, value in values.items():
                match key:
                    case (str(name), str(second)) if name in families:
                        families[name].add_metric([label, second] if second else [label], value)
                    case _:
                        pass
        yield from families.values()

    def _changed_times(
        self, components: tuple[ComponentSample, ...]
    ) -> dict[str, Mapping[Hashable, float]]:
        """Return the times of those with histograms of their own, and of others what is new."""
        before, self._timed = self._timed, {}
        found: dict[str, Mapping[Hashable, float]] = {}
        for component in components:
            read = [(each.name, each.read(component)) for each in _TIMES]
            seconds = sum(times.seconds for _, times in read if times is not None)
            name = component.name
            self._timed[name] = seconds
            if self._times.label(name) != OTHER or before.get(name) != seconds:
                flat: dict[Hashable, float] = {}
                for family, times in read:
                    if times is not None and any(times.counts):
                        flat.update(_flat(family, times))
                if flat:
                    found[name] = flat
        return found

    def _metered_gauge(
        self, declared: Declared, values: Mapping[str, Mapping[str, float]]
    ) -> Family:
        family = GaugeMetricFamily(
            f"airswasm_{declared.name}", declared.help, labels=_labels(declared)
        )
        totals: dict[tuple[str, ...], float] = {}
        for component, of_component in values.items():
            label = self._series.label(component)
            for second, value in of_component.items():
                key = (label, *((second,) if declared.label else ()))
                totals[key] = totals.get(key, 0.0) + value
        for labels, total in totals.items():
            family.add_metric(labels, total)
        return family

    def _function_families(self, snapshot: Snapshot) -> Iterator[Family]:
        """Yield the calls of host functions, of all components together."""
        self._host_calls.keep(snapshot.host_calls)
        before, self._called = self._called, {}
        for name, calls in snapshot.host_calls.items():
            self._called[name] = seconds = sum(use.times.seconds for use in calls.values())
            if before.get(name) == seconds:
                continue
            values: dict[Hashable, float] = {}
            for function, use in calls.items():
                values[function, "fuel"] = use.fuel
                values.update(_flat(function, use.times))
            self._host_calls.add(name, values)
        total = self._host_calls.total
        functions: list[str] = []
        for key in total:
            match key:
                case (str(function), "fuel"):
                    functions.append(function)
                case _:
                    pass
        times = HistogramMetricFamily(
            "airswasm_host_call_seconds", "Calls of host functions.", labels=["function"]
        )
        fuel = CounterMetricFamily(
            "airswasm_host_call_fuel", "Fuel charged for them.", labels=["function"]
        )
        for function in functions:
            times.add_metric([function], *buckets_of(_gathered(function, total)))
            fuel.add_metric([function], total[function, "fuel"])
        yield times
        yield fuel


def _counters(component: ComponentSample) -> dict[Hashable, float]:
    """Return all counters of a component."""
    outcomes = component.outcomes or {"handled": component.handled}
    found: dict[Hashable, float] = {
        ("outcome", outcome): count for outcome, count in outcomes.items() if count
    }
    for counter in _COUNTERS:
        found[counter.name] = counter.read(component)
    return found


def _flat(name: str, times: Times) -> dict[Hashable, float]:
    """Return a distribution as counters: one for each bucket, and the sum."""
    flat: dict[Hashable, float] = {(name, at): count for at, count in enumerate(times.counts)}
    flat[name, "sum"] = times.seconds
    return flat


def _gathered(name: str, values: Mapping[Hashable, float]) -> Times:
    """Return the distribution that `_flat` has made counters of."""
    counts = tuple(int(values.get((name, at), 0)) for at in range(len(BOUNDS) + 1))
    return Times(counts, values.get((name, "sum"), 0.0))


def _outcomes(by_label: Mapping[str, Mapping[Hashable, float]]) -> Family:
    family = CounterMetricFamily(
        "airswasm_component_messages", "Messages by outcome.", labels=["component", "outcome"]
    )
    for label, values in by_label.items():
        for key, value in values.items():
            match key:
                case ("outcome", str(outcome)):
                    family.add_metric([label, outcome], value)
                case _:
                    pass
    return family


def _labels(declared: Declared) -> tuple[str, ...]:
    return ("component", declared.label) if declared.label else ("component",)


def _counter(
    name: str, text: str, key: Hashable, by_label: Mapping[str, Mapping[Hashable, float]]
) -> Family:
    family = CounterMetricFamily(name, text, labels=["component"])
    for label, values in by_label.items():
        if key in values:
            family.add_metric([label], values[key])
    return family


def _histogram(
    declared: _Times, by_label: Mapping[str, Mapping[Hashable, float]], exemplars: Exemplars
) -> Family:
    name = f"airswasm_component_{declared.name}"
    family = HistogramMetricFamily(name, declared.help, labels=["component"])
    for label, values in by_label.items():
        if (declared.name, "sum") not in values:
            continue
        buckets, seconds = buckets_of(_gathered(declared.name, values))
        marked: list[Any] = list(buckets)
        for at, bucket in enumerate(buckets):
            found = exemplars.get((declared.name, label, at))
            if found is not None:
                marked[at] = (*bucket, Exemplar({"trace_id": found[1]}, found[0]))
        family.add_metric([label], marked, seconds)
    return family


def exemplars_of(receipts: Iterable[Receipt]) -> Exemplars:
    """Return the last traced measurement in each bucket of each component's histograms."""
    found: dict[tuple[str, str, int], tuple[float, str]] = {}
    for each in receipts:
        if each.trace is None:
            continue
        trace_id = each.trace.context.trace_id
        for name, value in (
            ("handling_seconds", each.run_seconds),
            ("queue_seconds", each.queue_seconds),
        ):
            found[name, each.receiver, bisect_left(BOUNDS, value)] = (value, trace_id)
    return found
