"""Places for sockets: counted, on the account of the instance, and closed with it.

One `Network` is the engine behind all interfaces to the network, the contract's own and those of
WASI: the same gate, the same counts, the same limits.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from airswasm.runtime import Caller, Meters

from .._effects import Effects
from .._policy import NetworkPolicy
from ..errors import TooManySockets
from .addresses import Doorman, Endpoint
from .gate import Gate
from .traffic import Ledger

__all__ = ("Network", "Place", "Sockets")

_SOCKET_BYTES = 8_192
"""Of a socket: its objects, and a task that waits for each direction."""


class Network:
    """The engine behind the interfaces to the network, for all components of one host.

    Args:
        doorman: Resolves names and checks addresses.
        policy: Limits.
        meters: Counts bytes and sockets for observers.
        effects: Writes what came of each operation.
    """

    def __init__(
        self,
        doorman: Doorman,
        policy: NetworkPolicy,
        meters: Meters | None = None,
        effects: Effects | None = None,
    ) -> None:
        self.doorman = doorman
        self.effects = effects or Effects()
        self.gate = Gate(doorman.guard, doorman, policy, self.effects)
        self.ledger = Ledger(policy, meters)
        self._policy = policy

    @property
    def policy(self) -> NetworkPolicy:
        """The limits in force; setting them holds for what is open, too."""
        return self._policy

    @policy.setter
    def policy(self, policy: NetworkPolicy) -> None:
        self._policy = self.gate.policy = self.ledger.policy = policy


class Place:
    """A place for one socket of an instance.

    Attributes:
        component: The name of the component.
        caller: The instance.
        close: Closes the socket; called when the instance ends.

    Args:
        network: Has the limit.
        caller: Whose socket it will be.

    Raises:
        TooManySockets: It holds as many as it may.
        AccountExceeded: There is no room for another.
    """

    __slots__ = ("_holding", "_ledger", "_sockets", "caller", "close", "component")

    def __init__(self, network: Network, caller: Caller) -> None:
        sockets = Sockets.of(caller)
        most = network.policy.connections
        if len(sockets) >= most:
            raise TooManySockets(
                f"{caller.name} holds {most:,} sockets, all that it may (network.connections)"
            )
        self._holding = caller.account.hold(_SOCKET_BYTES, descriptors=1)
        self._sockets: Sockets | None = sockets
        self._ledger = network.ledger
        self.caller = caller
        self.component: str = caller.name
        self.close: Callable[[], None] = self.release
        sockets.add(self)
        self._ledger.note_sockets(self.component, 1)

    def keep_bytes(self, size_bytes: int) -> None:
        """Have the account hold these bytes beside those of the socket.

        Raises:
            AccountExceeded: There is no room for them.
        """
        self._holding.resize(_SOCKET_BYTES + size_bytes)

    def release(self) -> None:
        """Give the place back. Doing so twice is harmless."""
        if self._sockets is not None:
            self._sockets.discard(self)
            self._sockets = None
            self._holding.release()
            self._ledger.note_sockets(self.component, -1)


class Sockets:
    """The places of one instance.

    Attributes:
        pair_listeners: Addresses that only the instance itself connects to, to make pairs of
            sockets.
        pair_clients: The sockets that connect to them, by their addresses.
    """

    def __init__(self) -> None:
        self._taken: set[Place] = set()
        self.pair_listeners: set[Endpoint] = set()
        self.pair_clients: dict[Endpoint, socket.socket] = {}

    @classmethod
    def of(cls, caller: Caller) -> Sockets:
        """Return the caller's sockets, which close when its instance ends."""

        def make() -> Sockets:
            sockets = cls()
            caller.on_close(sockets.close)
            return sockets

        return caller.keep(cls, make)

    def __len__(self) -> int:
        return len(self._taken)

    def add(self, place: Place) -> None:
        """Count a place until it is given back."""
        self._taken.add(place)

    def discard(self, place: Place) -> None:
        """Count a place no longer."""
        self._taken.discard(place)

    def close(self) -> None:
        """Close all of them."""
        for place in list(self._taken):
            place.close()
            place.release()
