"""Settings of an engine: sizes, slices and where compiled code is kept.

One frozen value that an `Engine` takes once. Everything in it is about the
host; what a guest may do is in `Limits`, which is given for each instance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ._account import HostSettings
from ._limits import KIB, MIB


@dataclass(frozen=True, slots=True)
class CompileLimits:
    """Limits on compiling one component; the compiler is a child process.

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
    """The progress of loading a component.

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
    """Settings of an engine.

    Attributes:
        cache_folder: where compiled components are kept; None for nowhere.
        compile_limits: what compiling may cost.
        slice_fuel: fuel after which a computing guest gives way.
        host_slice: seconds after which a guest for which the host works, call after call,
            gives way; what one call takes comes on top.
        slices_before_thread: slices that a call gets on the event loop before a
            worker thread takes over; it stays responsive that way.
        tick: seconds between epochs; wall-clock limits are this exact.
        max_wasm_stack_bytes: the guest's own stack, for components of up to
            `small_component_bytes`.
        large_wasm_stack_bytes: the same for larger ones. An interpreter needs more: CPython
            takes some 400 bytes of it for each level of a nested JSON text.
        async_stack_bytes: a fibre's stack; host functions run above the guest on it. Twice
            the guest's own where that is more.
        memory_reservation_bytes: address space reserved for each memory; None for
            the engine's 4 GiB. A small one lets 100,000 instances live and costs
            bounds checks.
        memory_guard_bytes: address space after each memory; None for the engine's.
        pack_stacks: stacks lie side by side in large mappings, each with a guard page.
            Takes no kernel mapping for each instance since Linux 6.13 and two before,
            and a few microseconds more to start one. Elsewhere without effect.
        pack_memories: the same for memories, which must have neither reservation nor
            guard. Their first contents are then copied into each, instead of shared
            until they are written to, so only small components get them. Elsewhere
            without effect.
        small_component_bytes: the largest wasm that counts as small: its memories are
            packed and its stack is the smaller one.
        host: what all guests together may take of the host.
        worker_threads: threads for computing guests.
        short_switches: while the engine is open, threads take turns at the interpreter's lock
            every 0.1 ms, not every 5; else only while a guest computes on a thread.
        bridge_bytes: compose a bridge around components, so that `list<u8>`
            crosses in bulk.
        python_executable: the Python interpreter that compile children run; None for
            the one that runs this process. A program that embeds Python may have to
            name one.
    """

    cache_folder: Path | None = None
    compile_limits: CompileLimits = field(default_factory=CompileLimits)
    slice_fuel: int = 1_000_000
    host_slice: float = 0.0002
    slices_before_thread: int = 4
    tick: float = 0.005
    max_wasm_stack_bytes: int = 512 * KIB
    large_wasm_stack_bytes: int = 4 * MIB
    async_stack_bytes: int = 2 * MIB
    memory_reservation_bytes: int | None = None
    memory_guard_bytes: int | None = None
    pack_stacks: bool = False
    pack_memories: bool = False
    small_component_bytes: int = MIB
    host: HostSettings = field(default_factory=HostSettings)
    worker_threads: int = 8
    short_switches: bool = False
    bridge_bytes: bool = True
    python_executable: Path | None = None

    def __post_init__(self) -> None:
        sizes = self.memory_reservation_bytes, self.memory_guard_bytes
        if self.pack_memories and sizes != (0, 0):
            raise ValueError(
                "pack_memories needs memory_reservation_bytes=0 and memory_guard_bytes=0; "
                "EngineConfig.dense() sets all three"
            )

    def for_large_components(self) -> EngineConfig:
        """Return the same for components that are not small: other stacks, memories not packed."""
        stack = max(self.max_wasm_stack_bytes, self.large_wasm_stack_bytes)
        return replace(
            self,
            max_wasm_stack_bytes=stack,
            async_stack_bytes=max(self.async_stack_bytes, 2 * stack),
            pack_memories=False,
        )

    @property
    def memory_images(self) -> bool:
        """Whether memories map their first contents from the component, shared until written."""
        return not self.pack_memories

    @classmethod
    def dense(cls, cache_folder: Path | None = None) -> EngineConfig:
        """Return settings for 100,000 small instances in a process, within Linux's default limits.

        An instance of a small component takes no kernel mapping of its own (since
        Linux 6.13; two before that, so raise the sysctl `vm.max_map_count` from
        65,530 for more than 30,000), one of a large component two for each memory.
        Memory accesses are checked by code instead of by guard pages, and a memory
        that grows is copied now and then.
        """
        return cls(
            cache_folder=cache_folder,
            memory_reservation_bytes=0,
            memory_guard_bytes=0,
            pack_stacks=True,
            pack_memories=True,
        )
