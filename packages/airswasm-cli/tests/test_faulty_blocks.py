"""A package that extends the command wrongly: a line with its name, in every verb that meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

MODEL = "from dataclasses import dataclass\n@dataclass(frozen=True)\n"
SECTION = 'sections=(Section("evil", "evil:MODEL", "Evil."),)'
VERB = 'verbs=(Verb("evil", "Evil", "Do evil.", "evil:do"),)'
CHECK = 'checks=(Check("evil", "evil:look"),)'
DECLARATIONS: Mapping[str, tuple[str, str]] = {
    "not a block": ("", "BLOCK = 5"),
    "raises": ("", "raise KeyError('x\\n\\x1b[31m')"),
    "ends the process": ("", "raise SystemExit(3)"),
    "texts for capabilities": ('capabilities=("evil.do",)', ""),
    "nothing for capabilities": ("capabilities=None", ""),
    "a table for sections": ('sections={"evil": 1}', ""),
    "escapes": ('capabilities=(Capability("evil.do", "do\\x1b[31m"),)', ""),
}
"""Wrong in themselves: their package is left aside, and no host opens for a change."""
PARTS: Mapping[str, tuple[str, str]] = {
    "no spelling": ('capabilities=(Capability("evil.do", "do evil", "evil:NO"),)', ""),
    "no model": (SECTION, ""),
    "a model without defaults": (SECTION, f"{MODEL}class MODEL:\n    x: int\n"),
    "a model that is none": (SECTION, "MODEL = int"),
    "a model that raises": (
        SECTION,
        f"{MODEL}class MODEL:\n    def __post_init__(self): raise RuntimeError('boom')\n",
    ),
    "no verb": (VERB, ""),
    "a verb that is none": (VERB, "do = 5"),
    "a check that raises": (CHECK, "def look(home, *, quick): raise SystemExit(9)"),
    "a check without findings": (CHECK, "def look(home, *, quick): return 5"),
    "a check of its own states": (
        CHECK, "def look(home, *, quick): return [Finding('evil', 'great', 'x')]",
    ),
    "no hooks": ('forget="evil:forget", snapshots="evil:snapshots"', ""),
    "no module": ('observe="devil:observe"', ""),
}  # fmt: skip
"""Declared well, and not there or not what they must be."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(environment: Mapping[str, str], tmp_path: Path) -> Run:
    """Run the command beside a package whose block has these fields and whose module this code."""

    def call(fields: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        block = f'BLOCK = Block(name="evil", summary="Evil.", {fields})' if fields else ""
        site = tmp_path / "site"
        metadata = site / "evil-1.0.dist-info"
        metadata.mkdir(parents=True, exist_ok=True)
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[airswasm.blocks]\nevil = evil:BLOCK\n")
        (site / "evil.py").write_text(f"from airswasm.wit import *\n{code}\n{block}\n")
        paths = os.pathsep.join((str(site), environment.get("PYTHONPATH", "")))
        return subprocess.run(
            [sys.executable, "-m", "airswasm.cli", *arguments],
            env={**environment, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return call


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return its whole output, which is plain text and no report of a bug of ours."""
    text = done.stdout + done.stderr
    assert "E0001" not in text, text
    assert "Traceback" not in text, text
    assert "\x1b" not in text, text
    return text


@pytest.mark.parametrize(("fields", "code"), DECLARATIONS.values(), ids=DECLARATIONS)
def test_a_wrong_declaration_is_a_problem_of_its_package(run: Run, fields: str, code: str) -> None:
    """What reads goes on without it; `doctor` and every change name the package."""
    assert run(fields, code, "list").returncode == 0
    found = run(fields, code, "doctor", "--quick")
    assert found.returncode == 1
    assert "update or uninstall evil" in said(found)
    change = run(fields, code, "start", "local/nothing")
    assert change.returncode == 1
    assert "E0108" in said(change)
    assert "evil" in said(change)


@pytest.mark.parametrize(("fields", "code"), PARTS.values(), ids=PARTS)
def test_a_part_that_cannot_be_used_is_named(run: Run, fields: str, code: str) -> None:
    """By `doctor`, and by the verb that needs it; the others go on."""
    assert run(fields, code, "list").returncode == 0
    found = run(fields, code, "doctor", "--quick")
    assert found.returncode == 1
    assert "evil" in said(found)
    if "verbs" in fields:
        own = run(fields, code, "evil")
        assert (own.returncode, "E0110" in said(own)) == (1, True)
    if "sections" in fields:
        shown = run(fields, code, "config", "show")
        assert (shown.returncode, "E0110" in said(shown)) == (1, True)
