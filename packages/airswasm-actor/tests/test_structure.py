"""The structure of this block: its public modules, and where an actor's phase changes."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import airswasm.actor
import pytest

SOURCE = Path(airswasm.actor.__file__).parent
#: Users import these by their own names; everything else is private.
PUBLIC = frozenset({"errors", "testing", "pytest_plugin"})


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in SOURCE.rglob("*.py")}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {""}))
def test_an_underscore_means_private(name: str) -> None:
    """A module is public exactly when users import it by its own name."""
    is_public = not any(part.startswith("_") for part in name.split("."))
    assert is_public == (name in PUBLIC)


def test_phase_and_readiness_are_set_in_one_module() -> None:
    """Every other module calls a transition of `Cell` instead."""
    setters = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr in ("phase", "is_ready")
    }
    assert setters == {"_running.cell"}


def test_compiled_modules_exist() -> None:
    """The list in pyproject.toml follows a module that moves."""
    block = Path(__file__).parents[1]
    build = tomllib.loads((block / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
    for name in build["build"]["targets"]["wheel"]["hooks"]["mypyc"]["include"]:
        assert (block / name.lstrip("/")).is_file(), name
