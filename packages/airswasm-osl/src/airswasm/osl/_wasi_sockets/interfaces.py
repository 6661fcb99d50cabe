"""The functions of wasi:sockets by their names, in place of the runtime's denied ones."""

# The tables below are functions of one line; the engine calls them with what the WIT says.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from airswasm.runtime import Caller, HostFunction, HostInterface
from airswasm.runtime.wasi import CLOSED_ON_DROP, WASI_VERSION, methods

from .._network.places import Network
from . import options
from .codes import coded
from .lookup import Lookup, Lookups
from .tcp import TcpSocket
from .udp import UdpSocket

__all__ = ("WasiSockets",)

_Made = TcpSocket | UdpSocket
_OPTIONS: dict[str, HostFunction] = {
    "receive-buffer-size": coded(lambda _, s: options.buffer_size(s.plain, socket.SO_RCVBUF)),
    "set-receive-buffer-size": coded(
        lambda _, s, size: options.set_buffer_size(s.plain, socket.SO_RCVBUF, size)
    ),
    "send-buffer-size": coded(lambda _, s: options.buffer_size(s.plain, socket.SO_SNDBUF)),
    "set-send-buffer-size": coded(
        lambda _, s, size: options.set_buffer_size(s.plain, socket.SO_SNDBUF, size)
    ),
}
_SHARED: dict[str, HostFunction] = {
    **_OPTIONS,
    "start-bind": coded(lambda _, s, _network, local: s.start_bind(local)),
    "finish-bind": coded(lambda _, s: s.finish_bind()),
    "local-address": coded(lambda _, s: s.local_address()),
    "remote-address": coded(lambda _, s: s.remote_address()),
    "address-family": lambda _, s: s.family,
    "subscribe": lambda _, s: s.pollable(),
}
_TCP: dict[str, HostFunction] = {
    **_SHARED,
    "start-connect": coded(lambda _, s, _network, remote: s.start_connect(remote)),
    "finish-connect": coded(lambda _, s: s.finish_connect()),
    "start-listen": coded(lambda _, s: s.start_listen()),
    "finish-listen": coded(lambda _, s: s.finish_listen()),
    "accept": coded(lambda _, s: s.accept()),
    "is-listening": lambda _, s: s.is_listening,
    "set-listen-backlog-size": coded(lambda _, s, size: s.set_backlog(size)),
    "keep-alive-enabled": coded(
        lambda _, s: bool(s.plain.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
    ),
    "set-keep-alive-enabled": coded(
        lambda _, s, on: s.plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, on)
    ),
    "keep-alive-idle-time": coded(lambda _, s: options.duration(s.plain, _idle())),
    "set-keep-alive-idle-time": coded(
        lambda _, s, time: options.set_duration(s.plain, _idle(), time)
    ),
    "keep-alive-interval": coded(lambda _, s: options.duration(s.plain, socket.TCP_KEEPINTVL)),
    "set-keep-alive-interval": coded(
        lambda _, s, time: options.set_duration(s.plain, socket.TCP_KEEPINTVL, time)
    ),
    "keep-alive-count": coded(lambda _, s: options.number(s.plain, socket.TCP_KEEPCNT)),
    "set-keep-alive-count": coded(
        lambda _, s, count: options.set_number(s.plain, socket.TCP_KEEPCNT, count)
    ),
    "hop-limit": coded(lambda _, s: options.hop_limit(s.plain)),
    "set-hop-limit": coded(lambda _, s, value: options.set_hop_limit(s.plain, value)),
    "shutdown": coded(lambda _, s, how: s.shutdown(how)),
}
_UDP: dict[str, HostFunction] = {
    **_SHARED,
    "stream": coded(lambda _, s, remote: s.stream(remote)),
    "unicast-hop-limit": coded(lambda _, s: options.hop_limit(s.plain)),
    "set-unicast-hop-limit": coded(lambda _, s, value: options.set_hop_limit(s.plain, value)),
}
_INCOMING: dict[str, HostFunction] = {
    "receive": coded(lambda _, s, most: s.receive(most)),
    "subscribe": lambda _, s: s.pollable(),
}
_OUTGOING: dict[str, HostFunction] = {
    "check-send": coded(lambda _, s: s.check()),
    "send": coded(lambda _, s, datagrams: s.send(datagrams)),
    "subscribe": lambda _, s: s.pollable(),
}
_LOOKUP: dict[str, HostFunction] = {
    "resolve-next-address": coded(lambda _, s: s.next()),
    "subscribe": lambda _, s: s.pollable(),
}


class WasiSockets:
    """wasi:sockets for all components of one host.

    Args:
        network: The engine.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def interfaces(self) -> Iterable[HostInterface]:
        """Return the replacements for the runtime's denied interfaces."""
        return (
            _interface("tcp-create-socket", {"create-tcp-socket": self._create(TcpSocket.create)}),
            _interface("udp-create-socket", {"create-udp-socket": self._create(UdpSocket)}),
            _interface("tcp", methods("tcp-socket", _TCP), "tcp-socket"),
            _interface(
                "udp",
                {
                    **methods("udp-socket", _UDP),
                    **methods("incoming-datagram-stream", _INCOMING),
                    **methods("outgoing-datagram-stream", _OUTGOING),
                },
                "udp-socket",
                "incoming-datagram-stream",
                "outgoing-datagram-stream",
            ),
            _interface(
                "ip-name-lookup",
                {
                    "resolve-addresses": coded(self._look_up),
                    **methods("resolve-address-stream", _LOOKUP),
                },
                "resolve-address-stream",
            ),
        )

    def _create(self, kind: Callable[[Network, Caller, str], _Made]) -> HostFunction:
        return coded(lambda caller, family: kind(self._network, caller, family))

    def _look_up(self, caller: Caller, _network: object, name: str) -> Lookup:
        return Lookups.of(caller).start(self._network, caller, name)


def _interface(name: str, functions: dict[str, HostFunction], *resources: str) -> HostInterface:
    return HostInterface(
        f"wasi:sockets/{name}@{WASI_VERSION}", functions, dict.fromkeys(resources, CLOSED_ON_DROP)
    )


def _idle() -> int:
    """Return the option for the time before the first probe, which macOS names otherwise."""
    return getattr(socket, "TCP_KEEPIDLE", 0) or getattr(socket, "TCP_KEEPALIVE", 0)
