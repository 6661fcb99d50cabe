"""Errors in writing, building and packing a component.

Every error of the one tree has the fields that a program needs to react (`tool`, `command`,
`diagnostics`), beside the sentence for people. This block does not wrap the errors of the blocks
below: a broken manifest raises lifecycle's error, a contract violation the wit block's, and both
pass through unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from airswasm.component import testing
from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

from ._diagnostic import Diagnostic

__all__ = (
    "ArtifactInTheWay",
    "ArtifactMissing",
    "BuildFailed",
    "BuildNotConfined",
    "BuildTimedOut",
    "BuildTooLarge",
    "ComponentRefused",
    "FolderNotEmpty",
    "FolderNotWritable",
    "InvalidProjectName",
    "LanguageNotSupported",
    "LockUnusable",
    "NoStrategy",
    "NotAProject",
    "NotShareable",
    "RequirementUnusable",
    "SdkError",
    "TemplateNotFound",
    "TemplateUnusable",
    "ToolMissing",
    "ToolTooOld",
)

_ERROR = re.compile(r"(?i)(?:^|\s)error(?:\[\w+\])?:\s")
"""Not an exception's name: the last line of a traceback tells more than those before it."""
_CAUSES = "Caused by:"
_MORE_TIME = (
    "allow more time: --timeout of `airswasm build`, `airswasm config set builds.seconds` for a "
    "build from source"
)
_CONFINED = "a build from source has no network, and writes only into its own folder"


class SdkError(AirswasmError):
    """Base of everything that this block raises.

    Attributes:
        code: Stable, for `airswasm explain` and for programs.
        message: What happened, and where.
        hint: The next step to take, one sentence, possibly empty.
    """

    explanation = ErrorCode(
        "E0900",
        "sdk problem",
        "The sdk failed without a code of its own.",
        "read the message; -vv shows the place of the failure",
    )

    code: str = "E0900"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidProjectName(SdkError):
    """The name cannot be a component's name."""

    explanation = ErrorCode(
        "E0901",
        "wrong name",
        "The name cannot be a component's name.",
        "use `name` or `namespace/name`, of a-z, 0-9 and -",
        ExitStatus.USAGE,
    )

    code = "E0901"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name!r} cannot be a component's name: {reason}",
            hint="use `name` or `namespace/name`, each like [a-z][a-z0-9-]*, at most 63 characters",
        )
        self.name = name
        self.reason = reason


class FolderNotEmpty(SdkError):
    """The project would overwrite existing files."""

    explanation = ErrorCode(
        "E0902",
        "folder not empty",
        "The project would overwrite existing files.",
        "choose another name or --folder",
    )

    code = "E0902"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"the folder {folder} exists and is not empty: nothing was written",
            hint="choose another name, or another folder with --folder",
        )
        self.folder = folder


class FolderNotWritable(SdkError):
    """A project's folder cannot be written; nothing in it was changed.

    Attributes:
        folder: The folder.
        reason: The system's reason.
    """

    explanation = ErrorCode(
        "E0906",
        "folder not writable",
        "A project's folder cannot be written, so that nothing was started or built.",
        "change the folder's permissions, or copy the project to a folder of yours",
    )

    code = "E0906"

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"the folder {folder} cannot be written: {reason}",
            hint="change its permissions, or work in a folder of yours",
        )
        self.folder = folder
        self.reason = reason


class LanguageNotSupported(SdkError):
    """The language has no toolchain."""

    explanation = ErrorCode(
        "E0903",
        "language without toolchain",
        "airswasm cannot build that language by itself.",
        "choose python, c, rust, go or javascript, or set [build] command in Component.toml",
        ExitStatus.USAGE,
    )

    code = "E0903"

    def __init__(self, language: str, supported: Sequence[str], *, nearest: str | None) -> None:
        super().__init__(
            f"no toolchain for the language {language!r}: there are {', '.join(supported)}",
            hint=f"did you mean {nearest!r}?"
            if nearest
            else "or set [build] command in Component.toml to build with a tool of your own",
        )
        self.language = language
        self.supported = tuple(supported)


