"""`airswasm:component/process`: run a program of the host to its end, without a shell.

The program is a granted absolute path; its arguments are a list and stay one. A denial of the file
that its links lead to holds too; a copy under another name is another program. It gets only the
environment that the host's policy lists, only its three pipes as descriptors, a session and limits
of its own (`launcher`), and its component's folder as working directory. When it ends, its time
runs out, or its call is cancelled, the host kills its whole process group. A program that starts
another session on purpose can outlive that: grant programs accordingly, they are not sandboxed.
"""

from __future__ import annotations

import os
import signal
import stat as stat_modes
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from airswasm.runtime import (
    AccountExceeded,
    Caller,
    Holding,
    HostInterface,
    find_interpreter,
)
from airswasm.security import Guard
from anyio import to_thread
from anyio.abc import ByteReceiveStream, Process

from .._answers import answered
from .._effects import Effects
from .._files.filesystem import folder_for
from .._policy import OslPolicy
from .._spelling import command_line
from ..errors import AccessDenied, LimitReached, Malformed, NotFound, OperationFailed, TimedOut

CAPABILITY = "process:spawn"
ARGUMENTS_BYTES = 128 * 1024
_PROCESS_BYTES = 32 * 1024
_PIPES = 4
"""Three pipes, and what tells of the end."""
_LAUNCHER = str(Path(__file__).with_name("launcher.py"))


@dataclass(frozen=True, slots=True)
class Completed:
    """The exit code of a program and its output; a negative code is the signal that ended it."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Processes:
    """The functions of the interface, for all components of one host."""

    def __init__(self, policy: OslPolicy, guard: Guard, effects: Effects | None = None) -> None:
        self.policy = policy
        self._guard = guard
        self._effects = effects or Effects()

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        return HostInterface("airswasm:component/process@0.1.0", {"run": answered(self.run)})

    async def run(
        self,
        caller: Caller,
        program: str,
        arguments: Sequence[str],
        stdin: bytes,
        timeout_ms: int,
    ) -> Completed:
        """Run a program; a cancel or timeout kills it and all that it started."""
        resource = command_line(program, arguments)
        with self._effects.begin(caller.name, CAPABILITY, resource) as effect:
            completed = await self._run(caller, program, arguments, stdin, timeout_ms)
            effect.sent(len(stdin))
            effect.received(len(completed.stdout) + len(completed.stderr))
        return completed

    async def _run(
        self,
        caller: Caller,
        program: str,
        arguments: Sequence[str],
        stdin: bytes,
        timeout_ms: int,
    ) -> Completed:
        if os.name != "posix":
            raise OperationFailed("only POSIX systems can confine programs")
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            raise OperationFailed(
                "this host ignores SIGCHLD, so the system does not tell how a program ended: "
                "start the host with signal.signal(signal.SIGCHLD, signal.SIG_DFL)"
            )
        check_arguments(program, arguments)
        real_program = await to_thread.run_sync(check_program, program)
        if real_program != program:
            self._check_denials(caller, real_program, arguments)
        folder_for(caller, self.policy)
        command = [*launched(self.policy), program, *arguments]
        holding = caller.account.hold(_PROCESS_BYTES, descriptors=_PIPES)
        try:
            with anyio.fail_after(self.policy.processes.seconds(timeout_ms)):
                return await self._completed(caller, command, stdin, holding)
        except TimeoutError:
            raise TimedOut from None
        finally:
            holding.release()

    def _check_denials(self, caller: Caller, program: str, arguments: Sequence[str]) -> None:
        """Refuse a program that is denied by the name that its links lead to."""
        denied = self._guard.forbids(caller.name, CAPABILITY, command_line(program, arguments))
        if denied is not None:
            raise AccessDenied(denied.text, denied.layer)

    async def _completed(
        self, caller: Caller, command: Sequence[str], stdin: bytes, holding: Holding
    ) -> Completed:
        process = await anyio.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.policy.root_of(caller.name),
            env=dict(self.policy.processes.environment),
            start_new_session=True,
        )
        try:
            return await self._attended(process, stdin, caller.message_bytes, holding)
        finally:
            kill_group(process)
            with anyio.CancelScope(shield=True):
                await process.wait()
                await process.aclose()

    async def _attended(
        self, process: Process, stdin: bytes, fitting_bytes: int, holding: Holding
    ) -> Completed:
        assert process.stdout is not None
        assert process.stderr is not None
        stdout, stderr = bytearray(), bytearray()
        most_bytes = min(self.policy.processes.output_bytes, fitting_bytes)
        overflow: list[str] = []
        exit_code = 0

        async def collect(stream: ByteReceiveStream, into: bytearray, name: str) -> None:
            async for chunk in stream:
                whole_bytes = len(stdout) + len(stderr) + len(chunk)
                if len(into) + len(chunk) > most_bytes or whole_bytes > fitting_bytes:
                    overflow.append(f"the program printed more than {most_bytes:,} bytes to {name}")
                    kill_group(process)
                    return
                try:
                    holding.resize(holding.size_bytes + len(chunk))
                except AccountExceeded as error:
                    overflow.append(f"there is no room for what the program printed: {error}")
                    kill_group(process)
                    return
                into += chunk

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect, process.stdout, stdout, "stdout")
            tasks.start_soon(collect, process.stderr, stderr, "stderr")
            tasks.start_soon(_feed, process, stdin)
            exit_code = await process.wait()
            kill_group(process)  # processes that it left would keep the pipes open
        if overflow:
            raise LimitReached(overflow[0])
        return Completed(exit_code, bytes(stdout), bytes(stderr))


async def _feed(process: Process, data: bytes) -> None:
    """Feed a program's input; it may end, or close its input, before it has read everything."""
    assert process.stdin is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.send(data)
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await process.stdin.aclose()


