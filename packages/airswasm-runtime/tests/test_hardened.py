"""One-line modules, each using one feature, against the hardened configuration."""

from __future__ import annotations

import pytest
import wasmtime
from wasmtime.component import Component

from airswasm.runtime._hardened import HardenedSettings, config_fingerprint, hardened_config

CORE_REFUSED = {
    "threads": "(memory 1 1 shared)",
    "atomics": "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
    "memory64": "(memory i64 1)",
    "table64": "(table i64 1 funcref)",
    "tail-call": "(func $f return_call $f)",
    "relaxed-simd": "(func (param v128 v128) (result v128)"
    " (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))",
    "exceptions": "(tag)",
    "legacy-exceptions": "(func try catch_all end)",
    "gc-struct": "(type (struct (field i32)))",
    "gc-array": "(type (array i8))",
    "gc-i31": "(func (drop (ref.i31 (i32.const 0))))",
    "externref": "(func (param externref))",
    "function-references": "(type $f (func)) (func (param (ref $f)))",
    "wide-arithmetic": "(func (param i64 i64) (result i64 i64)"
    " (i64.mul_wide_u (local.get 0) (local.get 1)))",
    "custom-page-sizes": "(memory 1 (pagesize 1))",
    "stack-switching": "(type $f (func)) (type (cont $f))",
}
COMPONENT_REFUSED = {
    "stream": "(type (stream u8))",
    "future": "(type (future u8))",
    "error-context": "(type error-context)",
    "map": "(type (map string u8))",
    "thread-yield": "(core func (canon thread.yield))",
    "thread-index": "(core func (canon thread.index))",
    "waitable-set": "(core func (canon waitable-set.new))",
    "backpressure": "(core func (canon backpressure.inc))",
    "task-cancel": "(core func (canon task.cancel))",
    "context": "(core func (canon context.get i32 0))",
    "values": '(import "a" (value string))',
    "fixed-length-lists": "(type (list u8 4))",
}
REFUSED = {
    **{name: f"(component (core module {body}))" for name, body in CORE_REFUSED.items()},
    **{name: f"(component {body})" for name, body in COMPONENT_REFUSED.items()},
}
ALLOWED = {
    "simd": "(func (result v128) (v128.const i64x2 0 0))",
    "multi-value": "(func (result i32 i32) i32.const 0 i32.const 0)",
    "bulk-memory": "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)))",
    "reference-types": "(table 1 funcref) (func (result funcref) (table.get 0 (i32.const 0)))",
    "sign-extension": "(func (result i32) (i32.extend8_s (i32.const 255)))",
    "saturating-float": "(func (result i32) (i32.trunc_sat_f32_s (f32.const 1)))",
    "extended-const": "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
    "mutable-global": '(global (export "g") (mut i32) (i32.const 0))',
}


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return wasmtime.Engine(hardened_config(HardenedSettings()))


@pytest.mark.parametrize("feature", REFUSED)
def test_every_unneeded_feature_is_refused(feature: str, engine: wasmtime.Engine) -> None:
    """A component that uses a feature outside our set does not compile."""
    wasm = wasmtime.wat2wasm(REFUSED[feature])
    with pytest.raises(wasmtime.WasmtimeError):
        Component(engine, wasm)


@pytest.mark.parametrize("feature", ALLOWED)
def test_what_compilers_emit_is_accepted(feature: str, engine: wasmtime.Engine) -> None:
    """The features that ordinary toolchains rely on stay on."""
    Component(engine, wasmtime.wat2wasm(f"(component (core module {ALLOWED[feature]}))"))


def test_stack_for_host_functions_is_kept_free() -> None:
    """A guest's stack may take at most half of the stack its call runs on."""
    with pytest.raises(ValueError, match="at least twice"):
        HardenedSettings(max_wasm_stack_bytes=2**20, async_stack_bytes=2**20)


def test_fingerprint_follows_every_size() -> None:
    """Code compiled under other sizes is never taken for ours."""
    variants = [
        HardenedSettings(),
        HardenedSettings(max_wasm_stack_bytes=2**18),
        HardenedSettings(async_stack_bytes=2**23),
        HardenedSettings(memory_reservation_bytes=2**22),
        HardenedSettings(memory_guard_bytes=2**16),
    ]
    assert len({config_fingerprint(each) for each in variants}) == len(variants)


def test_settings_survive_the_way_to_the_child() -> None:
    """What the child reads back equals what was sent."""
    settings = HardenedSettings(memory_reservation_bytes=2**22)
    assert HardenedSettings.from_json(settings.to_json()) == settings
