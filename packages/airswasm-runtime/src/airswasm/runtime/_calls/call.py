"""One call into a guest: polled, parked while the host works, moved to a thread, ended.

A call runs on a fibre of its own and is *polled*: each `poll` runs the guest
until it finishes, has used up a slice of fuel, or waits in a host function. So
a scheduler can hold thousands of calls on one thread, and `Instance.call` is
only the smallest such scheduler.

What completes a guest's wait must put the guest back on the run queue; the library
has no waker. That is the `wake` of `Instance.start`.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Coroutine
from struct import Struct
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread
from airswasm.wit import describe_error

from .._host import Pending
from .._process.switch_interval import short_switches
from .._single import Single
from .._timers import Timer
from .._usage import (
    CallUse,
    FunctionUse,
    Measurement,
    host_calls_in_order,
    host_calls_of,
)
from .._wasmtime import bindings as wt
from .._wasmtime.faults import fault_of
from .._wasmtime.slot_allocator import note_memories
from .._wasmtime.value_layout import KIND_STRING
from ..errors import (
    AccountExceeded,
    DeadlineExceeded,
    Frame,
    FuelExhausted,
    GuestFault,
    HostCallTooLarge,
    HostFunctionFailed,
    HostMemoryExceeded,
    InstanceClosed,
    LimitExceeded,
    ResourcesExhausted,
    Trapped,
)
from . import charges
from .crossing import AllowanceExceeded, Keep
from .handles import Drop, TooManyResources
from .plan import ExportPlan
from .stack_depth import check_depth
from .staging import OutsideMemory
from .stint import Stint

if TYPE_CHECKING:
    from .._instance import Instance
    from .host_calls import HostCall

Wake = Callable[["Call"], object]

_ERROR_AND_FUEL = Struct("<QQ").unpack_from
_future_poll, _future_delete = wt.future_poll, wt.future_delete
_OUT_OF_BOUNDS = "out of bounds memory access"  # in the engine's own words
_THREAD_FACTOR = 20  # the first slice on a worker thread against one on the loop
_THREAD_SLICE = 0.01  # seconds
_THREAD_STINT = 0.05  # seconds on a worker thread before a cancel can be noticed


class CallState(enum.Enum):
    """The next thing that a call needs."""

    DONE = "done"
    """`Call.result` gives its outcome."""

    READY = "ready"
    """Its slice was used up: poll it again."""

    WAITING = "waiting"
    """It waits in a host function; `wake` will be called."""

    SERVED = "served"
    """The host has worked for it long enough: poll it again, after others. A worker thread
    would not help: host functions run on the event loop's thread."""


_DONE, _READY, _WAITING = CallState.DONE, CallState.READY, CallState.WAITING
_SERVED = CallState.SERVED


