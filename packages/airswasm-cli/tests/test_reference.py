from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from airswasm.cli._app import build_app, command_of, subcommands_of
from airswasm.cli._block import BLOCK
from airswasm.cli._completion import completion_script, verb_words
from airswasm.cli.reference import reference_page
from typer.testing import CliRunner

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


@pytest.mark.skipif(not PAGE.exists(), reason="outside the repository there is no page")
@pytest.mark.skipif(
    find_spec("airswasm.osl") is None, reason="the page has the codes of all blocks"
)
def test_the_page_is_what_the_commands_say() -> None:
    """`python -m airswasm.cli.reference > docs/cli.md` was run after the last change."""
    assert PAGE.read_text(encoding="utf-8") == reference_page()


@pytest.mark.parametrize(
    "group", [verb.name for verb in BLOCK.verbs if subcommands_of(command_of(verb))]
)
def test_the_help_of_a_group_shortens_no_summary(group: str) -> None:
    """On a terminal of 80 columns, each command has one whole line."""
    shown = CliRunner().invoke(build_app(), [group, "--help"], terminal_width=78)
    assert shown.exit_code == 0
    assert "..." not in shown.output.partition("Commands:")[2]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_knows_every_verb_and_its_options(shell: str) -> None:
    """It is written from the commands, so it cannot lag behind."""
    script = completion_script(shell)
    assert [verb.name for verb in BLOCK.verbs if verb.name not in script] == []
    assert "template" in script
    words = verb_words()["storage"]
    assert words[:3] == ("list", "get", "set")
    assert {"checkpoints", "restore", "--dry-run"} <= set(words)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_one_that_the_shell_accepts(shell: str, tmp_path: Path) -> None:
    """`-n` reads it without running it."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / "script"
    file.write_text(completion_script(shell))
    subprocess.run([shell, "-n", str(file)], check=True)


def test_bash_completes_a_verb(tmp_path: Path) -> None:
    """The function offers what starts so."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    file = tmp_path / "script"
    script = 'COMP_WORDS=(airswasm unin) COMP_CWORD=1; _airswasm; echo "${COMPREPLY[@]}"'
    file.write_text(f"{completion_script('bash')}\n{script}\n")
    done = subprocess.run(["bash", str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "uninstall"
