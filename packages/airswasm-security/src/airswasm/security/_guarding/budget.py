"""A token bucket for the lines of one component."""

from __future__ import annotations

__all__ = ("LineBudget",)


class LineBudget:
    """The lines that a component has at once, and those that it earns.

    Args:
        now: Seconds.
        burst: The lines at once.
        per_second: The lines that it earns.
    """

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, now: float, burst: int, per_second: float) -> None:
        self._at, self._tokens = now, float(burst)
        self._burst, self._per_second = float(burst), per_second

    def admits(self, now: float) -> bool:
        """Return whether one more may be written now."""
        self._earn(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def is_full(self, now: float) -> bool:
        """Return whether it is as good as new."""
        self._earn(now)
        return self._tokens >= self._burst

    def _earn(self, now: float) -> None:
        earned = max(0.0, now - self._at) * self._per_second
        self._at, self._tokens = now, min(self._burst, self._tokens + earned)
