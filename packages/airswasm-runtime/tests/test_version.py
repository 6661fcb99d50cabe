"""Only engines that were tested run: the range is written once, and asserted once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from airswasm.runtime import UnsupportedEngine
from airswasm.runtime._wasmtime.version import BEFORE, OLDEST, check_version, engine_version

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


FIRST, LAST = OLDEST[0], BEFORE[0]
RANGE = f">={dotted(OLDEST)},<{dotted(BEFORE)}"
INSIDE = [dotted(OLDEST), f"{dotted(OLDEST)}.post1", f"{FIRST}.{OLDEST[1] + 1}", f"{LAST - 1}.9.9"]
BELOW = [f"{FIRST - 1}.9.9", f"{FIRST}.{OLDEST[1]}.{OLDEST[2] - 1}" if OLDEST[2] else "0.1"]
ABOVE = [dotted(BEFORE), f"{LAST}.0.0rc1", f"1{LAST}.0"]


@pytest.mark.parametrize("version", [*INSIDE, "unknown"])
def test_what_was_tested_is_taken(version: str) -> None:
    """A version inside the range; where nothing is known, the user has a frozen program."""
    check_version(version)


@pytest.mark.parametrize("version", [*BELOW, *ABOVE])
def test_what_was_not_tested_is_refused(version: str) -> None:
    """The error names the installed version and the range."""
    with pytest.raises(UnsupportedEngine, match=re.escape(version)) as caught:
        check_version(version)
    assert caught.value.supported == RANGE


def test_the_range_is_the_requirement_s() -> None:
    """What pip installs is what the package accepts."""
    requirements = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    assert f"wasmtime{RANGE}" in requirements


def test_the_installed_one_is_taken() -> None:
    """The engine that the other tests run on."""
    check_version(engine_version())
