from ._backends.backend import Backend, Change, EngineFactory, EngineOptions, Snapshot, View
from ._backends.opening import engine_of, has_store
from ._batch import Batch
from ._block import BLOCK, STORAGE_INTERFACE
from ._engines import RocksStore, SqliteStore, installed_engines, open_store
from ._guests import (
    DurabilityPolicy,
    FixedQuota,
    Journals,
    StorageQuotas,
    provide,
    storage_interface,
)
from ._layout.space import ENTRY_BYTES
from ._logs.consumer import Consumer, ConsumerStatus
from ._logs.log import Log, Posted
from ._logs.log_records import LogBounds, LogEntry, LogPage, LogStatus
from ._logs.succession import Succession
from ._moving import Copied, CopyProgress, copy_store
from ._reader import StoreReader, read_store
from ._settings import DEFAULT_QUOTA_BYTES, Durability, StorageSettings, StoreLimits
from ._spaces.checking import ExportCheck, ExportSummary
from ._spaces.checkpoints import Checkpoint, Checkpoints, Difference
from ._spaces.inline import Journal, Written
from ._spaces.namespace import Entry, Namespace, Page, Usage
from ._spaces.rebuilding import Progress
from ._store import KeyValueStore, Store
from .errors import (
    BatchTooLarge,
    CheckpointExists,
    CheckpointUnknown,
    EngineMismatch,
    EngineUnknown,
    EngineUnusable,
    ExportForeign,
    ExportInvalid,
    InvalidKey,
    InvalidLifetime,
    InvalidNamespace,
    LogFull,
    PreconditionFailed,
    QuotaExceeded,
    StorageClosed,
    StorageCorrupted,
    StorageError,
    StorageForked,
    StorageLocked,
    StorageReadOnly,
    StorageUnavailable,
    StoreFormatUnknown,
    ValueTooLarge,
)

__all__ = (
    "StorageSettings",
    "STORAGE_INTERFACE",
    "BLOCK",
    "Backend",
    "Batch",
    "BatchTooLarge",
    "Change",
    "Checkpoint",
    "CheckpointExists",
    "CheckpointUnknown",
    "Checkpoints",
    "Consumer",
    "ConsumerStatus",
    "Copied",
    "CopyProgress",
    "DEFAULT_QUOTA_BYTES",
    "ENTRY_BYTES",
    "Difference",
    "Durability",
    "DurabilityPolicy",
    "EngineFactory",
    "EngineMismatch",
    "EngineOptions",
    "EngineUnknown",
    "EngineUnusable",
    "Entry",
    "ExportCheck",
    "ExportForeign",
    "ExportInvalid",
    "ExportSummary",
    "FixedQuota",
    "InvalidKey",
    "InvalidLifetime",
    "InvalidNamespace",
    "Journal",
    "Journals",
    "KeyValueStore",
    "Log",
    "LogBounds",
    "LogEntry",
    "LogFull",
    "LogPage",
    "LogStatus",
    "Namespace",
    "Page",
    "Posted",
    "PreconditionFailed",
    "Progress",
    "QuotaExceeded",
    "RocksStore",
    "Snapshot",
    "SqliteStore",
    "StorageClosed",
    "StorageCorrupted",
    "StorageError",
    "StorageForked",
    "StorageLocked",
    "StorageQuotas",
    "StorageReadOnly",
    "StorageUnavailable",
    "Store",
    "StoreFormatUnknown",
    "StoreLimits",
    "StoreReader",
    "Succession",
    "Usage",
    "ValueTooLarge",
    "View",
    "Written",
    "copy_store",
    "engine_of",
    "has_store",
    "installed_engines",
    "open_store",
    "provide",
    "read_store",
    "storage_interface",
)
