"""`airswasm:component/process`: run programs of the host, without a shell.

The program is a granted absolute path; its arguments are a list and stay one. A denial of the file
that its links lead to holds too; a copy under another name is another program. It gets only the
environment that the policy allows, only its three pipes as descriptors, and the rights that
`request` lists. It ends with its handle, its time, its grant and its component, and so does all
that it started.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio
from airswasm.runtime import (
    AccountExceeded,
    Caller,
    HostFunction,
    HostInterface,
    HostResource,
    Meters,
)
from anyio import to_thread

from .._answers import answered
from .._block import PROGRAMS
from .._block import PROGRAMS_RUNNING as RUNNING
from .._effects import RunningEffect
from .._files.filesystem import canonical_path
from .._files.tree import Tree
from .._policy import OslPolicy
from .._spelling import command_line
from ..errors import (
    AccessDenied,
    LimitReached,
    OperationFailed,
    OslError,
    TimedOut,
    TooManyPrograms,
    from_os_error,
)
from .child import Child, Descriptors
from .command import check_arguments, environment_of, open_program
from .keeper import ProgramKeeper
from .request import Start, request_of

__all__ = ("CAPABILITY", "SIGNAL", "Completed", "Processes")

CAPABILITY = "process:spawn"
SIGNAL = "process:signal"
_START_FUEL = 5_000_000
"""For 3 ms of the machine's processors: the host's own, the keeper's and the supervisor's."""
_PROCESS_BYTES = 32 * 1024
_DESCRIPTORS = 4
"""Three pipes, and the control socket."""
_GRACE_SECONDS = 5.0
"""Time to start a program and to end it, beyond the time that its supervisor gives it."""
_READ_BYTES = 64 * 1024
_SIGNALS = {
    "interrupt": "SIGINT",
    "terminate": "SIGTERM",
    "hangup": "SIGHUP",
    "quit": "SIGQUIT",
    "user1": "SIGUSR1",
    "user2": "SIGUSR2",
    "stop": "SIGSTOP",
    "continue": "SIGCONT",
}


@dataclass(frozen=True, slots=True)
class Completed:
    """The exit code of a program and its output; a negative code is the signal that ended it."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Processes:
    """The functions of the interface, for all components of one host.

    Args:
        tree: Has the policy, the components' folders, and the guard, which ends programs whose
            grant ends.
        meters: Counts programs and what they print.
    """

    def __init__(self, tree: Tree, meters: Meters | None = None) -> None:
        self._tree = tree
        self._guard, self._effects = tree.guard, tree.effects
        self._meters = meters
        self._keeper = ProgramKeeper(lambda: self.policy.python_executable)

    @property
    def policy(self) -> OslPolicy:
        """The policy of the host."""
        return self._tree.policy

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        functions: dict[str, Callable[..., Awaitable[object]]] = {
            "run": self.run,
            "spawn": self.spawn,
            "[method]child.read-stdout": self.read_stdout,
            "[method]child.read-stderr": self.read_stderr,
            "[method]child.write-stdin": self.write_stdin,
            "[method]child.wait": self.wait,
            "[method]child.signal": self.signal,
        }
        answers: dict[str, HostFunction] = {
            "[method]child.close-stdin": _close_stdin,
            "[method]child.kill": _kill,
            **{name: answered(function) for name, function in functions.items()},
        }
        return HostInterface(
            "airswasm:component/process@0.1.0", answers, {"child": HostResource(drop=_close)}
        )

    async def run(
        self,
        caller: Caller,
        program: str,
        arguments: Sequence[str],
        stdin: bytes,
        timeout_ms: int,
    ) -> Completed:
        """Run a program; a cancel or timeout kills it and all that it started."""
        try:
            with anyio.fail_after(self.policy.processes.seconds(timeout_ms) + _GRACE_SECONDS):
                child = await self.spawn(caller, program, arguments, "/", (), timeout_ms)
                try:
                    return await self._attended(caller, child, stdin)
                finally:
                    child.close()
        except TimeoutError:
            raise TimedOut from None

    async def spawn(
        self,
        caller: Caller,
        program: str,
        arguments: Sequence[str],
        directory: str,
        environment: Sequence[tuple[str, str]],
        timeout_ms: int,
    ) -> Child:
        """Start a program; a cancel ends it."""
        resource = command_line(program, arguments)
        with self._effects.begin(caller.name, CAPABILITY, resource) as effect:
            child = await self._spawned(
                caller, (program, *arguments), directory, environment, timeout_ms, effect
            )
            effect.outlive()
        return child

    async def _spawned(
        self,
        caller: Caller,
        command: Sequence[str],
        directory: str,
        environment: Sequence[tuple[str, str]],
        timeout_ms: int,
        effect: RunningEffect,
    ) -> Child:
        if os.name != "posix":
            raise OperationFailed("only POSIX systems can confine programs")
        caller.charge(_START_FUEL)
        bounds = self.policy.processes
        check_arguments(command[0], command[1:])
        variables = environment_of(bounds, environment)
        program, real_path = await to_thread.run_sync(open_program, command[0])
        try:
            if real_path != command[0]:
                self._check_denials(caller, real_path, command[1:])
            start = Start(
                caller.name, command, real_path, variables, bounds.seconds(timeout_ms),
                self._tree.readable_mounts(caller.name), self._tree.writable_mounts(caller.name),
            )  # fmt: skip
            request, opened = await self._prepared(caller, start, directory)
            try:
                return await self._started(
                    caller, command_line(command[0], command[1:]), request, (opened, program),
                    effect,
                )  # fmt: skip
            finally:
                os.close(opened)
        finally:
            os.close(program)

    async def _started(
        self,
        caller: Caller,
        resource: str,
        request: dict[str, object],
        opened: tuple[int, int],
        effect: RunningEffect,
    ) -> Child:
        children, own = Children.of(caller), self._tree.own(caller)
        most = self.policy.processes.programs
        if len(children) >= most:  # nothing waits from here until the child is among them
            raise TooManyPrograms(most)
        self._keeper.serve(caller)
        holding = caller.account.hold(_PROCESS_BYTES, descriptors=_DESCRIPTORS)
        try:
            descriptors = Descriptors()
        except OSError as error:
            holding.release()
            raise from_os_error(error, "the pipes of a program") from error
        child = Child(resource, descriptors, effect, holding, self.policy.processes.output_bytes)
        children.add(child)
        child.on_end = lambda: children.discard(child)
        try:
            await self._keeper.send((*descriptors.others, *opened))
            descriptors.close_others()
            await child.begin(json.dumps(request).encode())
        except OslError as error:
            child.end(error)
            raise
        except BaseException:
            child.close()
            raise
        self._count(caller, PROGRAMS, 1)
        self._count(caller, RUNNING, 1)
        forget = self._guard.keep(
            caller.name, CAPABILITY, resource, lambda text: child.end(AccessDenied(text, "grants"))
        )

        def ended() -> None:
            children.discard(child)
            forget()
            self._count(caller, RUNNING, -1)
            own.distrust()

        child.on_end = ended
        return child

    def _count(self, caller: Caller, metric: str, amount: int) -> None:
        if self._meters is not None:
            self._meters.add(metric, caller.name, amount)

    async def _prepared(
        self, caller: Caller, start: Start, directory: str
    ) -> tuple[dict[str, object], int]:
        """Open the working directory: the component's `/`, or one below that it may list."""
        path = canonical_path(directory)
        if path != "/":
            decision = self._guard.check(caller.name, "filesystem:list", path)
            if not decision.is_allowed:
                raise AccessDenied(decision.text, decision.layer)
        place, own = await self._tree.place(caller, path), self._tree.own(caller)

        def prepared() -> tuple[dict[str, object], int]:
            own.check_room()
            request = request_of(self.policy, start)
            return request, place.folder.open(place.parts, os.O_RDONLY | os.O_DIRECTORY)

        try:
            return await place.run(prepared)
        except OSError as error:
            raise from_os_error(error, path) from error

    def _check_denials(self, caller: Caller, program: str, arguments: Sequence[str]) -> None:
        """Refuse a program that is denied by the name that its links lead to."""
        denied = self._guard.forbids(caller.name, CAPABILITY, command_line(program, arguments))
        if denied is not None:
            raise AccessDenied(denied.text, denied.layer)

    async def read_stdout(self, caller: Caller, child: Child, max_bytes: int) -> bytes:
        """Wait for the program; the call's own time limit bounds it."""
        return await child.read("stdout", min(max_bytes, caller.message_bytes))

    async def read_stderr(self, caller: Caller, child: Child, max_bytes: int) -> bytes:
        """Wait for the program; the call's own time limit bounds it."""
        return await child.read("stderr", min(max_bytes, caller.message_bytes))

    async def write_stdin(self, _caller: Caller, child: Child, data: bytes) -> None:
        """Wait for the program; the call's own time limit bounds it."""
        await child.write(data)

    async def wait(self, _caller: Caller, child: Child) -> int:
        """Wait for its end; the call's own time limit bounds it."""
        return await child.wait()

    async def signal(self, caller: Caller, child: Child, name: str) -> None:
        """Send a signal, if the component may signal that program."""
        decision = self._guard.check(caller.name, SIGNAL, child.command_line)
        if not decision.is_allowed:
            raise AccessDenied(decision.text, decision.layer)
        with self._effects.begin(caller.name, SIGNAL, child.command_line, name):
            child.signal(signal.Signals[_SIGNALS[name]])

    async def _attended(self, caller: Caller, child: Child, stdin: bytes) -> Completed:
        """Feed a program, and collect what it prints until it ends."""
        printed = {"stdout": bytearray(), "stderr": bytearray()}
        problems: list[OslError] = []
        holding = caller.account.hold()

        async def collect(name: str) -> None:
            try:
                while data := await child.read(name, _READ_BYTES):
                    whole_bytes = sum(map(len, printed.values())) + len(data)
                    if whole_bytes > caller.message_bytes:
                        raise LimitReached(
                            f"the program printed more than {caller.message_bytes:,} bytes"
                        )
                    holding.resize(whole_bytes)
                    printed[name] += data
            except AccountExceeded as error:
                problems.append(LimitReached(f"there is no room for what it printed: {error}"))
            except OslError as error:
                problems.append(error)
            if problems:
                child.end(problems[0])

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(collect, "stdout")
                tasks.start_soon(collect, "stderr")
                tasks.start_soon(_feed, child, stdin)
        finally:
            holding.release()
        exit_code = 0 if problems else await child.wait()
        if problems:
            raise problems[0]
        return Completed(exit_code, bytes(printed["stdout"]), bytes(printed["stderr"]))


class Children:
    """The running programs of one instance."""

    def __init__(self) -> None:
        self._running: set[Child] = set()

    @classmethod
    def of(cls, caller: Caller) -> Children:
        """Return the caller's programs, which end when its instance does."""

        def make() -> Children:
            children = cls()
            caller.on_close(children.close)
            return children

        return caller.keep(cls, make)

    def __len__(self) -> int:
        return len(self._running)

    def add(self, child: Child) -> None:
        """Count a program until it ends."""
        self._running.add(child)

    def discard(self, child: Child) -> None:
        """Forget a program that has ended."""
        self._running.discard(child)

    def close(self) -> None:
        """End all of them."""
        while self._running:
            self._running.pop().close()


async def _feed(child: Child, data: bytes) -> None:
    """Feed a program's input; it may end, or close its input, before it has read everything."""
    with suppress(OslError):
        await child.write(data)
    child.close_stdin()


def _close_stdin(_caller: Caller, child: Child) -> None:
    child.close_stdin()


def _kill(_caller: Caller, child: Child) -> None:
    child.kill()


def _close(child: object) -> None:
    assert isinstance(child, Child)
    child.close()
