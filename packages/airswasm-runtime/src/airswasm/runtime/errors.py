"""Everything that can go wrong in the runtime, as types.

Two trees that must not be confused. A `GuestFault` says that a guest did
something: its store is gone, and a supervisor decides what happens next. Every
other `EngineError` says that the caller, the component's author or the host
has something to fix, and names it. A cancelled call raises the event loop's
own cancellation, never an error of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airswasm.wit import AirswasmError, ErrorCode, ExitStatus


class EngineError(AirswasmError):
    """The root of all errors of `airswasm.runtime`."""

    explanation = ErrorCode(
        "E0200",
        "engine problem",
        "The engine failed in a way without a code of its own.",
        "read the message; -vv shows where it came from",
    )


class UnsupportedEngine(EngineError):
    """The installed wasmtime is none that this package was tested with.

    Attributes:
        version: the installed version.
        supported: the range that was tested, as pip writes it.
    """

    explanation = ErrorCode(
        "E0217",
        "engine not supported",
        "The installed wasmtime is outside the range that this version was tested with.",
        "install the version that the message names",
    )

    def __init__(self, version: str, supported: str) -> None:
        self.version = version
        self.supported = supported
        super().__init__(
            f"wasmtime {version} is installed, but this airswasm-runtime was tested with "
            f"wasmtime{supported}: install one of those"
        )


class InvalidComponent(EngineError):
    """The bytes are not a component that this engine accepts.

    Attributes:
        name: what the component was called when it was loaded.
        reason: what the engine said.
    """

    explanation = ErrorCode(
        "E0201",
        "component refused by the engine",
        "The bytes are no component, or one that uses a WebAssembly feature that airswasm turns "
        "off because of its security record (threads, GC, memory64, …).",
        "build it again, as a component, and without a feature that the message names",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name} is not a component that can be loaded: {reason}")


class CompileFailed(EngineError):
    """The compiler itself failed or died; the component may be fine.

    Attributes:
        name: what the component was called.
        reason: what is known of the failure.
    """

    explanation = ErrorCode(
        "E0202",
        "the compiler failed",
        "The compiler died; the component may be fine.",
        "try again; if it stays, send the component to the project",
    )

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"compiling {name} failed: {reason}")


class CompileLimitExceeded(EngineError):
    """Compiling took more than `EngineConfig.compile_limits` allows.

    Attributes:
        name: what the component was called.
        limit: the field of `CompileLimits` that was hit.
        value: its value.
    """

    explanation = ErrorCode(
        "E0203",
        "compiling takes too much",
        "Compiling the component exceeded the time or memory that the host allows. The compile "
        "ran in a process of its own and was stopped.",
        "make the component smaller, or raise the host's compile limits",
    )

    def __init__(self, name: str, limit: str, value: float) -> None:
        self.name = name
        self.limit = limit
        self.value = value
        super().__init__(
            f"compiling {name} exceeded compile_limits.{limit} = {value:,}; "
            f"raise it in EngineConfig if you trust this component"
        )


class UnsafeCacheFolder(EngineError):
    """Others could have written the compiled components that would be run from there.

    Attributes:
        folder: `EngineConfig.cache_folder`.
        reason: what is wrong with it.
    """

    explanation = ErrorCode(
        "E0208",
        "unsafe cache folder",
        "Other users could write to the folder of compiled components. Compiled code is run, so "
        "it is only ever taken from a folder of your own.",
        "chmod 700 the folder, or delete it",
        ExitStatus.REFUSED,
    )

    def __init__(self, folder: str, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(
            f"refusing the compile cache {folder}: {reason}; "
            f"give EngineConfig.cache_folder a folder that only this user can write (mode 0700)"
        )


class UnsatisfiedImport(EngineError):
    """A component imports something that the host does not offer.

    Attributes:
        component: the component's name.
        interface: the imported interface; empty for the world itself.
        function: the function or resource in it; None when all of it is missing.
        offered: the interfaces that were offered.
    """

    explanation = ErrorCode(
        "E0204",
        "import not offered",
        "The component imports something that this host does not offer.",
        "install the block that the message names, or do without the import",
    )

    def __init__(
        self, component: str, interface: str, function: str | None, offered: Sequence[str] = ()
    ) -> None:
        self.component = component
        self.interface = interface
        self.function = function
        self.offered: tuple[str, ...] = tuple(offered)
        if not interface:
            missing, remedy = f"the function `{function}` of its world", 'HostInterface("", …)'
        else:
            missing = f"`{function}` of `{interface}`" if function else f"`{interface}`"
            remedy = "a HostInterface of that name"
        super().__init__(
            f"{component} imports {missing}, which is not offered; link it with {remedy}"
        )


class ValueMismatch(EngineError):
    """A Python value does not fit the WIT type it is to become.

    Attributes:
        where: the path to the value, such as `handle-message.payload[3]`.
        expected: the WIT type.
        got: a short description of the value.
    """

    explanation = ErrorCode(
        "E0205",
        "value does not fit",
        "A value does not fit the WIT type it should become.",
        "pass what the WIT signature says",
    )

    def __init__(self, where: str, expected: str, got: str) -> None:
        self.where = where
        self.expected = expected
        self.got = got
        super().__init__(f"{where}: expected {expected}, got {got}")


class NoSuchExport(EngineError):
    """A component has no exported function of that path.

    Attributes:
        component: the component's name.
        path: what was asked for.
        exported: what there is.
    """

    explanation = ValueMismatch.explanation

    def __init__(self, component: str, path: str, exported: Sequence[str] = ()) -> None:
        self.component = component
        self.path = path
        self.exported: tuple[str, ...] = tuple(exported)
        known = ", ".join(self.exported) or "nothing"
        super().__init__(f"{component} does not export `{path}`; it exports {known}")


class ResourceDropped(EngineError):
    """A resource of a guest's is no longer the host's: it was dropped or given back.

    Attributes:
        resource: the resource's name in WIT.
    """

    explanation = ValueMismatch.explanation

    def __init__(self, resource: str) -> None:
        self.resource = resource
        super().__init__(
            f"this {resource} was dropped, or given back to its guest; ask the guest for another"
        )


class ResourceKept(EngineError):
    """A resource of a guest's cannot be dropped alone; it ends with its instance.

    Attributes:
        component: the component's name.
        resource: the resource's name in WIT.
    """

    explanation = ValueMismatch.explanation

    def __init__(self, component: str, resource: str) -> None:
        self.component = component
        self.resource = resource
        super().__init__(
            f"{component} is of a shape to which no function that drops a {resource} could be "
            f"added; close the instance, or export its interface at the component's top"
        )


class InstanceClosed(EngineError):
    """The instance was closed, or a fault ended it: make a new one.

    Attributes:
        component: the component's name.
        fault: the fault that ended it, if one did.
    """

    explanation = ErrorCode(
        "E0206",
        "instance not usable",
        "The instance was closed, or is in a call already.",
        "let its supervisor start a new one",
    )

    def __init__(self, component: str, fault: GuestFault | None = None) -> None:
        self.component = component
        self.fault = fault
        why = f" by {type(fault).__name__}" if fault else ""
        super().__init__(f"this instance of {component} was ended{why}; instantiate it again")


class InstanceBusy(EngineError):
    """A second call into an instance that is still in one.

    Attributes:
        component: the component's name.
        function: the function that runs.
    """

    explanation = InstanceClosed.explanation

    def __init__(self, component: str, function: str) -> None:
        self.component = component
        self.function = function
        super().__init__(
            f"{component} is still in `{function}`; a component handles one call at a time"
        )


class QueueFull(EngineError):
    """So many calls wait for an instance that another one may not.

    Attributes:
        component: the component's name.
        waiting: how many may wait.
    """

    explanation = ErrorCode(
        "E0218",
        "queue full",
        "As many calls wait for an instance as may.",
        "call again later, or make the pool or its queue larger",
        ExitStatus.REFUSED,
    )

    def __init__(self, component: str, waiting: int) -> None:
        self.component = component
        self.waiting = waiting
        super().__init__(
            f"{waiting:,} calls wait for {component} already; call later, or allow more "
            f"instances (`size`) or more calls that wait (`waiting`)"
        )


class QueueExpired(EngineError):
    """No instance became free in the time that a call may wait for one.

    Attributes:
        component: the component's name.
        seconds: how long it waited.
    """

    explanation = ErrorCode(
        "E0219",
        "waited too long",
        "No instance became free before the call's deadline in the queue.",
        "call again later, or make the pool larger",
    )

    def __init__(self, component: str, seconds: float) -> None:
        self.component = component
        self.seconds = seconds
        super().__init__(
            f"no instance of {component} became free within {seconds:g} s; call later, or allow "
            f"more instances (`size`) or a longer wait (`seconds`)"
        )


class NotRunning(EngineError):
    """Nothing runs on the thread that a blocking engine needs.

    Attributes:
        reason: why not, and what to do.
    """

    explanation = ErrorCode(
        "E0220",
        "not running",
        "A pool or a blocking engine is used before it was entered or after it was left.",
        "use it inside its `with` block",
    )

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the engine's thread does not run: {reason}")


class ScopeLeftOpen(EngineError, RuntimeError):
    """Code that the host called has entered a cancel scope or a task group, and not left it.

    Attributes:
        where: the code.
    """

    explanation = ErrorCode(
        "E0223",
        "a scope was left open",
        "A handler, `start`, `stop` or a host function entered a cancel scope, a deadline or a "
        "task group and did not leave it. What ran in it was cancelled.",
        "use it as `with` or `async with` within one function; give a connection that has a task "
        "group to a task of the program's, and let the actor talk to that task",
    )

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(
            f"{where} has left a cancel scope or a task group open: a scope is entered and left "
            f"within one function, and one that is entered in `start` cannot be left in `stop`"
        )


class NotCopyable(EngineError, TypeError):
    """An engine, or a thing of its own, was to be copied or pickled.

    Attributes:
        type_name: the name of its type.
    """

    explanation = ErrorCode(
        "E0226",
        "not copyable",
        "An engine, a component, an instance or a pool was to be copied, or sent to another "
        "process. It owns memory of the engine's, and belongs to the process that made it.",
        "share it by reference; in another process, start an engine and load the component there",
    )

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name
        super().__init__(
            f"{type_name} cannot be copied or pickled: it belongs to the engine of this process; "
            f"another process starts an engine of its own and loads the component there"
        )


class HostExhausted(EngineError):
    """The host has no memory, address space or mappings left for another instance.

    Attributes:
        component: the component's name.
        reason: what there is no more of; it names the limit if it is one.
        remedy: what gives it more room.
    """

    explanation = ErrorCode(
        "E0209",
        "host exhausted",
        "The host has no memory, or no address space, left for another instance.",
        "run fewer components here, or give the machine more memory",
    )

    def __init__(self, component: str, reason: str, remedy: str) -> None:
        self.component = component
        self.reason = reason
        self.remedy = remedy
        super().__init__(
            f"no room for another instance of {component}: {reason}; run fewer, or {remedy}"
        )


class ServiceMissing(EngineError, LookupError):
    """No service of a type was registered.

    Attributes:
        service: the type's name.
        offered_by: the block that offers it, as far as its name tells.
    """

    explanation = ErrorCode(
        "E0207",
        "service missing",
        "A block needs a service of another block that is not there.",
        "install the block that the message names",
    )

    def __init__(self, service: str, offered_by: str) -> None:
        self.service = service
        self.offered_by = offered_by
        super().__init__(f"no {service} is registered; {offered_by} offers it")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a wasm backtrace, innermost first.

    Attributes:
        function: the function's name, or `wasm function N` without a name section.
        module: the core module's name, where it has one.
        offset_bytes: where in the module, for tools that map it to source.
    """

    function: str
    module: str | None
    offset_bytes: int

    def __str__(self) -> str:
        return f"{self.module}!{self.function}" if self.module else self.function


