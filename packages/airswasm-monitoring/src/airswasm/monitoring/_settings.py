"""The section `[monitoring]` of config.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from airswasm.runtime import Health

from ._health import Thresholds

__all__ = ("MonitoringSettings",)

_PRESETS: Mapping[str, Thresholds] = {
    "relaxed": Thresholds(
        oldest_message=300.0, mailbox_fill=1.0, recent_failure=10.0,
        quota_fill=1.0, event_loop_lag=10.0, worst_of_components=Health.HEALTHY,
    ),
    "default": Thresholds(),
    "strict": Thresholds(
        oldest_message=5.0, mailbox_fill=0.7, recent_failure=300.0,
        quota_fill=0.8, event_loop_lag=0.25, worst_of_components=Health.UNHEALTHY,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MonitoringSettings:
    """`[monitoring]`: the health report, and the number of series.

    A threshold of 0 is the preset's.

    Attributes:
        preset: The thresholds of the health report, and what the health of components does to that
            of the host: `relaxed` nothing, `default` degrades it at most, `strict` makes the host
            unhealthy when one of them is.
        oldest_message: Seconds that a message may wait in a mailbox; the presets have 300, 30, 5.
        mailbox_fill: Fraction of a mailbox that may be full; the presets have 1, 0.9, 0.7.
        recent_failure: Seconds for which a failure stays in the health report; the presets have
            10, 60, 300.
        quota_fill: Fraction of a quota, or of a budget of the host, that may be used; the presets
            have 1, 0.95, 0.8.
        event_loop_lag: Seconds that the event loop may be late; the presets have 10, 1, 0.25.
        disk_free_bytes: Bytes that should be free on the disk of the home.
        series: Components with figures of their own in /metrics; the others are added up.
        histograms: Components with histograms of their own, each of which is sixteen series.
        metrics: `off` measures no messages and serves no /metrics.
        page: `off` serves no page, and ends the sessions of those that are open.
    """

    preset: Literal["relaxed", "default", "strict"] = "default"
    oldest_message: float = 0.0
    mailbox_fill: float = 0.0
    recent_failure: float = 0.0
    quota_fill: float = 0.0
    event_loop_lag: float = 0.0
    disk_free_bytes: int = 256 * 2**20
    series: int = 1_000
    histograms: int = 100
    metrics: Literal["on", "off"] = "on"
    page: Literal["on", "off"] = "on"

    def __post_init__(self) -> None:
        for name in ("mailbox_fill", "quota_fill"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1")
        for name in ("oldest_message", "recent_failure", "event_loop_lag", "disk_free_bytes"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative")
        for name in ("series", "histograms"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of the health report."""
        preset = _PRESETS[self.preset]
        return replace(
            preset,
            oldest_message=self.oldest_message or preset.oldest_message,
            mailbox_fill=self.mailbox_fill or preset.mailbox_fill,
            recent_failure=self.recent_failure or preset.recent_failure,
            quota_fill=self.quota_fill or preset.quota_fill,
            event_loop_lag=self.event_loop_lag or preset.event_loop_lag,
            disk_free_bytes=self.disk_free_bytes,
        )
