"""Errors of the block, one class for each condition."""

from __future__ import annotations

import os
from collections.abc import Sequence

from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

__all__ = (
    "StorageError",
    "InvalidNamespace",
    "InvalidKey",
    "ValueTooLarge",
    "QuotaExceeded",
    "BatchTooLarge",
    "InvalidLifetime",
    "PreconditionFailed",
    "StorageUnavailable",
    "StorageClosed",
    "StorageReadOnly",
    "StorageLocked",
    "StorageForked",
    "StorageCorrupted",
    "ExportInvalid",
    "ExportForeign",
    "EngineUnknown",
    "EngineUnusable",
    "EngineMismatch",
    "StoreFormatUnknown",
    "LogFull",
    "CheckpointUnknown",
    "CheckpointExists",
)


class StorageError(AirswasmError):
    """Root of the block's errors. An operation that raises one has changed nothing."""

    explanation = ErrorCode(
        "E0500",
        "storage problem",
        "The store failed without a code of its own.",
        "read the message; nothing was changed",
    )


class InvalidNamespace(StorageError):
    """The name of a namespace, a log, a consumer or a checkpoint is empty, too long, or no text."""

    explanation = ErrorCode(
        "E0501",
        "wrong key or name",
        "A key, or the name of a namespace or checkpoint, is empty, too long or not text.",
        "use another one: a key has 1 to 1,024 bytes of UTF-8, a name 1 to 255",
    )

    def __init__(self, namespace: str, reason: str, kind: str = "namespace") -> None:
        self.namespace = namespace
        self.reason = reason
        self.kind = kind
        super().__init__(f"the {kind} {namespace[:80]!a} is not usable: {reason}")


class InvalidKey(StorageError):
    """A key is empty, too long, or not encodable."""

    explanation = InvalidNamespace.explanation

    def __init__(self, namespace: str, key: str, reason: str) -> None:
        self.namespace = namespace
        self.key = key
        self.reason = reason
        super().__init__(f"{namespace}: the key {key[:80]!a} is not usable: {reason}")


class ValueTooLarge(StorageError):
    """A value exceeds the size that the store allows."""

    explanation = ErrorCode(
        "E0502",
        "value too large",
        "A value exceeds the size that the store allows.",
        "store it in parts",
    )

    def __init__(self, namespace: str, key: str, value_bytes: int, limit_bytes: int) -> None:
        self.namespace = namespace
        self.key = key
        self.value_bytes = value_bytes
        self.limit_bytes = limit_bytes
        super().__init__(
            f"{namespace}: the value of {key[:80]!a} has {value_bytes} bytes, and {limit_bytes} "
            "are allowed; store it in parts"
        )


class QuotaExceeded(StorageError):
    """A write would take a namespace over its quota."""

    explanation = ErrorCode(
        "E0503",
        "quota used up",
        "The write would take the component over its quota of bytes or of keys.",
        "delete something; an operator sets another quota with `airswasm storage quota`, and an "
        "author asks for one by `storage` (bytes) or `storage_keys` under [limits] in "
        "Component.toml, and where the host allows less, in config.toml",
    )

    def __init__(
        self,
        namespace: str,
        used_bytes: int,
        needed_bytes: int,
        quota_bytes: int,
        used_keys: int = 0,
        needed_keys: int = 0,
        quota_keys: int | None = None,
    ) -> None:
        """Take the numbers.

        Args:
            namespace: The namespace.
            used_bytes: The bytes that are used.
            needed_bytes: The bytes that the write adds.
            quota_bytes: The most bytes.
            used_keys: The keys that are there.
            needed_keys: The keys that the write adds.
            quota_keys: The most keys, where these are too many; None where the bytes are.
        """
        self.namespace = namespace
        self.used_bytes = used_bytes
        self.needed_bytes = needed_bytes
        self.quota_bytes = quota_bytes
        self.used_keys = used_keys
        self.needed_keys = needed_keys
        self.quota_keys = quota_keys
        if quota_keys is None:
            used, unit, needed = f"{used_bytes} of {quota_bytes}", "bytes", needed_bytes
        else:
            used, unit, needed = f"{used_keys} of {quota_keys}", "keys", needed_keys
        super().__init__(
            f"{namespace}: {used} {unit} are used, and this write needs "
            f"{needed} more; delete keys or ask the host's owner for a larger quota"
        )


