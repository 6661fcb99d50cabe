"""The compile child as its parent sees it: starts it, talks with it, explains its end.

The child is a Python interpreter, and whatever surrounds this process must not
reach it: neither variables of the environment nor the user's `sitecustomize`, a
locale, a signal that the parent ignores. What it imports is named by folder.

An answer says how long it is. One that is complete counts, however the child ended:
a parent that ignores SIGCHLD never learns the exit status, and a child that was
killed after its last byte has done its work. For the same reason a thread talks with
it, and not asyncio, which logs a warning for each child whose status it does not get.
"""

from __future__ import annotations

import errno
import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread

from .._config import EngineConfig
from .._interpreter import find_interpreter
from .._wasmtime.features import HardenedSettings
from ..errors import CompileFailed, CompileLimitExceeded

COMPILE_THREADS = 4
STDERR_BYTES = 64 * 1024
BOOT = """
import json, sys, types
sites, blocks = json.loads(sys.argv[1])
sys.path += sites
for name, path in blocks.items():
    package = types.ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package
from airswasm.runtime._compile.child import main
main()
"""
_NO_ROOM = {
    errno.EMFILE: "raise `ulimit -n`: each component, connection and compile child takes files",
    errno.ENFILE: "close files of other programs, or raise fs.file-max",
    errno.ENOMEM: "free some memory, or raise `ulimit -v`",
    errno.EAGAIN: "raise `ulimit -u`, or the number of tasks of its control group",
}
"""The remedy, by the number of the error; any other failure is the interpreter's."""
_SETTING = "EngineConfig.python_executable"
_NAME_ONE = f"name an interpreter in {_SETTING}"


