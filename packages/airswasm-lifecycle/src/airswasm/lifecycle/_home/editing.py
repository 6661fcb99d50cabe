"""Change one key of config.toml; comments stay, and a wrong value changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import tomlkit
from airswasm.wit import Blocks

from .._packages.package import write_whole
from ..errors import ConfigurationInvalid, HomeUnusable, ManifestProblem
from .configuration import Configuration, Setting, value_of
from .home import Home

__all__ = ("edit_configuration",)


def edit_configuration(
    home: Path, name: str, value: str | None, *, blocks: Blocks | None = None
) -> Setting:
    """Set or remove one setting in a home's config.toml.

    This validates the whole file before it writes any of it. Variables of the environment still
    override the keys that they set.

    Args:
        home: The home's folder; created if it is missing.
        name: `section.key`.
        value: The value as TOML, or as plain text; None removes the key.
        blocks: The blocks whose settings are known; None for all installed ones.

    Returns:
        The setting as the file now has it.

    Raises:
        NoSuchSetting: No installed block has a setting of that name.
        ConfigurationInvalid: The value, or another part of the file, is wrong.
        HomeUnusable: The file is not writable.
    """
    blocks = blocks or Blocks.find()
    file = Home(home).config_file
    before = Configuration.load(file, blocks).setting(name)
    document = _document(file)
    table: object = document.get(before.section)
    if value is None:
        if isinstance(table, Mapping):
            cast("dict[str, object]", table).pop(before.key, None)
    else:
        if not isinstance(table, Mapping):
            document[before.section] = tomlkit.table()
        cast("dict[str, object]", document[before.section])[before.key] = value_of(value)
    text = tomlkit.dumps(document)
    try:
        after = Configuration.parse(text, blocks, file=str(file)).setting(name)
    except ConfigurationInvalid as error:
        raise ConfigurationInvalid(
            error.file, [_unwritten(each, name) for each in error.problems]
        ) from None
    Home(home).create()
    try:
        write_whole(file, text.encode())
    except OSError as error:
        raise HomeUnusable(str(file), f"cannot be written: {error.strerror}") from error
    return after


def _unwritten(problem: ManifestProblem, name: str) -> ManifestProblem:
    """Name no line of the file for the value that did not get there."""
    is_new = f"{problem.key}.".startswith(f"{name}.")
    return replace(problem, file="", line=0) if is_new else problem


def _document(file: Path) -> dict[str, object]:
    try:
        return tomlkit.parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except OSError as error:
        problem = ManifestProblem(str(file), 1, "file", f"cannot be read: {error.strerror}")
        raise ConfigurationInvalid(str(file), [problem]) from error
