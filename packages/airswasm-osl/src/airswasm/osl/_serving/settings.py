"""`[http]`: where the host serves HTTP, and which component answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from airswasm.security import InvalidResource

from .._network.spelling import read_path_of_url
from .._policy import check_positive

__all__ = ("HttpRoute", "ServingPolicy")

KIB, MIB = 2**10, 2**20


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One entry of `[[http.routes]]`: requests below a path go to a component.

    Attributes:
        path: The path; it covers itself and everything below.
        component: The component that answers; a list of names shares the requests among them.
        host: The host name that clients must have asked for; empty for any.
        body_bytes: The largest body of a request; 0 takes the section's.
        timeout: Seconds for a whole request; 0 takes the section's.
        concurrency: Requests of this route that may be under way, waiting ones included.
    """

    path: str
    component: str | tuple[str, ...]
    host: str = ""
    body_bytes: int = 0
    timeout: float = 0.0
    concurrency: int = 256

    def __post_init__(self) -> None:
        if not self.components:
            raise ValueError("component names none")
        try:
            spelled = read_path_of_url(self.path)
        except InvalidResource as error:
            raise ValueError(f"path {self.path!a}: {error.reason}") from error
        if spelled != self.path:
            raise ValueError(f"path {self.path!a} is spelled {spelled!a}")
        if self.concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        if self.body_bytes < 0 or self.timeout < 0:
            raise ValueError("a limit must not be negative")

    @property
    def components(self) -> tuple[str, ...]:
        """The components among which requests are shared."""
        return (self.component,) if isinstance(self.component, str) else self.component

    @property
    def prefix(self) -> str:
        """The path with a slash at its end, which everything below begins with."""
        return self.path if self.path.endswith("/") else f"{self.path}/"


@dataclass(frozen=True, slots=True)
class ServingPolicy:
    """`[http]`: where the host serves HTTP, its limits, and the routes to components.

    Attributes:
        listen: The address to serve at, `127.0.0.1:8080`; empty serves nothing. An address that
            other machines reach needs TLS, or `insecure`.
        insecure: Whether an address that other machines reach may be served without TLS, such as
            behind a proxy that has it.
        tls_certificate: The file with the certificate chain (PEM).
        tls_key: The file with the private key (PEM).
        routes: The routes; the longest path that covers a request is taken, and of two with one
            path the one that names the client's host.
        connections: Connections of clients at a time, at most a quarter of the files that the host
            may open; each further one takes the place of one that waits for a request, or is
            closed at once.
        head_bytes: The largest head of a request, in bytes.
        body_bytes: The largest body of a request, in bytes, where its route says nothing.
        head_timeout: Seconds in which the head of a request must arrive, once it has begun.
        idle_timeout: Seconds that a connection may rest between requests, or a client may pause in
            the middle of a body.
        timeout: Seconds for a whole request, where its route says nothing.
        stop_timeout: Seconds that requests under way have when the host stops; those that come
            meanwhile get 503.
        access_log: The requests of which a component's log has a line: all, those that failed, or
            none.
    """

    listen: str = ""
    insecure: bool = False
    tls_certificate: str = ""
    tls_key: str = ""
    routes: tuple[HttpRoute, ...] = ()
    connections: int = 1024
    head_bytes: int = 32 * KIB
    body_bytes: int = 8 * MIB
    head_timeout: float = 10.0
    idle_timeout: float = 30.0
    timeout: float = 60.0
    stop_timeout: float = 10.0
    access_log: Literal["all", "errors", "none"] = "all"

    def __post_init__(self) -> None:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together")
        if self.listen:
            address, _ = read_listen(self.listen)
            is_open = not (address.is_loopback or self.tls_certificate or self.insecure)
            if is_open:
                raise ValueError(
                    f"listen {self.listen!a} is reached by other machines: set tls_certificate and "
                    "tls_key, or insecure = true"
                )
        check_positive(self, "connections", "head_bytes", "body_bytes")
        check_positive(self, "head_timeout", "idle_timeout", "timeout")
        if self.stop_timeout < 0:
            raise ValueError("stop_timeout must not be negative")
        _check_distinct(self.routes)


def read_listen(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """Return the address and port of `listen`; port 0 takes a free one.

    Raises:
        ValueError: It is none.
    """
    host, colon, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is None or not colon or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"listen {text!a} is no IP address with a port, such as 127.0.0.1:8080")
    return address, int(port)


def _check_distinct(routes: Iterable[HttpRoute]) -> None:
    seen: set[tuple[str, str]] = set()
    for each in routes:
        key = each.host.lower(), each.path.rstrip("/")
        if key in seen:
            raise ValueError(f"two routes have the path {each.path!a}")
        seen.add(key)
