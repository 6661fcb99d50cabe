"""A running component: one store, one instance, at most one call at a time.

After a trap, a limit or a cancel the engine refuses to enter the component
again, so the store is dropped at once and the instance is closed. Repairing it
was never an option: the guest's memory is torn.
"""

from __future__ import annotations

from math import ceil, inf
from threading import get_ident
from typing import TYPE_CHECKING
from weakref import ref

from ._account import HANDLE_BYTES
from ._calls.call import Beginning, Call, CallState, Wake
from ._calls.crossing import AllowanceExceeded, Keep
from ._calls.driving import drive, ignore_wake
from ._calls.handles import InstanceHandles, TooManyResources
from ._calls.mismatch import argument_mismatch
from ._calls.plan import ExportPlan
from ._calls.staging import SIDES, Staging, StagingFinder
from ._compose.bridging import Side
from ._host import Caller
from ._limits import Limits
from ._shape import FunctionShape
from ._single import Single
from ._usage import CallUse, FunctionUse, Usage
from ._values import GuestResource
from ._wasmtime import bindings as wt
from ._wasmtime.faults import Circumstances
from ._wasmtime.value_layout import DATA_OFFSET_BYTES
from .errors import (
    CallTooLarge,
    GuestFault,
    InstanceBusy,
    InstanceClosed,
    NoSuchExport,
    ResourceKept,
    ValueMismatch,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType

    from ._component import Export, LinkedComponent
    from ._engine import Engine
    from ._exports import Exports
    from ._wasmtime.slot_allocator import Memory, Stack

_LIFTED_AT = 48
_OF_IMPORTS = (Side.IMPORTS, Side.REBOUND)
_SLOT_BYTES = 56  # the result's 32 bytes, the error's address, the fuel left, a lifted handle
_INSTANCE_BYTES = 16
_FUNCTION_BYTES = 32
_PLACES = 4  # functions whose place comes with the instance; more get buffers of as many
_GAUGE_SECONDS = 0.1
PAGE_BYTES = 65536
_DONE = CallState.DONE  # to ask an enum for a member takes as long as a call into C


class Function:
    """One exported function of one instance; get it with `Instance.function`.

    Attributes:
        path: such as `airswasm:component/handler@0.1.0#handle-message`.
        shape: its WIT type.
    """

    __slots__ = ("_address", "_begin", "_instance", "_plan", "_use", "path")

    def __init__(self, instance: Instance, path: str, plan: ExportPlan, index: int) -> None:
        self.path: str = path
        self._instance = instance
        self._plan = plan
        self._use: FunctionUse | None = None
        if instance._usage is not None and path:  # the one without a path is ours
            self._use = instance._usage.export(path)
        self._address = instance._next_place()
        if not wt.get_func(instance._address, instance._context, index, self._address):
            raise NoSuchExport(instance.component_name, path)
        self._begin = wt.bind_call(
            self._address,
            instance._meter,
            len(plan.shape.parameters),
            plan.result is not None,
        )

    @property
    def instance(self) -> Instance:
        """The instance whose function it is."""
        return self._instance

    @property
    def shape(self) -> FunctionShape:
        """Its WIT type."""
        return self._plan.shape

    async def __call__(self, *arguments: object) -> object:
        """Call it; see `Instance.call`."""
        return await self._instance.call(self, *arguments)


class Instance(Single):
    """One instance of a component; get it with `LinkedComponent.instantiate`.

    `async with` closes it at the end of the block.

    Attributes:
        engine: the engine that it runs on.
        caller: how host functions see it.
        limits: what it may use.
        fuel_used: fuel of all its calls so far.
        memory_peak_bytes: the linear memory that it had after a call, as of the last
            tenth of a second in which one ended; memories never shrink. None before
            the first call, and for a component that cannot be asked.
    """

    __slots__ = (
        "__weakref__",
        "_address",
        "_call",
        "_context",
        "_drop_in_turn",
        "_exports",
        "_fault",
        "_functions",
        "_gauge_due",
        "_handles",
        "_is_resting",
        "_linked",
        "_made",
        "_memories",
        "_meter",
        "_more_places",
        "_places",
        "_seen_fuel",
        "_slot",
        "_slot_address",
        "_stack",
        "_store",
        "_usage",
        "caller",
        "engine",
        "fuel_used",
        "limits",
        "memory_peak_bytes",
    )

    def __init__(self, linked: LinkedComponent, limits: Limits, caller: Caller) -> None:
        self._linked = linked
        self.engine: Engine = linked.engine
        self.limits: Limits = limits
        self.caller: Caller = caller
        self.fuel_used: int = 0
        self.memory_peak_bytes: int | None = None
        self._gauge_due = 0.0
        self._usage: Usage | None = None
        self._call: Call | None = None
        self._fault: GuestFault | None = None
        self._exports: Exports | None = None
        self._drop_in_turn: Callable[[Function, GuestResource], Awaitable[object]] | None = None
        self._functions: dict[str, Function] = {}
        self._memories: list[Memory] = []  # those of a small component that is packed
        self._stack: Stack | None = None  # where its calls run, if that is known
        self._seen_fuel = -1
        self._is_resting = False
        self._slot = bytearray(_SLOT_BYTES + _INSTANCE_BYTES + _PLACES * _FUNCTION_BYTES)
        self._slot_address = wt.buffer_address(self._slot)
        self._address = self._slot_address + _SLOT_BYTES
        self._places = self._address + _INSTANCE_BYTES
        self._more_places: list[bytearray] | None = None
        self._made = 0
        self._store: int = wt.store_new(linked.component._layout.address, None, None)
        self._context: int = wt.store_context(self._store)
        lifted = self._slot_address + _LIFTED_AT
        self._handles = InstanceHandles(
            self._context, linked._drops, limits.resources, ref(self), lifted
        )
        bridge = linked._bridging
        wt.store_limiter(
            self._store,
            limits.memory_bytes,
            limits.table_elements,
            limits.instances + bridge.extra_instances,
            limits.tables + bridge.extra_tables,
            limits.memories + bridge.extra_memories,
        )
        ticks = ceil(limits.timeout / self.engine.config.tick) + 1
        self._meter = meter = wt.StoreMeter(
            self._context, self._slot_address, limits.fuel, ticks, limits.host_call_bytes
        )
        meter.refuel()
        meter.start_clock()
        wt.set_yield_interval(self._context, self.engine.config.slice_fuel)

    def __repr__(self) -> str:
        return f"<Instance of {self._linked.component.name} for {self.caller.name}>"

    def __del__(self) -> None:
        self._free()

    async def __aenter__(self) -> Instance:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def component_name(self) -> str:
        """The name that its embedder gave it: one component may run under many."""
        return self.caller.name

    @property
    def memory_bytes(self) -> int:
        """The linear memory that it has now, also within a call, and that of its bridges.

        Of a component whose memories are not packed it is `memory_peak_bytes`, or 0: as of the
        last call.
        """
        return max(self.memory_peak_bytes or 0, sum(each.size for each in self._memories))

    @property
    def host_memory_bytes(self) -> int:
        """The bytes that the host keeps for it, beside its own memory; see `Caller.account`."""
        account = self.caller._account
        held = account.kept_bytes if account is not None else 0
        return held + HANDLE_BYTES * len(self._handles)

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be called."""
        return not self._store

    @property
    def fault(self) -> GuestFault | None:
        """The fault that ended it, if one did."""
        return self._fault

    @property
    def exports(self) -> Exports:
        """Its exports as typed async Python: `instance.exports.handler.handle_message(...)`."""
        if self._exports is None:
            self._exports = self._linked.component._exports_type(self)
        return self._exports

    def measure(self, usage: Usage | None) -> None:
        """Add up in `usage` what its calls cost from the next one on; None measures nothing."""
        self._usage = usage
        for path, function in self._functions.items():
            function._use = usage.export(path) if usage is not None and path else None

    def has_export(self, path: str) -> bool:
        """Return whether the component exports a function of that path."""
        return path in self._linked.component._exports

    def function(self, path: str) -> Function:
        """Return the exported function of a path, `interface@version#name` or `#name`.

        Raises:
            NoSuchExport: there is none; it lists what there is.
            InstanceClosed: the instance has ended.
        """
        found = self._functions.get(path)
        if found is not None:
            return found
        if not self._store:
            raise InstanceClosed(self.component_name, self._fault)
        return self._function(path, self._linked.component._export(path))

    def _function(self, path: str, export: Export) -> Function:
        """Return the function behind an export, made once; ours may have a path of its own."""
        found = self._functions.get(path)
        if found is None:
            found = self._functions[path] = Function(self, path, export.plan, export.index)
        return found

    def forget(self, path: str) -> None:
        """Let go of an exported function that will hardly be called again."""
        self._functions.pop(path, None)

    def _next_place(self) -> int:
        """Return the place of the next function: one after the other, four to a buffer."""
        number, self._made = self._made, self._made + 1
        if number and number % _PLACES == 0:
            buffer = bytearray(_PLACES * _FUNCTION_BYTES)
            self._more_places = [*(self._more_places or ()), buffer]
            self._places = wt.buffer_address(buffer)
        return self._places + number % _PLACES * _FUNCTION_BYTES

    async def call(self, function: str | Function, *arguments: object) -> object:
        """Call an exported function and wait for its value.

        A long computation gives way to the event loop after each slice and moves
        to a worker thread after a few. Cancelling the await ends the guest.

        Raises:
            ValueMismatch: an argument does not fit; the guest was not entered.
            CallTooLarge: the arguments are more than one call may carry; nor was it.
            GuestFault: the guest ended itself; the instance is closed.
            InstanceBusy: it is still in another call.
            InstanceClosed: it has ended.
        """
        if isinstance(function, str):
            function = self.function(function)
        call = self.start(function, arguments, ignore_wake)
        call._is_awaited = True
        if call._first_poll() is not _DONE:
            await drive(call, self.engine.config.slices_before_thread)
        if call._raise is not None:
            raise call._raise
        return call._value

    async def call_itemized(
        self, function: str | Function, *arguments: object
    ) -> tuple[object, CallUse]:
        """Call as `call` does, and return what the call used beside its value.

        Raises:
            ValueMismatch, GuestFault, InstanceBusy, InstanceClosed: as `call`.
        """
        if self._usage is None:
            self.measure(Usage())
        if isinstance(function, str):
            function = self.function(function)
        call = self.start(function, arguments, ignore_wake)
        call.itemize()
        call._is_awaited = True
        if call._first_poll() is not _DONE:
            await drive(call, self.engine.config.slices_before_thread)
        return call.result(), call.use()

    def start(self, function: Function, arguments: tuple[object, ...], wake: Wake) -> Call:
        """Begin a call without running it; for schedulers.

        Args:
            function: of this instance.
            arguments: Python values for its parameters.
            wake: called with the call, on the loop's thread, when a call that was
                `WAITING` should be polled again.

        Raises:
            ValueMismatch, CallTooLarge, InstanceBusy, InstanceClosed: as `call`.
        """
        if not self._store:
            raise InstanceClosed(self.component_name, self._fault)
        if self._call is not None:
            raise InstanceBusy(self.component_name, self._call.function)
        if function._instance is not self:
            raise NoSuchExport(self.component_name, f"{function.path} of another instance")
        if get_ident() != self.engine._thread:
            raise RuntimeError("call it from the event loop that entered the engine, while it runs")
        plan = function._plan
        keep: Keep = []
        handles = self._handles
        meter = self._meter
        handles.allowance = meter.host_call_bytes
        try:
            block = plan.arguments(arguments, keep, handles)
        except AllowanceExceeded:
            handles.take_back(keep)
            raise CallTooLarge(function.path, self.limits.host_call_bytes) from None
        except TooManyResources:
            handles.take_back(keep)
            most = f"at most {self.limits.resources:,} resources (limits.resources)"
            raise ValueMismatch(function.path, most, "more") from None
        except Exception as problem:  # an argument is any object, and may raise anything
            handles.take_back(keep)
            raise argument_mismatch(plan.shape, arguments, problem) from problem
        self._slot[0] = 0  # the engine drops what it overwrites: a number needs no dropping
        meter.refuel()
        meter.start_clock()
        call = Call(self, function.path, plan, keep, wake)
        call._use = function._use
        keep.append(block)  # the engine copies it, and all it points to, at the first poll
        meter.arguments.value = id(block) + DATA_OFFSET_BYTES
        call._future = function._begin()
        self._call = self.engine._running[self._context] = call
        return call

    def close(self) -> None:
        """End the instance and free its memory; a call in progress is cancelled."""
        call = self._call
        if call is not None:
            call.cancel()
        if call is None or not call._is_polled:  # else it ends when the guest gives way
            self._end(None)

    def drop_through(self, call: Callable[[Function, GuestResource], Awaitable[object]]) -> None:
        """Let a scheduler make the calls that drop resources, in turn with its others.

        Args:
            call: called instead of `call`, with the function that drops and the resource.
        """
        self._drop_in_turn = call

    async def _drop_resource(self, resource: GuestResource) -> None:
        """Drop a resource of this instance: a call that runs its destructor."""
        export = self._linked.component._drops.get(resource._resource)
        if export is None:
            raise ResourceKept(self.component_name, resource.name)
        path = f"{resource._resource.interface}#{export.plan.shape.name}"
        drop = self._drop_in_turn or self.call
        await drop(self._function(path, export), resource)

    def _circumstances(self, function: str) -> Circumstances:
        """Return all that a fault in that function is told with."""
        component = self._linked.component
        layout = component._layout
        return Circumstances(
            component=self.component_name,
            function=function,
            limits=self.limits,
            stack_bytes=layout.stack_bytes,
            stack_setting=layout.stack_setting,
            core=component._core,
        )

    def _read_gauge(self) -> None:
        """Ask how much memory there is: after the first call, then ten times a second at most."""
        self._gauge_due = inf  # to ask is a call too
        export = self._linked.component._gauge
        if export is None or not self._store:
            return
        fuel_used = self.fuel_used
        call = self.start(self._function("", export), (), ignore_wake)
        if call._first_poll() is _DONE and isinstance(call._value, int):
            self.memory_peak_bytes = now = call._value * PAGE_BYTES
            if self._usage is not None:
                self._usage.memory_peak_bytes = max(now, self._usage.memory_peak_bytes)
        self.fuel_used = fuel_used
        self._gauge_due = call._started + _GAUGE_SECONDS

    def _begin(self, wake: Wake) -> Call:
        """Return the call that instantiates the component in this store."""
        call = Beginning(self, "instantiation", None, [], wake)
        if self._usage is not None:
            call._use = self._usage.export(call.function)
        call._future = wt.instantiate_async(
            self._linked._linker_address,
            self._context,
            self._linked.component._address,
            self._address,
            self._slot_address + 32,
        )
        self._hold(call)
        return call

    def _hold(self, call: Call) -> None:
        self._call = call
        self.engine._running[self._context] = call

    def _release(self, call: Call) -> None:
        if self._call is call:
            self._call = None
            self.engine._running.pop(self._context, None)
            if self.caller._wasi is not None:
                self.caller._end_lines()

    def _stage(self, finders: Sequence[StagingFinder | None]) -> None:
        """Let bytes be copied into the memories of its bridges, once these are found."""
        self._handles.stagings = tuple(
            None if each is None else Staging(each, self._memories, has_begun=side in _OF_IMPORTS)
            for side, each in zip(SIDES, finders, strict=True)
        )
        if any(each and each.is_forged for each in finders):
            self.engine.instances_by_text += 1

    def _rest(self) -> bool:
        """Give its stack's memory back if it was not called since this was asked before."""
        if self._stack is None or self._call is not None or not self._store:
            return False
        if self._seen_fuel != self.fuel_used:  # every call uses some
            self._seen_fuel, self._is_resting = self.fuel_used, False
            return False
        if self._is_resting:
            return False
        self._stack.rest()
        for staging in self._handles.stagings:
            if staging is not None:
                staging.rest()
        self._is_resting = True
        return True

    def _end(self, fault: GuestFault | None) -> None:
        if not self._store:
            return
        self._fault = fault
        self._free()
        try:  # each runs, whatever the other raises
            self._handles.drop_all()
        finally:
            self.caller._close()

    def _free(self) -> None:
        store, self._store = getattr(self, "_store", 0), 0
        if store:
            self._memories.clear()
            self.engine._resting.pop(self._context, None)
            call = self._call
            if call is not None and call._future:
                wt.future_delete(call._future)
                call._future = 0
            wt.store_delete(store)
