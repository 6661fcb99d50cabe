"""The `tcp-socket` resource: WASI's states over the engine's connections and listeners.

A socket that was made is no right to anything. Binding to an address and port of this host takes
`tcp.listen`; connecting takes `tcp.connect`, for the address or a name that was looked up. Binding
to no address and no port, which a client may do, takes nothing: it is what connecting does.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Literal

import anyio
from airswasm.runtime import Caller, Case
from airswasm.runtime.wasi import Always, Pollable
from airswasm.security.addresses import Address

from .._effects import RunningEffect
from .._network.addresses import Endpoint
from .._network.binding import bind, own_endpoint
from .._network.connections import Connection, Listener
from .._network.gate import CONNECT, LISTEN_TCP, endpoint_of
from .._network.open_sockets import denying
from .._network.places import Network, Place, Sockets
from ..errors import AccessDenied, OslError, TimedOut
from .codes import Refused, code_of, read_address, socket_address
from .readiness import Readiness, Whichever
from .streams import TcpInput, TcpOutput

__all__ = ("FAMILIES", "TcpSocket")

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
State = Literal[
    "unbound", "binding", "bound", "connecting", "connected", "starting", "listening", "closed"
]
_PAIR = "a pair of sockets"
_ANYWHERE = {"ipv4": "0.0.0.0", "ipv6": "::"}  # noqa: S104 - the resource to decide about


class TcpSocket:
    """One socket of a guest."""

    def __init__(self, network: Network, place: Place, plain: socket.socket, family: str) -> None:
        self.family = family
        self.plain = plain
        self._network = network
        self._caller = place.caller
        self._place = place
        self._state: State = "unbound"
        self._resource: str | None = None
        self._granted: Endpoint | None = None
        self._effect: RunningEffect | None = None
        self._peer: Endpoint | None = None
        self._local: Endpoint | None = None
        self._opened: Connection | Listener | None = None
        self._streams: tuple[TcpInput, TcpOutput] | None = None
        self._backlog = network.policy.backlog
        self._failure: OslError | OSError | None = None
        self._connecting: Readiness | None = None
        self._arriving: Readiness | None = None

    @classmethod
    def create(cls, network: Network, caller: Caller, family: str) -> TcpSocket:
        """Return a new socket.

        Raises:
            TooManySockets: The component holds as many as it may.
            AccountExceeded: There is no room for another.
        """
        place = Place(network, caller)
        try:
            plain = socket.socket(FAMILIES[family], socket.SOCK_STREAM)
        except BaseException:
            place.release()
            raise
        plain.setblocking(False)
        made = cls(network, place, plain, family)
        place.close = made._abandon
        return made

    @classmethod
    def of_peer(cls, network: Network, connection: Connection, family: str) -> TcpSocket:
        """Return the socket of a connection that a peer made."""
        made = cls(network, connection.place, connection.plain, family)
        made._take(connection)
        return made

    # binding

    def start_bind(self, local: Case) -> None:
        """Bind, if the component may listen there."""
        self._must_be("unbound")
        address, port = read_address(local, self.family)
        if self._network.gate.is_pair(self._caller, LISTEN_TCP, address, port):
            self._resource = _PAIR
        elif port or not address.is_unspecified:
            self._check_listening(str(Endpoint(str(address), port)))
        bind(self.plain, address, port)
        self._state = "binding"

    def finish_bind(self) -> None:
        """End the binding."""
        self._must_be("binding", otherwise="not-in-progress")
        self._state = "bound"

    def _check_listening(self, text: str) -> None:
        _, _, self._resource = self._network.gate.listen_at(self._caller, LISTEN_TCP, text)

    # connecting

    def start_connect(self, remote: Case) -> None:
        """Start to connect, if the component may."""
        self._must_be("unbound", "bound")
        address, port = read_address(remote, self.family)
        if not port or address.is_unspecified:
            raise Refused("invalid-argument")
        sockets, endpoint = Sockets.of(self._caller), endpoint_of(address, port)
        is_pair = endpoint in sockets.pair_listeners
        if not is_pair:
            granted = self._granted = self._permit(address, port)
            self._effect = self._network.effects.begin(self._caller.name, CONNECT, str(granted))
        code = self.plain.connect_ex((str(address), port))
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._failure = OSError(code, os.strerror(code))
        engine = self._caller.instance.engine
        self._connecting = Readiness(engine, self.plain, writes=True)
        seconds = self._network.policy.connect_timeout
        self._timer = engine.timers.after(seconds, self._time_out)
        self._peer, self._state = endpoint, "connecting"
        if is_pair:
            sockets.pair_clients[own_endpoint(self.plain)] = self.plain
        self._forget = self._keep(self._deny, str(address))

    def finish_connect(self) -> tuple[TcpInput, TcpOutput]:
        """Return the streams of the connection.

        Raises:
            Refused: It is not there yet, or failed.
        """
        self._must_be("connecting", otherwise="not-in-progress")
        assert self._connecting is not None
        if self._failure is None and not self._connecting.is_ready():
            raise Refused("would-block")
        self._timer.cancel()
        failure = self._failure or self._connect_failure()
        if failure is not None:
            self._failure = failure
            self._abandon()
            raise Refused(code_of(failure))
        assert self._peer is not None
        connection = Connection(
            self._network,
            self._place,
            str(self._granted or self._peer),
            self.plain,
            self._peer,
            self._effect,
        )
        self._forget()
        connection.on_close.append(self._keep(denying(connection), self._peer.host))
        return self._take(connection)

    def _permit(self, address: Address, port: int) -> Endpoint:
        try:
            return self._network.gate.permit(self._caller, CONNECT, address, port)
        except OslError:
            self._abandon()
            raise

    def _keep(self, end: Callable[[str], None], peer: str) -> Callable[[], None]:
        """Have a function called when the grant ends, where there is one."""
        granted = self._granted
        if granted is None:
            return lambda: None
        doorman = self._network.doorman
        return doorman.keep(self._caller.name, CONNECT, str(granted), granted, end, peer)

    def _connect_failure(self) -> OSError | None:
        code = self.plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return OSError(code, os.strerror(code)) if code else None

    def _time_out(self) -> None:
        if self._state == "connecting":
            self._fail(TimedOut())

    def _deny(self, denial: str) -> None:
        self._fail(AccessDenied(denial, "grants"))

    def _fail(self, failure: OslError) -> None:
        """Have the guest's wait end with a failure."""
        self._failure = failure
        _close(self.plain)

    def _take(self, connection: Connection) -> tuple[TcpInput, TcpOutput]:
        """Take a connection over, with its addresses: guests ask for them after its end, too."""
        self._peer, self._local = connection.peer, connection.local
        self._opened, self._state = connection, "connected"
        self._streams = TcpInput(connection), TcpOutput(connection)
        return self._streams

    # listening

    def start_listen(self) -> None:
        """Listen, if the component may."""
        self._must_be("bound")
        if self._resource is None:
            self._check_listening(str(Endpoint(_ANYWHERE[self.family], 0)))
        self.plain.listen(min(self._backlog, self._network.policy.backlog))
        self._state = "starting"

    def finish_listen(self) -> None:
        """End the start of listening."""
        self._must_be("starting", otherwise="not-in-progress")
        assert self._resource is not None
        self._opened = Listener(self._network, self._place, self._resource, self.plain)
        if self._resource == _PAIR:
            self._opened.pair_up()
        else:
            effects = self._network.effects
            self._opened.effect = effects.begin(self._caller.name, LISTEN_TCP, self._resource)
            self._opened.keep_while_granted()
        self._arriving = Readiness(self._caller.instance.engine, self.plain)
        self._state = "listening"

    def accept(self) -> tuple[TcpSocket, TcpInput, TcpOutput]:
        """Return the next connection.

        Raises:
            Refused: There is none yet.
        """
        self._must_be("listening")
        assert isinstance(self._opened, Listener)
        connection = self._opened.accept_now()
        if connection is None:
            raise Refused("would-block")
        made = TcpSocket.of_peer(self._network, connection, self.family)
        assert made._streams is not None
        return made, *made._streams

    def set_backlog(self, size: int) -> None:
        """Ask for another number of connections that wait; the policy bounds it."""
        if not size:
            raise Refused("invalid-argument")
        self._backlog = min(size, self._network.policy.backlog)
        if self._state == "listening":
            self.plain.listen(self._backlog)

    # all states

    @property
    def is_listening(self) -> bool:
        """Whether peers can connect to it."""
        return self._state == "listening"

    def local_address(self) -> Case:
        """Return its own address."""
        self._must_be("bound", "connected", "starting", "listening")
        return socket_address(self._local or own_endpoint(self.plain))

    def remote_address(self) -> Case:
        """Return the peer's address."""
        self._must_be("connected")
        assert self._peer is not None
        return socket_address(self._peer)

    def shutdown(self, how: str) -> None:
        """End the receiving side, the sending side, or both."""
        self._must_be("connected")
        assert self._streams is not None
        received, sent = self._streams
        if how in ("receive", "both"):
            received.end()
        if how in ("send", "both"):
            sent.finish()

    def pollable(self) -> Pollable:
        """Return one for what the socket does now: connect, or listen."""
        return Whichever(self._awaited)

    def _awaited(self) -> Pollable:
        if self._state == "connecting" and self._connecting is not None and not self._failure:
            return self._connecting
        if self._state == "listening" and self._arriving is not None:
            return self._arriving
        return Always()

    def close(self) -> None:
        """Close it; what was written to a connection is sent first, within limits."""
        if self._streams is not None:
            self._streams[1].close()
        else:
            self._abandon()

    def _abandon(self) -> None:
        """Close it at once."""
        if self._state == "connecting":
            self._timer.cancel()
            self._forget()
            if self._effect is not None:
                self._effect.end(self._failure)
        self._state = "closed"
        if self._opened is not None:
            self._opened.close()
        else:
            _close(self.plain)
            self._place.release()

    def _must_be(self, *states: State, otherwise: str = "invalid-state") -> None:
        if self._state not in states:
            raise Refused(otherwise)


def _close(plain: socket.socket) -> None:
    if plain.fileno() >= 0:
        anyio.notify_closing(plain)
        plain.close()
