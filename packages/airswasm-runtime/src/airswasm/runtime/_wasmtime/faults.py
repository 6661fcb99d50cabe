"""Turns what the engine says of a failed call into a typed fault.

The library gives traps of components as text, so the text is matched; each
phrase below is checked by a test that provokes it, which is how a new engine
version that words it differently is noticed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._compose.core_facts import CoreFacts
from .._compose.text_bridge import BRIDGE_NAME
from .._limits import Limits, setting_of
from .._process.mappings import why_no_memory
from ..errors import (
    ArgumentsTooLarge,
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
from .bindings import EngineFailure, EngineFrame

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
_MINIMUM_PAGES = re.compile(r"memory minimum size of (\d+) pages")
_MINIMUM_ELEMENTS = re.compile(r"table minimum size of (\d+) elements")
_NO_ROOM_FOR_ARGUMENTS = (  # how an allocator says no: it aborts, or gives no address
    "realloc return: beyond end of memory",
    "wasm trap: wasm `unreachable` instruction executed",
    "wasm trap: out of bounds memory access",
)
_REALLOC = "cabi_realloc"
_MOST_FRAMES = 20  # the engine leaves out the outer ones of a deeper stack
_PAGE_BYTES = 65536
STACK_SETTING = "EngineConfig.max_wasm_stack_bytes"
LARGE_STACK_SETTING = "EngineConfig.large_wasm_stack_bytes"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that a fault is told with.

    Attributes:
        component: what the component is called.
        function: what was called.
        limits: of its instance.
        stack_bytes: the most that its own frames may take.
        stack_setting: what changes that.
        core: what its core modules tell.
    """

    component: str
    function: str
    limits: Limits
    stack_bytes: int
    stack_setting: str
    core: CoreFacts

    def limit_fault(
        self,
        fault: type[LimitExceeded],
        limit: str,
        said: str,
        frames: tuple[Frame, ...] = (),
    ) -> LimitExceeded:
        """Return a fault for one limit, with its value and what changes it."""
        made = fault(self.component, self.function, said, backtrace=frames)
        made.limit = limit
        if limit == "stack":
            made.value, made.setting = self.stack_bytes, self.stack_setting
        else:
            made.value, made.setting = getattr(self.limits, limit), setting_of(limit)
            made.source = self.limits.source
        return made


def fault_of(failure: EngineFailure, it: Circumstances) -> GuestFault | HostExhausted:
    """Return the error that a failed call amounts to; the caller fills in fuel and memory."""
    if _NO_ROOM in failure.message:
        return HostExhausted(it.component, *why_no_memory())
    frames = tuple(Frame(*frame[:3]) for frame in failure.frames)
    for phrase, fault, limit, said in _LIMITS:
        if phrase in failure.message:
            said = _need(limit, failure.message, it) or said
            return it.limit_fault(fault, limit, said, frames)
    reason = _reason(failure.message)
    if _is_about_arguments(failure, it.core):
        said = f"had no room for its arguments ({reason})"
        return it.limit_fault(ArgumentsTooLarge, "memory_bytes", said, frames)
    made = Trapped(it.component, it.function, f"trapped: {reason}", backtrace=frames)
    made.code = reason
    return made


def _is_about_arguments(failure: EngineFailure, core: CoreFacts) -> bool:
    """Return whether the guest failed to make room for arguments, before its function began.

    That shows in what the host called first: the outermost frame is the guest's
    `realloc` or, where there is a bridge, one of the bridge's that was about to call it.
    """
    if not any(phrase in failure.message for phrase in _NO_ROOM_FOR_ARGUMENTS):
        return False
    outer = failure.frames[::-1]
    if not outer:
        return True  # nothing of the guest's runs while the engine looks at what `realloc` gave
    if len(outer) >= _MOST_FRAMES:
        return False
    first, second, third = (*outer, None, None)[:3]
    assert first is not None
    if first.module != BRIDGE_NAME:
        return _is_realloc(first, core)
    if second is None:  # the bridge's own memory, which may grow as far as the guest's
        return first.function == "realloc"
    if third is None:
        return False
    if second.module == BRIDGE_NAME:  # inside the guest's component: it moves arguments first
        return third.module == BRIDGE_NAME and third.function.startswith("down")
    return _is_realloc(third, core)  # behind the guest: what the engine made lies between


def _is_realloc(frame: EngineFrame, core: CoreFacts) -> bool:
    return frame.function == _REALLOC or frame.number in core.reallocs


def _reason(message: str) -> str:
    """Return the engine's last word on what happened."""
    if found := _TRAP.search(message):
        return found.group(1)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return re.sub(r"^\d+: ", "", lines[-1] if lines else "unknown")


def _need(limit: str, message: str, it: Circumstances) -> str | None:
    """Return how much of a limit the component needs to start, where that is known."""
    if found := _MINIMUM_PAGES.search(message):
        return f"needs {int(found.group(1)) * _PAGE_BYTES:,} bytes of memory to start"
    if found := _MINIMUM_ELEMENTS.search(message):
        return f"needs a table of {int(found.group(1)):,} elements to start"
    needed = {"memories": it.core.memories, "tables": it.core.tables}.get(limit)
    return None if needed is None else f"needs {needed:,} {limit} to start"
