"""What a person sees and answers: the real command on a pseudo-terminal."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

REASON = "this system has no pseudo-terminals"
pty = pytest.importorskip("pty", reason=REASON)
fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")

Airswasm = Callable[..., Any]
PATIENCE = 60.0
Screen = Callable[..., tuple[int, str]]


@pytest.fixture
def screen(environment: Mapping[str, str], tmp_path: Path) -> Screen:
    """Type a command on a screen of eighty columns; answer its question with some keys."""

    def call(*words: str, keys: bytes = b"", cwd: Path | None = None) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "airswasm.cli", *words],
            cwd=cwd or tmp_path,
            env={**environment, "COLUMNS": "80", "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C is a signal
        )
        os.close(theirs)
        shown, deadline, is_answered = b"", time.monotonic() + PATIENCE, not keys
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the last process has closed the screen
                break
            if not chunk:
                break
            shown += chunk
            if not is_answered and (b"/N]" in shown or b"[N]o" in shown):
                os.write(ours, keys)
                is_answered = True
        os.close(ours)
        code = process.wait(PATIENCE)
        assert is_answered, f"it did not ask: {shown!r}"
        return code, shown.decode().replace("\r\n", "\n")

    return call


# Verbs that ask, and how to see that they did nothing.
QUESTIONS = (
    ("install", "hello"),
    ("uninstall", "local/hello", "--purge"),
    ("storage", "import", "local/hello", "backup", "--replace"),
    ("trust", "remove", "local/hello"),
    ("trust", "transfer", "local/hello", "other.pub"),
    ("trust", "revoke", "hello.pub"),
)


@pytest.fixture
def asked(
    request: pytest.FixtureRequest, airswasm: Airswasm, installed: Path, home: Path, tmp_path: Path
) -> tuple[str, ...]:
    """A home in which each question has a subject."""
    words: tuple[str, ...] = request.param
    assert airswasm("storage", "export", "hello", "--output", "backup").code == 0
    assert airswasm("keygen", "--output", "other.pem").code == 0
    (tmp_path / "hello.pub").write_bytes((home / "keys" / "default.pub").read_bytes())
    if words[0] == "install":
        assert airswasm("uninstall", "hello").code == 0
    return words


def state_of(airswasm: Airswasm) -> list[object]:
    """Return what the verbs that ask may change."""
    shown = (("list",), ("trust", "list"), ("storage", "list", "hello"))
    return [airswasm(*words, "--json").out for words in shown]


@pytest.mark.parametrize("asked", QUESTIONS, indirect=True, ids=" ".join)
def test_only_a_yes_is_a_yes(asked: tuple[str, ...], screen: Screen, airswasm: Airswasm) -> None:
    """Any other answer, Enter, Ctrl-D and `--no-input` change nothing and exit with 4."""
    before = state_of(airswasm)
    for keys in (b"n\n", b"\n", b"maybe\n\n", b"\x04"):
        code, shown = screen(*asked, keys=keys)
        assert (code, "error[E" in shown) == (4, True), shown
    code, shown = screen(*asked, "--no-input")
    assert (code, "--yes" in shown) == (4, True), shown
    assert state_of(airswasm) == before
    code, shown = screen(*asked, keys=b"y\n")
    assert (code, "✓" in shown) == (0, True), shown
    assert asked[0] == "storage" or state_of(airswasm) != before


def test_ctrl_c_ends_a_question(screen: Screen, installed: Path, airswasm: Airswasm) -> None:
    """Exit code 130, no traceback, and nothing was changed."""
    code, shown = screen("uninstall", "hello", "--purge", keys=b"\x03")
    assert code == 130, shown
    assert "Traceback" not in shown
    assert airswasm("list").out.startswith("local/hello")


@pytest.mark.parametrize("name", ["[/bold]", "[red]", "a[link=x]b", "back\\"])
def test_a_path_is_no_markup(screen: Screen, project: Path, tmp_path: Path, name: str) -> None:
    """The line that moves shows a folder as it is called."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    project.rename(tmp_path / name)
    code, shown = screen("install", f"./{name}", "--no-input")
    assert code != 1, shown
    assert "unexpectedly" not in shown
    assert name in shown


READING = (("status",), ("info", "hello"), ("trust", "list"), ("config", "show", "--origin"))


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_screen_gets_no_rows_for_programs(
    screen: Screen, installed: Path, words: tuple[str, ...]
) -> None:
    """What a pipe gets with tabs between the cells is laid out for a person."""
    code, shown = screen(*words)
    assert code == 0, shown
    assert "\t" not in shown
    assert re.search(r"\w {2,}\w", shown)


def test_a_document_on_a_screen_is_indented(screen: Screen, installed: Path) -> None:
    """`--json` says the same to a person, on lines that can be read."""
    code, shown = screen("list", "--json")
    assert code == 0
    assert shown.count("\n") > 3
    assert json.loads(shown)["schema"] == "airswasm.list/1"


