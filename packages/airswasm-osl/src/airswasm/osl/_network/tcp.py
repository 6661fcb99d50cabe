"""`airswasm:component/tcp`: connections to granted hosts.

These are plain non-blocking sockets that the event loop waits for. anyio's own streams were
rejected for one reason: they close asynchronously, but when a guest drops a connection, or is
stopped, it must close at once.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import anyio
from airswasm.runtime import Caller, Holding, HostFunction, HostInterface, HostResource

from .._answers import answered
from .._effects import Effects, RunningEffect
from .._policy import NetworkPolicy
from ..errors import AccessDenied, Disconnected, LimitReached, TimedOut
from .addresses import Doorman, Endpoint, connect

CAPABILITY = "tcp:connect"
CONNECTION_BYTES = 2_048
RECEIVE_BYTES = 256 * 1024
"""The largest `receive`: the host reserves the memory before the data arrives."""


class Connection:
    """The `connection` resource: one open TCP connection."""

    def __init__(
        self,
        peer: Endpoint,
        connected: socket.socket,
        holding: Holding | None = None,
        effect: RunningEffect | None = None,
    ) -> None:
        self.peer = peer
        self.on_close: Callable[[], None] | None = None
        self.denial: str | None = None
        self._holding = holding
        self._effect = effect or Effects().begin("", CAPABILITY, str(peer))
        self._socket = connected

    async def receive(self, max_bytes: int) -> bytes:
        """Return at least one byte, or no bytes at the end.

        Raises:
            Disconnected: The connection broke.
            AccessDenied: Its grant ended.
        """
        while True:
            try:
                data = self._socket.recv(max_bytes)
                self._effect.received(len(data))
                return data
            except (BlockingIOError, InterruptedError):
                await self._ready(anyio.wait_readable)
            except OSError as error:
                raise self._broken(error.strerror) from error

    async def send(self, data: bytes) -> None:
        """Send all data; after a cancel, the number of bytes sent is unknown.

        Raises:
            Disconnected: The connection broke.
            AccessDenied: Its grant ended.
        """
        view = memoryview(data)
        while view:
            try:
                sent_bytes = self._socket.send(view)
                self._effect.sent(sent_bytes)
                view = view[sent_bytes:]
            except (BlockingIOError, InterruptedError):
                await self._ready(anyio.wait_writable)
            except OSError as error:
                raise self._broken(error.strerror) from error

    async def _ready(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        try:
            await wait(self._socket)
        except anyio.ClosedResourceError as error:
            raise self._broken("it was closed") from error

    def _broken(self, reason: str | None) -> AccessDenied | Disconnected:
        if self.denial is not None:
            return AccessDenied(self.denial, "grants")
        return Disconnected(f"{self.peer}: {reason}")

    def end(self, denial: str) -> None:
        """Close it because its grant ended."""
        self.denial = denial
        self.close()

    @property
    def address(self) -> str:
        """The address that it is connected to."""
        return str(self._socket.getpeername()[0])

    def close(self) -> None:
        """Close it at once. Closing twice is harmless."""
        if self._socket.fileno() >= 0:
            anyio.notify_closing(self._socket)
            self._socket.close()
            if self._holding is not None:
                self._holding.release()
            denial = self.denial
            self._effect.end(None if denial is None else AccessDenied(denial, "grants"))
        if self.on_close is not None:
            self.on_close()


class Connections:
    """The open connections of one instance."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()

    @classmethod
    def of(cls, caller: Caller) -> Connections:
        """Return the caller's connections, which close when its instance ends."""

        def make() -> Connections:
            connections = cls()
            caller.on_close(connections.close)
            return connections

        return caller.keep(cls, make)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> Connection:
        """Keep a connection until it is closed."""
        self._open.add(connection)
        return connection

    def discard(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._open.discard(connection)

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            self._open.pop().close()


class Tcp:
    """The functions of the interface, for all components of one host."""

    def __init__(
        self, doorman: Doorman, policy: NetworkPolicy, effects: Effects | None = None
    ) -> None:
        self._doorman = doorman
        self.policy = policy
        self._effects = effects or Effects()

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        functions: dict[str, Callable[..., Awaitable[object]]] = {
            "connect": self.connect,
            "[method]connection.receive": self.receive,
            "[method]connection.send": self.send,
        }
        answers: dict[str, HostFunction] = {
            name: answered(function) for name, function in functions.items()
        }
        return HostInterface(
            "airswasm:component/tcp@0.1.0", answers, {"connection": HostResource(drop=_close)}
        )

    async def connect(self, caller: Caller, address: str, timeout_ms: int) -> Connection:
        """Connect; a cancel or timeout closes the unfinished connection."""
        with self._effects.begin(caller.name, CAPABILITY, address) as effect:
            connection = await self._connect(caller, address, timeout_ms, effect)
            effect.outlive()
        return connection

    async def _connect(
        self, caller: Caller, address: str, timeout_ms: int, effect: RunningEffect
    ) -> Connection:
        endpoint = Endpoint.read(address)
        connections = Connections.of(caller)
        if len(connections) >= self.policy.connections:
            raise LimitReached(f"more than {self.policy.connections} connections at once")
        holding = caller.account.hold(CONNECTION_BYTES, descriptors=1)
        seconds = self.policy.seconds(timeout_ms or round(self.policy.connect_timeout * 1000))
        try:
            with anyio.fail_after(seconds):
                addresses = await self._doorman.addresses(
                    caller.name, CAPABILITY, address, endpoint, endpoint.at
                )
                connected = await connect(addresses, endpoint, socket.SOCK_STREAM)
        except TimeoutError:
            holding.release()
            raise TimedOut from None
        except BaseException:
            holding.release()
            raise
        connection = connections.add(Connection(endpoint, connected, holding, effect))
        forget = self._doorman.keep(
            caller.name, CAPABILITY, address, endpoint, connection.end, connection.address
        )

        def closed() -> None:
            connections.discard(connection)
            forget()

        connection.on_close = closed
        return connection

    async def receive(self, caller: Caller, connection: Connection, max_bytes: int) -> bytes:
        """Wait for the peer; the call's own time limit bounds it."""
        if max_bytes == 0:
            return b""
        return await connection.receive(min(max_bytes, RECEIVE_BYTES, caller.message_bytes))

    async def send(self, _caller: Caller, connection: Connection, data: bytes) -> None:
        """Wait for the peer; the call's own time limit bounds it."""
        await connection.send(data)


def _close(connection: object) -> None:
    assert isinstance(connection, Connection)
    connection.close()