class GuestFault(EngineError):
    """A guest ended its own instance.

    A host function may raise one (`Trapped` when the guest broke a rule of the
    interface, `GuestExited` when it asked to end): it becomes the call's fault.

    Attributes:
        component: the component's name.
        function: the exported function that was called.
        message: what the engine said.
        backtrace: wasm frames, innermost first.
        fuel_used: fuel that the call used.
        memory_peak_bytes: the most linear memory the instance had, as far as known.
    """

    explanation = ErrorCode(
        "E0210",
        "the component trapped",
        "The component did something impossible: unreachable code, memory out of bounds, a "
        "division by zero. This incarnation is over; its supervisor starts another one, and the "
        "message is kept as a dead letter.",
        "`airswasm dlq show ID` has the backtrace; `airswasm dlq list NAME` has the IDs",
    )

    def __init__(
        self,
        component: str,
        function: str,
        message: str,
        *,
        backtrace: tuple[Frame, ...] = (),
        fuel_used: int = 0,
        memory_peak_bytes: int | None = None,
    ) -> None:
        self.component = component
        self.function = function
        self.message = message
        self.backtrace = backtrace
        self.fuel_used = fuel_used
        self.memory_peak_bytes = memory_peak_bytes
        super().__init__(component, function, message)

    def __str__(self) -> str:
        at = f" (at {self.backtrace[0]})" if self.backtrace else ""
        return f"{self.component}: `{self.function}` {self.message}{at}"


