"""The bytes that each component moves over the network, and how fast it may.

A token bucket holds at most the bytes of one second. A transfer may take what is in it, so a
component is never stopped in the middle of a byte stream: it waits, and so does its peer. The
counts live as long as the host, so that a restart of a component is no way to a new allowance.
"""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from airswasm.runtime import Meters

from .._policy import NetworkPolicy
from ..errors import TrafficExceeded

__all__ = ("DATAGRAM_BYTES", "RECEIVED", "SENT", "SOCKETS", "Ledger", "Traffic")

SENT = "network_sent_bytes_total"
RECEIVED = "network_received_bytes_total"
SOCKETS = "network_sockets"
DATAGRAM_BYTES = 65_507
"""The largest payload of a UDP datagram over IPv4, which moves as a whole."""
_LEAST_BYTES = 4_096
"""A transfer waits until so many bytes may move, or a twentieth of a second's, if those are less:
with single bytes it would wake for each."""
_TURNS = 20


@dataclass(slots=True)
class Traffic:
    """The bytes that one component has moved.

    Attributes:
        sent_bytes: Bytes sent since the host's start.
        received_bytes: Bytes received.
        sockets: Sockets that its instances hold.
        tokens: Bytes that may move now, where there is a rate.
        filled_at: When `tokens` was last computed, by the event loop's clock.
    """

    sent_bytes: int = 0
    received_bytes: int = 0
    sockets: int = 0
    tokens: float = 0.0
    filled_at: float = float("-inf")


class Ledger:
    """The traffic of all components of one host.

    Args:
        policy: Has the limits; they may be replaced at any time.
        meters: Counts the bytes for observers.
    """

    def __init__(self, policy: NetworkPolicy, meters: Meters | None = None) -> None:
        self.policy = policy
        known = () if meters is None else [metric.name for metric in meters.metrics]
        self._meters = meters if SENT in known else None
        self._traffic: dict[str, Traffic] = {}

    def of(self, component: str) -> Traffic:
        """Return the traffic of a component."""
        return self._traffic.setdefault(component, Traffic())

    def room_bytes(self, component: str, wanted_bytes: int) -> int:
        """Return how many of the wanted bytes may move now; 0 to wait for `delay`.

        Raises:
            TrafficExceeded: None ever will, until the host is restarted.
        """
        policy = self.policy
        if not policy.total_bytes and not policy.bytes_per_second:
            return wanted_bytes
        mine = self.of(component)
        if policy.total_bytes:
            left = policy.total_bytes - mine.sent_bytes - mine.received_bytes
            if left <= 0:
                raise TrafficExceeded(
                    f"{component} has moved {policy.total_bytes:,} bytes, all that it may until "
                    f"the host stops (network.total_bytes)"
                )
            wanted_bytes = min(wanted_bytes, left)
        if policy.bytes_per_second:
            self._fill(mine)
            if mine.tokens < min(self._least_bytes, wanted_bytes):
                return 0
            wanted_bytes = min(wanted_bytes, int(mine.tokens))
        return wanted_bytes

    def delay(self, component: str) -> float:
        """Return the seconds until a transfer may go on."""
        rate = self.policy.bytes_per_second
        if not rate:
            return 0.0
        mine = self.of(component)
        self._fill(mine)
        return max(0.0, (self._least_bytes - mine.tokens) / rate)

    def note_sent(self, component: str, size_bytes: int) -> None:
        """Count bytes that were sent."""
        mine = self.of(component)
        mine.sent_bytes += size_bytes
        mine.tokens -= size_bytes
        if self._meters is not None:
            self._meters.add(SENT, component, size_bytes)

    def note_received(self, component: str, size_bytes: int) -> None:
        """Count bytes that were received."""
        mine = self.of(component)
        mine.received_bytes += size_bytes
        mine.tokens -= size_bytes
        if self._meters is not None:
            self._meters.add(RECEIVED, component, size_bytes)

    def note_sockets(self, component: str, change: int) -> None:
        """Count sockets that were opened or closed."""
        mine = self.of(component)
        mine.sockets += change
        if self._meters is not None:
            self._meters.set(SOCKETS, component, mine.sockets)

    @property
    def _least_bytes(self) -> int:
        return max(1, min(_LEAST_BYTES, self.policy.bytes_per_second // _TURNS))

    def _fill(self, mine: Traffic) -> None:
        now, rate = anyio.current_time(), self.policy.bytes_per_second
        gained = (now - mine.filled_at) * rate
        owed = float(max(rate, DATAGRAM_BYTES))  # at most: all that moved without a rate is more
        mine.tokens = min(float(rate), max(mine.tokens, -owed) + gained)
        mine.filled_at = now
