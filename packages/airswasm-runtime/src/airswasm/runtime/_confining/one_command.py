"""The first code of a confined process: give rights up, then become the command.

Started with a request as JSON. Where the kernel refuses a protection that no person has waived, the
command does not begin. Rejected: the same between fork and exec, where code may deadlock in a
process with threads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

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

__all__ = ("main",)


def main() -> None:
    """Give rights up, and become the command; as the first process of its own, end with it."""
    request = json.loads(sys.argv[1])
    missing: list[str] = []
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != request["parent"]:  # it was killed before that
            os._exit(125)
        if not unshare(network=False):
            missing.append("processes")
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork() if libc is not None else 0
    if child:
        os._exit(_wait(child))
    limit(request["limits"])  # it loads code that may be out of reach afterwards
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if "NPROC" in request["limits"]:
            bound_processes(request["limits"]["NPROC"])
        drop_capabilities()
        if not fence_files(request["read"], request["write"]):
            missing.append("files")
        if not fence_calls(network=False):
            missing.append("network")
    else:
        missing += ["processes", "files", "network"]
    if set(missing) - set(request["waived"]):
        sys.stderr.write(f"this machine does not confine {', '.join(missing)}\n")
        os._exit(126)
    command: list[str] = request["command"]
    try:
        os.execve(command[0], command, request["environment"])  # noqa: S606 - there is no shell
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        os._exit(127)


def _wait(child: int) -> int:
    """Wait for the command; end what it left behind, and pass its end on."""
    status = 0
    while True:
        pid, ended = os.waitpid(-1, 0)
        if pid == child:
            status = ended
            break
    for name in _children():  # in a namespace of its own, the kernel has done so
        try:
            os.kill(name, signal.SIGKILL)
        except OSError:
            continue
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


def _children() -> list[int]:
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        return [int(each) for each in listed.split()]
    except OSError:
        return []