class BatchTooLarge(StorageError):
    """A batch has more entries or bytes than one atomic write may have."""

    explanation = ErrorCode(
        "E0516",
        "batch too large",
        "An atomic write has more entries or bytes than the store allows.",
        "write it in several batches, or raise `storage.batch_entries` or `storage.batch_bytes`",
    )

    def __init__(
        self, namespace: str, entries: int, size_bytes: int, most_entries: int, most_bytes: int
    ) -> None:
        self.namespace = namespace
        self.entries = entries
        self.size_bytes = size_bytes
        self.most_entries = most_entries
        self.most_bytes = most_bytes
        super().__init__(
            f"{namespace}: a batch of {entries} entries and {size_bytes} bytes is too large "
            f"(allowed: {most_entries} and {most_bytes}); write it in several"
        )


class InvalidLifetime(StorageError):
    """A time to live is not above 0, too long, or that of a key that is not set."""

    explanation = ErrorCode(
        "E0517",
        "wrong time to live",
        "A time to live is not above 0, is longer than a hundred years, or belongs to no value.",
        "give another one, or none for a key that never expires",
    )

    def __init__(self, namespace: str, key: str, ttl: float) -> None:
        self.namespace = namespace
        self.key = key
        self.ttl = ttl
        super().__init__(
            f"{namespace}: {key[:80]!a} cannot expire after {ttl} seconds: a value that is set "
            "lives for more than 0 seconds and at most 100 years"
        )


class PreconditionFailed(StorageError):
    """A key does not have the value that a batch expects; another writer was faster."""

    explanation = ErrorCode(
        "E0518",
        "value was changed",
        "A key does not have the value that the write expects.",
        "read the key again, and decide anew",
    )

    def __init__(self, namespace: str, key: str) -> None:
        self.namespace = namespace
        self.key = key
        super().__init__(
            f"{namespace}: {key[:80]!a} does not have the value that this write expects; "
            "read it again"
        )


class StorageUnavailable(StorageError):
    """The disk refuses to read or write; what was acknowledged before is safe."""

    explanation = ErrorCode(
        "E0504",
        "storage unavailable",
        "The disk refuses to read or write. What was acknowledged is safe.",
        "check the disk: its room, its mount, who may write; the store goes on by itself",
    )

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: storage is not available: {reason}")


class StorageClosed(StorageUnavailable):
    """The store is not open (any more)."""

    explanation = StorageUnavailable.explanation

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "the store is closed")


class StorageReadOnly(StorageUnavailable):
    """The store was opened for reading only."""

    explanation = StorageUnavailable.explanation

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "it was opened for reading only")


class StorageLocked(StorageError):
    """Another process, or another store of this one, has it open."""

    explanation = ErrorCode(
        "E0505",
        "store in use",
        "Another process has the store open.",
        "stop the other one, or use another home",
    )

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        super().__init__(
            f"{self.path}: another process has this store open; "
            "ask that one, or read beside it with read_only=True"
        )


class StorageForked(StorageError):
    """The engine runs in the process that this one was forked from, and cannot run here."""

    explanation = ErrorCode(
        "E0519",
        "store opened after a fork",
        "The process was forked from one that had opened a store with an engine that has threads, "
        "which a forked process does not have.",
        "open the first store after the fork (gunicorn's post_fork, Celery's "
        "worker_process_init), start workers with `spawn`, or set `storage.engine` to sqlite",
    )

    def __init__(self, path: str | os.PathLike[str], engine: str) -> None:
        self.path = os.fspath(path)
        self.engine = engine
        super().__init__(
            f"{self.path}: this process was forked from one that had opened a store with "
            f"{engine}, whose threads it does not have"
        )


class StorageCorrupted(StorageError):
    """The disk returns something that was not written."""

    explanation = ErrorCode(
        "E0506",
        "store damaged",
        "What is on the disk is not what was written.",
        "stop the host, keep a copy of the folder, and restore it from a backup",
    )

    def __init__(self, path: str | os.PathLike[str], detail: str) -> None:
        self.path = os.fspath(path)
        self.detail = detail
        super().__init__(
            f"{self.path}: the stored data is damaged ({detail}); stop the host and restore "
            "this folder from a checkpoint or an export"
        )


class ExportInvalid(StorageError):
    """An export is cut short, altered, or not an export."""

    explanation = ErrorCode(
        "E0507",
        "not an export",
        "The file is cut short, altered, or not an export.",
        "use a file that `airswasm storage export` wrote",
    )

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line} of the export: {reason}; nothing was imported")