@dataclass(frozen=True, slots=True)
class ChildOutcome:
    """All that a child left behind.

    Attributes:
        output: what it wrote to its standard output.
        diagnostics: the beginning of what it wrote to the other stream.
        returncode: as far as the operating system tells.
        seconds: how long it ran.
        python: the interpreter that it was.
    """

    output: bytes
    diagnostics: str
    returncode: int
    seconds: float = 0.0
    python: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """A compile child that runs.

    Attributes:
        process: the process.
        python: the interpreter that it is.
        started: when, on the monotonic clock.
    """

    process: subprocess.Popen[bytes]
    python: str
    started: float

    async def converse(self, wasm: bytes, config: EngineConfig) -> ChildOutcome:
        """Give it a component, take all that it says and wait for its end."""
        request = _request(wasm, config) + wasm
        output, words = b"", b""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._kill_when_cancelled)
            output, words = await anyio.to_thread.run_sync(
                self._talk, request, limiter=anyio.CapacityLimiter(1)
            )
            await anyio.lowlevel.checkpoint_if_cancelled()
            tasks.cancel_scope.cancel()
        said = words[:STDERR_BYTES].decode("utf-8", "replace")
        seconds = time.monotonic() - self.started
        return ChildOutcome(output, said, self.process.returncode, seconds, self.python)

    def _talk(self, request: bytes) -> tuple[bytes, bytes]:
        return self.process.communicate(request)

    async def _kill_when_cancelled(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self.process.kill()  # which ends the thread, too


def explain_end(
    outcome: ChildOutcome, name: str, config: EngineConfig
) -> CompileFailed | CompileLimitExceeded:
    """Return the error for a child that gave no complete answer."""
    limits, words = config.compile_limits, outcome.diagnostics.strip()
    if _was_killed_by(outcome, "SIGXCPU"):
        return CompileLimitExceeded(name, "seconds", limits.seconds)
    if "memory allocation" in words or "MemoryError" in words or "Cannot allocate" in words:
        return CompileLimitExceeded(name, "memory_bytes", limits.memory_bytes)
    return CompileFailed(name, f"the compile child {_end(outcome)}: {_gist(words, outcome.python)}")


def _end(outcome: ChildOutcome) -> str:
    after = f"after {outcome.seconds:.1f} s"
    if _was_killed_by(outcome, "SIGKILL"):
        return (
            f"was killed from outside {after}, as a system without memory does "
            f"(a container's limit, the kernel's out-of-memory killer)"
        )
    if outcome.returncode < 0:
        return f"ended by signal {-outcome.returncode} {after}"
    if _ignores_children():
        return f"ended {after}, in a way that is not known because this process ignores SIGCHLD"
    half = " in the middle of its answer" if outcome.output else ""
    return f"ended with status {outcome.returncode} {after}{half}"


def _gist(words: str, python: str) -> str:
    """Return the line of a panic that says what happened, or else the last line."""
    if not words:
        return f"it said nothing; if {python} is no Python interpreter, name one in {_SETTING}"
    lines = words.splitlines()
    for line, following in itertools.pairwise(lines):
        if " panicked at " in line:
            return following
    return lines[-1]


def _was_killed_by(outcome: ChildOutcome, name: str) -> bool:
    number = getattr(signal, name, None)
    return number is not None and outcome.returncode == -number


def _ignores_children() -> bool:
    number = getattr(signal, "SIGCHLD", None)
    return number is not None and signal.getsignal(number) is signal.SIG_IGN


def interpreter(config: EngineConfig, name: str) -> str:
    """Return the Python interpreter that compile children run.

    Raises:
        CompileFailed: none can be found; it names the setting.
    """
    if config.python_executable is not None:
        return os.fspath(config.python_executable)
    found = find_interpreter()
    if found is None:
        said = f"sys.executable is {sys.executable!r}, which is none"
        raise _no_child(name, f"no Python interpreter was found ({said})", _NAME_ONE)
    return found


def _no_child(name: str, reason: str, advice: str) -> CompileFailed:
    failure = CompileFailed(name, f"{reason}; {advice}")
    failure.hint = advice
    return failure


@contextmanager
def start_child(config: EngineConfig, name: str) -> Generator[Child]:
    """Start a child and kill it at the end of the block, if it still runs.

    Args:
        config: names the interpreter, if it has to be named.
        name: what errors call the component.

    Raises:
        CompileFailed: no child can be started.
    """
    python, argument = interpreter(config, name), boot_argument(name)
    threads = str(min(COMPILE_THREADS, os.cpu_count() or 1))
    try:
        process = subprocess.Popen(
            [python, *_flags(), "-c", BOOT, argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parent,
            env=_environment() | {"RAYON_NUM_THREADS": threads, "MALLOC_ARENA_MAX": "2"},
        )
    except OSError as problem:
        advice = _NO_ROOM.get(problem.errno or 0, _NAME_ONE)
        raise _no_child(name, f"{python} cannot be started ({problem})", advice) from problem
    with process:
        try:
            yield Child(process, python, time.monotonic())
        finally:
            process.kill()


def _flags() -> list[str]:
    """Return what makes an interpreter isolated, without `site`, in UTF-8 in any locale.

    Python finds its library by PYTHONHOME where that is set; an isolated interpreter
    does not look at it, so one is kept from the user's other folders piece by piece.
    """
    isolated = ["-s", "-P"] if _has_home() else ["-I"]
    return [*isolated, "-S", "-X", "utf8"]


def _has_home() -> bool:
    return "PYTHONHOME" in os.environ and not sys.flags.ignore_environment


def _environment() -> dict[str, str]:
    """Return the variables that a process needs to start; no secret can be in them."""
    kept = ("SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    if _has_home():  # where this interpreter's library is, whatever the variable says by now
        environment["PYTHONHOME"] = os.pathsep.join((sys.base_prefix, sys.base_exec_prefix))
    return environment


def boot_argument(name: str = "component") -> str:
    """Say where the child finds what it imports: folders of packages, and our two blocks.

    Raises:
        CompileFailed: a package is not installed as files.
    """
    sites = {_folder_of(package, name).parent for package in ("wasmtime", "lazy_loader")}
    blocks = {
        "airswasm": _folder_of("airswasm.wit", name).parent,
        "airswasm.runtime": Path(__file__).parents[1],
    }
    return json.dumps([sorted(map(_utf8, sites)), {k: _utf8(v) for k, v in blocks.items()}])


def _utf8(path: Path) -> str:
    """Return a path as the child, which is in UTF-8 mode, must spell it."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def _folder_of(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None or not Path(spec.origin).exists():
        raise CompileFailed(
            name, f"{package} is not installed as files, so no compile child can import it"
        )
    return Path(spec.origin).absolute().parent


def _request(wasm: bytes, config: EngineConfig) -> bytes:
    request = {
        "settings": HardenedSettings.of(config).to_json(),
        "seconds": config.compile_limits.seconds,
        "memory_bytes": config.compile_limits.memory_bytes,
        "bridge": config.bridge_bytes,
        "wasm_bytes": len(wasm),
    }
    return json.dumps(request).encode() + b"\n"
