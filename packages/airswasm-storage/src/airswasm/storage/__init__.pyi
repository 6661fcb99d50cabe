from ._block import BLOCK, STORAGE_INTERFACE
from ._settings import StorageSettings
from .errors import (
    ExportInvalid,
    InvalidKey,
    InvalidNamespace,
    QuotaExceeded,
    StorageClosed,
    StorageCorrupted,
    StorageError,
    StorageLocked,
    StorageReadOnly,
    StorageUnavailable,
    ValueTooLarge,
)
from .guests import FixedQuota, StorageQuotas, provide, storage_interface
from .namespace import DEFAULT_QUOTA_BYTES, Entry, Namespace, Page, Usage
from .rocks import RocksStore
from .sqlite import SqliteStore
from .store import Durability, KeyValueStore, Store, StoreLimits

__all__ = (
    "StorageSettings",
    "STORAGE_INTERFACE",
    "BLOCK",
    "DEFAULT_QUOTA_BYTES",
    "Durability",
    "Entry",
    "ExportInvalid",
    "FixedQuota",
    "InvalidKey",
    "InvalidNamespace",
    "KeyValueStore",
    "Namespace",
    "Page",
    "QuotaExceeded",
    "RocksStore",
    "SqliteStore",
    "StorageClosed",
    "StorageCorrupted",
    "StorageError",
    "StorageLocked",
    "StorageQuotas",
    "StorageReadOnly",
    "StorageUnavailable",
    "Store",
    "StoreLimits",
    "Usage",
    "ValueTooLarge",
    "provide",
    "storage_interface",
)
