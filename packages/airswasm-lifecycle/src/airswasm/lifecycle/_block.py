"""The declaration of this block: installing, hosting and updating components."""

from __future__ import annotations

from airswasm.wit import Block, Check, Metric, Section

__all__ = ("BLOCK", "ENDED_FOR_MEMORY", "LOGGING_INTERFACE")

ENDED_FOR_MEMORY = "ended_for_memory_total"
LOGGING_INTERFACE = "airswasm:component/logging@0.1.0"

BLOCK = Block(
    name="lifecycle",
    summary="Install, run, update and roll back.",
    interfaces=(LOGGING_INTERFACE,),
    provide="airswasm.lifecycle:provide",
    sections=(
        Section("install", "airswasm.lifecycle:InstallPolicy", "Rules for installing packages."),
        Section("sources", "airswasm.lifecycle:SourceSettings", "Where packages may come from."),
        Section("limits", "airswasm.lifecycle:LimitPolicy", "Limits for every component."),
        Section(
            "supervision", "airswasm.lifecycle:SupervisionPolicy", "Bounds for every supervisor."
        ),
        Section("health", "airswasm.lifecycle:HealthPolicy", "Bounds for health checks."),
        Section("logs", "airswasm.lifecycle:LogLimits", "Limits for components' logs."),
    ),
    errors=("airswasm.lifecycle.errors",),
    metrics=(
        Metric(ENDED_FOR_MEMORY, "Incarnations that ended because memory was scarce."),
        Metric("component_revivals_total", "Starts after it was given up."),
    ),
    checks=(
        Check("home", "airswasm.lifecycle._checks:check_home"),
        Check("blocks", "airswasm.lifecycle._checks:check_blocks"),
        Check("config", "airswasm.lifecycle._checks:check_config"),
        Check("roles", "airswasm.lifecycle._hosting.deciding:check_roles"),
        Check("trust", "airswasm.lifecycle._checks:check_trust"),
        Check("audit", "airswasm.lifecycle._checks:check_audit"),
        Check("space", "airswasm.lifecycle._checks:check_space"),
        Check("attack", "airswasm.lifecycle._checks:check_attack"),
        Check("clock", "airswasm.lifecycle._checks:check_clock"),
        Check("registry", "airswasm.lifecycle._checks:check_registry"),
        Check("letters", "airswasm.lifecycle._checks:check_dead_letters"),
    ),
    forget="airswasm.lifecycle._home.forgetting:forget",
)
