"""Build a component: run the toolchain, check the result, put it in place.

The artifact appears, or changes, by one rename, after every step and the check against the contract
have passed: a failed build leaves the last good artifact in place. The check is the one of
`install`, so a contract violation shows here, where the author can still correct it.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from airswasm.lifecycle import MANIFEST_NAME, Manifest, SourceIndex, check_artifact
from airswasm.security import Kinds
from airswasm.wit import Blocks, ContractReport

from ._asking import lines_to_add, unasked_capabilities, world_of
from ._confinement import Confinement
from ._languages.known import LANGUAGES, toolchain_of
from ._requirements import unpack_requirements
from ._shared import build_index, find_interpreter, python_of
from ._tool import run_tool
from ._toolchain import BuildPlan, Step, describe_step, uses_library
from ._wit_deps import add_wit_packages
from .errors import (
    ArtifactInTheWay,
    ArtifactMissing,
    BuildFailed,
    FolderNotWritable,
    LanguageNotSupported,
    NotAProject,
)

__all__ = ("Artifact", "BuildProgress", "build_project", "steps_of")

_LOOK = 0.5
"""Seconds between two looks at the size of a confined build."""

_PREFIX = ".build-"
_LEFT_FOR = 24 * 3600.0
"""Seconds after which a folder belongs to a build that was killed."""


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """The progress of a build; sent a few times a second.

    Attributes:
        step: `compile`, `check`, …
        number: The number of the step, from 1.
        steps: The number of all steps.
        seconds: Duration of this step so far.
        command: The step's command line; empty for the sdk's own steps.
    """

    step: str
    number: int
    steps: int
    seconds: float
    command: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A built component that meets the contract.

    Attributes:
        path: The wasm file, or the index of its sources.
        name: The component's name.
        version: Its version.
        size_bytes: Its size; that of all files of an index.
        seconds: Duration of the build.
        report: Its imports and exports, and the capabilities that they need.
        unasked: The capabilities that it needs and for which the manifest does not ask, or not
            for all of it: a call that needs one is refused.
        lines: For each of them the line of `[capabilities]` that asks for it. Of a Python class,
            the line has all that the class declares.
    """

    path: Path
    name: str
    version: str
    size_bytes: int
    seconds: float
    report: ContractReport
    unasked: tuple[str, ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict[str, str])


def build_project(
    folder: Path,
    progress: Callable[[BuildProgress], None] | None = None,
    *,
    timeout: float = 600.0,
    confinement: Confinement | None = None,
    debug: bool = False,
) -> Artifact:
    """Build the component of a project at the path that `[build] artifact` names.

    Args:
        folder: The project's folder, with its Component.toml.
        progress: Called with each step, and during it.
        timeout: Seconds that one step may take.
        confinement: Confines the tools to a folder that the project lies in.
        debug: Keeps names and line tables, so that a trap shows the functions of the source.

    Raises:
        ManifestInvalid: Component.toml is wrong; the error lists every problem.
        NotAProject: The folder lacks a manifest, or the language's sources.
        LanguageNotSupported: The language has no toolchain, and the manifest no `[build] command`.
        ToolMissing, ToolTooOld: A tool is not installed, or too old; the error has the command
            that installs it.
        FolderNotWritable: The project's folder cannot be written.
        BuildFailed: A tool refused the sources; the error has file and line.
        BuildTimedOut: A step took longer than `timeout`.
        ArtifactInTheWay: A file that no build writes lies at the artifact's path.
        NotShareable: A Python project asks for what the shared interpreter has not.
        RequirementUnusable: A package that it requires is not pure Python.
        LockUnusable: A package that it requires is not the one that was locked.
        ArtifactMissing: `[build] command` wrote nothing at the artifact's path.
        ContractViolation: The component does not meet the contract; the error lists every problem.
    """
    if not (folder / MANIFEST_NAME).is_file():
        raise NotAProject(folder, MANIFEST_NAME)
    blocks = Blocks.find()
    kinds = Kinds(blocks.capabilities.values())
    manifest = Manifest.load(folder / MANIFEST_NAME, kinds=kinds, is_strict=False)
    started = time.monotonic()
    target = folder / manifest.build.artifact
    if not _is_artifact(target):
        raise ArtifactInTheWay(target)
    with _scratch_beside(target, folder) as scratch:
        with _writing(folder):
            add_wit_packages(folder, blocks)
        plan = BuildPlan(folder.resolve(), scratch / "component.wasm", scratch, debug)
        run = partial(_run_step, progress=progress or _silent, timeout=timeout, plan=plan,
                      confinement=confinement)  # fmt: skip
        collect = partial(_collect, manifest, plan, progress or _silent, blocks)
        packages = _packages(manifest, plan, blocks, is_offline=confinement is not None)
        report = _run_all(
            manifest, plan, target, progress or _silent, blocks, run, collect, packages
        )
        if plan.output.is_file():
            plan.output.replace(target)
        _keep_bindings(plan)
        unasked = unasked_capabilities(manifest, report, world_of(folder))
        lines = lines_to_add(unasked, scratch / "world.json", manifest, kinds)
    return Artifact(
        path=target,
        name=manifest.name,
        version=manifest.version,
        size_bytes=_size(folder, target),
        seconds=time.monotonic() - started,
        report=report,
        unasked=tuple(lines),
        lines=lines,
    )


