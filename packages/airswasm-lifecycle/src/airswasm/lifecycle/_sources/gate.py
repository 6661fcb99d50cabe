"""The only way out of the process that fetches from a git server: to one address, counted.

libgit2 resolves names and follows redirects by itself. It is told to use a proxy, which is this
one: it connects to the one server that was named, at a checked address, refuses every other, and
ends the transfer at its limit. TLS goes through it unread, so the child still verifies the name.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.abc

from ..errors import LifecycleError, SourceRefused, SourceTooLarge
from .dialing import Dialer
from .urls import Url

__all__ = ("Gate",)

_HEAD_BYTES = 8 * 1024
_CLOSED = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Gate:
    """A proxy on loopback for one server.

    Args:
        source: The source in canonical form, for errors.
        url: The server.
        dialer: Connects to it.
        most_bytes: The bytes that the server may send.

        stop: Called when it lets something not pass: the child need not end by itself.

    Attributes:
        failure: Why it let something not pass; None while it has not.
    """

    def __init__(
        self, source: str, url: Url, dialer: Dialer, most_bytes: int, stop: Callable[[], object]
    ) -> None:
        self._stop = stop
        self._source, self._url, self._dialer = source, url, dialer
        self._most_bytes, self._received = most_bytes, 0
        self.failure: LifecycleError | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[str]:
        """Serve while the block runs, and return the proxy's address."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  # not Django's
        failure: LifecycleError | None = None
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, self._serve)
            try:
                yield f"http://127.0.0.1:{port}"
            except LifecycleError as error:
                failure = error  # not in the group, which would wrap it
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _fail(self, error: LifecycleError) -> None:
        self.failure = self.failure or error
        self._stop()

    async def _serve(self, client: anyio.abc.ByteStream) -> None:
        async with client:
            with suppress(*_CLOSED):
                try:
                    await self._tunnel(client, await _head(client))
                except LifecycleError as error:
                    self._fail(error)

    async def _tunnel(self, client: anyio.abc.ByteStream, head: bytes) -> None:
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        host = f"[{self._url.host}]" if ":" in self._url.host else self._url.host
        if words[:2] != ["CONNECT", f"{host}:{self._url.port}"]:
            raise SourceRefused(
                self._source, f"{self._url.authority} redirects to another server",
                hint="name that server in the source, if it is the right one",
            )  # fmt: skip
        server = await self._dialer.connect(self._source, self._url.host, self._url.port)
        async with server:
            await client.send(b"HTTP/1.1 200 Connected\r\n\r\n")
            async with anyio.create_task_group() as group:
                group.start_soon(self._up, client, server, group.cancel_scope)
                await self._down(server, client)
                group.cancel_scope.cancel()

    async def _up(
        self, client: anyio.abc.ByteStream, server: anyio.abc.ByteStream, scope: anyio.CancelScope
    ) -> None:
        with suppress(*_CLOSED):
            while True:
                await server.send(await client.receive())
        scope.cancel()

    async def _down(self, server: anyio.abc.ByteStream, client: anyio.abc.ByteStream) -> None:
        with suppress(*_CLOSED):
            while True:
                data = await server.receive()
                self._received += len(data)
                if self._received > self._most_bytes:
                    allowed = f"{self._most_bytes:,} bytes"
                    self._fail(SourceTooLarge(self._source, "sources.most_bytes", allowed))
                    return
                await client.send(data)


async def _head(client: anyio.abc.ByteStream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
        head += await client.receive()
    return head
