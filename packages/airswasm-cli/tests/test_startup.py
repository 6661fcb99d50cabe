"""The modules that a verb must not import, because loading them takes longer than its answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

CODE = """
import sys
from airswasm.cli._entry import run
code = run(sys.argv[2:])
loaded = {each for each in sys.modules if not each.startswith("_")}
print(*sorted(loaded & set(sys.argv[1].split(","))), file=sys.stderr)
sys.exit(code)
"""
ENGINE = {"wasmtime", "airswasm.lifecycle._system", "airswasm.runtime._config"}
ACTORS = {
    "airswasm.actor._system",
    "airswasm.messaging._policy",
    "airswasm.lifecycle._hosting.hosting",
}
LOOP = {"anyio", "asyncio"}
FORMS = {"pydantic", "tomllib", "tomlkit"}
KEYS = {"cryptography"}
LINES = {"typer", "rich"}
FOUND = {"importlib.metadata"}
WIT = {"airswasm.wit.model", "airswasm.wit.annotations"}
EVERYTHING = ENGINE | ACTORS | LOOP | FORMS | KEYS | LINES | FOUND | WIT
STORE = {"rocksdict"}
VERBS = {
    "list": EVERYTHING,
    "list --json": EVERYTHING,
    "status": EVERYTHING,
    "status --json": EVERYTHING,
    "logs": EVERYTHING,
    "routes": EVERYTHING,
    "logs local/hello": EVERYTHING,
    "info local/hello": EVERYTHING - {"pydantic", "tomllib"} - FOUND - WIT,
    "explain E0312": EVERYTHING - FOUND - {"asyncio"} | STORE,
    "config show": ENGINE - {"airswasm.runtime._config"} | {"anyio"} | KEYS | WIT | STORE,
    "--help": EVERYTHING - FOUND | STORE,
    "--version": EVERYTHING - FOUND | STORE,
}


def loaded(line: str, wanted: set[str], environment: Mapping[str, str]) -> list[str]:
    """Which of the wanted modules a command line imports."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, ",".join(sorted(wanted)), *line.split()],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1].split()


@pytest.mark.parametrize("line", VERBS)
@pytest.mark.usefixtures("installed")
def test_a_verb_imports_only_what_it_needs(line: str, environment: Mapping[str, str]) -> None:
    """A verb that needs no engine loads none, nor an event loop, nor whatever else it can spare."""
    assert loaded(line, VERBS[line], environment) == []


@pytest.mark.usefixtures("installed")
def test_a_verb_that_changes_something_imports_the_rest(environment: Mapping[str, str]) -> None:
    """So the names above are still those of modules."""
    names = (EVERYTHING | STORE) - {"rich", "tomlkit"}
    assert set(loaded("stop local/hello", names, environment)) == names


@pytest.mark.usefixtures("installed")
def test_settings_of_the_command_alone_load_no_model(
    home: Path, environment: Mapping[str, str]
) -> None:
    """What [cli] says is read without pydantic, and so is a home that has such a file."""
    (home / "config.toml").write_text('[cli]\ncolor = "never"\n')
    assert loaded("list", EVERYTHING - {"tomllib"}, environment) == []
