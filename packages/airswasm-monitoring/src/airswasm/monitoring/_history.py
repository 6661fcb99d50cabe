"""What has happened to each component, kept from the life cycle events.

Counting happens when something happens, which is rare; everything that changes with each message
is read from the actors when somebody looks (`snapshot`). So a host that nobody scrapes pays
nothing for being observable.

The number of names is bounded: guests cannot choose names, but whoever installs and removes
components for years can. The one that was quiet the longest makes room.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from airswasm.actor import EventKind, LifecycleEvent

__all__ = ("ComponentHistory", "History")

_STATES = {
    EventKind.STARTED: "starting",
    EventKind.RESTARTED: "restarting",
    EventKind.READY: "running",
    EventKind.STOPPING: "stopping",
    EventKind.STOPPED: "stopped",
    EventKind.FAILED: "failed",
    EventKind.GIVEN_UP: "given_up",
}


@dataclass(frozen=True, slots=True)
class ComponentHistory:
    """What is known of one name.

    Attributes:
        name: Whose history this is.
        state: `starting`, `running`, `restarting`, `stopping`, `stopped`, `failed`, `given_up`.
            Given up lasts until it is started again, or stopped on purpose.
        since: The system's clock when this state began, in seconds.
        incarnation: Which incarnation, counted from 1.
        restarts: How many times it was started again.
        failures: How many incarnations ended with an error.
        last_error: The last failure in one line; empty when there was none.
        last_failure_at: The system's clock at the last failure; None when there was none.
    """

    name: str
    state: str = "starting"
    since: float = 0.0
    incarnation: int = 0
    restarts: int = 0
    failures: int = 0
    last_error: str = ""
    last_failure_at: float | None = None

    def after(self, event: LifecycleEvent) -> ComponentHistory:
        """This history with one more event."""
        is_failure = event.kind is EventKind.FAILED
        state = self._state_after(event)
        return ComponentHistory(
            self.name,
            state,
            event.time if state != self.state else self.since,
            event.incarnation or self.incarnation,
            self.restarts + (event.kind is EventKind.RESTARTED),
            self.failures + is_failure,
            _in_one_line(event) or self.last_error,
            event.time if is_failure else self.last_failure_at,
        )

    def _state_after(self, event: LifecycleEvent) -> str:
        """What was given up stays so until it starts again, or somebody stops it.

        It also stops by giving up, which is no news; only that has an incarnation or a cause.
        """
        is_wanted = event.kind is EventKind.STOPPED and not (event.incarnation or event.cause)
        is_ending = event.kind in (EventKind.STOPPING, EventKind.STOPPED) and not is_wanted
        return self.state if self.state == "given_up" and is_ending else _STATES[event.kind]


class History:
    """The histories of all names, at most `capacity` of them.

    Attributes:
        forgotten: How many names made room for others.
    """

    __slots__ = ("_by_name", "_capacity", "forgotten")

    def __init__(self, capacity: int = 100_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; a history holds at least one name")
        self._by_name: OrderedDict[str, ComponentHistory] = OrderedDict()
        self._capacity = capacity
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._by_name)

    def note(self, event: LifecycleEvent) -> None:
        """Adds one event; made to be given to `EventStream.listen`."""
        known = self._by_name.pop(event.name, None) or ComponentHistory(event.name)
        self._by_name[event.name] = known.after(event)
        if len(self._by_name) > self._capacity:
            self._by_name.popitem(last=False)
            self.forgotten += 1

    def of(self, name: str) -> ComponentHistory | None:
        """What is known of `name`."""
        return self._by_name.get(name)

    def all(self) -> tuple[ComponentHistory, ...]:
        """All histories, the one that was quiet the longest first."""
        return tuple(self._by_name.values())


def _in_one_line(event: LifecycleEvent) -> str:
    if event.cause is None:
        return ""
    first, *_ = str(event.cause).splitlines() or [""]
    return f"{type(event.cause).__name__}: {first}" if first else type(event.cause).__name__
