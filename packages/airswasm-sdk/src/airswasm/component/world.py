"""Write what a build needs beside the sources: the world, and the entry module.

    python FOLDER_OF_THIS_PACKAGE PROJECT INTO --contract 0.1.0

imports `app.py` of the project, finds its component, and writes `wit/world.wit`, `world.json`,
`entry/airswasm_entry.py` and a copy of this package below INTO.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

from ._definition import Definition, find_definition

__all__ = ("ENTRY", "WORLD", "main", "world_text")

ENTRY = "airswasm_entry"
WORLD = "component"
_ENTRY_TEXT = """\
import app
from airswasm.component import find_definition
from airswasm.component.guest import exports_of

globals().update({{name: each for name, each in vars(app).items() if isinstance(each, type)}})
globals().update(exports_of(find_definition(app), {name!r}))
"""
_PACKAGE = re.compile(r"^\s*package\s+([\w:-]+)(@[\w.+-]+)?\s*;", re.MULTILINE)
_WORLD = re.compile(r"^\s*world\s+([\w-]+)", re.MULTILINE)


def world_text(definition: Definition, contract: str, own: str | None = None) -> str:
    """Return the WIT of a component's world: exactly what it uses and offers.

    Args:
        definition: The component.
        contract: The contract's version.
        own: A world of the project's own, with interfaces beside the contract's.
    """
    lines = [f"include {own};"] if own is not None else []
    lines += [f"import {_interface(each, contract)};" for each in definition.imports]
    lines += [f"export {_interface(each, contract)};" for each in definition.exports]
    body = "".join(f"    {line}\n" for line in lines)
    return f"package airswasm:generated;\n\nworld {WORLD} {{\n{body}}}\n"


def main(arguments: list[str] | None = None) -> None:
    """Write the world, the entry module, and this package."""
    parser = argparse.ArgumentParser(prog="airswasm.component", description=main.__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("into", type=Path)
    parser.add_argument("--contract", required=True)
    parser.add_argument("--libraries", type=Path, help="packages that the project requires")
    given = parser.parse_args(arguments)
    project, into = given.project.resolve(), given.into.resolve()
    manifest = tomllib.loads((project / "Component.toml").read_text(encoding="utf-8"))
    sys.path[:0] = [str(each) for each in (project, given.libraries) if each]
    definition = find_definition(importlib.import_module("app"))
    wit, entry = into / "wit", into / "entry"
    if (project / "wit" / "deps").is_dir():  # where the interpreter is shared, there may be none
        shutil.copytree(project / "wit" / "deps", wit / "deps")
    own = _own_world(project / "wit", wit / "deps" / "of-the-project")
    wit.mkdir(parents=True, exist_ok=True)
    text = world_text(definition, given.contract, own)
    (wit / "world.wit").write_text(text, encoding="utf-8")
    description = {
        "own": own,
        "imports": [_interface(each, given.contract) for each in definition.imports],
        "exports": [_interface(each, given.contract) for each in definition.exports],
        "capabilities": definition.capabilities,
    }
    (into / "world.json").write_text(json.dumps(description), encoding="utf-8")
    ignored = shutil.ignore_patterns(
        "__pycache__", "__main__.py", "world.py", "testing.py", "_memory_host.py", "_records.py"
    )
    shutil.copytree(Path(__file__).parent, entry / "airswasm" / "component", ignore=ignored)
    name = manifest["component"]["name"]
    (entry / f"{ENTRY}.py").write_text(_ENTRY_TEXT.format(name=name), encoding="utf-8")


def _interface(name: str, contract: str) -> str:
    return f"airswasm:component/{name}@{contract}"


def _own_world(source: Path, target: Path) -> str | None:
    """Copy a project's own package; return the name of its world."""
    files = sorted(source.glob("*.wit"))
    texts = [path.read_text(encoding="utf-8") for path in files]
    packages = [found for text in texts if (found := _PACKAGE.search(text))]
    worlds = [found[1] for text in texts if (found := _WORLD.search(text))]
    if not packages or not worlds:
        return None
    target.mkdir(parents=True)
    for path in files:
        shutil.copy2(path, target)
    return f"{packages[0][1]}/{worlds[0]}{packages[0][2] or ''}"
