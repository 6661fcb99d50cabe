"""Ask the operating system about a resource, without touching it: the last layer of `why`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from airswasm.runtime import Services

from ._network.gate import port_problem
from ._policy import policy_of
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
    path = _path_of(services, component, resource)
    nearest = next(each for each in (path, *path.parents) if os.path.lexists(each))
    return None if os.access(nearest, os.W_OK) else f"this user may not write {nearest}"


def _path_of(services: Services, component: str, resource: str) -> Path:
    return policy_of(services).folder_of(component) / resource.lstrip("/")


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
