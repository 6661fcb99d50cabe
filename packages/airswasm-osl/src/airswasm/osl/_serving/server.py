"""The host's HTTP server: a listener that lives as long as the host.

h11 implements the protocol, on streams of anyio. uvicorn and hypercorn were rejected: the one runs
on asyncio alone, both hand a request on before its framing was checked as strictly as ours is, and
what stands behind them is an application and not a mailbox (ADR 73).
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable

import anyio
import anyio.abc
from airswasm.lifecycle import LogBook
from airswasm.runtime import Finding, Health, HealthSources, LiveSettings, Meters, Services
from airswasm.security import Guard
from airswasm.wit import safe_text
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener

from ..errors import AddressUnusable
from .answering import Answering
from .connection import Connection, Desk
from .routing import Routing
from .settings import ServingPolicy, read_listen

__all__ = ("HttpServer", "observe")

_BACKLOG = 1024
_HANDSHAKE_SECONDS = 10.0


class HttpServer:
    """Serves HTTP as `[http]` says.

    Attributes:
        address: Where it serves, `127.0.0.1:8080`; empty where it does not.

    Args:
        services: The host's.

    Raises:
        AddressUnusable: It cannot serve at the address, or the certificate cannot be read.
    """

    def __init__(self, services: Services) -> None:
        policy = services.get(ServingPolicy) if services.has(ServingPolicy) else ServingPolicy()
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None
        self.address = ""
        self._open_connections = 0
        self._fault = ""
        self._desk = Desk(
            policy=policy,
            routing=Routing(policy.routes),
            guard=services.get(Guard),
            answering=Answering(services),
            logs=services.get(LogBook),
            meters=services.get(Meters),
            scheme="https" if policy.tls_certificate else "http",
        )
        if services.has(LiveSettings):
            services.get(LiveSettings).take(ServingPolicy, self.take_over)
        if services.has(HealthSources):
            services.get(HealthSources).add("http", self.findings)
        if policy.listen:
            self._open(policy)

    def take_over(self, policy: ServingPolicy) -> None:
        """Serve by other routes and limits from the next request on; the address stays."""
        self._desk.policy = policy
        self._desk.routing = Routing(policy.routes, self._desk.routing)

    def findings(self) -> Iterable[Finding]:
        """Return what keeps clients away."""
        most = self._desk.policy.connections
        if self.address and self._open_connections >= most:
            text = f"all {most} connections are taken; others are closed at once"
            yield Finding(Health.DEGRADED, "http", text, "raise [http] connections")
        if self._fault:
            text = f"a connection ended by a fault of the host: {self._fault}"
            yield Finding(Health.DEGRADED, "http", text, "report it")

    def _open(self, policy: ServingPolicy) -> None:
        """Take the address now, so that a host that cannot serve does not start."""
        address, port = read_listen(policy.listen)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        try:
            if policy.tls_certificate:
                self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                self._tls.load_cert_chain(policy.tls_certificate, policy.tls_key)
                self._tls.set_alpn_protocols(["http/1.1"])
            self._socket = socket.create_server(
                (str(address), port), family=family, backlog=_BACKLOG
            )
        except OSError as error:  # ssl.SSLError is one
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise AddressUnusable(policy.listen, reason) from error
        self._socket.setblocking(False)
        host, port = self._socket.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._socket is None:
            return
        try:
            listener = await anyio.abc.SocketListener.from_socket(self._socket)
            if self._tls is None:
                await listener.serve(self._serve)
            else:
                secure = TLSListener(
                    listener,
                    self._tls,
                    standard_compatible=False,
                    handshake_timeout=_HANDSHAKE_SECONDS,
                )
                await secure.serve(self._serve)
        finally:
            self._socket.close()

    async def _serve(self, stream: anyio.abc.ByteStream) -> None:
        """Serve one connection; what goes wrong with it does not concern the others."""
        if self._open_connections >= self._desk.policy.connections:
            await anyio.aclose_forcefully(stream)
            return
        self._open_connections += 1
        try:
            peer = stream.extra(SocketAttribute.remote_address, ("", 0))  # noqa: S610
            await Connection(stream, self._desk, str(peer[0])).run()
        except Exception as error:  # a fault of ours must not end the host at a client's wish
            self._fault = f"{type(error).__name__}: {safe_text(error)}"
        finally:
            self._open_connections -= 1
            await anyio.aclose_forcefully(stream)


def observe(services: Services) -> HttpServer:
    """Return the server of a host."""
    return HttpServer(services)
