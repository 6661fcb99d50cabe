"""The one place that touches `wasmtime._ffi`, the library's private bindings.

Everything above speaks in integers: addresses of the library's objects and of
32-byte value slots. The bindings' own wrappers are not used for calls: each of
them builds `POINTER` objects, which alone costs more than a whole call here.
Fresh prototypes with `c_void_p` take and give plain integers.

What the library needs from us, learned by experiment (see the README):
a result slot is assigned to, so its kind is zeroed before each call; what a
host function returns is freed by the library, so it is cloned into the
library's own memory; an exception must never leave a callback, so the callers
of this module guard every one; a call's future is deleted before its store.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_bool, c_char, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from functools import lru_cache, partial
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar, overload

from wasmtime import Config, Func, Store, _ffi

from .value_layout import WORD

if TYPE_CHECKING:
    from _ctypes import CFuncPtr

Address: TypeAlias = int
_Value_co = TypeVar("_Value_co", covariant=True)

# Two views of one library. A `CDLL` function gives the global lock up and takes it
# back: with busy Python threads beside us that costs 5 ms a thread, each time, and
# a call into a guest makes ten such trips. So everything short keeps the lock.
_releasing = ctypes.CDLL(str(_ffi.filename))
_keeping = ctypes.PyDLL(str(_ffi.filename))


if TYPE_CHECKING:
    CType: TypeAlias = type[ctypes._SimpleCData[Any]]  # of any of C's plain values

    class OrNull:
        """The result of a function whose pointer may be null: None is given then."""

    class CFunction(Protocol[_Value_co]):
        """A C function that takes plain integers, or buffers, and gives a plain value."""

        def __call__(self, *arguments: object) -> _Value_co: ...

    class Managed(Protocol):
        """An object of the public package that owns one of the library's."""

        def ptr(self) -> ctypes._Pointer[Any]: ...  # to what: the private bindings say
else:
    OrNull = c_void_p


@overload
def prototype(
    name: str, result: None, *arguments: CType, library: ctypes.CDLL = ...
) -> CFunction[None]: ...
@overload
def prototype(
    name: str, result: type[c_bool], *arguments: CType, library: ctypes.CDLL = ...
) -> CFunction[bool]: ...
@overload
def prototype(
    name: str, result: type[OrNull], *arguments: CType, library: ctypes.CDLL = ...
) -> CFunction[Address | None]: ...
@overload
def prototype(
    name: str,
    result: type[c_void_p | c_int | c_uint32 | c_size_t],
    *arguments: CType,
    library: ctypes.CDLL = ...,
) -> CFunction[int]: ...
def prototype(
    name: str,
    result: CType | type[OrNull] | None,
    *arguments: CType,
    library: ctypes.CDLL = _keeping,
) -> CFunction[object]:
    """Return a C function that takes and gives plain integers.

    Args:
        name: of the function.
        result: its ctypes type; `c_void_p` for a pointer that is never null.
        arguments: theirs; none for a function that is given ctypes objects as they are.
        library: where it is.
    """
    function = library[name]  # indexing gives a fresh object: the bindings keep theirs
    function.restype = result
    if arguments:
        function.argtypes = list(arguments)
    return function


_P = c_void_p
_SIZE = c_size_t

store_new = prototype("wasmtime_store_new", _P, _P, _P, _P)
store_context = prototype("wasmtime_store_context", _P, _P)
store_delete = prototype("wasmtime_store_delete", None, _P)
store_limiter = prototype(
    "wasmtime_store_limiter",
    None,
    _P,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_int64,
)
set_yield_interval = prototype("wasmtime_context_fuel_async_yield_interval", OrNull, _P, c_uint64)
engine_clone = prototype("wasmtime_engine_clone", _P, _P)
engine_delete = prototype("wasm_engine_delete", None, _P)
increment_epoch = prototype("wasmtime_engine_increment_epoch", None, _P)
increment_epoch_at: Address = (
    ctypes.cast(_keeping["wasmtime_engine_increment_epoch"], c_void_p).value or 0
)
"""Where that function is, for a timer that calls it without Python."""

