"""The rows of the table that deal with versions: their files, their routes, and what happened."""

from __future__ import annotations

from .operation import Component, Flag, Json, JsonLines, Number, Operation, Parameter, Text

__all__ = ("VERSION_OPERATIONS",)

_COMPONENT = "/v1/components/{name}"
_PIN = f"{_COMPONENT}/versions/{{version}}/pin"
_NAME = Parameter("name", "path", Component(), "The component.")
_VERSION = Parameter("version", "path", Text(), "A retained version.")
_INFO = Json("component/1", "airswasm.lifecycle:ComponentInfo")
_SINCE = Parameter("since", "query", Number(most=1e11), "Not before; seconds since 1970.", None)
_RECENT = Parameter(
    "recent", "query", Number(most=1e6, is_whole=True), "The newest so many; 0 for all.", 100
)

VERSION_OPERATIONS = (
    Operation(
        "routes", "GET", "/v1/routes", "Show what each name leads to, and since when.",
        Json("routes/1", "airswasm.lifecycle:RouteInfo", "routes", is_list=True),
        scope="read",
    ),
    Operation(
        "all_history", "GET", "/v1/history", "Show what happened on this host, newest last.",
        JsonLines("history-entry/1", "airswasm.lifecycle:HistoryEntry"), (_SINCE, _RECENT),
        scope="read",
    ),
    Operation(
        "history", "GET", f"{_COMPONENT}/history",
        "Show what happened to a component, newest last.",
        JsonLines("history-entry/1", "airswasm.lifecycle:HistoryEntry"),
        (
            Parameter("name", "path", Component(), "The component, or one that was uninstalled."),
            _SINCE, _RECENT,
        ),
        detail="It outlives an uninstall. A purge leaves one entry: that the name was purged.",
        scope="read",
    ),
    Operation(
        "artifacts", "GET", "/v1/artifacts",
        "List the stored files, with the versions that need them.",
        Json("artifacts/1", "airswasm.lifecycle:Artifact", "artifacts", is_list=True),
        scope="read",
    ),
    Operation(
        "verify_artifacts", "GET", "/v1/artifacts/checks",
        "Read and hash every stored file that a version needs.",
        JsonLines("artifact-check/1", "airswasm.lifecycle:ArtifactCheck"),
        detail="A line for each file as it was read. `problem` of a damaged one is not empty, and "
        "`mend` says how to get it back.",
        scope="read",
    ),
    Operation(
        "clean_artifacts", "POST", "/v1/artifacts/clean-up",
        "Remove the versions and the files that no rule keeps.",
        Json("clean-up/1", "airswasm.lifecycle:CleanUp"),
        (Parameter("dry_run", "query", Flag(), "Remove nothing.", False),),
        changes=True,
        detail="Nothing that runs, is pinned, or is among the newest of its name is removed; see "
        "`[install] retain` and its neighbours. Code in the compile cache goes with its component.",
        scope="all",
    ),
    Operation(
        "pin_version", "POST", _PIN, "Keep a retained version until it is unpinned.", _INFO,
        (_NAME, _VERSION), changes=True, scope="all",
    ),
    Operation(
        "unpin_version", "DELETE", _PIN, "Leave a version to the rules of retention again.", _INFO,
        (_NAME, _VERSION), changes=True, scope="all",
    ),
)  # fmt: skip
