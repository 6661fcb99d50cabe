"""Start a project: a folder that builds without further preparation.

The contract's WIT files are copied from the installed `airswasm-wit`, so a project states exactly
the contract that it was written against, and builds without a network. `init` writes a sibling
folder first and renames it: a full disk or Ctrl-C leaves no half project behind.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from airswasm.wit import CONTRACT_VERSION, Blocks

from ._template import find_template
from ._wit_deps import copy_contract, copy_library
from .errors import FolderNotEmpty, FolderNotWritable, InvalidProjectName
from .schema import schema_text

__all__ = ("Project", "init_project")

_SCHEMA_NAME = "component.schema.json"
_PART = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Project:
    """A new project.

    Attributes:
        folder: Its folder.
        name: The component's name, `namespace/name`.
        language: Its language.
        template: Its template.
        files: The files written, relative to the folder.
    """

    folder: Path
    name: str
    language: str
    template: str
    files: tuple[str, ...]


def init_project(
    folder: Path, name: str, language: str = "python", template: str = "counter"
) -> Project:
    """Write a new component project. Needs no network.

    Args:
        folder: The project's folder; created if it is missing, must be empty otherwise.
        name: `name` (in the namespace `local`) or `namespace/name`.
        language: See `languages()`.
        template: See `templates()`, or the path of a folder.

    Raises:
        InvalidProjectName: The name cannot be a component's name.
        LanguageNotSupported: No template has that language.
        TemplateNotFound: The language has no template of that name.
        TemplateUnusable: The folder is no template.
        FolderNotEmpty: The folder is not empty; nothing was written.
        FolderNotWritable: The folder cannot be written; nothing remains.
    """
    namespace, short_name = _split_name(name)
    chosen = find_template(language, template)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderNotEmpty(folder)
    rendered = chosen.render(
        {
            "name": short_name,
            "namespace": namespace,
            "identity": f"{namespace}/{short_name}",
            "template": template,
            "contract": CONTRACT_VERSION,
            **_mode(),
        }
    )
    try:
        _write_at_once(folder, rendered)
    except OSError as error:
        raise FolderNotWritable(folder, error.strerror or str(error)) from error
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return Project(folder, f"{namespace}/{short_name}", chosen.language, template, tuple(files))


def _mode() -> dict[str, str]:
    """Return how a Python component is built here: shared, where there is an interpreter."""
    found = Blocks.find().interpreters.values()
    if any(each.language == "python" for each in found):
        return {"mode": "shared", "suffix": "json"}
    return {"mode": "standalone", "suffix": "wasm"}


def _split_name(name: str) -> tuple[str, str]:
    namespace, slash, short_name = name.rpartition("/")
    if not slash:
        namespace = "local"
    for part in (namespace, short_name):
        if not _PART.fullmatch(part):
            raise InvalidProjectName(name, _why_not(part))
    return namespace, short_name


def _why_not(part: str) -> str:
    if not part:
        return "a part of it is empty"
    if len(part) > 63:
        return f"{part[:20]}… is longer than 63 characters"
    if not re.match("[a-z]", part):
        return f"{part!r} does not start with a lower-case letter"
    return f"{part!r} has other characters than a-z, 0-9 and -"


def _write_at_once(folder: Path, rendered: dict[str, str]) -> None:
    folder = folder.absolute()  # "." has neither a name nor a parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for path, text in rendered.items():
            target = staging / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
        copy_contract(staging)
        copy_library(staging)
        (staging / _SCHEMA_NAME).write_text(schema_text(), encoding="utf-8", newline="\n")
        staging.chmod(0o755)
        if folder.is_dir():
            _fill(folder, staging)
        else:
            staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _fill(folder: Path, staging: Path) -> None:
    """Move what is staged into an empty folder, which stays: it may be the one of a shell."""
    moved: list[Path] = []
    try:
        for entry in sorted(staging.iterdir()):
            entry.rename(folder / entry.name)
            moved.append(folder / entry.name)
    except BaseException:
        for entry in moved:
            entry.rename(staging / entry.name)
        raise
    staging.rmdir()
