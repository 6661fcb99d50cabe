"""`airswasm:component/udp`: datagrams to granted hosts, and at granted addresses.

The socket of an exchange is connected, so the kernel drops datagrams from other senders, and it
lives for one exchange only.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping

import anyio
from airswasm.runtime import Caller, HostFunction, HostInterface, HostResource

from .._answers import answered, check_room
from .._effects import RunningEffect
from ..errors import Disconnected, LimitReached, NotFound, TimedOut
from .addresses import Endpoint, connect
from .binding import bound, own_endpoint
from .datagrams import Datagrams
from .gate import LISTEN_UDP, SEND
from .places import Network, Place
from .traffic import DATAGRAM_BYTES


class Udp:
    """The functions of the interface, for all components of one host."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        functions: dict[str, Callable[..., Awaitable[object]]] = {
            "exchange": self.exchange,
            "bind": self.bind,
            "[method]socket.send": self.send,
            "[method]socket.receive": self.receive,
        }
        answers: dict[str, HostFunction] = {
            name: answered(function) for name, function in functions.items()
        }
        answers["[method]socket.address"] = _address
        return HostInterface(
            "airswasm:component/udp@0.1.0", answers, {"socket": HostResource(drop=_close)}
        )

    async def exchange(self, caller: Caller, address: str, data: bytes, timeout_ms: int) -> bytes:
        """Send, and wait for one answer; a cancel or timeout ends both."""
        with self._network.effects.begin(caller.name, SEND, address) as effect:
            return await self._exchange(caller, address, data, timeout_ms, effect)

    async def _exchange(
        self, caller: Caller, address: str, data: bytes, timeout_ms: int, effect: RunningEffect
    ) -> bytes:
        endpoint = Endpoint.read(address)
        _check_size(data)
        network = self._network
        place = Place(network, caller)
        try:
            place.keep_bytes(DATAGRAM_BYTES)
            with anyio.fail_after(network.policy.seconds(timeout_ms)):
                addresses = await network.doorman.addresses(
                    caller.name, SEND, address, endpoint, endpoint.at
                )
                connected = await connect(addresses, endpoint, socket.SOCK_DGRAM)
                opened = Datagrams(network, place, str(endpoint), connected)
                try:
                    await opened.send(data)
                    effect.sent(len(data))
                    answer, _ = await opened.receive()
                    effect.received(len(answer))
                finally:
                    opened.close()
        except TimeoutError:
            raise TimedOut from None
        except OSError as error:
            raise Disconnected(f"{endpoint}: {error.strerror}") from error
        finally:
            place.release()
        check_room(caller, len(answer), f"the answer of {endpoint}")
        return answer

    async def bind(self, caller: Caller, address: str) -> Datagrams:
        """Bind a socket."""
        network = self._network
        at, port, resource = network.gate.listen_at(caller, LISTEN_UDP, address)
        with network.effects.begin(caller.name, LISTEN_UDP, resource) as effect:
            place = Place(network, caller)
            try:
                plain = bound(at, port, socket.SOCK_DGRAM)
            except BaseException:
                place.release()
                raise
            opened = Datagrams(network, place, resource, plain, effect)
            effect.outlive()
        opened.keep_while_granted()
        return opened

    async def send(self, caller: Caller, opened: Datagrams, address: str, data: bytes) -> None:
        """Send one datagram to a checked address of the name."""
        with self._network.effects.begin(caller.name, SEND, address) as effect:
            await self._send(caller, opened, address, data)
            effect.sent(len(data))

    async def _send(self, caller: Caller, opened: Datagrams, address: str, data: bytes) -> None:
        endpoint = Endpoint.read(address)
        _check_size(data)
        addresses = await self._network.doorman.addresses(
            caller.name, SEND, address, endpoint, endpoint.at
        )
        version = 4 if opened.plain.family == socket.AF_INET else 6
        fitting = [each for each in addresses if each.version == version]
        if not fitting:
            raise NotFound(f"{endpoint}: it has no address of IPv{version}, which the socket has")
        await opened.send(data, (str(fitting[0]), endpoint.port))

    async def receive(
        self, caller: Caller, opened: Datagrams, timeout_ms: int
    ) -> Mapping[str, object]:
        """Wait for a datagram of any peer."""
        try:
            with anyio.fail_after(self._network.policy.seconds(timeout_ms)):
                data, sender = await opened.receive()
        except TimeoutError:
            raise TimedOut from None
        check_room(caller, len(data), f"the datagram of {sender}")
        return {"sender": str(sender), "data": data}


def _check_size(data: bytes) -> None:
    if len(data) > DATAGRAM_BYTES:
        raise LimitReached(f"a datagram carries at most {DATAGRAM_BYTES:,} bytes")


def _address(_caller: Caller, opened: Datagrams) -> str:
    return str(own_endpoint(opened.plain))


def _close(opened: object) -> None:
    assert isinstance(opened, Datagrams)
    opened.close()
