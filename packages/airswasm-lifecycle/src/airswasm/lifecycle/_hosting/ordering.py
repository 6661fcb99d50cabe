"""The order in which components start and stop: each after what it needs, and before that ends.

`[component] needs` names other components. A component starts once each of them is ready: its
`init` has returned, and its first health check has passed. Until then it waits, and the host starts
it as soon as the last one is ready, also when that is installed or started an hour later. Stopping
goes the other way. Components that need nothing start side by side, as if there were no order.

A need orders starts and stops; it ties no fates together. When something needed crashes, stops or
is updated, those that need it go on: each has its own supervisor (ADR 4), and messages have
answers for a receiver that is away.

Rejected: a priority for each component (the numbers drift from what is needed), and a start that
fails where something is missing (an operator would have to find the order by hand).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from airswasm.actor import ActorSystem

__all__ = ("NeedsOf", "Waiting", "find_cycle", "in_order", "waited_for")

NeedsOf: TypeAlias = Callable[[str], Sequence[str]]
"""Returns the components that one needs."""
Start: TypeAlias = Callable[[str], Coroutine[object, object, None]]
"""Starts a component that waited, if it may now; raises nothing."""
_LOOK_SECONDS = 1.0
"""Seconds until something needed that runs is asked for its health again."""


def find_cycle(name: str, needs_of: NeedsOf) -> tuple[str, ...]:
    """Return a way from a component over what it needs back to itself; empty if there is none."""
    came_from: dict[str, str] = {}
    waiting = [name]
    while waiting:
        here = waiting.pop()
        for need in needs_of(here):
            if need == name:
                way = [name]
                while here != name:
                    way.append(here)
                    here = came_from[here]
                return (name, *reversed(way))
            if need not in came_from:
                came_from[need] = here
                waiting.append(need)
    return ()


def in_order(names: Iterable[str], needs_of: NeedsOf) -> list[str]:
    """Return names so that each stands behind those of them that it needs.

    Those that need none of the others come first, in their own order; so a worker that waits for a
    need keeps none of them waiting. What needs itself over others comes last.
    """
    found = list(names)
    present = set(found)
    missing: dict[str, int] = {}
    for name in found:
        missing[name] = sum(need in present for need in needs_of(name))
    users = _users(found, needs_of)
    order = [name for name in found if not missing[name]]
    for name in order:  # it grows meanwhile
        for user in users.get(name, ()):
            missing[user] -= 1
            if not missing[user]:
                order.append(user)
    return order + [name for name in found if missing[name]]


def waited_for(order: Sequence[str], needs_of: NeedsOf) -> Mapping[str, Sequence[str]]:
    """Return for each name in order those before it that it needs; names without any are left out.

    What a worker waits for is before it, so workers that take names in this order never all wait.
    """
    place = {name: number for number, name in enumerate(order)}
    found: dict[str, list[str]] = {}
    for name in order:
        before = [need for need in needs_of(name) if place.get(need, len(order)) < place[name]]
        if before:
            found[name] = before
    return found


def _users(names: Iterable[str], needs_of: NeedsOf) -> Mapping[str, Sequence[str]]:
    users: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        for need in needs_of(name):
            users[need].append(name)
    return users


class Waiting:
    """The components that wait until others are ready.

    Args:
        actors: Has the timers, and owns the tasks.
        start: Carries a start out.
    """

    def __init__(self, actors: ActorSystem, start: Start) -> None:
        self._actors, self._start = actors, start
        self._missing: dict[str, Mapping[str, str]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._missing

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._missing))

    def missing(self, name: str) -> Mapping[str, str]:
        """Return what a component waits for, each with its state; empty if it does not wait."""
        return self._missing.get(name, {})

    def put(self, name: str, missing: Mapping[str, str], *, looks_again: bool) -> None:
        """Let a component wait.

        Args:
            name: The component.
            missing: What it waits for, each with its state.
            looks_again: Whether something of it runs, and may become well without an event.
        """
        self._missing[name] = missing
        if looks_again:
            self._actors.timers.after(_LOOK_SECONDS, lambda: self._try(name))

    def drop(self, name: str) -> None:
        """Let a component wait no more: it starts, or nothing wants it to."""
        self._missing.pop(name, None)

    def note_ready(self, name: str) -> None:
        """Try those that wait for a component which is ready now."""
        for each, missing in list(self._missing.items()):
            if name in missing:
                self._try(each)

    def _try(self, name: str) -> None:
        if name in self._missing:
            self._actors.group.start_soon(self._start, name)
