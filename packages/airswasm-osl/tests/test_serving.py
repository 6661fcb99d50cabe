"""Components as web services: routes, both ways to answer, limits, and hostile clients."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio
import h11
import pytest
from airswasm.lifecycle import Configuration, InstallPlan, Package, System
from airswasm.messaging import decode
from airswasm.osl import HttpRoute, HttpServer, ServingPolicy
from airswasm.osl._serving.checks import check_routes
from airswasm.osl._serving.connection import BYTES_IN, BYTES_OUT, responses
from airswasm.osl._serving.exchange import Asked
from airswasm.osl._serving.messages import read_reply, request_message
from airswasm.osl._serving.routing import Routing
from airswasm.osl.errors import AddressUnusable, ResponseMalformed
from airswasm.runtime import Meters
from airswasm.security import generate_key
from wasmtime import wat2wasm

if TYPE_CHECKING:
    from airswasm.lifecycle import LogEntry

pytestmark = pytest.mark.anyio
GUESTS = Path(__file__).parent / "guests"
KEY = generate_key()
ECHO, HELLO, WEB = "local/echo", "local/hello", "local/web"
PART = b"x" * 1_000
ROUTES = (
    HttpRoute("/hello", HELLO),
    HttpRoute("/echo", ECHO, body_bytes=1_000),
    HttpRoute("/web", WEB, body_bytes=10**9),
    HttpRoute("/absent", "local/absent"),
)


def yes(_plan: InstallPlan) -> bool:
    return True


def wat(name: str) -> bytes:
    return bytes(wat2wasm((GUESTS / f"{name}.wat").read_text()))


def package(
    name: str, wasm: bytes, *, number: int = 1, paths: str = "everything", memory: str = "4 MiB"
) -> Package:
    manifest = (
        f'[component]\nname = "{name}"\nversion = "0.{number}.0"\n'
        f'[limits]\nmemory = "{memory}"\nfuel = 10000000000\ntimeout = "30 s"\n'
        f'[capabilities]\n"http.serve" = ["{paths}"]\n'
        "[supervision]\nintensity = 100\n"
    )
    files = {"Component.toml": manifest.encode(), "component.wasm": wasm}
    return Package.from_files(files).sign(KEY, sequence=number)


class Host:
    """A host that serves."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.server = cast("HttpServer", system.observers["osl"])

    async def connect(self) -> anyio.abc.SocketStream:
        host, _, port = self.server.address.rpartition(":")
        return await anyio.connect_tcp(host, int(port))

    async def raw(self, data: bytes) -> bytes:
        """Everything that the server answers to some bytes, until it closes."""
        answer = b""
        async with await self.connect() as stream, anyio.create_task_group() as group:

            async def send() -> None:
                with suppress(anyio.BrokenResourceError):
                    await stream.send(data)

            group.start_soon(send)  # a server that answers at once waits for its client to read
            with anyio.fail_after(30):
                async for part in stream:
                    answer += part
            group.cancel_scope.cancel()
        return answer

    async def ask(
        self, path: str, body: bytes = b"", method: str = "GET", **headers: str
    ) -> tuple[int, Mapping[bytes, bytes], bytes]:
        """Status, headers and body of one request."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.server.address}\r\n{lines}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return parsed(await self.raw(head.encode() + body), method)

    def lines(self, name: str) -> list[LogEntry]:
        return [each for each in self.system.logs.recent(name) if each.source == "http"]

    def count(self, metric: str, name: str) -> float:
        return dict(self.system.services.get(Meters).samples(metric)).get(name, 0)


def parsed(answer: bytes, method: str = "GET") -> tuple[int, Mapping[bytes, bytes], bytes]:
    """Read an answer as a client does that trusts nothing."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer)
    client.receive_data(b"")
    status, headers, body = 0, {}, b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
        if isinstance(event, h11.Response):
            status, headers = event.status_code, dict(event.headers)
        elif isinstance(event, h11.Data):
            body += event.data
    if isinstance(event, h11.EndOfMessage):
        headers.update(event.headers)
    return status, headers, body


@asynccontextmanager
async def serving(home: Path, *routes: HttpRoute, **settings: object) -> AsyncIterator[Host]:
    policy = ServingPolicy(listen="127.0.0.1:0", routes=routes or ROUTES, **settings)  # type: ignore[arg-type]
    async with System(home, configuration=Configuration.of(policy)) as system:
        yield Host(system)


