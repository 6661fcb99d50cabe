"""The host at one moment, as plain data for metrics, health and dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ("ComponentSample", "HostCallSample", "Snapshot", "Times")


@dataclass(frozen=True, slots=True)
class Times:
    """A distribution of times.

    Attributes:
        counts: How many are in each bucket of `airswasm.runtime.BOUNDS`, and above the last.
        seconds: Their sum.
    """

    counts: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class HostCallSample:
    """The calls of one host function by one component.

    Attributes:
        times: How long they took.
        fuel: The fuel that they were charged.
    """

    times: Times
    fuel: int


@dataclass(slots=True)  # to freeze 33 fields takes as long as to read them, for each component
class ComponentSample:
    """One component at one moment. It is not changed.

    Attributes:
        name: Its name, `namespace/name`.
        state: As in `ComponentHistory`, or what an actor in its place says in `monitored_state`:
            `quarantined`.
        since: The system's clock when the state began, in seconds.
        incarnation: The number of the running incarnation.
        restarts: Starts after a failure.
        updates: Times that another version took over.
        failures: Incarnations that ended with an error.
        last_error: The last failure in one line, or empty.
        last_failure_at: The system's clock at the last failure, in seconds.
        mailbox_size: Messages that wait.
        mailbox_capacity: Messages that may wait.
        mailbox_bytes: Bytes of payload that wait.
        mailbox_capacity_bytes: Bytes of payload that may wait; None if unbounded.
        oldest_message_age: Seconds that the oldest of them has waited.
        durable_messages: Messages that wait on the disk, the one in hand included.
        durable_bytes: Bytes of their records.
        oldest_durable_age: Seconds since the oldest of them was accepted.
        handled: Messages handled, over all incarnations.
        outcomes: Messages by what became of them, over all incarnations; empty where that is not
            measured.
        received_bytes: Bytes of the payloads of messages that were handled.
        replied_bytes: Bytes of the answers.
        queueing: How long messages waited; None where it is not measured.
        handling: How long their handling took, likewise.
        fuel_used: Fuel used, over all incarnations; 0 for an actor in Python.
        cpu: Seconds that the guest, or the host for it, was at work; over all incarnations.
        memory_peak: The most linear memory that an incarnation had.
        memory_bytes: The guest's memory; 0 for an actor in Python.
        host_memory_bytes: What the host keeps on the guest's behalf; 0 for an actor in Python.
        storage_bytes: The stored bytes that count into its quota.
        storage_quota_bytes: The most that they may become; 0 if that is not known.
        storage_keys: The stored keys.
        storage_quota_keys: The most that they may become; 0 if they have no bound.
    """

    name: str
    state: str
    since: float
    incarnation: int = 0
    restarts: int = 0
    updates: int = 0
    failures: int = 0
    last_error: str = ""
    last_failure_at: float | None = None
    mailbox_size: int = 0
    mailbox_capacity: int = 0
    mailbox_bytes: int = 0
    mailbox_capacity_bytes: int | None = None
    oldest_message_age: float = 0.0
    durable_messages: int = 0
    durable_bytes: int = 0
    oldest_durable_age: float = 0.0
    handled: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])
    received_bytes: int = 0
    replied_bytes: int = 0
    queueing: Times | None = None
    handling: Times | None = None
    fuel_used: int = 0
    cpu: float = 0.0
    memory_peak: int = 0
    memory_bytes: int = 0
    host_memory_bytes: int = 0
    storage_bytes: int = 0
    storage_quota_bytes: int = 0
    storage_keys: int = 0
    storage_quota_keys: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The host at one moment.

    Attributes:
        time: The system's clock, in seconds.
        components: All components, by name.
        messages: The numbers of messages so far that were `sent`, `handled` and `rejected`; that
            had `expired` before they were handled; that were not sent after `too_many_hops`; and
            of answers that came too `late`.
        refusals: What components tried to send and was refused, by the case of `messaging-error`.
        message_events: What else happened to messages, by event; see `MessagingCounters`.
        retained_values: Topics that have a retained value; None without messaging.
        retained_bytes: Bytes of those values; None without messaging.
        timers_waiting: Messages that are set to be sent later; None without messaging.
        dead_letters: The numbers of dead letters, by reason.
        audit_lines: Lines in the audit log; None without one.
        storage_syncs: The number of times that the store has waited for the disk; None without one.
        memory_bytes: What all components take, their own memories included; None without a budget.
        memory_most_bytes: What they may take.
        descriptors: Files and sockets that are open for components.
        descriptors_most: What may be open.
        storage_expired: Values that expired and were removed since the store was opened; None
            without a store.
        storage_failure: The reason why the store refuses to write; empty if it does not.
        audit_failure: The reason why the audit log cannot be written; empty if it can.
        disk_free_bytes: Free bytes on the disk of the store; None without one.
        event_loop_lag: How late timers were; None where it is not measured.
        event_loop_late: Seconds that the last timer was late; None before it.
        clock_jump: The system's clock when the wall clock was last set, in seconds, or None; and by
            how many seconds.
        host_calls: The calls of host functions, by component and function.
        spans: The numbers of spans so far: `made`, and of those for a collector by what became of
            them; None where no messages are traced.
        alerts: The numbers of alerts, by rule and state; None where no rules are evaluated.
        notifications: The numbers of notifications to receivers of alerts, by outcome.
    """

    time: float
    components: tuple[ComponentSample, ...] = ()
    messages: Mapping[str, int] = field(default_factory=dict[str, int])
    refusals: Mapping[str, int] = field(default_factory=dict[str, int])
    message_events: Mapping[str, int] = field(default_factory=dict[str, int])
    retained_values: int | None = None
    retained_bytes: int | None = None
    timers_waiting: int | None = None
    dead_letters: Mapping[str, int] = field(default_factory=dict[str, int])
    audit_lines: int | None = None
    storage_syncs: int | None = None
    storage_expired: int | None = None
    storage_failure: str = ""
    audit_failure: str = ""
    disk_free_bytes: int | None = None
    event_loop_lag: Times | None = None
    event_loop_late: float | None = None
    clock_jump: tuple[float | None, float] = (None, 0.0)
    host_calls: Mapping[str, Mapping[str, HostCallSample]] = field(
        default_factory=dict[str, Mapping[str, HostCallSample]]
    )
    spans: Mapping[str, int] | None = None
    alerts: Mapping[str, Mapping[str, int]] | None = None
    notifications: Mapping[str, int] = field(default_factory=dict[str, int])
    memory_bytes: int | None = None
    memory_most_bytes: int | None = None
    descriptors: int | None = None
    descriptors_most: int | None = None
