"""`airswasm storage quota`, beside what holds for every verb."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Airswasm = Callable[..., Any]


@pytest.mark.parametrize(
    ("size", "stored"), [("1000", 1000), ("0", 0), ("1 MiB", 2**20), ("1.5 kB", 1500)]
)
def test_a_size_has_a_unit_or_is_a_whole_number_of_bytes(
    airswasm: Airswasm, size: str, stored: int
) -> None:
    """As its error says."""
    ended = airswasm("storage", "quota", "local/hello", "--bytes", size)
    assert ended.code == 0, ended.err
    value = json.loads(airswasm("config", "get", "limits.quotas", "--json").out)["value"]
    assert f"storage = {stored}" in value


@pytest.mark.parametrize("size", ["-3", "1.5", "many", "²", ""])
def test_another_text_is_refused(airswasm: Airswasm, size: str) -> None:
    """A number of bytes is not negative, and whole."""
    ended = airswasm("storage", "quota", "local/hello", "--bytes", size)
    assert (ended.code, "a whole number of bytes" in ended.err) == (2, True), ended.err
