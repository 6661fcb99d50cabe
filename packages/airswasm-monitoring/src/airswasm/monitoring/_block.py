"""The declaration of this block: metrics and health."""

from __future__ import annotations

from airswasm.wit import Block, Section

__all__ = ("BLOCK",)

BLOCK = Block(
    name="monitoring",
    summary="Metrics and health.",
    sections=(
        Section(
            "monitoring",
            "airswasm.monitoring:MonitoringSettings",
            "Thresholds of the health report, and the number of metric series.",
            reads="reload",
            at_start={"metrics": "messages are measured from a host's start on, or not at all"},
        ),
    ),
    observe="airswasm.monitoring:observe",
)
