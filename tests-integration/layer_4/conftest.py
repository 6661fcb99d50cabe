"""A user in an empty folder, and the projects that this user starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from driving import Project, Terminal


@pytest.fixture
def start_project(terminal: Terminal) -> Callable[..., Project]:
    """`airswasm init`, after `keygen` if there is no key."""

    def start(name: str, language: str = "c", *options: str) -> Project:
        if not (terminal.home / "keys" / "default.pem").exists():
            terminal.run("keygen")
        terminal.run("init", name, "--lang", language, *options)
        return Project(terminal, terminal.folder / name, f"local/{name}")

    return start


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A user who has just installed airswasm, in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Terminal(tmp_path / "home", folder)
