"""The rights of a program: what it may read, write and take, as the supervisor sets them.

A program reads the system's folders, its own file, and what `[process] readable` lists; it reads
and writes its component's folder, and a mount where the component may do so with all that is in it.
Other grants bind the component and not the program, so that no folder of the host is among them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airswasm.runtime import SYSTEM_FOLDERS, missing_protections

from .._policy import OslPolicy
from ..errors import AccessDenied, ProgramNotConfined

__all__ = ("Start", "request_of", "waived_protections")

_FOR_NETWORK = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/ssl/certs",
    "/etc/ca-certificates", "/etc/pki",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Start:
    """A program that a component may start.

    Attributes:
        component: The component.
        command: The program and its arguments.
        real_program: The path that the program's links lead to.
        environment: All of its variables.
        seconds: The time that it has.
        readable: The mounts that it may read.
        writable: The mounts that it may change, with the bytes that may be in each.
    """

    component: str
    command: Sequence[str]
    real_program: str
    environment: Mapping[str, str]
    seconds: float
    readable: Sequence[str]
    writable: Sequence[tuple[str, int]]


def request_of(policy: OslPolicy, start: Start) -> dict[str, object]:
    """Return what the supervisor of a program needs to know; it looks at the disk.

    Raises:
        AccessDenied: A folder that it may read contains the host's home.
        ProgramNotConfined: This machine lacks a protection, and no setting does without it.
    """
    bounds = policy.processes
    folders = [*SYSTEM_FOLDERS, *bounds.readable]
    if bounds.network:
        folders += _FOR_NETWORK
    _check_readable(policy, folders)
    own = str(policy.root_of(start.component)), policy.folders.total_bytes
    quotas = [own, *start.writable]
    return {
        "command": list(start.command),
        "environment": dict(start.environment),
        "read": [*folders, start.real_program, *start.readable],
        "write": [path for path, _ in quotas],
        "quotas": quotas,
        "free_bytes": policy.folders.free_bytes,
        "network": bounds.network,
        "processes": bounds.processes,
        "niceness": bounds.niceness,
        "limits": {
            "CPU": bounds.cpu_seconds,
            "AS": bounds.memory_bytes,
            "FSIZE": bounds.file_bytes,
            "NOFILE": bounds.open_files,
            "CORE": 0,
            **({} if "processes" in missing_protections() else {"NPROC": bounds.processes}),
        },
        "seconds": start.seconds,
        "waived": waived_protections(policy),
    }


def waived_protections(policy: OslPolicy) -> list[str]:
    """Return the protections that programs do without on this machine.

    Raises:
        ProgramNotConfined: It lacks one, and no setting does without it.
    """
    missing = missing_protections()
    if missing and not policy.processes.unconfined:
        raise ProgramNotConfined(missing)
    return list(missing)


def _check_readable(policy: OslPolicy, folders: Sequence[str]) -> None:
    """Refuse folders that hold the host's home, with its keys and all components' data."""
    if policy.home is None:
        return
    home = Path(os.path.realpath(policy.home))
    for each in folders:
        folder = Path(os.path.realpath(each))
        if home == folder or folder in home.parents or home in folder.parents:
            raise AccessDenied(
                f"programs may read {each}, and the host's home is {home}: they must not meet "
                "(process.readable)",
                "host",
            )
