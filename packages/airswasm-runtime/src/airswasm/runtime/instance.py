"""A running component: one store, one instance, at most one call at a time.

A call runs on a fibre of its own and is *polled*: each `poll` runs the guest
until it finishes, has used up a slice of fuel, or waits in a host function. So
a scheduler can hold thousands of calls on one thread, and `Instance.call` is
only the smallest such scheduler.

Whoever completes what a guest waits for must put it back on the run queue; the
library has no waker. That is the `wake` of `Instance.start`.

After a trap, a limit or a cancel the engine refuses to enter the component
again, so the store is dropped at once and the instance is closed. Repairing it
was never an option: the guest's memory is torn.

Python code of host functions runs on the guest's fibre and must never raise
into it: `_host_calls.py` holds the one guard.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Coroutine
from math import ceil, inf
from struct import Struct
from threading import get_ident
from typing import TYPE_CHECKING, Any
from weakref import ref

import anyio
import anyio.to_thread

from . import _wasmtime as wt
from ._explain import describe, find_mismatch
from ._faults import fault_of, limit_fault
from ._handles import Drop, InstanceHandles, TooManyResources, take_back
from ._plan import KIND_STRING, UNFIT, AllowanceExceeded, ExportPlan, Keep
from ._switching import short_switches
from .errors import (
    DeadlineExceeded,
    Frame,
    GuestFault,
    HostCallTooLarge,
    HostFunctionFailed,
    InstanceBusy,
    InstanceClosed,
    LimitExceeded,
    NoSuchExport,
    ResourceKept,
    ResourcesExhausted,
    ValueMismatch,
)
from .host import Caller, Pending
from .limits import Limits
from .shape import FunctionShape
from .timers import Timer
from .values import GuestResource

if TYPE_CHECKING:
    from ._host_calls import HostCall
    from ._packed import Stack
    from .component import Export, LinkedComponent
    from .engine import Engine

Wake = Callable[["Call"], object]

_SLOT_BYTES = 48  # the result's 32 bytes, the error's address, the fuel left
_INSTANCE_BYTES = 16
_FUNCTION_BYTES = 32
_PLACES = 4  # functions whose place comes with the instance; more get buffers of as many
_ERROR_AND_FUEL = Struct("<QQ").unpack_from
_future_poll, _future_delete = wt.future_poll, wt.future_delete
_DATA = bytes.__basicsize__ - 1
_GAUGE_SECONDS = 0.1
PAGE_BYTES = 65536
_THREAD_FACTOR = 20  # the first slice on a worker thread against one on the loop
_THREAD_SLICE = 0.01  # seconds
_THREAD_STINT = 0.05  # seconds on a worker thread before a cancel can be noticed


class CallState(enum.Enum):
    """What a call needs next."""

    DONE = "done"
    """`Call.result` gives its outcome."""

    READY = "ready"
    """Its slice was used up: poll it again."""

    WAITING = "waiting"
    """It waits in a host function; `wake` will be called."""


def _no_more() -> None:
    return


def _frames_left(number: int) -> Callable[[], None]:
    """A function that raises `RecursionError` unless so many more frames fit."""
    check = _no_more
    for _ in range(number):

        def deeper(below: Callable[[], None] = check) -> None:
            below()

        check = deeper
    return check


_check_depth = _frames_left(5)
"""Before a guest is entered: a callback that cannot begin aborts the process."""
check_depth_to_instantiate = _frames_left(12)
"""The same with room for what comes before."""

_DONE, _READY, _WAITING = CallState.DONE, CallState.READY, CallState.WAITING


class Function:
    """One exported function of one instance; get it with `Instance.function`.

    Attributes:
        path: such as `airswasm:component/handler@0.1.0#handle-message`.
        shape: its WIT type.
    """

    __slots__ = ("_address", "_begin", "_instance", "_plan", "path")

    def __init__(self, instance: Instance, path: str, plan: ExportPlan, index: int) -> None:
        self.path: str = path
        self._instance = instance
        self._plan = plan
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
    def shape(self) -> FunctionShape:
        """Its WIT type."""
        return self._plan.shape

    async def __call__(self, *arguments: object) -> object:
        """Calls it; see `Instance.call`."""
        return await self._instance.call(self, *arguments)


class Call:
    """One call in progress. Not an awaitable: poll it, or use `Instance.call`.

    Only for the event loop's thread. It never touches a task of the loop unless
    a host function is `async`.

    Attributes:
        function: what was called.
        fuel_used: fuel that it used, once it is done.
    """

    __slots__ = (
        "_cancelled",
        "_failure",
        "_future",
        "_hop",
        "_instance",
        "_is_awaited",
        "_is_late",
        "_is_polled",
        "_keep",
        "_late_drops",
        "_pending",
        "_plan",
        "_raise",
        "_results",
        "_started",
        "_state",
        "_target",
        "_timer",
        "_value",
        "_wake",
        "_work",
        "fuel_used",
        "function",
    )

    def __init__(
        self, instance: Instance, function: str, plan: ExportPlan | None, keep: Keep, wake: Wake
    ) -> None:
        self.function: str = function
        self.fuel_used: int = 0
        self._instance = instance
        self._plan = plan
        self._keep: Keep | None = keep
        self._wake = wake
        self._state = _READY
        self._started = time.monotonic()
        self._future: int = 0
        self._pending: Pending | None = None
        self._work: Coroutine[Any, Any, object] | None = None
        self._target: HostCall | None = None
        self._results = 0
        self._hop: tuple[HostCall, int, list[object]] | None = None
        self._failure: BaseException | None = None
        self._value: object = None
        self._raise: BaseException | None = None
        self._timer: Timer | None = None
        self._late_drops: list[tuple[Drop, object]] | None = None
        self._is_polled = False
        self._is_awaited = False  # whether a task awaits it, which can await host functions too
        self._is_late = False  # whether it had a slice already
        self._cancelled = False

    def __repr__(self) -> str:
        return f"<Call {self._instance.component_name}#{self.function} {self._state.value}>"

    @property
    def state(self) -> CallState:
        """What it needs next."""
        return self._state

    def poll(self) -> CallState:
        """Runs the guest for one slice at most.

        Returns:
            `DONE`, `READY` (poll again) or `WAITING` (`wake` will be called).
        """
        if self._state is _DONE:
            return _DONE
        if self._is_polled:
            raise RuntimeError(f"{self!r} is being polled already")
        pending = self._pending
        if pending is not None:
            if not pending._done:
                return self._wait()
            if pending._exception is not None:
                return self._fault_of_host(pending._exception)
        if self._is_late and self._has_expired():
            return _DONE
        self._is_late = True
        _check_depth()
        self._is_polled = True
        try:
            is_over = _future_poll(self._future)
        finally:
            self._is_polled = False
        if is_over:
            return self._finish()
        return self._after_slice()

    def _first_poll(self) -> CallState:
        try:
            return self.poll()
        except BaseException:  # nobody will poll it again
            self.cancel()
            raise

    def result(self) -> object:
        """The value that the guest returned.

        Raises:
            GuestFault: the call ended its instance; the type says why.
            InvalidStateError: it is not done.
        """
        if self._state is not _DONE:
            raise RuntimeError(f"{self!r} is not done; poll it")
        if self._raise is not None:
            raise self._raise
        return self._value

    def cancel(self) -> None:
        """Ends the call and its instance. Without effect when it is done."""
        if self._state is _DONE:
            return
        self._cancelled = True
        if self._is_polled:
            return  # it ends when the guest gives way
        is_waiting = self._state is _WAITING
        self._abort(InstanceClosed(self._instance.component_name))
        if is_waiting:  # whoever waits for it need not be who ended it
            self._wake(self)

    async def poll_in_thread(self) -> CallState:
        """Runs a computing guest on a worker thread, for several slices.

        Host functions still run on the event loop's thread. A cancel is noticed
        within 50 ms; the caller decides whether to cancel the call then.

        Returns:
            `DONE`, `WAITING`, or `READY` after a stint on the thread.
        """
        engine = self._instance.engine
        while True:
            if self._state is _DONE:
                return _DONE
            if self._is_polled:
                raise RuntimeError(f"{self!r} is being polled already")
            pending = self._pending
            if pending is not None and not pending.is_done:
                return self._wait()
            if pending is not None and pending._exception is not None:
                return self._fault_of_host(pending._exception)
            self._is_polled = True
            try:
                with short_switches:
                    is_over = await anyio.to_thread.run_sync(self._stint, limiter=engine._limiter)
            finally:
                self._is_polled = False
            self._run_late_drops()
            if is_over:
                return self._finish()
            if self._hop is None:
                return self._after_slice()
            state = self._after_slice()
            if state is not _READY:
                return state

    def _stint(self) -> bool:
        """Polls on a worker thread until the guest ends, waits, or a while has passed.

        After each slice the thread fights for the interpreter's lock, so slices become
        longer until one takes some 10 ms: how much fuel that is depends on the guest.
        """
        future, until = self._future, time.monotonic() + _THREAD_STINT
        context, fuel = self._instance._context, self._instance.engine.config.slice_fuel
        interval = fuel * _THREAD_FACTOR
        try:
            wt.set_yield_interval(context, interval)
            used = time.thread_time()
            while not wt.future_poll_released(future):
                if self._pending is not None and not self._pending.is_done:
                    return False
                if self._hop or self._failure or self._cancelled or time.monotonic() > until:
                    return False
                before, used = used, time.thread_time()
                if used - before < _THREAD_SLICE / 2:
                    interval *= 2
                    wt.set_yield_interval(context, interval)
        finally:
            wt.set_yield_interval(context, fuel)
        return True

    def _after_slice(self) -> CallState:
        if self._cancelled:
            self._abort(InstanceClosed(self._instance.component_name))
            return _DONE
        if self._failure is not None:
            return self._fault_of_host(self._failure)
        if self._hop is not None:
            self._run_hop()
        pending = self._pending
        if pending is None or pending.is_done:
            self._state = _READY
            return _READY
        return self._wait()

    def _wait(self) -> CallState:
        self._state = _WAITING
        if self._work is not None and not self._is_awaited:
            work, pending = self._take_work()
            self._instance.engine._spawn(work, pending)
        if self._timer is None:
            left = self._instance.limits.timeout - (time.monotonic() - self._started)
            self._timer = self._instance.engine.timers.after(max(0.0, left), self._expire)
        return _WAITING

    def _has_expired(self) -> bool:
        """Ends a call whose time passed between two slices, without entering the guest again."""
        if time.monotonic() - self._started < self._instance.limits.timeout:
            return False
        self._abort(self._limit_fault(DeadlineExceeded, "ran past its deadline", "timeout"))
        return True

    def _expire(self) -> None:
        self._timer = None
        if self._state is not _WAITING:
            return
        self._abort(self._limit_fault(DeadlineExceeded, "waited past its deadline", "timeout"))
        self._wake(self)

    def _woken(self) -> None:
        """A pending operation was completed: tell whoever schedules this call."""
        if self._state is _WAITING:
            self._state = _READY
            self._wake(self)

    def _park(self, target: HostCall, results: int, pending: Pending) -> None:
        """The guest waits for `pending`; the continuation will write to `results`."""
        self._target, self._results, self._pending = target, results, pending
        pending._listen(self._woken)

    def _adopt(self, work: Any) -> Pending:
        """A host function is a coroutine: who awaits it is decided once the guest waits."""
        self._work = work
        return Pending()

    def _take_work(self) -> tuple[Coroutine[Any, Any, object], Pending]:
        work, self._work = self._work, None
        assert work is not None
        assert self._pending is not None
        return work, self._pending

    def _run_hop(self) -> None:
        """Runs a host function, called from a worker thread, here on the loop's thread."""
        assert self._hop is not None
        target, results, values = self._hop
        self._hop = None
        try:
            outcome = target.invoke(self, values)
        except BaseException as failure:
            outcome = Pending()
            outcome.fail(failure)
        if not isinstance(outcome, Pending):
            value, outcome = outcome, Pending()
            outcome.resolve(value)
        self._park(target, results, outcome)
        if outcome.is_done and outcome._exception is not None:
            self._failure = outcome._exception

    def _continue(self) -> bool:
        """Asked by the engine at each poll while the guest waits: is the result written?"""
        pending = self._pending
        if pending is None or not pending.is_done or self._failure is not None:
            return False
        target = self._target
        try:
            if pending._exception is not None or target is None:
                return False
            target.write(self._instance, self._results, pending._value)
        except BaseException as failure:
            self._failure = failure
            return False
        self._pending = self._target = None
        return True

    def _finish(self) -> CallState:
        instance = self._instance
        _future_delete(self._future)
        self._future = 0
        meter = instance._meter
        meter.read_fuel()
        error, fuel_left = _ERROR_AND_FUEL(instance._slot, 32)
        self.fuel_used = used = meter.fuel - fuel_left
        instance.fuel_used += used
        if error or self._cancelled:
            return self._finish_badly(error)
        plan = self._plan
        if plan is not None and (decode := plan.result) is not None:
            try:
                if instance._slot[0] < KIND_STRING:
                    self._value = decode(instance._slot_address, instance._handles)
                else:
                    handles = instance._handles
                    handles.allowance = meter.host_call_bytes
                    try:
                        self._value = decode(instance._slot_address, handles)
                    finally:
                        meter.drop_result()
            except AllowanceExceeded:
                self._end_with(self._too_large())
                return _DONE
        self._settle()
        if self._started > instance._gauge_due and plan is not None:
            instance._read_gauge()
        return _DONE

    def _finish_badly(self, error: int) -> CallState:
        outcome: BaseException
        failure = wt.take_error(error) if error else None
        if self._cancelled or failure is None:
            outcome = InstanceClosed(self._instance.component_name)
        else:
            outcome = self._fault_from(failure)
        self._end_with(outcome)
        return _DONE

    def _fault_from(self, failure: wt.EngineFailure) -> BaseException:
        instance = self._instance
        if self._failure is not None:
            return self._blame(self._failure, failure)
        return fault_of(
            failure,
            instance.component_name,
            self.function,
            instance.limits,
            instance.engine.config.max_wasm_stack_bytes,
        )

    def _blame(self, cause: BaseException, failure: wt.EngineFailure | None) -> BaseException:
        """What the guest's caller gets for an exception in a host function."""
        instance = self._instance
        if isinstance(cause, AllowanceExceeded):
            return self._too_large()
        if isinstance(cause, TooManyResources):
            return self._limit_fault(ResourcesExhausted, "holds too many resources", "resources")
        if isinstance(cause, GuestFault):
            made: GuestFault = cause
        elif not isinstance(cause, KeyboardInterrupt):
            where = self._target.name if self._target is not None else "a host function"
            made = HostFunctionFailed(
                instance.component_name,
                self.function,
                f"called {where}, which failed: {describe(cause)}",
            )
            made.__cause__ = cause
        else:
            return cause  # the program's, wherever it lands
        if failure is not None and not made.backtrace:
            made.backtrace = tuple(Frame(*frame) for frame in failure.frames)
        return made

    def _too_large(self) -> LimitExceeded:
        said = "passed too much in one call"
        return self._limit_fault(HostCallTooLarge, said, "host_call_bytes")

    def _limit_fault(self, fault: type[LimitExceeded], said: str, limit: str) -> LimitExceeded:
        instance = self._instance
        return limit_fault(
            fault, instance.component_name, self.function, said, limit, instance.limits
        )

    def _drop(self, drop: Drop, value: object) -> None:
        """Drops a host resource, on the loop's thread even when the guest runs on another."""
        if get_ident() == self._instance.engine._thread:
            drop(value)
        else:
            self._late_drops = [*(self._late_drops or ()), (drop, value)]

    def _run_late_drops(self) -> None:
        drops, self._late_drops = self._late_drops, None
        for drop, value in drops or ():
            try:
                drop(value)
            except BaseException as failure:
                self._failure = failure

    def _fault_of_host(self, cause: BaseException) -> CallState:
        self._abort(self._blame(cause, None))
        return _DONE

    def _abort(self, outcome: BaseException) -> None:
        """Ends a call that cannot go on: its fibre, then its store."""
        if self._future:
            wt.future_delete(self._future)
            self._future = 0
            meter = self._instance._meter
            meter.read_fuel()
            self.fuel_used = meter.fuel - _ERROR_AND_FUEL(self._instance._slot, 32)[1]
        self._end_with(outcome)

    def _end_with(self, outcome: BaseException) -> None:
        if isinstance(outcome, GuestFault):
            outcome.fuel_used = self.fuel_used
            outcome.memory_peak_bytes = self._instance.memory_peak_bytes
        self._raise = outcome
        pending, self._pending = self._pending, None
        self._settle()
        try:
            self._instance._end(outcome if isinstance(outcome, GuestFault) else None)
            if pending is not None:
                pending._cancel()
        except Exception as problem:  # an embedder's clean-up: it must not hide the outcome
            outcome.add_note(f"cleaning up after it failed: {problem!r}")

    def _settle(self) -> None:
        self._state = _DONE
        self._keep = None
        if self._work is not None:  # it ended before anybody awaited the host function
            self._work.close()
            self._work = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._instance._release(self)