class TemplateNotFound(SdkError):
    """The language has no template of that name."""

    explanation = ErrorCode(
        "E0904",
        "no such template",
        "The language has no template of that name.",
        "`airswasm init --templates` lists them",
        ExitStatus.USAGE,
    )

    code = "E0904"

    def __init__(
        self, language: str, template: str, available: Sequence[str], *, nearest: str | None
    ) -> None:
        super().__init__(
            f"no template {template!r} for {language}: there are {', '.join(available)}",
            hint=f"did you mean {nearest!r}?" if nearest else "",
        )
        self.language = language
        self.template = template
        self.available = tuple(available)


class TemplateUnusable(SdkError):
    """A template of the author's own cannot be used.

    Attributes:
        folder: The template's folder.
        reason: What is wrong with it.
    """

    explanation = ErrorCode(
        "E0907",
        "template not usable",
        "The folder that --template names is no template.",
        "name a folder with a Component.toml or Component.toml.in, and texts in UTF-8",
        ExitStatus.USAGE,
    )

    code = "E0907"

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"the template {folder} cannot be used: {reason}",
            hint="`airswasm init --templates` lists those that come with airswasm",
        )
        self.folder = folder
        self.reason = reason


class NotAProject(SdkError):
    """The folder lacks a part of a project of its language."""

    explanation = ErrorCode(
        "E0905",
        "not a project",
        "The folder lacks a part of a component's project.",
        "run it in a project's folder, or create one: airswasm init NAME",
        ExitStatus.NOT_FOUND,
    )

    code = "E0905"

    def __init__(self, folder: Path, missing: str, *, hint: str = "") -> None:
        super().__init__(
            f"{folder} has no {missing}",
            hint=hint
            or "run this in a component's folder, or create one with `airswasm init NAME`",
        )
        self.folder = folder
        self.missing = missing


class ToolMissing(SdkError):
    """A build tool is not installed.

    Attributes:
        tool: The tool's name.
        install_command: The command that installs it into this Python environment; empty if that
            is not known.
    """

    explanation = ErrorCode(
        "E0910",
        "build tool missing",
        "A tool that the language needs is not installed.",
        "install it with the command that the message names",
    )

    code = "E0910"

    def __init__(self, tool: str, install_command: str = "", *, needed_for: str) -> None:
        super().__init__(
            f"{tool} is not installed, and building {needed_for} needs it",
            hint=f"install it with: {install_command}"
            if install_command
            else f"install {tool}, and put it on PATH",
        )
        self.tool = tool
        self.install_command = install_command


class NotShareable(SdkError):
    """A Python project asks for what the shared interpreter has not.

    Attributes:
        what: The part of the project.
        reason: Why it does not fit.
    """

    explanation = ErrorCode(
        "E0720",
        "not for the shared interpreter",
        'All Python components that are built with `mode = "shared"` run in one interpreter, '
        "which has the interfaces of the contract and the standard library, and needs memory for "
        "them.",
        "change what the message names, or build the component with its own interpreter: `mode = "
        '"standalone"` under [build] of Component.toml',
    )

    code = "E0720"

    def __init__(self, what: str, reason: str, hint: str) -> None:
        super().__init__(f"{what}: {reason}", hint=hint)
        self.what, self.reason = what, reason


