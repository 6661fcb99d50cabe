"""The section `[monitoring]` of config.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ._health import Thresholds

__all__ = ("MonitoringSettings",)


@dataclass(frozen=True, slots=True)
class MonitoringSettings:
    """`[monitoring]`: thresholds of the health report, and the number of series.

    Attributes:
        oldest_message: Seconds that a message may wait in a mailbox before the health report warns.
        mailbox_fill: Fraction of a mailbox, from 0 to 1, above which the health report warns.
        recent_failure: Seconds for which a failure stays in the health report.
        series: Components with figures of their own in /metrics; the others are added up.
        histograms: Components with histograms of their own, each of which is sixteen series.
        metrics: `off` measures no messages and serves no /metrics.
    """

    oldest_message: float = 30.0
    mailbox_fill: float = 0.9
    recent_failure: float = 60.0
    series: int = 1_000
    histograms: int = 100
    metrics: Literal["on", "off"] = "on"

    def __post_init__(self) -> None:
        if not 0 < self.mailbox_fill <= 1:
            raise ValueError("mailbox_fill must be more than 0 and at most 1")
        for name in ("oldest_message", "recent_failure", "series", "histograms"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of the health report."""
        return Thresholds(self.oldest_message, self.mailbox_fill, self.recent_failure)
