"""wasi:sockets without a socket: creating one, or asking for a name, is denied.

No socket is handed out, so its methods are not called; they exist so that guests link.
airswasm-osl replaces the interfaces that make sockets, and those of the sockets, by name.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._host import Caller, HostFunction, HostInterface
from .._values import Err
from ._io import CLOSED_ON_DROP, IoError, methods

SHARED_METHODS = (
    "start-bind",
    "finish-bind",
    "local-address",
    "remote-address",
    "address-family",
    "receive-buffer-size",
    "set-receive-buffer-size",
    "send-buffer-size",
    "set-send-buffer-size",
    "subscribe",
)
TCP_METHODS = (
    *SHARED_METHODS,
    "start-connect",
    "finish-connect",
    "start-listen",
    "finish-listen",
    "accept",
    "is-listening",
    "set-listen-backlog-size",
    "keep-alive-enabled",
    "set-keep-alive-enabled",
    "keep-alive-idle-time",
    "set-keep-alive-idle-time",
    "keep-alive-interval",
    "set-keep-alive-interval",
    "keep-alive-count",
    "set-keep-alive-count",
    "hop-limit",
    "set-hop-limit",
    "shutdown",
)
UDP_METHODS = (*SHARED_METHODS, "stream", "unicast-hop-limit", "set-unicast-hop-limit")


class Network:
    """The `network` resource: a token that grants nothing by itself."""

    __slots__ = ()


def _denied(_caller: Caller, *_arguments: object) -> Err[str]:
    return Err("access-denied")


def _network(_caller: Caller) -> Network:
    return Network()


def _error_code(_caller: Caller, error: IoError) -> str | None:
    """Answer `network-error-code`: why a socket's stream failed."""
    return error.network_code


def interfaces(version: str) -> Iterable[HostInterface]:
    """Offer wasi:sockets, denied."""
    tables: dict[str, tuple[dict[str, HostFunction], tuple[str, ...]]] = {
        "network": ({"network-error-code": _error_code}, ("network",)),
        "instance-network": ({"instance-network": _network}, ()),
        "tcp-create-socket": ({"create-tcp-socket": _denied}, ()),
        "udp-create-socket": ({"create-udp-socket": _denied}, ()),
        "tcp": (methods("tcp-socket", dict.fromkeys(TCP_METHODS, _denied)), ("tcp-socket",)),
        "udp": (
            {
                **methods("udp-socket", dict.fromkeys(UDP_METHODS, _denied)),
                **methods(
                    "incoming-datagram-stream", dict.fromkeys(("receive", "subscribe"), _denied)
                ),
                **methods(
                    "outgoing-datagram-stream",
                    dict.fromkeys(("check-send", "send", "subscribe"), _denied),
                ),
            },
            ("udp-socket", "incoming-datagram-stream", "outgoing-datagram-stream"),
        ),
        "ip-name-lookup": (
            {
                "resolve-addresses": _denied,
                **methods(
                    "resolve-address-stream",
                    dict.fromkeys(("resolve-next-address", "subscribe"), _denied),
                ),
            },
            ("resolve-address-stream",),
        ),
    }
    for name, (functions, resources) in tables.items():
        yield HostInterface(
            f"wasi:sockets/{name}@{version}",
            functions,
            dict.fromkeys(resources, CLOSED_ON_DROP),
        )
