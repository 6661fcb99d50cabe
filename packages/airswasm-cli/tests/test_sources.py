"""Sources as a user types them: install, update by name, lists and locks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Airswasm = Callable[..., Any]


@pytest.fixture
def signed(airswasm: Airswasm, project: Path) -> Path:
    assert airswasm("keygen").code == 0
    assert airswasm("sign", str(project)).code == 0
    return project


def newer(airswasm: Airswasm, project: Path, version: str) -> None:
    manifest = project / "Component.toml"
    text = manifest.read_text()
    line = next(each for each in text.splitlines() if each.startswith("version"))
    manifest.write_text(text.replace(line, f'version = "{version}"'))
    assert airswasm("sign", str(project)).code == 0


def test_an_update_by_name_asks_the_recorded_source(airswasm: Airswasm, signed: Path) -> None:
    """`info` shows it; a package from standard input has none."""
    assert airswasm("install", str(signed), "--yes").code == 0
    shown = json.loads(airswasm("info", "hello", "--json").out)["versions"][0]
    assert shown["source"] == str(signed.resolve())
    assert f"from {signed.resolve()}" in airswasm("info", "hello").out.replace("\n", "")
    newer(airswasm, signed, "0.2.0")
    assert airswasm("update", "local/hello", "--yes").code == 0
    newer(airswasm, signed, "0.3.0")
    shutil.move(signed, signed.with_name("elsewhere"))
    gone = airswasm("update", "local/hello", "--yes")
    assert gone.code != 0
    assert str(signed) in gone.err
    missing = airswasm("update", "local/nothing")
    assert "E0310" in missing.err


def test_a_list_is_installed_and_held_to_its_lock(airswasm: Airswasm, signed: Path) -> None:
    """Unchanged it installs, again it does nothing, changed it is refused by name."""
    file = signed.parent / "components.toml"
    file.write_text(f'[components]\n"local/hello" = "{signed.name}"\n')
    options = ("--file", str(file))
    assert "E0359" in airswasm("install", *options, "--locked", "--yes").err
    assert airswasm("lock", *options).code == 0
    assert airswasm("install", *options, "--locked", "--yes").code == 0
    again = airswasm("install", *options, "--locked", "--json")
    assert [each["name"] for each in json.loads(again.out)["components"]] == ["local/hello"]
    newer(airswasm, signed, "0.2.0")
    for more in ((), ("--locked",)):
        refused = airswasm("install", *options, *more, "--yes")
        assert refused.code == 3
        assert "E0358" in refused.err
        assert "local/hello: the lock has the digest" in refused.err
    assert airswasm("lock", *options).code == 0
    assert airswasm("install", *options, "--locked", "--yes").code == 0
    assert json.loads(airswasm("info", "hello", "--json").out)["version"] == "0.2.0"


@pytest.mark.parametrize("words", [(), (".", "--file", "x"), (".", "--locked")])
def test_a_source_or_a_list(airswasm: Airswasm, words: tuple[str, ...]) -> None:
    """Not both, not neither."""
    assert airswasm("install", *words).code == 2


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("http://one.example/x", "E0350"), ("git@one.example:a/b.git", "E0350"),
        ("https://127.0.0.1/x", "E0351"), ("oci://[::1]/a", "E0351"),
        ("git+ssh://127.0.0.1/a", "E0351"),
        ("https://me:sesame@169.254.169.254/?t=sesame", "E0351"),
    ],
)  # fmt: skip
def test_a_refused_source_is_said_in_one_line(airswasm: Airswasm, source: str, code: str) -> None:
    """With a hint, and without a secret; it is no path."""
    refused = airswasm("install", source, "-vv")
    assert f"error[{code}]" in refused.err
    assert "hint" in refused.err
    assert "sesame" not in refused.err
    assert "does not exist" not in refused.err
