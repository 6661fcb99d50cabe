"""The `udp-socket` resource and its two streams.

A component without `udp.listen` may bind to no address and no port, as clients do. It then gets
datagrams from the peers it has sent to, and from no others: a port that the system chose for a
client is no open door.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from airswasm.runtime import Caller, Case, Trapped
from airswasm.runtime.wasi import Always, Pollable
from airswasm.security.addresses import Address

from .._effects import RunningEffect
from .._network.addresses import Endpoint
from .._network.binding import bind
from .._network.datagrams import Datagrams
from .._network.gate import LISTEN_UDP, SEND, endpoint_of
from .._network.places import Network, Place
from .._network.traffic import DATAGRAM_BYTES
from ..errors import OslError
from .codes import Refused, read_address, socket_address
from .readiness import Readiness
from .tcp import FAMILIES

__all__ = ("IncomingDatagrams", "OutgoingDatagrams", "UdpSocket")

_DATAGRAMS_AT_ONCE = 16
_STRANGERS_AT_ONCE = 64
"""Datagrams of others that one call throws away: a flood of them is not read in one turn."""
_PEER_BYTES = 512
_PEERS = 256
"""Peers whose answers are let through; the one that was sent to longest ago gives way."""


class UdpSocket:
    """One socket of a guest."""

    def __init__(self, network: Network, caller: Caller, family: str) -> None:
        self.family = family
        self.network = network
        self.caller = caller
        place = Place(network, caller)
        try:
            self.plain = socket.socket(FAMILIES[family], socket.SOCK_DGRAM)
        except BaseException:
            place.release()
            raise
        self.plain.setblocking(False)
        self.opened = Datagrams(network, place, "the socket", self.plain)
        self.opened.on_close.append(self._end)
        self.remote: Endpoint | None = None
        self.peers: OrderedDict[Endpoint, RunningEffect] = OrderedDict()
        self.listens = False
        self._state = "unbound"

    def start_bind(self, local: Case) -> None:
        """Bind, if the component may listen there."""
        self._must_be("unbound")
        address, port = read_address(local, self.family)
        if port or not address.is_unspecified:
            text = str(Endpoint(str(address), port))
            gate = self.network.gate
            _, _, resource = gate.listen_at(self.caller, LISTEN_UDP, text)
            self.opened.name(resource)
            self.opened.keep_while_granted()
            self.listens = True
            self.opened.effect = self._begin(LISTEN_UDP, resource)
        bind(self.plain, address, port)
        self._state = "binding"

    def finish_bind(self) -> None:
        """End the binding."""
        self._must_be("binding", otherwise="not-in-progress")
        self._state = "bound"

    def stream(self, remote: Case | None) -> tuple[IncomingDatagrams, OutgoingDatagrams]:
        """Return the streams, connected to a peer or not."""
        self._must_be("bound")
        if remote is None:
            if self.remote is not None:
                raise Refused("not-supported")  # Python cannot take a connection back
        else:
            address, port = self._read_peer(remote)
            granted = self.network.gate.permit(self.caller, SEND, address, port)
            self.plain.connect((str(address), port))
            self.remote = endpoint_of(address, port)
            self.effect_on(self.remote, granted)
        return IncomingDatagrams(self), OutgoingDatagrams(self)

    def peer(self, remote: Case | None) -> tuple[Address, int]:
        """Return the peer of a datagram: the one that it names, or the connected one.

        Raises:
            Refused: It names none, or another than the connected one.
        """
        if remote is not None:
            address, port = self._read_peer(remote)
            if self.remote not in (None, endpoint_of(address, port)):
                raise Refused("invalid-argument")
            return address, port
        if self.remote is None or self.remote.address is None:
            raise Refused("invalid-argument")
        return self.remote.address, self.remote.port

    def _read_peer(self, remote: Case) -> tuple[Address, int]:
        address, port = read_address(remote, self.family)
        if not port or address.is_unspecified:
            raise Refused("invalid-argument")
        return address, port

    def effect_on(self, peer: Endpoint, granted: Endpoint) -> RunningEffect:
        """Return the record of what passes between the socket and a peer."""
        effect = self.peers.get(peer)
        if effect is None:
            self.opened.place.keep_bytes(_PEER_BYTES * (len(self.peers) + 1))
            effect = self.peers[peer] = self._begin(SEND, str(granted))
        self.peers.move_to_end(peer)
        if len(self.peers) > _PEERS:
            _, oldest = self.peers.popitem(last=False)
            oldest.end()
        return effect

    def _begin(self, capability: str, resource: str) -> RunningEffect:
        return self.network.effects.begin(self.caller.name, capability, resource)

    def _end(self) -> None:
        for effect in self.peers.values():
            effect.end(self.opened.failure)
        self.peers.clear()

    def local_address(self) -> Case:
        """Return its own address."""
        self._must_be("bound")
        host, port = self.plain.getsockname()[:2]
        return socket_address(Endpoint(host, port))

    def remote_address(self) -> Case:
        """Return the peer that it is connected to."""
        self._must_be("bound")
        if self.remote is None:
            raise Refused("invalid-state")
        return socket_address(self.remote)

    def pollable(self) -> Pollable:
        """Return one that is always ready: no step of a socket for datagrams waits."""
        return Always()

    def close(self) -> None:
        """Close it at once."""
        self._state = "closed"
        self.opened.close()

    def delay(self) -> float:
        """Return the seconds until the component may move bytes again."""
        return self.network.ledger.delay(self.caller.name)

    def _must_be(self, state: str, otherwise: str = "invalid-state") -> None:
        if self._state != state:
            raise Refused(otherwise)


class IncomingDatagrams:
    """The `incoming-datagram-stream` resource."""

    __slots__ = ("_ready", "_socket")

    def __init__(self, opened: UdpSocket) -> None:
        self._socket = opened
        self._ready = Readiness(opened.caller.instance.engine, opened.plain, delay=opened.delay)

    def receive(self, max_results: int) -> Sequence[Mapping[str, object]]:
        """Return datagrams that are there, none if none is yet."""
        found: list[Mapping[str, object]] = []
        most = min(max_results, _DATAGRAMS_AT_ONCE)
        room_bytes = max(self._socket.caller.message_bytes, DATAGRAM_BYTES)
        strangers = 0
        while len(found) < most and strangers < _STRANGERS_AT_ONCE and room_bytes > 0:
            if found and room_bytes < DATAGRAM_BYTES:
                break
            received = self._socket.opened.receive_now()
            if received is None:
                break
            data, sender = received
            if not self._is_expected(sender):
                strangers += 1
                continue
            if sender in self._socket.peers:
                self._socket.peers[sender].received(len(data))
            room_bytes -= len(data)
            found.append({"data": data, "remote_address": socket_address(sender)})
        return found

    def _is_expected(self, sender: Endpoint) -> bool:
        opened = self._socket
        if opened.remote is not None:
            return sender == opened.remote
        return opened.listens or sender in opened.peers

    def pollable(self) -> Pollable:
        """Return one that is ready when a datagram is there."""
        return self._ready


class OutgoingDatagrams:
    """The `outgoing-datagram-stream` resource."""

    __slots__ = ("_permitted", "_ready", "_socket")

    def __init__(self, opened: UdpSocket) -> None:
        self._socket = opened
        self._permitted = 0
        self._ready = Readiness(
            opened.caller.instance.engine, opened.plain, writes=True, delay=opened.delay
        )

    def check(self) -> int:
        """Return how many datagrams `send` takes now."""
        if self._socket.opened.is_closed:
            raise self._socket.opened.broken()
        self._permitted = _DATAGRAMS_AT_ONCE if self._ready.is_ready() else 0
        return self._permitted

    def send(self, datagrams: Sequence[object]) -> int:
        """Send datagrams; return how many were sent.

        Raises:
            Refused: The first could not be sent.
            Trapped: They are more than were permitted.
        """
        if len(datagrams) > self._permitted:
            raise Trapped(
                self._socket.caller.name,
                "wasi:sockets/udp#[method]outgoing-datagram-stream.send",
                f"{len(datagrams):,} datagrams where check-send permits {self._permitted:,}",
            )
        for count, datagram in enumerate(datagrams):
            try:
                is_sent = self._send(getattr(datagram, "data", b""), _remote_of(datagram))
            except (Refused, OslError, OSError):
                if not count:
                    raise
                return count
            if not is_sent:
                return count
            self._permitted -= 1
        return len(datagrams)

    def _send(self, data: bytes, remote: Case | None) -> bool:
        opened = self._socket
        if len(data) > DATAGRAM_BYTES:
            raise Refused("datagram-too-large")
        address, port = opened.peer(remote)
        granted = opened.network.gate.permit(opened.caller, SEND, address, port)
        effect = opened.effect_on(endpoint_of(address, port), granted)
        to = (str(address), port) if opened.remote is None else None
        is_sent = opened.opened.send_now(data, to)
        if is_sent:
            effect.sent(len(data))
        return is_sent

    def pollable(self) -> Pollable:
        """Return one that is ready when there is room for a datagram."""
        return self._ready


def _remote_of(datagram: object) -> Case | None:
    remote = getattr(datagram, "remote_address", None)
    return remote if isinstance(remote, Case) else None
