"""The declaration of this block: installing, hosting and updating components."""

from __future__ import annotations

from airswasm.wit import Block, Check, Gate, Metric, Section

__all__ = (
    "BLOCK",
    "CHECKPOINTS_HELD",
    "CHECKPOINT_BYTES",
    "DATA_RESTORED",
    "DIVERGED",
    "ENDED_FOR_MEMORY",
    "LOGGING_INTERFACE",
    "LOG_LINES_DROPPED",
    "RECORDED",
    "RECORDING_BYTES",
    "REPLAYED",
    "UNRECORDED",
    "VERSIONS_REMOVED",
)

ENDED_FOR_MEMORY = "ended_for_memory_total"
RECORDED = "messages_recorded_total"
UNRECORDED = "messages_recorded_without_content_total"
RECORDING_BYTES = "recording_bytes"
REPLAYED = "messages_replayed_total"
DIVERGED = "messages_diverged_total"
CHECKPOINTS_HELD = "data_checkpoints"
CHECKPOINT_BYTES = "data_checkpoint_bytes"
DATA_RESTORED = "data_restored_total"
VERSIONS_REMOVED = "versions_removed_total"
LOG_LINES_DROPPED = "log_lines_dropped_total"
LOGGING_INTERFACE = "airswasm:component/logging@0.1.0"

BLOCK = Block(
    name="lifecycle",
    summary="Install, run, update and roll back.",
    interfaces=(LOGGING_INTERFACE,),
    provide="airswasm.lifecycle:provide",
    sections=(
        Section(
            "install",
            "airswasm.lifecycle:InstallPolicy",
            "Rules for installing packages.",
            reads="reload",
        ),
        Section(
            "sources",
            "airswasm.lifecycle:SourceSettings",
            "Where packages may come from.",
            reads="reload",
        ),
        Section(
            "limits",
            "airswasm.lifecycle:LimitPolicy",
            "Limits for every component.",
            reads="reload",
        ),
        Section(
            "supervision",
            "airswasm.lifecycle:SupervisionPolicy",
            "Bounds for every supervisor.",
            reads="reload",
        ),
        Section(
            "health", "airswasm.lifecycle:HealthPolicy", "Bounds for health checks.", reads="reload"
        ),
        Section(
            "logs", "airswasm.lifecycle:LogLimits", "Limits for components' logs.", reads="reload"
        ),
        Section(
            "updates",
            "airswasm.lifecycle:UpdateSettings",
            "What a new version has to pass.",
            reads="reload",
        ),
        Section(
            "replay",
            "airswasm.lifecycle:ReplaySettings",
            "Which messages are recorded, for new versions to answer alike.",
            reads="reload",
        ),
        Section(
            "history",
            "airswasm.lifecycle:HistorySettings",
            "What is kept of each change.",
            reads="reload",
        ),
    ),
    errors=("airswasm.lifecycle.errors",),
    metrics=(
        Metric(ENDED_FOR_MEMORY, "Incarnations that ended because memory was scarce."),
        Metric(LOG_LINES_DROPPED, "Log lines that were more than its rate."),
        Metric(VERSIONS_REMOVED, "Retained versions that the clean-up has removed."),
        Metric("component_revivals_total", "Starts after it was given up."),
        Metric(RECORDED, "Messages that were recorded."),
        Metric(UNRECORDED, "Messages that were recorded without their content, or lost."),
        Metric(RECORDING_BYTES, "Bytes of recorded messages.", "gauge"),
        Metric(REPLAYED, "Recorded messages that were compared with another version's."),
        Metric(DIVERGED, "Recorded messages that another version handled otherwise."),
        Metric("gates_passed_total", "Gates that its updates and rollbacks passed."),
        Metric("gates_blocked_total", "Gates that stopped an update or a rollback."),
        Metric("gates_warned_total", "Gates that blocked, where the settings only let them warn."),
        Metric("gates_overridden_total", "Gates that blocked, and that an operator overrode."),
        Metric("gates_without_verdict_total", "Gates that could not be tried, or not compare."),
        Metric(CHECKPOINTS_HELD, "Copies of its data that its versions have.", "gauge"),
        Metric(CHECKPOINT_BYTES, "Bytes of these copies.", "gauge"),
        Metric(DATA_RESTORED, "Times that its data became again what it was."),
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
    forget="airswasm.lifecycle._forgetting:forget",
    gates=(
        Gate(
            "interface",
            "What others use of it is still there, and means the same.",
            "airswasm.lifecycle._gates.interface:interface_gate",
        ),
        Gate(
            "replay",
            "It handles recorded messages as the running version does.",
            "airswasm.lifecycle._trial.gate:replay_gate",
            asks="trial",
        ),
        Gate(
            "health",
            "The new version says that it works, several times in a row.",
            "airswasm.lifecycle._gates.health:health_gate",
            asks="candidate",
        ),
    ),
)
