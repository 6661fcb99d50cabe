"""Engine switches that the public `wasmtime.Config` does not offer.

The wheel's library has them and its generated bindings declare them, but no
public setter exists yet. They live here, apart from the module that wraps
calls, so that the compile child can import `_hardened` without importing
the whole engine. The switches are named, not wrapped one by one: a name that
a later wheel drops fails loudly at `AttributeError`, never silently.
"""

from __future__ import annotations

from wasmtime import Config
from wasmtime import _ffi as ffi

COMPONENT_ASYNC = (
    "wasm_component_model_async",
    "wasm_component_model_more_async_builtins",
    "wasm_component_model_async_stackful",
    "concurrency_support",
)
"""Futures, streams and tasks of the next component model: not our async."""

UNFINISHED = (
    "wasm_branch_hinting",
    "wasm_compact_imports",
    "wasm_component_model_canonical_names",
    "wasm_component_model_accessors",
)
"""Proposals under way, off today by default in some releases and not in others."""


def switch_off(config: Config, names: tuple[str, ...]) -> None:
    """Turns features off that only the C interface can turn off."""
    for name in names:
        getattr(ffi, f"wasmtime_config_{name}_set")(config.ptr(), False)


def set_async_stack_size(config: Config, stack_bytes: int) -> None:
    """Sets the size of the stack that each call on a fibre gets."""
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), stack_bytes)