class Trapped(GuestFault):
    """A trap that is no limit: unreachable, out of bounds, a division by zero.

    Attributes:
        code: the trap's name, such as `unreachable`.
    """

    explanation = GuestFault.explanation

    code: str = "trap"


class GuestExited(GuestFault):
    """The guest ended itself, as a command-line program does.

    Attributes:
        status: its exit status; 0 is success.
    """

    explanation = GuestFault.explanation

    def __init__(
        self,
        component: str,
        function: str,
        status: int,
        *,
        backtrace: tuple[Frame, ...] = (),
        fuel_used: int = 0,
        memory_peak_bytes: int | None = None,
    ) -> None:
        self.status = status
        super().__init__(
            component,
            function,
            f"exited with status {status}",
            backtrace=backtrace,
            fuel_used=fuel_used,
            memory_peak_bytes=memory_peak_bytes,
        )


class LimitExceeded(GuestFault):
    """A guest hit one of its limits.

    Attributes:
        limit: the field of `Limits`.
        value: its value.
        setting: the key of Component.toml that changes it, or the field of `EngineConfig` or
            `Limits`.
        source: where the limits are set (`Limits.source`); empty in a program of its own.
    """

    explanation = ErrorCode(
        "E0211",
        "out of fuel",
        "The call used up its fuel: it computed more than `limits.fuel` allows, or for ever.",
        "raise `fuel` under [limits] in Component.toml if the work is meant to be that long",
    )

    limit: str = ""
    value: float = 0
    setting: str = ""
    source: str = ""

    def __str__(self) -> str:
        said = f"{GuestFault.__str__(self)}: {self.limit} is {self.value:,}"
        if not self.source:
            is_limit = self.setting.startswith("limits.")
            return f"{said}; raise `{f'Limits.{self.limit}' if is_limit else self.setting}`"
        if self.setting.startswith("Limits."):  # there is no key for it
            return said
        return f"{said}; change `{self.setting}` in {self.source}"


