"""What can go wrong in this block, each condition a class of its own."""

from __future__ import annotations

import os

from airswasm.wit import AirswasmError, ErrorCode

__all__ = (
    "StorageError",
    "InvalidNamespace",
    "InvalidKey",
    "ValueTooLarge",
    "QuotaExceeded",
    "StorageUnavailable",
    "StorageClosed",
    "StorageReadOnly",
    "StorageLocked",
    "StorageCorrupted",
    "ExportInvalid",
)


class StorageError(AirswasmError):
    """Root of this block's errors. Whatever raised one changed nothing."""

    explanation = ErrorCode(
        "E0500",
        "storage problem",
        "The store failed without a code of its own.",
        "read the message; nothing was changed",
    )


class InvalidNamespace(StorageError):
    """A namespace's id is empty, too long, or not encodable."""

    explanation = ErrorCode(
        "E0501",
        "wrong key or namespace",
        "A key or namespace is empty, too long or not text.",
        "use other keys",
    )

    def __init__(self, namespace: str, reason: str) -> None:
        self.namespace = namespace
        self.reason = reason
        super().__init__(f"the namespace {namespace[:80]!a} is not usable: {reason}")


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
        "The write would take the component over its quota.",
        "delete something, or raise `storage` under [limits] in Component.toml",
    )

    def __init__(
        self, namespace: str, used_bytes: int, needed_bytes: int, quota_bytes: int
    ) -> None:
        self.namespace = namespace
        self.used_bytes = used_bytes
        self.needed_bytes = needed_bytes
        self.quota_bytes = quota_bytes
        super().__init__(
            f"{namespace}: {used_bytes} of {quota_bytes} bytes are used, and this write needs "
            f"{needed_bytes} more; delete keys or ask the host's owner for a larger quota"
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
        super().__init__(
            f"{self.path}: storage is not available: {reason}; "
            "check the disk, writing goes on once it works"
        )


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


class StorageCorrupted(StorageError):
    """What is on the disk is not what was written."""

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
