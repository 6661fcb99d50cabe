"""`airswasm:component/http`: one request to a granted URL, and the whole response.

The request is built from the checked parts of the URL, never from the guest's text: the host writes
the request line, `Host` and the length, and refuses headers that frame or route a message. The
connection goes to a checked address (`addresses`), while TLS asks for and verifies the name. The
client follows no redirects, because each would be another request to check; it ignores the
environment's proxy settings and decompresses nothing.

h11 implements the protocol, on this module's own stream. httpx was rejected: redirects, cookies,
proxies and decoding must not happen here; and httpcore below it, because it leaves the generators
of an abandoned response to the garbage collector.
"""

from __future__ import annotations

import shlex
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import anyio
import anyio.abc
import certifi
import h11
from airswasm.runtime import Account, AccountExceeded, Caller, Holding, HostInterface
from airswasm.runtime.wasi import field_problem
from airswasm.security import InvalidResource
from airswasm.security.addresses import Address
from anyio.streams.tls import TLSStream

from .._answers import answered
from .._effects import Effects
from .._network.addresses import Doorman, Endpoint
from .._network.spelling import METHOD, REFUSED_METHODS, read_url
from .._policy import NetworkPolicy
from ..errors import (
    Disconnected,
    LimitReached,
    Malformed,
    TimedOut,
)

CAPABILITY = "http:request"
HEADERS = 128
HEADER_BYTES = 64 * 1024
_EXCHANGE_BYTES = 64 * 1024
"""Of a request that runs: its task, its connection, the head of the response."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_PORTS = {"http": 80, "https": 443}
_OURS = frozenset({"content-length", "host"})

HeaderList: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is safe to send: every part was parsed and checked.

    Attributes:
        method: The method, in capitals.
        url: The URL as the guest gave it; grants are matched on it.
        scheme: `http` or `https`.
        endpoint: The server.
        target: Path and query.
        headers: The headers, without those that the host sets.
        body: The body to send.
    """

    method: str
    url: str
    scheme: str
    endpoint: Endpoint
    target: str
    headers: HeaderList
    body: bytes

    @classmethod
    def read(cls, method: str, url: str, headers: HeaderList, body: bytes) -> Request:
        """Read and check a guest's request.

        Raises:
            Malformed: A part of the request has no safe reading.
            LimitReached: There are too many headers.
        """
        try:
            read_url(url)
        except InvalidResource as error:
            raise Malformed(str(error)) from error
        name = method.upper()
        if METHOD.fullmatch(name) is None or name in REFUSED_METHODS:
            raise Malformed(f"{method!a} is not a permitted method")
        parts = urlsplit(url)
        endpoint = Endpoint(parts.hostname or "", parts.port or _PORTS[parts.scheme])
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        return cls(name, url, parts.scheme, endpoint, target, checked_headers(headers), body)

    @property
    def resource(self) -> str:
        """Method and URL, as the guard has them."""
        return shlex.join((self.method, self.url))

    def spelled_at(self, host: str) -> str:
        """Return the resource of the same request to another host."""
        url = f"{self.scheme}://{self.endpoint.at(host)}{self.target.partition('?')[0]}"
        return shlex.join((self.method, url))


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    headers: HeaderList
    body: bytes
    holding: Holding | None = None


def checked_headers(headers: HeaderList) -> HeaderList:
    """Return the headers to send.

    Raises:
        Malformed: A header cannot be sent, or only the host may set it.
        LimitReached: There are too many.
    """
    if len(headers) > HEADERS:
        raise LimitReached(f"more than {HEADERS} headers")
    for name, value in headers:
        problem = field_problem(name, [_latin(value)])
        if problem == "forbidden" and name.lower() not in _OURS:
            raise Malformed(f"only the host may set the header {name}")
        if problem == "invalid-syntax":
            raise Malformed(f"the header {name!a} has characters that cannot be sent")
    return [(name, value) for name, value in headers if name.lower() not in _OURS]


