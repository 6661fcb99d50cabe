"""The rows of the table that deal with alerts."""

from __future__ import annotations

from .operation import Json, Number, Operation, Parameter, Text

__all__ = ("ALERT_OPERATIONS",)

_ALERTS = "/v1/alerts"
_SILENCE = f"{_ALERTS}/{{rule}}/silence"
_RULE = Parameter("rule", "path", Text(), "The rule's name.")
_COMPONENT = Parameter(
    "component", "query", Text(), "Only alerts about this component; else all of the rule's.", ""
)

ALERT_OPERATIONS = (
    Operation(
        "alerts", "GET", _ALERTS, "List the alert rules of the host, and what fires.",
        Json("alerts/1", "airswasm.monitoring:AlertsReport"), scope="read",
    ),
    Operation(
        "alert", "GET", f"{_ALERTS}/{{rule}}", "Show an alert rule with its alerts.",
        Json("alert/1", "airswasm.monitoring:RuleReport"), (_RULE,), scope="read",
    ),
    Operation(
        "silence_alert", "POST", _SILENCE, "Tell no receiver of a rule's alerts for some time.",
        Json("silence/1", "airswasm.monitoring:Silence"),
        (
            _RULE,
            Parameter("seconds", "query", Number(1, 366 * 86_400), "For how long, from now."),
            _COMPONENT,
            Parameter("reason", "query", Text(), "Why, for the record.", ""),
        ),
        changes=True,
        detail="The rule is evaluated all the same, and its alerts are listed. Another silence of "
        "the same rule and component gives way. The audit log has a line.",
        scope="all",
    ),
    Operation(
        "lift_silence", "DELETE", _SILENCE, "Tell receivers of a rule's alerts again.",
        Json("lifted-silence/1", "", "was_silent"), (_RULE, _COMPONENT),
        changes=True, scope="all",
    ),
)  # fmt: skip