instantiate_async = prototype("wasmtime_component_linker_instantiate_async", _P, _P, _P, _P, _P, _P)
future_poll = prototype("wasmtime_call_future_poll", c_bool, _P)
"""Runs one slice and keeps the global lock: for slices of about a millisecond."""
future_poll_released = prototype("wasmtime_call_future_poll", c_bool, _P, library=_releasing)
"""Runs one slice without the global lock: for worker threads."""
future_delete = prototype("wasmtime_call_future_delete", None, _P)
value_clone = prototype("wasmtime_component_val_clone", None, _P, _P)
_get_func = prototype("wasmtime_component_instance_get_func", c_bool, _P, _P, _P, _P)

_func_call_unchecked = prototype("wasmtime_func_call_unchecked", OrNull, _P, _P, _P, _SIZE, _P)

_error_new = prototype("wasmtime_error_new", _P, ctypes.c_char_p)
_error_message = prototype("wasmtime_error_message", None, _P, _P)
_error_trace = prototype("wasmtime_error_wasm_trace", None, _P, _P)
_error_delete = prototype("wasmtime_error_delete", None, _P)
_bytes_delete = prototype("wasm_byte_vec_delete", None, _P)
_frames_delete = prototype("wasm_frame_vec_delete", None, _P)
_frame_name = prototype("wasmtime_frame_func_name", OrNull, _P)
_frame_module = prototype("wasmtime_frame_module_name", OrNull, _P)
_frame_index = prototype("wasm_frame_func_index", c_uint32, _P)
_frame_offset = prototype("wasm_frame_module_offset", c_size_t, _P)

_stack_creator_set = prototype("wasmtime_config_host_stack_creator_set", None, _P, _P)
_memory_creator_set = prototype("wasmtime_config_host_memory_creator_set", None, _P, _P)

_linker_root = prototype("wasmtime_component_linker_root", _P, _P)
_linker_instance_delete = prototype("wasmtime_component_linker_instance_delete", None, _P)
_linker_add_instance = prototype(
    "wasmtime_component_linker_instance_add_instance", OrNull, _P, _P, _SIZE, _P
)
_linker_add_func_async = prototype(
    "wasmtime_component_linker_instance_add_func_async", OrNull, _P, _P, _SIZE, _P, _P, _P
)
_linker_add_resource = prototype(
    "wasmtime_component_linker_instance_add_resource", OrNull, _P, _P, _SIZE, _P, _P, _P, _P
)
_resource_type_new_host = prototype("wasmtime_component_resource_type_new_host", _P, c_uint32)
_resource_type_delete = prototype("wasmtime_component_resource_type_delete", None, _P)
_any_to_host = prototype("wasmtime_component_resource_any_to_host", OrNull, _P, _P, _P)
_any_clone = prototype("wasmtime_component_resource_any_clone", _P, _P)
any_delete = prototype("wasmtime_component_resource_any_delete", None, _P)
_host_new = prototype("wasmtime_component_resource_host_new", _P, c_bool, c_uint32, c_uint32)
_host_to_any = prototype("wasmtime_component_resource_host_to_any", OrNull, _P, _P, _P)
_host_rep = prototype("wasmtime_component_resource_host_rep", c_uint32, _P)
_host_delete = prototype("wasmtime_component_resource_host_delete", None, _P)

HostCallback = CFUNCTYPE(None, _P, _P, _P, _P, _SIZE, _P, _SIZE, _P, _P)
"""(env, context, type, args, nargs, results, nresults, error_out, continuation_out)"""
ContinuationCallback = CFUNCTYPE(c_bool, _P)
DestructorCallback = CFUNCTYPE(_SIZE, _P, _P, c_uint32)
NewStackCallback = CFUNCTYPE(_P, _P, _SIZE, c_bool, _P)
"""(env, size, zeroed, out); `out` gets three words: env, `GetStackCallback`, finalizer"""
GetStackCallback = CFUNCTYPE(_P, _P, _P)
"""(env, size out); gives the stack's upper end"""
NewMemoryCallback = CFUNCTYPE(_P, _P, _P, _SIZE, _SIZE, _SIZE, _SIZE, _P)
"""(env, type, minimum, maximum, reservation, guard, out); four words: env, get, grow, finalizer"""
GetMemoryCallback = CFUNCTYPE(_P, _P, _P, _P)
"""(env, size out, capacity out); gives where the memory begins"""
GrowMemoryCallback = CFUNCTYPE(_P, _P, _SIZE)
FinalizerCallback = CFUNCTYPE(None, _P)

