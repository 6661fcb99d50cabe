"""The operations of a host: the table that everything else reads.

`Host` gives their types, `LocalHost` carries them out, and the rest is derived: the routes of
`control_server`, the requests of `control_client`, `GET /v1/openapi.json`, docs/control-api.md.
To add one, add a row here and the method to `Host` and `LocalHost`; tests hold the three equal.
"""

from __future__ import annotations

from airswasm.wit import Blocks

from ._operation import (
    Bytes,
    Component,
    Flag,
    Json,
    JsonLines,
    Nothing,
    Number,
    Operation,
    Parameter,
    Raw,
    Stream,
    Table,
    Text,
    read_table,
)

__all__ = ("COMPONENT", "MOST_BODY_BYTES", "OPERATIONS", "all_operations")

MOST_BODY_BYTES = 256 * 2**20
"""What a request may carry; how much of it a component takes is its `limits.host_call`."""
COMPONENT = "/v1/components/{name}"

_INFO = Json("component/1", "airswasm.lifecycle:ComponentInfo")
_NAME = Parameter("name", "path", Component(), "The component.")
_DIGEST = Parameter("digest", "path", Text(), "The plan's `digest`.")
_RECENT = Parameter(
    "recent", "query", Number(most=100_000, is_whole=True), "How many earlier lines.", 100
)
_FOLLOW = Parameter("follow", "query", Flag(), "Go on until the host stops.", False)

OPERATIONS = Table(
    (
        Operation(
            "about", "GET", "/v1/host", "Show the host's version, process and home.",
            Json("host/1", "airswasm.cli._answers:HostAbout"),
        ),
        Operation(
            "openapi", "GET", "/v1/openapi.json", "Show this API as an OpenAPI document.", Json(""),
        ),
        Operation(
            "status", "GET", "/v1/status", "Show how the host and its components are doing.",
            Json("status/1", "airswasm.lifecycle:SystemStatus"),
        ),
        Operation(
            "all_logs", "GET", "/v1/logs", "Show what all components logged.",
            JsonLines("log/1", "airswasm.lifecycle:LogEntry"), (_RECENT, _FOLLOW),
        ),
        Operation(
            "list", "GET", "/v1/components", "List the installed components.",
            Json("list/1", "airswasm.lifecycle:ComponentSummary", "components", is_list=True),
        ),
        Operation(
            "plan", "POST", "/v1/plans",
            "Upload a package and show what installing it, or updating to it, would do.",
            Json("plan/1", "airswasm.cli._answers:PlanDocument"),
            (
                Parameter(
                    "package", "body", Bytes(MOST_BODY_BYTES, "application/zip"),
                    "The bytes of a `.airswasm` file.",
                ),
                Parameter("source", "query", Text(), "How to call it in messages.", "package"),
                Parameter(
                    "change", "query", Text(("install", "update")), "What to plan.", "install"
                ),
            ),
            changes=True,
            detail="The host verifies the package and compiles it; nothing of it is executed. It "
            "keeps the package for ten minutes under the plan's `digest`, which covers every byte "
            "of it and what the change means for this host. `POST /v1/plans/DIGEST` carries "
            "exactly that out. A host keeps a few plans; a new one may displace the oldest.",
        ),
        Operation(
            "approve", "POST", "/v1/plans/{digest}", "Carry out a plan.", _INFO, (_DIGEST,),
            changes=True,
            detail="When the host's state has changed so that the plan would be another one, it "
            "is refused, and the package has to be planned again.",
        ),
        Operation(
            "refuse", "DELETE", "/v1/plans/{digest}", "Drop a plan, and note that it was refused.",
            Nothing(), (_DIGEST,), changes=True,
        ),
        Operation(
            "info", "GET", COMPONENT, "Show everything about one component.",
            Json("info/1", "airswasm.lifecycle:ComponentInfo"), (_NAME,),
        ),
        Operation(
            "uninstall", "DELETE", COMPONENT, "Remove a component.", Nothing(),
            (
                _NAME,
                Parameter("purge", "query", Flag(), "Remove what it stored and logged too.", False),
            ),
            changes=True,
        ),
        Operation(
            "rollback", "POST", f"{COMPONENT}/rollback", "Go back to a retained version.", _INFO,
            (
                _NAME,
                Parameter("to", "query", Text(), "The version; else the one before.", None),
            ),
            changes=True,
        ),
        Operation(
            "start", "POST", f"{COMPONENT}/start",
            "Start a component that was stopped or given up.", _INFO, (_NAME,), changes=True,
        ),
        Operation(
            "stop", "POST", f"{COMPONENT}/stop", "Stop a component until it is started again.",
            _INFO,
            (
                _NAME,
                Parameter(
                    "kill", "query", Flag(),
                    "End it at once, and a start, a stop or an update of it that lasts.", False,
                ),
            ),
            changes=True,
        ),
        Operation(
            "restart", "POST", f"{COMPONENT}/restart", "Stop and start a component.",
            _INFO, (_NAME,), changes=True,
        ),
        Operation(
            "send", "POST", f"{COMPONENT}/messages", "Deliver a message and wait for the reply.",
            Raw(),
            (
                _NAME,
                Parameter("payload", "body", Bytes(MOST_BODY_BYTES), "The message."),
                Parameter("timeout", "query", Number(), "Seconds to wait for the reply.", 30.0),
            ),
            changes=True,
            detail="204 acknowledges the message without a reply.",
        ),
        Operation(
            "logs", "GET", f"{COMPONENT}/logs", "Show what a component logged.",
            JsonLines("log/1", "airswasm.lifecycle:LogEntry"), (_NAME, _RECENT, _FOLLOW),
        ),
        Operation(
            "entries", "GET", f"{COMPONENT}/storage", "List what a component stored.",
            JsonLines("entry/1", "airswasm.cli._answers:StoredEntry"),
            (_NAME, Parameter("prefix", "query", Text(), "Only keys that start so.", "")),
        ),
        Operation(
            "export", "GET", f"{COMPONENT}/storage/export",
            "Write all that a component stored, as one stream.", Raw(is_streamed=True), (_NAME,),
        ),
        Operation(
            "load", "POST", f"{COMPONENT}/storage/import",
            "Put an export back into a component's storage.", Json("import/1", "", "keys"),
            (
                _NAME,
                Parameter("chunks", "body", Stream(), "The bytes of an export."),
                Parameter("replace", "query", Flag(), "Remove what is there first.", False),
            ),
            changes=True,
            detail="`keys` is the number of keys that were put back.",
        ),
    )
)  # fmt: skip


def all_operations(blocks: Blocks | None = None) -> Table:
    """Return the operations of a host, with those that installed blocks bring.

    Args:
        blocks: Whose; None for all that are installed.

    Raises:
        ImportError, AttributeError, ValueError: A block's declaration of them is wrong.
    """
    return read_table(OPERATIONS, (blocks or Blocks.find()).operations)
