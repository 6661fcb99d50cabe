"""Servers and clients of the benchmarks: uvicorn as a server's base, and a client beside us.

The client is a process of its own, so that what it works is not counted as the server's.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from subprocess import PIPE

import anyio
import anyio.abc

__all__ = ("client_of", "plain_server")

HELLO = b"hello, world\n"
_CLIENT = """
import socket, sys
size, address = int(sys.argv[1]), sys.argv[2]
host, port = address.rsplit(":", 1)
path, method = sys.argv[3], "POST" if size else "GET"
peer = socket.create_connection((host, int(port)))
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
head = (f"{method} {path} HTTP/1.1\\r\\nHost: {address}\\r\\n"
        "User-Agent: bench\\r\\nAccept: */*\\r\\n"
        f"Accept-Encoding: gzip, deflate\\r\\nContent-Length: {size}\\r\\n\\r\\n")
request = head.encode() + b"x" * size
for line in sys.stdin:
    for _ in range(int(line)):
        peer.sendall(request)
        answer = b""
        while b"\\r\\n\\r\\n" not in answer:
            part = peer.recv(1 << 18)
            if not part:
                sys.exit(f"closed: {answer!r}")
            answer += part
        top, _, body = answer.partition(b"\\r\\n\\r\\n")
        if b" 200 " not in top.split(b"\\r\\n")[0]:
            sys.exit(repr(answer))
        lines = [line.partition(b":") for line in top.lower().split(b"\\r\\n")]
        lengths = [value for name, _, value in lines if name == b"content-length"]
        left = (int(lengths[0]) if lengths else 0) - len(body)
        while left > 0:
            left -= len(peer.recv(1 << 18))
        while not lengths and not body.endswith(b"0\\r\\n\\r\\n"):
            body = (body + peer.recv(1 << 18))[-64:]
    print("done", flush=True)
"""


@asynccontextmanager
async def client_of(
    address: str, path: str, size: int = 0
) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Give a function that has a client make so many requests on one connection, and waits."""
    command = (sys.executable, "-c", _CLIENT, str(size), address, path)
    async with await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=None) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, of = process.stdin, process.stdout

        async def ask(count: int) -> None:
            await to.send(f"{count}\n".encode())
            while not (await of.receive()).endswith(b"\n"):  # it may come in two pieces
                pass

        try:
            yield ask
        finally:
            process.kill()


@asynccontextmanager
async def plain_server() -> AsyncIterator[str]:
    """Give the address of uvicorn with h11 and a bare ASGI application that echoes, or greets."""
    import uvicorn

    async def application(scope: dict, receive: Callable, send: Callable) -> None:  # type: ignore[type-arg]
        if scope["type"] != "http":
            return
        body = b""
        while (event := await receive()).get("more_body") or event.get("body"):
            body += event["body"]
            if not event.get("more_body"):
                break
        answer = body or HELLO
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(len(answer)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, http="h11", loop="asyncio", lifespan="off",
        access_log=False, log_level="warning",
    )  # fmt: skip
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"{host}:{port}"
    finally:
        await server.shutdown()
