"""`airswasm:component/udp`: one datagram out, one answer back, from a granted host.

The socket is connected, so the kernel drops datagrams from other senders, and it lives for one
exchange only.
"""

from __future__ import annotations

import socket

import anyio
from airswasm.runtime import Caller, HostInterface

from .._answers import answered, check_room
from .._effects import Effects
from .._policy import NetworkPolicy
from ..errors import Disconnected, LimitReached, TimedOut
from .addresses import Doorman, Endpoint, connect

CAPABILITY = "udp:send"
DATAGRAM_BYTES = 65_507
"""The largest payload of a UDP datagram over IPv4."""


class Udp:
    """The functions of the interface, for all components of one host."""

    def __init__(
        self, doorman: Doorman, policy: NetworkPolicy, effects: Effects | None = None
    ) -> None:
        self._doorman = doorman
        self.policy = policy
        self._effects = effects or Effects()

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        return HostInterface("airswasm:component/udp@0.1.0", {"exchange": answered(self.exchange)})

    async def exchange(self, caller: Caller, address: str, data: bytes, timeout_ms: int) -> bytes:
        """Send, and wait for one answer; a cancel or timeout ends both."""
        with self._effects.begin(caller.name, CAPABILITY, address) as effect:
            answer = await self._exchange(caller, address, data, timeout_ms)
            effect.sent(len(data))
            effect.received(len(answer))
        return answer

    async def _exchange(self, caller: Caller, address: str, data: bytes, timeout_ms: int) -> bytes:
        endpoint = Endpoint.read(address)
        if len(data) > DATAGRAM_BYTES:
            raise LimitReached(f"a datagram carries at most {DATAGRAM_BYTES:,} bytes")
        holding = caller.account.hold(DATAGRAM_BYTES, descriptors=1)
        try:
            with anyio.fail_after(self.policy.seconds(timeout_ms)):
                addresses = await self._doorman.addresses(
                    caller.name, CAPABILITY, address, endpoint, endpoint.at
                )
                with await connect(addresses, endpoint, socket.SOCK_DGRAM) as connected:
                    answer = await _exchanged(connected, data)
        except TimeoutError:
            raise TimedOut from None
        except OSError as error:
            raise Disconnected(f"{endpoint}: {error.strerror}") from error
        finally:
            holding.release()
        check_room(caller, len(answer), f"the answer of {endpoint}")
        return answer


async def _exchanged(connected: socket.socket, data: bytes) -> bytes:
    while True:
        try:
            connected.send(data)
            break
        except BlockingIOError:
            await anyio.wait_writable(connected)
    while True:
        await anyio.wait_readable(connected)
        try:
            return connected.recv(DATAGRAM_BYTES + 1)
        except BlockingIOError:
            continue
