"""Turn the figures of a snapshot into Prometheus metrics.

prometheus-client writes the format; this is a collector for a registry of its own, so that two
hosts in one process do not share the global one. Each scrape reads all figures anew.

A component is one label value, and so is a host function; a guest chooses neither. `_series` bounds
the number of components, and that of histograms further: each is sixteen series. Names and units
follow Prometheus' conventions (`promtool check metrics`).

A scrape reads the figures on the event loop, in portions between which messages are handled. To sum
them up and write them down takes several times as long and is a worker thread's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TypeAlias

import anyio
import anyio.to_thread
from airswasm.runtime import BOUNDS, Meters
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from ._build import build_labels
from ._series import OTHER, Growth, Series
from ._snapshot import ComponentSample, Snapshot, Times

__all__ = ("OTHER", "Metrics")

_Metered: TypeAlias = Mapping[str, Mapping[str, float]]
_NO_TIMES = Times((0,) * (len(BOUNDS) + 1), 0.0)


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
    _Gauge("mailbox_messages", "Messages that wait in the mailbox.", lambda c: c.mailbox_size),
    _Gauge(
        "mailbox_bytes", "Bytes of payload that wait in the mailbox.", lambda c: c.mailbox_bytes
    ),
    _Gauge(
        "oldest_message_age_seconds", "Age of what waits longest.", lambda c: c.oldest_message_age
    ),
    _Gauge("durable_messages", "Messages that wait on the disk.", lambda c: c.durable_messages),
    _Gauge("durable_bytes", "Bytes of them.", lambda c: c.durable_bytes),
    _Gauge(
        "oldest_durable_age_seconds",
        "Age of what waits longest on the disk.",
        lambda c: c.oldest_durable_age,
    ),
    _Gauge("memory_bytes", "Linear memory of the guest.", lambda c: c.memory_bytes),
    _Gauge("memory_peak_bytes", "The most that any incarnation had.", lambda c: c.memory_peak),
    _Gauge("host_memory_bytes", "Kept by the host for it.", lambda c: c.host_memory_bytes),
    _Gauge("storage_bytes", "Stored bytes, as its quota counts them.", lambda c: c.storage_bytes),
    _Gauge("storage_quota_bytes", "The most of them.", lambda c: c.storage_quota_bytes),
    _Gauge("storage_keys", "Stored keys.", lambda c: c.storage_keys),
    _Gauge("storage_quota_keys", "The most of them.", lambda c: c.storage_quota_keys),
)
_COUNTERS = (
    _Counter("fuel", "Fuel used; one unit is about one instruction.", lambda c: c.fuel_used),
    _Counter("cpu_seconds", "Seconds at work, calls of the host included.", lambda c: c.cpu),
    _Counter("received_bytes", "Payloads of messages that it handled.", lambda c: c.received_bytes),
    _Counter("replied_bytes", "Answers of the component.", lambda c: c.replied_bytes),
    _Counter("restarts", "Starts after a failure.", lambda c: c.restarts),
    _Counter("updates", "Times that another version took over.", lambda c: c.updates),
    _Counter("failures", "Incarnations that ended with an error.", lambda c: c.failures),
)
_TIMES = (
    _Times("queue_seconds", "Messages' wait in the mailbox.", lambda c: c.queueing),
    _Times("handling_seconds", "Handling of messages, waiting included.", lambda c: c.handling),
)


class Metrics(Collector):
    """A registry with one collector over `take`, which makes a snapshot.

    Args:
        take: Makes the snapshot of this moment.
        look: Makes one while other tasks go on, for `scrape`; None for `take`.
        series_limit: Components with figures of their own; the others are added up.
        histogram_limit: Components with histograms of their own.
        meters: The figures of other blocks.

    Raises:
        ValueError: A block's metric has the name of one of this block's.
    """

    def __init__(
        self,
        take: Callable[[], Snapshot],
        *,
        look: Callable[[], Awaitable[Snapshot]] | None = None,
        series_limit: int = 1000,
        histogram_limit: int = 100,
        meters: Meters | None = None,
    ) -> None:
        self._take, self._look = take, look
        self._meters = meters or Meters()
        self._series = Series(series_limit)
        self._times = Series(histogram_limit)
        self._timed: dict[str, float] = {}  # the seconds that are added up already
        self._summing = Lock()
        self._collections = 0
        self._limiter: anyio.CapacityLimiter | None = None
        self._host_calls = Growth()
        self._called: dict[str, float] = {}  # likewise, of host functions
        self._check_names()
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def limit_series(self, series: int, histograms: int) -> None:
        """Give so many components figures of their own, and histograms, from now on."""
        self._series.limit, self._times.limit = series, histograms

    def render(self) -> bytes:
        """Return all figures of this moment in Prometheus' text format, UTF-8."""
        return generate_latest(self.registry)

    async def scrape(self) -> bytes:
        """Return what `render` does; other tasks go on meanwhile."""
        self._limiter = self._limiter or anyio.CapacityLimiter(1)
        async with self._limiter:  # an older look must not be summed up after a newer one
            while True:
                before = self._collections
                snapshot = await self._look() if self._look else self._take()
                write = partial(self._write, snapshot, self._metered(), before)
                page = await anyio.to_thread.run_sync(write)
                if page is not None:
                    return page

    def _write(self, snapshot: Snapshot, metered: _Metered, before: int) -> bytes | None:
        """Return the page; None if `collect` has looked later than this snapshot."""
        with self._summing:
            if self._collections != before:
                return None
            families = tuple(self._families(snapshot, metered))
        return generate_latest(_Collected(families))

    def describe(self) -> Iterable[Family]:
        """Return nothing: only a collection knows the families."""
        return ()

    def collect(self) -> Iterable[Family]:
        """Return the metric families of this moment."""
        with self._summing:
            self._collections += 1
            return tuple(self._families(self._take(), self._metered()))

    def _metered(self) -> _Metered:
        meters = self._meters
        return {metric.name: dict(meters.samples(metric.name)) for metric in meters.metrics}

    def _families(self, snapshot: Snapshot, metered: _Metered) -> Iterator[Family]:
        names = [component.name for component in snapshot.components]
        self._series.see([*names, *(name for values in metered.values() for name in values)])
        self._times.see(names)
        yield from self._host_families(snapshot)
        yield from self._component_families(snapshot.components, metered)
        yield from self._function_families(snapshot)

    def _check_names(self) -> None:
        """Refuse a second family of one name, which no scraper reads."""
        whole = Snapshot(
            0.0, (), audit_lines=0, storage_syncs=0, storage_expired=0,
            retained_values=0, retained_bytes=0, timers_waiting=0, event_loop_lag=_NO_TIMES,
            memory_bytes=0, memory_most_bytes=0, descriptors=0, descriptors_most=0,
        )  # fmt: skip
        taken: set[str] = set()
        for family in (
            *self._host_families(whole),
            *self._component_families((), {metric.name: {} for metric in self._meters.metrics}),
            *self._function_families(whole),
        ):
            if family.name in taken:
                raise ValueError(f"two blocks have the metric {family.name}: rename or remove one")
            taken.add(family.name)

    def _host_families(self, snapshot: Snapshot) -> Iterator[Family]:
        build = GaugeMetricFamily("airswasm_build_info", "Versions.", labels=tuple(build_labels()))
        build.add_metric(tuple(build_labels().values()), 1)
        yield build
        messages = CounterMetricFamily(
            "airswasm_messages", "Messages of all actors.", labels=["outcome"]
        )
        for outcome, count in snapshot.messages.items():
            messages.add_metric([outcome], count)
        yield messages
        yield from _message_families(snapshot)
        dead = CounterMetricFamily(
            "airswasm_dead_letters", "Messages that became dead letters.", labels=["reason"]
        )
        for reason, count in snapshot.dead_letters.items():
            dead.add_metric([reason], count)
        yield dead
        yield GaugeMetricFamily(
            "airswasm_storage_writable",
            "0 while the store refuses to write.",
            value=float(not snapshot.storage_failure),
        )
        if snapshot.event_loop_lag is not None:
            lag = HistogramMetricFamily(
                "airswasm_event_loop_lag_seconds", "Delay of a timer, tried once a second."
            )
            lag.add_metric([], *_buckets(snapshot.event_loop_lag))
            yield lag
        yield from _optional("airswasm_audit_lines", "Lines written.", snapshot.audit_lines)
        yield from _optional("airswasm_storage_syncs", "Disk waits.", snapshot.storage_syncs)
        yield from _optional(
            "airswasm_storage_expired", "Values that expired.", snapshot.storage_expired
        )
        for name, text, value in (
            ("memory_bytes", "Taken by all components.", snapshot.memory_bytes),
            ("memory_most_bytes", "What they may take.", snapshot.memory_most_bytes),
            ("descriptors", "Files and sockets open for components.", snapshot.descriptors),
            ("descriptors_most", "How many may be open.", snapshot.descriptors_most),
        ):
            if value is not None:
                yield GaugeMetricFamily(f"airswasm_host_{name}", text, value=value)

    def _component_families(
        self, components: tuple[ComponentSample, ...], metered: _Metered
    ) -> Iterator[Family]:
        yield GaugeMetricFamily("airswasm_components", "Known.", value=len(components))
        for gauge in _GAUGES:
            values = {component.name: gauge.read(component) for component in components}
            yield self._gauge(f"airswasm_component_{gauge.name}", gauge.help, values)
        counters = {component.name: _counters(component) for component in components}
        kinds = {metric.name: metric.kind for metric in self._meters.metrics}
        for metric, by_name in metered.items():
            if kinds[metric] == "counter":
                for name, value in by_name.items():
                    counters.setdefault(name, {})[metric] = value
        by_label = self._series.count(counters)
        yield _outcomes(by_label)
        for counter in _COUNTERS:
            family = f"airswasm_component_{counter.name}"
            yield _counter(family, counter.help, counter.name, by_label)
        timed = self._times.count(self._changed_times(components))
        for times in _TIMES:
            yield _histogram(f"airswasm_component_{times.name}", times.help, times.name, timed)
        for declared in self._meters.metrics:
            name = f"airswasm_{declared.name.removesuffix('_total')}"
            if declared.kind == "counter":
                yield _counter(name, declared.help, declared.name, by_label)
            else:
                yield self._gauge(name, declared.help, metered[declared.name])

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

    def _gauge(self, name: str, text: str, values: Mapping[str, float]) -> Family:
        family = GaugeMetricFamily(name, text, labels=["component"])
        totals: dict[str, float] = {}
        for component, value in values.items():
            label = self._series.label(component)
            totals[label] = totals.get(label, 0.0) + value
        for label, value in totals.items():
            family.add_metric([label], value)
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
            times.add_metric([function], *_buckets(_gathered(function, total)))
            fuel.add_metric([function], total[function, "fuel"])
        yield times
        yield fuel


