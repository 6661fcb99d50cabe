"""Packages that were planned and wait to be approved.

A package is uploaded once: it is kept under its plan's digest, and the approval sends only that.
The approval may never come, so what is kept is bounded: in number and bytes, where the oldest
makes room, and in time, by a timer and not by the next call, because that may never come either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from .errors import PlanGone

if TYPE_CHECKING:
    from airswasm.lifecycle import Package

__all__ = ("Change", "PendingPlans", "Timers")

Change = Literal["install", "update"]

_MOST_PLANS = 8
_MOST_BYTES = 512 * 2**20
_SECONDS = 600.0


class _Timer(Protocol):
    def cancel(self) -> object:
        """End it before its time."""
        ...


class Timers(Protocol):
    """Calls back later; an actor system's timers do."""

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
        timers: Call back later.
        most: The number of plans beyond which the oldest goes.
        most_bytes: The bytes of packages beyond which the oldest goes.
        seconds: The time after which a plan goes.
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
        """Keep a package under its plan's digest; the same plan again begins its time anew."""
        self._drop(digest)
        size_bytes = sum(map(len, package.files.values()))
        while self._plans and self._is_over(size_bytes):
            self._drop(next(iter(self._plans)))
        timer = self._timers.after(self._seconds, lambda: self._drop(digest))
        self._plans[digest] = _Pending(package, change, size_bytes, timer)

    def take(self, digest: str) -> tuple[Package, Change]:
        """Return the package of a plan, which is gone afterwards.

        Raises:
            PlanGone: There is no such plan, or no longer.
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
