"""The first code of a new process: set limits on itself, then become the program.

Started as `python -I -S launcher.py cpu-seconds memory-bytes file-bytes program arguments...`.
Rejected: the same between fork and exec (`preexec_fn`), because code there may deadlock in a
process with threads. It imports only a little of the standard library.
"""

import os
import sys


def bind(cpu_seconds: int, memory_bytes: int, file_bytes: int) -> None:
    """Set limits that the program and its children inherit and cannot raise."""
    import resource

    for limit, value in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        if limit == resource.RLIMIT_AS and sys.platform == "darwin":
            continue  # such a kernel has the constant and refuses the limit
        _, hard = resource.getrlimit(limit)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))


def forbid_new_privileges() -> None:
    """Make setuid programs run without their privileges; Linux only."""
    import ctypes

    set_no_new_privileges = 38
    if ctypes.CDLL(None).prctl(set_no_new_privileges, 1, 0, 0, 0) != 0:
        raise OSError("new privileges cannot be forbidden")


def main() -> None:
    """Set the limits, then execute the program."""
    cpu_seconds, memory_bytes, file_bytes = map(int, sys.argv[1:4])
    command = sys.argv[4:]
    if sys.platform == "linux":
        forbid_new_privileges()
    bind(cpu_seconds, memory_bytes, file_bytes)
    os.execv(command[0], command)  # noqa: S606 - there is no shell in this


if __name__ == "__main__":
    main()