class FuelExhausted(LimitExceeded):
    """The call used up its fuel."""

    explanation = LimitExceeded.explanation


class DeadlineExceeded(LimitExceeded):
    """The call took longer than its wall-clock time, computing or waiting."""

    explanation = ErrorCode(
        "E0212",
        "out of time",
        "The call took longer than `limits.timeout`, waiting included.",
        "raise `timeout` under [limits] in Component.toml, or find what it waits for",
    )


class MemoryLimitExceeded(LimitExceeded):
    """The guest cannot have the memory, tables or instances that it needs to start."""

    explanation = ErrorCode(
        "E0213",
        "out of memory",
        "The component needs more memory, or more memories, tables or instances, than its limits "
        "allow.",
        "raise the limit that the message names, under [limits] in Component.toml; a Python "
        "component needs about 64 MiB of `memory`",
    )


class ArgumentsTooLarge(LimitExceeded):
    """The guest had no room for the arguments of a call; its function was not entered.

    The caller sent too much, or the guest has used up its memory. The engine cannot
    enter the instance again, as after every trap.
    """

    explanation = ErrorCode(
        "E0221",
        "arguments too large",
        "The component's own allocator had no room for what was sent to it. The component "
        "itself is not to blame: the sender sent more than fits.",
        "send less at a time, or raise `memory` under [limits] in Component.toml",
    )


