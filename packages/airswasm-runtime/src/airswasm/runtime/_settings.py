"""The section `[engine]` of config.toml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ._config import CompileLimits, EngineConfig
from ._process.switch_interval import SWITCH_INTERVAL

__all__ = ("EngineSettings",)

_POSITIVE = (
    "compile_seconds",
    "compile_memory_bytes",
    "wasm_bytes",
    "host_slice",
    "worker_threads",
)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The settings of the engine.

    Attributes:
        guests: `many` lets 15,000 components run at once, whose memory bounds are checked in
            code; `few` lets 6,000, whose bounds the hardware checks, and compiles a large
            component a quarter faster.
        compile_seconds: Processor time that compiling one component may take.
        compile_memory_bytes: Memory that compiling one component may take.
        wasm_bytes: The largest component.
        slice_fuel: Fuel after which a computing component gives way to others.
        host_slice: Seconds that the host works for a component, call after call, until others
            have their turn.
        worker_threads: Threads for components that compute for long.
        short_switches: Threads take turns at the interpreter's lock every 0.1 ms, not every 5, so
            that what waits for the disk waits no longer beside a component that keeps the host at
            work. Other busy threads of the same process do some 4 % less.
        large_wasm_stack_bytes: The stack of components above 1 MiB of wasm, such as those that
            carry an interpreter.
        python_executable: The Python that compiles components and starts programs for them; empty
            for the one that runs.
    """

    guests: Literal["many", "few"] = "many"
    compile_seconds: float = 120.0
    compile_memory_bytes: int = 4 * 2**30
    wasm_bytes: int = 128 * 2**20
    slice_fuel: int = 1_000_000
    host_slice: float = 0.0002
    worker_threads: int = 8
    short_switches: bool = True
    large_wasm_stack_bytes: int = 4 * 2**20
    python_executable: str = ""

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")
        if self.slice_fuel < 10_000:
            raise ValueError("slice_fuel must be at least 10_000")
        if self.short_switches and self.host_slice < 2 * SWITCH_INTERVAL:
            raise ValueError(
                f"host_slice must be at least {2 * SWITCH_INTERVAL} with short_switches: "
                "threads that wait for the interpreter's lock would never get it"
            )

    def config(self, cache_folder: Path | None) -> EngineConfig:
        """Return the engine's configuration."""
        dense = EngineConfig.dense() if self.guests == "many" else EngineConfig()
        return EngineConfig(
            cache_folder=cache_folder,
            compile_limits=CompileLimits(
                self.compile_seconds, self.compile_memory_bytes, self.wasm_bytes
            ),
            slice_fuel=self.slice_fuel,
            host_slice=self.host_slice,
            worker_threads=self.worker_threads,
            short_switches=self.short_switches,
            large_wasm_stack_bytes=self.large_wasm_stack_bytes,
            python_executable=Path(self.python_executable) if self.python_executable else None,
            memory_reservation_bytes=dense.memory_reservation_bytes,
            memory_guard_bytes=dense.memory_guard_bytes,
            pack_stacks=dense.pack_stacks,
            pack_memories=dense.pack_memories,
        )
