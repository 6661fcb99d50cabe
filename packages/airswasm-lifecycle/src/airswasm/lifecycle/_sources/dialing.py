"""Connect to a server whose address was checked.

A name is resolved once, every address of the answer is checked, and the connection goes to one of
them: no second look-up can answer otherwise. Addresses inside this host and its networks are
refused, however they are spelled, in the user's own text too: a list of components that another
person wrote is carried out with the user's place in the network.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import TypeAlias

import anyio
import anyio.abc
from airswasm.security.addresses import Address, as_address, innermost, problem_with

from ..errors import SourceFailed, SourceRefused
from .settings import SourceSettings

__all__ = ("Dialer", "Resolve", "system_resolver")

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""`(host, port) -> addresses` as text; raises OSError."""
_CONNECT_SECONDS = 15.0
_MOST_ADDRESSES = 8
"""Addresses that are tried: an answer may hold thousands."""


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Resolve a name through the operating system.

    Raises:
        OSError: The name is unknown.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Dialer:
    """Connects on behalf of a source.

    Args:
        settings: The networks that are open to sources, and the certificates.
        resolve: Resolves names.
    """

    def __init__(self, settings: SourceSettings, resolve: Resolve = system_resolver) -> None:
        self._internal = tuple(map(ip_network, settings.internal_networks))
        self._resolve = resolve
        self._ca_file = settings.ca_file
        self._tls: ssl.SSLContext | None = None

    async def addresses(self, source: str, host: str, port: int) -> Sequence[Address]:
        """Return the addresses of a server, after checking all of them.

        Raises:
            SourceRefused: One of them is inside this host or its networks.
            SourceFailed: The name is unknown.
        """
        literal = as_address(host)
        found = (literal,) if literal is not None else await self._looked_up(source, host, port)
        for address in found:
            problem = problem_with(address)
            if problem is not None and not self._is_internal(address):
                where = host if literal is not None else f"{host}, at {address},"
                raise SourceRefused(
                    source, f"{where} is a {problem} address",
                    hint="if it is meant, add its network to `internal_networks` under [sources] "
                    "in config.toml",
                )  # fmt: skip
        return found[:_MOST_ADDRESSES]

    async def connect(self, source: str, host: str, port: int) -> anyio.abc.SocketStream:
        """Return a connection to a checked address of a server.

        Raises:
            SourceRefused, SourceFailed: There is no address that may be and can be reached.
        """
        reasons: list[str] = []
        for address in await self.addresses(source, host, port):
            try:
                with anyio.fail_after(_CONNECT_SECONDS):
                    return await anyio.connect_tcp(str(address), port)
            except TimeoutError:
                reasons.append(f"{address} does not answer")
            except OSError as error:
                reasons.append(f"{address}: {error.strerror or type(error).__name__}")
        raise SourceFailed(source, f"{host}:{port} cannot be reached: {'; '.join(reasons)}")

    def tls(self) -> ssl.SSLContext:
        """Return the certificates to trust: the system's, or certifi's, and the configured ones.

        Raises:
            SourceFailed: The configured file has no certificates.
        """
        if self._tls is None:
            paths = ssl.get_default_verify_paths()
            has_any = any(path and Path(path).exists() for path in (paths.cafile, paths.capath))
            context = ssl.create_default_context(cafile=None if has_any else _certifi())
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._ca_file:
                try:
                    context.load_verify_locations(cafile=self._ca_file)
                except OSError as error:
                    reason = f"no certificates can be read: {error.strerror or error}"
                    raise SourceFailed(
                        self._ca_file, reason, hint="correct `ca_file` under [sources]"
                    ) from error
            self._tls = context
        return self._tls

    async def _looked_up(self, source: str, host: str, port: int) -> Sequence[Address]:
        try:
            answers = await self._resolve(host, port)
        except OSError as error:
            raise SourceFailed(source, f"the name {host} is unknown") from error
        found = [as_address(answer.partition("%")[0]) for answer in answers]
        known = [address for address in found if address is not None]
        if not known or len(known) < len(found):
            raise SourceFailed(source, f"the name {host} has no usable address")
        return known

    def _is_internal(self, address: Address) -> bool:
        inner = innermost(address)
        return any(each.version == inner.version and inner in each for each in self._internal)


def _certifi() -> str:
    import certifi  # where the system has none

    return certifi.where()
