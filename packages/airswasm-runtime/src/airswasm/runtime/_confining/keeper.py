"""A process of its own that starts the programs of a host's components.

It is small and has one thread, so that a fork takes a millisecond and what runs between fork and
exec may be Python. A host has one, from the first program on; it ends with the host's end of its
socket, which a killed host closes as well. Each message on the socket is one program: its six
descriptors (`supervisor`). So a program that hangs holds up neither the keeper nor another program.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from .fences import PR_SET_CHILD_SUBREAPER, libc
from .supervisor import supervise

__all__ = ("DESCRIPTORS", "main")

DESCRIPTORS = 6
"""Control, standard input, output and error, the working directory, the program."""


def main() -> None:
    """Start programs until the host goes away."""
    with socket.socket(fileno=int(sys.argv[1])) as host:
        if libc is not None:
            libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps what has ended
        while True:
            _, descriptors, _, _ = socket.recv_fds(host, 1, DESCRIPTORS)
            if not descriptors:
                os._exit(0)
            _start(host, descriptors)


def _start(host: socket.socket, descriptors: list[int]) -> None:
    try:
        child = os.fork() if len(descriptors) == DESCRIPTORS else -1
    except OSError:
        child = -1  # the host sees that the control socket closes
    if child == 0:
        try:
            host.close()
            supervise(*descriptors)
        finally:
            os._exit(125)
    for each in descriptors:
        os.close(each)