class ExportForeign(ExportInvalid):
    """An export holds the content of another namespace."""

    explanation = ErrorCode(
        "E0508",
        "another component's export",
        "The export says whose it is, and it is not the component that it is to be put into.",
        "name that component, or say that any name will do: --any-name",
        ExitStatus.REFUSED,
    )

    def __init__(self, exported: str, namespace: str) -> None:
        self.exported = exported
        self.namespace = namespace
        super().__init__(
            1,
            f"it holds what {exported[:80]!a} stored, not {namespace!a}; "
            "say that the name may differ if you mean it",
        )


class EngineUnknown(StorageError):
    """No installed package offers a storage engine of this name."""

    explanation = ErrorCode(
        "E0509",
        "no such storage engine",
        "No installed package offers a storage engine of that name.",
        "correct `storage.engine`, or install the package that offers it",
        ExitStatus.USAGE,
    )

    def __init__(self, engine: str, installed: Sequence[str]) -> None:
        import difflib  # here: every verb imports errors, few raise this

        self.engine = engine
        self.installed = tuple(installed)
        close = difflib.get_close_matches(engine, self.installed, n=1)
        self.suggestion = close[0] if close else None
        hint = f"; did you mean {self.suggestion!r}?" if self.suggestion else ""
        super().__init__(
            f"there is no storage engine {engine[:80]!a}{hint} "
            f"(installed: {', '.join(self.installed) or 'none'})"
        )


class EngineUnusable(StorageError):
    """A storage engine is installed, and it cannot be loaded."""

    explanation = ErrorCode(
        "E0510",
        "storage engine unusable",
        "The package of a storage engine is installed and cannot be loaded.",
        "reinstall the package that the message names",
    )

    def __init__(self, engine: str, reason: str) -> None:
        self.engine = engine
        self.reason = reason
        super().__init__(f"the storage engine {engine!r} cannot be loaded: {reason}")


class EngineMismatch(StorageError):
    """Another engine wrote the folder."""

    explanation = ErrorCode(
        "E0511",
        "written by another engine",
        "The folder was written by another storage engine than the one that is set.",
        "set `storage.engine` back; moving to another engine: airswasm storage export and import",
    )

    def __init__(self, path: str | os.PathLike[str], written: str, asked: str) -> None:
        self.path = os.fspath(path)
        self.written = written
        self.asked = asked
        super().__init__(
            f"{self.path}: the engine {written!r} wrote this store, and {asked!r} was asked for; "
            f"set the engine to {written!r}, or move the data with "
            f"`airswasm storage migrate --to {asked}`"
        )


class StoreFormatUnknown(StorageError):
    """A later version wrote the folder, in a format that this one does not know."""

    explanation = ErrorCode(
        "E0512",
        "store of another version",
        "The store was written by a version of airswasm-storage that this one does not know.",
        "install that version; nothing was changed",
    )

    def __init__(self, path: str | os.PathLike[str], found: str) -> None:
        self.path = os.fspath(path)
        self.found = found
        super().__init__(
            f"{self.path}: the format of this store is not known here ({found[:80]!a}); "
            "open it with the version of airswasm-storage that wrote it, or a later one"
        )


class LogFull(StorageError):
    """A log has no room, and may not drop what is not acknowledged."""

    explanation = ErrorCode(
        "E0513",
        "log full",
        "A log holds as much as its bounds allow, and nothing in it may be dropped.",
        "let its readers acknowledge, or raise the bound",
    )

    def __init__(self, log: str, entries: int, size_bytes: int) -> None:
        self.log = log
        self.entries = entries
        self.size_bytes = size_bytes
        super().__init__(
            f"the log {log!a} is full: {entries} entries of {size_bytes} bytes are not "
            "acknowledged; wait for its consumers, or raise its bounds"
        )


class CheckpointUnknown(StorageError):
    """A namespace has no checkpoint of this label."""

    explanation = ErrorCode(
        "E0514",
        "no such checkpoint",
        "The component's storage has no checkpoint of that name.",
        "list them: airswasm storage checkpoints list NAME",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, namespace: str, label: str) -> None:
        self.namespace = namespace
        self.label = label
        super().__init__(f"{namespace}: there is no checkpoint {label[:80]!a}")


class CheckpointExists(StorageError):
    """A namespace already has a checkpoint of this label."""

    explanation = ErrorCode(
        "E0515",
        "checkpoint exists",
        "A checkpoint is never overwritten.",
        "choose another name, or drop the old one",
    )

    def __init__(self, namespace: str, label: str) -> None:
        self.namespace = namespace
        self.label = label
        super().__init__(
            f"{namespace}: there is a checkpoint {label[:80]!a} already; drop it first"
        )
