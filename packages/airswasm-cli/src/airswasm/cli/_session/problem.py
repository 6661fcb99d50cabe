"""Render errors: a code, one clear line, a hint; never a traceback.

Every error of a block carries its code (`AirswasmError.explanation`). The error's own message and
`hint` take precedence over the texts of its code. Any other exception is a bug in airswasm: the
traceback goes into a crash report, and the line names the file. `-vv` shows every traceback.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from airswasm.wit import AirswasmError, ErrorCode, NotAComponent, safe_text

from ..errors import INTERNAL, OPERATING_SYSTEM, WRONG_COMMAND_LINE, RemoteFailure
from .process import single
from .terminal import Terminal, escape_controls

_MAKE_ROOM = "free some space on that disk and try again; acknowledged data is safe"
_REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.ENFILE: "the machine has too many files open: close some, or raise fs.file-max",
    errno.EMFILE: "let it open more files: `ulimit -n 1024` where it is started",
    errno.EFBIG: "let it write larger files: `ulimit -f unlimited` where it is started",
    errno.EROFS: "mount that disk for writing, or set AIRSWASM_HOME to a folder on another one",
    errno.ENOMEM: "free some memory, or give it more: a cgroup or `ulimit -v` may bound it",
}
_REASONS = {os.strerror(number): remedy for number, remedy in _REMEDIES.items()} | {
    "No usable temporary directory": "set TMPDIR to a folder that can be written",
}
"""By the text, too: the store, and errors that report another, have only that. The first wins."""

__all__ = ("Problem", "problem_of", "report", "to_document")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, ready for display.

    Attributes:
        code: `E0310`.
        message: What happened, and where; may have several lines.
        hint: The next step to take; may be empty.
        exit_code: The exit code of the process.
        details: Further lines, each one finding.
        facts: What the error has as data, for programs.
    """

    code: str
    message: str
    hint: str
    exit_code: int
    details: tuple[str, ...] = field(default=())
    facts: Mapping[str, object] = field(default_factory=dict[str, object])


def problem_of(error: BaseException) -> Problem:
    """Describe an error; never raise."""
    error = single(error)
    if isinstance(error, RemoteFailure):
        found = error.details.get("details")
        told = cast("list[object]", found) if isinstance(found, list) else []
        lines = [each for each in told if isinstance(each, str)]
        return Problem(
            error.code, str(error), error.hint, error.exit_code, tuple(lines), error.facts
        )
    wrong = _misuse(error)
    if wrong is not None:
        return wrong
    cause = getattr(error, "cause", None)
    if isinstance(cause, AirswasmError):
        error = cause  # a failed actor: its cause says more
    if isinstance(error, AirswasmError):
        code = _unreadable(error) or error.explanation
        message = safe_text(error) or code.title
        hint, facts = _hint(error, code), getattr(error, "facts", {})
        return Problem(code.code, message, hint, code.exit_status, _details(error), facts)
    if isinstance(error, MemoryError):
        error = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    return _operating_system(error) if isinstance(error, OSError) else _bug(error)


def to_document(problem: Problem) -> dict[str, object]:
    """Return the error as the JSON of `--json` and of the control API."""
    return {
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "exit_code": problem.exit_code,
        "details": list(problem.details),
        **({"facts": problem.facts} if problem.facts else {}),
    }


def _misuse(error: BaseException) -> Problem | None:
    """Describe an error of typer's that a verb raised which typer does not run."""
    typer = sys.modules.get("typer")  # to import it takes longer than a plain verb
    if typer is None or not isinstance(error, typer.TyperException):
        return None
    code, message = WRONG_COMMAND_LINE, str(getattr(error, "format_message", error.__str__)())
    return Problem(code.code, message, code.hint, code.exit_status)


def report(error: BaseException, terminal: Terminal) -> int:
    """Show an error and return the exit code."""
    problem = problem_of(error)
    if terminal.verbosity >= 2:
        terminal.error_text("".join(traceback.format_exception(error)).rstrip())
    if terminal.as_json:
        document = {"schema": "airswasm.error/1", "error": to_document(problem)}
        terminal.error_text(json.dumps(document, ensure_ascii=False))
        return problem.exit_code
    head = terminal.paint(f"error[{problem.code}]", "red")
    first, *rest = problem.message.split("\n")
    terminal.error(f"{head}: ", first)
    bar = f"  {terminal.paint('|', 'dim')} "
    for text in (*rest, *problem.details):  # may be a guest's: must not look like a hint
        for line in text.split("\n"):
            terminal.error(bar, line, again=bar)
    if problem.hint:
        terminal.error(f"  {terminal.paint('hint', 'cyan')}: ", problem.hint)
    output = getattr(error, "output", "")
    if terminal.verbosity >= 1 and isinstance(output, str) and output:
        terminal.error_text(escape_controls(output.rstrip()))
    return problem.exit_code


def _unreadable(error: AirswasmError) -> ErrorCode | None:
    """Return the code for a missing component, which explains more than a broken contract."""
    rules = {getattr(each, "rule", "") for each in getattr(error, "problems", ())}
    return NotAComponent.explanation if "not-a-component" in rules else None


def _hint(error: AirswasmError, code: ErrorCode) -> str:
    found = _remedy(error)
    if found:
        return found
    return code.hint if code is not error.explanation else error.hint


def _details(error: BaseException) -> tuple[str, ...]:
    if lines := getattr(error, "lines", ()):
        return tuple(map(str, lines))
    diagnostics = getattr(error, "diagnostics", ())
    return tuple(str(each) for each in diagnostics[1:20]) if diagnostics else ()


def _operating_system(error: OSError) -> Problem:
    where = f"{error.filename}: " if error.filename else ""
    reason = error.strerror or str(error)
    exists = "remove it, or name another place" if isinstance(error, FileExistsError) else ""
    hint = _remedy(error) or exists or OPERATING_SYSTEM.hint
    return Problem(OPERATING_SYSTEM.code, f"{where}{reason}", hint, OPERATING_SYSTEM.exit_status)


def _remedy(error: BaseException | None) -> str:
    """Return what to do about a limit of the system that caused this error; empty for another."""
    while error is not None:
        if isinstance(error, OSError) and (remedy := _REMEDIES.get(error.errno or 0)):
            return remedy
        text = safe_text(error)
        for reason, remedy in _REASONS.items():
            if reason in text:
                return remedy
        error = error.__cause__
    return ""


def _bug(error: BaseException) -> Problem:
    file = _write_crash_report(error)
    text = safe_text(error).strip().split("\n")[0]
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    where = f"the report is in {file}" if file else "-vv shows where"
    return Problem(
        INTERNAL.code, f"airswasm failed unexpectedly: {what}", f"this is a bug; {where}",
        INTERNAL.exit_status,
    )  # fmt: skip


def _write_crash_report(error: BaseException) -> Path | None:
    lines = [
        f"airswasm crash report, {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}",
        f"python {sys.version.split()[0]} on {platform.platform()}",
        f"verb: {' '.join(sys.argv[1:2])}",
        "",
        "".join(traceback.format_exception(error)),
    ]
    try:
        descriptor, name = tempfile.mkstemp(prefix="airswasm-crash-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
    except OSError:
        return None
    return Path(name)
