"""Sizes and durations, as people write and read them."""

from __future__ import annotations

from airswasm.lifecycle._toml.quantities import format_bytes, parse_bytes, parse_seconds
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 10**15 - 1))
def test_a_size_is_read_as_it_is_shown(size_bytes: int) -> None:
    """So two sizes that differ look different, in a question for approval above all."""
    assert parse_bytes(format_bytes(size_bytes)) == size_bytes


@given(st.integers(1, 1023), st.sampled_from(["KiB", "MiB", "GiB"]))
def test_a_whole_number_of_a_unit_is_shown_in_it(amount: int, unit: str) -> None:
    """`64 MiB` stays `64 MiB`."""
    assert format_bytes(parse_bytes(f"{amount} {unit}")) == f"{amount} {unit}"


@given(st.integers(1, 999), st.sampled_from([("ms", 0.001), ("s", 1), ("min", 60), ("h", 3600)]))
def test_a_duration_is_its_number_of_units(amount: int, unit: tuple[str, float]) -> None:
    """With a space or without one."""
    assert parse_seconds(f"{amount} {unit[0]}") == parse_seconds(f"{amount}{unit[0]}")
    assert abs(parse_seconds(f"{amount} {unit[0]}") - amount * unit[1]) < 1e-9
