"""How an engine is set up: sizes, slices and where compiled code is kept.

One frozen value that an `Engine` takes once. Everything in it is about the
host; what a guest may do is in `Limits`, which is given for each instance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .limits import KIB, MIB


@dataclass(frozen=True, slots=True)
class CompileLimits:
    """What compiling one component may cost; the compiler is a child process.

    Attributes:
        seconds: CPU time.
        memory_bytes: address space.
        wasm_bytes: size of the component itself.
    """

    seconds: float = 120.0
    memory_bytes: int = 4096 * MIB
    wasm_bytes: int = 128 * MIB


@dataclass(frozen=True, slots=True)
class CompileProgress:
    """How far loading a component has come.

    Attributes:
        name: the component's name.
        stage: `cached`, `compiling` or `done`.
        seconds: since loading began.
    """

    name: str
    stage: str
    seconds: float


ProgressSink = Callable[[CompileProgress], None]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """How an engine is set up.

    Attributes:
        cache_folder: where compiled components are kept; None for nowhere.
        compile_limits: what compiling may cost.
        slice_fuel: fuel after which a computing guest gives way.
        slices_before_thread: slices that a call gets on the event loop before a
            worker thread takes over; it stays responsive that way.
        tick: seconds between epochs; wall-clock limits are this exact.
        max_wasm_stack_bytes: the guest's own stack.
        async_stack_bytes: a fibre's stack; host functions run above the guest on it.
        memory_reservation_bytes: address space reserved for each memory; None for
            the engine's 4 GiB. A small one lets 100,000 instances live and costs
            bounds checks.
        memory_guard_bytes: address space after each memory; None for the engine's.
        worker_threads: threads for computing guests.
        bridge_bytes: compose a bridge around components, so that `list<u8>`
            crosses in bulk.
    """

    cache_folder: Path | None = None
    compile_limits: CompileLimits = field(default_factory=CompileLimits)
    slice_fuel: int = 1_000_000
    slices_before_thread: int = 4
    tick: float = 0.005
    max_wasm_stack_bytes: int = 512 * KIB
    async_stack_bytes: int = 2 * MIB
    memory_reservation_bytes: int | None = None
    memory_guard_bytes: int | None = None
    worker_threads: int = 8
    bridge_bytes: bool = True

    @classmethod
    def dense(cls, cache_folder: Path | None = None) -> EngineConfig:
        """For tens of thousands of instances: memories reserve nothing.

        An instance then takes three kernel mappings instead of nine, so 21,000 fit
        into Linux's default `vm.max_map_count` of 65,530. Memory accesses are
        checked by code instead of by guard pages, and growing a memory copies it.
        """
        return cls(cache_folder=cache_folder, memory_reservation_bytes=0, memory_guard_bytes=0)
