"""Executes WebAssembly components asynchronously, with limits that always hold.

Guests are green threads: a call runs on a fibre of its own, gives way after each
slice of fuel, and waits in host functions without a thread or a task. Start with
`Engine`; `Limits` says what a guest may use, `HostInterface` what it may call.
"""

from ._wasi_state import WasiConfig
from ._wasi_stdio import LineLimits, LogSink
from .component import Component, LinkedComponent
from .config import CompileLimits, CompileProgress, EngineConfig, ProgressSink
from .engine import Engine
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
    ResourcesExhausted,
    ServiceMissing,
    StackOverflowed,
    Trapped,
    UnsafeCacheFolder,
    UnsatisfiedImport,
    ValueMismatch,
)
from .exports import Exports
from .host import Caller, HostFunction, HostInterface, HostResource, Pending
from .instance import Call, CallState, Function, Instance
from .limits import Limits
from .proof import ProbeOutcome, SelfTestReport, self_test
from .services import HostInterfaceProvider, Services
from .shape import (
    EnumOf,
    FlagsOf,
    FunctionShape,
    HandleOf,
    InterfaceShape,
    ListOf,
    OptionOf,
    Primitive,
    RecordOf,
    ResourceIdentity,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
)
from .timers import Timer, Timers
from .values import Case, Err, GuestResource, Ok, Some

__all__ = (
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
    "EnumOf",
    "Err",
    "Exports",
    "FlagsOf",
    "Frame",
    "FuelExhausted",
    "Function",
    "FunctionShape",
    "GuestExited",
    "GuestFault",
    "GuestResource",
    "HandleOf",
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
    "ListOf",
    "LogSink",
    "MemoryLimitExceeded",
    "NoSuchExport",
    "Ok",
    "OptionOf",
    "Pending",
    "Primitive",
    "ProbeOutcome",
    "ProgressSink",
    "RecordOf",
    "ResourceIdentity",
    "ResourcesExhausted",
    "ResultOf",
    "ServiceMissing",
    "SelfTestReport",
    "Services",
    "Some",
    "StackOverflowed",
    "Timer",
    "Timers",
    "Trapped",
    "TupleOf",
    "UnsafeCacheFolder",
    "UnsatisfiedImport",
    "ValueMismatch",
    "VariantOf",
    "WasiConfig",
    "WitType",
    "self_test",
)
