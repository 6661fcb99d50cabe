"""The rows of the table that deal with the audit log and with config.toml."""

from __future__ import annotations

from .operation import Flag, Json, JsonLines, Nothing, Number, Operation, Parameter, Text

__all__ = ("AUDIT_OPERATIONS",)

_ANSWERS = "airswasm.cli._control.answers"
_SETTING = Parameter("setting", "path", Text(), "The setting, `section.key`.")
_TIME = Number(most=1e11)
_LOG = Parameter(
    "log", "query", Text(("audit", "messages")),
    "The log: of decisions and changes, or of messages.", "audit",
)  # fmt: skip

AUDIT_OPERATIONS = (
    Operation(
        "audit_head", "GET", "/v1/audit/head",
        "Show the newest line's number and hash.",
        Json("audit-head/1", f"{_ANSWERS}:AuditNewest"), (_LOG,),
        detail="Keep it on another machine: `audit_verify` then finds a log that was cut or "
        "replaced together with the host's store.",
        scope="read",
    ),
    Operation(
        "audit_verify", "GET", "/v1/audit/verify",
        "Verify the chain of the audit log.",
        Json("audit-report/1", f"{_ANSWERS}:AuditVerified"),
        (
            Parameter(
                "head", "query", Text(), "A head that the log must have, `NUMBER:SHA256`.", None
            ),
            _LOG,
        ),
        detail="The host reads all of the log and compares it with the newest line that it has "
        "written and with the head in its store.",
        scope="read",
    ),
    Operation(
        "audit_lines", "GET", "/v1/audit/lines", "Show lines of the audit log.",
        JsonLines("audit-line/1", "airswasm.security:AuditRecord"),
        (
            Parameter("kind", "query", Text(), "Only of this kind.", ""),
            Parameter("component", "query", Text(), "Only about this component.", ""),
            Parameter("capability", "query", Text(), "Only about this capability.", ""),
            Parameter(
                "outcome", "query", Text(("", "allow", "deny", "done", "failed")),
                "Only with this outcome.", "",
            ),
            Parameter("text", "query", Text(), "Only with this text.", ""),
            Parameter("since", "query", _TIME, "Not before; seconds since 1970.", None),
            Parameter("until", "query", _TIME, "Not after; seconds since 1970.", None),
            Parameter(
                "recent", "query", Number(most=100_000, is_whole=True),
                "Number of lines, the newest ones.", 100,
            ),
            Parameter("follow", "query", Flag(), "Continue until the host stops.", False),
            Parameter(
                "line", "query", Number(is_whole=True, most=1e15),
                "Only the line of this number, and the effects of its decision.", None,
            ),
            _LOG,
        ),
        scope="read",
    ),
    Operation(
        "audit_accept", "POST", "/v1/audit/acceptances",
        "Record that you know of the cuts that the audit log reports.",
        Json("audit-head/1", f"{_ANSWERS}:AuditNewest"),
        (Parameter("reason", "query", Text(), "The reason, for the record."),),
        changes=True,
        detail="From then on the cuts before that line are no fault of the log.",
        scope="all",
    ),
    Operation(
        "set_setting", "PUT", "/v1/settings/{setting}", "Set one setting in config.toml.",
        Nothing(),
        (_SETTING, Parameter("value", "query", Text(), "The value as TOML, or plain text.")),
        changes=True,
        detail="It holds after a reload (`POST /v1/settings`), or from the host's next start on. "
        "The audit log has the change before the file does.",
        scope="all",
    ),
    Operation(
        "unset_setting", "DELETE", "/v1/settings/{setting}",
        "Remove one setting from config.toml.", Nothing(), (_SETTING,), changes=True, scope="all",
    ),
    Operation(
        "reload", "POST", "/v1/settings", "Take config.toml over: all of it, or nothing.",
        Json("reload/1", "airswasm.lifecycle:ReloadReport"),
        (Parameter("dry_run", "query", Flag(), "Check it, and say what would change.", False),),
        changes=True,
        detail="The answer has each key that differs from what is in force: `applied`, `waiting` "
        "for the host's next start with the reason, or `overridden` by a variable of the host. "
        "Texts, lists and tables are not shown. A file with one mistake changes nothing.",
        scope="all",
    ),
)  # fmt: skip
