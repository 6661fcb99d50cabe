"""The HTTP client for all components of one host.

The connection goes to a checked address (`addresses`), while TLS asks for and verifies the name.
The client follows no redirects, because each would be another request to check; it ignores the
environment's proxy settings and decompresses nothing.

A connection is used again for the same component and server, where the request may be repeated: a
server may close it at any moment, and the request then goes out on another one. The name is
resolved and checked for every request; the connection serves only if its address is among the
answers.

h11 implements the protocol, on this module's own stream. httpx was rejected: redirects, cookies,
proxies and decoding must not happen here; and httpcore below it, because it leaves the generators
of an abandoned response to the garbage collector.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.abc
import certifi
from airswasm.actor import Message, Tracing
from airswasm.runtime import Account, AccountExceeded, Caller, Holding
from airswasm.security.addresses import Address
from anyio.streams.tls import TLSStream

from .._effects import Effects
from .._network.addresses import Doorman, connect
from .._policy import NetworkPolicy
from .._system_errors import meaning_of
from ..errors import CertificatesUnusable, Disconnected, LimitReached, OperationFailed, TimedOut
from .exchange import Exchange, Timeouts
from .idle import Idle, IdleConnections
from .requests import HeaderList, Request
from .stream import SocketBytes

__all__ = ("CAPABILITY", "HttpClient", "Response")

CAPABILITY = "http:request"
_EXCHANGE_BYTES = 64 * 1024
"""Of a request that runs: its task, its connection, the head of the response."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    headers: HeaderList
    body: bytes
    holding: Holding | None = None


