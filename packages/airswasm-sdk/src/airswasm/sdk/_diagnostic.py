"""Parse the output of compilers into file, line and message.

An editor can open `src/hello.c:12:5` and CI can count it; neither can use a page of tool output.
Three parsers cover the toolchains: one for the `file:line:column: error: text` of clang (also
rustc's short form, Go, and most Unix tools), one for Python's tracebacks, of which the last frame
inside the project is the one that its author can change, and one for what the tools of JavaScript
say. `BuildFailed.output` keeps all output, also the part
that no parser recognises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = (
    "Diagnostic",
    "read_compiler_output",
    "read_javascript_output",
    "read_python_traceback",
)

_COMPILER_LINE = re.compile(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?:(?P<column>\d+):)? "
    r"(?:(?P<severity>fatal error|error|warning)(?:\[\w+\])?: )?(?P<message>.+)$"
)
"""Go says neither `error` nor `warning`: all that it says is an error."""
_TYPESCRIPT_LINE = re.compile(
    r"^(?P<file>[^\s(][^(\n]*)\((?P<line>\d+),(?P<column>\d+)\): "
    r"(?P<severity>error|warning) (?P<message>TS\d+: .+)$"
)
_SCRIPT_FRAME = re.compile(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?P<column>\d+) (?P<message>\w*Error: .+)$"
)
_SCRIPT_PLACE = re.compile(r"^(?:file://)?(?P<file>[^\s:][^:\n]*\.[cm]?[jt]s):(?P<line>\d+)$")
_SCRIPT_ERROR = re.compile(r"^(?P<message>\w*Error: .+)$")
_FRAME = re.compile(r'File "(?:/\d+/)?(?P<file>[^"]+)", line (?P<line>\d+)')
"""componentize-py mounts the project at `/0`."""
_EXCEPTION = re.compile(
    r"^(?P<message>(?:[A-Za-z_][\w.]*)(?:Error|Exception|Exit|Interrupt|Warning)\b.*)$"
)
_OWN = "airswasm.component.errors.DefinitionError: "
"""Its text says all: the class adds nothing for the author of a component."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One complaint of a build tool.

    Attributes:
        message: The problem.
        file: The file, relative to the project if it lies inside; None if unknown.
        line: 1-based; None if unknown.
        column: 1-based; None if unknown.
        severity: `error` or `warning`.
    """

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    severity: str = "error"

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place}: {self.message}" if place else self.message


def read_compiler_output(output: str, folder: Path) -> tuple[Diagnostic, ...]:
    """Parse `file:line:column: error: message` lines, errors before warnings."""
    found = [
        _from_match(match, folder)
        for match in map(_COMPILER_LINE.match, output.splitlines())
        if match and (match["severity"] or match["column"])
    ]
    return tuple(sorted(found, key=lambda each: each.severity != "error"))


def read_python_traceback(output: str, folder: Path) -> tuple[Diagnostic, ...]:
    """Parse the last traceback of `output`: its exception, at its last frame in the project."""
    frames = [match for match in map(_FRAME.search, output.splitlines()) if match]
    exceptions = [
        match["message"].removeprefix(_OWN)
        for match in map(_EXCEPTION.match, output.splitlines())
        if match
    ]
    if not exceptions:
        return ()
    inside = [frame for frame in frames if _is_inside(frame["file"], folder)]
    if not inside:
        return (Diagnostic(exceptions[-1]),)
    place = inside[-1]
    return (Diagnostic(exceptions[-1], _relative(place["file"], folder), int(place["line"])),)


def read_javascript_output(output: str, folder: Path) -> tuple[Diagnostic, ...]:
    """Parse what tsc, `node --check` and componentize-js say of a source."""
    lines = output.splitlines()
    placed = [
        _from_match(match, folder)
        for line in lines
        if (match := _TYPESCRIPT_LINE.match(line) or _SCRIPT_FRAME.match(line))
    ]
    if placed:
        return tuple(placed)
    places = [match for match in map(_SCRIPT_PLACE.match, lines) if match]
    said = [match["message"] for match in map(_SCRIPT_ERROR.match, lines) if match]
    if not said:
        return ()
    inside = next((each for each in places if _is_inside(each["file"], folder)), None)
    if inside is None:
        return (Diagnostic(said[-1]),)
    return (Diagnostic(said[-1], _relative(inside["file"], folder), int(inside["line"])),)


def _from_match(match: re.Match[str], folder: Path) -> Diagnostic:
    return Diagnostic(
        message=match["message"],
        file=_relative(match["file"], folder),
        line=int(match["line"]),
        column=int(match["column"]) if match["column"] else None,
        severity="warning" if match.groupdict().get("severity") == "warning" else "error",
    )


def _is_inside(file: str, folder: Path) -> bool:
    path = folder / file
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def _relative(file: str, folder: Path) -> str:
    path = (folder / file).resolve()
    return str(path.relative_to(folder.resolve())) if _is_inside(file, folder) else file
