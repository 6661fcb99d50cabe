"""`airswasm:component/tcp`: connections to granted hosts, and listeners on granted addresses."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import anyio
from airswasm.runtime import Caller, HostFunction, HostInterface, HostResource

from .._answers import answered
from ..errors import Disconnected, TimedOut
from .addresses import Endpoint, connect
from .binding import bound, own_endpoint, peer_endpoint
from .connections import Connection, Listener
from .gate import CONNECT, LISTEN_TCP
from .open_sockets import OpenSocket, denying
from .places import Network, Place

RECEIVE_BYTES = 256 * 1024
"""The largest `receive`: the host reserves the memory before the data arrives."""


class Tcp:
    """The functions of the interface, for all components of one host."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        functions: dict[str, Callable[..., Awaitable[object]]] = {
            "connect": self.connect,
            "listen": self.listen,
            "[method]connection.receive": self.receive,
            "[method]connection.send": self.send,
            "[method]connection.finish": self.finish,
            "[method]listener.accept": self.accept,
        }
        answers: dict[str, HostFunction] = {
            name: answered(function) for name, function in functions.items()
        }
        answers["[method]connection.peer"] = _peer
        answers["[method]listener.address"] = _address
        dropped = HostResource(drop=_close)
        return HostInterface(
            "airswasm:component/tcp@0.1.0", answers, {"connection": dropped, "listener": dropped}
        )

    async def connect(self, caller: Caller, address: str, timeout_ms: int) -> Connection:
        """Connect; a cancel or timeout closes the unfinished connection."""
        with self._network.effects.begin(caller.name, CONNECT, address) as effect:
            connection = await self._connect(caller, address, timeout_ms)
            connection.effect = effect
            effect.outlive()
        return connection

    async def _connect(self, caller: Caller, address: str, timeout_ms: int) -> Connection:
        endpoint = Endpoint.read(address)
        network, doorman = self._network, self._network.doorman
        place = Place(network, caller)
        policy = network.policy
        seconds = policy.seconds(timeout_ms or round(policy.connect_timeout * 1000))
        try:
            connected: socket.socket | None = None
            with anyio.fail_after(seconds) as scope:
                place.close = scope.cancel
                addresses = await doorman.addresses(
                    caller.name, CONNECT, address, endpoint, endpoint.at
                )
                connected = await connect(addresses, endpoint, socket.SOCK_STREAM)
            # the scope ends without an error when the place is closed
            if connected is None:  # pyright: ignore[reportUnnecessaryComparison]
                raise Disconnected(f"{endpoint}: the component has ended")
            peer = peer_endpoint(connected, str(endpoint))
        except TimeoutError:
            place.release()
            raise TimedOut from None
        except BaseException:
            place.release()
            raise
        connection = Connection(network, place, str(endpoint), connected, peer)
        end = denying(connection)
        connection.on_close.append(
            doorman.keep(caller.name, CONNECT, address, endpoint, end, peer.host)
        )
        return connection

    async def receive(self, caller: Caller, connection: Connection, max_bytes: int) -> bytes:
        """Wait for the peer; the call's own time limit bounds it."""
        if max_bytes == 0:
            return b""
        return await connection.receive(min(max_bytes, RECEIVE_BYTES, caller.message_bytes))

    async def send(self, _caller: Caller, connection: Connection, data: bytes) -> None:
        """Wait for the peer; the call's own time limit bounds it."""
        await connection.send(data)

    async def finish(self, _caller: Caller, connection: Connection) -> None:
        """End the sending side."""
        connection.finish()

    async def listen(self, caller: Caller, address: str) -> Listener:
        """Listen; the peers of the backlog wait for `accept`."""
        network = self._network
        at, port, resource = network.gate.listen_at(caller, LISTEN_TCP, address)
        with network.effects.begin(caller.name, LISTEN_TCP, resource) as effect:
            place = Place(network, caller)
            try:
                plain = bound(at, port, socket.SOCK_STREAM)
            except BaseException:
                place.release()
                raise
            plain.listen(network.policy.backlog)
            listener = Listener(network, place, resource, plain, effect)
            effect.outlive()
        listener.keep_while_granted()
        return listener

    async def accept(self, _caller: Caller, listener: Listener, timeout_ms: int) -> Connection:
        """Wait for a peer."""
        try:
            with anyio.fail_after(self._network.policy.seconds(timeout_ms)):
                return await listener.accept()
        except TimeoutError:
            raise TimedOut from None


def _peer(_caller: Caller, connection: Connection) -> str:
    return str(connection.peer)


def _address(_caller: Caller, listener: Listener) -> str:
    return str(own_endpoint(listener.plain))


def _close(opened: object) -> None:
    assert isinstance(opened, OpenSocket)
    opened.close()
