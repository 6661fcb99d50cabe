"""`airswasm:component/http`: one request to a granted URL, and the whole response.

What is sent is built from the checked parts of the URL, never from text of the
guest: the request line, `Host` and the length are ours, headers that frame or
route a message are refused. The connection goes to an address that was checked
(`addresses`), while TLS asks for and verifies the name. Redirects are not
followed, because following one is another request that has to be checked; no
proxy settings of the environment apply; nothing is decompressed.

httpcore does the protocol. httpx on top of it was rejected: redirects, cookies,
proxies and decoding are what must not happen here.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import anyio
import certifi
import httpcore
from airswasm.runtime import Caller, HostInterface
from airswasm.runtime.wasi import field_problem
from airswasm.security import InvalidResource, canonical
from airswasm.wit.names import HOST_HTTP

from ._answers import answered
from .addresses import Address, Doorman, Endpoint
from .errors import (
    Disconnected,
    LimitReached,
    Malformed,
    OperationFailed,
    TimedOut,
)
from .policy import NetworkPolicy

CAPABILITY = "http:request"
METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
HEADERS = 128
_REFUSED_METHODS = frozenset({"CONNECT", "TRACE"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_PORTS = {"http": 80, "https": 443}
_OURS = frozenset({"content-length", "host"})

HeaderList: TypeAlias = Sequence[tuple[str, str]]
SocketOptions: TypeAlias = Iterable[
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is safe to send: every part has been read and checked.

    Attributes:
        method: in capitals.
        url: as the guest gave it; grants are matched on it.
        scheme: `http` or `https`.
        endpoint: whom to ask.
        target: path and query.
        headers: without those that are the host's to set.
        body: what is sent.
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
        """Reads a guest's words.

        Raises:
            Malformed: one of them has no safe reading.
            LimitReached: there are too many headers.
        """
        try:
            canonical(CAPABILITY, url)
        except InvalidResource as error:
            raise Malformed(str(error)) from error
        name = method.upper()
        if METHOD.fullmatch(name) is None or name in _REFUSED_METHODS:
            raise Malformed(f"{method!a} is no method that can be used here")
        parts = urlsplit(url)
        endpoint = Endpoint(parts.hostname or "", parts.port or _PORTS[parts.scheme])
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        return cls(name, url, parts.scheme, endpoint, target, checked_headers(headers), body)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, whole."""

    status: int
    headers: HeaderList
    body: bytes


def checked_headers(headers: HeaderList) -> HeaderList:
    """The headers that are sent on.

    Raises:
        Malformed: one cannot be sent, or is not the guest's to set.
        LimitReached: there are too many.
    """
    if len(headers) > HEADERS:
        raise LimitReached(f"more than {HEADERS} headers")
    for name, value in headers:
        problem = field_problem(name, [_latin(value)])
        if problem == "forbidden" and name.lower() not in _OURS:
            raise Malformed(f"the header {name} is the host's to set")
        if problem == "invalid-syntax":
            raise Malformed(f"the header {name!a} has characters that cannot be sent")
    return [(name, value) for name, value in headers if name.lower() not in _OURS]


def _latin(value: str) -> bytes:
    """Header values are bytes; text beyond Latin-1 has no agreed spelling."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        raise Malformed("a header has characters that cannot be sent") from None


class PinnedNetwork(httpcore.AsyncNetworkBackend):
    """A network in which there is nothing but the checked addresses."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name was resolved and checked before
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connects to the first address that answers."""
        for address in self._addresses[:-1]:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except httpcore.ConnectError:
                continue
        return await self._network.connect_tcp(
            str(self._addresses[-1]), port, timeout, local_address, socket_options
        )


class HttpClient:
    """Makes checked requests for components.

    Args:
        doorman: which addresses may be reached.
        policy: bounds of time and size.
        tls: whom to trust; by default whom the system trusts.
    """

    def __init__(
        self, doorman: Doorman, policy: NetworkPolicy, tls: ssl.SSLContext | None = None
    ) -> None:
        self._doorman = doorman
        self._policy = policy
        self._tls = tls

    async def exchange(self, component: str, request: Request, seconds: float) -> Response:
        """Makes one request; a cancel or timeout closes the connection.

        Raises:
            OslError: see `errors`.
        """
        try:
            with anyio.fail_after(seconds):
                addresses = await self._doorman.addresses(
                    component, CAPABILITY, request.url, request.endpoint
                )
                return await self._sent(request, addresses)
        except TimeoutError:
            raise TimedOut from None
        except (httpcore.NetworkError, httpcore.RemoteProtocolError, ssl.SSLError) as error:
            raise Disconnected(f"{request.endpoint}: {error}") from error
        except httpcore.ProtocolError as error:
            raise OperationFailed(f"{request.endpoint}: {error}") from error

    async def _sent(self, request: Request, addresses: Sequence[Address]) -> Response:
        async with httpcore.AsyncConnectionPool(
            ssl_context=self._trusted(),
            http2=False,
            max_connections=1,
            network_backend=PinnedNetwork(addresses),
        ) as pool:
            async with pool.stream(
                request.method,
                _url_of(request),
                headers=[(name.encode(), _latin(value)) for name, value in request.headers],
                content=request.body if request.body or request.method in _WITH_BODY else None,
                extensions={"sni_hostname": request.endpoint.host},
            ) as response:
                return Response(
                    response.status,
                    [
                        (name.decode("latin-1").lower(), value.decode("latin-1"))
                        for name, value in response.headers
                    ],
                    await self._body_of(response),
                )

    async def _body_of(self, response: httpcore.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_stream():
            body += chunk
            if len(body) > self._policy.transfer_bytes:
                raise LimitReached(f"the response exceeds {self._policy.transfer_bytes:,} bytes")
        return bytes(body)

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = system_trust()
        return self._tls


def _url_of(request: Request) -> httpcore.URL:
    host, port = request.endpoint.host, request.endpoint.port
    return httpcore.URL(
        scheme=request.scheme.encode(),
        host=(f"[{host}]" if ":" in host else host).encode(),
        port=None if port == _PORTS[request.scheme] else port,
        target=request.target.encode(),
    )


def system_trust() -> ssl.SSLContext:
    """TLS that trusts whom the system trusts, or certifi's list where it has none."""
    paths = ssl.get_default_verify_paths()
    has_any = any(path and Path(path).exists() for path in (paths.cafile, paths.capath))
    return ssl.create_default_context(cafile=None if has_any else certifi.where())


class Http:
    """The functions of the interface, for all components of one host."""

    def __init__(self, client: HttpClient, policy: NetworkPolicy) -> None:
        self._client = client
        self._policy = policy

    def interface(self) -> HostInterface:
        """What is offered to guests; a guard belongs in front of it."""
        return HostInterface(HOST_HTTP, {"request": answered(self.request)})

    async def request(
        self,
        caller: Caller,
        method: str,
        url: str,
        headers: HeaderList,
        body: bytes,
        timeout_ms: int,
    ) -> Response:
        """Makes the request."""
        request = Request.read(method, url, headers, body)
        seconds = self._policy.seconds(timeout_ms)
        return await self._client.exchange(caller.name, request, seconds)
