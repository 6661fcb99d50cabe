from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.abc
import pytest
from airswasm.cli._control.unix_http import UnixClient
from airswasm.cli.errors import HostGone

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets"),
]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Path]:
    """The socket of a host that was stopped (`kill -STOP`): it accepts and never answers."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(8)
        yield path


@pytest.mark.parametrize("content", [b"", bytes(2**20)], ids=["small", "large"])
async def test_a_host_that_answers_nothing_is_given_up(silent: Path, content: bytes) -> None:
    """Not for being slow, but for not even saying that it is there; also while it takes a body."""
    client = UnixClient(silent, patience=0.05)
    with anyio.fail_after(30), pytest.raises(HostGone, match="does not answer"):
        async with client.stream("POST", "/v1/components", content=content):
            pass


async def test_a_slow_answer_is_waited_for_as_long_as_the_host_is_there(tmp_path: Path) -> None:
    """Compiling may take minutes; other clients are answered at once."""
    asked = 0

    async def serve(connection: anyio.abc.SocketStream) -> None:
        nonlocal asked
        async with connection:
            request = await connection.receive()
            if b"/v1/host" in request:
                asked += 1
            else:
                while asked < 3:  # noqa: ASYNC110 - other connections count
                    await anyio.sleep(0.01)
            await connection.send(ANSWER)

    listener = await anyio.create_unix_listener(tmp_path / "s")
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        with anyio.fail_after(30):
            async with UnixClient(tmp_path / "s", patience=0.05).stream("GET", "/slow") as stream:
                assert stream.status == 200
        group.cancel_scope.cancel()
    await listener.aclose()


@pytest.mark.parametrize("length", range(len(ANSWER)))
async def test_a_host_that_ends_in_the_middle_of_its_answer_is_gone(
    tmp_path: Path, length: int
) -> None:
    """Wherever it was killed; the error has none of the parser's words."""

    async def serve(connection: anyio.abc.SocketStream) -> None:
        async with connection:
            await connection.receive()
            await connection.send(ANSWER[:length])

    listener = await anyio.create_unix_listener(tmp_path / "s")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        with anyio.fail_after(30), pytest.raises(HostGone, match="ended before its answer"):
            async with UnixClient(tmp_path / "s").stream("GET", "/v1/host") as stream:
                await stream.read()
        group.cancel_scope.cancel()