# A host function that has its value at once must still give the library a
# continuation that says "done". A Python one would cost another trip through
# ctypes for each call; this C function takes nothing and returns 1.
_ALWAYS_READY: Address = ctypes.cast(ctypes.pythonapi.Py_IsInitialized, c_void_p).value or 0


def ready_continuation() -> bytes:
    """Return the three words that tell the library that a host function is done."""
    return Struct("<QQQ").pack(_ALWAYS_READY, 0, 0)


def callback_address(callback: CFuncPtr) -> Address:
    """Return the address at which C finds a callback that we keep alive."""
    return ctypes.cast(callback, c_void_p).value or 0


_pack_words = Struct("<QQQ").pack


def waiting_continuation(callback: Address, key: int) -> bytes:
    """Return the three words that make the library ask `callback(key)` at each poll."""
    return _pack_words(callback, key, 0)


# What each call does with the same arguments: those are converted to C once, because
# ctypes takes as long to convert plain integers as the calls themselves take.
_set_fuel = prototype("wasmtime_context_set_fuel", None)
_get_fuel = prototype("wasmtime_context_get_fuel", None)
_set_epoch_deadline = prototype("wasmtime_context_set_epoch_deadline", None)
_call_async = prototype("wasmtime_component_func_call_async", _P)
_value_delete = prototype("wasmtime_component_val_delete", None)
_COUNTS = tuple(c_size_t(count) for count in range(17))  # WIT allows sixteen parameters flat


@lru_cache(maxsize=64)
def _number(value: int) -> c_uint64:
    """Return a constant, shared by all instances with the same limits: each object is 136 bytes."""
    return c_uint64(value)


class StoreMeter:
    """The part of a call that every call does to its store: fuel, a deadline, what was used.

    Args:
        context: the store's.
        slot: 48 bytes: a call's result, then its error, then the fuel left.
        fuel: instructions for each call.
        ticks: epochs for each call.
        host_call_bytes: what may cross in one call.

    Attributes:
        arguments: where the caller says, before each call, at which address they are.
        debt: fuel for the host's work that was not taken from the store's yet.
        paid: fuel for the host's work that was taken, over all calls.
        look_at: the debt at which to look at the clock again.
        give_way_at: when the guest has to give way, on the monotonic clock; 0.0 for
            "not known yet in this slice".
    """

    __slots__ = (
        "arguments",
        "context",
        "debt",
        "drop_result",
        "error",
        "fuel",
        "give_way_at",
        "host_call_bytes",
        "look_at",
        "paid",
        "read_fuel",
        "refuel",
        "result",
        "start_clock",
    )

    def __init__(
        self, context: Address, slot: Address, fuel: int, ticks: int, host_call_bytes: int
    ) -> None:
        self.fuel, self.host_call_bytes = fuel, host_call_bytes
        self.debt = self.look_at = self.paid = 0
        self.give_way_at = 0.0
        self.context = owned = c_void_p(context)
        self.arguments = c_void_p()
        self.result, self.error = c_void_p(slot), c_void_p(slot + 32)
        self.refuel = partial(_set_fuel, owned, _number(fuel))
        self.start_clock = partial(_set_epoch_deadline, owned, _number(ticks))
        self.read_fuel = partial(_get_fuel, owned, c_void_p(slot + 40))
        self.drop_result = partial(_value_delete, self.result)

    def set_fuel(self, fuel: int) -> None:
        """Set the fuel that is left."""
        _set_fuel(self.context, c_uint64(fuel))


