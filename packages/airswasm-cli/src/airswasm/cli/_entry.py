"""The entry point: fast answers, and the last error handler.

`airswasm`, `--help` and `--version` are answered here, before the import of typer and its
dependencies: people type them to see whether the command works at all. `app` handles everything
else. `session` renders the errors of a verb, because it knows the verb's options; `main` handles
the rest: Ctrl-C, a closed pipe and a wrong command line.
"""

from __future__ import annotations

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
    _open_missing_streams()
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
        code = EXIT_CLOSED_PIPE
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except OSError as error:  # an error in writing the answers of `run` itself: a full disk
        sys.stderr.write(f"error[E0005]: {error.strerror or error}\n")
        drop_stdout()
        code = 1
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
    from ._app import run_app

    return run_app(arguments)


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
