"""Build this block's interfaces for components from the services of a host.

Interfaces of the contract are returned unguarded: the system puts its guard in front of them, as
their annotations say. `wasi:` interfaces are in no contract; they ask the guard themselves, for
each path or address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from airswasm.actor import ActorSystem
from airswasm.runtime import HostInterface, LiveSettings, Meters, Services
from airswasm.security import Guard

from ._effects import effects_of
from ._files.filesystem import Filesystem
from ._files.tree import MountLayer, Tree
from ._http.client import HttpClient, trust
from ._http.http import Http
from ._http.wasi import WasiHttp
from ._network.addresses import Doorman
from ._network.dns import Dns
from ._network.places import Network
from ._network.tcp import Tcp
from ._network.udp import Udp
from ._policy import FolderLimits, NetworkPolicy, OslPolicy, ProcessPolicy, policy_of, read_networks
from ._processes.process import Processes
from ._wasi_files.filesystem import WasiFilesystem
from ._wasi_sockets.interfaces import WasiSockets


def provide(services: Services) -> Iterable[HostInterface]:
    """Return all interfaces that this block offers to components.

    Args:
        services: Must have a `Guard`, and an `OslPolicy` or a `Home`, below which each component
            then gets the folder `files/<namespace>/<name>`.

    Raises:
        ServiceMissing: One of them is missing.
        MountInvalid: A mount would give components what the forbidden list has, or overlaps
            another.
        CertificatesUnusable: HTTPS cannot trust what `[network] ca_file` names.
    """
    guard = services.get(Guard)
    meters = services.get(Meters) if services.has(Meters) else None
    policy, effects = policy_of(services), effects_of(services)
    doorman = Doorman(guard, policy.network.internal_networks)
    tracing = services.get(ActorSystem).tracing if services.has(ActorSystem) else None
    client = HttpClient(doorman, policy.network, effects=effects, tracing=tracing)
    for mount in policy.mounts:
        policy.folder_of_mount(mount)
    if policy.mounts:
        guard.add_layer(MountLayer(policy.mounts, guard))
    tree = Tree(policy, guard, effects)
    files, programs = Filesystem(tree), Processes(tree, meters)
    wasi_files = WasiFilesystem(tree)
    network = Network(doorman, policy.network, meters, effects)
    if policy.network.ca_file:
        trust(policy.network.ca_file)
    http, wasi_http = Http(client, policy.network), WasiHttp(guard, client, policy.network)
    if services.has(LiveSettings) and not services.has(OslPolicy):
        live = services.get(LiveSettings)
        _follow_files(live, tree)
        _follow_network(live, doorman, (client, network, http, wasi_http))
    return (
        files.interface(),
        programs.interface(),
        Tcp(network).interface(),
        Udp(network).interface(),
        Dns(network).interface(),
        http.interface(),
        *wasi_files.interfaces(),
        *WasiSockets(network).interfaces(),
        *wasi_http.interfaces(),
    )


class _HasNetworkPolicy(Protocol):
    @property
    def policy(self) -> NetworkPolicy: ...
    @policy.setter
    def policy(self, policy: NetworkPolicy) -> None: ...


def _follow_files(live: LiveSettings, tree: Tree) -> None:
    """Have the files, and the programs that share them, take changed limits over."""

    def take_folders(settings: FolderLimits) -> None:
        tree.policy = replace(tree.policy, folders=settings)

    def take_processes(settings: ProcessPolicy) -> None:
        tree.policy = replace(tree.policy, processes=settings)

    live.take(FolderLimits, take_folders)
    live.take(ProcessPolicy, take_processes)


def _follow_network(
    live: LiveSettings, doorman: Doorman, parts: Sequence[_HasNetworkPolicy]
) -> None:
    """Have these parts take changed limits on the network over."""

    def prepare(settings: NetworkPolicy) -> Callable[[], None]:
        networks = read_networks(settings.internal_networks)
        trust(settings.ca_file)

        def apply() -> None:
            doorman.open_to(networks)
            for each in parts:
                each.policy = settings

        return apply

    live.prepare(NetworkPolicy, prepare)
