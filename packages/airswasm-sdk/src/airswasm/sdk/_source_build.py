"""Build a component from the files of a source: a stranger's build, confined.

The files are written into a new folder, which is all that the build sees of them and all that it
may change. Nothing runs before `run`: a caller shows `commands` first, and asks. The result is an
unsigned package, whatever signature was among the files: that is of other bytes.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from airswasm.lifecycle import MANIFEST_NAME, FetchedTree, Manifest, Package, WrongPackage

from ._build import BuildProgress, build_project, steps_of
from ._confinement import (
    BuildLimits,
    Confinement,
    explain_missing,
    find_program,
    missing_protections,
)
from ._toolchain import BuildPlan
from .errors import BuildNotConfined, ToolMissing

__all__ = ("SourceBuild", "building_from")


_LIMITS = BuildLimits()
_PREFIX = "airswasm-build-"
_LEFT_FOR = 24 * 3600.0
"""Seconds after which a folder belongs to a build that was killed: none may take as long."""


@dataclass(frozen=True, slots=True)
class SourceBuild:
    """A build that can begin.

    Attributes:
        tree: The files, and where they came from.
        folder: The project's copy.
        manifest: Its manifest.
        commands: The command lines that `run` is going to run, in order.
        is_own_program: Whether the manifest names the command, so that a program of the package's
            choice runs, and not only a compiler.
        missing: The protections that this platform does not give; see `missing_protections`.
        limits: What each step may take.
    """

    tree: FetchedTree
    folder: Path
    manifest: Manifest
    commands: tuple[str, ...]
    is_own_program: bool
    missing: tuple[str, ...]
    limits: BuildLimits

    @property
    def unconfined(self) -> str:
        """The reach of the build where protections are missing; empty where none is."""
        return explain_missing(self.missing)

    def run(self, progress: Callable[[BuildProgress], None] | None = None) -> Package:
        """Build, and return the unsigned package.

        Raises:
            BuildFailed, BuildTimedOut, BuildTooLarge, ToolMissing, ArtifactMissing: The build
                failed; the errors have the places in the sources, where a tool names them.
            ContractViolation, LifecycleError: It made no valid component or package.
        """
        confinement = Confinement(self.folder.parent, self.limits, self.missing)
        build_project(self.folder, progress, confinement=confinement)
        package = Package.read(self.folder, signature="ignored")
        promised = f"{self.manifest.name} {self.manifest.version}"
        if f"{package.name} {package.version}" != promised:  # the build has changed its manifest
            made = f"{package.name} {package.version}"
            raise WrongPackage(promised, made, where=self.tree.source)
        return package


@contextmanager
def building_from(tree: FetchedTree, limits: BuildLimits = _LIMITS) -> Generator[SourceBuild]:
    """Prepare a build from the files of a source; at the end of the block, nothing of it is left.

    Args:
        tree: The files.
        limits: What each step may take.

    Raises:
        BuildNotConfined: The platform lacks a protection, and `limits` insist on it.
        ManifestInvalid, LanguageNotSupported, ToolMissing, NotAProject: It cannot be built here.
        OSError: The files cannot be written.
    """
    _remove_leftovers()
    scratch = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    try:
        folder = scratch / "project"
        for name, file in tree.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            path.chmod(0o755 if file.is_executable else 0o644)
        missing = missing_protections()
        if missing and not limits.unconfined:
            raise BuildNotConfined(missing, explain_missing(missing))
        manifest = Manifest.load(folder / MANIFEST_NAME, is_strict=False)
        plan = BuildPlan(folder, folder / "component.wasm", folder)
        steps = steps_of(manifest, plan)
        if manifest.build.command:
            _check_program(steps[0].arguments[0], folder)
        yield SourceBuild(
            tree, folder, manifest,
            tuple(shlex.join(each.arguments) for each in steps if each.arguments),
            bool(manifest.build.command), missing, limits,
        )  # fmt: skip
    finally:
        _remove(scratch)


def _check_program(program: str, folder: Path) -> None:
    """Name a tool that is missing before a person is asked about it."""
    is_there = (folder / program).is_file() if os.sep in program else find_program(program)
    if not is_there:
        raise ToolMissing(program, needed_for="this component: its [build] command names it")


def _remove_leftovers() -> None:
    """Remove the folders of builds whose command was killed."""
    for each in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            found = each.lstat()
        except OSError:
            continue
        is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == getattr(os, "getuid", int)()
        if is_own and time.time() - found.st_mtime > _LEFT_FOR:
            _remove(each)


def _remove(folder: Path) -> None:
    """Remove a folder that its owner may not enter any more: a build chose the modes in it."""
    with suppress(OSError):
        folder.chmod(stat.S_IRWXU)
    for where, folders, _ in os.walk(folder):
        for each in folders:
            path = Path(where) / each
            if not path.is_symlink():
                path.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
