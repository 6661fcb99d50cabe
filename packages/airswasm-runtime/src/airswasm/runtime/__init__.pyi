from ._account import Account, Holding, HostMemory, HostSettings
from ._block import BLOCK
from ._blocking import BlockingEngine, BlockingInstance, BlockingPool, in_thread
from ._calls.call import Call, CallState
from ._component import Component, LinkedComponent
from ._config import CompileLimits, CompileProgress, EngineConfig, ProgressSink
from ._engine import Engine
from ._exports import CallTarget, Exports
from ._health import Finding, Health, HealthSources
from ._host import Caller, Effect, HostFunction, HostInterface, HostResource, Pending, noting
from ._instance import Function, Instance
from ._interpreter import find_interpreter
from ._limits import Limits
from ._live_settings import LiveSettings
from ._loop_thread import LoopThread
from ._meters import Meters
from ._pool import InstancePool, PoolStatistics
from ._process.mappings import check_address_space
from ._queue import InstanceQueue
from ._scopes import OpenScopes, asyncio_task, drop_cancellation, is_cancelled_by_scope, outlast
from ._self_test import ProbeOutcome, SelfTestReport, self_test
from ._services import HostInterfaceProvider, Services
from ._settings import EngineSettings
from ._shape import (
    FunctionShape,
    InterfaceShape,
    ResourceIdentity,
    ValueType,
)
from ._snapshots import SnapshotDifference, Snapshots, SnapshotSize
from ._timers import Timer, Timers
from ._usage import BOUNDS, CallUse, FunctionUse, Histogram, HostCallUse, Usage
from ._values import Case, Err, GuestResource, Ok, Some
from ._wasi_names import WASI_INTERFACES
from .errors import (
    AccountExceeded,
    ArgumentsTooLarge,
    CallTooLarge,
    CompileFailed,
    CompileLimitExceeded,
    DeadlineExceeded,
    EngineError,
    Frame,
    FuelExhausted,
    GuestExited,
    GuestFault,
    HostCallTooLarge,
    HostExhausted,
    HostFunctionFailed,
    HostMemoryExceeded,
    InstanceBusy,
    InstanceClosed,
    InvalidComponent,
    LimitExceeded,
    MemoryLimitExceeded,
    NoSuchExport,
    NotCopyable,
    NotRunning,
    QueueExpired,
    QueueFull,
    ResourceDropped,
    ResourceKept,
    ResourcesExhausted,
    ScopeLeftOpen,
    ServiceMissing,
    StackOverflowed,
    Trapped,
    UnsafeCacheFolder,
    UnsatisfiedImport,
    UnsupportedEngine,
    ValueMismatch,
)
from .wasi._state import WasiConfig
from .wasi._stdio import LineLimits, LogSink

__all__ = (
    "WASI_INTERFACES",
    "EngineSettings",
    "Finding",
    "Health",
    "HealthSources",
    "LiveSettings",
    "Meters",
    "BLOCK",
    "BOUNDS",
    "Account",
    "AccountExceeded",
    "ArgumentsTooLarge",
    "BlockingEngine",
    "BlockingInstance",
    "BlockingPool",
    "Call",
    "CallState",
    "CallTarget",
    "CallTooLarge",
    "CallUse",
    "Caller",
    "Case",
    "CompileFailed",
    "CompileLimitExceeded",
    "CompileLimits",
    "CompileProgress",
    "Component",
    "DeadlineExceeded",
    "Effect",
    "Engine",
    "EngineConfig",
    "EngineError",
    "Err",
    "FunctionUse",
    "Exports",
    "Frame",
    "FuelExhausted",
    "Function",
    "FunctionShape",
    "GuestExited",
    "GuestFault",
    "GuestResource",
    "Histogram",
    "HostCallTooLarge",
    "HostCallUse",
    "HostExhausted",
    "HostFunction",
    "HostFunctionFailed",
    "Holding",
    "HostInterface",
    "HostInterfaceProvider",
    "HostMemory",
    "HostMemoryExceeded",
    "HostSettings",
    "HostResource",
    "Instance",
    "InstanceBusy",
    "InstanceClosed",
    "InstancePool",
    "InstanceQueue",
    "InterfaceShape",
    "InvalidComponent",
    "LimitExceeded",
    "Limits",
    "LineLimits",
    "LinkedComponent",
    "LogSink",
    "LoopThread",
    "MemoryLimitExceeded",
    "NoSuchExport",
    "NotCopyable",
    "NotRunning",
    "ResourceDropped",
    "ResourceKept",
    "Ok",
    "OpenScopes",
    "Pending",
    "PoolStatistics",
    "ProbeOutcome",
    "ProgressSink",
    "QueueExpired",
    "QueueFull",
    "ResourceIdentity",
    "ResourcesExhausted",
    "ScopeLeftOpen",
    "ServiceMissing",
    "SelfTestReport",
    "Services",
    "SnapshotDifference",
    "SnapshotSize",
    "Snapshots",
    "Some",
    "StackOverflowed",
    "Timer",
    "Timers",
    "Trapped",
    "UnsafeCacheFolder",
    "UnsupportedEngine",
    "UnsatisfiedImport",
    "Usage",
    "ValueMismatch",
    "ValueType",
    "WasiConfig",
    "asyncio_task",
    "check_address_space",
    "drop_cancellation",
    "find_interpreter",
    "in_thread",
    "noting",
    "is_cancelled_by_scope",
    "outlast",
    "self_test",
)
