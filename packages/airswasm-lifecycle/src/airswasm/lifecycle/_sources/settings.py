"""The limits of an operator on the sources of packages."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

__all__ = ("SourceSettings",)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """`[sources]`: where packages may come from.

    Attributes:
        kinds: The kinds of sources that are allowed, such as "path", "git", "https" and "oci".
        most_bytes: Bytes that a source may send for one package.
        timeout: Seconds for one package.
        least_rate: Bytes each second that a server must send, on average over `rate_window`.
        rate_window: Seconds over which the rate of a server is measured.
        internal_networks: Networks whose addresses count as public, such as "10.0.0.0/8"; others
            inside this host and its networks are refused.
        ca_file: A PEM file of certificates to trust beside the system's; empty for none.
        token_hosts: Servers beside a registry itself that may get the credentials for a registry,
            such as "auth.docker.io".
    """

    kinds: tuple[str, ...] = ("path", "git", "https", "oci")
    most_bytes: int = 256 * 2**20
    timeout: float = 300.0
    least_rate: int = 1024
    rate_window: float = 20.0
    internal_networks: tuple[str, ...] = ()
    ca_file: str = ""
    token_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("most_bytes", "timeout", "rate_window"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")
        if self.least_rate < 0:
            raise ValueError("least_rate must be at least 0")
        for network in self.internal_networks:
            try:
                ip_network(network)
            except ValueError:
                raise ValueError(
                    f"internal_networks must be networks such as 10.0.0.0/8: {network!r}"
                ) from None