@pytest.fixture
async def host(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Host]:
    async with serving(tmp_path / "home", head_timeout=2.0, idle_timeout=2.0) as host:
        for name in (HELLO, ECHO):
            await host.system.install(package(name, wat(name.partition("/")[2])), approve=yes)
        yield host


# -- by message ----------------------------------------------------------------------------------


async def test_a_component_is_a_web_service(host: Host) -> None:
    """Its reply is the body; the log has a line, and the metrics count."""
    status, headers, body = await host.ask("/hello/world?a=1", b"12345", "POST")
    assert (status, body) == (200, b"hello, world\n")
    assert headers[b"content-length"] == b"13"
    assert b"date" in headers
    (line,) = host.lines(HELLO)
    assert line.message == "POST /hello/world?a=1 200"
    assert line.fields is not None
    assert (line.fields["bytes_in"], line.fields["bytes_out"]) == (5, 13)
    assert line.fields["client"] == "127.0.0.1"
    assert host.count(responses(200), HELLO) == 1
    assert (host.count(BYTES_IN, HELLO), host.count(BYTES_OUT, HELLO)) == (5, 13)


async def test_a_head_has_no_body(host: Host) -> None:
    """HEAD is answered with what GET would say of the body, without it."""
    status, headers, body = await host.ask("/hello", method="HEAD")
    assert (status, headers[b"content-length"], body) == (200, b"13", b"")


async def test_connections_carry_several_requests(host: Host) -> None:
    """Also those that a client sends before it has its answer."""
    one = f"GET /hello HTTP/1.1\r\nHost: {host.server.address}\r\n"
    answer = await host.raw(f"{one}\r\n{one}\r\n{one}Connection: close\r\n\r\n".encode())
    assert answer.count(b"hello, world") == 3


async def test_the_host_answers_where_no_component_does(host: Host) -> None:
    """And says nothing of itself."""
    for path, status in (("/nothing", 404), ("/hellow", 404), ("/absent", 503), ("/echo", 500)):
        found, headers, body = await host.ask(path)
        assert found == status, path
        assert body.decode().startswith(f"{status} ")
        assert len(body) < 40
        assert (b"retry-after" in headers) == (status == 503)


