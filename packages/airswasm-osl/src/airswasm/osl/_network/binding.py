"""Sockets bound to addresses of this host, and the addresses of sockets."""

from __future__ import annotations

import errno
import os
import socket

from airswasm.security.addresses import Address, as_address

from ..errors import AddressInUse, from_os_error
from .addresses import Endpoint

__all__ = ("as_endpoint", "bind", "bound", "own_endpoint", "peer_endpoint")


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
    return as_endpoint(plain.getsockname())


def peer_endpoint(plain: socket.socket, what: str) -> Endpoint:
    """Return the address of a socket's peer.

    Raises:
        Disconnected: The peer is gone already.
    """
    try:
        return as_endpoint(plain.getpeername())
    except OSError as error:
        raise from_os_error(error, what) from error


def as_endpoint(address: tuple[object, ...]) -> Endpoint:
    """Return an address as the system has it, in canonical form and without a scope."""
    host, port = str(address[0]).partition("%")[0], address[1]
    found = as_address(host)
    return Endpoint(host if found is None else str(found), int(str(port)))
