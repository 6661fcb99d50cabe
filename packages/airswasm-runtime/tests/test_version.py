"""Only engines that were tested run: the range is written once, and asserted once."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from airswasm.runtime import UnsupportedEngine
from airswasm.runtime._wasmtime.version import BEFORE, OLDEST, check_version, engine_version

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.parametrize("version", ["50.0.1", "50.0.9", "50.1", "50.0.1.post1", "unknown"])
def test_what_was_tested_is_taken(version: str) -> None:
    """A version inside the range; where nothing is known, the user has a frozen program."""
    check_version(version)


@pytest.mark.parametrize("version", ["49.9.9", "50.0.0", "51", "51.0.0rc1", "151.0"])
def test_what_was_not_tested_is_refused(version: str) -> None:
    """The error names the installed version and the range."""
    with pytest.raises(UnsupportedEngine, match=version) as caught:
        check_version(version)
    assert caught.value.supported == ">=50.0.1,<51"


def test_the_range_is_the_requirement_s() -> None:
    """What pip installs is what the package accepts."""
    requirements = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    oldest, before = (".".join(map(str, each)) for each in (OLDEST, BEFORE))
    assert f"wasmtime>={oldest},<{before}" in requirements


def test_the_installed_one_is_taken() -> None:
    """The engine that the other tests run on."""
    check_version(engine_version())
