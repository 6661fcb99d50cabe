"""The observer of one host: it listens to rare events, and reads the rest on demand.

The host creates it, because the block declares it (`Block.observe`), and runs `run`, which measures
how late the event loop is. An embedder creates one over its own `ActorSystem`, and does the same or
not.

What each message costs is added up where it is handled (`ActorSystem.receipts`); the monitor asks
for that and reads it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, time
from typing import Any

import anyio
import anyio.lowlevel
from airswasm.actor import ActorRef, ActorSystem, DeathReason, Tally
from airswasm.messaging import DurableDelivery, MessagingCounters
from airswasm.runtime import (
    HealthSources,
    Histogram,
    HostMemory,
    LiveSettings,
    Meters,
    Services,
)
from airswasm.security import AuditLog
from airswasm.storage import StorageError, StorageQuotas, Store

from ._alerts.alerts import Alerts
from ._alerts.settings import AlertSettings
from ._catalogue import known_metrics
from ._full_snapshot import MESSAGE_COUNTERS, events_of
from ._health import HealthReport, Thresholds, assess
from ._history import ComponentHistory, History, state_of
from ._metrics import Metrics
from ._settings import MonitoringSettings
from ._snapshot import ComponentSample, HostCallSample, Snapshot, Times
from ._tracing.settings import TracingSettings
from ._tracing.traces import Traces
from ._watching.watching import Watching

__all__ = ("Monitor", "observe")

_PORTION = 100
"""Components that are looked at before others have a turn."""
_LAG_SECONDS = 1.0
"""Between two looks at how late the event loop is."""
_JUMP_SECONDS = 5.0
"""The seconds by which the wall clock may be ahead or behind after that."""


class Monitor:
    """Watches one actor system, with its store and audit log if it has any.

    Attributes:
        history: The history of each component.
        metrics: The figures for Prometheus.
        alerts: The rules and their alerts; None where none are evaluated.
        thresholds: Thresholds above which a figure becomes a finding.
        is_measuring: Whether messages are measured.
        traces: The traces of messages.
        watching: Live tables, for readers that stay.
        has_page: Whether the host serves its page.
    """

    def __init__(
        self,
        system: ActorSystem,
        *,
        store: Store | None = None,
        quotas: StorageQuotas | None = None,
        audit: AuditLog | None = None,
        thresholds: Thresholds = Thresholds(),  # noqa: B008 - it is frozen
        series_limit: int = 1000,
        histogram_limit: int = 100,
        meters: Meters | None = None,
        is_measuring: bool = True,
        has_page: bool = True,
        memory: HostMemory | None = None,
        sources: HealthSources | None = None,
        messaging: MessagingCounters | None = None,
        delivery: DurableDelivery | None = None,
        alerts: AlertSettings | None = None,
        wall_clock: Callable[[], float] = time,
        tracing: TracingSettings | None = None,
    ) -> None:
        self._system = system
        self._store = store
        self._quotas = quotas
        self._audit = audit
        self._memory = memory
        self._messaging = messaging
        self._delivery = delivery
        self._sources = sources or HealthSources()
        self._wall_clock = wall_clock
        self._late: float | None = None
        self._jump: tuple[float | None, float] = (None, 0.0)
        self.thresholds = thresholds
        self.history = History()
        self.metrics = Metrics(
            self.snapshot,
            look=self.look,
            series_limit=series_limit,
            histogram_limit=histogram_limit,
            meters=meters,
            receipts=lambda: self.traces.recent.receipts(),
        )
        self.alerts: Alerts | None = None
        if alerts is not None:
            self.alerts = Alerts(
                alerts,
                self.metrics.samples,
                home=store.path.parent if store is not None else Path(),
                store=store,
                audit=audit,
                clock=wall_clock,
                known=known_metrics(meters.metrics if meters else ()),
            )
        self.is_measuring = is_measuring
        self.traces = Traces(system, tracing or TracingSettings(traces="off"))
        self._sources.add("traces", self.traces.findings)
        self.watching = Watching(system, self.history, self.look_at_health, memory)
        self.has_page = has_page
        self._lag = Histogram()
        self._listening = [system.events.listen(self.history.note)]
        if is_measuring:
            self._listening.append(system.receipts.measure())

    def hold_to(self, settings: MonitoringSettings) -> None:
        """Take changed settings over, but for what holds from a host's start on."""
        self.thresholds = settings.thresholds
        self.has_page = settings.page == "on"
        self.metrics.limit_series(settings.series, settings.histograms)

    def close(self) -> None:
        """Stop listening and measuring. The collected figures stay readable."""
        self.traces.close()
        for each in self._listening:
            each.cancel()

    async def run(self) -> None:
        """Watch the event loop and the clock, evaluate rules, and export spans until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.traces.run)
            if self.alerts is not None:
                group.start_soon(self.alerts.run)
            await self._watch_clocks()

    async def _watch_clocks(self) -> None:
        while True:
            expected = monotonic() + _LAG_SECONDS
            wall = self._wall_clock() - monotonic()
            await anyio.sleep(_LAG_SECONDS)
            self._late = max(0.0, monotonic() - expected)
            if self.is_measuring:
                self._lag.add(self._late)
            jump = self._wall_clock() - monotonic() - wall
            if abs(jump) > _JUMP_SECONDS:
                self._jump = self._system.clock(), jump

    def health(self) -> HealthReport:
        """Return the health of this moment."""
        return self._assess(self.snapshot())

    async def look_at_health(self) -> HealthReport:
        """Return the health, component by component, while other tasks go on."""
        return self._assess(await self.look())

    def _assess(self, snapshot: Snapshot) -> HealthReport:
        return assess(snapshot, self.thresholds, self._sources.findings())

    def snapshot(self) -> Snapshot:
        """Return the host at this moment, at once; this takes about 10 us for each component."""
        return self._snapshot(tuple(self._samples()))

    async def look(self) -> Snapshot:
        """Return the host, component by component, while other tasks go on.

        The figures of one component belong to one moment; those of two may be some time apart.
        """
        samples: list[ComponentSample] = []
        for sample in self._samples():
            samples.append(sample)
            if not len(samples) % _PORTION:
                await anyio.lowlevel.checkpoint()
        return self._snapshot(tuple(samples))

    def _snapshot(self, samples: tuple[ComponentSample, ...]) -> Snapshot:
        system, dispatcher = self._system, self._system.dispatcher
        failure = self._store.failure if self._store else None
        return Snapshot(
            time=system.clock(),
            components=samples,
            messages={
                outcome: getattr(dispatcher, counter)
                for outcome, counter in MESSAGE_COUNTERS.items()
            },
            refusals=dict(self._messaging.refused) if self._messaging else {},
            message_events=events_of(self._messaging) if self._messaging else {},
            retained_values=self._messaging.retained_values if self._messaging else None,
            retained_bytes=self._messaging.retained_bytes if self._messaging else None,
            timers_waiting=self._messaging.timers_waiting if self._messaging else None,
            dead_letters={
                reason.value: system.dead_letters.by_reason.get(reason, 0) for reason in DeathReason
            },
            audit_lines=self._audit.head.line if self._audit else None,
            storage_syncs=self._store.syncs if self._store else None,
            storage_expired=self._store.expired_entries if self._store else None,
            storage_failure=str(failure) if failure else "",
            audit_failure=(self._audit.failure or "") if self._audit else "",
            disk_free_bytes=self._disk_free(),
            event_loop_late=self._late,
            clock_jump=self._jump,
            event_loop_lag=_times(self._lag) if self.is_measuring else None,
            host_calls={
                tally.name: _host_calls(tally)
                for tally in system.receipts.all()
                if tally.usage.host
            },
            spans=self.traces.numbers() if self.traces.is_tracing else None,
            alerts=self.alerts.counts() if self.alerts else None,
            notifications=self.alerts.outcomes() if self.alerts else {},
            memory_bytes=self._memory.taken_bytes if self._memory else None,
            memory_most_bytes=self._memory.most_bytes if self._memory else None,
            descriptors=self._memory.held_descriptors if self._memory else None,
            descriptors_most=self._memory.most_descriptors if self._memory else None,
        )

    def _samples(self) -> Iterator[ComponentSample]:
        # A durable component is not among the routes: its messages go to its log first.
        routes = {**self._system.actors, **self._system.broker.routes}
        receipts = self._system.receipts
        for name, ref in routes.items():
            further = {**self._durable(name), **self._stored(name)}
            if (tally := receipts.of(ref.name)) is not None:
                further |= _measured(tally)
            yield _sample(name, ref, self.history.of(ref.name), further)
        shown = set(routes)
        for each in self.history.all():
            if each.state == "given_up" and each.name not in routes:
                shown.add(each.name)
                yield ComponentSample(**_remembered(each), **self._durable(each.name))
        for name in self._delivery.names() if self._delivery else ():
            if name not in shown:  # stopped, or not started yet: its messages wait all the same
                clock = self._system.clock()
                yield ComponentSample(name, "stopped", clock, **self._durable(name))

    def _durable(self, name: str) -> dict[str, Any]:
        """Return what waits on the disk, as fields of a sample."""
        found = self._delivery.status(name) if self._delivery else None
        if found is None:
            return {}
        return {
            "durable_messages": found.messages,
            "durable_bytes": found.size_bytes,
            "oldest_durable_age": found.oldest_age or 0.0,
        }

    def _disk_free(self) -> int | None:
        if self._store is None or not self._store.path.is_dir():
            return None
        with suppress(OSError):
            return shutil.disk_usage(self._store.path).free
        return None

    def _stored(self, name: str) -> dict[str, Any]:
        """Return what a component stores, as fields of its sample."""
        if self._store is None:
            return {}
        with suppress(StorageError):  # `storage_failure` tells of it
            usage, quotas = self._store.namespace(name).read_usage(), self._quotas
            return {
                "storage_bytes": usage.used_bytes,
                "storage_quota_bytes": quotas.quota_bytes(name) if quotas else 0,
                "storage_keys": usage.keys,
                "storage_quota_keys": (quotas.quota_keys(name) if quotas else 0) or 0,
            }
        return {}


def observe(services: Services) -> Monitor:
    """Return the monitor of the host that `services` describes."""
    settings = MonitoringSettings()
    if services.has(MonitoringSettings):
        settings = services.get(MonitoringSettings)
    tracing = TracingSettings()
    if services.has(TracingSettings):
        tracing = services.get(TracingSettings)
    monitor = Monitor(
        services.get(ActorSystem),
        thresholds=settings.thresholds,
        series_limit=settings.series,
        histogram_limit=settings.histograms,
        is_measuring=settings.metrics == "on",
        has_page=settings.page == "on",
        meters=services.get(Meters) if services.has(Meters) else None,
        store=services.get(Store) if services.has(Store) else None,
        quotas=services.get(StorageQuotas) if services.has(StorageQuotas) else None,  # type: ignore[type-abstract]
        audit=services.get(AuditLog) if services.has(AuditLog) else None,
        memory=services.get(HostMemory) if services.has(HostMemory) else None,
        sources=services.get(HealthSources) if services.has(HealthSources) else None,
        messaging=services.get(MessagingCounters) if services.has(MessagingCounters) else None,
        delivery=services.get(DurableDelivery) if services.has(DurableDelivery) else None,
        tracing=tracing,
        alerts=services.get(AlertSettings) if services.has(AlertSettings) else AlertSettings(),
    )
    alerts = monitor.alerts
    if alerts is not None:
        services.add(Alerts, alerts)
        if services.has(HealthSources):
            services.get(HealthSources).add("alerts", alerts.findings)
    if services.has(LiveSettings):
        services.get(LiveSettings).take(MonitoringSettings, monitor.hold_to)
        services.get(LiveSettings).take(TracingSettings, monitor.traces.hold_to)
        if alerts is not None:
            services.get(LiveSettings).take(AlertSettings, alerts.hold_to)
    return monitor


def _sample(
    name: str, ref: ActorRef, history: ComponentHistory | None, further: Mapping[str, Any]
) -> ComponentSample:
    known = history or ComponentHistory(ref.name)
    mailbox, actor = ref.mailbox, ref.actor
    return ComponentSample(
        name,
        state_of(ref, known),
        known.since,
        ref.incarnation,
        known.restarts,
        known.updates,
        known.failures,
        known.last_error,
        known.last_failure_at,
        mailbox_size=mailbox.size,
        mailbox_capacity=mailbox.capacity,
        mailbox_bytes=mailbox.size_bytes,
        mailbox_capacity_bytes=mailbox.capacity_bytes,
        oldest_message_age=mailbox.oldest_age,
        handled=ref.handled,
        memory_bytes=getattr(actor, "memory_bytes", 0),
        host_memory_bytes=getattr(actor, "host_memory_bytes", 0),
        **further,
    )


def _measured(tally: Tally) -> dict[str, Any]:
    """Return the sums over a component's messages, as fields of its sample."""
    return {
        "outcomes": {outcome.value: count for outcome, count in tally.outcomes.items()},
        "received_bytes": tally.bytes_in,
        "replied_bytes": tally.bytes_out,
        "queueing": _times(tally.queueing),
        "handling": _times(tally.handling),
        "fuel_used": tally.usage.fuel,
        "cpu": tally.usage.busy_seconds,
        "memory_peak": tally.usage.memory_peak_bytes,
    }


def _remembered(history: ComponentHistory) -> dict[str, Any]:
    """Return what is known from events, as fields of a sample."""
    return {
        "name": history.name,
        "state": history.state,
        "since": history.since,
        "incarnation": history.incarnation,
        "restarts": history.restarts,
        "updates": history.updates,
        "failures": history.failures,
        "last_error": history.last_error,
        "last_failure_at": history.last_failure_at,
    }


def _host_calls(tally: Tally) -> Mapping[str, HostCallSample]:
    return {
        function: HostCallSample(_times(use), use.fuel)
        for function, use in tally.usage.host.items()
    }


def _times(histogram: Histogram) -> Times:
    return Times(histogram.counts, histogram.seconds)
