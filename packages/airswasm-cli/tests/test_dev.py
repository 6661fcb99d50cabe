"""`airswasm dev` as a user has it: typed into, read by a tool, and ended by Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_what_is_typed_is_answered(airswasm: Callable[..., Any], project: Path) -> None:
    """Before the end of the input; as text and as one document on a line."""
    ended = airswasm("dev", str(project), "--once", stdin=b"world\n:stored count\nlast")
    assert ended.code == 0, ended.err
    assert "Hello, world! You are number 1." in ended.out
    assert "Hello, last! You are number 2." in ended.out
    ended = airswasm("dev", str(project), "--once", "--json", stdin=b"world\n:quit\nnever\n")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert {each["schema"] for each in events} == {"airswasm.dev-event/1"}
    (reply,) = [each for each in events if each["kind"] == "reply"]
    assert reply["detail"]["reply"] == "Hello, world! You are number 1."
    assert [each["kind"] for each in events[:3]] == ["building", "built", "swapped"]


def test_a_stand_in_without_an_answer_is_a_usage_error(airswasm: Callable[..., Any]) -> None:
    ended = airswasm("dev", "--reply", "shop/stock")
    assert ended.code == 2
    assert "--reply NAME=TEXT" in ended.err


def test_a_folder_that_is_no_project_says_how_to_get_one(
    airswasm: Callable[..., Any], tmp_path: Path
) -> None:
    ended = airswasm("dev", str(tmp_path))
    assert ended.code not in (0, 2)
    assert "Component.toml" in ended.err


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_it_in_order(project: Path, tmp_path: Path) -> None:
    """Also without an input, as in the background; no traceback, the exit code of an interrupt."""
    command = [sys.executable, "-I", "-m", "airswasm.cli", "dev", str(project)]
    environment = {**os.environ, "AIRSWASM_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as running:  # fmt: skip
        assert running.stdout is not None
        for line in running.stdout:
            if "ready" in line:
                break
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