class RequirementUnusable(SdkError):
    """A package that `[python] requires` names cannot be part of a component.

    Attributes:
        requirement: The package.
        reason: Why it cannot.
    """

    explanation = ErrorCode(
        "E0721",
        "requirement unusable",
        "The shared interpreter runs Python and no native code: each package, and each that it "
        "needs, must have a wheel for any platform (`py3-none-any`).",
        "name a package of pure Python, or an older version that is one, under [python] of "
        "Component.toml",
    )

    code = "E0721"

    def __init__(self, requirement: str, reason: str, *, hint: str = "") -> None:
        super().__init__(
            f"{requirement}: {reason}",
            hint=hint
            or "name a package that has a wheel for any platform (py3-none-any); native code "
            "does not run in a component",
        )
        self.requirement, self.reason = requirement, reason


class LockUnusable(SdkError):
    """The lock of a Python project is damaged, or a package is not the one that was locked.

    Attributes:
        file: The lock.
        reason: What is wrong.
    """

    explanation = ErrorCode(
        "E0722",
        "lock unusable",
        "python.lock has each package of a component with its SHA-256. The file is damaged, or a "
        "package index gave other bytes than before.",
        "find out why the package changed; to accept what is there now, remove python.lock and "
        "build again",
        ExitStatus.NOT_AUTHENTIC,
    )

    code = "E0722"

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(
            f"{file}: {reason}", hint="to accept what is there now, remove python.lock and build"
        )
        self.file, self.reason = file, reason


class ToolTooOld(SdkError):
    """A build tool is installed in a version that is too old.

    Attributes:
        tool: The tool's name.
        found: Its version.
        oldest: The oldest version that will do.
        install_command: The command that updates it.
    """

    explanation = ErrorCode(
        "E0917",
        "build tool too old",
        "A tool that the language needs is installed, and its version is too old.",
        "update it with the command that the message names",
    )

    code = "E0917"

    def __init__(
        self, tool: str, found: str, oldest: str, install_command: str, *, needed_for: str
    ) -> None:
        super().__init__(
            f"{tool} {found} is installed, and building {needed_for} needs {oldest} or later",
            hint=f"update it with: {install_command}",
        )
        self.tool = tool
        self.found = found
        self.oldest = oldest
        self.install_command = install_command


class BuildFailed(SdkError):
    """A compiler or packer refused the project.

    Attributes:
        tool: The tool's name.
        exit_code: Its exit code.
        diagnostics: The errors that it reported, with file and line if it named them.
        output: Its whole output.
    """

    explanation = ErrorCode(
        "E0911",
        "build failed",
        "A compiler refused the project.",
        "correct the lines named above; -v shows the tool's whole output",
    )

    code = "E0911"

    def __init__(
        self,
        tool: str,
        exit_code: int,
        diagnostics: Sequence[Diagnostic],
        output: str,
        *,
        is_confined: bool = False,
    ) -> None:
        first = str(diagnostics[0]) if diagnostics else _telling_line(output)
        more = f" (and {len(diagnostics) - 1} more)" if len(diagnostics) > 1 else ""
        ended = f"ended with exit code {exit_code}"
        hint = "-v shows the tool's whole output" if output.strip() else ""
        if exit_code < 0:
            ended = f"was ended by signal {-exit_code}"
            hint = "free some space on the disk (also at the tool's cache) and in memory"
        if is_confined:
            hint = f"{hint}; {_CONFINED}" if hint else _CONFINED
        super().__init__(f"{tool} {ended}: {first}{more}", hint=hint)
        self.tool = tool
        self.exit_code = exit_code
        self.diagnostics = tuple(diagnostics)
        self.output = output
        self.is_confined = is_confined


class BuildTimedOut(SdkError):
    """A build tool exceeded its time, and was killed with its children."""

    explanation = ErrorCode(
        "E0912",
        "build too slow",
        "A build step exceeded its time and was stopped.",
        _MORE_TIME,
    )

    code = "E0912"

    def __init__(self, tool: str, seconds: float) -> None:
        super().__init__(
            f"{tool} did not end within {seconds:g} s and was stopped",
            hint=_MORE_TIME,
        )
        self.tool = tool
        self.seconds = seconds


