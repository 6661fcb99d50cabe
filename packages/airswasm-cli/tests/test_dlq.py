"""`airswasm dlq` and `airswasm tap`, beside what holds for every verb."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from airswasm.actor import DeathReason
from airswasm.cli._control.letter_api import Reason

Airswasm = Callable[..., Any]


def test_each_reason_can_be_asked_for() -> None:
    """The verb and the API know the reasons of the actor block, and no others."""
    assert set(get_args(Reason)) == {each.value for each in DeathReason}


def test_letters_are_named_or_meant_by_a_receiver(airswasm: Airswasm) -> None:
    """Neither, or both, is a usage error; what is unknown is said before anything is dropped."""
    for words in (["replay"], ["drop"], ["drop", "a-1", "--all", "local/hello"]):
        ended = airswasm("dlq", *words)
        assert ended.code == 2, words
    ended = airswasm("dlq", "drop", "a-1", "--yes")
    assert (ended.code, "E0635" in ended.err) == (5, True)


def test_a_home_without_a_host_has_its_letters(airswasm: Airswasm, installed: Path) -> None:
    """They can be listed and dropped; a replay and a tap need a host, and say so."""
    ended = airswasm("dlq", "list")
    assert (ended.code, ended.out) == (0, "")
    assert "no dead letters" in ended.err
    for words in (["dlq", "replay", "a-1"], ["tap"]):
        ended = airswasm(*words)
        assert (ended.code, "E0010" in ended.err) == (6, True), words


@pytest.mark.parametrize("pattern", ["", "a//b", "[", "x" * 5_000])
def test_a_malformed_pattern_of_a_tap_is_an_error(
    airswasm: Airswasm, run_host: Callable[..., Any], installed: Path, pattern: str
) -> None:
    """Before its first line."""
    host = run_host()
    ended = airswasm("tap", pattern, "--limit", "1")
    assert ended.code != 0
    assert (ended.out, "error[E" in ended.err) == ("", True)
    host.stop()
