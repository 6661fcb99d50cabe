"""Turns what the engine says of a failed call into a typed fault.

The library gives traps of components as text, so the text is matched; each
phrase below is checked by a test that provokes it, which is how a new engine
version that words it differently is noticed.
"""

from __future__ import annotations

import re

from .._limits import Limits, setting_of
from .._process.mappings import why_no_memory
from ..errors import (
    DeadlineExceeded,
    Frame,
    FuelExhausted,
    GuestFault,
    HostCallTooLarge,
    HostExhausted,
    LimitExceeded,
    MemoryLimitExceeded,
    StackOverflowed,
    Trapped,
)
from .bindings import EngineFailure

_LIMITS: tuple[tuple[str, type[LimitExceeded], str, str], ...] = (
    ("all fuel consumed", FuelExhausted, "fuel", "used up its fuel"),
    ("wasm trap: interrupt", DeadlineExceeded, "timeout", "ran past its deadline"),
    ("call stack exhausted", StackOverflowed, "stack", "recursed too deep"),
    ("exceeds memory limit", MemoryLimitExceeded, "memory_bytes", "needs more memory to start"),
    ("memory count too high", MemoryLimitExceeded, "memories", "has too many memories"),
    ("table count too high", MemoryLimitExceeded, "tables", "has too many tables"),
    ("instance count too high", MemoryLimitExceeded, "instances", "has too many instances"),
    ("exceeds table limit", MemoryLimitExceeded, "table_elements", "needs a larger table"),
    ("too many bytes", HostCallTooLarge, "host_call_bytes", "passed too much in one call"),
    ("fuel allocated for hostcalls", HostCallTooLarge, "host_call_bytes", "passed too much"),
)
_TRAP = re.compile(r"wasm trap: (.+)")
_NO_ROOM = "Cannot allocate memory"
_MINIMUM = re.compile(r"memory minimum size of (\d+) pages")
_PAGE_BYTES = 65536
STACK_SETTING = "EngineConfig.max_wasm_stack_bytes"


def fault_of(
    failure: EngineFailure, component: str, function: str, limits: Limits, stack_bytes: int
) -> GuestFault | HostExhausted:
    """The error that a failed call amounts to; fuel and memory are filled in by the caller."""
    if _NO_ROOM in failure.message:
        return HostExhausted(component, why_no_memory())
    frames = tuple(Frame(*frame) for frame in failure.frames)
    for phrase, fault, limit, said in _LIMITS:
        if phrase in failure.message:
            said = _with_need(said, failure.message)
            return limit_fault(fault, component, function, said, limit, limits, stack_bytes, frames)
    return _trapped(failure.message, component, function, frames)


def limit_fault(
    fault: type[LimitExceeded],
    component: str,
    function: str,
    said: str,
    limit: str,
    limits: Limits,
    stack_bytes: int = 0,
    frames: tuple[Frame, ...] = (),
) -> LimitExceeded:
    """A fault for one limit, with its value and the key that changes it."""
    made = fault(component, function, said, backtrace=frames)
    made.limit = limit
    made.value = stack_bytes if limit == "stack" else getattr(limits, limit)
    made.setting = STACK_SETTING if limit == "stack" else setting_of(limit)
    return made


def _trapped(message: str, component: str, function: str, frames: tuple[Frame, ...]) -> Trapped:
    found = _TRAP.search(message)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    reason = found.group(1) if found else re.sub(r"^\d+: ", "", lines[-1] if lines else "unknown")
    made = Trapped(component, function, f"trapped: {reason}", backtrace=frames)
    made.code = reason
    return made


def _with_need(said: str, message: str) -> str:
    found = _MINIMUM.search(message)
    return (
        f"needs {int(found.group(1)) * _PAGE_BYTES:,} bytes of memory to start" if found else said
    )