class Instance:
    """One instance of a component; get it with `LinkedComponent.instantiate`.

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
        "_fault",
        "_functions",
        "_gauge_due",
        "_handles",
        "_is_resting",
        "_linked",
        "_made",
        "_meter",
        "_more_places",
        "_places",
        "_seen_fuel",
        "_slot",
        "_slot_address",
        "_stack",
        "_store",
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
        self._call: Call | None = None
        self._fault: GuestFault | None = None
        self._functions: dict[str, Function] = {}
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
        self._handles = InstanceHandles(self._context, linked._drops, limits.resources, ref(self))
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

    @property
    def component_name(self) -> str:
        """What its embedder calls it: one component may run under many names."""
        return self.caller.name

    @property
    def is_closed(self) -> bool:
        """Whether it can no longer be called."""
        return not self._store

    @property
    def fault(self) -> GuestFault | None:
        """What ended it, if a fault did."""
        return self._fault

    @property
    def exports(self) -> object:
        """Its exports as typed async Python; see `exports.py`."""
        from .exports import Exports

        return Exports(self)

    def has_export(self, path: str) -> bool:
        """Whether the component exports a function of that path."""
        return path in self._linked.component._exports

    def function(self, path: str) -> Function:
        """The exported function of a path, `interface@version#name` or `#name`.

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
        """The function behind an export, made once; one of ours may have a path of its own."""
        found = self._functions.get(path)
        if found is None:
            found = self._functions[path] = Function(self, path, export.plan, export.index)
        return found

    def forget(self, path: str) -> None:
        """Lets go of an exported function that will hardly be called again."""
        self._functions.pop(path, None)

    def _next_place(self) -> int:
        """Where the next function goes: one after the other, four to a buffer."""
        number, self._made = self._made, self._made + 1
        if number and number % _PLACES == 0:
            buffer = bytearray(_PLACES * _FUNCTION_BYTES)
            self._more_places = [*(self._more_places or ()), buffer]
            self._places = wt.buffer_address(buffer)
        return self._places + number % _PLACES * _FUNCTION_BYTES

    async def call(self, function: str | Function, *arguments: object) -> object:
        """Calls an exported function and waits for its value.

        A long computation gives way to the event loop after each slice and moves
        to a worker thread after a few. Cancelling the await ends the guest.

        Raises:
            ValueMismatch: an argument does not fit; the guest was not entered.
            GuestFault: the guest ended itself; the instance is closed.
            InstanceBusy: it is still in another call.
            InstanceClosed: it has ended.
        """
        if isinstance(function, str):
            function = self.function(function)
        call = self.start(function, arguments, _nobody)
        call._is_awaited = True
        if call._first_poll() is not _DONE:
            await _drive(call, self.engine.config.slices_before_thread)
        if call._raise is not None:
            raise call._raise
        return call._value

    def start(self, function: Function, arguments: tuple[object, ...], wake: Wake) -> Call:
        """Begins a call without running it; for schedulers.

        Args:
            function: of this instance.
            arguments: Python values for its parameters.
            wake: called with the call, on the loop's thread, when a call that was
                `WAITING` should be polled again.

        Raises:
            ValueMismatch, InstanceBusy, InstanceClosed: as `call`.
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
        except UNFIT as problem:
            take_back(keep)
            raise _argument_mismatch(plan.shape, arguments, problem) from None
        except AllowanceExceeded:
            take_back(keep)
            most = f"at most {self.limits.host_call_bytes:,} bytes (limits.host_call)"
            raise ValueMismatch(function.path, most, "more") from None
        except TooManyResources:
            take_back(keep)
            most = f"at most {self.limits.resources:,} resources (limits.resources)"
            raise ValueMismatch(function.path, most, "more") from None
        self._slot[0] = 0  # the engine drops what it overwrites: a number needs no dropping
        meter.refuel()
        meter.start_clock()
        call = Call(self, function.path, plan, keep, wake)
        keep.append(block)  # the engine copies it, and all it points to, at the first poll
        meter.arguments.value = id(block) + _DATA
        call._future = function._begin()
        self._call = self.engine._running[self._context] = call
        return call

    def close(self) -> None:
        """Ends the instance and frees its memory; a call in progress is cancelled."""
        call = self._call
        if call is not None:
            call.cancel()
        if call is None or not call._is_polled:  # else it ends when the guest gives way
            self._end(None)

    async def _drop_resource(self, resource: GuestResource) -> None:
        """Drops a resource of this instance: a call that runs its destructor."""
        export = self._linked.component._drops.get(resource._resource)
        if export is None:
            raise ResourceKept(self.component_name, resource.name)
        path = f"{resource._resource.interface}#{export.plan.shape.name}"
        await self.call(self._function(path, export), resource)

    def _read_gauge(self) -> None:
        """Asks how much memory there is: after the first call, then ten times a second at most."""
        self._gauge_due = inf  # to ask is a call too
        export = self._linked.component._gauge
        if export is None or not self._store:
            return
        fuel_used = self.fuel_used
        call = self.start(self._function("", export), (), _nobody)
        if call._first_poll() is _DONE and isinstance(call._value, int):
            self.memory_peak_bytes = call._value * PAGE_BYTES
        self.fuel_used = fuel_used
        self._gauge_due = call._started + _GAUGE_SECONDS

    def _begin(self, wake: Wake) -> Call:
        """The call that instantiates the component in this store."""
        call = Call(self, "instantiation", None, [], wake)
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

    def _rest(self) -> bool:
        """Gives its stack's memory back if it was not called since this was asked before."""
        if self._stack is None or self._call is not None or not self._store:
            return False
        if self._seen_fuel != self.fuel_used:  # every call uses some
            self._seen_fuel, self._is_resting = self.fuel_used, False
            return False
        if self._is_resting:
            return False
        self._stack.rest()
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
            self.engine._resting.pop(self._context, None)
            call = self._call
            if call is not None and call._future:
                wt.future_delete(call._future)
                call._future = 0
            wt.store_delete(store)


