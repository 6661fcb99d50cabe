"""A listener has a number of connections, and silence on one of them has an end."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from airswasm.cli._control import connections
from airswasm.cli._control.connections import LocalConnection, NetworkConnection, most_connections
from airswasm.cli._hosts.remote_host import host_behind
from airswasm.cli._hosts.serving import Listening, serve
from airswasm.lifecycle import System

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets"),
]
Serving = Callable[[], AbstractAsyncContextManager[Listening]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # uvicorn's


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    @asynccontextmanager
    async def start() -> AsyncIterator[Listening]:
        async with System(tmp_path / "home") as system, serve(system, port=0) as listening:
            yield listening

    return start


async def dial(listening: Listening) -> anyio.abc.SocketStream:
    assert listening.address is not None
    return await anyio.connect_tcp("127.0.0.1", int(listening.address.rpartition(":")[2]))


async def ask(stream: anyio.abc.SocketStream, listening: Listening) -> bytes:
    assert listening.token_file is not None
    token = listening.token_file.read_text().strip()
    head = f"GET /v1/host HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    await stream.send(head.encode())
    return await stream.receive()


async def ends(stream: anyio.abc.SocketStream) -> None:
    """Returns once the other side has closed."""
    try:
        while await stream.receive():
            pass
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return


async def test_connections_that_say_nothing_delay_no_one(serving: Serving) -> None:
    """More of them than there may be: neither the Unix socket nor the next one with a token."""
    most = most_connections(NetworkConnection.wanted, NetworkConnection.share)
    async with serving() as listening, AsyncExitStack() as stack:
        silent = []
        for number in range(3 * most):
            stream = await stack.enter_async_context(await dial(listening))
            if number % 2:
                await stream.send(b"GET /v1/host HTTP/1.1\r\nHost: ")
            silent.append(stream)
        with anyio.fail_after(30):
            assert (await host_behind(listening.socket).about())["pid"]
            guest = await stack.enter_async_context(await dial(listening))
            assert b"200 OK" in await ask(guest, listening)
            await ends(silent[0])


async def test_a_connection_in_a_request_is_not_cut_for_another(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the new one is refused."""
    monkeypatch.setattr(NetworkConnection, "wanted", 4)
    monkeypatch.setattr(connections, "most_connections", lambda wanted, _share: wanted)
    async with serving() as listening, AsyncExitStack() as stack:
        assert listening.token_file is not None
        token = listening.token_file.read_text().strip()
        head = (
            "GET /v1/logs?follow=1 HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )
        followers = [await stack.enter_async_context(await dial(listening)) for _ in range(4)]
        with anyio.fail_after(30):
            for stream in followers:
                await stream.send(head.encode())
                assert b"200 OK" in await stream.receive()
            await ends(await stack.enter_async_context(await dial(listening)))
            await followers[0].aclose()
            while True:
                stream = await stack.enter_async_context(await dial(listening))
                try:
                    assert b"200 OK" in await ask(stream, listening)
                    break
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    continue  # the server has not noticed yet that one has gone


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1/host HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /v1/plans HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
    ],
    ids=["nothing", "half a head", "half a body"],
)
@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_what_does_not_come_in_time_ends_the_connection(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, sent: bytes, way: str
) -> None:
    """A head as a whole, a body part by part."""
    for kind in (LocalConnection, NetworkConnection):
        monkeypatch.setattr(kind, "head_seconds", 0.01)
        monkeypatch.setattr(kind, "body_seconds", 0.01)
    async with serving() as listening:
        is_unix = way == "unix"
        dialled: Any = anyio.connect_unix(listening.socket) if is_unix else dial(listening)
        async with await dialled as stream:
            if sent:
                await stream.send(sent)
            with anyio.fail_after(30):
                await ends(stream)


async def test_a_head_that_trickles_in_gains_no_time(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deadline is one, however many pieces it comes in."""
    monkeypatch.setattr(NetworkConnection, "head_seconds", 0.02)
    async with serving() as listening, await dial(listening) as stream:
        with anyio.fail_after(30), suppress(anyio.BrokenResourceError):
            while True:
                await stream.send(b"G")
                await anyio.sleep(0.001)


@pytest.mark.parametrize(("share", "least"), [(2, 4), (8, 4), (10**9, 4)])
async def test_the_process_s_descriptors_are_shared(share: int, least: int) -> None:
    """At most what is wanted, and never none at all."""
    assert least <= most_connections(64, share) <= 64