class BuildTooLarge(SdkError):
    """A build wrote more than it may, and was killed with its children."""

    explanation = ErrorCode(
        "E0915",
        "build too large",
        "A build from source wrote more than a build may, into its folder or as its output.",
        "build it in a folder of your own with `airswasm build`, if you trust it",
    )

    code = "E0915"

    def __init__(self, most_bytes: int) -> None:
        super().__init__(
            f"the build wrote more than {most_bytes:,} bytes and was stopped",
            hint="build it in a folder of your own with `airswasm build`, if you trust it",
        )
        self.most_bytes = most_bytes


class BuildNotConfined(SdkError):
    """This platform cannot confine a build from source.

    Attributes:
        missing: The protections that it lacks: `files`, `network`, `processes`.
    """

    explanation = ErrorCode(
        "E0916",
        "build not confined",
        "A build from source runs programs of a stranger, and this platform cannot confine them.",
        "build it yourself with `airswasm build`, or allow it: `airswasm config set "
        "builds.unconfined true`",
        ExitStatus.REFUSED,
    )

    code = "E0916"

    def __init__(self, missing: Sequence[str], meaning: str) -> None:
        super().__init__(
            f"this machine cannot confine a build: {meaning}",
            hint="build it yourself with `airswasm build`, or allow it: `airswasm config set "
            "builds.unconfined true`",
        )
        self.missing = tuple(missing)
        self.meaning = meaning


class ArtifactMissing(SdkError):
    """The artifact that the manifest names does not exist."""

    explanation = ErrorCode(
        "E0913",
        "no artifact",
        "The component that [build] artifact names does not exist.",
        "airswasm build",
        ExitStatus.NOT_FOUND,
    )

    code = "E0913"

    def __init__(self, artifact: Path, *, built: bool = True) -> None:
        if built:
            message = f"the build ended without an error, but {artifact} does not exist"
            hint = "change [build] command so that it writes to the path in [build] artifact"
        else:
            message = f"there is no {artifact}"
            hint = "build it first: airswasm build"
        super().__init__(message, hint=hint)
        self.artifact = artifact


class ArtifactInTheWay(SdkError):
    """Something that is no WebAssembly lies where the build would write its artifact.

    Attributes:
        artifact: The path that the manifest names.
    """

    explanation = ErrorCode(
        "E0914",
        "artifact in the way",
        "The path that [build] artifact names is taken by a file that no build has written, such "
        "as a source or the manifest.",
        "name another path in [build] artifact, or move the file away",
    )

    code = "E0914"

    def __init__(self, artifact: Path) -> None:
        super().__init__(
            f"{artifact} is no WebAssembly, and the build would overwrite it",
            hint="name another path in [build] artifact, or move that file away",
        )
        self.artifact = artifact


class ComponentRefused(SdkError, testing.Refusal):
    """A component under test refused a message.

    Attributes:
        text: The error text that the component returned.
    """

    explanation = ErrorCode(
        "E0920",
        "refused in a test",
        "A component under test answered with an error.",
        "read its text",
    )

    code = "E0920"

    def __init__(self, component: str, text: str) -> None:
        super().__init__(f"{component} answered the message with an error: {text}")
        self.component = component
        self.text = text


class NoStrategy(SdkError):
    """No value of a type can be generated for a test."""

    explanation = ErrorCode(
        "E0990",
        "no generated values",
        "A property-based test asked for values of a type that cannot be made out of nothing, such "
        "as a resource.",
        "write the strategy by hand: hypothesis.strategies.builds(…)",
    )

    code = "E0990"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"no values can be generated: {problem}",
            hint="write the strategy by hand: hypothesis.strategies.builds(…)",
        )
        self.problem = problem


def _telling_line(output: str) -> str:
    """Return the line that calls itself an error, or the last of its causes, or the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else "it printed nothing"
    if _CAUSES in lines:
        return last
    return next((line for line in lines if _ERROR.search(line)), last)
