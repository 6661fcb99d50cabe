"""Options of sockets: keep-alive, hop limit, sizes of buffers.

The sizes are held to a bound: the kernel's buffers are on no account.
"""

from __future__ import annotations

import socket

from .codes import Refused

__all__ = (
    "buffer_size",
    "duration",
    "hop_limit",
    "number",
    "set_buffer_size",
    "set_duration",
    "set_hop_limit",
    "set_number",
)

_MOST_BUFFER_BYTES = 512 * 1024
_NS = 1_000_000_000
_MOST_SECONDS = 32_767
_MOST_PROBES = 127


def buffer_size(plain: socket.socket, option: int) -> int:
    """Return the size of a buffer; Linux reports twice what was set."""
    size = plain.getsockopt(socket.SOL_SOCKET, option)
    return max(1, size // 2)


def set_buffer_size(plain: socket.socket, option: int, size_bytes: int) -> None:
    """Ask for a size, which the system and this host bound."""
    if not size_bytes:
        raise Refused("invalid-argument")
    plain.setsockopt(socket.SOL_SOCKET, option, min(size_bytes, _MOST_BUFFER_BYTES))


def duration(plain: socket.socket, option: int) -> int:
    """Return a time of keep-alive, in nanoseconds."""
    return plain.getsockopt(socket.IPPROTO_TCP, option) * _NS


def set_duration(plain: socket.socket, option: int, duration_ns: int) -> None:
    """Set a time of keep-alive; the system has whole seconds."""
    if not duration_ns:
        raise Refused("invalid-argument")
    seconds = min(-(-duration_ns // _NS), _MOST_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, option, seconds)


def number(plain: socket.socket, option: int) -> int:
    """Return a number of keep-alive."""
    return plain.getsockopt(socket.IPPROTO_TCP, option)


def set_number(plain: socket.socket, option: int, value: int) -> None:
    """Set a number of keep-alive."""
    if not value:
        raise Refused("invalid-argument")
    plain.setsockopt(socket.IPPROTO_TCP, option, min(value, _MOST_PROBES))


def _hops(plain: socket.socket) -> tuple[int, int]:
    if plain.family == socket.AF_INET:
        return socket.IPPROTO_IP, socket.IP_TTL
    return socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS


def hop_limit(plain: socket.socket) -> int:
    """Return the hop limit of packets."""
    return plain.getsockopt(*_hops(plain))


def set_hop_limit(plain: socket.socket, value: int) -> None:
    """Set the hop limit of packets."""
    if not value:
        raise Refused("invalid-argument")
    plain.setsockopt(*_hops(plain), value)
