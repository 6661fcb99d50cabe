"""A snapshot in which each family has a sample, and each label of the host's every value.

Checks and pages learn from it what a scrape can have. The values come from where they are counted,
so that a new one is known without a second list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from airswasm.actor import DeathReason, Outcome
from airswasm.messaging import MessagingCounters
from airswasm.runtime import BOUNDS

from ._alerts.receivers import NOTIFICATION_OUTCOMES
from ._alerts.states import ALERT_STATES
from ._snapshot import ComponentSample, HostCallSample, Snapshot, Times
from ._tracing.exporting import ExportCounts

__all__ = ("MESSAGE_COUNTERS", "events_of", "full_snapshot")

MESSAGE_COUNTERS: Mapping[str, str] = MappingProxyType(
    {
        "sent": "sent",
        "handled": "handled",
        "rejected": "rejected",
        "expired": "expired",
        "late": "late",
        "too_many_hops": "hop_deaths",
    }
)
"""The outcomes of messages of all actors, and the counters of the dispatcher."""
_MESSAGING_GAUGES = ("retained_values", "retained_bytes", "timers_waiting")


def events_of(counters: MessagingCounters) -> dict[str, int]:
    """Return every plain counter of messaging, by its name there."""
    counts = {each.name: getattr(counters, each.name) for each in fields(counters)}
    return {
        name: count
        for name, count in counts.items()
        if isinstance(count, int) and name not in _MESSAGING_GAUGES
    }


def full_snapshot() -> Snapshot:
    """Return a snapshot in which each family has a sample, to tell which families there are."""
    one = Times((1,) + (0,) * len(BOUNDS), 0.0)
    outcomes = {outcome.value: 1 for outcome in Outcome}
    component = ComponentSample(
        "a/b", "running", 0.0, outcomes=outcomes, queueing=one, handling=one
    )
    counters = MessagingCounters()
    return Snapshot(
        0.0,
        (component,),
        messages=dict.fromkeys(MESSAGE_COUNTERS, 1),
        refusals=dict(counters.refused),
        message_events=events_of(counters),
        dead_letters={reason.value: 1 for reason in DeathReason},
        audit_lines=0,
        storage_syncs=0,
        storage_expired=0,
        retained_values=0,
        retained_bytes=0,
        timers_waiting=0,
        disk_free_bytes=0,
        event_loop_lag=one,
        host_calls={"a/b": {"a:b/c#d": HostCallSample(one, 0)}},
        spans=ExportCounts().numbers(0),
        alerts={"A": dict.fromkeys(ALERT_STATES, 0)},
        notifications=dict.fromkeys(NOTIFICATION_OUTCOMES, 0),
        memory_bytes=0,
        memory_most_bytes=0,
        descriptors=0,
        descriptors_most=0,
    )
