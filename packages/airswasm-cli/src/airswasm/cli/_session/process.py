"""The process of one command: its standard streams, its exit codes, and the error it ends with."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import cast

__all__ = (
    "EXIT_CLOSED_PIPE",
    "EXIT_INTERRUPTED",
    "EXIT_USAGE",
    "drop_stdout",
    "heed_children",
    "keep_talk_ours",
    "open_missing_streams",
    "single",
)

_STREAMS = 3
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141


def drop_stdout() -> None:
    """Keep the interpreter from flushing into the pipe after its reader has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_missing_streams() -> None:
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


def heed_children() -> None:
    """Learn how children end, also where the parent of this process ignored its own.

    An ignored SIGCHLD is inherited, and then the system forgets every exit status.
    """
    if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def keep_talk_ours() -> None:
    """Keep asyncio from writing to stderr how long each callback took, in development mode.

    It depends on how busy the machine is; stderr is read by people and by tests. Errors still
    get through, and so does each warning of something that was left open.
    """
    if sys.flags.dev_mode:
        import logging

        logging.getLogger("asyncio").setLevel(logging.ERROR)


def single(error: BaseException) -> BaseException:
    """Return the only error inside task groups' wrappers, if there is only one."""
    inner: BaseException = error
    while isinstance(inner, BaseExceptionGroup):
        within = cast("BaseExceptionGroup[BaseException]", inner).exceptions
        if len(within) != 1:
            return error
        inner = within[0]
    return inner
