"""The connections of one component that rest between two requests.

They belong to the instance and end with it. The name of a server is resolved and checked for each
request; a resting connection serves if its address is among those that may be reached now.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import anyio.abc
from airswasm.runtime import Account, AccountExceeded, Caller, Holding
from airswasm.security.addresses import Address

from .._network.addresses import Endpoint
from .requests import Request
from .stream import SocketBytes

__all__ = ("Idle", "IdleConnections")

_IDLE_BYTES = 4_096
"""Of a connection that rests: its socket, its stream, the state of its TLS."""


@dataclass(slots=True)
class Idle:
    """One connection, between two requests or under one.

    Attributes:
        scheme: `http` or `https`.
        endpoint: The server, as it was asked for; TLS verified its name.
        address: The address that it is connected to.
        stream: The connection, secured where it is HTTPS.
        plain: The same, below its TLS.
        since: When it began to rest, by the clock of the event loop.
    """

    scheme: str
    endpoint: Endpoint
    address: str
    stream: anyio.abc.ByteStream
    plain: SocketBytes
    since: float = 0.0
    holding: Holding | None = field(default=None, repr=False)

    def close(self) -> None:
        """Close it at once."""
        self.plain.close()

    def serves(self, request: Request, addresses: Sequence[Address]) -> bool:
        """Return whether it may carry a request to one of these addresses."""
        if (self.scheme, self.endpoint) != (request.scheme, request.endpoint):
            return False
        return ipaddress.ip_address(self.address.partition("%")[0]) in addresses


class IdleConnections:
    """The resting connections of one instance.

    Args:
        account: Theirs.
        most: How many may rest; the one that rests longest gives way.
        seconds: How long one may rest.
    """

    def __init__(self, account: Account, most: int, seconds: float) -> None:
        self._account = account
        self._most = most
        self._seconds = seconds
        self._resting: list[Idle] = []
        self._is_closed = False

    @classmethod
    def of(cls, caller: Caller, most: int, seconds: float) -> IdleConnections:
        """Return the caller's, which are closed with its instance."""

        def make() -> IdleConnections:
            connections = cls(caller.account, most, seconds)
            caller.on_close(connections.close)
            return connections

        found = caller.keep(cls, make)
        found._most, found._seconds = most, seconds
        return found

    def __len__(self) -> int:
        return len(self._resting)

    def take(self, request: Request, addresses: Sequence[Address]) -> Idle | None:
        """Return a connection that may carry a request, and forget it; None if there is none."""
        self._close_old()
        for place in range(len(self._resting) - 1, -1, -1):
            if self._resting[place].serves(request, addresses):
                found = self._resting.pop(place)
                if found.holding is not None:
                    found.holding.release()
                if found.plain.is_silent:
                    return found
                found.close()  # what came unasked would be taken for the answer
        return None

    def put(self, connection: Idle) -> None:
        """Have a connection rest, or close it if there is no room."""
        self._close_old()
        try:
            if self._is_closed or self._most < 1:
                raise AccountExceeded(is_host=False)
            connection.holding = self._account.hold(_IDLE_BYTES, descriptors=1)
        except AccountExceeded:
            connection.close()
            return
        connection.since = anyio.current_time()
        self._resting.append(connection)
        while len(self._resting) > self._most:
            self._close(self._resting.pop(0))

    def close(self) -> None:
        """Close all of them, and each that is put later."""
        self._is_closed = True
        while self._resting:
            self._close(self._resting.pop())

    def _close_old(self) -> None:
        oldest = anyio.current_time() - self._seconds
        while self._resting and self._resting[0].since < oldest:
            self._close(self._resting.pop(0))

    @staticmethod
    def _close(connection: Idle) -> None:
        connection.close()
        if connection.holding is not None:
            connection.holding.release()
