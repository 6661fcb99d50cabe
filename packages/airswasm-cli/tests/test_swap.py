"""`airswasm swap`, beside a running host in development mode and beside another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Airswasm = Callable[..., Any]
RunHost = Callable[..., Any]


@pytest.fixture
def developing(home: Path, run_host: RunHost) -> Any:
    """A host in development mode."""
    home.mkdir()
    (home / "config.toml").write_text('[host]\nmode = "development"\n')
    return run_host()


@pytest.mark.usefixtures("developing")
def test_a_build_is_swapped_in_and_said(project: Path, airswasm: Airswasm) -> None:
    """From the project's folder, again and again, with its data or without."""
    done = airswasm("swap", cwd=project)
    assert (done.code, "swapped in local/hello 0.1.0, running" in done.err) == (0, True), done
    assert airswasm("send", "local/hello", "x").out == "Hello, x! You are number 1."
    document = json.loads(airswasm("swap", "--json", cwd=project).out)
    assert document["versions"][0]["is_swapped"]
    assert document["versions"][0]["source"] == str(project)
    assert airswasm("send", "local/hello", "x").out == "Hello, x! You are number 2."
    assert airswasm("swap", str(project), "--reset").code == 0
    assert airswasm("send", "local/hello", "x").out == "Hello, x! You are number 1."
    assert airswasm("swap", str(project / "build" / "hello.wasm"), "--name", "hello").code == 0
    status = json.loads(airswasm("status", "--json").out)
    assert [each["is_swapped"] for each in status["components"]] == [True]
    assert "DEVELOPMENT: an unsigned build of 0.1.0" in airswasm("logs", "local/hello").out


@pytest.mark.usefixtures("developing")
def test_what_is_no_build_is_a_line(project: Path, tmp_path: Path, airswasm: Airswasm) -> None:
    """With what to do."""
    wasm = project / "build" / "hello.wasm"
    for arguments, code, said in (
        ((str(wasm),), 2, "say which it is with --name"),
        ((str(wasm), "--name", "local/none"), 3, "nothing is installed under the name"),
        ((str(tmp_path / "none"),), 3, "does not exist"),
        ((str(tmp_path / "none.wasm"), "--name", "a/b"), 3, "cannot be read"),
    ):
        done = airswasm("swap", *arguments)
        assert (done.code, said in done.err) == (code, True), done
    wasm.write_bytes(b"no component")
    assert airswasm("swap", str(project)).code == 3
    assert airswasm("list").out == ""


def test_a_production_host_refuses(installed: Path, airswasm: Airswasm, run_host: RunHost) -> None:
    """And without a host there is nothing to swap into."""
    assert airswasm("swap", str(installed)).code == 6
    run_host()
    done = airswasm("swap", str(installed))
    assert (done.code, "production" in done.err) == (4, True)
