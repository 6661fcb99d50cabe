"""The policy of the operating system layer: the most that any grant allows.

Capabilities say what a component may ask for, in virtual terms: paths below its own `/`, names of
hosts, programs. The policy gives these terms a meaning on this host, and sets the limits. It
belongs to the host's operator and is no part of any package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar

from airswasm.lifecycle import Home
from airswasm.runtime import EngineSettings, Services

from .errors import Malformed, MountInvalid

T = TypeVar("T")
_HIGHEST_PORT = 65_535
MOUNTS = "/mnt"
"""The directory of each component that has the mounts."""

_MOUNT = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_COMPONENT = re.compile(r"[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}", re.ASCII)

_LOADING = ("LD_", "DYLD_", "GLIBC_", "GCONV_")
"""Beginnings of variables by which a loader runs other code."""

FolderOf = Callable[[str], Path]
"""Returns the folder of the host that is a component's `/`, by the component's name."""


def folders_below(base: Path, elsewhere: Mapping[str, Path] | None = None) -> FolderOf:
    """Return a function that gives each component the folder `base/namespace/name`.

    Args:
        base: The parent of these folders.
        elsewhere: Components with another folder.
    """
    exceptions = dict(elsewhere or {})

    def folder_of(component: str) -> Path:
        if component in exceptions:
            return exceptions[component]
        if _COMPONENT.fullmatch(component) is None:
            raise Malformed(f"{component!a} is not a component's name")
        return base.joinpath(*component.split("/"))

    return folder_of


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of the host that components see below `/mnt`.

    Attributes:
        name: Its name there: `photos` for `/mnt/photos`.
        path: The folder, absolute.
        read_only: Whether no component may change it.
        total_bytes: Bytes of all its files together, counted as for a component's own folder; 0 for
            no bound but the disk's.
        total_entries: Its files and directories together; 0 for no bound.
    """

    name: str
    path: str
    read_only: bool = True
    total_bytes: int = 0
    total_entries: int = 0

    def __post_init__(self) -> None:
        if _MOUNT.fullmatch(self.name) is None:
            raise ValueError(
                f"{self.name!a} is no name of a mount: small letters, digits, . _ and -"
            )
        if not Path(self.path).is_absolute():
            raise ValueError(f"the path of the mount {self.name} is not absolute: {self.path!a}")
        _check_not_negative(self)

    @property
    def place(self) -> str:
        """The path at which components see it."""
        return f"{MOUNTS}/{self.name}"


