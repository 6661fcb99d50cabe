"""One-line modules, each using one feature, against the hardened configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime
from airswasm.runtime._wasmtime.features import (
    HardenedSettings,
    config_fingerprint,
    hardened_config,
)
from wasmtime.component import Component

REFUSED = dict(
    line.split(": ", 1)
    for line in Path(__file__).with_name("guests").joinpath("refused.txt").read_text().splitlines()
)
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
