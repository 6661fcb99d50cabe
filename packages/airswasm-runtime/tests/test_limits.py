"""Limits are checked when they are made, and know their settings."""

from __future__ import annotations

from dataclasses import fields

import pytest
from airswasm.runtime import Limits
from airswasm.runtime._limits import setting_of


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
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
    """The error for a limit names the key as Component.toml spells it."""
    assert setting_of("memory_bytes") == "limits.memory"
    assert setting_of("fuel") == "limits.fuel"