class _Waiter:
    """The smallest scheduler: one call, one task that waits for it."""

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._event: anyio.Event | None = None
        self._is_set = False

    def wake(self, _call: Call) -> None:
        self._is_set = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        while not self._is_set:
            self._event = anyio.Event()
            await self._event.wait()
        self._is_set, self._event = False, None


def _nobody(_call: Call) -> None:
    """Nobody can be woken before a poll has said `WAITING`."""


async def _drive(call: Call, slices_before_thread: int) -> None:
    """Polls a call to its end; a cancel of the task ends the guest."""
    waiter = _Waiter()
    call._wake = waiter.wake
    slices = 0
    try:
        while True:
            state = call.state
            if state is _DONE:
                return
            if state is _WAITING:
                if call._work is not None:
                    work, pending = call._take_work()
                    await pending._complete_with(work)
                await waiter.wait()
                call.poll()
            elif slices < slices_before_thread:
                slices += 1
                await anyio.lowlevel.checkpoint()
                call.poll()
            else:
                await call.poll_in_thread()
    except BaseException:
        call.cancel()
        raise


def _argument_mismatch(
    shape: FunctionShape, arguments: tuple[object, ...], problem: BaseException
) -> Exception:
    if isinstance(problem, GuestFault):
        return problem
    if len(arguments) != len(shape.parameters):
        return ValueMismatch(
            shape.name, f"{len(shape.parameters)} arguments", f"{len(arguments)} arguments"
        )
    for (name, type_), value in zip(shape.parameters, arguments, strict=True):
        found = find_mismatch(f"{shape.name}.{name}", type_, value)
        if found:
            return found
    return ValueMismatch(shape.name, str(shape), repr(problem))