class _Collected:
    """Families that were collected before, as prometheus-client takes them."""

    def __init__(self, families: tuple[Family, ...]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


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


def _counter(
    name: str, text: str, key: Hashable, by_label: Mapping[str, Mapping[Hashable, float]]
) -> Family:
    family = CounterMetricFamily(name, text, labels=["component"])
    for label, values in by_label.items():
        if key in values:
            family.add_metric([label], values[key])
    return family


def _histogram(
    name: str, text: str, key: str, by_label: Mapping[str, Mapping[Hashable, float]]
) -> Family:
    family = HistogramMetricFamily(name, text, labels=["component"])
    for label, values in by_label.items():
        if (key, "sum") in values:
            family.add_metric([label], *_buckets(_gathered(key, values)))
    return family


def _buckets(times: Times) -> tuple[list[tuple[str, float]], float]:
    """Return a distribution as prometheus-client takes it: how many are at or below each bound."""
    bounds, so_far, buckets = (*map(repr, BOUNDS), "+Inf"), 0, list[tuple[str, float]]()
    for bound, count in zip(bounds, times.counts, strict=True):
        so_far += count
        buckets.append((bound, so_far))
    return buckets, times.seconds


def _message_families(snapshot: Snapshot) -> Iterator[Family]:
    refusals = CounterMetricFamily(
        "airswasm_message_refusals", "Messages that components could not send.", labels=["reason"]
    )
    for reason, count in snapshot.refusals.items():
        refusals.add_metric([reason], count)
    yield refusals
    events = CounterMetricFamily(
        "airswasm_message_events", "What else happened to messages.", labels=["event"]
    )
    for event, count in snapshot.message_events.items():
        events.add_metric([event], count)
    yield events
    for name, text, value in (
        ("retained_values", "Topics with a retained value.", snapshot.retained_values),
        ("retained_bytes", "Bytes of retained values.", snapshot.retained_bytes),
        ("timers_waiting", "Messages that are set to be sent later.", snapshot.timers_waiting),
    ):
        if value is not None:
            yield GaugeMetricFamily(f"airswasm_{name}", text, value=value)


def _optional(name: str, text: str, value: int | None) -> Iterator[Family]:
    if value is not None:
        yield CounterMetricFamily(name, text, value=value)
