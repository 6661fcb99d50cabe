"""The host's HTTP server: a listener that lives as long as the host.

h11 implements the protocol, on streams of anyio. uvicorn and hypercorn were rejected: the one runs
on asyncio alone, both hand a request on before its framing was checked as strictly as ours is, and
what stands behind them is an application and not a mailbox (ADR 73).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import anyio
import anyio.abc
from airswasm.lifecycle import LogBook
from airswasm.runtime import (
    Finding,
    Health,
    HealthSources,
    LiveSettings,
    Meters,
    Services,
    machine_descriptors,
)
from airswasm.security import Guard
from airswasm.wit import safe_text
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener

from .._system_errors import meaning_of
from ..errors import AddressUnusable
from .answering import Answering
from .connection import Connection, Desk
from .routing import Routing
from .settings import ServingPolicy, read_listen

__all__ = ("HttpServer", "observe")

_BACKLOG = 1024
_HANDSHAKE_SECONDS = 10.0
_SHARE = 4
"""Connections take at most one in so many of the descriptors of the process."""
_PAUSE_SECONDS = 0.1
"""Until the next try, where a connection could not be accepted."""


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
        self._open: dict[Connection, anyio.CancelScope] = {}
        self._fault = ""
        self._listener: _Steady | None = None
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
            self._listen(policy)

    def take_over(self, policy: ServingPolicy) -> None:
        """Serve by other routes and limits from the next request on; the address stays."""
        self._desk.policy = policy
        self._desk.routing = Routing(policy.routes, self._desk.routing)

    def findings(self) -> Iterable[Finding]:
        """Return what keeps clients away."""
        most = self._most
        if self.address and len(self._open) >= most:
            text = f"all {most} connections are taken; each other takes the place of one that waits"
            hint = "raise [http] connections, and the files that the host may open (ulimit -n)"
            yield Finding(Health.DEGRADED, "http", text, hint)
        if self._listener is not None and self._listener.problem:
            text = f"connections cannot be accepted: {self._listener.problem}"
            yield Finding(Health.DEGRADED, "http", text, "let the host open more files (ulimit -n)")
        if self._fault:
            text = f"a connection ended by a fault of the host: {self._fault}"
            yield Finding(Health.DEGRADED, "http", text, "report it")

    @property
    def _most(self) -> int:
        return max(1, min(self._desk.policy.connections, machine_descriptors() // _SHARE))

    def _listen(self, policy: ServingPolicy) -> None:
        """Take the address now, so that a host that cannot serve does not start."""
        address, port = read_listen(policy.listen)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self._tls = certified(policy) if policy.tls_certificate else None
        try:
            self._socket = socket.create_server(
                (str(address), port), family=family, backlog=_BACKLOG
            )
        except OSError as error:
            raise AddressUnusable(policy.listen, meaning_of(error).text) from error
        self._socket.setblocking(False)
        host, port = self._socket.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._socket is None:
            return
        try:
            accepted = await anyio.abc.SocketListener.from_socket(self._socket)
            self._listener = listener = _Steady(accepted, lambda: 2 * self._most)
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

    async def drain(self) -> None:
        """Answer what was accepted, within `stop_timeout`, and refuse what comes meanwhile."""
        await self._desk.stop()

    async def _serve(self, stream: anyio.abc.ByteStream) -> None:
        """Serve one connection; what goes wrong with it does not concern the others."""
        if len(self._open) >= self._most and not self._make_room():
            await anyio.aclose_forcefully(stream)
            return
        peer = stream.extra(SocketAttribute.remote_address, ("", 0))  # noqa: S610
        connection = Connection(stream, self._desk, str(peer[0]))
        try:
            with anyio.CancelScope() as scope:
                self._open[connection] = scope
                await connection.run(scope)
        except Exception as error:  # a fault of ours must not end the host at a client's wish
            self._fault = f"{type(error).__name__}: {safe_text(error)}"
        finally:
            self._open.pop(connection, None)
            await anyio.aclose_forcefully(stream)

    def _make_room(self) -> bool:
        """Close the connection that has waited longest for a request.

        Clients that connect and say nothing would else keep all others out.
        """
        waiting = [each for each in self._open if each.waits_since is not None]
        if not waiting:
            return False
        longest = min(waiting, key=lambda each: each.waits_since or 0.0)
        self._open.pop(longest).cancel()
        return True


class _Steady(anyio.abc.Listener[anyio.abc.SocketStream]):
    """A listener that goes on after it could not accept a connection.

    A client can reset its connection before it is accepted, and a host can be out of descriptors;
    neither is a reason to serve no more.

    Attributes:
        problem: Why the last one could not be accepted; empty where it was.

    Args:
        listener: Accepts connections.
        most: Returns how many may be open, those included whose TLS handshake is under way.
    """

    def __init__(self, listener: anyio.abc.SocketListener, most: Callable[[], int]) -> None:
        self._listener = listener
        self._most = most
        self._open = 0
        self.problem = ""

    async def serve(
        self,
        handler: Callable[[anyio.abc.SocketStream], Awaitable[None]],
        task_group: anyio.abc.TaskGroup | None = None,
    ) -> None:
        """Hand each connection to `handler`, in a task of its own."""
        del task_group

        async def handle(stream: anyio.abc.SocketStream) -> None:
            try:
                if self._open > self._most():
                    await anyio.aclose_forcefully(stream)
                else:
                    await handler(stream)
            finally:
                self._open -= 1

        async with anyio.create_task_group() as group:
            while True:
                try:
                    stream = await self._listener.accept()
                except (OSError, anyio.BrokenResourceError) as error:
                    self.problem = safe_text(error.__cause__ or error)
                    await anyio.sleep(_PAUSE_SECONDS)
                else:
                    self.problem = ""
                    self._open += 1
                    group.start_soon(handle, stream)

    async def aclose(self) -> None:
        """Accept no more."""
        await self._listener.aclose()


def certified(policy: ServingPolicy) -> ssl.SSLContext:
    """Return a context with the certificate and the key.

    Raises:
        AddressUnusable: One of the files cannot be read, or they do not belong together.
    """
    for file in (policy.tls_certificate, policy.tls_key):
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise AddressUnusable(policy.listen, f"{file}: {meaning_of(error).text}") from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(policy.tls_certificate, policy.tls_key)
    except ssl.SSLError as error:  # its number is OpenSSL's, not the system's
        files = f"{policy.tls_certificate} and {policy.tls_key}"
        reason = f"{files} are no certificate chain and its key, in PEM"
        raise AddressUnusable(policy.listen, reason) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def observe(services: Services) -> HttpServer:
    """Return the server of a host."""
    return HttpServer(services)
