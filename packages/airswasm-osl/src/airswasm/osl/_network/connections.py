"""Connections of components, and the listeners that peers connect to."""

from __future__ import annotations

import errno
import socket

import anyio

from .._effects import RunningEffect
from ..errors import ConnectionEnded
from .addresses import Endpoint
from .binding import as_endpoint, own_endpoint
from .gate import LISTEN_TCP
from .open_sockets import WOULD_BLOCK, GrantedSocket, OpenSocket
from .places import Network, Place, Sockets

__all__ = ("Connection", "Listener")


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
        except WOULD_BLOCK:
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
        except WOULD_BLOCK:
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


class Listener(GrantedSocket):
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
            if isinstance(error, WOULD_BLOCK) or error.errno == errno.ECONNABORTED:
                return None
            raise self.broken(error) from error
        plain.setblocking(False)
        peer = as_endpoint(address)
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