def kill_group(process: Process) -> None:
    """Kill a program and all that it started in its session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def launched(policy: OslPolicy) -> tuple[str, ...]:
    """Return the command that sets the limits and then becomes the program after it.

    Raises:
        OperationFailed: There is no Python interpreter, as where Python is embedded.
    """
    python = policy.python_executable or find_interpreter()
    if python is None:
        raise OperationFailed(
            "the host finds no Python interpreter, which sets the limits of programs: name one in "
            "engine.python_executable"
        )
    bounds = policy.processes
    limits = (bounds.cpu_seconds, bounds.memory_bytes, bounds.file_bytes)
    return (python, "-I", "-S", _LAUNCHER, *map(str, limits))


def check_arguments(program: str, arguments: Sequence[str]) -> None:
    """Check that a command line can be passed on unchanged.

    Raises:
        Malformed: The program is not a plain absolute path, or an argument contains a NUL.
        LimitReached: The command line is too long.
    """
    if not program.startswith("/") or {"", ".", ".."} & set(program.split("/")[1:]):
        raise Malformed(f"{program!a}: name a program by its absolute path, without . and ..")
    if any("\0" in text for text in (program, *arguments)):
        raise Malformed("an argument contains a NUL character")
    if sum(len(text.encode()) + 1 for text in arguments) > ARGUMENTS_BYTES:
        raise LimitReached(f"the arguments exceed {ARGUMENTS_BYTES:,} bytes")


def check_program(program: str) -> str:
    """Check that a path is a program that may run, and return where its links lead.

    Raises:
        NotFound: No such file exists.
        AccessDenied: The file is not a program, or gains privileges.
    """
    try:
        mode = Path(program).stat().st_mode
    except OSError as error:
        raise NotFound(f"{program}: {error.strerror}") from error
    if not stat_modes.S_ISREG(mode) or not os.access(program, os.X_OK):
        raise AccessDenied(f"{program} is not an executable file")
    if mode & (stat_modes.S_ISUID | stat_modes.S_ISGID):
        raise AccessDenied(f"{program} changes its user or group, which is never granted", "host")
    return os.path.realpath(program)