@given(st.integers(0, 2**45))
def test_a_size_keeps_its_value_and_never_outgrows_its_unit(value: int) -> None:
    """Rounded to a tenth, below 1024 of its unit but of the largest."""
    from airswasm.cli.commands._times import size

    number, unit = size(value).split()
    factors = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    assert abs(float(number) * factors[unit] - value) <= factors[unit] * 0.05 + 0.001
    assert float(number) < 1024 or unit == "GiB"


@given(st.floats(0, 1e9))
def test_a_duration_keeps_its_value_and_never_outgrows_its_unit(value: float) -> None:
    """Cut to the smaller of two units; below ten seconds to a tenth."""
    from airswasm.cli.commands._times import lasted

    parts = lasted(value).split()
    factors = {"s": 1, "min": 60, "h": 3600}
    pairs = [(float(parts[n]), parts[n + 1]) for n in range(0, len(parts), 2)]
    total = sum(number * factors[unit] for number, unit in pairs)
    assert abs(total - value) < factors[pairs[-1][1]]
    assert all(number < 60 or unit == "h" for number, unit in pairs)
    assert "." not in lasted(value) or total < 10


def test_a_rollback_asks_which_data(screen: Screen, installed: Path, airswasm: Airswasm) -> None:
    """With what each choice does; neither is neither, and a script decides by an option."""
    assert airswasm("config", "set", "updates.checkpoints", "always").code == 0
    assert airswasm("storage", "set", "hello", "count", "1").code == 0
    manifest = installed / "Component.toml"
    manifest.write_text(manifest.read_text().replace('version = "0.1.0"', 'version = "0.2.0"'))
    assert airswasm("sign", str(installed)).code == 0
    assert airswasm("update", str(installed)).code == 0
    assert "1 key" in airswasm("info", "hello").out
    assert airswasm("storage", "set", "hello", "count", "2").code == 0
    assert airswasm("storage", "set", "hello", "more", "3").code == 0
    code, shown = screen("rollback", "hello", "--dry-run")
    assert (code, "1 key added, 1 changed" in " ".join(shown.split())) == (0, True), shown
    for keys in (b"\n", b"n\n", b"\x04"):
        code, shown = screen("rollback", "hello", keys=keys)
        assert (code, "error[E" in shown) == (4, True), shown
    assert all(len(line) <= 80 for line in shown.splitlines()), shown
    assert airswasm("list").out.split("\t")[1] == "0.2.0"
    code, shown = screen("rollback", "hello", keys=b"restore\n")
    assert "rolled back to local/hello 0.1.0 with its data" in shown
    assert (code, "✓" in shown) == (0, True), shown
    assert airswasm("list").out.split("\t")[1] == "0.1.0"
    assert airswasm("storage", "get", "hello", "count").out == "1"
    forward = airswasm("rollback", "hello", "--to", "0.2.0", "--with-data", "--json")
    assert forward.code == 0, forward.err
    assert json.loads(forward.out)["version"] == "0.2.0"
    assert airswasm("storage", "get", "hello", "more").out == "3"
    assert airswasm("rollback", "hello", "--with-data", "--keep-data").code == 2
    code, shown = screen("info", "hello")
    assert (code, "its data of" in shown) == (0, True), shown
    versions = shown[shown.index("\nversions") :]
    paths = [line for line in versions.splitlines() if line.strip().startswith("/")]
    wide = [line for line in versions.splitlines() if len(line) > 80 and line not in paths]
    assert not wide, shown  # a path is never broken
    assert airswasm("rollback", "hello").code == 0, "no later version has migrated the data"
    assert airswasm("storage", "get", "hello", "more").out == "3"


def test_a_setting_as_the_first_command_leaves_a_new_home_in_development_mode(
    screen: Screen, airswasm: Airswasm
) -> None:
    """As any other first command of a person does; to set the mode itself decides it."""
    code, shown = screen("config", "set", "trust.sources", '["/srv/packages/**"]')
    assert (code, "DEVELOPMENT MODE" in shown) == (0, True), shown
    assert all(len(line) > 40 for line in shown.splitlines()[:2]), "a sentence is broken once"
    assert airswasm("config", "get", "host.mode").out.strip('"\n') == "development"
    code, shown = screen("config", "set", "trust.threshold", "1")
    assert (code, "DEVELOPMENT MODE" in shown) == (0, False), shown


def test_a_usage_error_fits_the_screen(screen: Screen) -> None:
    """As other errors do: broken between words."""
    code, shown = screen("alerts", "silence", "ComponentGivenUp", "--for", "soon")
    assert (code, "'soon' is no duration above 0" in shown) == (2, True), shown
    assert all(len(line) <= 80 for line in shown.splitlines()), shown


def test_the_mode_as_the_first_setting_decides(screen: Screen, airswasm: Airswasm) -> None:
    """No warning of a mode that is not to be."""
    code, shown = screen("config", "set", "host.mode", "production")
    assert (code, "DEVELOPMENT MODE" in shown) == (0, False), shown
    assert airswasm("config", "get", "host.mode").out.strip('"\n') == "production"
