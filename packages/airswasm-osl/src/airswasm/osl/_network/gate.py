"""The rights of components on the network: names, addresses, and ports of this host.

Unmodified guests look a name up and then connect to an address, so a permit for an address has two
sources: a grant for the address itself, or a grant for a name of which this host has told the
instance that it has this address (`names`).

Listening takes a grant for the address and the port. A pattern with a wildcard opens loopback only:
what other machines can reach is named in full, as for connections into the host's networks.
"""

from __future__ import annotations

from collections.abc import Sequence

from airswasm.runtime import Caller
from airswasm.security import Guard, InvalidResource
from airswasm.security.addresses import Address, as_address, innermost

from .._effects import Effects
from .._policy import NetworkPolicy
from ..errors import AccessDenied, AddressRefused, ListenRefused, Malformed, OslError
from .addresses import Doorman, Endpoint
from .listening import read_listening, read_name
from .names import ADDRESSES_AT_MOST, RememberedNames

__all__ = (
    "CONNECT",
    "LISTEN_TCP",
    "LISTEN_UDP",
    "RESOLVE",
    "SEND",
    "Gate",
    "endpoint_of",
    "port_problem",
)

CONNECT = "tcp:connect"
LISTEN_TCP = "tcp:listen"
SEND = "udp:send"
LISTEN_UDP = "udp:listen"
RESOLVE = "dns:resolve"
_ANY_PORT = 443
_DECISION_FUEL = 30_000
_LOOPBACK = "127.0.0.1"


