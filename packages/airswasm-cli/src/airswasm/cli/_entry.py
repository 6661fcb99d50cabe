"""The entry point: fast answers, and the last error handler.

`airswasm`, `--help` and `--version` are answered from here, before typer and
what it brings along is imported: people type them to find out whether the
command works at all. So are verbs that are functions, where their command
line is plain (`options`). Everything else goes to `app`. Errors of a verb are
rendered where its options are known (`session`); what is left for `main` is
Ctrl-C, a closed pipe and a wrong command line.

A process that answers and ends gives back its memory by ending. So nothing is
collected before an application of typer's takes over, nor at the end: that
took a sixth of the time of `airswasm list`.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import NoReturn

from ._session.process import (
    EXIT_CLOSED_PIPE,
    EXIT_INTERRUPTED,
    drop_stdout,
    heed_children,
    keep_talk_ours,
    open_missing_streams,
)

__all__ = ("main", "run")


def main() -> NoReturn:
    """Run the command line of this process and end it with the exit code."""
    gc.disable()
    open_missing_streams()
    heed_children()
    keep_talk_ours()
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
        from ._help import root_help

        sys.stdout.write(root_help())
        return 0
    if list(arguments) in (["--version"], ["-V"]):
        from ._help import program_version

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
    from ._session.options import read_plain
    from ._session.session import invoke

    found = read_plain(function, arguments[1:])
    return None if found is None else invoke(function, found)
