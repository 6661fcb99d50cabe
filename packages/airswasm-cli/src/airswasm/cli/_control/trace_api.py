"""The rows of the table that deal with traces."""

from __future__ import annotations

from .operation import Json, Number, Operation, Parameter, Text

__all__ = ("TRACE_OPERATIONS",)

_ANSWERS = "airswasm.cli._control.trace_answers"

TRACE_OPERATIONS = (
    Operation(
        "traces", "GET", "/v1/traces", "List the traces that the host keeps, oldest first.",
        Json("traces/1", f"{_ANSWERS}:TraceSummary", "traces", is_list=True),
        (
            Parameter("name", "query", Text(), "Only those that this component is part of.", ""),
            Parameter(
                "recent", "query", Number(most=1e6, is_whole=True),
                "Number of traces, the newest ones; 0 for all.", 100,
            ),
        ),
        detail="They are in memory, and end with the host. `[tracing]` says which messages are "
        "traced, and how many traces are kept.",
        scope="read",
    ),
    Operation(
        "trace", "GET", "/v1/traces/{trace}", "Show a trace with its spans.",
        Json("trace/1", f"{_ANSWERS}:TraceDocument"),
        (Parameter("trace", "path", Text(), "The trace's id, or how it begins."),),
        scope="read",
    ),
)  # fmt: skip
