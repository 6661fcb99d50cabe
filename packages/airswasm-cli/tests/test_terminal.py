from __future__ import annotations

import io
import json
import re
import sys

import pytest
from airswasm.cli._session.session import Session
from airswasm.cli._session.settings import read_settings
from airswasm.cli._session.terminal import Terminal, broken, escape_controls, wants_colour
from airswasm.cli.commands import status
from airswasm.cli.errors import AnswerNeeded
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("environment", "is_terminal", "color", "expected"),
    [
        ({}, True, "auto", True),
        ({}, False, "auto", False),
        ({"NO_COLOR": "1"}, True, "auto", False),
        ({"NO_COLOR": ""}, True, "auto", True),
        ({"FORCE_COLOR": "1"}, False, "auto", True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, "auto", False),
        ({"TERM": "dumb"}, True, "auto", False),
        ({"FORCE_COLOR": "1"}, True, "never", False),
        ({"NO_COLOR": "1"}, False, "always", True),
    ],
)
def test_colour_follows_the_conventions(
    environment: dict[str, str], is_terminal: bool, color: str, expected: bool
) -> None:
    """The setting, NO_COLOR, FORCE_COLOR, TERM=dumb, the terminal: in this order."""
    assert wants_colour(environment, is_terminal=is_terminal, color=color) is expected


@given(st.text())
def test_no_text_can_steer_a_terminal(text: str) -> None:
    """What is shown holds nothing but printable characters, newlines and tabs."""
    shown = escape_controls(text)
    assert all(character.isprintable() or character in "\n\t" for character in shown)


WORDS = st.lists(st.text("abcdefgh.-", min_size=1, max_size=60), min_size=1, max_size=40)


@given(WORDS, st.integers(40, 120), st.integers(0, 30), st.sampled_from([None, 0, 4, 20]))
def test_a_text_is_broken_between_words_only(
    words: list[str], columns: int, head: int, indent: int | None
) -> None:
    """Nothing is lost, and only a word that fits no line of its own is wider than the screen."""
    text = " ".join(words)
    shown = broken(text, columns, head, indent)
    assert shown.split() == words
    first, *rest = shown.split("\n")
    for line in (" " * head + first, *rest):
        assert len(line) <= columns or len(line.split()) == 1


def test_a_broken_text_stands_below_itself() -> None:
    """Behind its label, its mark, or deeper than where the line begins."""
    long = "word " * 20
    for text, head, indent in (
        (f"  from         {long}", 0, 15),
        (f"  {long}", 0, 4),
        (long, 9, 9),
    ):
        _, second, *_ = broken(text.rstrip(), 80, head).split("\n")
        assert len(second) - len(second.lstrip(" ")) == indent, text


def test_a_clipboard_escape_is_made_visible() -> None:
    """The well-known trick of a hostile log line."""
    assert escape_controls("\x1b]52;c;ZXZpbA==\x07") == "\\x1b]52;c;ZXZpbA==\\x07"


def test_into_a_pipe_a_table_is_lines_of_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    """`cut -f` works, and a cell cannot forge a row."""
    Terminal().table(("a", "b"), [("1", "two\nlines"), ("x\ty", "z")])
    assert capsys.readouterr().out == "1\ttwo lines\nx y\tz\n"


def test_a_document_is_one_line_with_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read one versioned document."""
    Terminal(as_json=True).document("list/1", {"components": []})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"schema": "airswasm.list/1", "components": []}


def test_talk_goes_to_stderr_and_quiet_keeps_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is data only; -q silences talk, not warnings and errors."""
    terminal = Terminal(verbosity=-1)
    terminal.say("talk")
    terminal.done("done")
    terminal.warn("careful")
    terminal.error("error: ", "wrong")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "talk" not in captured.err
    assert "careful" in captured.err
    assert "wrong" in captured.err


def test_without_a_terminal_a_question_is_an_error_unless_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script never hangs on a question."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(AnswerNeeded, match="Install it"):
        Terminal().confirm("Install it?")
    assert Terminal(assume_yes=True).confirm("Install it?")


def test_no_event_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    """An error of a component may have lines; none of them begins as an event does."""
    Terminal().event("failed", "local/a  it said\n12:00:00  ready     local/b")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("it said")
    assert second.startswith("    12:00")


@pytest.mark.parametrize(
    ("columns", "is_table"), [("40", False), ("90", False), ("91", True), ("100", True)]
)
def test_a_narrow_screen_gets_no_folded_words(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: str,
    is_table: bool,
) -> None:
    """A name that is broken in two cannot be copied; a long text may be folded."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    row = ("local/hello", "0.1.0", "running", "657c7ec8f55e36f2", "2026-11-25 11:20", "e " * 99)
    names = ("name", "version", "state", "signer", "installed", "error")
    Terminal(color="never").table(names, [row])
    lines = capsys.readouterr().out.splitlines()
    assert ("installed  2026-11-25 11:20" in lines) is not is_table
    assert any("version" in line and "signer" in line for line in lines) is is_table


@pytest.mark.parametrize("prefix", ["", "shop/a-long-name-of-an-order: "])
@pytest.mark.parametrize("width", [60, 72, 80, 100, 140])
def test_a_status_has_whole_names_and_a_line_for_each_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, prefix: str
) -> None:
    """A narrow screen does without figures; an error is cut, and breaks no table."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    terminal = Terminal(color="never")
    component = {
        "name": "shop/a-long-name-of-an-order", "version": "10.20.30", "state": "quarantined",
        "uptime": 100.0, "restarts": 1, "messages": 10**6, "mailbox": 3, "fuel_used": 10**9,
        "memory_bytes": 2**27, "unwritten_denials": 4, "health": "healthy",
        "last_error": prefix + "the key was revoked\nand " * 20, "held": [],
    }  # fmt: skip
    status._show(Session(terminal, read_settings({})), {"components": [component]}, stream=False)
    lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()
    assert [line for line in lines if len(line) > width] == []
    (row,) = [line for line in lines if "quarantined" in line]
    assert row.startswith("shop/a-long-name-of-an-order  ")
    assert ("1,000,000" in row) is (width >= 100)
    (error,) = [line for line in lines if "the key was revoked" in line]
    assert error.startswith("shop/a-long-name-of-an-order: the key was revoked")
