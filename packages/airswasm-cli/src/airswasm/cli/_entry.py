"""The entry point: fast answers, and the last error handler.

`airswasm`, `--help` and `--version` are answered from here, before typer and
what it brings along is imported: people type them to find out whether the
command works at all. So are verbs that are functions, where their command
line is plain (`_options`). Everything else goes to `app`. Errors of a verb are
rendered where its options are known (`session`); what is left for `main` is
Ctrl-C, a closed pipe and a wrong command line.

A process that answers and ends gives back its memory by ending. So nothing is
collected before an application of typer's takes over, nor at the end: that
took a sixth of the time of `airswasm list`.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ("drop_stdout", "main", "program_version", "root_help", "run")

_STREAMS = 3
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141

_EPILOGUE = (
    "`airswasm VERB --help` shows a verb's options and an example.\n"
    "Every verb takes --json, --home, --quiet, --verbose and --no-color.\n"
    "Start here: airswasm keygen, then airswasm init hello --lang python"
)


def main() -> NoReturn:
    """Run the command line of this process and end it with the exit code."""
    gc.disable()
    _open_missing_streams()
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
        code = EXIT_CLOSED_PIPE
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        code = EXIT_INTERRUPTED
    except OSError as error:  # an error in writing the answers of `run` itself: a full disk
        sys.stderr.write(f"error[E0005]: {error.strerror or error}\n")
        drop_stdout()
        code = 1
    gc.freeze()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    Raises:
        BrokenPipeError: The reader of stdout closed it.
    """
    if list(arguments) in ([], ["--help"], ["-h"]):
        sys.stdout.write(root_help())
        return 0
    if list(arguments) in (["--version"], ["-V"]):
        sys.stdout.write(f"airswasm {program_version()}\n")
        return 0
    code = _run_plain(arguments)
    if code is not None:
        return code
    gc.enable()
    from ._app import run_app

    return run_app(arguments)


def _run_plain(arguments: Sequence[str]) -> int | None:
    """Run one of our verbs that is a function; None where typer has to read the line."""
    from ._plain_verbs import load_plain_verb

    function = load_plain_verb(arguments[0])
    if function is None:
        return None
    from ._options import read_plain
    from ._session import invoke

    found = read_plain(function, arguments[1:])
    return None if found is None else invoke(function, found)


def drop_stdout() -> None:
    """Keep the interpreter from flushing into the pipe after its reader has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_missing_streams() -> None:
    """Make the standard streams usable, however the process was started.

    A closed one (`2>&-`) would be None, and the next opened file would get its number; a terminal
    in another encoding than UTF-8 would end the process at the first tick mark.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < _STREAMS:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, "r", closefd=False, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False, encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False, encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def root_help() -> str:
    """Return the help of the command itself."""
    from ._verbs import all_verbs, groups

    lines = [
        "airswasm hosts WebAssembly components as supervised actors.",
        "",
        "Usage: airswasm VERB [ARGUMENTS]",
        "",
    ]
    verbs = all_verbs()
    for group in groups(verbs):
        lines.append(f"{group}:")
        found = [verb for verb in verbs.values() if verb.group == group]
        lines += [f"  {verb.name:<12} {verb.summary}" for verb in found]
        lines.append("")
    lines += ["Options:", "  --version    Print the version.", "  --help       Print this help."]
    return "\n".join([*lines, "", _EPILOGUE, ""])


def program_version() -> str:
    """Return the version of this distribution."""
    from importlib.metadata import version

    return version("airswasm-cli")
