"""The one engine configuration that guests are compiled and run under.

Everything that a guest from C, Rust, Go, Python or JavaScript does not need is
off: about two thirds of the engine's advisories of 2026 sit behind features
that are on by default. Fuel and epochs are always on, so that no guest can be
loaded without both bounds. SIMD stays on, because compilers emit it and the
bytes bridge uses it; the relaxed kind, which is not deterministic, does not.

An allow-list would be better than this list of refusals, but the engine has no
such switch: the list is therefore checked from the other side, by one-line
modules that each use one feature and must each be refused
(`tests/test_features.py`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Protocol

from wasmtime import Config

from .bindings import COMPONENT_ASYNC, UNFINISHED, set_async_stack_size, switch_off

REFUSED_FEATURES = (
    "wasm_gc",
    "wasm_function_references",
    "wasm_exceptions",
    "wasm_stack_switching",
    "wasm_threads",
    "shared_memory",
    "wasm_memory64",
    "wasm_tail_call",
    "wasm_relaxed_simd",
    "wasm_wide_arithmetic",
    "wasm_custom_page_sizes",
    "wasm_component_model_map",
    "wasm_component_model_implements",
    "gc_support",
)
"""Features with a public setter that are switched off."""

REQUIRED_FEATURES = (
    "consume_fuel",
    "epoch_interruption",
    "wasm_component_model",
    "wasm_multi_memory",
)
"""Features without which the limits, or components, do not exist.

Multi-memory is one of them: without it the engine aborts the process on any
component that is composed of others, because it checks the adapters that it
generates between them by the same rules. Guests do not get to use it: the
compile child refuses core modules with two memories before it compiles.
"""

GROWTH_BYTES = 64 * 1024 * 1024


class EngineSettings(Protocol):
    """The part of an engine's configuration that the compiled code depends on."""

    @property
    def max_wasm_stack_bytes(self) -> int:
        """The most stack that a guest's own frames may take."""
        ...

    @property
    def async_stack_bytes(self) -> int:
        """The stack of one call: the guest's frames and the host functions above them."""
        ...

    @property
    def memory_reservation_bytes(self) -> int | None:
        """Address space set aside for one memory; None for the engine's 4 GiB."""
        ...

    @property
    def memory_guard_bytes(self) -> int | None:
        """Unmapped space after each memory; None for the engine's 32 MiB."""
        ...

    @property
    def memory_images(self) -> bool:
        """Whether a memory's first contents are mapped instead of copied."""
        ...


@dataclass(frozen=True, slots=True)
class HardenedSettings:
    """Plain `EngineSettings`, as the compile child receives them.

    Attributes:
        max_wasm_stack_bytes: see `EngineSettings`.
        async_stack_bytes: at least twice `max_wasm_stack_bytes`: host functions
            run on the same stack and nothing stops them at its end.
        memory_reservation_bytes: a small one lets far more instances live at
            once (4 GiB each ends near 32,000) and costs bounds checks.
        memory_guard_bytes: see `EngineSettings`.
        memory_images: see `EngineSettings`.
    """

    max_wasm_stack_bytes: int = 512 * 1024
    async_stack_bytes: int = 2 * 1024 * 1024
    memory_reservation_bytes: int | None = None
    memory_guard_bytes: int | None = None
    memory_images: bool = True

    def __post_init__(self) -> None:
        if self.max_wasm_stack_bytes < 16 * 1024:
            raise ValueError("max_wasm_stack_bytes must be at least 16 KiB")
        if self.async_stack_bytes < 2 * self.max_wasm_stack_bytes:
            raise ValueError(
                f"async_stack_bytes ({self.async_stack_bytes:,}) must be at least twice "
                f"max_wasm_stack_bytes ({self.max_wasm_stack_bytes:,}): "
                "host functions need the rest"
            )

    @classmethod
    def of(cls, settings: EngineSettings) -> HardenedSettings:
        """Copy the fields that compiled code depends on out of a larger configuration."""
        return cls(
            max_wasm_stack_bytes=settings.max_wasm_stack_bytes,
            async_stack_bytes=settings.async_stack_bytes,
            memory_reservation_bytes=settings.memory_reservation_bytes,
            memory_guard_bytes=settings.memory_guard_bytes,
            memory_images=settings.memory_images,
        )

    def to_json(self) -> str:
        """Return the settings as one line of JSON, with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> HardenedSettings:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def hardened_config(settings: EngineSettings) -> Config:
    """Build the engine configuration for untrusted guests.

    Args:
        settings: the sizes; `EngineConfig` and `HardenedSettings` both fit.

    Returns:
        A fresh `wasmtime.Config`; an engine takes it over.

    Raises:
        ValueError: the sizes contradict each other.
    """
    sizes = HardenedSettings.of(settings)
    config = Config()
    for name in REQUIRED_FEATURES:
        setattr(config, name, True)
    for name in REFUSED_FEATURES:
        setattr(config, name, False)
    switch_off(config, COMPONENT_ASYNC + UNFINISHED)
    _set_sizes(config, sizes)
    return config


def _set_sizes(config: Config, sizes: HardenedSettings) -> None:
    # the fibre first: the engine refuses a wasm stack larger than its fibre
    set_async_stack_size(config, sizes.async_stack_bytes)
    config.max_wasm_stack = sizes.max_wasm_stack_bytes
    if sizes.memory_reservation_bytes is not None:
        config.memory_reservation = sizes.memory_reservation_bytes
        # what a memory gets on top when it has to move: without it each growth would copy it
        config.memory_reservation_for_growth = max(GROWTH_BYTES, sizes.memory_reservation_bytes)
    if sizes.memory_guard_bytes is not None:
        config.memory_guard_size = sizes.memory_guard_bytes
    if not sizes.memory_images:
        config.memory_init_cow = False


def config_fingerprint(settings: EngineSettings) -> str:
    """Name everything that makes compiled code of one configuration unfit for another.

    The engine version is not part of it; caches add that themselves.
    """
    described = {
        "required": REQUIRED_FEATURES,
        "refused": REFUSED_FEATURES + COMPONENT_ASYNC + UNFINISHED,
        "sizes": HardenedSettings.of(settings).to_json(),
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
