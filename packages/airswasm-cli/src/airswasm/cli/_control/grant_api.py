"""The rows of the table that deal with grants, and the approvals of a rollback."""

from __future__ import annotations

from .operation import Component, Flag, Json, Number, Operation, Parameter, Text

__all__ = ("DENIED", "DRY_RUN", "GRANT_OPERATIONS", "NARROWED", "OVERRIDES")

_NAME = Parameter("name", "path", Component(), "The component.")
_TO = Parameter(
    "to", "query", Text(), "The version; by default the one that the active one replaced.", None
)
_DATA = Parameter(
    "data", "query", Text(("", "keep", "restore")),
    "`keep` for the data of now, `restore` for that of the version.", "",
)  # fmt: skip
_COMPONENT = "/v1/components/{name}"
_REPORT = "airswasm.lifecycle:GrantReport"
NARROWED = Parameter(
    "narrowed", "query", Text(),
    "Lines of a manifest: the patterns to grant instead of those that the plan asks about.", "",
)  # fmt: skip
DENIED = Parameter("denied", "query", Text(), "Lines of a manifest: the patterns to deny.", "")
DRY_RUN = Parameter(
    "dry_run", "query", Flag(),
    "The change is not meant to follow: a refusal is no failed change in the history.", False,
)  # fmt: skip
OVERRIDES = (
    Parameter(
        "override", "query", Text(),
        "The gates that must not stop it, divided by commas; with `reason`.", "",
    ),
    Parameter("reason", "query", Text(), "The reason to override them, for the record.", ""),
)  # fmt: skip

GRANT_OPERATIONS = (
    Operation(
        "grants", "GET", "/v1/grants", "List the grants of all components.",
        Json("grants/1", _REPORT, "components", is_list=True), scope="read",
    ),
    Operation(
        "grants_of", "GET", "/v1/grants/{name}",
        "Show what a component asks for, and what was decided about it.",
        Json("grants-of/1", _REPORT), (_NAME,), scope="read",
    ),
    Operation(
        "change_grants", "POST", "/v1/grants/{name}", "Change the grants of a component.",
        Json("grants-of/1", _REPORT),
        (
            _NAME,
            Parameter(
                "change", "query", Text(("add", "narrow", "deny", "remove", "lift")), "The change."
            ),
            Parameter("capability", "query", Text(), "The capability, `storage.read`."),
            Parameter("patterns", "query", Text(), "The patterns, one on each line.", ""),
            Parameter(
                "until", "query", Number(most=1e11), "The end, seconds since 1970; 0 for none.", 0.0
            ),
            Parameter("reason", "query", Text(), "The reason, for the record.", ""),
        ),
        changes=True,
        detail="The change is in force when the answer is sent: calls are decided by it, and what "
        "the component held open and may hold no longer has ended. `remove` takes grants away, "
        "`lift` denials. Without patterns, `deny`, `remove` and `lift` are about all of the "
        "capability.",
        scope="all",
    ),
    Operation(
        "plan_rollback", "GET", f"{_COMPONENT}/rollback", "Show the plan of a rollback.",
        Json("plan/1", "airswasm.cli._control.answers:PlanDocument"), (_NAME, _TO, DRY_RUN),
        scope="read",
    ),
    Operation(
        "rollback", "POST", f"{_COMPONENT}/rollback", "Go back to a retained version.",
        Json("component/1", "airswasm.lifecycle:ComponentInfo"),
        (_NAME, _TO, *OVERRIDES, _DATA), changes=True, scope="all",
        detail="Nothing is asked: that version was approved before. What was withdrawn since stays "
        "withdrawn; the plan of the rollback lists it in `withheld`. Without `data`, the data of "
        "now stays, unless a later version has migrated it: then it is refused. The plan has, in "
        "`data`, what each choice does.",
    ),
)  # fmt: skip
