"""What the operating system layer may do at all, whatever components are granted.

Capabilities say what a component may ask for, in virtual terms: paths below its
own `/`, names of hosts, programs. The policy says what these mean on this host
and where its bounds are. It belongs to whoever runs the host and is no part of
any package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ._folder import FolderLimits
from .errors import Malformed

_COMPONENT = re.compile(r"[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}", re.ASCII)

FolderOf = Callable[[str], Path]
"""The folder of the host that is a component's `/`, by the component's name."""


def folders_below(base: Path, elsewhere: Mapping[str, Path] | None = None) -> FolderOf:
    """A folder of its own for each component: `base/namespace/name`.

    Args:
        base: Where they lie.
        elsewhere: Components whose folder is another one.
    """
    exceptions = dict(elsewhere or {})

    def folder_of(component: str) -> Path:
        if component in exceptions:
            return exceptions[component]
        if _COMPONENT.fullmatch(component) is None:
            raise Malformed(f"{component!a} is no component's name")
        return base.joinpath(*component.split("/"))

    return folder_of


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """Bounds of what goes over the network.

    Attributes:
        connect_timeout: Seconds to connect when a component names no other.
        timeout: Seconds for a whole exchange when a component names no other.
        longest_timeout: Seconds that a component can ask for at most.
        transfer_bytes: The most that one response, receive or datagram brings.
        connections: TCP connections that one component may hold.
        internal_networks: Networks of the host (`10.0.0.0/8`) that components with a
            grant may reach although they are not out in the world.
    """

    connect_timeout: float = 10.0
    timeout: float = 30.0
    longest_timeout: float = 300.0
    transfer_bytes: int = 8 * 1024 * 1024
    connections: int = 64
    internal_networks: tuple[str, ...] = ()

    def seconds(self, timeout_ms: int) -> float:
        """A component's timeout in seconds; 0 asks for the default."""
        return min(timeout_ms / 1000 or self.timeout, self.longest_timeout)


@dataclass(frozen=True, slots=True)
class ProcessPolicy:
    """Bounds of programs that components run.

    Attributes:
        timeout: Seconds when a component names no other.
        longest_timeout: Seconds that a component can ask for at most.
        output_bytes: The most of each of stdout and stderr; more ends the program.
        environment: All that a program gets to see of an environment.
        cpu_seconds: Processor time of each process.
        memory_bytes: Address space of each process.
        file_bytes: The most that a process may write to one file.
    """

    timeout: float = 30.0
    longest_timeout: float = 600.0
    output_bytes: int = 4 * 1024 * 1024
    environment: Mapping[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    )
    cpu_seconds: int = 600
    memory_bytes: int = 2 * 1024 * 1024 * 1024
    file_bytes: int = 256 * 1024 * 1024

    def seconds(self, timeout_ms: int) -> float:
        """A component's timeout in seconds; 0 asks for the default."""
        return min(timeout_ms / 1000 or self.timeout, self.longest_timeout)


@dataclass(frozen=True, slots=True)
class OslPolicy:
    """What this host's operating system layer may do.

    Attributes:
        folder_of: Which folder is a component's `/`.
        folders: Bounds of files.
        network: Bounds of the network.
        processes: Bounds of programs.
    """

    folder_of: FolderOf
    folders: FolderLimits = field(default_factory=FolderLimits)
    network: NetworkPolicy = field(default_factory=NetworkPolicy)
    processes: ProcessPolicy = field(default_factory=ProcessPolicy)