@dataclass(frozen=True, slots=True)
class FolderLimits:
    """`[filesystem]`: limits on the files of a component, and folders of the host for components.

    Attributes:
        file_bytes: Size of the largest file, in bytes.
        total_bytes: Bytes of all files together; each file and directory counts for at least 4 KiB,
            so that this also bounds empty ones.
        total_entries: Files and directories together.
        entries: Entries of one directory that a listing in one piece may have.
        free_bytes: Free space of the disk, in bytes, below which the host refuses writes.
        open_files: Files that one component may hold open.
        mounts: Folders of the host that components see below `/mnt`, as `[[filesystem.mounts]]`
            with `name`, `path`, `read_only`, `total_bytes` and `total_entries`. A component reaches
            one by a grant that names it: `filesystem.read = ["/mnt/photos/**"]`.
        folders: Components whose `/` is another folder of the host than their own:
            `{ "shop/web" = "/srv/web" }`. Neither a purge nor a snapshot touches such a folder.
        forbidden_folders: Folders of the host that no component's folder and no mount may contain
            or lie in; the home is always one of them.
    """

    file_bytes: int = 64 * 1024 * 1024
    total_bytes: int = 256 * 1024 * 1024
    total_entries: int = 65_536
    entries: int = 10_000
    free_bytes: int = 64 * 1024 * 1024
    open_files: int = 128
    mounts: tuple[Mount, ...] = ()
    folders: dict[str, str] = field(default_factory=dict[str, str])
    forbidden_folders: tuple[str, ...] = ("/proc", "/sys", "/dev")

    def __post_init__(self) -> None:
        names = [mount.name for mount in self.mounts]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two mounts have the name {name}")
        for component, folder in self.folders.items():
            if _COMPONENT.fullmatch(component) is None:
                raise ValueError(f"{component!a} is not a component's name")
            if not Path(folder).is_absolute():
                raise ValueError(f"the folder of {component} is not absolute: {folder!a}")
        for folder in self.forbidden_folders:
            if not Path(folder).is_absolute():
                raise ValueError(f"the forbidden folder {folder!a} is not absolute")
        _check_not_negative(self)


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """`[network]`: limits on components' network traffic.

    Attributes:
        connect_timeout: Seconds to connect if a component sets no timeout.
        timeout: Seconds for a whole exchange if a component sets no timeout.
        longest_timeout: The longest timeout, in seconds, that a component may set.
        transfer_bytes: Size of the largest response, receive or datagram, in bytes.
        connections: Sockets that one component may hold: connections, listeners, and sockets for
            datagrams.
        internal_networks: Networks of the host (`10.0.0.0/8`) that components with a grant may
            reach, although they are not public.
        idle_timeout: Seconds without a byte in either direction after which the host closes a
            connection; 0 for no limit.
        longest_connection: Seconds after which the host closes a connection, whatever passes
            through it; 0 for no limit.
        bytes_per_second: Bytes that one component may send and receive in a second; its calls wait
            until there is room. 0 for no limit.
        total_bytes: Bytes that one component may send and receive until the host stops; 0 for no
            limit.
        backlog: Connections of one listener that wait until the component accepts them.
        lowest_port: The lowest port that a component may listen on.
        reserved_ports: Ports that no component may listen on.
        lookups: Names whose addresses the host remembers for each instance of a component.
        lookup_seconds: Seconds for which a component may connect to the address of a name that it
            looked up.
        ca_file: A file with certificates (PEM) that HTTPS trusts beside the system's; empty for
            none.
        resting_connections: HTTP connections that one component may keep between its requests.
        resting_seconds: Seconds for which one is kept.
    """

    connect_timeout: float = 10.0
    timeout: float = 30.0
    longest_timeout: float = 300.0
    transfer_bytes: int = 8 * 1024 * 1024
    connections: int = 64
    internal_networks: tuple[str, ...] = ()
    idle_timeout: float = 600.0
    longest_connection: float = 86_400.0
    bytes_per_second: int = 0
    total_bytes: int = 0
    backlog: int = 16
    lowest_port: int = 1024
    reserved_ports: tuple[int, ...] = ()
    lookups: int = 64
    lookup_seconds: float = 300.0
    ca_file: str = ""
    resting_connections: int = 4
    resting_seconds: float = 15.0

    def __post_init__(self) -> None:
        _check_not_negative(self)
        check_positive(self, "connect_timeout", "timeout", "longest_timeout")
        if self.lowest_port > _HIGHEST_PORT:
            raise ValueError(f"lowest_port must be at most {_HIGHEST_PORT}")
        for port in self.reserved_ports:
            if not 0 < port <= _HIGHEST_PORT:
                raise ValueError(f"reserved_ports has {port}, which is no port")
        read_networks(self.internal_networks)

    def seconds(self, timeout_ms: int) -> float:
        """Return a component's timeout in seconds; 0 means the default."""
        return min(timeout_ms / 1000 or self.timeout, self.longest_timeout)


@dataclass(frozen=True, slots=True)
class ProcessPolicy:
    """`[process]`: limits on programs that components run.

    Attributes:
        timeout: Seconds for a program if a component sets no timeout.
        longest_timeout: The longest timeout, in seconds, that a component may set.
        output_bytes: Bytes of stdout, and of stderr, above which the host ends the program.
        environment: The environment of every program, complete.
        cpu_seconds: Processor time of each process.
        memory_bytes: Address space of each process, in bytes.
        file_bytes: Size of the largest file that a process may write, in bytes.
        open_files: Files that a process may hold open.
        programs: Programs that one component may run at once.
        processes: Processes and threads of one program at once.
        niceness: How far programs stand back behind the host when processors are busy, 0 to 19.
        variables: Names of environment variables that a component may set for its programs.
        readable: Files and folders of the host that programs may read and run, beside the system's
            and the program itself: an interpreter elsewhere.
        network: Whether programs have the host's network, its loopback included; else they can make
            no socket. No grant of `tcp`, `udp` or `http` binds them.
        unconfined: Whether programs run where this machine lacks a protection; see `airswasm
            doctor`.
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
    open_files: int = 256
    programs: int = 8
    processes: int = 64
    niceness: int = 10
    variables: tuple[str, ...] = ("LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "TZ")
    readable: tuple[str, ...] = ()
    network: bool = False
    unconfined: bool = False

    def __post_init__(self) -> None:
        for name in ("cpu_seconds", "memory_bytes", "open_files", "programs", "processes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if not 0 <= self.niceness <= 19:
            raise ValueError("niceness must be from 0 to 19")
        for name in self.variables:
            if name.startswith(_LOADING) or name == "PATH":
                raise ValueError(f"variables must not have {name}: it chooses the code that runs")
        for path in self.readable:
            if not Path(path).is_absolute():
                raise ValueError(f"readable must have absolute paths, not {path!r}")
        _check_not_negative(self)
        check_positive(self, "timeout", "longest_timeout")

    def seconds(self, timeout_ms: int) -> float:
        """Return a component's timeout in seconds; 0 means the default."""
        return min(timeout_ms / 1000 or self.timeout, self.longest_timeout)


