"""Resolve the command's settings, with the origin of each.

A flag wins over the environment (`AIRSWASM_*`), which wins over `[cli]` in the home's config.toml,
which wins over the default. There are few settings on purpose, and none comes from the current
folder: another author's project must not choose the signing key or the host.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from ..errors import SettingInvalid

__all__ = ("KNOWN", "Setting", "Settings", "default_home", "read_settings")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: Its name in config.toml and, as AIRSWASM_NAME, in the environment.
        value: Its value, as text.
        origin: `flag`, `environment`, a file, or `default`.
        meaning: One line.
    """

    name: str
    value: str
    origin: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one call."""

    home: Path
    key: Path
    timeout: float
    color: str
    all: tuple[Setting, ...]


class _Known(NamedTuple):
    meaning: str
    check: Callable[[str], bool]
    wanted: str
    in_file: bool = True


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < 1e9
    except ValueError:
        return False


_COLORS = ("auto", "always", "never")

KNOWN: Mapping[str, _Known] = {
    "home": _Known("the home's folder", bool, "a folder", in_file=False),
    "key": _Known("the key that `sign` uses", bool, "a file"),
    "timeout": _Known("seconds that `send` waits for a reply", _is_positive, "a number > 0"),
    "color": _Known("auto, always or never", _COLORS.__contains__, "auto, always or never"),
}


def default_home() -> Path:
    """Return the platform's data folder for airswasm."""
    from platformdirs import user_data_path

    return user_data_path("airswasm", appauthor=False)


def read_settings(
    environment: Mapping[str, str],
    *,
    home: Path | None = None,
    use_config: bool = True,
) -> Settings:
    """Resolve every setting.

    Args:
        environment: The process's environment.
        home: The value of --home.
        use_config: False ignores config.toml (--no-config).

    Raises:
        SettingInvalid: A setting's value is invalid; the error names the file or variable.
    """
    home_setting = _home(environment, home)
    folder = Path(home_setting.value)
    table: Mapping[str, object] = _cli_table(folder / "config.toml") if use_config else {}
    defaults = {"key": str(folder / "keys" / "default.pem"), "timeout": "30", "color": "auto"}
    found = {
        name: _resolve(name, environment, table, folder / "config.toml", default)
        for name, default in defaults.items()
    }
    return Settings(
        home=folder,
        key=_absolute(Path(found["key"].value)),
        timeout=float(found["timeout"].value),
        color=found["color"].value,
        all=(home_setting, *found.values()),
    )


def _home(environment: Mapping[str, str], flag: Path | None) -> Setting:
    meaning = KNOWN["home"].meaning
    if flag is not None:
        return Setting("home", str(_absolute(flag)), "flag", meaning)
    if environment.get("AIRSWASM_HOME"):
        folder = _absolute(Path(environment["AIRSWASM_HOME"]))
        return Setting("home", str(folder), "AIRSWASM_HOME", meaning)
    try:
        return Setting("home", str(default_home()), "default", meaning)
    except (RuntimeError, KeyError) as error:  # no HOME, and no entry in the list of users
        hint = "set AIRSWASM_HOME to a folder, or pass --home"
        raise SettingInvalid("home", "this user has no home folder", hint) from error


def _absolute(path: Path) -> Path:
    try:
        expanded = path.expanduser()
    except (RuntimeError, KeyError) as error:
        raise SettingInvalid(
            str(path),
            "there is no such user, or the user has no home folder",
            "write the path without ~",
        ) from error
    try:
        return expanded if expanded.is_absolute() else Path.cwd() / expanded
    except FileNotFoundError as error:
        raise SettingInvalid(
            str(path), "the current folder no longer exists", "change to another folder"
        ) from error


def _resolve(
    name: str,
    environment: Mapping[str, str],
    table: Mapping[str, object],
    file: Path,
    default: str,
) -> Setting:
    variable = f"AIRSWASM_{name.upper()}"
    known = KNOWN[name]
    if environment.get(variable):
        value, origin = environment[variable], variable
    elif name in table:
        value, origin = str(table[name]), f"{file}: [cli] {name}"
    else:
        value, origin = default, "default"
    if not known.check(value):
        raise SettingInvalid(origin, f"expected {known.wanted}, not {value!r}")
    return Setting(name, value, origin, known.meaning)


def _why_closed(home: Path) -> str:
    """Say why this user may not read a home."""
    try:
        owner = home.stat().st_uid
    except OSError:  # a folder above is closed already
        owner = None
    if owner is None or owner == os.geteuid():
        return "cannot be read: Permission denied"
    return f"belongs to user id {owner}, and is closed to you"


def _cli_table(file: Path) -> Mapping[str, object]:
    try:
        file.stat()
        import tomllib  # here, because most homes have no such file

        from airswasm.lifecycle import read_toml_text

        document = tomllib.loads(read_toml_text(file))
    except (FileNotFoundError, NotADirectoryError):
        return {}  # the code that opens the home reports one that is no folder
    except PermissionError as error:
        from airswasm.lifecycle import HomeUnusable

        raise HomeUnusable(str(file.parent), _why_closed(file.parent)) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        raise SettingInvalid(str(file), f"cannot be read: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise SettingInvalid(str(file), f"not TOML: {error}") from error
    table = document.get("cli", {})
    if not isinstance(table, dict):
        raise SettingInvalid(f"{file}: cli", "expected a table")
    for name in cast("Mapping[str, object]", table):
        if name not in KNOWN or not KNOWN[name].in_file:
            raise SettingInvalid(f"{file}: [cli] {name}", f"unknown setting{_did_you_mean(name)}")
    return cast("Mapping[str, object]", table)


def _did_you_mean(name: str) -> str:
    import difflib

    names = [known for known, setting in KNOWN.items() if setting.in_file]
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(names)}"