class StackOverflowed(LimitExceeded):
    """The guest recursed deeper than its stack allows."""

    explanation = ErrorCode(
        "E0214",
        "stack overflow",
        "The component recursed deeper than its stack allows.",
        "recurse less deeply",
    )


class HostCallTooLarge(LimitExceeded):
    """One call between guest and host carried too many bytes."""

    explanation = ErrorCode(
        "E0215",
        "too many bytes in one call",
        "One call between the component and its host carried too many bytes.",
        "send less at a time",
    )


class CallTooLarge(ValueMismatch):
    """The arguments of a call are more than one call may carry; it was not begun.

    Attributes:
        most_bytes: `Limits.host_call_bytes`.
    """

    explanation = HostCallTooLarge.explanation

    def __init__(self, where: str, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        super().__init__(where, f"at most {most_bytes:,} bytes (limits.host_call)", "more")


class ResourcesExhausted(LimitExceeded):
    """The guest holds as many host resources as it may, and wants another."""

    explanation = ErrorCode(
        "E0224",
        "too many handles",
        "The component holds as many handles of the host's resources as it may: streams, bodies, "
        "headers, timers.",
        "drop handles that the component no longer uses",
    )


class HostMemoryExceeded(LimitExceeded):
    """The guest made the host keep more than it may: bodies, headers, handles, answers."""

    explanation = ErrorCode(
        "E0225",
        "too much kept by the host",
        "The component made its host keep more for it than `limits.host_memory` allows, and the "
        "function that it called has no error of its own for that.",
        "finish or drop bodies, streams and headers before making more, or raise `host_memory` "
        "under [limits] in Component.toml",
    )


_NO_ROOM = {
    (False, False): "the account is used up",
    (False, True): "the host's memory is scarce",
    (True, False): "it has as many files and sockets open as it may",
    (True, True): "the host's files and sockets are scarce",
}


class AccountExceeded(EngineError):
    """There is no room on the account, or in the host, for what was about to be kept.

    A host function that does not turn it into an error of its own ends the guest with
    `HostMemoryExceeded`.

    Attributes:
        is_host: Whether the host has no room, and not the instance.
        is_descriptors: Whether files and sockets are meant, and not memory.
    """

    explanation = ErrorCode(
        "E0222",
        "no room in the host",
        "The host keeps as much on behalf of this component as it may, or of all of them.",
        "raise limits.host_memory in the manifest, or the limits of [host] in config.toml",
    )

    def __init__(self, *, is_host: bool, is_descriptors: bool = False) -> None:
        self.is_host = is_host
        self.is_descriptors = is_descriptors
        super().__init__(_NO_ROOM[is_descriptors, is_host])


class HostFunctionFailed(GuestFault):
    """A host function raised or returned what its WIT type does not allow: a host bug.

    The exception is this one's `__cause__`.
    """

    explanation = ErrorCode(
        "E0216",
        "a host function failed",
        "A function that the host offers to components has a bug. The component was stopped; "
        "the host goes on.",
        "report it to the block that the message names",
    )
