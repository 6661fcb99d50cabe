"""Keep the history of each component from the life cycle events.

This counts rare events as they happen; `snapshot` reads everything that changes with each message
from the actors on demand. So a host without a scraper pays nothing for being observable.

The number of names is bounded: guests cannot choose names, but an operator who installs and removes
components for years can reach any number. The name that has been quiet longest gives way.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from airswasm.actor import ActorRef, EventKind, LifecycleEvent, Phase

__all__ = ("ComponentHistory", "History", "in_one_line", "state_of")

_STATES = {
    EventKind.STARTED: "starting",
    EventKind.RESTARTED: "restarting",
    EventKind.UPDATED: "restarting",
    EventKind.READY: "running",
    EventKind.STOPPING: "stopping",
    EventKind.STOPPED: "stopped",
    EventKind.FAILED: "failed",
    EventKind.GIVEN_UP: "given_up",
}


@dataclass(frozen=True, slots=True)
class ComponentHistory:
    """The history of one name.

    Attributes:
        name: The component's name.
        state: `starting`, `running`, `restarting`, `stopping`, `stopped`, `failed`, `given_up`. The
            last stays until the component starts again, or an operator stops it.
        since: The system's clock when this state began, in seconds.
        incarnation: The number of the incarnation, from 1.
        restarts: The number of restarts; an update is none, and neither is a replacement after a
            message that there was no room for.
        failures: The number of incarnations that ended with an error.
        last_error: The last failure in one line; empty without one.
        last_failure_at: The system's clock at the last failure; None without one.
        updates: How many times another version took over.
        is_replaced: Whether the next start is a replacement.
    """

    name: str
    state: str = "starting"
    since: float = 0.0
    incarnation: int = 0
    restarts: int = 0
    failures: int = 0
    last_error: str = ""
    last_failure_at: float | None = None
    updates: int = 0
    is_replaced: bool = False

    def after(self, event: LifecycleEvent) -> ComponentHistory:
        """Return this history with one more event."""
        is_failure = event.kind is EventKind.FAILED
        is_restart = event.kind is EventKind.RESTARTED
        is_replacing = event.kind is EventKind.STOPPING and event.reason == "replaced"
        state = self._state_after(event)
        return ComponentHistory(
            self.name,
            state,
            event.time if state != self.state else self.since,
            event.incarnation or self.incarnation,
            self.restarts + (is_restart and not self.is_replaced),
            self.failures + is_failure,
            in_one_line(event) or self.last_error,
            event.time if is_failure else self.last_failure_at,
            self.updates + (event.kind is EventKind.UPDATED),
            is_replacing or (self.is_replaced and not is_restart),
        )

    def _state_after(self, event: LifecycleEvent) -> str:
        """Keep `given_up` until the component starts again, or an operator stops it.

        To give up stops the component too, but that event has no incarnation and no cause.
        """
        is_wanted = event.kind is EventKind.STOPPED and not (event.incarnation or event.cause)
        is_ending = event.kind in (EventKind.STOPPING, EventKind.STOPPED) and not is_wanted
        return self.state if self.state == "given_up" and is_ending else _STATES[event.kind]


class History:
    """The histories of all names, at most `capacity` of them.

    Attributes:
        forgotten: The number of names dropped for others.
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
        """Add one event; pass this method to `EventStream.listen`."""
        known = self._by_name.pop(event.name, None) or ComponentHistory(event.name)
        self._by_name[event.name] = known.after(event)
        if len(self._by_name) > self._capacity:
            self._by_name.popitem(last=False)
            self.forgotten += 1

    def of(self, name: str) -> ComponentHistory | None:
        """Return the history of `name`, or None."""
        return self._by_name.get(name)

    def all(self) -> tuple[ComponentHistory, ...]:
        """Return all histories, the longest quiet one first."""
        return tuple(self._by_name.values())


def state_of(ref: ActorRef, known: ComponentHistory) -> str:
    """Return the phase, which is always current; only the history knows of giving up.

    An actor that only stands for another says the state of that one.
    """
    stands_for: object = getattr(ref.actor, "monitored_state", "")
    if stands_for:
        return str(stands_for)
    if known.state == "given_up" and ref.phase is not Phase.RUNNING:
        return known.state
    return ref.phase.value


def in_one_line(event: LifecycleEvent) -> str:
    """Return the cause of an event in one line; empty without one."""
    if event.cause is None:
        return ""
    first, *_ = str(event.cause).splitlines() or [""]
    return f"{type(event.cause).__name__}: {first}" if first else type(event.cause).__name__
