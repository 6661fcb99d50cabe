"""The `child` resource: one running program.

Its pipes are the back-pressure: a program that prints faster than its component reads waits, and so
does a component that writes faster than the program reads. The control socket leads to the
program's supervisor; when either end closes, the program ends with all that it started.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import anyio
from airswasm.runtime import Holding

from .._effects import RunningEffect
from ..errors import (
    Disconnected,
    LimitReached,
    OslError,
    ProgramNotConfined,
    ProgramNotStarted,
    TimedOut,
)

__all__ = ("KILLED", "Child", "Descriptors")

KILLED = 9
_CHUNK_BYTES = 256 * 1024
_LINE_BYTES = 256


class Descriptors:
    """The host's ends of a program's pipes and of its control socket, and the other ends.

    The other ends are for the supervisor, and close here once they were sent.
    """

    def __init__(self) -> None:
        self.control, self._other_control = socket.socketpair()
        self._others: list[int] = []
        self.stdin = self.stdout = self.stderr = -1
        try:
            reading, self.stdin = os.pipe()
            self._others.append(reading)
            self.stdout, writing = os.pipe()
            self._others.append(writing)
            self.stderr, writing = os.pipe()
            self._others.append(writing)
        except OSError:
            self.close()
            raise
        self.control.setblocking(False)
        for each in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(each, False)

    @property
    def others(self) -> tuple[int, ...]:
        """Control, standard input, output and error of the program."""
        return (self._other_control.fileno(), *self._others)

    def close_others(self) -> None:
        """Close the ends that the program has now."""
        self._other_control.close()
        while self._others:
            os.close(self._others.pop())

    def close_one(self, name: str) -> None:
        """Close one pipe. Closing twice is harmless."""
        descriptor: int = getattr(self, name)
        setattr(self, name, -1)
        if descriptor >= 0:
            anyio.notify_closing(descriptor)
            os.close(descriptor)

    def close_control(self) -> None:
        """End the program."""
        if self.control.fileno() >= 0:
            anyio.notify_closing(self.control)
            self.control.close()

    def close(self) -> None:
        """Close everything, which ends the program. Closing twice is harmless."""
        self.close_others()
        self.close_control()
        for name in ("stdin", "stdout", "stderr"):
            self.close_one(name)


class Child:
    """One program, from its start to its end.

    Attributes:
        command_line: The program and its arguments, as they were decided.
        on_end: Called once, when it has ended.

    Args:
        command_line: The program and its arguments.
        descriptors: Its pipes and its control socket.
        effect: The record of its life.
        holding: Its place on the account of its component.
        output_bytes: The most that it may print to each of its outputs.
    """

    def __init__(
        self,
        command_line: str,
        descriptors: Descriptors,
        effect: RunningEffect,
        holding: Holding,
        output_bytes: int,
    ) -> None:
        self.command_line = command_line
        self.on_end: Callable[[], None] | None = None
        self._open, self._effect, self._holding = descriptors, effect, holding
        self._most_bytes = output_bytes
        self._printed = {"stdout": 0, "stderr": 0}
        self._answers = bytearray()
        self._end: int | OslError | None = None
        self._refusal: OslError | None = None

    async def begin(self, request: bytes) -> None:
        """Send the request, and wait until the program runs.

        Raises:
            ProgramNotConfined: The machine lacks a protection.
            ProgramNotStarted: The system does not run it.
        """
        data = memoryview(len(request).to_bytes(4, "little") + request)
        try:
            while data:
                try:
                    data = data[self._open.control.send(data) :]
                except BlockingIOError:
                    await anyio.wait_writable(self._open.control)
        except OSError as error:
            raise ProgramNotStarted(self.command_line, "its supervisor ended") from error
        word, *rest = await self._answer() or ["failed"]
        if word == "missing":
            raise ProgramNotConfined(tuple(rest))
        if word != "started":
            reason = os.strerror(int(rest[0])) if rest else "its supervisor ended"
            raise ProgramNotStarted(self.command_line, reason)

    async def read(self, name: str, max_bytes: int) -> bytes:
        """Return at least one byte that it printed to `stdout` or `stderr`; no bytes at the end.

        Raises:
            LimitReached: It has printed more than it may, and was ended.
            AccessDenied: Its grant ended.
        """
        at_most_bytes = min(max_bytes, _CHUNK_BYTES)
        while True:
            if self._refusal is not None:
                raise self._refusal
            descriptor: int = getattr(self._open, name)
            if descriptor < 0 or not at_most_bytes:
                return b""
            try:
                data = os.read(descriptor, at_most_bytes)
            except BlockingIOError:
                await _ready(anyio.wait_readable, descriptor)
            else:
                return self._counted(name, data)

    def _counted(self, name: str, data: bytes) -> bytes:
        if not data:
            self._open.close_one(name)
        self._printed[name] += len(data)
        if self._printed[name] > self._most_bytes:
            self.end(
                LimitReached(f"the program printed more than {self._most_bytes:,} bytes to {name}")
            )
            assert self._refusal is not None
            raise self._refusal
        self._effect.received(len(data))
        return data

    async def write(self, data: bytes) -> None:
        """Write all data to its standard input; after a cancel, how much of it is unknown.

        Raises:
            Disconnected: It has ended, or has closed its input.
            AccessDenied: Its grant ended.
        """
        view = memoryview(data)
        while view:
            if self._refusal is not None:
                raise self._refusal
            if self._open.stdin < 0:
                raise Disconnected("the program's standard input is closed")
            try:
                written = os.write(self._open.stdin, view[:_CHUNK_BYTES])
            except BlockingIOError:
                await _ready(anyio.wait_writable, self._open.stdin)
            except BrokenPipeError as error:
                raise Disconnected("the program reads no more") from error
            else:
                self._effect.sent(written)
                view = view[written:]

    def close_stdin(self) -> None:
        """Let the program read the end of its input. Doing so twice is harmless."""
        self._open.close_one("stdin")

    async def wait(self) -> int:
        """Wait for its end; return its exit code, or the negative number of a signal.

        Raises:
            TimedOut: Its time was over.
            AccessDenied: Its grant ended.
        """
        while self._end is None:
            words = await self._answer()
            if self._end is None:
                self._ended(_end_of(words))
        if isinstance(self._end, OslError):
            raise self._end
        return self._end

    def signal(self, number: int) -> None:
        """Send it a signal.

        Raises:
            Disconnected: It has ended.
        """
        try:
            if self._end is None and self._open.control.fileno() >= 0:
                self._open.control.send(bytes((number,)))
                return
        except OSError:
            pass
        raise Disconnected("the program has ended")

    def kill(self) -> None:
        """Kill it. Killing one that has ended is harmless."""
        if self._end is None:
            try:
                self.signal(KILLED)
            except Disconnected:
                return

    def end(self, refusal: OslError) -> None:
        """End it and all that it started, because it may not go on."""
        self._refusal = refusal
        self._open.close()
        self._ended(refusal)

    def close(self) -> None:
        """End it and all that it started. Closing twice is harmless."""
        self._open.close()
        if self._end is None:
            self._effect.cancel()
        self._ended(-KILLED)

    def _ended(self, end: int | OslError) -> None:
        if self._end is not None:
            return
        self._end = end
        self._open.close_control()
        if isinstance(end, OslError):
            self._effect.end(end)
        else:
            self._effect.end(reason=_described(end))
        self._holding.release()
        if self.on_end is not None:
            self.on_end()

    async def _answer(self) -> list[str]:
        """Return the words of the supervisor's next line; none if it has ended."""
        while b"\n" not in self._answers:
            try:
                data = self._open.control.recv(_LINE_BYTES)
            except BlockingIOError:
                await _ready(anyio.wait_readable, self._open.control)
            except OSError:  # closed here meanwhile, or there
                return []
            else:
                if not data:
                    return []
                self._answers += data
        line, _, rest = self._answers.partition(b"\n")
        self._answers = bytearray(rest)
        return line.decode().split()


def _end_of(words: list[str]) -> int | OslError:
    match words:
        case ["exited", code]:
            return int(code)
        case ["killed", number]:
            return -int(number)
        case ["timed-out"]:
            return TimedOut()
        case ["no-room"]:
            return LimitReached(
                "the files of the component, with those that the program wrote, exceed their quota "
                "(filesystem.total_bytes), or the disk is full"
            )
        case _:
            return -KILLED


def _described(end: int) -> str:
    return f"signal {-end}" if end < 0 else f"exit {end}" if end else ""


async def _ready(wait: Callable[..., object], descriptor: object) -> None:
    try:
        await wait(descriptor)  # type: ignore[misc]
    except anyio.ClosedResourceError:
        return  # the caller looks at what has closed it
