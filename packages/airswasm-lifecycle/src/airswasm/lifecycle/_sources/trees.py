"""The sources of a component, as bytes in memory: what a build begins with.

A source gives a tree where it has one: a folder, a folder of a git commit, a zip file of an https
server. Only regular files with plain names are in it; none is written or executed here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from airswasm.security import judge_path

from .._packages.archive import ArchiveLimits, read_archive
from .._packages.manifest import MANIFEST_NAME
from ..errors import PackageInvalid, SourceTooLarge
from .source import Arrived

__all__ = (
    "MOST_TREE_FILES",
    "STDIN",
    "FetchedTree",
    "TreeFile",
    "TreeSource",
    "check_tree",
    "read_folder",
    "read_zip",
)

STDIN = "-"
MOST_TREE_FILES = 10_000
_LEFT_OUT = (".git", "__pycache__", ".venv", "node_modules")
"""Folders that belong to the machine and not to the sources."""


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a tree."""

    content: bytes
    is_executable: bool = False


@dataclass(frozen=True, slots=True)
class FetchedTree:
    """The files of one project, as they came.

    Attributes:
        files: By their paths in the project, with slashes.
        source: Where they came from, in canonical form and without secrets.
        pin: The source's name for exactly these files; empty for a path.
    """

    files: Mapping[str, TreeFile]
    source: str
    pin: str = ""


@runtime_checkable
class TreeSource(Protocol):
    """A `PackageSource` that also gives what a package is built from."""

    async def fetch_tree(self, text: str, arrived: Arrived) -> FetchedTree:
        """Return the project. A cancel leaves nothing behind.

        Raises:
            LifecycleError: It cannot be had; no text of the error holds a secret.
        """
        ...


def check_tree(files: Mapping[str, TreeFile], source: str, most_bytes: int) -> None:
    """Check that files are a project of acceptable size, with names that are safe to write.

    Raises:
        PackageInvalid: It has no manifest, or a name is not safe.
        SourceTooLarge: It is larger than allowed.
    """
    if len(files) > MOST_TREE_FILES:
        raise SourceTooLarge(source, "a project", f"{MOST_TREE_FILES:,} files")
    if sum(len(each.content) for each in files.values()) > most_bytes:
        raise SourceTooLarge(source, "sources.most_bytes", f"{most_bytes:,} bytes")
    folded: dict[str, str] = {}
    for path in files:
        problem = judge_path(path)
        twin = folded.setdefault(path.casefold(), path)
        if problem or twin != path:
            raise PackageInvalid(source, problem or f"has a twin in {twin}", member=path)
    if MANIFEST_NAME not in files:
        raise PackageInvalid(source, f"is no project: it has no {MANIFEST_NAME}", is_there=False)


def read_folder(text: str, most_bytes: int) -> Mapping[str, TreeFile]:
    """Return the regular files of a folder; what links lead to is left out.

    Raises:
        PackageInvalid: It cannot be read.
        SourceTooLarge: It is larger than allowed.
    """
    folder = Path(text)
    if text == STDIN or not folder.is_dir():
        raise PackageInvalid(
            text,
            "is no folder of a project",
            hint="name the folder that has its Component.toml, a git repository, or a zip file of "
            "an https server (docs/sources.md)",
        )
    files: dict[str, TreeFile] = {}
    total = 0
    try:
        for path in _regular_files(folder):
            status = path.stat()
            total += status.st_size
            if total > most_bytes or len(files) >= MOST_TREE_FILES:
                allowed = f"{most_bytes:,} bytes and {MOST_TREE_FILES:,} files"
                raise SourceTooLarge(str(folder), "sources.most_bytes", allowed)
            name = path.relative_to(folder).as_posix()
            files[name] = TreeFile(path.read_bytes(), bool(status.st_mode & stat.S_IXUSR))
    except OSError as error:
        raise PackageInvalid(str(folder), f"cannot be read: {error.strerror}") from error
    return files


def _regular_files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(each for each in folders if each not in _LEFT_OUT)
        for name in sorted(names):
            path = Path(where) / name
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _raise(error: OSError) -> None:
    raise error


def read_zip(content: bytes, source: str, most_bytes: int) -> Mapping[str, TreeFile]:
    """Return the files of a zip file, without the one folder that all of them may lie in.

    Raises:
        PackageInvalid: It is damaged, ambiguous or unsafe.
    """
    limits = ArchiveLimits(members=MOST_TREE_FILES, total_bytes=most_bytes)
    members = read_archive(content, source, limits)
    tops = {name.partition("/")[0] for name in members}
    prefix = f"{tops.pop()}/" if len(tops) == 1 and MANIFEST_NAME not in members else ""
    return {name.removeprefix(prefix): TreeFile(data) for name, data in members.items()}
