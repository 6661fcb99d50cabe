"""The parent of one program: it gives rights up, starts the program, and ends all of it.

Where there are namespaces it is the first process of one. When it ends, for whatever reason, the
kernel ends every process in it, also one that opened a session of its own. Elsewhere it adopts what
loses its parent, and ends what it finds.

It talks with the host over a control socket, which is all that the host has of the program:

- The host sends the request: its length in four bytes, and JSON. Later each byte is a signal for
  the program. The end of the socket, as of a killed host, ends the program and all it started.
- It answers with a line of words: `started`, or `missing files`, `failed ERRNO`; and later with
  `exited CODE`, `killed SIGNAL`, `timed-out` or `no-room`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .disk_room import DiskRoom
from .fences import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    bound_processes,
    drop_capabilities,
    fence_calls,
    fence_files,
    libc,
    limit,
    unshare,
)

__all__ = ("supervise",)

_SWEEPS = 100
_ELF = b"\x7fELF"


def supervise(
    control: int, stdin: int, stdout: int, stderr: int, directory: int, program: int
) -> None:
    """Run one program with these descriptors; return when all of it has ended."""
    for each in (control, stdin, stdout, stderr, directory, program):
        os.set_inheritable(each, False)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=control) as host:
        request = _read_request(host)
        missing: list[str] = []
        if unshare(network=request["network"]):
            if os.fork():
                os._exit(0)
            if not bound_processes(request["processes"]):
                missing.append("number")
        else:
            missing += ["processes", "number"]
        if libc is not None:
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        woken = _wake_on_children()
        told, telling = os.pipe()
        child = os.fork()
        if child == 0:
            host.close()
            os.close(told)
            streams = stdin, stdout, stderr
            _become(request, streams, directory, program, telling, missing)
        for each in (stdin, stdout, stderr, directory, program, telling):
            os.close(each)
        with os.fdopen(told, "rb") as telling_end:
            complaint = telling_end.read()
        host.sendall(complaint or b"started\n")
        room = DiskRoom(request["quotas"], request["free_bytes"])
        end = _attend(host, woken, child, time.monotonic() + request["seconds"], room)
        _end_all(child, is_first=os.getpid() == 1)
        if not complaint:
            host.sendall(end)


def _read_request(host: socket.socket) -> dict[str, Any]:
    size = int.from_bytes(_read_exactly(host, 4), "little")
    request: dict[str, Any] = json.loads(_read_exactly(host, size))
    return request


def _read_exactly(host: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = host.recv(size - len(data))
        if not part:
            os._exit(0)
        data += part
    return bytes(data)


def _become(
    request: dict[str, Any],
    streams: tuple[int, int, int],
    directory: int,
    program: int,
    telling: int,
    missing: list[str],
) -> None:
    """Give rights up and become the program, or tell why not."""
    try:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        os.fchdir(directory)
        for number, each in enumerate(streams):
            os.dup2(each, number)
        for each in signal.valid_signals():
            if each not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.umask(0o077)
        os.nice(request["niceness"])
        with suppress(OSError):  # where memory runs out, the kernel ends it before the host
            Path("/proc/self/oom_score_adj").write_text("1000")
        command: list[str] = request["command"]
        drop_capabilities()
        limit(request["limits"])
        if not fence_files(request["read"], request["write"], network=request["network"]):
            missing.append("files")
        if not fence_calls(network=request["network"]):
            missing.append("calls")
        if set(missing) - set(request["waived"]):
            os.write(telling, f"missing {' '.join(missing)}\n".encode())
            os._exit(126)
        is_script = os.pread(program, 4, 0) != _ELF  # its interpreter opens it by its name
        os.execve(command[0] if is_script else program, command, request["environment"])  # noqa: S606
    except OSError as error:
        os.write(telling, f"failed {error.errno}\n".encode())
    os._exit(127)


def _wake_on_children() -> int:
    """Return a descriptor that becomes readable when a child ends."""
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return woken


def _attend(host: socket.socket, woken: int, child: int, deadline: float, room: DiskRoom) -> bytes:
    """Pass signals on until the program ends or exceeds a bound, or the host goes away."""
    waiting = select.poll()
    waiting.register(host, select.POLLIN)
    waiting.register(woken, select.POLLIN)
    while True:
        now = time.monotonic()
        if now >= deadline:
            return b"timed-out\n"
        if now >= room.next_look and room.is_exceeded():
            return b"no-room\n"
        pause = min(deadline, room.next_look) - now
        for descriptor, _ in waiting.poll(max(0.0, pause) * 1000 + 1):
            if descriptor == woken:
                os.read(woken, 4096)
                for pid, status in _ended():
                    if pid == child:
                        return _described(status)
            elif not _passed_on(host, child):
                return b"killed 9\n"


def _passed_on(host: socket.socket, child: int) -> bool:
    """Send the program the signals that the host asks for; return whether the host is there."""
    try:
        numbers = host.recv(64)
    except ConnectionError:
        return False
    for number in numbers:
        os.kill(child, number)  # its number is its own until this process has waited for it
    return bool(numbers)


def _ended() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _described(status: int) -> bytes:
    if os.WIFSIGNALED(status):
        return f"killed {os.WTERMSIG(status)}\n".encode()
    return f"exited {os.WEXITSTATUS(status)}\n".encode()


def _end_all(child: int, *, is_first: bool) -> None:
    """End every process that the program left."""
    if is_first:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return
        return
    for _ in range(_SWEEPS):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        left = _children()
        for each in left:
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if not left:
            return
        for _ in _ended():
            pass
        time.sleep(0.001)


def _children() -> list[int]:
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return [int(each) for each in listed.split()]
    except OSError:
        return []