def _latin(value: str) -> bytes:
    """Encode a header's value; text beyond Latin-1 has no agreed encoding."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        raise Malformed("a header has characters that cannot be sent") from None


class HttpClient:
    """Makes checked requests for components.

    Args:
        doorman: Resolves and checks addresses.
        policy: Limits on time and size.
        tls: The TLS context; by default one with the system's certificates.
        effects: The record of each request.
    """

    def __init__(
        self,
        doorman: Doorman,
        policy: NetworkPolicy,
        tls: ssl.SSLContext | None = None,
        effects: Effects | None = None,
    ) -> None:
        self._doorman = doorman
        self.policy = policy
        self._tls = tls
        self._effects = effects or Effects()

    async def exchange(
        self,
        component: str,
        request: Request,
        seconds: float,
        *,
        account: Account | None = None,
        most_bytes: int = sys.maxsize,
    ) -> Response:
        """Make one request; a cancel or timeout closes the connection.

        Args:
            component: The component that asks.
            request: The request.
            seconds: The time for all of it.
            account: The account that must have room for the response.
            most_bytes: The most bytes of the response's body, where the policy allows more.

        Raises:
            OslError: See `errors`.
        """
        with self._effects.begin(component, CAPABILITY, request.resource) as effect:
            response = await self._exchange(component, request, seconds, account, most_bytes)
            effect.sent(len(request.body))
            effect.received(len(response.body))
        return response

    async def _exchange(
        self,
        component: str,
        request: Request,
        seconds: float,
        account: Account | None,
        most_bytes: int,
    ) -> Response:
        try:
            holding = account.hold(_EXCHANGE_BYTES, descriptors=1) if account is not None else None
        except AccountExceeded as error:
            raise LimitReached(f"there is no room for a request: {error}") from error
        try:
            with anyio.fail_after(seconds):
                addresses = await self._doorman.addresses(
                    component,
                    CAPABILITY,
                    request.resource,
                    request.endpoint,
                    request.spelled_at,
                )
                return await self._sent(request, addresses, account, most_bytes)
        except TimeoutError:
            raise TimedOut from None
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as error:
            raise Disconnected(
                f"{request.endpoint}: {error or 'it closed the connection'}"
            ) from error
        except h11.RemoteProtocolError as error:
            raise Disconnected(f"{request.endpoint} does not speak http: {error}") from error
        except h11.LocalProtocolError as error:
            raise Malformed(f"the request cannot be sent: {error}") from error
        finally:
            if holding is not None:
                holding.release()

    async def _sent(
        self,
        request: Request,
        addresses: Sequence[Address],
        account: Account | None,
        most_bytes: int,
    ) -> Response:
        stream = await self._connected(request, addresses)
        try:
            talk = _Talk(stream, min(most_bytes, self.policy.transfer_bytes), account)
            await talk.send(request)
            return await talk.response()
        finally:
            await anyio.aclose_forcefully(stream)

    async def _connected(
        self, request: Request, addresses: Sequence[Address]
    ) -> anyio.abc.ByteStream:
        """Return a stream to the first address that answers; TLS verifies the name."""
        endpoint, reason = request.endpoint, ""
        for address in addresses:
            try:
                stream = await anyio.connect_tcp(str(address), endpoint.port)
            except OSError as error:
                reason = str(error)
                continue
            if request.scheme == "http":
                return stream
            return await self._secured(stream, endpoint.host)
        raise Disconnected(f"{endpoint}: {reason}")

    async def _secured(self, stream: anyio.abc.ByteStream, name: str) -> anyio.abc.ByteStream:
        try:
            return await TLSStream.wrap(
                stream, hostname=name, ssl_context=self._trusted(), server_side=False
            )
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = system_trust()
        return self._tls


class _Talk:
    """One request and its response on one connection."""

    def __init__(
        self, stream: anyio.abc.ByteStream, most_bytes: int, account: Account | None = None
    ) -> None:
        self._account = account
        self._stream = stream
        self._most_bytes = most_bytes
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_BYTES)

    async def send(self, request: Request) -> None:
        """Send the whole request; a peer may answer and close before it has read everything."""
        events: list[h11.Event] = [_head_of(request)]
        if request.body:
            events.append(h11.Data(data=request.body))
        events.append(h11.EndOfMessage())
        data = b"".join(self._protocol.send(event) or b"" for event in events)
        with suppress(anyio.BrokenResourceError):
            await self._stream.send(data)

    async def response(self) -> Response:
        """Return the whole response.

        Raises:
            LimitReached: The body is too large.
            Disconnected: The connection broke.
        """
        head: h11.Response | None = None
        body = bytearray()
        holding = self._account.hold() if self._account is not None else None
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                _make_room(holding, len(body) + len(event.data))
                body += event.data
                if len(body) > self._most_bytes:
                    raise LimitReached(f"the response exceeds {self._most_bytes:,} bytes")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return Response(head.status_code, _text_headers(head), bytes(body), holding)
            elif isinstance(event, h11.ConnectionClosed):
                raise Disconnected("the server closed the connection without an answer")

    async def _next(self) -> h11.Event:
        while True:
            event = self._protocol.next_event()
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                raise Disconnected("the server switched to another protocol")
            try:
                data = await self._stream.receive()
            except anyio.EndOfStream:
                data = b""
            self._protocol.receive_data(data)


def _make_room(holding: Holding | None, size_bytes: int) -> None:
    try:
        if holding is not None:
            holding.resize(size_bytes)
    except AccountExceeded as error:
        raise LimitReached(f"there is no room for the response: {error}") from error


def _head_of(request: Request) -> h11.Request:
    headers = [
        (b"Host", _host_header(request).encode()),
        *((name.encode(), _latin(value)) for name, value in request.headers),
        (b"Connection", b"close"),
    ]
    if request.body or request.method in _WITH_BODY:
        headers.append((b"Content-Length", str(len(request.body)).encode()))
    return h11.Request(method=request.method, target=request.target, headers=headers)


def _host_header(request: Request) -> str:
    host, port = request.endpoint.host, request.endpoint.port
    name = f"[{host}]" if ":" in host else host
    return name if port == _PORTS[request.scheme] else f"{name}:{port}"


def _text_headers(head: h11.Response) -> HeaderList:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]


def system_trust() -> ssl.SSLContext:
    """Return a TLS context with the system's certificates, or certifi's if it has none."""
    paths = ssl.get_default_verify_paths()
    has_any = any(path and Path(path).exists() for path in (paths.cafile, paths.capath))
    return ssl.create_default_context(cafile=None if has_any else certifi.where())


class Http:
    """The functions of the interface, for all components of one host."""

    def __init__(self, client: HttpClient, policy: NetworkPolicy) -> None:
        self._client = client
        self.policy = policy

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        return HostInterface("airswasm:component/http@0.1.0", {"request": answered(self.request)})

    async def request(
        self,
        caller: Caller,
        method: str,
        url: str,
        headers: HeaderList,
        body: bytes,
        timeout_ms: int,
    ) -> Response:
        """Make the request."""
        request = Request.read(method, url, headers, body)
        seconds = self.policy.seconds(timeout_ms)
        return await self._client.exchange(
            caller.name,
            request,
            seconds,
            account=caller.account,
            most_bytes=caller.message_bytes,
        )
