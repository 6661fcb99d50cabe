"""Read a list of components, and the lock that holds it to what was seen before.

`components.toml` names each component and its source. `components.lock`, beside it, adds for each
the pin, the digest over every file, and the fingerprint of the signer: from the same list, the lock
gives the same bytes on every host, or an error that names the component. A path in the list is
relative to the list.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from .._home.configuration import write_toml
from .._packages.component_name import is_component_name
from .._packages.package import Package, write_whole
from .._toml.documents import NotToml, parse_toml, read_toml_text
from .._toml.positions import line_of, scan_positions
from ..errors import ComponentsInvalid, LockMismatch, LockMissing, ManifestProblem, WrongPackage
from .finding import kind_of

__all__ = (
    "LockedComponent",
    "find_locked",
    "located",
    "lock_file_of",
    "read_components",
    "read_lock",
    "write_lock",
)

_TABLE = "components"
_NO_LIST = "write the list (docs/sources.md shows one), or pass its path: --file FILE"
_HEAD = "# Written by `airswasm lock`. Commit it beside the list.\n"


@dataclass(frozen=True, slots=True)
class LockedComponent:
    """The bytes that a component had when it was locked.

    Attributes:
        source: Its source as the list has it, without secrets.
        pin: The source's name for exactly these bytes: a commit, a digest; empty for a path.
        digest: The SHA-256 over every path and every byte of the package.
        signer: The fingerprint of its owner's key; empty if it is unsigned.
    """

    source: str
    pin: str
    digest: str
    signer: str

    @classmethod
    def of(cls, package: Package, source: str) -> LockedComponent:
        """Return the lock of a package from a source."""
        signer = package.signer.fingerprint if package.signer is not None else ""
        return cls(source, package.pin, package.digest, signer)

    def check(self, name: str, package: Package) -> None:
        """Compare a package with the lock.

        Raises:
            WrongPackage: It is the package of another component.
            LockMismatch: It differs; the error names the component and the first difference.
        """
        if package.name != name:
            raise WrongPackage(name, package.name, where=package.source)
        found = LockedComponent.of(package, self.source)
        for part in ("signer", "digest"):
            if getattr(self, part) != getattr(found, part):
                locked, now = getattr(self, part) or "none", getattr(found, part) or "none"
                raise LockMismatch(name, part, locked, now)


def lock_file_of(file: Path) -> Path:
    """Return the place of a list's lock: `components.lock` for `components.toml`."""
    return file.with_suffix(".lock")


def read_components(file: Path) -> Mapping[str, str]:
    """Return the source of each component of a list, by name.

    Raises:
        ComponentsInvalid: It is no list; the error has every problem with its line.
    """
    text, table = _read(file)
    problems: list[ManifestProblem] = []
    found: dict[str, str] = {}
    positions = scan_positions(text)
    for name, source in table.items():
        line = line_of(positions, (_TABLE, name))
        if not is_component_name(name):
            problem = 'is no component; write "namespace/name" = "SOURCE"'
        elif not isinstance(source, str) or not source or source == "-":
            problem = "its source is a text, and not standard input"
        else:
            found[name] = source
            continue
        problems.append(ManifestProblem(str(file), line, f"{_TABLE}.{name}", problem))
    if problems or not found:
        empty = ManifestProblem(str(file), 1, _TABLE, "names no component")
        raise ComponentsInvalid(str(file), problems or [empty])
    return found


def read_lock(file: Path) -> Mapping[str, LockedComponent]:
    """Return what a lock holds, by name; nothing if there is none.

    Raises:
        ComponentsInvalid: It is no lock.
    """
    if not file.exists():
        return {}
    _, table = _read(file)
    keys = ("source", "pin", "digest", "signer")
    found: dict[str, LockedComponent] = {}
    for name, entry in table.items():
        values = cast("Mapping[str, object]", entry if isinstance(entry, dict) else {})
        if set(values) != set(keys) or not all(isinstance(each, str) for each in values.values()):
            problem = f"has not exactly the keys {', '.join(keys)}"
            raise ComponentsInvalid(str(file), [ManifestProblem(str(file), 1, name, problem)])
        found[name] = LockedComponent(*(str(values[key]) for key in keys))
    return found


def write_lock(file: Path, locked: Mapping[str, LockedComponent]) -> None:
    """Write a lock, whole or not at all.

    Raises:
        HomeUnusable: The file is not writable.
    """
    lines = "".join(
        f"\n{write_toml(name)} = {write_toml(each)}\n" for name, each in sorted(locked.items())
    )
    write_whole(file, f"{_HEAD}[{_TABLE}]\n{lines}".encode())


def find_locked(
    name: str, source: str, locked: Mapping[str, LockedComponent], file: Path
) -> LockedComponent:
    """Return the lock of a component from this source.

    Raises:
        LockMissing: There is none, or it is for another source.
    """
    found = locked.get(name)
    if found is None or found.source != source:
        raise LockMissing(name, str(file), found.source if found is not None else "", source)
    return found


def _read(file: Path) -> tuple[str, Mapping[str, object]]:
    try:
        text = read_toml_text(file)
        document = parse_toml(text)
    except NotToml as error:
        raise ComponentsInvalid(
            str(file), [ManifestProblem(str(file), error.line, "syntax", error.reason)]
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        problem = ManifestProblem(str(file), 1, "file", f"cannot be read: {reason}")
        hint = _NO_LIST if isinstance(error, FileNotFoundError) else ""
        raise ComponentsInvalid(str(file), [problem], hint=hint) from error
    table = document.get(_TABLE)
    others = sorted(set(document) - {_TABLE})
    if others or not isinstance(table, dict):
        problem = ManifestProblem(
            str(file), line_of(scan_positions(text), (others[0],)) if others else 1,
            others[0] if others else _TABLE, f"a list has the table [{_TABLE}], and no other",
        )  # fmt: skip
        raise ComponentsInvalid(str(file), [problem])
    return text, cast("Mapping[str, object]", table)


def located(file: Path, source: str) -> str:
    """Return a source of a list as this process finds it: a path is relative to the list."""
    if kind_of(source) != "path":
        return source
    return os.fspath(file.resolve().parent / source)
