"""wasi:http for unmodified guests: checked like any other request, and given up with its guest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from airswasm.osl import BLOCK, Doorman, HttpClient, NetworkPolicy, WasiHttp
from airswasm.osl._http.wasi import Exchanges
from airswasm.runtime import Caller, Case, Engine, EngineConfig, Err, HostInterface, Ok, WasiConfig
from airswasm.runtime.wasi import (
    Fields,
    FutureIncomingResponse,
    IncomingResponse,
    OutgoingRequest,
    RequestOptions,
    StreamClosed,
    StreamFailed,
)
from airswasm.security import Grants, Guard, Kinds

if TYPE_CHECKING:
    from conftest import HttpServer

KINDS = Kinds(BLOCK.capabilities)

pytestmark = pytest.mark.anyio


class Lines:
    """A sink that keeps what it was given."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def line(self, _caller: Caller, _stream: str, text: str) -> None:
        self.all.append(text)


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
async def caller(anyio_backend: str, lines: Lines, cache_folder: Path) -> AsyncIterator[Caller]:
    """An instance of the smallest component there is."""
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        component = await engine.load(b"\0asm\x0d\0\x01\0", name="empty")
        caller = Caller("local/a")
        await component.link(()).instantiate(caller=caller, wasi=WasiConfig(stderr=lines))
        yield caller
        if not caller.instance.is_closed:
            caller.instance.close()


def offered(*grants: str, policy: NetworkPolicy | None = None) -> HostInterface:
    guard = Guard(KINDS, {"local/a": Grants({"http:request": grants})})
    policy = policy or NetworkPolicy()
    client = HttpClient(Doorman(guard), policy)
    (interface,) = WasiHttp(guard, client, policy).interfaces()
    return interface


def outgoing(server: HttpServer, path: str, **parts: object) -> OutgoingRequest:
    return OutgoingRequest(
        Fields([("X-Mine", b"1")]),
        scheme=Case("HTTP"),
        authority=f"127.0.0.1:{server.port}",
        path_with_query=path,
        **parts,  # type: ignore[arg-type]
    )


async def outcome_of(future: FutureIncomingResponse) -> object:
    done = anyio.Event()
    unwatch = future.pollable().watch(done.set)
    if not future.pollable().is_ready():
        with anyio.fail_after(30):
            await done.wait()
    unwatch()
    taken = future.take()
    assert isinstance(taken, Ok)
    return taken.value


async def body_of(response: IncomingResponse) -> bytes:
    """The whole body, read as a guest reads it."""
    body = response.consume()
    assert isinstance(body, Ok)
    stream, data = body.value.stream(), b""
    assert isinstance(stream, Ok)
    with anyio.fail_after(30):
        while True:
            try:
                part = stream.value.read(100_000)
            except StreamClosed:
                return data
            data += part
            if not part:
                ready = anyio.Event()
                unwatch = stream.value.pollable().watch(ready.set)
                await ready.wait()
                unwatch()


async def test_a_request_with_a_body(caller: Caller, server: HttpServer) -> None:
    """It is sent once the guest has finished its body, and answers the future."""
    request = outgoing(server, "/echo?q", method=Case("post"))
    http = offered(f"{server.url}/**")
    body = request.take_body()
    started = http.functions["handle"](caller, request, None)
    assert isinstance(body, Ok)
    assert isinstance(started, Ok)
    body.value.write(b"hel")
    await anyio.wait_all_tasks_blocked()
    assert server.seen == []
    body.value.write(b"lo")
    body.value.finish()
    outcome = await outcome_of(started.value)
    assert isinstance(outcome, Ok)
    response = outcome.value
    assert isinstance(response, IncomingResponse)
    assert (response.status, await body_of(response)) == (200, b"hello")
    assert response.headers.get("X-Twice") == [b"1", b"2"]
    ((line, headers, sent),) = server.seen
    assert (line, headers["X-Mine"], sent) == ("POST /echo?q HTTP/1.1", "1", b"hello")


