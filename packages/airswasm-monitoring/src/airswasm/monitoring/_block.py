"""The declaration of this block: metrics, health, traces, alerts and the page."""

from __future__ import annotations

from airswasm.wit import Block, Section

__all__ = ("BLOCK",)

BLOCK = Block(
    name="monitoring",
    summary="Metrics, health, traces, alerts and the page.",
    interfaces=("airswasm:component/tracing@0.1.0",),
    provide="airswasm.monitoring:provide",
    sections=(
        Section(
            "monitoring",
            "airswasm.monitoring:MonitoringSettings",
            "Thresholds of the health report, the number of metric series, and the page.",
            reads="reload",
            at_start={"metrics": "messages are measured from a host's start on, or not at all"},
        ),
        Section(
            "tracing",
            "airswasm.monitoring:TracingSettings",
            "Which messages are traced, and where their spans go.",
            reads="reload",
        ),
        Section(
            "alerts",
            "airswasm.monitoring:AlertSettings",
            "Rules by which the host judges itself, and who is told.",
            reads="reload",
        ),
    ),
    errors=("airswasm.monitoring.errors",),
    observe="airswasm.monitoring:observe",
)
