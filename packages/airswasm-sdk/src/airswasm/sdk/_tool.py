"""Run one build tool with a time limit, a way to stop it, and its output kept.

The tool gets a process group of its own, so that a time-out or Ctrl-C also ends the compiler's
children. It inherits the environment, because builds may need PATH, HOME and proxies. Its output
goes to a file, of which the end is shown, and only on failure.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import BuildTimedOut, BuildTooLarge

_TICK_SECONDS = 0.1
_OUTPUT_BYTES = 1 << 20
_OF_EVERY_TOOL = {"PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", "RUST_BACKTRACE": "0"}
_SIGNALLED = 128  # a shell adds it to the number of the signal
# Where this process ignores SIGCHLD, only a shell learns how the tool ended.
_TELL_END = ("/bin/sh", "-c", '"$@"; printf "\\n%d" "$?"', "sh")


@dataclass(frozen=True, slots=True)
class ToolRun:
    """The result of a tool."""

    exit_code: int
    output: str


def run_tool(
    tool: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    timeout: float,
    tick: Callable[[float], None],
    environment: Mapping[str, str] | None = None,
    most_output: int = 64 * _OUTPUT_BYTES,
) -> ToolRun:
    """Run a tool to its end; call `tick` with the seconds so far a few times a second.

    It is killed with its children when it takes too long, says too much, or `tick` raises.

    Raises:
        BuildTimedOut: It took longer than `timeout`.
        BuildTooLarge: It printed more than `most_output` bytes.
        OSError: It could not be started.
    """
    started = time.monotonic()
    is_told = _forgets_children()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [*_TELL_END, *arguments] if is_told else arguments,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",
            env={**os.environ, **_OF_EVERY_TOOL, **(environment or {})},
        ) as process,
    ):
        try:
            _wait(process, tool, started, timeout, tick, said.fileno(), most_output)
        except BaseException:
            _kill(process)
            raise
        output = _tail(said)
    if is_told:
        output, _, told = output.rpartition("\n")
        status = int(told) if told.isdigit() else _SIGNALLED + signal.SIGKILL
        return ToolRun(_SIGNALLED - status if status > _SIGNALLED else status, output)
    return ToolRun(process.returncode, output)


def _forgets_children() -> bool:
    number = getattr(signal, "SIGCHLD", None)
    return number is not None and signal.getsignal(number) is signal.SIG_IGN


def _wait(
    process: subprocess.Popen[bytes],
    tool: str,
    started: float,
    timeout: float,
    tick: Callable[[float], None],
    said: int,
    most_output: int,
) -> None:
    while True:
        elapsed = time.monotonic() - started
        if elapsed > timeout:
            raise BuildTimedOut(tool, timeout)
        if os.fstat(said).st_size > most_output:
            raise BuildTooLarge(most_output)
        tick(elapsed)
        try:
            process.wait(timeout=_TICK_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def _tail(said: IO[bytes]) -> str:
    """Return the end of what a tool has printed."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _OUTPUT_BYTES))
    return said.read().decode("utf-8", "replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
    else:
        process.kill()
