"""Sockets of components: connections, listeners, and sockets for datagrams.

These are plain non-blocking sockets that the event loop waits for. anyio's own streams were
rejected for one reason: they close asynchronously, but when a guest drops a connection, or is
stopped, it must close at once.

Each operation is there twice: `…_now` answers None where it would have to wait, for WASI, whose
guests poll; the other waits, for the contract's own interfaces.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable

import anyio
from airswasm.security.addresses import Address, as_address

from .._effects import RunningEffect
from ..errors import (
    AccessDenied,
    AddressInUse,
    ConnectionEnded,
    Disconnected,
    OslError,
    from_os_error,
)
from .addresses import Endpoint
from .gate import LISTEN_TCP, LISTEN_UDP
from .places import Network, Place, Sockets

__all__ = (
    "DATAGRAM_BYTES",
    "Connection",
    "Datagrams",
    "Listener",
    "OpenSocket",
    "bind",
    "bound",
    "denying",
    "own_endpoint",
    "peer_endpoint",
)

DATAGRAM_BYTES = 65_507
"""The largest payload of a UDP datagram over IPv4."""
_WOULD_BLOCK = (BlockingIOError, InterruptedError)


def denying(opened: OpenSocket) -> Callable[[str], None]:
    """Return the function that closes a socket because its grant ended."""
    return lambda denial: opened.end(AccessDenied(denial, "grants"))


class OpenSocket:
    """One open socket of an instance.

    Attributes:
        place: Its place among the sockets of the instance.
        failure: Why the host closed it.
        on_close: Functions that are called once it is closed.

    Args:
        network: Has the limits.
        place: Its place.
        what: Names it in errors: the peer, or the own address.
        plain: The socket, which is non-blocking.
        effect: The record of what it is for, which ends with it.
    """

    def __init__(
        self,
        network: Network,
        place: Place,
        what: str,
        plain: socket.socket,
        effect: RunningEffect | None = None,
    ) -> None:
        self.network = network
        self.place = place
        self.effect = effect
        self.failure: OslError | None = None
        self.on_close: list[Callable[[], None]] = []
        self._what = what
        self.plain = plain
        place.close = self.close

    @property
    def is_closed(self) -> bool:
        """Whether it is closed."""
        return self.plain.fileno() < 0

    def end(self, failure: OslError) -> None:
        """Close it, for this reason."""
        if not self.is_closed:
            self.failure = failure
            self.close()

    def close(self) -> None:
        """Close it at once. Closing twice is harmless."""
        if not self.is_closed:
            anyio.notify_closing(self.plain)
            self.plain.close()
        self.place.release()
        if self.effect is not None:
            self.effect.end(self.failure)
        while self.on_close:
            self.on_close.pop()()

    def broken(self, error: OSError | None = None) -> OslError:
        """Return the error for what no longer works."""
        if self.failure is not None:
            return self.failure
        reason = "it was closed" if self.is_closed or error is None else error.strerror
        return Disconnected(f"{self._what}: {reason}")

    def name(self, what: str) -> None:
        """Name it in errors, and as the resource of its grant."""
        self._what = what

    def note_received(self, size_bytes: int) -> None:
        """Count bytes that the component got."""
        self.network.ledger.note_received(self.place.component, size_bytes)
        if self.effect is not None:
            self.effect.received(size_bytes)

    def note_sent(self, size_bytes: int) -> None:
        """Count bytes that the component gave."""
        self.network.ledger.note_sent(self.place.component, size_bytes)
        if self.effect is not None:
            self.effect.sent(size_bytes)

    async def _ready(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        try:
            await wait(self.plain)
        except (anyio.ClosedResourceError, ValueError, OSError) as error:
            raise self.broken() from error

    async def _for_room(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        """Wait until the component may move bytes, or else until the system can."""
        delay = self.network.ledger.delay(self.place.component)
        if delay:
            await anyio.sleep(delay)
        else:
            await self._ready(wait)


class Connection(OpenSocket):
    """One open TCP connection, between a component and a peer.

    It ends after `network.idle_timeout` without a byte, and after `network.longest_connection`.

    Attributes:
        local: Its own address.
        peer: The peer's address.

    Args:
        network: Has the limits.
        place: Its place.
        what: Names it in errors: the peer, as the component did.
        plain: The socket, which is non-blocking.
        peer: The peer's address, which a connection that was reset no longer tells.
        effect: The record of the connection.
    """

    def __init__(
        self,
        network: Network,
        place: Place,
        what: str,
        plain: socket.socket,
        peer: Endpoint,
        effect: RunningEffect | None = None,
    ) -> None:
        super().__init__(network, place, what, plain, effect)
        self.local, self.peer = own_endpoint(plain), peer
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._active_at = self._opened_at = anyio.current_time()
        self._watch()

    def receive_now(self, max_bytes: int) -> bytes | None:
        """Return what is there; None if nothing is yet, and no bytes at the end.

        Raises:
            Disconnected: The connection broke.
            AccessDenied: Its grant ended.
            TrafficExceeded: The component may move no more bytes.
        """
        room_bytes = self._room_bytes(max_bytes)
        if not room_bytes:
            return None
        try:
            data = self.plain.recv(room_bytes)
        except _WOULD_BLOCK:
            return None
        except OSError as error:
            raise self.broken(error) from error
        self.note_received(len(data))
        self._active_at = anyio.current_time()
        return data

    async def receive(self, max_bytes: int) -> bytes:
        """Return at least one byte, or no bytes at the end; see `receive_now`."""
        while (data := self.receive_now(max_bytes)) is None:
            await self.readable()
        return data

    def send_now(self, data: memoryview) -> int:
        """Send what the peer takes now, and return how much that is; see `receive_now`."""
        room_bytes = self._room_bytes(len(data))
        if not room_bytes:
            return 0
        try:
            sent = self.plain.send(data[:room_bytes])
        except _WOULD_BLOCK:
            return 0
        except OSError as error:
            raise self.broken(error) from error
        self.note_sent(sent)
        self._active_at = anyio.current_time()
        return sent

    async def send(self, data: bytes) -> None:
        """Send all data; after a cancel, the number of bytes sent is unknown."""
        view = memoryview(data)
        while view:
            sent = self.send_now(view)
            view = view[sent:]
            if not sent:
                await self.writable()

    async def readable(self) -> None:
        """Wait until `receive_now` may answer."""
        await self._for_room(anyio.wait_readable)

    async def writable(self) -> None:
        """Wait until `send_now` may take bytes."""
        await self._for_room(anyio.wait_writable)

    def finish(self) -> None:
        """End the sending side; the peer reads to the end.

        Raises:
            Disconnected: The connection broke.
        """
        self._shut(socket.SHUT_WR)

    def _shut(self, how: int) -> None:
        try:
            self.plain.shutdown(how)
        except OSError as error:
            raise self.broken(error) from error

    def _room_bytes(self, wanted_bytes: int) -> int:
        if self.is_closed:
            raise self.broken()
        return self.network.ledger.room_bytes(self.place.component, wanted_bytes)

    def _watch(self) -> None:
        """Close it when its time is over; one timer stands for both limits."""
        caller = self.place.caller
        if self.is_closed or not caller.is_instantiated:
            return
        now, policy = anyio.current_time(), self.network.policy
        limits = [
            (since + seconds, f"{words} for {seconds:g} seconds (network.{key})")
            for since, seconds, words, key in (
                (self._active_at, policy.idle_timeout, "it was idle", "idle_timeout"),
                (self._opened_at, policy.longest_connection, "it was open", "longest_connection"),
            )
            if seconds > 0
        ]
        over = [reason for at, reason in limits if at <= now]
        if over:
            self.end(ConnectionEnded(f"{self._what}: the host closed it: {over[0]}"))
        elif limits:
            first = min(at for at, _ in limits)
            timer = caller.instance.engine.timers.after(first - now, self._watch_on)
            self.on_close.append(timer.cancel)
            self._timer = timer

    def _watch_on(self) -> None:
        self.on_close.remove(self._timer.cancel)
        self._watch()


class _Granted(OpenSocket):
    """A socket at an address of this host; `what` is the resource of its grant."""

    capability = ""

    def keep_while_granted(self, opened: OpenSocket | None = None) -> None:
        """Close it, or a connection that came through it, when the grant to listen ends."""
        one = opened or self
        guard = self.network.doorman.guard
        one.on_close.append(
            guard.keep(one.place.component, self.capability, self._what, denying(one))
        )


class Listener(_Granted):
    """A TCP socket that peers connect to."""

    capability = LISTEN_TCP
    is_pair = False
    """Whether only its own instance connects to it."""

    def accept_now(self) -> Connection | None:
        """Return the next connection; None if there is none yet.

        Raises:
            TooManySockets: The component has no place for it; the peer waits.
            Disconnected: The socket was closed.
        """
        if self.is_closed:
            raise self.broken()
        place = Place(self.network, self.place.caller)
        try:
            plain, address = self.plain.accept()
        except OSError as error:
            place.release()
            if isinstance(error, _WOULD_BLOCK) or error.errno == errno.ECONNABORTED:
                return None
            raise self.broken(error) from error
        plain.setblocking(False)
        peer = _endpoint(address)
        if self.is_pair:
            client = Sockets.of(place.caller).pair_clients.pop(peer, None)
            if client is None or client.fileno() < 0:  # another process of this machine
                plain.close()
                place.release()
                return None
        if self.is_pair:
            return Connection(self.network, place, str(peer), plain, peer)
        effects = self.network.effects
        effect = effects.begin(place.component, self.capability, self._what, "accept")
        connection = Connection(self.network, place, str(peer), plain, peer, effect)
        self.keep_while_granted(connection)
        return connection

    def pair_up(self) -> None:
        """Accept connections of its own instance only."""
        self.is_pair = True
        listeners, mine = Sockets.of(self.place.caller).pair_listeners, own_endpoint(self.plain)
        listeners.add(mine)
        self.on_close.append(lambda: listeners.discard(mine))

    async def accept(self) -> Connection:
        """Wait for a connection; see `accept_now`."""
        while (accepted := self.accept_now()) is None:
            await self._ready(anyio.wait_readable)
        return accepted


class Datagrams(_Granted):
    """A UDP socket."""

    capability = LISTEN_UDP

    def receive_now(self) -> tuple[bytes, Endpoint] | None:
        """Return the next datagram and its sender; None if there is none yet.

        Raises:
            OslError: The socket failed, or the component may move no more bytes.
        """
        if self.is_closed:
            raise self.broken()
        if not self.network.ledger.room_bytes(self.place.component, 1):
            return None
        try:
            data, sender = self.plain.recvfrom(DATAGRAM_BYTES + 1)
        except _WOULD_BLOCK:
            return None
        except OSError as error:
            raise self.broken(error) from error
        self.note_received(len(data))
        return data, _endpoint(sender)

    async def receive(self) -> tuple[bytes, Endpoint]:
        """Wait for a datagram; see `receive_now`."""
        while (received := self.receive_now()) is None:
            await self._for_room(anyio.wait_readable)
        return received

    def send_now(self, data: bytes, address: tuple[str, int] | None = None) -> bool:
        """Send a datagram, to the connected peer if no other is given.

        Returns:
            Whether there was room for it.
        """
        if self.is_closed:
            raise self.broken()
        if not self.network.ledger.room_bytes(self.place.component, 1):
            return False
        try:
            if address is None:
                self.plain.send(data)
            else:
                self.plain.sendto(data, address)
        except _WOULD_BLOCK:
            return False
        except OSError as error:
            raise from_os_error(
                error, self._what if address is None else str(address[0])
            ) from error
        self.note_sent(len(data))
        return True

    async def send(self, data: bytes, address: tuple[str, int] | None = None) -> None:
        """Send a datagram; wait for room."""
        while not self.send_now(data, address):
            await self._for_room(anyio.wait_writable)


def bound(address: Address, port: int, kind: socket.SocketKind) -> socket.socket:
    """Return a non-blocking socket that is bound to an address of this host.

    Raises:
        AddressInUse: Another socket has it.
        OslError: The system refuses it.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    plain = socket.socket(family, kind)
    try:
        plain.setblocking(False)
        bind(plain, address, port)
    except BaseException:
        plain.close()
        raise
    return plain


def bind(plain: socket.socket, address: Address, port: int) -> None:
    """Bind a socket to an address of this host; see `bound`."""
    if plain.family == socket.AF_INET6:
        plain.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if plain.type == socket.SOCK_STREAM and os.name == "posix":  # Windows shares the port then
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        plain.bind((str(address), port))
    except OSError as error:
        what = f"{address}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(f"{what}: another socket of this machine has it") from error
        raise from_os_error(error, what) from error


def own_endpoint(plain: socket.socket) -> Endpoint:
    """Return a socket's own address."""
    return _endpoint(plain.getsockname())


def peer_endpoint(plain: socket.socket, what: str) -> Endpoint:
    """Return the address of a socket's peer.

    Raises:
        Disconnected: The peer is gone already.
    """
    try:
        return _endpoint(plain.getpeername())
    except OSError as error:
        raise from_os_error(error, what) from error


def _endpoint(address: tuple[object, ...]) -> Endpoint:
    host, port = str(address[0]).partition("%")[0], address[1]
    found = as_address(host)
    return Endpoint(host if found is None else str(found), int(str(port)))
