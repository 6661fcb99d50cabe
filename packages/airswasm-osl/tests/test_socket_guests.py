"""Unmodified guests and their ordinary sockets: Python, Rust and C, through the guard of a host."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from airswasm.osl import BLOCK, OslPolicy, folders_below, provide
from airswasm.runtime import Caller, Engine, EngineConfig, Instance, Limits, Services, WasiConfig
from airswasm.security import Grants, Guard, Kinds
from airswasm.wit import contract

KINDS = Kinds(BLOCK.capabilities)
ROOMY = Limits(memory_bytes=64 * 1024 * 1024, memories=8, fuel=10**12, timeout=60.0)
LOOPBACK = "127.0.0.1:*"
RUN = "wasi:cli/run@0.2.0#run"

pytestmark = pytest.mark.anyio


class Lines:
    """A sink that keeps what it was given."""

    def __init__(self) -> None:
        self.stdout: list[str] = []
        self.stderr: list[str] = []

    def line(self, _caller: Caller, stream: str, text: str) -> None:
        getattr(self, stream).append(text)


class Host:
    """A host, and what its guests print."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.lines, self.guard = engine, Lines(), Guard(KINDS)
        services = Services()
        services.add(Guard, self.guard)
        services.add(OslPolicy, OslPolicy(folders_below(folder)))
        self.offered = [
            each if each.name.startswith("wasi:") else self.guard.guarded(each, contract())
            for each in provide(services)
        ]

    async def instance(self, wasm: Path, *arguments: str, **grants: Sequence[str]) -> Instance:
        allow = {name.replace("_", ":", 1): tuple(found) for name, found in grants.items()}
        self.guard.grant("local/a", Grants(allow))
        linked = (await self.engine.load(wasm, name="guest")).link(self.offered)
        wasi = WasiConfig(stdout=self.lines, stderr=self.lines, arguments=("guest", *arguments))
        return await linked.instantiate(limits=ROOMY, caller=Caller("local/a"), wasi=wasi)

    async def command(self, wasm: Path, *arguments: str, **grants: Sequence[str]) -> str:
        """Run a program and return its last line."""
        await (await self.instance(wasm, *arguments, **grants)).call(RUN)
        return self.lines.stdout[-1]


@pytest.fixture
async def host(anyio_backend: str, tmp_path: Path, cache_folder: Path) -> AsyncIterator[Host]:
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        yield Host(engine, tmp_path)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that echoes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(peer,), daemon=True).start()

    def answer(peer: socket.socket) -> None:
        with peer:
            while data := peer.recv(65_536):
                peer.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.fixture
def upper() -> Iterator[str]:
    """The address of a server that answers each datagram in capitals, after a forged one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while data := server.recvfrom(100):
                if data[0] == b"end":
                    return
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                    stranger.sendto(b"forged", data[1])
                server.sendto(data[0].upper(), data[1])

        thread = threading.Thread(target=serve)
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", server.getsockname())
        thread.join()


async def test_python_sockets(host: Host, python_wasm: Path, echo: int, upper: str) -> None:
    """`socket`, `select` and asyncio's streams, by address and by name, and their errors."""
    grants = {
        "tcp_connect": [LOOPBACK, "localhost:*"],
        "tcp_listen": [LOOPBACK],
        "udp_send": [LOOPBACK],
    }
    instance = await host.instance(python_wasm, **grants)

    async def run(code: str) -> str:
        answer = await instance.call("#run", f"import asyncio, select, socket\n{code}")
        return str(answer)

    connect = f"s = socket.create_connection(('localhost', {echo}))\n"
    code = "s.sendall(b'hello')\ns.shutdown(socket.SHUT_WR)\nanswer = (s.recv(9), s.recv(9))"
    assert await run(connect + code) == str((b"hello", b""))
    much = (
        f"s = socket.create_connection(('127.0.0.1', {echo}))\ns.setblocking(False)\n"
        "data, sent, got = bytes(range(256)) * 2048, 0, b''\n"
        "while len(got) < len(data):\n"
        "    r, w, _ = select.select([s], [s] if sent < len(data) else [], [], 30)\n"
        "    if w: sent += s.send(data[sent:sent + 65536])\n"
        "    if r: got += s.recv(65536)\n"
        "answer = got == data"
    )
    assert await run(much) == "True"
    streams = (
        "async def main():\n"
        f"    r, w = await asyncio.open_connection('127.0.0.1', {echo})\n"
        "    w.write(b'hey')\n    await w.drain()\n    return await r.readexactly(3)\n"
        "answer = asyncio.run(main())"
    )
    assert await run(streams) == str(b"hey")
    serve = (
        "async def main():\n"
        "    async def each(r, w):\n"
        "        w.write((await r.read(9)).upper())\n        w.close()\n"
        "    server = await asyncio.start_server(each, '127.0.0.1', 0)\n"
        "    r, w = await asyncio.open_connection(*server.sockets[0].getsockname())\n"
        "    w.write(b'served')\n"
        "    return await r.read(9)\n"
        "answer = asyncio.run(main())"
    )
    assert await run(serve) == str(b"SERVED")
    host_name, _, port = upper.rpartition(":")
    datagrams = (
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"s.sendto(b'ping', ({host_name!r}, {port}))\nanswer = s.recv(9)"
    )
    assert await run(datagrams) == str(b"PING")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()
    assert "ConnectionRefusedError" in await run(f"socket.create_connection({closed!r})")
    slow = f"s = socket.create_connection(('127.0.0.1', {echo}))\ns.settimeout(0.05)\ns.recv(1)"
    assert "TimeoutError" in await run(slow)


