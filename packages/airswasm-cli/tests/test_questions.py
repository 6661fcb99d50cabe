"""Questions at a terminal: what answers them, and what was typed too early does not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from subprocess import Popen
from typing import Any

import pytest
from airswasm.cli._session.terminal import Terminal
from airswasm.cli.commands import _install
from airswasm.cli.commands._deciding import Choice

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is POSIX", allow_module_level=True)

READY = "\x00"
ASKING = """
import sys
from airswasm.cli._session.terminal import Terminal
sys.stderr.write("\\0")
sys.stderr.flush()
open(sys.argv[1]).read()  # until the test has typed
print("yes" if Terminal().confirm("Install it?") else "no", flush=True)
"""


@pytest.fixture
def screen() -> Iterator[tuple[int, int]]:
    mine, its = os.openpty()
    yield mine, its
    os.close(mine)


def read_until(descriptor: int, text: str) -> str:
    said = ""
    while text not in said:
        said += os.read(descriptor, 1024).decode()
    return said


@pytest.mark.parametrize(
    ("early", "late", "expected"),
    [("y\n", "n\n", "no"), ("", "y\n", "yes"), ("y\ny\n", "\n", "no")],
)
def test_what_was_typed_before_a_question_does_not_answer_it(
    screen: tuple[int, int], tmp_path: Any, early: str, late: str, expected: str
) -> None:
    """A `y` that was meant for something else must not install a package."""
    mine, its = screen
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = [sys.executable, "-c", ASKING, str(gate)]
    with Popen(command, stdin=its, stdout=its, stderr=its) as asking:
        os.close(its)
        read_until(mine, READY)
        os.write(mine, early.encode())
        if early:
            read_until(mine, early.strip().rpartition("\n")[2])  # the terminal has it
        with gate.open("w"):
            pass
        read_until(mine, "[y/N] ")
        os.write(mine, late.encode())
        assert read_until(mine, expected)
    assert asking.returncode == 0


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["help", "y"], Choice()),
        (["ja", "?", "n"], None),
        ([""], None),
        (["NO"], None),
        (["r"], Choice(remembered="ab" * 32)),
        (["c"], Choice()),
    ],
)
def test_what_is_no_answer_is_asked_again(
    typed: list[str], expected: Choice | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the answers that are offered count; an empty line is no."""
    answers = iter(typed)
    monkeypatch.setattr(Terminal, "ask", lambda *_question, **_options: next(answers))
    monkeypatch.setattr(Terminal, "confirm", lambda *_question: True)
    plan = {"signer": "ab" * 32, "wishes": []}
    assert _install._answer(Terminal(), plan, Choice(), "Install it") == expected
    assert next(answers, None) is None


def test_each_wish_is_in_what_is_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    """Granted, granted in part, or denied: nothing is left to be guessed."""
    names = ("storage.read", "storage.write", "http.request")
    plan = {"wishes": [{"capability": each, "patterns": ["a/**"]} for each in names]}
    choice = Choice({"storage.write": ("a/b",)}, {"http.request": ("a/**",)})
    _install._show_choice(Terminal(), choice, plan)
    said = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert [(line[0], line[-3]) for line in said] == [
        ("grant", "storage.read"), ("grant", "storage.write"), ("deny", "http.request"),
    ]  # fmt: skip
    _install._show_choice(Terminal(), Choice(), plan)
    assert capsys.readouterr().err == ""
