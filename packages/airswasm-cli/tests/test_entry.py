from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from airswasm.cli._block import BLOCK
from airswasm.cli._help import root_help

Airswasm = Callable[..., Any]


def test_help_and_version_import_nothing_heavy() -> None:
    """Start-up is imports: the declarations of all blocks are read, and none of their parts."""
    code = (
        "import sys; from airswasm.cli._entry import run; run(['--help']); run(['--version']);"
        "heavy = {'typer', 'rich', 'pydantic', 'anyio', 'wasmtime', 'rocksdict', 'cryptography'};"
        "sys.exit(','.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "airswasm 0." in done.stdout


def test_the_help_lists_every_verb() -> None:
    """What is not in the help does not exist."""
    assert [verb.name for verb in BLOCK.verbs if f"  {verb.name} " not in root_help()] == []


def test_nothing_typed_is_help_and_no_failure(airswasm: Airswasm) -> None:
    """Typing the name alone shows what there is."""
    ended = airswasm()
    assert ended.code == 0
    assert ended.out == root_help()


def test_a_mistyped_verb_is_answered_with_the_nearest(airswasm: Airswasm) -> None:
    """Exit code 2, one line, one hint, nothing on stdout."""
    ended = airswasm("instal", ".")
    assert (ended.code, ended.out) == (2, "")
    assert "Did you mean 'install'?" in ended.err


def test_a_wrong_option_names_the_help_of_the_verb(airswasm: Airswasm) -> None:
    """The hint is the command to type next."""
    ended = airswasm("list", "--jsn")
    assert ended.code == 2
    assert "`airswasm list --help`" in ended.err


def test_a_usage_error_is_json_when_json_was_asked_for(airswasm: Airswasm) -> None:
    """Also before the verb could read its options."""
    ended = airswasm("list", "--json", "--nope")
    assert ended.code == 2
    assert json.loads(ended.err)["error"]["code"] == "E0002"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("dlq list --reason foo", "--reason': 'foo' is not one of 'crashed', 'killed'"),
        ("audit query --outcome foo", "--outcome': 'foo' is not one of 'allow', 'deny'"),
        ("completions foo", "'foo' is not one of 'bash', 'zsh'"),
        ("dlq list --lines x", "write a whole number"),
        ("dlq list --lines 0", "write a number of at least 1"),
        ("dlq list --lines 1000001", "write a number of at most 1000000"),
        ("tap --sample 0", "write a number of at least 1"),
        ("dlq replay a --timeout x", "write"),
        ("send a --timeout", "`airswasm send --help` shows how to use it"),
        ("dlq list --lines", "`airswasm dlq --help` shows how to use it"),
        ("send a --nope", "`airswasm send --help` shows how to use it"),
    ],
)
def test_a_wrong_value_is_told_in_our_words(airswasm: Airswasm, line: str, words: str) -> None:
    """Not in those of the library that checks it, and without a choice that is empty."""
    ended = airswasm(*line.split())
    assert ended.code == 2
    assert words in ended.err
    assert not re.search(r"Value error|Input should|unable to parse|of '',", ended.err)


def test_a_closed_pipe_is_quiet(environment: Mapping[str, str]) -> None:
    """`airswasm explain | head -1` ends with 141 and no complaint."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "airswasm.cli", "explain"],
        env=dict(environment),
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
