"""Resolve a name to addresses that a component may reach.

A capability is granted for a name, but packets go to an address. So this module resolves a name
once, checks every address of the answer, and connects to a checked address: no second look-up could
answer otherwise. It refuses addresses inside this host and its networks, also wrapped ones
(IPv4-mapped, NAT64, 6to4, Teredo), unless the grant names the address itself: `tcp.connect =
["127.0.0.1:5432"]`. A grant with a wildcard, or of a name that resolves to such an address, does
not name it; `NetworkPolicy.internal_networks` lets the host open more.

A denial holds for an address by whatever name a component reaches it: each address of an answer is
asked about again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

import anyio
from airswasm.security import Decision, Grants, Guard, InvalidResource
from airswasm.security.addresses import Address, as_address, innermost, problem_with

from .._policy import read_networks
from ..errors import AccessDenied, AddressRefused, Disconnected, Malformed, NotFound
from .resolver import Resolver
from .spelling import read_address

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""`(host, port) -> addresses` as text; raises OSError."""
Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port, as a component named them, in canonical form.

    Attributes:
        host: A lower-case ASCII name or a canonical IP address without brackets.
        port: 1 to 65535.
    """

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> Endpoint:
        """Parse `host:port`.

        Raises:
            Malformed: The text has no safe reading.
        """
        try:
            host, _, port = read_address(text).rpartition(":")
        except InvalidResource as error:
            raise Malformed(str(error)) from error
        return cls(host.strip("[]"), int(port))

    @property
    def address(self) -> Address | None:
        """The IP address, if the host is one."""
        return as_address(self.host)

    def at(self, host: str) -> str:
        """Return the text of this port at another host, which has brackets if it needs them."""
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def named_hosts(pattern: str) -> str:
    """Return the host part of a granting pattern: `h` for `https://h:1/**` and `h:1`."""
    authority = pattern.rpartition("://")[2].partition("/")[0]
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]


class Doorman:
    """Resolves endpoints that components name to addresses that they may reach.

    Args:
        guard: Tells which grant covers the call.
        internal_networks: Networks to treat as public.
        resolve: Resolves names, in place of the operating system.
    """

    def __init__(
        self,
        guard: Guard,
        internal_networks: Iterable[str] = (),
        resolve: Resolve | None = None,
    ) -> None:
        self.guard = guard
        self._internal = read_networks(internal_networks)
        self._resolve = resolve
        self._resolver = Resolver()

    def open_to(self, internal_networks: tuple[Network, ...]) -> None:
        """Treat these networks of the host, and no others, as public from the next call on."""
        self._internal = internal_networks

    async def addresses(
        self,
        component: str,
        capability: str,
        resource: str,
        endpoint: Endpoint,
        spelled_at: Callable[[str], str],
    ) -> Sequence[Address]:
        """Return every address of the endpoint after checking all of them.

        Args:
            component: The caller.
            capability: `tcp:connect`, `udp:send` or `http:request`.
            resource: The granted resource: the address, or method and URL, as given.
            endpoint: The same, parsed.
            spelled_at: Returns the resource with another host.

        Raises:
            AccessDenied: An address is out of bounds, or no grant covers the call.
            NotFound: The name is unknown.
        """
        decision = self.guard.decide(component, capability, resource)
        if not decision.is_allowed:
            raise AccessDenied(decision.text, decision.layer)
        is_named = self.is_named(decision, endpoint.host)
        addresses = await self.look_up(component, endpoint)
        for address in addresses:
            self.check_address(address, endpoint, is_named)
            if endpoint.address is None:
                self._check_denials(component, capability, spelled_at(as_host(address)))
        return addresses

    def is_named(self, decision: Decision, host: str) -> bool:
        """Return whether one of the grants that allow a call spells its host."""
        if named_hosts(decision.reason) == host:
            return True
        capability, kinds = decision.capability, self.guard.kinds
        granted = self.guard.grants_of(decision.component).allow.get(capability, ())
        named = tuple(each for each in granted if named_hosts(each) == host)
        resource = kinds.resource(capability, decision.resource)
        rules = kinds.rules(Grants({capability: named}))
        return rules.covering(capability, resource) is not None

    def check_permit(
        self, component: str, capability: str, endpoint: Endpoint, address: Address
    ) -> None:
        """Check that a component may reach an address under the name that led to it.

        Args:
            component: The caller.
            capability: `tcp:connect` or `udp:send`.
            endpoint: The name and the port, or the address and the port.
            address: The address, which the name had when this host looked it up.

        Raises:
            AccessDenied: No grant covers it, or the address is out of bounds.
        """
        decision = self.guard.check(component, capability, str(endpoint))
        if not decision.is_allowed:
            raise AccessDenied(decision.text, decision.layer)
        self.check_address(address, endpoint, self.is_named(decision, endpoint.host))
        if endpoint.address is None:
            self._check_denials(component, capability, endpoint.at(as_host(address)))

    def keep(
        self,
        component: str,
        capability: str,
        resource: str,
        endpoint: Endpoint,
        end: Callable[[str], None],
        peer: str,
    ) -> Callable[[], None]:
        """Note an open connection, which ends when it is denied by its name or its address."""
        address = as_address(peer.partition("%")[0])
        also = () if address is None else (endpoint.at(as_host(address)),)
        return self.guard.keep(component, capability, resource, end, also=also)

    def _check_denials(self, component: str, capability: str, resource: str) -> None:
        denied = self.guard.forbids(component, capability, resource)
        if denied is not None:
            raise AccessDenied(denied.text, denied.layer)

    async def look_up(self, component: str, endpoint: Endpoint) -> Sequence[Address]:
        """Return the addresses of an endpoint, unchecked.

        Raises:
            NotFound: The name is unknown.
            LimitReached: The component's look-ups of before have not ended yet.
        """
        literal = endpoint.address
        if literal is not None:
            return (literal,)
        try:
            if self._resolve is not None:
                answers = await self._resolve(endpoint.host, endpoint.port)
            else:
                answers = await self._resolver.find(component, endpoint.host, endpoint.port)
        except OSError as error:
            raise NotFound(f"{endpoint.host}: the name is unknown") from error
        addresses = [as_address(answer.partition("%")[0]) for answer in answers]
        known = [address for address in addresses if address is not None]
        if not known or len(known) < len(addresses):
            raise NotFound(f"{endpoint.host}: the name has no usable address")
        return known

    def check_address(self, address: Address, endpoint: Endpoint, is_named: bool) -> None:
        """Check that an address is public, or that the grant names it.

        Raises:
            AddressRefused: It is not.
        """
        problem = problem_with(address)
        if problem is None or self._is_internal(address):
            return
        is_literal = endpoint.address is not None or (
            endpoint.host == "localhost" and problem == "loopback"
        )
        if is_named and is_literal and problem not in ("unspecified", "multicast"):
            return
        raise AddressRefused(
            f"{endpoint}: {address} is a {problem} address; a component reaches it only "
            f"where the grant names the address itself, without a wildcard",
            "host",
        )

    def _is_internal(self, address: Address) -> bool:
        inner = innermost(address)
        return any(
            inner in network for network in self._internal if network.version == inner.version
        )


def as_host(address: Address) -> str:
    """Return an address as a URL has it."""
    inner = innermost(address)
    return f"[{inner}]" if inner.version == 6 else str(inner)


async def connect(
    addresses: Sequence[Address], endpoint: Endpoint, kind: socket.SocketKind
) -> socket.socket:
    """Return a non-blocking socket, connected to the first address that answers.

    A cancel closes it.

    Raises:
        Disconnected: No address answers.
    """
    reasons: list[str] = []
    for address in addresses:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        connection = socket.socket(family, kind)
        try:
            await _connected(connection, (str(address), endpoint.port))
        except OSError as error:
            connection.close()
            reasons.append(error.strerror or type(error).__name__)
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise Disconnected(f"{endpoint}: {'; '.join(dict.fromkeys(reasons))}")


async def _connected(connection: socket.socket, address: tuple[str, int]) -> None:
    connection.setblocking(False)
    try:
        connection.connect(address)
    except BlockingIOError:
        await anyio.wait_writable(connection)
    code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
