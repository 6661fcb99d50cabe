"""Addresses and error codes of wasi:sockets.

WASI's codes carry no reason, so a denial also prints one line, with the manifest line that would
grant it, on the guest's stderr.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import cast

from airswasm.runtime import AccountExceeded, Caller, Case, Err, Ok
from airswasm.security.addresses import Address

from .._network.addresses import Endpoint
from ..errors import (
    AccessDenied,
    AddressInUse,
    Disconnected,
    LimitReached,
    Malformed,
    NotFound,
    OslError,
    TimedOut,
    TooManySockets,
)

__all__ = (
    "Refused",
    "code_of",
    "coded",
    "read_address",
    "refuse",
    "socket_address",
    "wasi_address",
)

_BY_ERRNO = {
    errno.EACCES: "access-denied",
    errno.EPERM: "access-denied",
    errno.EADDRINUSE: "address-in-use",
    errno.EADDRNOTAVAIL: "address-not-bindable",
    errno.ECONNABORTED: "connection-aborted",
    errno.ECONNREFUSED: "connection-refused",
    errno.ECONNRESET: "connection-reset",
    errno.EHOSTUNREACH: "remote-unreachable",
    errno.EINVAL: "invalid-argument",
    errno.EMFILE: "new-socket-limit",
    errno.EMSGSIZE: "datagram-too-large",
    errno.ENETUNREACH: "remote-unreachable",
    errno.ENFILE: "new-socket-limit",
    errno.ENOBUFS: "out-of-memory",
    errno.ENOMEM: "out-of-memory",
    errno.ENOTCONN: "invalid-state",
    errno.EPIPE: "connection-reset",
    errno.ETIMEDOUT: "timeout",
}
_BY_CLASS: tuple[tuple[type[OslError], str], ...] = (
    (TooManySockets, "new-socket-limit"),
    (AddressInUse, "address-in-use"),
    (AccessDenied, "access-denied"),
    (TimedOut, "timeout"),
    (NotFound, "name-unresolvable"),
    (Malformed, "invalid-argument"),
    (LimitReached, "out-of-memory"),
    (Disconnected, "connection-aborted"),
)


class Refused(Exception):
    """The answer is an error code of wasi:sockets.

    Attributes:
        code: The case.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def code_of(error: OslError | OSError) -> str:
    """Return the code of an error."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in _BY_ERRNO:
        return _BY_ERRNO[cause.errno]
    found = (code for kind, code in _BY_CLASS if isinstance(error, kind))
    return next(found, "unknown")


def refuse(caller: Caller, error: OslError) -> str:
    """Return the code of an error, after telling the guest's stderr of a denial."""
    if isinstance(error, AccessDenied) and caller.is_instantiated:
        caller.wasi.stderr.write(f"{error.text}\n".encode())
    return code_of(error)


def coded(function: Callable[..., object]) -> Callable[..., Ok[object] | Err[object]]:
    """Wrap a function so that its errors become error codes."""

    @functools.wraps(function)
    def answer(caller: Caller, *args: object) -> Ok[object] | Err[object]:
        try:
            return Ok(function(caller, *args))
        except Refused as refused:
            return Err(refused.code)
        except OslError as error:
            return Err(refuse(caller, error))
        except AccountExceeded:
            return Err("out-of-memory")
        except OSError as error:
            return Err(code_of(error))

    return answer


def read_address(given: Case, family: str | None = None) -> tuple[Address, int]:
    """Return the IP address and port of an `ip-socket-address`.

    Raises:
        Refused: It is of another family, or an IPv4 address in an IPv6 one.
    """
    if family is not None and given.name != family:
        raise Refused("invalid-argument")
    numbers = cast("tuple[int, ...]", getattr(given.value, "address", ()))
    port = int(getattr(given.value, "port", 0))
    if given.name == "ipv4":
        return IPv4Address(bytes(numbers)), port
    address = IPv6Address(b"".join(number.to_bytes(2, "big") for number in numbers))
    if address.ipv4_mapped is not None:
        raise Refused("invalid-argument")
    return address, port


def wasi_address(address: Address) -> Case:
    """Return an `ip-address`."""
    packed = address.packed
    if address.version == 4:
        return Case("ipv4", tuple(packed))
    groups = (int.from_bytes(packed[at : at + 2], "big") for at in range(0, 16, 2))
    return Case("ipv6", tuple(groups))


def socket_address(endpoint: Endpoint) -> Case:
    """Return an `ip-socket-address`."""
    address = endpoint.address
    if address is None:
        raise Refused("invalid-state")
    numbers = wasi_address(address)
    record: Mapping[str, object] = {"port": endpoint.port, "address": numbers.value}
    if address.version == 6:
        record = {**record, "flow_info": 0, "scope_id": 0}
    return Case(numbers.name, record)
