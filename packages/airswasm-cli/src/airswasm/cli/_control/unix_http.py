"""HTTP over a Unix socket, limited to the control API's needs.

h11 implements the protocol (uvicorn depends on it anyway) and anyio moves the bytes. A general
client takes longer to import than a request takes: 260 ms for httpx against 25 ms for h11, on every
call of every verb. One connection carries one request; on a Unix socket, reuse would save nothing.

An answer may take as long as a compilation or a component. So it has no deadline; after some
silence, the client asks on another connection whether the host is alive.
"""

from __future__ import annotations

import json
import math
import socket
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlencode

import anyio
import anyio.abc
import h11
from anyio.abc import SocketAttribute

from ..errors import HostGone, HostProtocolMismatch
from .endpoint import check_peer
from .requester import client_name

__all__ = ("Answer", "Content", "Stream", "UnixClient")

Content: TypeAlias = bytes | AsyncIterable[bytes]
"""A request's body: complete, or made while it is sent."""

_READ_BYTES = 65_536
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response."""

    status: int
    content: bytes

    def json(self) -> object:
        """Return the content as JSON.

        Raises:
            ValueError: The content is not JSON.
        """
        return json.loads(self.content)


class UnixClient:
    """Sends requests to one socket.

    Attributes:
        socket: The socket's path.
        patience: Seconds of silence before the client asks whether the host is alive, and the time
            that the host has to answer that.
    """

    def __init__(self, socket: Path, *, patience: float = _PATIENCE_SECONDS) -> None:
        self.socket = socket
        self.patience = patience

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        content: Content = b"",
        parameters: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Stream]:
        """Send one request; read the response's body inside the block.

        Raises:
            HostGone: The connection failed or broke, or the host does not answer.
            SocketForeign: Another user's process listens there.
            HostProtocolMismatch: The answer is not HTTP.
        """
        query = urlencode(parameters, errors="surrogatepass") if parameters else ""
        target = f"{path}?{query}" if query else path
        try:
            if (
                not isinstance(content, bytes) or len(content) > _READ_BYTES
            ):  # a host that reads nothing would block this for ever
                await self._check_presence()
            async with await self._connect() as connection:
                stream = Stream(connection, str(self.socket))
                await stream.send(method, target, content)
                await stream.begin(self.patience, self._check_presence)
                yield stream
        except _ContentFailed as failed:
            raise failed.error from None
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise HostGone(str(self.socket), str(error) or "the connection broke") from error
        except h11.RemoteProtocolError as error:
            raise HostGone(str(self.socket), f"its answer is not HTTP: {error}") from error

    async def _connect(self) -> anyio.abc.SocketStream:
        connection = await anyio.connect_unix(self.socket)
        try:
            raw: socket.socket = connection.extra(SocketAttribute.raw_socket)  # noqa: S610
            check_peer(raw, self.socket)
        except BaseException:
            await anyio.aclose_forcefully(connection)
            raise
        return connection

    async def _check_presence(self) -> None:
        with anyio.move_on_after(self.patience):
            async with await self._connect() as connection:
                stream = Stream(connection, str(self.socket))
                await stream.send("GET", "/v1/host", b"")
                await stream.begin()
                return
        reason = "it accepts connections but does not answer; it may be suspended or overloaded"
        raise HostGone(str(self.socket), reason)


class Stream:
    """One response as it arrives.

    Attributes:
        status: The HTTP status; 0 before the response has begun.
    """

    def __init__(self, connection: anyio.abc.ByteStream, address: str) -> None:
        self._connection = connection
        self._address = address
        self._http = h11.Connection(h11.CLIENT)
        self.status = 0

    async def send(self, method: str, target: str, content: Content) -> None:
        """Send the request."""
        headers = [
            ("host", "airswasm"), ("connection", "close"), ("accept", "application/json"),
            ("user-agent", client_name()),
        ]  # fmt: skip
        if isinstance(content, bytes):
            headers.append(("content-length", str(len(content))))
        else:
            headers.append(("transfer-encoding", "chunked"))
        request = h11.Request(method=method, target=target, headers=headers)
        await self._write(self._http.send(request))
        if not isinstance(content, bytes):
            async for part in _read(content):
                await self._write(self._http.send(h11.Data(data=part)))
        elif content:
            await self._write(self._http.send(h11.Data(data=content)))
        await self._write(self._http.send(h11.EndOfMessage()))

    async def begin(
        self,
        patience: float = math.inf,
        on_silence: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Wait for the head of the response.

        Args:
            patience: Seconds of silence.
            on_silence: Called after each such silence; an exception ends the wait.
        """
        event: object = None
        while event is None or isinstance(event, h11.InformationalResponse):
            with anyio.move_on_after(patience):
                event = await self._next()
                continue
            if on_silence is not None:
                await on_silence()
        if not isinstance(event, h11.Response):
            raise HostProtocolMismatch(self._address, "its answer is not HTTP")
        self.status = event.status_code

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of the body, without empty ones."""
        rest = b""
        async for chunk in self.chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line:
                    yield line
        if rest:
            yield rest

    async def read(self) -> Answer:
        """Return the complete response."""
        parts = [chunk async for chunk in self.chunks()]
        return Answer(self.status, b"".join(parts))

    async def _write(self, data: bytes | None) -> None:
        if data:
            await self._connection.send(data)

    async def _next(self) -> object:
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                _, has_ended = self._http.trailing_data
                if not has_ended:
                    raise
                raise HostGone(self._address, "it ended before its answer was whole") from error
            if event is not h11.NEED_DATA:
                return event
            try:
                data = await self._connection.receive(_READ_BYTES)
            except anyio.EndOfStream:
                data = b""
            self._http.receive_data(data)


class _ContentFailed(Exception):
    """The content of a request cannot be read; the connection is in order."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


async def _read(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    parts = aiter(content)
    while True:
        try:
            part = await anext(parts)
        except StopAsyncIteration:
            return
        except OSError as error:
            raise _ContentFailed(error) from error
        yield part
