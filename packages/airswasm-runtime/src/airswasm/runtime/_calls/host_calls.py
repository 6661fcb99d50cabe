"""The one door from a guest to the host, and the guard in it.

Whatever a host function does, nothing may leave the callback: an exception, and
above all a `BaseException`, would pass through the engine's frames and crash the
process or vanish. So the callback catches everything, keeps it in the call that
it belongs to (never in a place that tenants share), and gives the engine an
error to trap with.

Every function is linked as an async one, because a plain one may return a
`Pending`. One that has its value at once hands the engine a continuation in C
that says "done", so that being async costs it nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from threading import get_ident
from time import monotonic
from types import CoroutineType, NoneType
from typing import TYPE_CHECKING

from .._host import HostFunction, Pending
from .._values import Err, Ok
from .._wasmtime import bindings as wt
from .._wasmtime.value_layout import KIND_STRING, SLOT_BYTES
from ..errors import InstanceClosed, ValueMismatch
from . import charges
from .crossing import UNFIT, Keep
from .mismatch import mismatch
from .plan import ImportPlan

if TYPE_CHECKING:
    from _ctypes import CFuncPtr

    from .._engine import Engine
    from .._instance import Instance
    from .call import Call

_DATA = bytes.__basicsize__ - 1
_READY = wt.ready_continuation()
_AT_ONCE = frozenset((NoneType, bool, int, float, str, bytes, list, tuple, dict, Ok, Err))
"""The types that host functions mostly return; to ask whether another is awaitable takes longer."""


class HostCall:
    """One host function as one component imports it.

    Attributes:
        name: `interface#function`, for messages.
        callback: what the engine calls; it must outlive the linker.
    """

    __slots__ = ("_encode", "_engine", "_function", "_is_async", "_plan", "callback", "name")

    def __init__(self, engine: Engine, name: str, plan: ImportPlan, function: HostFunction) -> None:
        self.name = name
        self._engine = engine
        self._plan = plan
        self._function = function
        self._encode = plan.result
        self._is_async = inspect.iscoroutinefunction(function)
        self.callback = wt.HostCallback(self._entry())

    def _entry(self) -> Callable[..., None]:
        engine, function = self._engine, self._function
        running, memory, thread = engine._running, wt.writable_memory, get_ident
        clock, name = monotonic, self.name
        decoders = self._plan.parameters
        steps = [(decode, index * SLOT_BYTES) for index, decode in enumerate(decoders)]
        price, unit = charges.CALL, charges.UNIT
        write = self.write

        def entry(
            _env: int,
            context: int,
            _type: int,
            arguments: int,
            _count: int,
            results: int,
            _results: int,
            error_out: int,
            continuation_out: int,
        ) -> None:
            call, began, owed = None, 0.0, 0
            try:
                memory[continuation_out : continuation_out + 24] = _READY
                call = running[context]
                instance = call._instance
                meter, handles = instance._meter, instance._handles
                handles.allowance = most = meter.host_call_bytes
                if instance._usage is not None:
                    began, owed = clock(), meter.debt + meter.paid
                values: list[object] = []
                for decode, at in steps:  # no comprehension: until 3.12 that is a call
                    values.append(decode(arguments + at, handles))
                meter.debt += price + unit * (most - handles.allowance)
                if thread() != engine._thread:
                    if began:
                        call._measurement().leave(began, owed)
                    call._hop = (self, results, values)
                    memory[continuation_out : continuation_out + 24] = engine._waiting_for(context)
                    return
                outcome = function(instance.caller, *values)
                pending = None
                if type(outcome) not in _AT_ONCE:
                    pending, outcome = self._awaited(call, outcome)
                if call._cancelled:
                    raise InstanceClosed(self.name)
                if meter.debt > meter.look_at and call._must_give_way() and pending is None:
                    pending = call._hold_back(outcome)
                if pending is not None:
                    if began:
                        call._measurement().leave(began, owed)
                    call._park(self, results, pending)
                    memory[continuation_out : continuation_out + 24] = engine._waiting_for(context)
                else:
                    write(instance, results, outcome)
                    if began:
                        call._note_host_call(name, began, owed)
            except BaseException as failure:
                if call is not None:
                    call._failure = failure
                    call._target = self
                    if began:
                        call._note_host_call(name, began, owed)
                address = wt.new_error("a host function failed")
                memory[error_out : error_out + 8] = address.to_bytes(8, "little")

        return entry

    def _awaited(self, call: Call, outcome: object) -> tuple[Pending | None, object]:
        """Return what the guest has to wait for, if anything, or the value."""
        if self._is_async or isinstance(outcome, CoroutineType):
            outcome = call._adopt(outcome)
        if not isinstance(outcome, Pending):
            return None, outcome
        if not outcome._done:
            return outcome, None
        if outcome._exception is not None:
            raise outcome._exception
        return None, outcome._value

    def invoke(self, call: Call, values: list[object]) -> object:
        """Run the function on the loop's thread for a guest on a worker thread."""
        call._pay_if_due()
        outcome = self._function(call._instance.caller, *values)
        if self._is_async or isinstance(outcome, CoroutineType):
            return call._adopt(outcome)
        return outcome

    def write(self, instance: Instance, results: int, value: object) -> None:
        """Write a returned value where the engine expects it, in the engine's own memory.

        Raises:
            ValueMismatch: the host function returned what its type does not allow.
        """
        encode = self._encode
        if encode is None:
            if value is not None:
                raise ValueMismatch(self.name, "nothing (it returns no value)", repr(value))
            return
        keep: Keep = []
        handles, meter = instance._handles, instance._meter
        handles.allowance = most = meter.host_call_bytes
        try:
            slot = encode(value, keep, handles)
        except UNFIT:
            assert self._plan.shape.result is not None
            raise mismatch(self.name, self._plan.shape.result, value) from None
        if slot[0] < KIND_STRING:
            wt.writable_memory[results : results + SLOT_BYTES] = slot
        else:
            meter.debt += charges.UNIT * (most - handles.allowance)
            wt.value_clone(id(slot) + _DATA, results)


def destructor(running: dict[int, Call]) -> CFuncPtr:
    """Return the callback for a dropped host resource; guarded as host functions are."""

    def entry(_env: int, context: int, rep: int) -> int:
        call = None
        try:
            call = running[context]
            call._instance._meter.debt += charges.CALL
            drop, value = call._instance._handles.take_dropped(rep)
            if drop is not None:
                call._drop(drop, value)
        except BaseException as failure:
            if call is not None:
                call._failure = failure
            return wt.new_error("dropping a host resource failed")
        return 0

    return wt.DestructorCallback(entry)


def continuation(running: dict[int, Call]) -> CFuncPtr:
    """Return the callback that tells the engine whether a waiting host function is done."""

    def entry(context: int) -> bool:
        try:
            return running[context]._continue()
        except BaseException:
            return False  # `_continue` keeps failures itself; here the call is gone

    return wt.ContinuationCallback(entry)
