"""Ask an https server for bytes, and trust nothing of its answer.

h11 implements the protocol, on this module's own stream, and `framing` refuses heads that it takes
and others read in another way: the connection goes to a checked address,
redirects are followed by hand and checked like the first address, credentials go to the server for
which they are and to no other, and nothing is decompressed. httpx was rejected for the same reasons
as in osl: its redirects, cookies, proxies and decoding must not happen here.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio
import anyio.abc
import h11
from anyio.streams.tls import TLSStream

from ..errors import SourceFailed, SourceRefused, SourceTooLarge, SourceUnknown
from ..framing import HeadGate, check_framing
from .dialing import Dialer
from .settings import SourceSettings
from .source import Arrived
from .urls import Login, Url

__all__ = ("Answer", "Web", "basic")

REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_HEAD_BYTES = 32 * 1024
_ERROR_BYTES = 64 * 1024
"""Of the body of an answer that is no success."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response.

    Attributes:
        url: Where it came from, after redirects.
        status: The status code.
        headers: By name in lower case; of repeated ones the first.
        body: The body.
        hops: The addresses that were asked, in order; the last one gave the body.
    """

    url: Url
    status: int
    headers: Mapping[str, str]
    body: bytes
    hops: tuple[Url, ...] = ()


def basic(login: Login) -> str:
    """Return the value of an Authorization header; it is a secret."""
    return "Basic " + base64.b64encode(f"{login.name}:{login.password}".encode()).decode()


class Web:
    """Makes requests on behalf of a source.

    Args:
        settings: The limits.
        dialer: Connects.
        source: The source in canonical form, for errors.
    """

    def __init__(self, settings: SourceSettings, dialer: Dialer, source: str) -> None:
        self._settings, self._dialer, self._source = settings, dialer, source

    async def get(
        self,
        url: Url,
        *,
        authorization: str = "",
        accept: str = "*/*",
        most_bytes: int,
        arrived: Arrived = lambda _bytes: None,
    ) -> Answer:
        """Return the answer of a server, or of the one to which it redirects.

        Args:
            url: The address.
            authorization: The header for that server, and for no other.
            accept: The media types.
            most_bytes: The most bytes of a successful answer.
            arrived: Told how many bytes have arrived.

        Raises:
            SourceRefused: An address or a redirect is not allowed.
            SourceTooLarge: The answer is longer than that, or comes too slowly.
            SourceFailed: There is no answer.
        """
        first, hops = url, list[Url]()
        for _ in range(REDIRECTS + 1):
            headers = [("Accept", accept)]
            if authorization and url.is_same_server(first):
                headers.append(("Authorization", authorization))
            answer = await self._exchange(url, headers, most_bytes, arrived)
            hops.append(url)
            location = answer.headers.get("location")
            if answer.status not in _MOVED or location is None:
                return replace(answer, hops=tuple(hops))
            try:
                url = url.joined(location)
            except SourceUnknown as error:
                raise SourceRefused(
                    self._source, f"{url.authority} redirects elsewhere: {error.reason}",
                    hint="ask the publisher for an https address",
                ) from None  # fmt: skip
        raise SourceFailed(self._source, f"more than {REDIRECTS} redirects")

    async def is_redirected(self, url: Url, *, authorization: str = "") -> bool:
        """Return whether a server sends elsewhere for an address; the body is not read.

        Raises:
            LifecycleError: As for `get`.
        """
        async with self._talking(url) as talk:
            headers = [("Authorization", authorization)] if authorization else []
            await talk.send(url, [("Accept", "*/*"), *headers])
            return await talk.status(url) in _MOVED

    async def _exchange(
        self, url: Url, headers: list[tuple[str, str]], most_bytes: int, arrived: Arrived
    ) -> Answer:
        async with self._talking(url) as talk:
            await talk.send(url, headers)
            return await talk.answer(url, most_bytes, arrived)

    @asynccontextmanager
    async def _talking(self, url: Url) -> AsyncGenerator[_Talk]:
        try:
            stream = await self._connected(url)
            try:
                yield _Talk(stream, self._settings, self._source)
            finally:
                await anyio.aclose_forcefully(stream)
        except h11.RemoteProtocolError as error:
            raise self._failed(url, f"does not speak http as it should: {error}") from error
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as error:
            reason = _tls_reason(error) or "closed the connection"
            raise self._failed(url, reason) from error

    async def _connected(self, url: Url) -> anyio.abc.ByteStream:
        stream = await self._dialer.connect(self._source, url.host, url.port)
        try:
            with anyio.fail_after(self._settings.rate_window):
                return await TLSStream.wrap(
                    stream,
                    hostname=url.host,
                    ssl_context=self._dialer.tls(),
                    server_side=False,
                    standard_compatible=False,
                )
        except TimeoutError:
            await anyio.aclose_forcefully(stream)
            raise self._failed(url, "does not finish the TLS handshake") from None
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise

    def _failed(self, url: Url, reason: str) -> SourceFailed:
        return SourceFailed(self._source, f"{url.authority} {reason}")


class _Talk:
    """One request and its answer on one connection."""

    def __init__(self, stream: anyio.abc.ByteStream, settings: SourceSettings, source: str) -> None:
        self._stream, self._settings, self._source = stream, settings, source
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
        self._gate = HeadGate(_HEAD_BYTES)
        self._received = 0
        self._window_received = 0
        self._window_end = anyio.current_time() + settings.rate_window

    async def send(self, url: Url, headers: list[tuple[str, str]]) -> None:
        head = h11.Request(
            method="GET",
            target=url.target,
            headers=[
                ("Host", url.authority),
                ("User-Agent", "airswasm"),
                ("Accept-Encoding", "identity"),
                *headers,
                ("Connection", "close"),
            ],
        )
        data = (self._protocol.send(head) or b"") + (self._protocol.send(h11.EndOfMessage()) or b"")
        await self._stream.send(data)

    async def status(self, url: Url) -> int:
        """Return the status of the answer."""
        while True:
            event = await self._next(url)
            if isinstance(event, h11.Response):
                return event.status_code
            if not isinstance(event, h11.InformationalResponse):
                raise SourceFailed(self._source, f"{url.authority} closed the connection")

    async def answer(self, url: Url, most_bytes: int, arrived: Arrived) -> Answer:
        head: h11.Response | None = None
        headers: dict[str, str] = {}
        body = bytearray()
        while True:
            event = await self._next(url)
            if isinstance(event, h11.Response):
                head, headers = event, _first_headers(event)
                is_good = 200 <= event.status_code < 300
                if not is_good:
                    most_bytes, arrived = _ERROR_BYTES, lambda _bytes: None
                self._check_head(url, headers, most_bytes, is_good=is_good)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > most_bytes:
                    raise self._too_large(most_bytes)
                arrived(len(body))
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return Answer(url, head.status_code, headers, bytes(body))
            elif isinstance(event, h11.ConnectionClosed):
                raise SourceFailed(self._source, f"{url.authority} closed the connection")

    def _check_head(
        self, url: Url, headers: Mapping[str, str], most_bytes: int, *, is_good: bool
    ) -> None:
        if is_good and headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise SourceRefused(
                self._source,
                f"{url.authority} sends compressed bytes, which it was asked not to do",
                hint="have the server send the file as it is",
            )
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > most_bytes:
            raise self._too_large(most_bytes)

    def _too_large(self, most_bytes: int) -> SourceTooLarge:
        return SourceTooLarge(self._source, "sources.most_bytes", f"{most_bytes:,} bytes")

    async def _next(self, url: Url) -> h11.Event:
        while True:
            event = self._protocol.next_event()
            if isinstance(event, h11.Response):
                check_framing(event)
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                raise SourceFailed(self._source, f"{url.authority} switches to another protocol")
            self._protocol.receive_data(await self._checked())

    async def _checked(self) -> bytes:
        """Return the next bytes, those of a head once it is whole and in its plain form."""
        gate = self._gate
        if self._protocol.their_state is not h11.SEND_RESPONSE:
            return gate.rest() or await self._receive()
        head = gate.pass_on(b"")
        while not head:
            data = await self._receive()
            if not data:
                return b""
            head = gate.pass_on(data)
        return head

    async def _receive(self) -> bytes:
        """Return the next bytes; a server that sends fewer than it must in each window is cut."""
        while True:
            data = b""
            with anyio.CancelScope(deadline=self._window_end) as scope:
                try:
                    data = await self._stream.receive()
                except anyio.EndOfStream:
                    return b""
            self._window_received += len(data)
            if anyio.current_time() >= self._window_end:
                self._start_window()
            if not scope.cancelled_caught:
                return data

    def _start_window(self) -> None:
        settings = self._settings
        if self._window_received < settings.least_rate * settings.rate_window:
            raise SourceTooLarge(
                self._source, "sources.least_rate", f"{settings.least_rate:,} bytes each second"
            )
        self._window_received = 0
        self._window_end = anyio.current_time() + settings.rate_window


def _first_headers(head: h11.Response) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in head.headers:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


def _tls_reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        verify = getattr(cause, "verify_message", "")
        if verify:
            return f"shows a certificate that is not trusted: {verify}"
        cause = cause.__cause__ or cause.__context__
    return ""