async def test_two_at_once(caller: Caller, server: HttpServer) -> None:
    """A guest may wait for several responses together."""
    http = offered(f"{server.url}/**")
    futures = [
        http.functions["handle"](caller, outgoing(server, path), None)
        for path in ("/echo", "/gzip")
    ]
    bodies = []
    for future in futures:
        assert isinstance(future, Ok)
        outcome = await outcome_of(future.value)
        assert isinstance(outcome, Ok)
        bodies.append(await body_of(outcome.value))
    assert bodies == [b"", b"not really"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda it: None, "HTTP-request-denied"),
        (lambda it: setattr(it, "authority", "169.254.169.254"), "HTTP-request-denied"),
        (lambda it: setattr(it, "authority", "user@127.0.0.1"), "HTTP-request-URI-invalid"),
        (lambda it: setattr(it, "authority", None), "HTTP-request-URI-invalid"),
        (lambda it: setattr(it, "scheme", Case("other", "ftp")), "HTTP-request-URI-invalid"),
        (lambda it: setattr(it, "method", Case("connect")), "HTTP-request-URI-invalid"),
        (lambda it: setattr(it, "path_with_query", "/../x"), "HTTP-request-URI-invalid"),
    ],
)
async def test_what_is_refused_at_once(
    caller: Caller,
    server: HttpServer,
    lines: Lines,
    change: Callable[[OutgoingRequest], None],
    code: str,
) -> None:
    """Without a grant, or without a safe reading, there is an error and no request."""
    request = outgoing(server, "/echo")
    change(request)
    answer = offered("https://example.com/**").functions["handle"](caller, request, None)
    assert answer == Err(Case(code))
    await anyio.wait_all_tasks_blocked()
    assert server.seen == []
    assert any("http.request" in line for line in lines.all) == (code == "HTTP-request-denied")


async def test_an_address_inside_is_refused(caller: Caller, server: HttpServer) -> None:
    """A wildcard does not open this host; the future says so."""
    started = offered("**").functions["handle"](caller, outgoing(server, "/echo"), None)
    assert isinstance(started, Ok)
    assert await outcome_of(started.value) == Err(Case("HTTP-request-denied"))
    assert server.seen == []


async def test_the_guests_timeouts_count(caller: Caller, server: HttpServer) -> None:
    """A server that drips is given up after what the guest allows between two bytes."""
    options = RequestOptions(between_bytes_timeout=50_000_000)
    http = offered(f"{server.url}/**")
    started = http.functions["handle"](caller, outgoing(server, "/drip"), options)
    assert isinstance(started, Ok)
    outcome = await outcome_of(started.value)
    assert isinstance(outcome, Ok)
    with pytest.raises(StreamFailed) as failed:
        await body_of(outcome.value)
    assert failed.value.error.http_code == Case("HTTP-response-timeout")


async def test_a_body_that_never_ends_times_out(caller: Caller, server: HttpServer) -> None:
    """A guest that forgets to finish its body does not hold a task for ever."""
    request = outgoing(server, "/silent", method=Case("post"))
    request.take_body()
    options = RequestOptions(first_byte_timeout=30_000_000)
    started = offered(f"{server.url}/**").functions["handle"](caller, request, options)
    assert isinstance(started, Ok)
    assert await outcome_of(started.value) == Err(Case("HTTP-response-timeout"))


async def test_requests_are_counted_and_given_up(caller: Caller, server: HttpServer) -> None:
    """There is a bound; a dropped future makes room; a closed instance gives up the rest."""
    http = offered(f"{server.url}/**", policy=NetworkPolicy(connections=1))
    request = outgoing(server, "/drip")
    first = http.functions["handle"](caller, request, None)
    assert isinstance(first, Ok)
    refused = http.functions["handle"](caller, request, None)
    assert refused == Err(Case("connection-limit-reached"))
    first.value.close()
    with anyio.fail_after(30):
        while len(Exchanges.of(caller)):
            await anyio.lowlevel.checkpoint()
    second = http.functions["handle"](caller, request, None)
    assert isinstance(second, Ok)
    caller.instance.close()
    await anyio.wait_all_tasks_blocked()
    assert second.value.take() is None