def read_networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Read networks such as `10.0.0.0/8`.

    Raises:
        ValueError: One of them is none.
    """
    return tuple(map(_read_network, texts))


def _read_network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!a} is no network, such as 10.0.0.0/8") from None
    if str(network.network_address) != text.partition("/")[0].lower():
        raise ValueError(f"{text!a} lies within a network; write {network}")
    return network


def _check_not_negative(settings: Mount | FolderLimits | NetworkPolicy | ProcessPolicy) -> None:
    for each in fields(settings):
        value = getattr(settings, each.name)
        if isinstance(value, int | float) and value < 0:
            raise ValueError(f"{each.name} must not be negative")


def check_positive(settings: object, *names: str) -> None:
    """Check that these fields are more than 0.

    Raises:
        ValueError: One of them is not.
    """
    for name in names:
        if getattr(settings, name) <= 0:
            raise ValueError(f"{name} must be more than 0")


@dataclass(frozen=True, slots=True)
class OslPolicy:
    """The policy of this host's operating system layer.

    Attributes:
        folder_of: Returns the folder that is a component's `/`.
        folders: Limits on files.
        mounts: Folders of the host below each component's `/mnt`.
        network: Limits on the network.
        processes: Limits on programs.
        forbidden_folders: Folders of the host that no component's `/` may contain or lie in.
        files_folder: Where components' own folders are; they may lie in it although a forbidden
            folder contains it.
        python_executable: The Python that starts programs and sets their limits; empty for the one
            that runs.
        home: The home of the host, which no program may read; None where there is none.
    """

    folder_of: FolderOf
    folders: FolderLimits = field(default_factory=FolderLimits)
    network: NetworkPolicy = field(default_factory=NetworkPolicy)
    processes: ProcessPolicy = field(default_factory=ProcessPolicy)
    python_executable: str = ""
    forbidden_folders: tuple[Path, ...] = (Path("/proc"), Path("/sys"), Path("/dev"))
    files_folder: Path | None = None
    mounts: tuple[Mount, ...] = ()
    home: Path | None = None

    def root_of(self, component: str) -> Path:
        """Return the folder that is a component's `/`, after following its links.

        Raises:
            MountInvalid: It would give the component what the forbidden list has.
        """
        folder = self.folder_of(component)
        real = Path(os.path.realpath(folder))
        if self.files_folder is not None:
            own = Path(os.path.realpath(self.files_folder)).joinpath(*component.split("/"))
            if real == own:
                return folder
        self._check_allowed(component, folder)
        return folder

    def folder_of_mount(self, mount: Mount) -> Path:
        """Return the folder of a mount.

        Raises:
            MountInvalid: It would give components what the forbidden list has, or a second name
                for what they reach by another: grants and denials are about names.
        """
        folder = Path(mount.path)
        self._check_allowed(f"the mount {mount.name}", folder)
        others = [(f"the mount {each.name}", each.path) for each in self.mounts if each != mount]
        others += [(f"the folder of {name}", path) for name, path in self.folders.folders.items()]
        for name, other in others:
            if _overlap(folder, Path(other)):
                raise MountInvalid(
                    f"the mount {mount.name}",
                    str(folder),
                    f"{name} is {other}, and one contains the other",
                )
        return folder

    def _check_allowed(self, name: str, folder: Path) -> None:
        for forbidden in self.forbidden_folders:
            if _overlap(folder, forbidden):
                raise MountInvalid(
                    name,
                    str(folder),
                    f"the forbidden list has {forbidden}, and one contains the other",
                )


def _overlap(one: Path, other: Path) -> bool:
    """Return whether two folders are one, or one contains the other, after following links."""
    first, second = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    return first == second or first in second.parents or second in first.parents


def policy_of(services: Services) -> OslPolicy:
    """Return the policy of a host: its own, or what its settings say."""
    if services.has(OslPolicy):
        policy = services.get(OslPolicy)
    else:
        folders = _setting(services, FolderLimits)
        elsewhere = {name: Path(folder) for name, folder in folders.folders.items()}
        policy = OslPolicy(
            folders_below(files_of(services), elsewhere),
            folders,
            _setting(services, NetworkPolicy),
            _setting(services, ProcessPolicy),
            _setting(services, EngineSettings).python_executable,
            forbidden_folders=tuple(map(Path, folders.forbidden_folders)),
            mounts=folders.mounts,
        )
    if not services.has(Home):
        return policy
    home = services.get(Home).folder
    forbidden = (*policy.forbidden_folders, home)
    return replace(policy, forbidden_folders=forbidden, files_folder=files_of(services), home=home)


def files_of(services: Services) -> Path:
    """Return the folder of the host that contains every component's folder."""
    return services.get(Home).folder / "files"


def _setting(services: Services, kind: type[T]) -> T:
    return services.get(kind) if services.has(kind) else kind()
