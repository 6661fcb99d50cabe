"""Run one build tool with a time limit, a way to stop it, and its output kept.

The tool gets a process group of its own, so that a time-out or Ctrl-C also ends the compiler's
children. It inherits the environment, because builds may need PATH, HOME and proxies. This reads
its output through a pipe and shows it only on failure.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import BuildTimedOut

_TICK_SECONDS = 0.1
_OUTPUT_BYTES = 1 << 20
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
) -> ToolRun:
    """Run a tool to its end; call `tick` with the seconds so far a few times a second.

    Raises:
        BuildTimedOut: It took longer than `timeout`; it and its children were killed.
        OSError: It could not be started.
    """
    started = time.monotonic()
    is_told = _forgets_children()
    with subprocess.Popen(
        [*_TELL_END, *arguments] if is_told else arguments,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=os.name == "posix",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", "RUST_BACKTRACE": "0"},
    ) as process:
        try:
            output = _wait(process, tool, started, timeout, tick)
        except BaseException:
            _kill(process)
            raise
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
) -> str:
    while True:
        elapsed = time.monotonic() - started
        if elapsed > timeout:
            raise BuildTimedOut(tool, timeout)
        tick(elapsed)
        try:
            output, _ = process.communicate(timeout=_TICK_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return output[-_OUTPUT_BYTES:].decode("utf-8", "replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
    else:
        process.kill()
