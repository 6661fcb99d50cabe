"""Ask the operating system about a resource, without touching it: the last layer of `why`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from airswasm.runtime import Services

from ._network.gate import port_problem
from ._policy import Mount, OslPolicy, policy_of
from ._processes.command import check_program
from .errors import OslError

__all__ = ("probe_port", "probe_program", "probe_readable", "probe_writable")


def probe_readable(services: Services, component: str, resource: str) -> str | None:
    """Return why the host could not read a path, or None."""
    path = _path_of(services, component, resource)
    if not os.path.lexists(path):
        return f"there is no {path}"
    return None if os.access(path, os.R_OK) else f"this user may not read {path}"


def probe_writable(services: Services, component: str, resource: str) -> str | None:
    """Return why the host could not create, change or remove a path, or None."""
    mount = _mount_of(policy_of(services), resource)
    if mount is not None and mount.read_only:
        return f"the mount {mount.name} can only be read"
    path = _path_of(services, component, resource)
    nearest = next(each for each in (path, *path.parents) if os.path.lexists(each))
    return None if os.access(nearest, os.W_OK) else f"this user may not write {nearest}"


def _path_of(services: Services, component: str, resource: str) -> Path:
    policy = policy_of(services)
    mount = _mount_of(policy, resource)
    if mount is None:
        return policy.folder_of(component) / resource.lstrip("/")
    return Path(mount.path) / resource.removeprefix(mount.place).lstrip("/")


def _mount_of(policy: OslPolicy, resource: str) -> Mount | None:
    """Return the mount that has a path; where no grant names it, another layer refuses it."""
    return next(
        (each for each in policy.mounts if f"{resource}/".startswith(f"{each.place}/")), None
    )


def probe_port(services: Services, component: str, resource: str) -> str | None:
    """Return why the host would keep a port from components, or None."""
    del component
    return port_problem(int(resource.rpartition(":")[2]), policy_of(services).network)


def probe_program(services: Services, component: str, resource: str) -> str | None:
    """Return why a program could not run, or None."""
    del services, component
    try:
        check_program(shlex.split(resource)[0])
    except OslError as error:
        return error.text
    return None
