from ._block import BLOCK
from ._calls.call import Call, CallState
from ._component import Component, LinkedComponent
from ._config import CompileLimits, CompileProgress, EngineConfig, ProgressSink
from ._engine import Engine
from ._exports import Exports
from ._host import Caller, HostFunction, HostInterface, HostResource, Pending
from ._instance import Function, Instance
from ._limits import Limits
from ._meters import Meters
from ._self_test import ProbeOutcome, SelfTestReport, self_test
from ._services import HostInterfaceProvider, Services
from ._settings import EngineSettings
from ._shape import (
    FunctionShape,
    InterfaceShape,
    ResourceIdentity,
    ValueType,
)
from ._timers import Timer, Timers
from ._values import Case, Err, GuestResource, Ok, Some
from ._wasi_names import WASI_INTERFACES
from .errors import (
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
    InstanceBusy,
    InstanceClosed,
    InvalidComponent,
    LimitExceeded,
    MemoryLimitExceeded,
    NoSuchExport,
    ResourceDropped,
    ResourceKept,
    ResourcesExhausted,
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
    "Meters",
    "BLOCK",
    "Call",
    "CallState",
    "Caller",
    "Case",
    "CompileFailed",
    "CompileLimitExceeded",
    "CompileLimits",
    "CompileProgress",
    "Component",
    "DeadlineExceeded",
    "Engine",
    "EngineConfig",
    "EngineError",
    "Err",
    "Exports",
    "Frame",
    "FuelExhausted",
    "Function",
    "FunctionShape",
    "GuestExited",
    "GuestFault",
    "GuestResource",
    "HostCallTooLarge",
    "HostExhausted",
    "HostFunction",
    "HostFunctionFailed",
    "HostInterface",
    "HostInterfaceProvider",
    "HostResource",
    "Instance",
    "InstanceBusy",
    "InstanceClosed",
    "InterfaceShape",
    "InvalidComponent",
    "LimitExceeded",
    "Limits",
    "LineLimits",
    "LinkedComponent",
    "LogSink",
    "MemoryLimitExceeded",
    "NoSuchExport",
    "ResourceDropped",
    "ResourceKept",
    "Ok",
    "Pending",
    "ProbeOutcome",
    "ProgressSink",
    "ResourceIdentity",
    "ResourcesExhausted",
    "ServiceMissing",
    "SelfTestReport",
    "Services",
    "Some",
    "StackOverflowed",
    "Timer",
    "Timers",
    "Trapped",
    "UnsafeCacheFolder",
    "UnsupportedEngine",
    "UnsatisfiedImport",
    "ValueMismatch",
    "ValueType",
    "WasiConfig",
    "self_test",
)