async def test_a_large_body_is_refused(host: Host) -> None:
    """By its declared length at once, and else where it passes the limit."""
    assert (await host.ask("/echo", b"x" * 1_001, "POST"))[0] == 413
    head = (
        f"POST /echo HTTP/1.1\r\nHost: {host.server.address}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunks = b"100\r\n" + b"x" * 256 + b"\r\n"
    assert parsed(await host.raw(head.encode() + chunks * 5 + b"0\r\n\r\n"))[0] == 413


async def test_the_manifest_says_which_paths(host: Host) -> None:
    """A route alone is not enough: the component must be granted the path."""
    grant = package("local/narrow", wat("hello"), paths="/a/**")
    await host.system.install(grant, approve=yes)
    host.server.take_over(
        ServingPolicy(routes=(HttpRoute("/", "local/narrow"), HttpRoute("/hello", HELLO)))
    )
    assert (await host.ask("/a/b"))[0] == 200
    assert (await host.ask("/b"))[0] == 403
    assert (await host.ask("/a/%2e%2e/b"))[0] == 400
    assert (await host.ask("/hello"))[0] == 200
    assert 'http.serve = ["/a/**", "/b"]' in host.lines("local/narrow")[-1].message


@pytest.mark.parametrize("kind", ["c_service", "c_handler"])
async def test_a_service_in_c(
    tmp_path: Path, anyio_backend: str, kind: str, request: pytest.FixtureRequest
) -> None:
    """By wasi:http without bindings, and by messages with the contract's header."""
    async with serving(tmp_path / "home") as host:
        wasm = request.getfixturevalue(kind)
        await host.system.install(package(WEB, wasm), approve=yes)
        for body in (b"", b"x", bytes(65 + number % 26 for number in range(100_000))):
            status, _, answer = await host.ask("/web/a", body, "POST")
            if kind == "c_service":
                assert (status, answer) == (200, body or b"hello, world\n")
            else:
                asked = json.loads(answer.removeprefix(b"asked: \x80\x04"))
                assert (status, asked["path"], asked["body"]) == (200, "/web/a", body.decode())


# -- hostile clients -------------------------------------------------------------------------------


HEADS = (
    b"GET /hello HTTP/1.1\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /hello HTTP/1.1\nHost: a\n\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET http://other/hello HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET hello HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /../hello HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%2fhello HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
    b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n",
    b"POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST /hello HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"CONNECT /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    *(
        b"GET /hello HTTP/1.1\r\nHost: %b\r\n\r\n" % host
        for host in (b"a b", b"a, b", b"a/b", b"u@a", b"a:1:2", b"a:x", b"[::1", b"\xff", b"a#b")
    ),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
)


async def test_a_head_with_two_readings_is_refused(host: Host) -> None:
    """What a proxy in front could have read otherwise never reaches a component."""
    for head in HEADS:
        answer = await host.raw(head)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 ", b"HTTP/1.1 501 ")), head
        assert answer.count(b"HTTP/1.1") == 1, head
    assert host.lines(HELLO) == []


@pytest.mark.parametrize(
    "chunk", [b"0x1", b"-1", b" 1", b"1\n", b'1;a="\r\n"', b"1\r\nxx", b"\r\n"]
)
async def test_a_body_without_a_safe_reading_is_refused(host: Host, chunk: bytes) -> None:
    """The client hears so, and nothing after it is taken for a request."""
    head = b"POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await host.raw(
        head + chunk + b"\r\nx\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    (line,) = host.lines(HELLO)
    assert "400: its body is refused: " in line.message


async def test_a_client_that_drips_is_given_up(host: Host) -> None:
    """A head that does not come to its end, a body that pauses, and a connection that rests."""
    assert (await host.raw(b"GET /hello HTTP/1.1\r\nHo")).startswith(b"HTTP/1.1 408 ")
    assert await host.raw(b"") == b""
    head = f"POST /hello HTTP/1.1\r\nHost: {host.server.address}\r\nContent-Length: 9\r\n\r\nhalf"
    assert await host.raw(head.encode()) == b""
    assert host.lines(HELLO)[-1].message.endswith("499: the client went away")


async def test_a_client_cannot_forge_lines(host: Host) -> None:
    """What it writes is escaped, and cut."""
    await host.ask("/hello/%1b%5b31m" + "x" * 2_000, host_name="\x7f", method="X" * 2_000)
    (line,) = host.lines(HELLO)
    assert line.message.isprintable()
    assert line.fields is not None
    assert max(len(str(each)) for each in (line.message, *line.fields.values())) < 1_200


async def test_a_connection_takes_the_place_of_one_that_waits(
    tmp_path: Path, anyio_backend: str
) -> None:
    """Clients that say nothing keep none out; the host says in its health that it is full."""
    async with serving(tmp_path / "home", connections=3) as host, AsyncExitStack() as stack:
        silent = []
        for _ in range(3):
            silent.append(await stack.enter_async_context(await host.connect()))
            await silent[-1].send(b"GET ")
        with anyio.fail_after(30):
            while not list(host.server.findings()):
                await anyio.lowlevel.checkpoint()
            for _ in range(10):
                assert (await host.ask("/"))[0] == 404
            with pytest.raises(anyio.EndOfStream):
                await silent[0].receive()


async def test_a_request_under_way_keeps_its_connection(tmp_path: Path, anyio_backend: str) -> None:
    """One more is closed at once where all connections have a request."""
    async with serving(tmp_path / "home", connections=1) as host:
        await host.system.install(package(HELLO, wat("hello")), approve=yes)
        async with await host.connect() as first:
            head = b"POST /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue"
            await first.send(head + b"\r\n\r\n")
            assert b" 100 " in await first.receive()
            assert await host.raw(b"") == b""
            await first.send(b"x")
            assert b" 200 " in await first.receive()


async def test_a_stop_loses_no_request(
    tmp_path: Path, anyio_backend: str, c_service: bytes
) -> None:
    """Those under way are answered; those that come are told so, and to try again."""
    head = f"POST /web HTTP/1.1\r\nHost: h\r\nContent-Length: {2 * len(PART)}\r\n\r\n"
    ended: list[bytes] = []

    async def go_on(slow: anyio.abc.SocketStream, late: anyio.abc.SocketStream) -> None:
        async with slow, late:
            answer = b""
            while not answer.startswith(b"HTTP/1.1 503 "):
                await late.send(b"GET /none HTTP/1.1\r\nHost: h\r\n\r\n")
                answer = await late.receive()
            await slow.send(PART)
            ended.extend((answer, b"".join([part async for part in slow])))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as clients:
            async with serving(tmp_path / "home", stop_timeout=30.0) as host:
                await host.system.install(package(WEB, c_service), approve=yes)
                slow, late = await host.connect(), await host.connect()
                await slow.send(head.encode() + PART)
                assert b" 200 OK" in await slow.receive()  # its first part comes back
                clients.start_soon(go_on, slow, late)
    refusal, rest = ended
    assert b"connection: close" in refusal
    assert b"retry-after" in refusal
    assert rest.endswith(b"0\r\n\r\n")


async def test_a_stop_does_not_wait_for_ever(
    tmp_path: Path, anyio_backend: str, c_service: bytes
) -> None:
    """A request that takes longer than `stop_timeout` breaks off, before its end is marked."""
    async with serving(tmp_path / "home", stop_timeout=0.0) as host:
        await host.system.install(package(WEB, c_service), approve=yes)
        client = await host.connect()
        await client.send(b"POST /web HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx")
        assert b" 200 OK" in await client.receive()
    async with client:
        with anyio.fail_after(30), suppress(anyio.BrokenResourceError):
            assert b"0\r\n\r\n" not in b"".join([part async for part in client])


KILLED = """
import sys, anyio
from airswasm.lifecycle import Configuration, System
from airswasm.osl import HttpRoute, ServingPolicy

async def main():
    policy = ServingPolicy(listen="127.0.0.1:0", routes=(HttpRoute("/web", "local/web"),))
    async with System(sys.argv[1], configuration=Configuration.of(policy)) as system:
        print(system.observers["osl"].address, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process is not killed so there")
async def test_a_killed_host_answers_nothing_twice(
    tmp_path: Path, anyio_backend: str, c_service: bytes
) -> None:
    """Its clients see the connection break; the next host knows nothing of their requests."""
    home, route = tmp_path / "home", HttpRoute("/web", WEB)
    async with serving(home, route) as host:
        await host.system.install(package(WEB, c_service), approve=yes)
    head = b"POST /web HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"
    command = (sys.executable, "-c", KILLED, str(home))
    with anyio.fail_after(120):
        async with await anyio.open_process(command, stderr=None) as process:
            assert process.stdout is not None
            address = (await process.stdout.receive()).decode().split()[0]
            begun = await anyio.connect_tcp("127.0.0.1", int(address.rpartition(":")[2]))
            waiting = await anyio.connect_tcp("127.0.0.1", int(address.rpartition(":")[2]))
            await begun.send(head + b"x")
            assert b" 200 OK" in await begun.receive()
            await waiting.send(head + b"xx")  # it waits in the mailbox
            process.kill()
        for client in (begun, waiting):
            answer = b""
            async with client:
                with suppress(anyio.BrokenResourceError):
                    async for part in client:
                        answer += part
            assert not answer.endswith(b"0\r\n\r\n")
    async with serving(home, route) as host:
        status, _, body = await host.ask("/web/a", b"new", "POST")
        assert (status, body) == (200, b"new")
        assert host.system.component_status(WEB).messages == 1
        assert host.count(responses(200), WEB) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a process has no limit on files there")
async def test_a_host_without_descriptors_serves_when_it_has_some(
    tmp_path: Path, anyio_backend: str
) -> None:
    """What cannot be accepted waits; the server does not end, and the host with it."""
    import resource

    async with serving(tmp_path / "home") as host:
        address, _, port = host.server.address.rpartition(":")
        with socket.socket() as client:
            client.setblocking(False)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            spare = os.dup(client.fileno())
            os.close(spare)
            resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
            try:
                client.connect_ex((address, int(port)))
                with anyio.fail_after(30):
                    while not any("accept" in each.text for each in host.server.findings()):
                        await anyio.lowlevel.checkpoint()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert (await host.ask("/"))[0] == 404
        assert not any("accept" in each.text for each in host.server.findings())


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"listen": "0.0.0.0:80"}, "insecure"),
        ({"listen": "localhost:80"}, "no IP address"),
        ({"listen": "127.0.0.1"}, "no IP address"),
        ({"tls_key": "k"}, "belong together"),
        ({"routes": (HttpRoute("/a", "x/y"), HttpRoute("/a/", "x/z"))}, "two routes"),
        ({"connections": 0}, "more than 0"),
        ({"timeout": 0.0}, "more than 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    settings: dict[str, object], problem: str
) -> None:
    """Each with the reason."""
    with pytest.raises(ValueError, match=problem):
        ServingPolicy(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["a", "", "/a/../b", "/%7ea", "/a b", "//a"])
def test_a_route_has_one_spelling(path: str) -> None:
    """Or none of the requests to it would be found."""
    with pytest.raises(ValueError, match="path"):
        HttpRoute(path, "x/y")


def test_the_longest_path_is_taken() -> None:
    """On whole segments; of two with one path, the one that names the host."""
    routing = Routing(
        (
            HttpRoute("/", "x/root"),
            HttpRoute("/a", "x/a"),
            HttpRoute("/a", "x/named", host="A.example"),
            HttpRoute("/a/b/", "x/b"),
        )
    )

    def found(host: str, path: str) -> str:
        route = routing.find(host, path)
        return "" if route is None else route.components[0]

    assert found("h", "/") == found("h", "/ab") == "x/root"
    assert found("h", "/a") == found("h", "/a/") == found("h", "/a/bc") == "x/a"
    assert found("a.example", "/a/x") == "x/named"
    assert found("a.example", "/a/b") == found("h", "/a/b/c") == "x/b"


def test_requests_are_shared_among_components() -> None:
    """The one with the fewest under way gets the next, and a route has no more than it may."""
    route = HttpRoute("/", ("x/a", "x/b"), concurrency=3)
    routing = Routing((route,))
    for expected in ("x/a", "x/b", "x/a"):
        assert routing.has_room(route)
        assert routing.choose(route) == expected
        routing.begin(expected)
    assert not routing.has_room(route)
    routing.end("x/a")
    assert Routing((route,), routing).choose(route) == "x/a"


async def test_doctor_finds_routes_that_lead_nowhere(tmp_path: Path, anyio_backend: str) -> None:
    """Each with its component; a home whose routes are good has a line, too."""
    home = tmp_path / "home"
    async with System(home) as system:
        await system.install(package(HELLO, wat("hello")), approve=yes)
        route = '[[http.routes]]\npath = "/{0}"\ncomponent = "local/{0}"\n'
        file = system.home.config_file
    assert list(check_routes(home, quick=False)) == []
    file.write_text(f'[http]\nlisten = "127.0.0.1:8080"\n{route.format("hello")}')
    (good,) = check_routes(home, quick=False)
    assert (good.state, "127.0.0.1:8080" in good.text) == ("ok", True)
    file.write_text(route.format("hello") + route.format("absent"))
    problem, note = check_routes(home, quick=True)
    assert (problem.state, note.state) == ("problem", "note")
    assert "/absent leads to local/absent" in problem.text


async def test_a_taken_address_ends_the_start(tmp_path: Path, anyio_backend: str) -> None:
    """The error has the address; a host that cannot serve does not pretend to."""
    async with serving(tmp_path / "one") as host:
        policy = ServingPolicy(listen=host.server.address)
        with pytest.raises(AddressUnusable, match=host.server.address):
            async with System(tmp_path / "two", configuration=Configuration.of(policy)):
                pass


# -- messages --------------------------------------------------------------------------------------

ASKED = Asked("POST", "/a", "/a?b=1", "h:1", [("x-a", b"\xfc")], 2)


@pytest.mark.parametrize("codec", ["json", "cbor", "msgpack"])
@pytest.mark.parametrize("body", [b"text", b"\xff\xfe", b""])
def test_a_request_is_a_map(codec: str, body: bytes) -> None:
    """In every codec it says the same; JSON writes bytes that are no text in Base64."""
    payload = request_message(ASKED, "http", body, codec)
    message = decode(payload)
    assert isinstance(message, dict)
    assert (message["method"], message["path"], message["query"]) == ("POST", "/a", "b=1")
    assert message["headers"] == [["x-a", "\xfc"]]
    found = message.get("body")
    if found is None:
        found = base64.b64decode(message["body_base64"])
    assert found == (body.decode() if isinstance(found, str) else body)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "no map"),
        ({"statu": 200}, "none of its members"),
        ({"status": 99}, "status"),
        ({"status": True}, "status"),
        ({"headers": "x"}, "headers"),
        ({"headers": [["a"]]}, "pair"),
        ({"headers": {"a": 1}}, "texts"),
        ({"headers": {"a": "x\r\ny: z"}}, "invalid-syntax"),
        ({"headers": {"connection": "close"}}, "forbidden"),
        ({"headers": {"a": "\u2603"}}, "Latin-1"),
        ({"body": 1}, "neither text nor bytes"),
        ({"body_base64": "?"}, "Base64"),
    ],
)
def test_a_reply_with_a_mistake_is_no_response(value: object, problem: str) -> None:
    """The error names the component and the mistake."""
    payload = b"\x80\x04" + json.dumps(value).encode()
    with pytest.raises(ResponseMalformed, match=problem) as caught:
        read_reply("local/a", payload)
    assert caught.value.component == "local/a"


def test_replies_that_are_responses() -> None:
    """A map, plain bytes, and nothing."""
    value = {"status": 418, "headers": {"x-a": "1"}, "body": "tea"}
    reply = read_reply("x/y", b"\x80\x04" + json.dumps(value).encode())
    assert (reply.status, list(reply.headers), reply.body) == (418, [("x-a", b"1")], b"tea")
    assert read_reply("x/y", b"plain").body == b"plain"
    assert read_reply("x/y", None).status == 204


# -- by wasi:http --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a home, from one test to the next: to compile CPython takes half a minute."""
    return tmp_path_factory.mktemp("compiled") / "cache"


@pytest.fixture
async def web(
    tmp_path: Path, web_wasm: bytes, compiled: Path, anyio_backend: str
) -> AsyncIterator[Host]:
    home = tmp_path / "home"
    copied(compiled, home / "cache")
    async with serving(home, idle_timeout=10.0) as host:
        await host.system.install(package(WEB, web_wasm, memory="64 MiB"), approve=yes)
        copied(host.system.home.cache_folder, compiled)
        yield host


def copied(source: Path, target: Path) -> None:
    """Copy a cache where there is one, and none yet."""
    if source.exists() and not target.exists():
        shutil.copytree(source, target)
        target.parent.chmod(0o700)


async def test_an_unmodified_component_answers(web: Host) -> None:
    """It sees what the client asked for, and its response arrives."""
    status, headers, body = await web.ask("/web/hello?a=1")
    assert (status, headers[b"content-type"]) == (200, b"text/plain")
    assert body == f"{web.server.address} /web/hello?a=1\n".encode()


async def test_bodies_stream_both_ways(web: Host) -> None:
    """More than any window passes through, and the trailers come last."""
    sent = bytes(range(256)) * 2_000
    status, _, body = await web.ask("/web/echo", sent, "POST")
    assert (status, body) == (200, sent)
    status, headers, body = await web.ask("/web/trailing")
    assert (status, body, headers[b"x-sum"]) == (200, b"sum", b"3")


async def test_a_response_that_is_not_whole(web: Host) -> None:
    """Before its head it is an error of the server; after that the connection breaks off."""
    for path, status in (("silent", 500), ("half", 200), ("lying", 0), ("trap", 500)):
        answer = await web.raw(f"GET /web/{path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        # a body that was finished at once is compared with its length before the head goes out
        expected = (status,) if status else (200, 500)
        assert int(answer.split()[1]) in expected, path
        assert not answer.endswith(b"0\r\n\r\n"), path
        assert web.lines(WEB)[-1].fields["status"] == 500, path
    assert (await web.ask("/web/hello"))[0] == 200


async def test_a_client_that_goes_away_ends_the_response(web: Host) -> None:
    """A guest that writes without end finds its stream closed, and serves the next client."""
    async with await web.connect() as stream:
        await stream.send(b"GET /web/endless HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b" 200 OK" in await stream.receive()
    assert (await web.ask("/web/hello"))[0] == 200
    (line,) = (each for each in web.lines(WEB) if each.fields["status"] != 200)
    assert line.fields["status"] == 499, line.message


async def test_an_update_loses_no_request(web: Host, web_wasm: bytes) -> None:
    """The old version finishes what it has; the new one answers what comes."""
    statuses: list[int] = []
    async with anyio.create_task_group() as group:

        async def ask() -> None:
            for _ in range(10):
                statuses.append((await web.ask("/web/echo", b"x" * 50_000, "POST"))[0])

        for _ in range(4):
            group.start_soon(ask)
        await web.system.update(package(WEB, web_wasm, number=2, memory="64 MiB"), approve=yes)
    assert statuses == [200] * 40