def bind_call(
    function: Address, meter: StoreMeter, count: int, has_result: bool
) -> Callable[[], Address]:
    """Call of one guest function: each returns the future of one, to be polled.

    Args:
        function: what `get_func` wrote.
        meter: of its store.
        count: how many arguments it takes.
        has_result: whether it returns one.
    """
    return partial(
        _call_async,
        c_void_p(function),
        meter.context,
        meter.arguments,
        _COUNTS[count] if count < len(_COUNTS) else c_size_t(count),
        meter.result,
        _COUNTS[has_result],
        meter.error,
    )


def get_func(instance: Address, context: Address, index: Address, slot: Address) -> bool:
    """Write an exported function of an instance to `slot` (32 bytes)."""
    try:
        return _get_func(instance, context, index, slot)
    except ctypes.ArgumentError as problem:  # integers fit: no frame is left to convert them in
        raise RecursionError(str(problem)) from None


class EngineFrame(NamedTuple):
    """One frame of a backtrace.

    Attributes:
        function: its name, or `wasm function N` without a name section.
        module: the core module's name, where it has one.
        offset_bytes: where in the module.
        number: the function's index in the module.
    """

    function: str
    module: str | None
    offset_bytes: int
    number: int


@dataclass(frozen=True, slots=True)
class EngineFailure:
    """The library's words on a failed call, as plain values; innermost frame first."""

    message: str
    frames: tuple[EngineFrame, ...]


def new_error(message: str) -> Address:
    """Return an error object for a host function to give back; the library frees it."""
    return _error_new(message.encode("utf-8", "replace").replace(b"\0", b"?"))


def take_error(error: Address) -> EngineFailure:
    """Read and free an error object."""
    vector = (c_uint64 * 2)()
    _error_message(error, ctypes.addressof(vector))
    message = ctypes.string_at(vector[1], vector[0]).decode("utf-8", "replace")
    _bytes_delete(ctypes.addressof(vector))
    _error_trace(error, ctypes.addressof(vector))
    frames = tuple(_frame(c_void_p.from_address(vector[1] + 8 * i).value) for i in range(vector[0]))
    _frames_delete(ctypes.addressof(vector))
    _error_delete(error)
    return EngineFailure(message, frames)


def _frame(frame: int | None) -> EngineFrame:
    number = _frame_index(frame)
    name = _name_at(_frame_name(frame)) or f"wasm function {number}"
    return EngineFrame(name, _name_at(_frame_module(frame)), _frame_offset(frame), number)


def _name_at(vector: int | None) -> str | None:
    if not vector:
        return None
    size, data = (c_uint64 * 2).from_address(vector)
    return ctypes.string_at(data, size).decode("utf-8", "replace") if size else None


def check(error: int | None) -> None:
    """Raise what the library complained about while linking: a bug of ours."""
    if error:
        raise RuntimeError(take_error(error).message)


def address_of(managed: Managed) -> Address:
    """Return the address inside one of the public package's managed objects."""
    return ctypes.cast(managed.ptr(), c_void_p).value or 0


class LinkerScope:
    """Adds definitions to a linker; close it before the linker is used."""

    def __init__(self, linker: Managed) -> None:
        self._root: Address = _linker_root(address_of(linker))
        self._open: Address | None = None

    def enter_interface(self, name: str) -> None:
        """Add the following definitions to the interface of that name."""
        self.leave_interface()
        encoded = name.encode()
        out = c_void_p()
        check(_linker_add_instance(self._root, encoded, len(encoded), ctypes.addressof(out)))
        self._open = out.value

    def leave_interface(self) -> None:
        """Add the following definitions to the world itself."""
        if self._open is not None:
            _linker_instance_delete(self._open)
            self._open = None

    def add_function(self, name: str, callback: CFuncPtr) -> None:
        """Add a host function; `callback` must outlive the linker."""
        encoded = name.encode()
        pointer = ctypes.cast(callback, c_void_p)
        check(
            _linker_add_func_async(
                self._open or self._root, encoded, len(encoded), pointer, None, None
            )
        )

    def add_resource(self, name: str, number: int, destructor: CFuncPtr) -> None:
        """Add a host resource type; `destructor` must outlive the linker."""
        encoded = name.encode()
        type_ = _resource_type_new_host(number)
        pointer = ctypes.cast(destructor, c_void_p)
        error = _linker_add_resource(
            self._open or self._root, encoded, len(encoded), type_, pointer, None, None
        )
        _resource_type_delete(type_)
        check(error)

    def close(self) -> None:
        """Give the linker back."""
        self.leave_interface()
        _linker_instance_delete(self._root)