@contextmanager
def _writing(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise FolderNotWritable(folder, error.strerror or str(error)) from error


@contextmanager
def _scratch_beside(target: Path, folder: Path) -> Generator[Path]:
    """Make a folder on the file system of the artifact; remove it, and those of killed builds."""
    with ExitStack() as stack:
        with _writing(folder):
            target.parent.mkdir(parents=True, exist_ok=True)
            for each in target.parent.glob(f"{_PREFIX}*"):
                if time.time() - each.lstat().st_mtime > _LEFT_FOR:
                    shutil.rmtree(each, ignore_errors=True)
            made = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=target.parent)
            scratch = stack.enter_context(made)
        yield Path(scratch).resolve()


def _is_artifact(target: Path) -> bool:
    """Whether a build may write there: on nothing, on an empty file, or on an artifact."""
    if not target.is_file():
        return not target.exists()
    with target.open("rb") as file:
        head = file.read(64)
    return head[:4] in (b"", b"\0asm") or SourceIndex.is_index(head)


def _size(folder: Path, target: Path) -> int:
    content = target.read_bytes()
    if not SourceIndex.is_index(content):
        return len(content)
    files = SourceIndex.parse(content, str(target)).files.values()
    return len(content) + sum((folder / each.path).stat().st_size for each in files)


def _collect(
    manifest: Manifest,
    plan: BuildPlan,
    progress: Callable[[BuildProgress], None],
    blocks: Blocks,
    number: int,
) -> None:
    """Collect the sources of a shared Python component, and write their index."""
    progress(BuildProgress("collect", number, number + 1, 0.0))
    described = plan.scratch if uses_library(plan.folder) else None
    index = build_index(plan.folder, manifest, blocks, (plan.libraries,), described=described)
    plan.output.write_bytes(index.to_bytes())


def _packages(
    manifest: Manifest, plan: BuildPlan, blocks: Blocks, *, is_offline: bool
) -> tuple[Step, ...]:
    """Return the step that unpacks what a shared Python component requires.

    It is the first: app.py, which imports the packages, is imported by the next.
    """
    if not (_is_shared(manifest) and manifest.python.requires):
        return ()

    def unpack() -> None:
        plan.libraries.mkdir()
        python = python_of(find_interpreter(blocks))
        unpack_requirements(
            plan.folder, manifest.python.requires, python, plan.libraries, is_offline=is_offline
        )

    return (Step("packages", "pip", action=unpack),)


def _run_all(
    manifest: Manifest,
    plan: BuildPlan,
    target: Path,
    progress: Callable[[BuildProgress], None],
    blocks: Blocks,
    run: Callable[[Step, int, int], None],
    collect: Callable[[int], None],
    packages: Sequence[Step],
) -> ContractReport:
    steps = (*packages, *steps_of(manifest, plan))
    last = len(steps) + 1 + _is_shared(manifest)
    for number, step in enumerate(steps, start=1):
        if step.action is None:
            run(step, number, last)
        else:
            progress(BuildProgress(step.title, number, last, 0.0))
            step.action()
    if _is_shared(manifest):
        collect(last - 1)
    produced = plan.output if plan.output.is_file() else target
    if not produced.is_file() or not produced.resolve().is_relative_to(plan.folder):
        raise ArtifactMissing(Path(manifest.build.artifact))
    progress(BuildProgress("check", last, last, 0.0))
    offered = {*blocks.interfaces, *blocks.contract.host_interfaces}
    artifact = produced.read_bytes()
    report = check_artifact(artifact, offered=offered, against=blocks.contract)
    report.raise_for_problems()
    return report


def _is_shared(manifest: Manifest) -> bool:
    build = manifest.build
    return build.language == "python" and build.mode == "shared" and not build.command


def steps_of(manifest: Manifest, plan: BuildPlan) -> Sequence[Step]:
    """Return the commands of a build, in order; a shared Python component needs none.

    Raises:
        LanguageNotSupported, ToolMissing, ToolTooOld, NotAProject: There is no way to build it
            here.
    """
    command = manifest.build.command
    if command:
        words = tuple(shlex.split(command[0])) if len(command) == 1 else command
        return (Step("command", words[0], words),)
    if _is_shared(manifest):
        return (describe_step(plan, is_shared=True),) if uses_library(plan.folder) else ()
    toolchain = toolchain_of(manifest.build.language)
    if toolchain is None:
        raise LanguageNotSupported(manifest.build.language, LANGUAGES, nearest=None)
    return toolchain.steps(plan)


def _run_step(
    step: Step,
    number: int,
    steps: int,
    *,
    plan: BuildPlan,
    progress: Callable[[BuildProgress], None],
    timeout: float,
    confinement: Confinement | None,
) -> None:
    command = shlex.join(step.arguments)
    looked_at = 0.0

    def tick(seconds: float) -> None:
        nonlocal looked_at
        progress(BuildProgress(step.title, number, steps, seconds, command))
        if confinement is not None and seconds - looked_at > _LOOK:
            confinement.check_size()
            looked_at = seconds

    arguments: Sequence[str] = step.arguments
    if confinement is not None:
        arguments = confinement.command(arguments, step.environment)
        timeout = confinement.limits.seconds
    try:
        ended = run_tool(step.tool, arguments, folder=plan.folder, timeout=timeout, tick=tick,
                         environment=step.environment)  # fmt: skip
    except OSError as error:
        raise BuildFailed(step.tool, 127, (), f"{step.arguments[0]}: {error.strerror}") from error
    if ended.exit_code != 0:
        found = step.read_output(ended.output, plan.folder)
        raise BuildFailed(
            step.tool, ended.exit_code, found, ended.output, is_confined=confinement is not None
        )


def _keep_bindings(plan: BuildPlan) -> None:
    generated, kept = plan.scratch / "bindings", plan.folder / "bindings"
    if generated.is_dir():
        shutil.rmtree(kept, ignore_errors=True)
        generated.replace(kept)


def _silent(_progress: BuildProgress) -> None:
    return None
