"""Packages with a plan that await their approval.

A client uploads a package once: the host keeps it under its plan's digest, and the approval sends
only the digest. The approval may never come, so the host bounds what it keeps: in number and bytes,
where the oldest plan gives way, and in time, by a timer and not at the next call, which may never
come either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ..errors import PlanGone

if TYPE_CHECKING:
    from airswasm.lifecycle import Package

__all__ = ("Change", "PendingPlans", "Timers")

Change = Literal["install", "update"]

_MOST_PLANS = 8
_MOST_BYTES = 512 * 2**20
_SECONDS = 600.0


class _Timer(Protocol):
    def cancel(self) -> object:
        """Cancel the timer."""
        ...


class Timers(Protocol):
    """A source of timers, such as an actor system."""

    def after(self, delay: float, callback: Callable[[], object], /) -> _Timer:
        """Call `callback` in `delay` seconds."""
        ...


@dataclass(frozen=True, slots=True)
class _Pending:
    package: Package
    change: Change
    size_bytes: int
    timer: _Timer


class PendingPlans:
    """Planned packages by their plan's digest.

    Args:
        timers: The source of timers.
        most: The number of plans beyond which the oldest is dropped.
        most_bytes: The bytes of packages beyond which the oldest is dropped.
        seconds: The time after which a plan is dropped.
    """

    def __init__(
        self,
        timers: Timers,
        *,
        most: int = _MOST_PLANS,
        most_bytes: int = _MOST_BYTES,
        seconds: float = _SECONDS,
    ) -> None:
        self._timers = timers
        self._most, self._most_bytes, self._seconds = most, most_bytes, seconds
        self._plans: dict[str, _Pending] = {}

    def __len__(self) -> int:
        return len(self._plans)

    def put(self, digest: str, package: Package, change: Change) -> None:
        """Keep a package under its plan's digest; the same plan again restarts its time."""
        self._drop(digest)
        size_bytes = sum(map(len, package.files.values()))
        while self._plans and self._is_over(size_bytes):
            self._drop(next(iter(self._plans)))
        timer = self._timers.after(self._seconds, lambda: self._drop(digest))
        self._plans[digest] = _Pending(package, change, size_bytes, timer)

    def take(self, digest: str) -> tuple[Package, Change]:
        """Remove and return the package of a plan.

        Raises:
            PlanGone: The host has no such plan, or dropped it.
        """
        found = self._plans.get(digest)
        if found is None:
            raise PlanGone(digest)
        self._drop(digest)
        return found.package, found.change

    def _is_over(self, added_bytes: int) -> bool:
        kept_bytes = sum(each.size_bytes for each in self._plans.values())
        return len(self._plans) >= self._most or kept_bytes + added_bytes > self._most_bytes

    def _drop(self, digest: str) -> None:
        found = self._plans.pop(digest, None)
        if found is not None:
            found.timer.cancel()
