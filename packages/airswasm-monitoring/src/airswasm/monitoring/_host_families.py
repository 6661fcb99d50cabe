"""The families of the host itself: messages, dead letters, the store, the audit log, alerts."""

from __future__ import annotations

from collections.abc import Iterator

from airswasm.runtime import BOUNDS
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family

from ._build import build_labels
from ._snapshot import Snapshot, Times

__all__ = ("buckets_of", "host_families")


def host_families(snapshot: Snapshot) -> Iterator[Family]:
    """Iterate over the families that are no component's."""
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
    if snapshot.audit_lines is not None:
        yield GaugeMetricFamily(
            "airswasm_audit_writable",
            "0 while the audit log cannot be written.",
            value=float(not snapshot.audit_failure),
        )
    if snapshot.disk_free_bytes is not None:
        yield GaugeMetricFamily(
            "airswasm_disk_free_bytes",
            "Free bytes on the disk of the home.",
            value=snapshot.disk_free_bytes,
        )
    yield from _span_families(snapshot)
    yield from _alert_families(snapshot)
    if snapshot.event_loop_lag is not None:
        lag = HistogramMetricFamily(
            "airswasm_event_loop_lag_seconds", "Delay of a timer, tried once a second."
        )
        lag.add_metric([], *buckets_of(snapshot.event_loop_lag))
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


def _alert_families(snapshot: Snapshot) -> Iterator[Family]:
    if snapshot.alerts is None:
        return
    alerts = GaugeMetricFamily(
        "airswasm_alerts", "Alerts of the host's own rules.", labels=["rule", "state"]
    )
    for rule, states in snapshot.alerts.items():
        for state, count in states.items():
            alerts.add_metric([rule, state], count)
    yield alerts
    notifications = CounterMetricFamily(
        "airswasm_alert_notifications", "Notifications to receivers.", labels=["outcome"]
    )
    for outcome, count in snapshot.notifications.items():
        notifications.add_metric([outcome], count)
    yield notifications


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


def buckets_of(times: Times) -> tuple[list[tuple[str, float]], float]:
    """Return a distribution as prometheus-client takes it: how many are at or below each bound."""
    bounds, so_far, buckets = (*map(repr, BOUNDS), "+Inf"), 0, list[tuple[str, float]]()
    for bound, count in zip(bounds, times.counts, strict=True):
        so_far += count
        buckets.append((bound, so_far))
    return buckets, times.seconds


def _span_families(snapshot: Snapshot) -> Iterator[Family]:
    if snapshot.spans is None:
        return
    spans = CounterMetricFamily(
        "airswasm_trace_spans", "Spans made, and sent to a collector or not.", labels=["outcome"]
    )
    for outcome, count in snapshot.spans.items():
        spans.add_metric([outcome], count)
    yield spans