async def test_python_http(host: Host, python_wasm: Path, server: Any) -> None:
    """`http.client` and `urllib.request` go through sockets: plain HTTP, and `tcp.connect`."""
    instance = await host.instance(python_wasm, tcp_connect=[LOOPBACK, "localhost:*"])

    async def run(code: str) -> str:
        return str(await instance.call("#run", code))

    client = (
        f"import http.client\nc = http.client.HTTPConnection('localhost', {server.port})\n"
        "c.request('POST', '/echo', b'x' * 100_000, {'X-A': '1'})\nr = c.getresponse()\n"
        "first = r.status, len(r.read()), r.headers.get_all('X-Twice')\n"
        "c.request('GET', '/echo')\nanswer = first, c.getresponse().read()"
    )
    assert await run(client) == str(((200, 100_000, ["1", "2"]), b""))
    assert server.seen[0][1]["X-A"] == "1"
    opened = (
        "import urllib.request, urllib.error\n"
        f"with urllib.request.urlopen('{server.url}/echo', data=b'hello') as r:\n"
        "    answer = r.status, r.read()\n"
    )
    assert await run(opened) == str((200, b"hello"))
    instance = await host.instance(python_wasm)
    assert "Permission denied" in await run(opened)


async def test_python_without_grants(host: Host, python_wasm: Path, echo: int) -> None:
    """Errors that Python has a class for, and lines with what would grant the call."""
    instance = await host.instance(python_wasm)
    for code, line in (
        (f"socket.create_connection(('127.0.0.1', {echo}))", "tcp.connect"),
        ("socket.create_server(('127.0.0.1', 8080))", "tcp.listen"),
        ("socket.getaddrinfo('example.com', 80)", "dns.resolve"),
        (
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))",
            "udp.send",
        ),
    ):
        answer = await instance.call("#run", f"import socket\n{code}")
        assert "PermissionError" in str(answer), code
        assert any(f'{line} = ["' in each for each in host.lines.stderr), code


async def test_the_contract_s_own_interfaces(host: Host, python_wasm: Path, echo: int) -> None:
    """A listener, a socket for datagrams and a name, as typed calls."""
    instance = await host.instance(
        python_wasm,
        tcp_connect=[LOOPBACK],
        tcp_listen=[LOOPBACK],
        udp_listen=[LOOPBACK],
        udp_send=[LOOPBACK],
        dns_resolve=["localhost"],
    )
    code = (
        "from wit_world.imports import dns, tcp, udp\n"
        "listener = tcp.listen('127.0.0.1:0')\n"
        "client = tcp.connect(listener.address(), 5000)\n"
        "peer = listener.accept(5000)\n"
        "client.send(b'ping')\nclient.finish()\n"
        "got = (peer.receive(9), peer.receive(9))\n"
        "one, other = udp.bind('127.0.0.1:0'), udp.bind('127.0.0.1:0')\n"
        "one.send(other.address(), b'pong')\n"
        "datagram = other.receive(5000)\n"
        "same = datagram.sender == one.address()\n"
        "answer = (got, datagram.data, same, '127.0.0.1' in dns.resolve('localhost', 0))"
    )
    expected = ((b"ping", b""), b"pong", True, True)
    assert await instance.call("#run", code) == str(expected)


async def test_rust(host: Host, rust_sockets: Path, echo: int, upper: str) -> None:
    """`std::net`: streams, listeners, datagrams, names, and denials as `PermissionDenied`."""
    at = f"127.0.0.1:{echo}"
    done = await host.command(rust_sockets, "echo", at, tcp_connect=[at])
    assert done == "ok true 0 true"
    done = await host.command(
        rust_sockets, "serve", "127.0.0.1:0", tcp_connect=[LOOPBACK], tcp_listen=[LOOPBACK]
    )
    assert done == "ok ping true"
    assert await host.command(rust_sockets, "udp", upper, udp_send=[upper]) == "ok PING true"
    done = await host.command(rust_sockets, "names", "localhost:80", dns_resolve=["localhost"])
    assert "127.0.0.1" in done
    for arguments in (("echo", at), ("serve", "127.0.0.1:8080"), ("names", "localhost:80")):
        assert "PermissionDenied" in await host.command(rust_sockets, *arguments)


async def test_c(host: Host, c_sockets: Path, echo: int) -> None:
    """`getaddrinfo`, `connect`, `poll`, `recv`, `shutdown`: the grant is for the name."""
    for name in ("localhost", "127.0.0.1"):
        grant = [f"{name}:{echo}"]
        assert await host.command(c_sockets, name, str(echo), tcp_connect=grant) == "ok hello 0"
    refused = await host.command(c_sockets, "127.0.0.1", str(echo), tcp_connect=["127.0.0.1:1"])
    assert refused == "error connect Permission denied"
