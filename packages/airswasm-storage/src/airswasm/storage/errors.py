"""What can go wrong in this block, each condition a class of its own."""

from __future__ import annotations

import os

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


class StorageError(Exception):
    """Root of this block's errors. Whatever raised one changed nothing."""


class InvalidNamespace(StorageError):
    """A namespace's id is empty, too long, or not encodable."""

    def __init__(self, namespace: str, reason: str) -> None:
        self.namespace = namespace
        self.reason = reason
        super().__init__(f"the namespace {namespace[:80]!a} is not usable: {reason}")


class InvalidKey(StorageError):
    """A key is empty, too long, or not encodable."""

    def __init__(self, namespace: str, key: str, reason: str) -> None:
        self.namespace = namespace
        self.key = key
        self.reason = reason
        super().__init__(f"{namespace}: the key {key[:80]!a} is not usable: {reason}")


class ValueTooLarge(StorageError):
    """A value exceeds the size that the store allows."""

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

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(
            f"{self.path}: storage is not available: {reason}; "
            "check the disk, writing goes on once it works"
        )


class StorageClosed(StorageUnavailable):
    """The store is not open (any more)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "the store is closed")


class StorageReadOnly(StorageUnavailable):
    """The store was opened for reading only."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "it was opened for reading only")


class StorageLocked(StorageError):
    """Another process, or another store of this one, has it open."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        super().__init__(
            f"{self.path}: another process has this store open; "
            "ask that one, or read beside it with read_only=True"
        )


class StorageCorrupted(StorageError):
    """What is on the disk is not what was written."""

    def __init__(self, path: str | os.PathLike[str], detail: str) -> None:
        self.path = os.fspath(path)
        self.detail = detail
        super().__init__(
            f"{self.path}: the stored data is damaged ({detail}); stop the host and restore "
            "this folder from a checkpoint or an export"
        )


class ExportInvalid(StorageError):
    """An export is cut short, altered, or not an export."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line} of the export: {reason}; nothing was imported")