def host_handle(context: Address, rep: int, number: int, *, owned: bool = True) -> Address:
    """Return a handle for a host resource; delete it with `any_delete` once it was passed on."""
    host = _host_new(owned, rep, number)
    out = c_void_p()
    error = _host_to_any(context, host, ctypes.addressof(out))
    _host_delete(host)
    check(error)
    return out.value or 0


def take_host_handle(context: Address, handle: Address, out: Address) -> int:
    """Lift a host resource out of a handle, exactly once, and return its number.

    Args:
        context: of the store.
        handle: the handle.
        out: the address of eight bytes that no other thread uses meanwhile.
    """
    check(_any_to_host(context, handle, out))
    host = WORD(memory, out)[0]
    rep = _host_rep(host)
    _host_delete(host)
    return rep


def clone_handle(handle: Address) -> Address:
    """Return a handle of our own to a guest's resource, freed with `any_delete`."""
    return _any_clone(handle)


memory: bytes = (c_char * 2**62).from_address(0)  # type: ignore[assignment]  # read as bytes are
"""The process's own memory, as an array: a slice of it reads what the library says is there.

It takes a third of the time of `ctypes.string_at`, and `struct` reads words from it in place.
"""
writable_memory = memoryview(memory).cast("B")
"""The same for writing: assigning to slices of the array above goes byte by byte."""


def buffer_address(buffer: bytearray) -> Address:
    """Return the address of a bytearray's bytes; it cannot be resized from then on."""
    return ctypes.addressof(c_char.from_buffer(buffer))


class CoreFunction:
    """A core function of our own that takes two `i32` and returns one, called without detours.

    The public call builds and checks typed values, which takes thirty times as
    long as what is called. Only for code that is ours: nothing is checked.
    """

    def __init__(self, store: Store, function: Func) -> None:
        self._keep = store, function
        self._values = (ctypes.c_uint32 * 8)()  # two raw values of 16 bytes
        self._trap = c_void_p()
        self._call = partial(
            _func_call_unchecked,
            ctypes.cast(store._context(), c_void_p).value,
            ctypes.addressof(function._func),
            ctypes.addressof(self._values),
            2,
            ctypes.addressof(self._trap),
        )

    def __call__(self, first: int, second: int) -> int:
        """Return the result, unsigned."""
        self._values[0], self._values[4] = first, second
        if self._call() or self._trap.value:
            raise RuntimeError("a core function of ours failed")
        return self._values[0]


COMPONENT_ASYNC = (
    "wasm_component_model_async",
    "wasm_component_model_more_async_builtins",
    "wasm_component_model_async_stackful",
    "concurrency_support",
)
"""Futures, streams and tasks of the next component model: not our async."""

UNFINISHED = (
    "wasm_branch_hinting",
    "wasm_compact_imports",
    "wasm_component_model_canonical_names",
    "wasm_component_model_accessors",
)
"""Proposals under way, off today by default in some releases and not in others."""


def switch_off(config: Config, names: tuple[str, ...]) -> None:
    """Turn features off that only the C interface can turn off."""
    for name in names:
        getattr(_ffi, f"wasmtime_config_{name}_set")(config.ptr(), False)


def set_async_stack_size(config: Config, stack_bytes: int) -> None:
    """Set the size of the stack that each call on a fibre gets."""
    _ffi.wasmtime_config_async_stack_size_set(config.ptr(), stack_bytes)


def set_stack_creator(config: Config, creator: bytes) -> None:
    """Take stacks from us; `creator` is three words: env, `NewStackCallback`, finalizer."""
    _stack_creator_set(address_of(config), creator)


def set_memory_creator(config: Config, creator: bytes) -> None:
    """Take memories from us; `creator` is three words: env, `NewMemoryCallback`, finalizer."""
    _memory_creator_set(address_of(config), creator)
