"""For the host: how processes with fewer rights are started, and which protections hold here."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Literal

from .._interpreter import find_interpreter

__all__ = ("SYSTEM_FOLDERS", "confined_python", "missing_protections")

SYSTEM_FOLDERS = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store",
    "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/sys",
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
    "/etc/localtime", "/sys/devices/system/cpu",
)  # fmt: skip
"""Where programs and their libraries are, and nothing that holds a secret."""

_START = "import sys; sys.path.append({0!r}); from _confining.{1} import main; main()"
_PROBE = """
import os, sys
sys.path.append({0!r})
from _confining.fences import bound_processes, drop_capabilities, fence_calls, fence_files, unshare
missing = []
if not unshare(network=False):
    missing += ["processes", "number"]
else:
    told, telling = os.pipe()
    if os.fork() == 0:
        os.write(telling, b"1" if bound_processes(100) else b"0")
        os._exit(0)
    if os.read(told, 1) != b"1":
        missing.append("number")
drop_capabilities()
if not fence_files([], []):
    missing.append("files")
if not fence_calls(network=False):
    missing.append("network")
os.write(1, " ".join(missing).encode())
"""
_ALL = ("files", "network", "number", "processes")


def confined_python(
    module: Literal["keeper", "one_command"], python: str | None = None
) -> tuple[str, ...]:
    """Return the command line that starts a module of this wing; arguments follow.

    Args:
        module: The module.
        python: The interpreter; by default the one that is found.

    Raises:
        FileNotFoundError: There is no interpreter, as in a frozen program.
    """
    python = python or find_interpreter()
    if python is None:
        raise FileNotFoundError("this host has no Python interpreter")
    return (python, "-I", "-S", "-c", _START.format(_folder(), module))


@functools.cache
def missing_protections() -> tuple[str, ...]:
    """Return the protections that this platform does not give, sorted; none is the usual answer.

    `files`: what a program reads and writes is bounded. `network`: it makes no socket, and no
    system call that reaches around the others. `processes`: all that it starts ends with it.
    `number`: how many that are is bounded. They are tried out, once for each process.
    """
    if sys.platform != "linux":
        return _ALL
    ran = subprocess.run(
        [find_interpreter() or sys.executable, "-I", "-S", "-c", _PROBE.format(_folder())],
        capture_output=True,
        check=False,
    )
    return tuple(sorted(ran.stdout.decode().split())) if ran.returncode == 0 else _ALL


def _folder() -> str:
    return str(Path(__file__).parent.parent)
