"""The section `[monitoring]` of config.toml."""

from __future__ import annotations

from dataclasses import dataclass

from ._health import Thresholds

__all__ = ("MonitoringSettings",)


@dataclass(frozen=True, slots=True)
class MonitoringSettings:
    """From when on a figure is a finding, and how many series there are.

    Attributes:
        oldest_message: Seconds that a message may wait in a mailbox.
        mailbox_fill: The part of a mailbox that may be full, from 0 to 1.
        recent_failure: Seconds for which a failure is news.
        series: Components that have figures of their own in /metrics; the rest are added up.
    """

    oldest_message: float = 30.0
    mailbox_fill: float = 0.9
    recent_failure: float = 60.0
    series: int = 1_000

    def __post_init__(self) -> None:
        if not 0 < self.mailbox_fill <= 1:
            raise ValueError("mailbox_fill must be more than 0 and at most 1")
        for name in ("oldest_message", "recent_failure", "series"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of the health report."""
        return Thresholds(self.oldest_message, self.mailbox_fill, self.recent_failure)
