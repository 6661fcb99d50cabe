"""What this block declares, and what `doctor` says of it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, Never

import pytest
from airswasm.sdk import BLOCK, ToolMissing, _checks, _confinement
from airswasm.sdk._languages.rust import RustWay
from airswasm.wit import Blocks, load_part


def test_the_block_is_found() -> None:
    """One entry point is all that the package has."""
    (found,) = (each for each in Blocks.find() if each.distribution == "airswasm-sdk")
    assert found.block is BLOCK
    looks = [load_part(each.look) for each in BLOCK.checks]
    assert looks == [_checks.check_tools, _checks.check_builds]


def test_the_check_names_the_tool_of_each_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its version where it is installed, and how to get it where it is not."""

    def version(package: str) -> str:
        if package == "ziglang":
            return "0.15.1"
        raise PackageNotFoundError(package)

    def missing(*_: object) -> Never:
        raise ToolMissing("go", "get it", needed_for="a test")

    monkeypatch.setattr(_checks, "version", version)
    monkeypatch.setattr(_checks, "find_way", lambda: RustWay("/bin/cargo", "wasm32-wasip2"))
    monkeypatch.setattr(_checks, "find_go", missing)
    monkeypatch.setattr(_checks, "find_javascript_tools", lambda *_: ("", "/bin/componentize-js"))
    packages = [
        ("note", "cannot build python: pip install 'airswasm-sdk[python]'"),
        ("ok", "builds c with ziglang 0.15.1"),
    ]
    looked = list(_checks.check_tools(tmp_path, quick=True))
    assert [(each.state, each.text) for each in looked] == packages, "no compiler is started"
    findings = list(_checks.check_tools(tmp_path, quick=False))
    assert [(each.state, each.text) for each in findings] == [
        *packages,
        ("ok", "builds rust with /bin/cargo for wasm32-wasip2"),
        ("note", "cannot build go: install it with: get it"),
        ("ok", "builds javascript with /bin/componentize-js"),
    ]


@pytest.mark.parametrize(
    ("missing", "state", "said"),
    [
        ((), "ok", "are confined"),
        (("files", "network"), "note", "write where you can; it can reach the network; to allow"),
    ],
)
def test_the_check_of_builds_says_what_is_not_confined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: Any, state: str, said: str
) -> None:
    """It is tried out, so a quick look leaves it out."""
    monkeypatch.setattr(_confinement, "missing_protections", lambda: missing)
    (finding,) = _checks.check_builds(tmp_path, quick=False)
    assert (finding.state, said in finding.text) == (state, True)
    assert list(_checks.check_builds(tmp_path, quick=True)) == []


def test_the_extras_that_it_names_exist() -> None:
    """What a person types after reading it must work."""
    from importlib.metadata import metadata

    extras = set(metadata("airswasm-sdk").get_all("Provides-Extra") or ())
    assert {language for language, _ in _checks._TOOLS} <= extras
