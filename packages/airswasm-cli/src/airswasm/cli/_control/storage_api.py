"""The rows of the table that deal with stored data, and the one that backs up the home."""

from __future__ import annotations

from .operation import (
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
    Text,
)

__all__ = ("MOST_SECONDS", "MOST_VALUE_BYTES", "STORAGE_OPERATIONS")

_STORAGE = "/v1/components/{name}/storage"
_CHECKPOINTS = f"{_STORAGE}/checkpoints"
_ANSWERS = "airswasm.cli._control.answers"
MOST_VALUE_BYTES = 256 * 2**20
MOST_SECONDS = 100 * 365.25 * 86_400.0
_NAME = Parameter("name", "path", Component(), "The component, or one that left data behind.")
_KEY = Parameter("key", "query", Text(), "The key.")
_LABEL = Parameter("label", "query", Text(), "The checkpoint's name.")

STORAGE_OPERATIONS = (
    Operation(
        "stores", "GET", "/v1/storage", "List what stores data, with its size and quota.",
        Json("stores/1", f"{_ANSWERS}:StoredNamespace", "namespaces", is_list=True),
        detail="Components that were uninstalled without `purge` are among them.",
        scope="read",
    ),
    Operation(
        "storage_work", "GET", "/v1/storage/work", "List the long operations that are at work.",
        Json("storage-work/1", f"{_ANSWERS}:StorageWork", "work", is_list=True),
        detail="An operation on stored data answers when it is done; this tells how far it is.",
        scope="read",
    ),
    Operation(
        "verify_storage", "GET", "/v1/storage/verify",
        "Read all stored data, and count it anew.",
        Json("storage-verify/1", f"{_ANSWERS}:StorageVerified"),
        detail="Damaged data, and a count that differs from the stored one, are errors.",
        scope="read",
    ),
    Operation(
        "entries", "GET", _STORAGE, "List a component's stored keys.",
        JsonLines("entry/1", f"{_ANSWERS}:StoredEntry"),
        (
            _NAME,
            Parameter("prefix", "query", Text(), "Only keys with this prefix.", ""),
            Parameter("after", "query", Text(), "Begin behind this key.", None),
            Parameter(
                "limit", "query", Number(is_whole=True), "The most keys; 0 for all of them.", 0
            ),
            Parameter("reverse", "query", Flag(), "Begin with the highest key.", False),
        ),
        scope="read",
    ),
    Operation(
        "purge_storage", "DELETE", _STORAGE,
        "Delete all that a component stored, its checkpoints included.",
        Json("deleted/1", "", "keys"), (_NAME,), changes=True,
        detail="`keys` is the number of deleted keys.",
        scope="all",
    ),
    Operation(
        "delete_prefix", "DELETE", f"{_STORAGE}/keys",
        "Delete all keys that start with a prefix, in one step.",
        Json("deleted/1", "", "keys"),
        (_NAME, Parameter("prefix", "query", Text(), "The prefix; not empty.")),
        changes=True,
        scope="all",
    ),
    Operation(
        "read_value", "GET", f"{_STORAGE}/value", "Show the value of a key.", Raw(), (_NAME, _KEY),
        scope="read",
    ),
    Operation(
        "write_value", "PUT", f"{_STORAGE}/value", "Set the value of a key.", Nothing(),
        (
            _NAME, _KEY,
            Parameter("value", "body", Bytes(MOST_VALUE_BYTES), "The value."),
            Parameter(
                "ttl", "query", Number(0.001, MOST_SECONDS),
                "Seconds until it expires; by default never.", None,
            ),
        ),
        changes=True,
        scope="all",
    ),
    Operation(
        "delete_value", "DELETE", f"{_STORAGE}/value", "Delete a key.", Nothing(), (_NAME, _KEY),
        changes=True,
        scope="all",
    ),
    Operation(
        "export", "GET", f"{_STORAGE}/export",
        "Export a component's stored data as one stream.", Raw(is_streamed=True), (_NAME,),
        scope="read",
    ),
    Operation(
        "load", "POST", f"{_STORAGE}/import",
        "Import an export into a component's storage.", Json("import/1", "", "keys"),
        (
            _NAME,
            Parameter("chunks", "body", Stream(), "The bytes of an export."),
            Parameter("replace", "query", Flag(), "Delete the existing data first.", False),
            Parameter(
                "any_name", "query", Flag(), "Accept the export of another component.", False
            ),
        ),
        changes=True,
        detail="`keys` is the number of imported keys. All of them are imported or, after an "
        "error or a broken connection, none.",
        scope="all",
    ),
    Operation(
        "checkpoints", "GET", _CHECKPOINTS, "List the checkpoints of a component's storage.",
        Json("checkpoints/1", "airswasm.storage:Checkpoint", "checkpoints", is_list=True),
        (_NAME,),
        scope="read",
    ),
    Operation(
        "create_checkpoint", "POST", _CHECKPOINTS, "Copy a component's storage as it is now.",
        Json("checkpoint/1", "airswasm.storage:Checkpoint"), (_NAME, _LABEL), changes=True,
        scope="all",
    ),
    Operation(
        "drop_checkpoint", "DELETE", _CHECKPOINTS, "Remove a checkpoint.", Nothing(),
        (_NAME, _LABEL), changes=True,
        scope="all",
    ),
    Operation(
        "restore_checkpoint", "POST", f"{_CHECKPOINTS}/restore",
        "Make a component's storage what it was; the checkpoint stays.",
        Json("checkpoint/1", "airswasm.storage:Checkpoint"), (_NAME, _LABEL), changes=True,
        scope="all",
    ),
    Operation(
        "diff_checkpoint", "GET", f"{_CHECKPOINTS}/diff",
        "List the keys that differ from a checkpoint.",
        JsonLines("difference/1", f"{_ANSWERS}:StoredDifference"), (_NAME, _LABEL),
        scope="read",
    ),
    Operation(
        "backup", "GET", "/v1/backup", "Back up the whole home as one stream.",
        Raw(is_streamed=True), changes=True,
        detail="It is a tar archive of one moment, with the user's private keys. A stream that "
        "ends without its last member is no backup; `airswasm restore --dry-run` tells.",
        scope="all",
    ),
)  # fmt: skip