class HttpClient:
    """Makes checked requests for components.

    Args:
        doorman: Resolves and checks addresses.
        policy: Limits on time and size.
        tls: The TLS context; by default one with the system's certificates and `ca_file`.
        effects: The record of each request.
        tracing: The traces that requests belong to.
    """

    def __init__(
        self,
        doorman: Doorman,
        policy: NetworkPolicy,
        tls: ssl.SSLContext | None = None,
        effects: Effects | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self._doorman = doorman
        self.policy = policy
        self._given_tls = tls
        self._effects = effects or Effects()
        self._tls: tuple[str, ssl.SSLContext] | None = None

    def context_for(self, caller: Caller, method: str, url: str, names: Iterable[str]) -> str:
        """Return the trace context for a request of the message in hand.

        Empty without one, and where the names of the request's headers say that the guest gives
        its own.
        """
        message = caller.message
        if self._tracing is None or not isinstance(message, Message):
            return ""
        if any(name.lower() == "traceparent" for name in names):
            return ""
        target = f"{method.upper()[:16]} {urlsplit(url).hostname or ''}"
        return self._tracing.send(message, caller.name, target, "client")

    async def exchange(
        self,
        component: str,
        request: Request,
        seconds: float,
        *,
        account: Account | None = None,
        most_bytes: int = sys.maxsize,
        idle: IdleConnections | None = None,
    ) -> Response:
        """Make one request and read its whole response; a cancel closes the connection.

        Args:
            component: The component that asks.
            request: The request.
            seconds: The time for all of it.
            account: The account that must have room for the response.
            most_bytes: The most bytes of the response's body, where the policy allows more.
            idle: The component's connections that rest.

        Raises:
            OslError: See `errors`.
        """
        timeouts = Timeouts(seconds, seconds, seconds, seconds)
        exchange = await self.open(component, request, timeouts, account=account, idle=idle)
        try:
            most = min(most_bytes, self.policy.transfer_bytes)
            return await _whole(exchange, account, most)
        finally:
            if not exchange.is_over:
                exchange.close()

    async def open(
        self,
        component: str,
        request: Request,
        timeouts: Timeouts,
        *,
        account: Account | None = None,
        idle: IdleConnections | None = None,
    ) -> Exchange:
        """Send a request; where its body is there already, wait for the head of the response.

        Args:
            component: The component that asks.
            request: The request.
            timeouts: The most seconds of each step.
            account: The account that must have room for it.
            idle: The component's connections that rest.

        Raises:
            OslError: See `errors`.
        """
        with self._effects.begin(component, CAPABILITY, request.resource) as effect:
            exchange = await self._opened(component, request, timeouts, account, idle)
            exchange.record(effect)
        return exchange

    async def _opened(
        self,
        component: str,
        request: Request,
        timeouts: Timeouts,
        account: Account | None,
        idle: IdleConnections | None,
    ) -> Exchange:
        deadline = anyio.current_time() + timeouts.total
        holding = _room_for(account)
        try:
            addresses = await self._addresses(component, request, timeouts)
            rested = None
            if idle is not None and request.is_repeatable:
                rested = idle.take(request, addresses)
            if rested is not None:
                exchange = _exchange(request, rested, timeouts, deadline, holding)
                try:
                    return await self._begun(component, exchange, rested, idle)
                except Disconnected:
                    if not exchange.is_unheard:
                        raise
                    holding = _room_for(account)
            connected = await self._connected(request, addresses, timeouts)
        except BaseException:
            if holding is not None:
                holding.release()
            raise
        exchange = _exchange(request, connected, timeouts, deadline, holding)
        return await self._begun(component, exchange, connected, idle)

    async def _begun(
        self,
        component: str,
        exchange: Exchange,
        connected: Idle,
        idle: IdleConnections | None,
    ) -> Exchange:
        """Begin an exchange, whose connection rests or closes at its end."""
        forget = self._doorman.guard.keep(
            component, CAPABILITY, exchange.request.resource, exchange.deny
        )

        def end(ended: Exchange) -> None:
            forget()
            if idle is not None and ended.is_reusable:
                idle.put(connected)
            else:
                connected.close()

        exchange.on_end = end
        await exchange.begin()
        if exchange.request.body is not None:
            await exchange.head()
        return exchange

    async def _addresses(
        self, component: str, request: Request, timeouts: Timeouts
    ) -> Sequence[Address]:
        try:
            with anyio.fail_after(min(timeouts.connect, timeouts.total)):
                return await self._doorman.addresses(
                    component, CAPABILITY, request.resource, request.endpoint, request.spelled_at
                )
        except TimeoutError:
            raise TimedOut from None

    async def _connected(
        self, request: Request, addresses: Sequence[Address], timeouts: Timeouts
    ) -> Idle:
        """Return a connection to the first address that answers; TLS verifies the name."""
        endpoint = request.endpoint
        try:
            with anyio.fail_after(min(timeouts.connect, timeouts.total)):
                raw = await connect(addresses, endpoint, socket.SOCK_STREAM)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stream = SocketBytes(raw)
                address = raw.getpeername()[0]
                try:
                    secured = await self._secured(request, stream)
                except BaseException:
                    stream.close()
                    raise
        except TimeoutError:
            raise TimedOut from None
        except (anyio.BrokenResourceError, anyio.EndOfStream, OSError) as error:
            raise Disconnected(f"{endpoint}: {error or 'it closed the connection'}") from error
        return Idle(request.scheme, endpoint, address, secured, stream)

    async def _secured(self, request: Request, stream: SocketBytes) -> anyio.abc.ByteStream:
        if request.scheme == "http":
            return stream
        context = self._trusted()
        return await TLSStream.wrap(
            stream,
            hostname=request.endpoint.host,
            ssl_context=context,
            server_side=False,
            standard_compatible=True,
        )

    def _trusted(self) -> ssl.SSLContext:
        if self._given_tls is not None:
            return self._given_tls
        file = self.policy.ca_file
        if self._tls is None or self._tls[0] != file:
            try:
                self._tls = file, trust(file)
            except CertificatesUnusable:  # its text names a file of the host
                raise OperationFailed("the host cannot read its certificates") from None
        return self._tls[1]


def _exchange(
    request: Request,
    connected: Idle,
    timeouts: Timeouts,
    deadline: float,
    holding: Holding | None,
) -> Exchange:
    return Exchange(request, connected.stream, connected.close, timeouts, deadline, holding)


def _room_for(account: Account | None) -> Holding | None:
    try:
        return None if account is None else account.hold(_EXCHANGE_BYTES, descriptors=1)
    except AccountExceeded as error:
        raise LimitReached(f"there is no room for a request: {error}") from error


async def _whole(exchange: Exchange, account: Account | None, most_bytes: int) -> Response:
    """Read the whole response.

    Raises:
        OslError: See `errors`; `LimitReached` if it is too large.
    """
    body = bytearray()
    holding = account.hold() if account is not None else None

    def take(part: bytes) -> None:
        try:
            if holding is not None:
                holding.resize(len(body) + len(part))
        except AccountExceeded as error:
            raise LimitReached(f"there is no room for the response: {error}") from error
        if len(body) + len(part) > most_bytes:
            raise LimitReached(f"the response exceeds {most_bytes:,} bytes")
        body.extend(part)

    await exchange.whole(take)
    return Response(exchange.status, exchange.headers, bytes(body), holding)


def trust(ca_file: str = "") -> ssl.SSLContext:
    """Return a TLS context with the system's certificates, or certifi's if it has none.

    Args:
        ca_file: A file with further certificates to trust (PEM); empty for none.

    Raises:
        CertificatesUnusable: The file cannot be read, or has no certificate.
    """
    paths = ssl.get_default_verify_paths()
    has_any = any(path and Path(path).exists() for path in (paths.cafile, paths.capath))
    context = ssl.create_default_context(cafile=None if has_any else certifi.where())
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except ssl.SSLError:  # an OSError whose text is OpenSSL's
            raise CertificatesUnusable(ca_file, "it has no certificate in PEM") from None
        except OSError as error:
            raise CertificatesUnusable(ca_file, meaning_of(error).text) from None
    return context
