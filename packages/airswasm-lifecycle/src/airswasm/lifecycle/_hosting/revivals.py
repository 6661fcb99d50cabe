"""The cool-downs of components that were given up and are to be started again.

A supervisor that gives up has ended, as in OTP: a revival is a new start, with an empty mailbox and
all its restarts before it. Rejected: a supervisor that waits and goes on. Its mailbox would take
messages for minutes that the component does not handle, instead of telling the senders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airswasm.actor import ActorSystem
    from airswasm.runtime import Timer

__all__ = ("Revivals", "Revive")

Revive = Callable[[str, float], Coroutine[object, object, None]]
"""Starts a component again, by its name and the seconds of its cool-down; raises nothing."""


@dataclass(frozen=True, slots=True)
class _CoolDown:
    timer: Timer
    ends_at: float


class Revivals:
    """Starts components again after their cool-downs.

    Args:
        actors: Has the timers, and owns the tasks.
        revive: Carries a revival out.
    """

    def __init__(self, actors: ActorSystem, revive: Revive) -> None:
        self._actors, self._revive = actors, revive
        self._cool_downs: dict[str, _CoolDown] = {}
        self._counts: Counter[str] = Counter()

    def expect(self, name: str, seconds: float) -> None:
        """Start a component again in some seconds, unless it is cancelled before."""
        self.cancel(name)

        def begin() -> None:
            self._cool_downs.pop(name, None)
            self._counts[name] += 1
            self._actors.group.start_soon(self._revive, name, seconds)

        timer = self._actors.timers.after(seconds, begin)
        self._cool_downs[name] = _CoolDown(timer, self._actors.clock() + seconds)

    def cancel(self, name: str) -> None:
        """Leave a component as it is."""
        cool_down = self._cool_downs.pop(name, None)
        if cool_down is not None:
            cool_down.timer.cancel()

    def forget(self, name: str) -> None:
        """Drop all that is known of a component that left the registry."""
        self.cancel(name)
        self._counts.pop(name, None)

    def left(self, name: str) -> float | None:
        """Return the seconds until a component is started again; None if it is not."""
        cool_down = self._cool_downs.get(name)
        return None if cool_down is None else max(0.0, cool_down.ends_at - self._actors.clock())

    def count(self, name: str) -> int:
        """Return how often a component was started again since the host started."""
        return self._counts[name]