class Gate:
    """Decides about names, addresses and ports for all components of one host.

    Args:
        guard: Decides, and writes the audit lines.
        doorman: Resolves names and checks addresses.
        policy: Limits on look-ups, and the ports that the host keeps.
        effects: Writes what came of each look-up.
    """

    def __init__(
        self, guard: Guard, doorman: Doorman, policy: NetworkPolicy, effects: Effects
    ) -> None:
        self.effects = effects
        self._guard = guard
        self._doorman = doorman
        self.policy = policy

    async def resolve(self, caller: Caller, name: str) -> Sequence[Address]:
        """Look a name up and remember its addresses for the caller's instance.

        The caller needs `dns.resolve` for the name, or a grant to reach it at some port.

        Raises:
            AccessDenied: It has neither, or the name leads to an address out of bounds.
            NotFound: The name is unknown.
            Malformed: The text is no name.
        """
        spelled = _name(name)
        literal = as_address(spelled)
        if literal is not None:
            return (literal,)
        capability, endpoint = self._granted(caller, spelled)
        resource = spelled if capability == RESOLVE else str(endpoint)
        with self.effects.begin(caller.name, capability, resource, "resolve"):
            return await self._resolved(caller, spelled, endpoint)

    async def _resolved(
        self, caller: Caller, spelled: str, endpoint: Endpoint
    ) -> Sequence[Address]:
        found = (await self._doorman.look_up(caller.name, endpoint))[:ADDRESSES_AT_MOST]
        try:
            for address in found:
                self._doorman.check_address(address, endpoint, is_named=True)
        except AccessDenied:
            if not self._may_resolve(caller, spelled):
                raise
            return found  # an answer to look at; no connection leads there
        policy = self.policy
        RememberedNames.of(caller).remember(spelled, found, policy.lookup_seconds, policy.lookups)
        return found

    def _may_resolve(self, caller: Caller, name: str) -> bool:
        return self._guard.decide(caller.name, RESOLVE, name).is_allowed

    def _granted(self, caller: Caller, name: str) -> tuple[str, Endpoint]:
        """Return the capability by which the caller may resolve a name, and a port to reach it.

        Raises:
            AccessDenied: It may neither reach the name nor resolve it.
        """
        if self._may_resolve(caller, name):
            self._guard.check(caller.name, RESOLVE, name)
            return RESOLVE, Endpoint(name, _ANY_PORT)
        granted = self._guard.grants_of(caller.name).allow
        for capability in (CONNECT, SEND):
            for port in _ports(granted.get(capability, ())):
                caller.charge(_DECISION_FUEL)
                endpoint = Endpoint(name, port)
                if self._guard.decide(caller.name, capability, str(endpoint)).is_allowed:
                    self._guard.check(caller.name, capability, str(endpoint))
                    return capability, endpoint
        denied = self._guard.check(caller.name, RESOLVE, name)
        text = f"{denied.text}; a grant to connect to {name} allows it, too"
        raise AccessDenied(text, denied.layer)

    def permit(self, caller: Caller, capability: str, address: Address, port: int) -> Endpoint:
        """Return the endpoint under which the caller may reach an address.

        Raises:
            AccessDenied: It may not.
        """
        at = endpoint_of(address, port)
        names = RememberedNames.of(caller).names_at(address)
        caller.charge(_DECISION_FUEL * (1 + len(names)))
        named = [Endpoint(name, port) for name in names]
        able = [
            each
            for each in (at, *named)
            if self._guard.decide(caller.name, capability, str(each)).is_allowed
        ]
        refusal: OslError | None = None
        endpoint = usual = named[0] if named else at
        for endpoint in able or [usual]:
            try:
                self._doorman.check_permit(caller.name, capability, endpoint, address)
            except AccessDenied as error:
                refusal = refusal or error
            else:
                return endpoint
        assert refusal is not None
        if isinstance(refusal, AddressRefused):  # the guard allowed it, and wrote so
            self.effects.begin(caller.name, capability, str(endpoint)).end(refusal)
        raise refusal

    def listen_at(self, caller: Caller, capability: str, text: str) -> tuple[Address, int, str]:
        """Return the address and port to bind, and the resource that was decided.

        Args:
            caller: The caller.
            capability: `tcp:listen` or `udp:listen`.
            text: `ip:port` or `localhost:port`, as the component gave it.

        Raises:
            AccessDenied: No grant covers it, or the host keeps the port.
            Malformed: The text is no address of a host.
        """
        try:
            resource = read_listening(text)
        except InvalidResource as error:
            raise Malformed(str(error)) from error
        host, _, port = resource.rpartition(":")
        host = host.strip("[]")
        address = as_address(_LOOPBACK if host == "localhost" else host)
        if address is None:
            raise Malformed(f"{text}: write an IP address of this host, or localhost")
        decision = self._guard.check(caller.name, capability, resource)
        if not decision.is_allowed:
            raise AccessDenied(decision.text, decision.layer)
        with self.effects.begin(caller.name, capability, resource) as effect:
            problem = port_problem(int(port), self.policy)
            if problem is not None:
                raise ListenRefused(f"{resource}: {problem}")
            if not innermost(address).is_loopback and not self._doorman.is_named(decision, host):
                raise ListenRefused(
                    f"{resource}: a pattern opens loopback addresses only; the grant must name "
                    f"{host}"
                )
            effect.outlive()  # the socket has a record of its own
        return address, int(port), resource

    def is_pair(self, caller: Caller, capability: str, address: Address, port: int) -> bool:
        """Return whether a socket at an address can only be one end of a pair.

        Libraries make a pair of sockets (`socketpair`) by connecting to a free port of loopback.
        Without a grant to listen there, such a port is for its own instance: it takes nothing.
        """
        if port or not address.is_loopback:
            return False
        resource = str(Endpoint(str(address), port))
        return not self._guard.decide(caller.name, capability, resource).is_allowed


def port_problem(port: int, policy: NetworkPolicy) -> str | None:
    """Return why no component may listen on a port, or None."""
    if 0 < port < policy.lowest_port:
        return f"components listen on ports from {policy.lowest_port:,} on (network.lowest_port)"
    if port in policy.reserved_ports:
        return "the host keeps this port (network.reserved_ports)"
    return None


def endpoint_of(address: Address, port: int) -> Endpoint:
    """Return the endpoint of an address, an IPv4 one where an IPv6 one stands for it."""
    return Endpoint(str(innermost(address)), port)


def _name(text: str) -> str:
    try:
        return read_name(text)
    except InvalidResource as error:
        raise Malformed(str(error)) from error


def _ports(patterns: Sequence[str]) -> Sequence[int]:
    """Return a port for each different one in patterns of addresses."""
    texts = dict.fromkeys(pattern.rpartition(":")[2] for pattern in patterns)
    ports = (int(text) if text.isdecimal() else _ANY_PORT for text in texts)
    return tuple(dict.fromkeys(ports))
