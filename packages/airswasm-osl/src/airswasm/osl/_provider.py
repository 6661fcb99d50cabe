"""Build this block's interfaces for components from the services of a host.

Interfaces of the contract are returned unguarded: the system puts its guard in front of them, as
their annotations say. `wasi:` interfaces are in no contract; they ask the guard themselves, for
each path or address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from airswasm.lifecycle import Home
from airswasm.runtime import EngineSettings, HostInterface, Services
from airswasm.security import Guard

from ._addresses import Doorman
from ._filesystem import Filesystem
from ._folder import FolderLimits
from ._http import Http, HttpClient
from ._policy import NetworkPolicy, OslPolicy, ProcessPolicy, folders_below
from ._process import Processes
from ._tcp import Tcp
from ._udp import Udp
from ._wasi_filesystem import WasiFilesystem
from ._wasi_http import WasiHttp

T = TypeVar("T")


def provide(services: Services) -> Iterable[HostInterface]:
    """Return all interfaces that this block offers to components.

    Args:
        services: Must have a `Guard`, and an `OslPolicy` or a `Home`, below which each component
            then gets the folder `files/<namespace>/<name>`.

    Raises:
        ServiceMissing: One of them is missing.
    """
    guard = services.get(Guard)
    policy = policy_of(services)
    doorman = Doorman(guard, policy.network.internal_networks)
    client = HttpClient(doorman, policy.network)
    return (
        Filesystem(policy).interface(),
        Processes(policy, guard).interface(),
        Tcp(doorman, policy.network).interface(),
        Udp(doorman, policy.network).interface(),
        Http(client, policy.network).interface(),
        *WasiFilesystem(guard, policy).interfaces(),
        *WasiHttp(guard, client, policy.network).interfaces(),
    )


def policy_of(services: Services) -> OslPolicy:
    if services.has(OslPolicy):
        policy = services.get(OslPolicy)
    else:
        policy = OslPolicy(
            folders_below(files_of(services)),
            _setting(services, FolderLimits),
            _setting(services, NetworkPolicy),
            _setting(services, ProcessPolicy),
            _setting(services, EngineSettings).python_executable,
        )
    if not services.has(Home):
        return policy
    home = services.get(Home).folder
    forbidden = (*policy.forbidden_folders, home)
    return replace(policy, forbidden_folders=forbidden, files_folder=files_of(services))


def files_of(services: Services) -> Path:
    """Return the folder of the host that contains every component's folder."""
    return services.get(Home).folder / "files"


def _setting(services: Services, kind: type[T]) -> T:
    return services.get(kind) if services.has(kind) else kind()
