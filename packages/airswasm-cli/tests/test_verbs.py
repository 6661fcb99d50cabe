from __future__ import annotations

from collections.abc import Iterator

import pytest
from airswasm.cli import command_of
from airswasm.cli._app import walk_commands
from airswasm.cli._block import BLOCK, GROUPS
from airswasm.wit import Verb


def commands(verb: Verb) -> Iterator[tuple[str, object]]:
    """The commands that do something; the others only hold some."""
    for path, command in walk_commands(verb.name, command_of(verb)):
        if not getattr(command, "commands", {}):
            yield path, command


LEAVES = [
    pytest.param(command, id=path) for verb in BLOCK.verbs for path, command in commands(verb)
]


@pytest.mark.parametrize("verb", BLOCK.verbs, ids=lambda verb: verb.name)
def test_the_table_says_what_the_verb_says(verb: Verb) -> None:
    """The root help is written from the table; it must not drift from the verbs."""
    command = command_of(verb)
    assert (command.help or "").splitlines()[0] == verb.summary
    assert verb.group in GROUPS


@pytest.mark.parametrize("command", LEAVES)
def test_every_command_has_an_example(command: object) -> None:
    """Help shows how the verb is typed."""
    help_text = getattr(command, "help", "")
    assert "Example:" in help_text
    assert "airswasm" in help_text.partition("Example:")[2]


@pytest.mark.parametrize("command", LEAVES)
def test_every_command_takes_the_common_options(command: object) -> None:
    """--json, --home, -q, -v, --no-color, --yes, --no-input and --no-config work everywhere."""
    options = {option for each in getattr(command, "params", []) for option in each.opts}
    assert options >= {
        "--json", "--home", "--quiet", "-q", "--verbose", "-v", "--no-color", "--yes", "-y",
        "--no-input", "--no-config",
    }  # fmt: skip
