"""The bounds of the history; apart from it, because to show settings needs no store."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("HistorySettings",)


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """`[history]`: the bounds of what is kept of each change.

    Attributes:
        entries: The most entries of one name; the oldest go.
        total: The most entries of all names together.
        days: Days that an entry is kept.
    """

    entries: int = 500
    total: int = 50_000
    days: float = 730.0

    def __post_init__(self) -> None:
        if not 1 <= self.entries <= self.total:
            raise ValueError("entries must be from 1 to total")
        if not self.total <= 10_000_000:
            raise ValueError("total must be at most 10_000_000")
        if not self.days > 0:
            raise ValueError("days must be more than 0")