class Call(Single):
    """One call in progress. Not an awaitable: poll it, or use `Instance.call`.

    Only for the event loop's thread. It never touches a task of the loop unless
    a host function is `async`.

    Attributes:
        function: what was called.
        fuel_used: fuel that it used, once it is done.
        ended_at: the time of its end (`monotonic`), once it is done and if its use is added up;
            else 0.0.
    """

    __slots__ = (
        "_cancelled",
        "_failure",
        "_future",
        "_held",
        "_hop",
        "_instance",
        "_is_awaited",
        "_is_late",
        "_is_polled",
        "_keep",
        "_late_drops",
        "_measured",
        "_pending",
        "_plan",
        "_raise",
        "_results",
        "_started",
        "_state",
        "_target",
        "_timer",
        "_use",
        "_value",
        "_wake",
        "_work",
        "ended_at",
        "fuel_used",
        "function",
    )

    def __init__(
        self, instance: Instance, function: str, plan: ExportPlan | None, keep: Keep, wake: Wake
    ) -> None:
        self.function: str = function
        self.fuel_used: int = 0
        self.ended_at: float = 0.0
        self._use: FunctionUse | None = None
        self._measured: Measurement | None = None
        self._instance = instance
        self._plan = plan
        self._keep: Keep | None = keep
        self._wake = wake
        self._state = _READY
        self._started = monotonic()
        self._future: int = 0
        self._pending: Pending | None = None
        self._work: Coroutine[Any, Any, object] | None = None
        self._target: HostCall | None = None
        self._results = 0
        self._hop: tuple[HostCall, int, list[object]] | None = None
        self._held: tuple[Pending, object] | None = None
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
        """The next thing that it needs."""
        return self._state

    @property
    def seconds(self) -> float:
        """The seconds from its beginning to its end; 0.0 where `ended_at` is."""
        return max(0.0, self.ended_at - self._started)

    def poll(self) -> CallState:
        """Run the guest for one slice at most.

        Returns:
            `DONE`, `READY` or `SERVED` (poll again), or `WAITING` (`wake` will be called).
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
        if self._measured is not None:
            self._measured.resumed_at = monotonic()
        self._is_late = True
        check_depth()
        self._is_polled = True
        try:
            is_over = _future_poll(self._future)
        finally:
            self._is_polled = False
        if is_over:
            return self._finish()
        return self._after_slice()

    def itemize(self) -> None:
        """Keep account of each host function that it calls; before the first poll."""
        self._measurement().items = {}
        self._instance._gauge_due = 0.0  # its memory, too, is to be that of its end

    def itemize_in_order(self) -> None:
        """Keep account of host functions, and of the first calls one by one; before the first poll.

        The memory is what was seen of it last: to ask the guest takes as long as a short call.
        """
        measured = self._measurement()
        measured.items, measured.in_order = {}, []

    def use(self) -> CallUse:
        """Return what it used, once it is done; its times and host calls if it was itemized."""
        measured, instance = self._measurement(), self._instance
        return CallUse(
            self.function,
            self.fuel_used,
            self.seconds,
            measured.busy,
            instance.memory_peak_bytes,
            instance.host_memory_bytes,
            host_calls_of(measured.items),
            host_calls_in_order(measured.in_order, self._started),
        )

    def _first_poll(self) -> CallState:
        try:
            return self.poll()
        except BaseException:  # no scheduler will poll it again
            self.cancel()
            raise

    def result(self) -> object:
        """Return the value that the guest returned.

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
        """End the call and its instance. Without effect when it is done."""
        if self._state is _DONE:
            return
        self._cancelled = True
        if self._is_polled:
            return  # it ends when the guest gives way
        is_waiting = self._state is _WAITING
        self._abort(InstanceClosed(self._instance.component_name))
        if is_waiting:  # another task than this one may wait for it
            self._wake(self)

    async def poll_in_thread(self) -> CallState:
        """Run a computing guest on a worker thread, for several slices.

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
            stint = Stint(self._run_stint)
            try:
                with short_switches:
                    is_over = await anyio.to_thread.run_sync(stint.run, limiter=engine._limiter)
            except BaseException:  # of a task that was cancelled by name, which no scope shields
                stint.abandon()
                if stint.is_over:
                    self._finish()
                raise
            finally:
                self._is_polled = False
                self._run_late_drops()
            if self._use is not None:  # the thread has added what it worked
                self._measurement().resumed_at = 0.0
            if is_over:
                return self._finish()
            if self._hop is None:
                return self._after_slice()
            state = self._after_slice()
            if state is not _READY:
                return state

    def _run_stint(self, stint: Stint) -> bool:
        """Poll on a worker thread until the guest ends, waits, or a while has passed.

        After each slice the thread fights for the interpreter's lock, so slices become
        longer until one takes some 10 ms: how much fuel that is depends on the guest.
        """
        future, until = self._future, monotonic() + _THREAD_STINT
        context, fuel = self._instance._context, self._instance.engine.config.slice_fuel
        interval = fuel * _THREAD_FACTOR
        used = began = time.thread_time()
        try:
            wt.set_yield_interval(context, interval)
            while not wt.future_poll_released(future):
                if self._pending is not None and not self._pending.is_done:
                    return False
                if self._hop or self._failure or self._cancelled or monotonic() > until:
                    return False
                if stint.is_abandoned:
                    return False
                before, used = used, time.thread_time()
                if used - before < _THREAD_SLICE / 2:
                    interval *= 2
                    wt.set_yield_interval(context, interval)
        finally:
            wt.set_yield_interval(context, fuel)
            if self._use is not None:
                self._measurement().busy += time.thread_time() - began
        return True

    def _after_slice(self) -> CallState:
        if self._use is not None:
            self._measurement().end_slice(monotonic())
        if self._cancelled:
            self._abort(InstanceClosed(self._instance.component_name))
            return _DONE
        if self._failure is not None:
            return self._fault_of_host(self._failure)
        self._instance._meter.give_way_at = 0.0
        if self._held is not None:
            held, self._held = self._held, None
            self._state = _SERVED
            held[0].resolve(held[1])
            return _SERVED
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
            left = self._instance.limits.timeout - (monotonic() - self._started)
            self._timer = self._instance.engine.timers.after(max(0.0, left), self._expire)
        return _WAITING

    def _has_expired(self) -> bool:
        """End a call whose time passed between two slices, without entering the guest again."""
        if monotonic() - self._started < self._instance.limits.timeout:
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
        """Tell the scheduler of this call that a pending operation was completed."""
        if self._state is _WAITING:
            self._state = _READY
            self._wake(self)

    def _must_give_way(self) -> bool:
        """Return whether the host has worked for this slice of the guest for long enough.

        Raises:
            FuelExhausted: the guest cannot pay for it.
        """
        meter, now = self._instance._meter, monotonic()
        self._pay_if_due()
        meter.look_at = meter.debt + charges.LOOK
        if not meter.give_way_at:
            meter.give_way_at = now + self._instance.engine.config.host_slice
        return now > meter.give_way_at

    def _pay_if_due(self) -> None:
        """Take what the guest owes for the host's work from its fuel, once it is worth it."""
        meter = self._instance._meter
        if meter.debt > charges.PAY or meter.debt >= meter.fuel:
            meter.read_fuel()
            left = _ERROR_AND_FUEL(self._instance._slot, 32)[1] - meter.debt
            meter.paid += meter.debt
            meter.debt, meter.look_at = 0, -1  # a guest that pays within each call looks as well
            meter.set_fuel(max(0, left))
            if left <= 0:
                raise self._limit_fault(FuelExhausted, "used up its fuel", "fuel")

    def _charge(self, fuel: int) -> None:
        """Let the guest pay for work that is about to be done for it."""
        self._instance._meter.debt += fuel
        self._pay_if_due()

    def _hold_back(self, value: object) -> Pending:
        """Keep a result that is there until the guest has its next slice."""
        pending = Pending()
        self._held = pending, value
        return pending

    def _take_debt(self) -> int:
        """Return what is owed for the host's work, which is settled by that."""
        meter = self._instance._meter
        meter.paid += meter.debt
        debt, meter.debt, meter.look_at, meter.give_way_at = meter.debt, 0, charges.LOOK, 0.0
        return debt

    def _park(self, target: HostCall, results: int, pending: Pending) -> None:
        """Let the guest wait for `pending`; the continuation will write to `results`."""
        self._target, self._results, self._pending = target, results, pending
        pending._listen(self._woken)

    def _measurement(self) -> Measurement:
        if self._measured is None:
            self._measured = Measurement(self._started)
        return self._measured

    def _note_host_call(self, function: str, began: float, owed: int) -> None:
        """Add up a host call that has ended, or will not go on."""
        instance, meter = self._instance, self._instance._meter
        usage = instance._usage
        if usage is None:
            return
        seconds, fuel = monotonic() - began, meter.debt + meter.paid - owed
        use = usage.host.get(function) or usage.host_function(function)
        use.fuel += fuel
        use.add(seconds)
        if self._measured is not None:
            self._measured.add(function, began, seconds, fuel)

    def _note_waited(self, target: HostCall | None) -> None:
        """Add up the host call that the guest has waited for."""
        measured = self._measured
        if measured is not None and measured.called_at and target is not None:
            began, measured.called_at = measured.called_at, 0.0
            self._note_host_call(target.name, began, measured.owed)

    def _note_slices(self, use: FunctionUse, measured: Measurement) -> None:
        """Add up how long this call, which is done, was not at work."""
        self._note_waited(self._target)
        measured.end_slice(self.ended_at)
        use.idle_seconds += max(0.0, self.seconds - measured.busy)

    def _adopt(self, work: Any) -> Pending:  # a coroutine, which no type of `outcome` says
        """Keep a host function that is a coroutine until its guest waits for it.

        A task that awaits the guest awaits it too; otherwise the engine starts a task.
        """
        self._work = work
        return Pending()

    def _take_work(self) -> tuple[Coroutine[Any, Any, object], Pending]:
        work, self._work = self._work, None
        assert work is not None
        assert self._pending is not None
        return work, self._pending

    def _run_hop(self) -> None:
        """Run a host function, called from a worker thread, here on the loop's thread."""
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
        """Write the result of what the guest waits for, if it is there.

        The engine asks at each poll, and lets the guest go on once this says so.
        """
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
        self._note_waited(target)
        self._pending = self._target = None
        return True

    def _finish(self) -> CallState:
        instance = self._instance
        _future_delete(self._future)
        self._future = 0
        meter = instance._meter
        meter.read_fuel()
        error, fuel_left = _ERROR_AND_FUEL(instance._slot, 32)
        used = meter.fuel - fuel_left
        if meter.debt:
            used += self._take_debt()
        self.fuel_used = used
        instance.fuel_used += used
        if error or self._cancelled:
            return self._finish_badly(error)
        if used > meter.fuel:
            return self._finish_in_debt()
        handles = instance._handles
        if handles.unstaged is not None:
            handles.unstaged.begin()
            handles.unstaged = None
        plan = self._plan
        if plan is not None and (decode := plan.result) is not None:
            try:
                if instance._slot[0] < KIND_STRING:
                    self._value = decode(instance._slot_address, handles)
                else:
                    handles.allowance = meter.host_call_bytes
                    try:
                        self._value = decode(instance._slot_address, handles)
                    finally:
                        meter.drop_result()
            except AllowanceExceeded:
                self._end_with(self._too_large())
                return _DONE
            except OutsideMemory:
                self._end_with(self._outside_memory())
                return _DONE
        self._settle()
        if self._started > instance._gauge_due and plan is not None:
            instance._read_gauge()
        return _DONE

    def _finish_in_debt(self) -> CallState:
        """End a call that is done, but for which the host did more than its fuel pays for."""
        if self._instance._slot[0] >= KIND_STRING:
            self._instance._meter.drop_result()
        self._end_with(self._limit_fault(FuelExhausted, "used up its fuel", "fuel"))
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
        return fault_of(failure, instance._circumstances(self.function))

    def _blame(self, cause: BaseException, failure: wt.EngineFailure | None) -> BaseException:
        """Return what the guest's caller gets for an exception in a host function."""
        instance = self._instance
        kind = type(cause)  # not isinstance(): it reads `__class__`, which may raise
        if issubclass(kind, AllowanceExceeded):
            return self._too_large()
        if issubclass(kind, OutsideMemory):
            return self._outside_memory()
        if issubclass(kind, TooManyResources):
            return self._limit_fault(ResourcesExhausted, "holds too many resources", "resources")
        if issubclass(kind, AccountExceeded):
            said = f"made the host keep more than there is room for ({cause})"
            return self._limit_fault(HostMemoryExceeded, said, "host_memory_bytes")
        if issubclass(kind, KeyboardInterrupt):
            return cause  # the program's, wherever it lands
        if issubclass(kind, GuestFault):
            made = cast("GuestFault", cause)
        else:
            where = self._target.name if self._target is not None else "a host function"
            made = HostFunctionFailed(
                instance.component_name,
                self.function,
                f"called {where}, which failed: {describe_error(cause)}",
            )
            made.__cause__ = cause
        if failure is not None and not made.backtrace:
            made.backtrace = tuple(Frame(*frame[:3]) for frame in failure.frames)
        return made

    def _too_large(self) -> LimitExceeded:
        said = "passed too much in one call"
        return self._limit_fault(HostCallTooLarge, said, "host_call_bytes")

    def _outside_memory(self) -> Trapped:
        made = Trapped(self._instance.component_name, self.function, f"trapped: {_OUT_OF_BOUNDS}")
        made.code = _OUT_OF_BOUNDS
        return made

    def _limit_fault(self, fault: type[LimitExceeded], said: str, limit: str) -> LimitExceeded:
        return self._instance._circumstances(self.function).limit_fault(fault, limit, said)

    def _drop(self, drop: Drop, value: object) -> None:
        """Drop a host resource, on the loop's thread even when the guest runs on another."""
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
        """End a call that cannot go on: its fibre, then its store."""
        if self._future:
            wt.future_delete(self._future)
            self._future = 0
            meter = self._instance._meter
            meter.read_fuel()
            left = _ERROR_AND_FUEL(self._instance._slot, 32)[1]
            self.fuel_used = meter.fuel - left + self._take_debt()
        self._end_with(outcome)

    def _end_with(self, outcome: BaseException) -> None:
        if isinstance(outcome, GuestFault):
            outcome.fuel_used = self.fuel_used
            outcome.memory_peak_bytes = self._instance.memory_peak_bytes
        self._raise = outcome
        if self._use is not None:
            self._use.faults += 1
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
        use = self._use
        if use is not None:
            self.ended_at = ended_at = monotonic()
            seconds = ended_at - self._started
            use.fuel += self.fuel_used
            use.seconds += seconds  # as `use.add`, without a call
            if use._low < seconds <= use._high:
                use._same += 1
            else:
                use._move(seconds)
            if self._measured is not None:
                self._note_slices(use, self._measured)
        if self._work is not None:  # it ended before a task awaited the host function
            self._work.close()
            self._work = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._instance._release(self)


class Beginning(Call):
    """The call that instantiates a component: the memories that it makes are the instance's."""

    __slots__ = ()

    def poll(self) -> CallState:
        """Run the start code for one slice at most."""
        outer = note_memories(self._instance._memories)
        try:
            return Call.poll(self)
        finally:
            note_memories(outer)

    def _run_stint(self, stint: Stint) -> bool:
        outer = note_memories(self._instance._memories)
        try:
            return Call._run_stint(self, stint)
        finally:
            note_memories(outer)
