"""Change one key of config.toml; comments stay, and a wrong value changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import tomlkit
from airswasm.security import AuditLog, AuditSink
from airswasm.wit import Blocks
from tomlkit.items import InlineTable

from .._gates.settings import UpdateSettings, gate_problems
from .._home.configuration import Configuration, Setting, value_of
from .._home.home import Home
from .._home.policy import mode_problems
from .._home.settings_lines import edit_event
from .._packages.package import write_whole
from .._toml.documents import NotToml, parse_toml, read_toml_text
from ..errors import ConfigurationInvalid, HomeUnusable, ManifestProblem

__all__ = ("edit_configuration",)


def edit_configuration(
    home: Path,
    name: str,
    value: str | None,
    *,
    blocks: Blocks | None = None,
    audit: AuditSink | None = None,
) -> Setting | None:
    """Set or remove one setting in a home's config.toml.

    Nothing is written when the value is wrong. Other mistakes of the file stay in it, so that a
    file with two of them can be mended key by key. Variables of the environment still override the
    keys that they set.

    Args:
        home: The home's folder; created if it is missing.
        name: `section.key`; to be removed, also a key of the file that no block knows.
        value: The value as TOML, or as plain text; None removes the key.
        blocks: The blocks whose settings are known; None for all installed ones.
        audit: Records the change before it is made; None opens the home's audit log for it.

    Returns:
        The setting as the file now has it; None for a key that no block knows.

    Raises:
        NoSuchSetting: No installed block has a setting of that name, nor has the file.
        ConfigurationInvalid: The value is wrong, or the file is not TOML.
        HomeUnusable: The file is not writable.
        AuditError: The change cannot be recorded, so the file is unchanged.
    """
    blocks = blocks or Blocks.find()
    file = Home(home).config_file
    document = _document(file)
    section, _, key = name.partition(".")
    if value is not None or key not in _table(document, section):
        Configuration.parse("", blocks).setting(name)  # it is a name that some block knows
    kept = {(each.key, each.text) for each in _problems(document, blocks, file)}
    if value is None:
        _remove(document, section, key)
        alone: dict[str, object] = {}
    else:
        if not isinstance(document.get(section), Mapping):
            document[section] = tomlkit.table()
        _table(document, section)[key] = value_of(value)
        alone = {section: {key: value_of(value)}}
    problems = _problems(document, blocks, file)
    if problems:  # those of this value, and not those that the file had before
        mine = [each for each in problems if (each.key, each.text) not in kept]
        mine = [*_problems(alone, blocks, file)] or mine
        if mine:
            raise ConfigurationInvalid(str(file), [_unwritten(each, name) for each in mine])
    written = tomlkit.dumps(alone if problems else document)
    after = Configuration.parse(written, blocks, file=str(file)).find(name)
    Home(home).create()
    event = edit_event(name, after, is_set=value is not None)
    if audit is not None:
        audit.record(event)
    else:
        with AuditLog(Home(home).audit_log) as log:
            log.record(event)
    try:
        write_whole(file, tomlkit.dumps(document).encode())
    except OSError as error:
        raise HomeUnusable(str(file), f"cannot be written: {error.strerror}") from error
    return after


def _table(document: dict[str, object], section: str) -> dict[str, object]:
    table = document.get(section)
    return cast("dict[str, object]", table) if isinstance(table, Mapping) else {}


def _remove(document: dict[str, object], section: str, key: str) -> None:
    """Remove a key, and the table that it leaves without a line; a comment is one."""
    table = _table(document, section)
    was_there = table.pop(key, None) is not None
    is_inline = isinstance(table, InlineTable)
    if was_there and not table and (is_inline or not tomlkit.dumps(table).strip()):
        del document[section]


def _problems(
    document: Mapping[str, object], blocks: Blocks, file: Path
) -> Sequence[ManifestProblem]:
    try:
        configuration = Configuration.parse(tomlkit.dumps(document), blocks, file=str(file))
    except ConfigurationInvalid as error:
        return error.problems
    settings = configuration.get(UpdateSettings)
    return [
        *mode_problems(configuration, str(file)),
        *gate_problems(settings, blocks.gates, str(file)),
    ]


def _unwritten(problem: ManifestProblem, name: str) -> ManifestProblem:
    """Name no line of the file for the value that did not get there."""
    is_of_it = f"{problem.key}.".startswith(f"{name}.") or problem.key == name.partition(".")[0]
    return replace(problem, file="", line=0) if is_of_it else problem


def _document(file: Path) -> dict[str, object]:
    try:
        text = read_toml_text(file)
        parse_toml(text)  # it says where a mistake is, and tomlkit takes minutes for some texts
        return tomlkit.parse(text)
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        problem = ManifestProblem(str(file), 1, "file", f"cannot be read: {reason}")
        raise ConfigurationInvalid(str(file), [problem]) from error
    except (ValueError, RecursionError) as error:
        reason, line = (
            (error.reason, error.line) if isinstance(error, NotToml) else (f"not TOML: {error}", 1)
        )
        problem = ManifestProblem(str(file), line, "file", reason)
        raise ConfigurationInvalid(str(file), [problem]) from error
