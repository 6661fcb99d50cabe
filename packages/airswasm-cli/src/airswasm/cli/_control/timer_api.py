"""The rows of the table that deal with timers."""

from __future__ import annotations

from .operation import Json, Operation, Parameter, Text

__all__ = ("TIMER_OPERATIONS",)

_TIMERS = "/v1/timers"
_TIMER = "airswasm.lifecycle:TimerInfo"

TIMER_OPERATIONS = (
    Operation(
        "timers", "GET", _TIMERS, "List the messages that components send later.",
        Json("timers/1", _TIMER, "timers", is_list=True),
        (
            Parameter(
                "name", "query", Text(), "Only those of this component, or actor in Python.", ""
            ),
        ),
        scope="read",
    ),
    Operation(
        "cancel_timers", "DELETE", _TIMERS, "End timers.",
        Json("cancelled-timers/1", _TIMER, "timers", is_list=True),
        (
            Parameter("timers", "query", Text(), "Their ids, divided by commas.", ""),
            Parameter("name", "query", Text(), "Instead: all timers that this name has set.", ""),
        ),
        changes=True,
        detail="`timers` has the timers as they were. All of the ids end or, if one is unknown, "
        "none. Give either `timers` or `name`. The audit log has a line for each.",
        one_of=("timers", "name"),
        scope="all",
    ),
)  # fmt: skip
