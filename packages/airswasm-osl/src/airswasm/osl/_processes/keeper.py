"""The process that starts programs for this host.

It runs while a component does that has started one. A program starts in it by a fork of a small
process with one thread. Rejected: a fresh interpreter for each program (35 ms of processor time
instead of 0.2), and code between fork and exec of the host, which may deadlock in a process with
threads.
"""

from __future__ import annotations

import errno
import socket
import subprocess
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio
from airswasm.runtime import Caller, confined_python
from anyio import to_thread

from ..errors import KeeperFailed

__all__ = ("ProgramKeeper",)

_END_SECONDS = 5.0
_FULL_SECONDS = 0.01
"""Until the next try, where more descriptors are on their way than the system allows."""


class ProgramKeeper:
    """Sends programs to the process that starts them, and starts that one when it is needed.

    Args:
        python: Returns the interpreter to run; empty for the one that is found.
    """

    def __init__(self, python: Callable[[], str]) -> None:
        self._python = python
        self._sending = anyio.Lock()
        self._socket: socket.socket | None = None
        self._end_process: Callable[[], object] = _nothing
        self._users = 0

    def serve(self, caller: Caller) -> None:
        """Keep the process until this instance has ended, and all others that were served."""

        def use() -> _Use:
            self._users += 1
            caller.on_close(self._left)
            return _Use()

        caller.keep(_Use, use)

    async def send(self, descriptors: Sequence[int]) -> None:
        """Have a program started that has these descriptors.

        Raises:
            KeeperFailed: There is no process to do so.
        """
        async with self._sending:  # one waits until there is room, and the others for it
            for is_last in (False, True):
                process = await self._started()
                try:
                    await _sent(process, descriptors)
                except ConnectionError as error:  # it was killed
                    self._end()
                    if is_last:
                        raise KeeperFailed("it ended") from error
                else:
                    return

    async def _started(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        try:
            started, process = await to_thread.run_sync(self._start)
        except OSError as error:
            raise KeeperFailed(str(error)) from error
        self._socket = started
        self._end_process = weakref.finalize(self, _ended, started, process)
        return started

    def _start(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        command = confined_python("keeper", self._python() or None)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = subprocess.Popen(
                    [*command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={},
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        return ours, process

    def _left(self) -> None:
        self._users -= 1
        if not self._users:
            self._end()

    def _end(self) -> None:
        self._end_process()
        self._socket = None


def _nothing() -> None:
    """Stand for the end of a process that was not started."""


def _ended(host: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """End the process, which notices that its socket closes."""
    host.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)


class _Use:
    """An instance that has started a program."""


async def _sent(process: socket.socket, descriptors: Sequence[int]) -> None:
    while True:
        try:
            socket.send_fds(process, [b"\0"], descriptors)
        except BlockingIOError:
            await anyio.wait_writable(process)
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS:
                raise
            await anyio.sleep(_FULL_SECONDS)
        else:
            return
