"""The host at one moment, as plain data for metrics, health and dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ("ComponentSample", "Snapshot")


@dataclass(frozen=True, slots=True)
class ComponentSample:
    """One component at one moment.

    Attributes:
        name: Its name, `namespace/name`.
        state: As in `ComponentHistory`.
        since: The system's clock when the state began, in seconds.
        incarnation: The number of the running incarnation.
        restarts: Starts after the first.
        failures: Incarnations that ended with an error.
        last_error: The last failure in one line, or empty.
        last_failure_at: The system's clock at the last failure, in seconds.
        mailbox_size: Messages that wait.
        mailbox_capacity: Messages that may wait.
        mailbox_bytes: Bytes of payload that wait.
        mailbox_capacity_bytes: Bytes of payload that may wait; None if unbounded.
        oldest_message_age: Seconds that the oldest of them has waited.
        handled: Messages handled, over all incarnations.
        fuel_used: Fuel used, over all incarnations; 0 for an actor in Python.
        memory_bytes: The guest's memory; 0 for an actor in Python.
        host_memory_bytes: What the host keeps on the guest's behalf; 0 for an actor in Python.
    """

    name: str
    state: str
    since: float
    incarnation: int = 0
    restarts: int = 0
    failures: int = 0
    last_error: str = ""
    last_failure_at: float | None = None
    mailbox_size: int = 0
    mailbox_capacity: int = 0
    mailbox_bytes: int = 0
    mailbox_capacity_bytes: int | None = None
    oldest_message_age: float = 0.0
    handled: int = 0
    fuel_used: int = 0
    memory_bytes: int = 0
    host_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The host at one moment.

    Attributes:
        time: The system's clock, in seconds.
        components: All components, by name.
        messages: The numbers of messages that were `sent`, `handled` and `rejected` so far.
        dead_letters: The numbers of dead letters, by reason.
        audit_lines: Lines in the audit log; None without one.
        storage_syncs: The number of times that the store has waited for the disk; None without one.
        storage_failure: The reason why the store refuses to write; empty if it does not.
    """

    time: float
    components: tuple[ComponentSample, ...] = ()
    messages: Mapping[str, int] = field(default_factory=dict[str, int])
    dead_letters: Mapping[str, int] = field(default_factory=dict[str, int])
    audit_lines: int | None = None
    storage_syncs: int | None = None
    storage_failure: str = ""
