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


def test_without_an_option_it_shows_what_holds_and_by_which_rule(
    airswasm: Airswasm, installed: object
) -> None:
    """Also on a stopped home, where the operator's quota holds from the next start on."""

    def shown() -> dict[str, object]:
        found = airswasm("storage", "quota", "hello", "--json")
        assert found.code == 0, found.err
        return dict(json.loads(found.out))

    before = shown()
    assert (before["keys"], before["keys_by"]) == (0, "[limits] of config.toml")
    assert airswasm("storage", "set", "hello", "note", "x").code == 0
    assert airswasm("storage", "quota", "hello", "--keys", "7").code == 0
    after = shown()
    assert (after["keys"], after["quota_keys"]) == (1, 7)
    assert after["keys_by"] == "limits.quotas of config.toml"
    assert after["bytes_by"] == before["bytes_by"]
    assert "1 of 7, by limits.quotas" in airswasm("storage", "quota", "hello").out
    (row,) = json.loads(airswasm("storage", "usage", "hello", "--json").out)["namespaces"]
    assert row["quota_keys"] == 7
    assert airswasm("storage", "quota", "local/never").code == 5


def test_a_quota_of_a_name_that_is_not_installed_is_kept_and_said(
    airswasm: Airswasm, installed: object
) -> None:
    """It may be a slip of the pen; the quota of an installed one needs no warning."""
    ended = airswasm("storage", "quota", "local/helo", "--keys", "7")
    assert ended.code == 0
    assert "local/helo is not installed" in ended.err
    for name, option in (("hello", ("--keys", "7")), ("local/helo", ("--unset",))):
        assert "not installed" not in airswasm("storage", "quota", name, *option).err
