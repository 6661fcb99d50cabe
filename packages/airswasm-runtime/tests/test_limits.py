"""Limits are checked when they are made, and know their settings."""

from __future__ import annotations

from dataclasses import fields

import pytest
from airswasm.runtime import FuelExhausted, Limits, StackOverflowed
from airswasm.runtime._compose.core_facts import CoreFacts
from airswasm.runtime._limits import KIB, MIB, setting_of
from airswasm.runtime._wasmtime.faults import Circumstances


@pytest.mark.parametrize("name", [field.name for field in fields(Limits) if field.name != "source"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_is_more_than_nothing(name, value):
    """Zero and below are refused: no limit can be switched off."""
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


def test_fuel_stays_in_the_engines_range():
    """More than the engine can count would wrap."""
    with pytest.raises(ValueError, match="fuel"):
        Limits(fuel=2**63)


def test_settings_are_those_of_the_manifest():
    """A limit's key, as Component.toml spells it."""
    assert setting_of("memory_bytes") == "limits.memory"
    assert setting_of("fuel") == "limits.fuel"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "fuel is 7; raise `Limits.fuel`"),
        ("Component.toml", "fuel is 7; change `limits.fuel` in Component.toml"),
    ],
)
def test_the_hint_is_for_who_set_the_limit(source: str, said: str) -> None:
    """A program without a manifest is not sent to one."""
    limits = Limits(fuel=7, source=source)
    it = Circumstances("a/b", "go", limits, 1, "EngineConfig.stack", CoreFacts())
    fault = it.limit_fault(FuelExhausted, "fuel", "used up its fuel")
    assert str(fault) == f"a/b: `go` used up its fuel: {said}"
    assert fault.setting == "limits.fuel"


@pytest.mark.parametrize(
    "limit", sorted({each.name for each in fields(Limits)} - {"source", "message_bytes"})
)
@pytest.mark.parametrize("source", ["", "Component.toml"])
def test_a_hint_names_no_key_that_there_is_not(limit: str, source: str) -> None:
    """A manifest sets all limits but the number of handles."""
    it = Circumstances("a/b", "go", Limits(source=source), 1, "EngineConfig.stack", CoreFacts())
    said = str(it.limit_fault(FuelExhausted, limit, "used up what it has"))
    if limit == "resources" and source:
        assert said.endswith("resources is 10,000")
    else:
        assert setting_of(limit) in said or f"`Limits.{limit}`" in said


def test_a_stack_is_the_engines_setting() -> None:
    """It is compiled into the code, so that no manifest can change it."""
    limits = Limits(source="Component.toml")
    it = Circumstances("a/b", "go", limits, 9, "EngineConfig.x", CoreFacts())
    fault = it.limit_fault(StackOverflowed, "stack", "recursed too deep")
    assert str(fault).endswith("stack is 9; raise `EngineConfig.x`")


@pytest.mark.parametrize(
    ("limits", "at_start", "expected"),
    [
        (Limits(memory_bytes=MIB), 128 * KIB, 112 * KIB),  # a C component
        (Limits(memory_bytes=64 * MIB), 199 * 64 * KIB, (64 * MIB - 199 * 64 * KIB) // 8),
        (Limits(memory_bytes=MIB), MIB, 32 * KIB),  # it has all its memory from the start
        (Limits(memory_bytes=MIB), 2 * MIB, 32 * KIB),  # it cannot start
        (Limits(memory_bytes=1), 0, 1),
        (Limits(memory_bytes=256 * MIB), 0, 16 * MIB - 4 * KIB),  # what one call carries
        (Limits(memory_bytes=MIB, message_bytes=5), 0, 5),
        (Limits(memory_bytes=MIB, message_bytes=9 * MIB), 0, 9 * MIB),
        (Limits(message_bytes=9 * MIB, host_call_bytes=MIB), 0, MIB - 4 * KIB),
        (Limits(message_bytes=9 * MIB, host_call_bytes=9), 0, 1),
    ],
)
def test_a_message_gets_an_eighth_of_what_is_left(
    limits: Limits, at_start: int, expected: int
) -> None:
    """At least one part in 32 of the whole, at most what one call carries, or what was set."""
    assert limits.most_message_bytes(at_start) == expected
