"""A silence is of a rule, and about a component, that exist."""

from __future__ import annotations

import pytest

from .conftest import Airswasm


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["CrashLop"], "E0857", "did you mean CrashLoop?"),
        (["CrashLoop", "--component", "local/nothing"], "E0310", "local/nothing is not installed"),
    ],
)
def test_a_silence_of_nothing_is_refused(
    airswasm: Airswasm, words: list[str], code: str, said: str
) -> None:
    found = airswasm("alerts", "silence", *words)
    assert found.code != 0
    assert code in found.err
    assert said in found.err
