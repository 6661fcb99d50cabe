"""The outcomes of an incarnation's health checks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Checks",)


@dataclass(slots=True)
class Checks:
    """The answers of a component about its health.

    Attributes:
        is_known: Whether this incarnation was asked.
        unwell: Why the last check failed; None if it did not.
        failed: The number of checks in a row that failed.
    """

    is_known: bool = False
    unwell: str | None = None
    failed: int = 0

    @property
    def verdict(self) -> str | None:
        """`healthy`, or why it is not; None before the first check."""
        if not self.is_known:
            return None
        return "healthy" if self.unwell is None else f"unhealthy: {self.unwell}"

    def note(self, unwell: str | None) -> None:
        """Note the outcome of a check."""
        self.is_known, self.unwell = True, unwell
        self.failed = 0 if unwell is None else self.failed + 1

    def forget(self) -> None:
        """Begin anew, because another incarnation runs."""
        self.is_known, self.unwell, self.failed = False, None, 0
