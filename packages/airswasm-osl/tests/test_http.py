"""One request, built by the host from checked parts, and its whole response."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme
from airswasm.actor import ActorSystem, Envelope, Message
from airswasm.osl import BLOCK, Doorman, Http, HttpClient, NetworkPolicy
from airswasm.runtime import Caller, Case, Err, Ok
from airswasm.security import Grants, Guard, Kinds

if TYPE_CHECKING:
    from conftest import HttpServer

KINDS = Kinds(BLOCK.capabilities)

pytestmark = pytest.mark.anyio


async def request(
    url: str,
    *,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    timeout_ms: int = 5_000,
    grant: str | None = None,
    policy: NetworkPolicy | None = None,
    resolve: object = None,
    tls: ssl.SSLContext | None = None,
):  # type: ignore[no-untyped-def]
    policy = policy or NetworkPolicy()
    patterns = (grant or f"{'/'.join(url.split('/')[:3])}/**",)
    guard = Guard(KINDS, {"local/a": Grants({"http:request": patterns})})
    options = {} if resolve is None else {"resolve": resolve}
    door = Doorman(guard, policy.internal_networks, **options)  # type: ignore[arg-type]
    http = Http(HttpClient(door, policy, tls), policy).interface()
    return await http.functions["request"](  # type: ignore[misc]
        Caller("local/a"), method, url, headers, body, timeout_ms
    )


async def test_a_request_and_its_response(server: HttpServer, anyio_backend: str) -> None:
    """Method, query, headers and body arrive; status, headers and body come back."""
    answer = await request(
        f"{server.url}/echo?a=1&b=%20", method="post", headers=[("X-Mine", "ü")], body=b"hello"
    )
    assert isinstance(answer, Ok)
    response = answer.value
    assert (response.status, response.body) == (200, b"hello")
    assert [value for name, value in response.headers if name == "x-twice"] == ["1", "2"]
    ((line, headers, body),) = server.seen
    assert line == "POST /echo?a=1&b=%20 HTTP/1.1"
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers["X-Mine"] == "ü"
    assert headers["Content-Length"] == "5"
    assert body == b"hello"


async def test_head_and_empty_bodies(server: HttpServer, anyio_backend: str) -> None:
    """A HEAD has no body to wait for, and an empty POST says so."""
    head = await request(f"{server.url}/echo", method="HEAD")
    assert isinstance(head, Ok)
    assert head.value.body == b""
    assert isinstance(await request(f"{server.url}/echo", method="POST"), Ok)
    assert server.seen[1][1]["Content-Length"] == "0"


async def test_redirects_are_answers(server: HttpServer, anyio_backend: str) -> None:
    """The host does not follow: going there is another request, to be checked."""
    answer = await request(f"{server.url}/redirect")
    assert isinstance(answer, Ok)
    assert answer.value.status == 302
    assert ("location", "http://169.254.169.254/latest/meta-data") in answer.value.headers
    assert len(server.seen) == 1


@pytest.mark.parametrize("name", ["Host", "host", "Content-Length"])
async def test_the_hosts_headers_are_the_hosts(
    server: HttpServer, name: str, anyio_backend: str
) -> None:
    """What a guest says about them does not arrive."""
    answer = await request(f"{server.url}/echo", method="POST", headers=[(name, "7")], body=b"ab")
    assert isinstance(answer, Ok)
    ((_, headers, body),) = server.seen
    assert (headers["Host"], headers["Content-Length"]) == (f"127.0.0.1:{server.port}", "2")
    assert body == b"ab"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", [("Transfer-Encoding", "chunked")]),
        ("GET", "/", [("Connection", "keep-alive, X-Secret")]),
        ("GET", "/", [("Upgrade", "websocket")]),
        ("GET", "/", [("X\r\nHost", "evil")]),
        ("GET", "/", [("X", "a\r\nHost: evil")]),
        ("GET", "/", [("X", "a\0b")]),
        ("GET", "/", [("", "a")]),
        ("GET", "/", [("X", "日本")]),
        ("GET http://evil/ HTTP/1.1\r\nX:", "/", []),
        ("CONNECT", "/", []),
        ("", "/", []),
        ("GET", "/a b", []),
        ("GET", "/a\r\nHost: evil", []),
        ("GET", "/\\@evil", []),
        ("GET", "/%2e%2e/secret", []),
        ("GET", "/../secret", []),
        ("GET", "/ü", []),
    ],
)
async def test_nothing_is_smuggled(
    server: HttpServer,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]],
    anyio_backend: str,
) -> None:
    """Whatever could mean another request or another place is refused before it is sent."""
    answer = await request(f"{server.url}{path}", method=method, headers=headers)
    assert isinstance(answer, Err)
    assert answer.value.name == "invalid"
    assert server.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://user@127.0.0.1/",
        "http://2130706433/",
        "http://127.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1/",
        "http:///",
        "http://127.0.0.1:x/",
    ],
)
async def test_odd_urls_have_no_reading(url: str, anyio_backend: str) -> None:
    """Schemes, users, and hosts that look like other hosts."""
    answer = await request(url, grant="**")
    assert isinstance(answer, Err)
    assert answer.value.name == "invalid"


async def test_a_name_that_leads_inside(server: HttpServer, anyio_backend: str) -> None:
    """DNS rebinding: the grant is for a name, the address decides."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    answer = await request(f"http://rebind.example:{server.port}/echo", resolve=resolve)
    assert isinstance(answer, Err)
    assert answer.value.name == "denied"
    assert server.seen == []


async def test_the_checked_address_is_used(server: HttpServer, anyio_backend: str) -> None:
    """The name is resolved once; Host still carries the name."""
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.255.255.1"]

    answer = await request(
        f"http://api.example:{server.port}/echo",
        resolve=resolve,
        policy=NetworkPolicy(internal_networks=("127.0.0.0/8",)),
    )
    assert isinstance(answer, Ok)
    assert asked == ["api.example"]
    assert server.seen[0][1]["Host"] == f"api.example:{server.port}"


async def test_tls_verifies_the_name(server: HttpServer, anyio_backend: str) -> None:
    """The connection goes to an address, the certificate must be for the name."""
    authority = trustme.CA()
    presented = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("api.example").configure_cert(presented)
    names: list[str | None] = []
    presented.sni_callback = lambda _socket, name, _context: names.append(name)
    server.socket = presented.wrap_socket(server.socket, server_side=True)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async def ask(host: str, tls: ssl.SSLContext):  # type: ignore[no-untyped-def]
        return await request(
            f"https://{host}:{server.port}/echo",
            resolve=resolve,
            tls=tls,
            policy=NetworkPolicy(internal_networks=("127.0.0.0/8",)),
        )

    answer = await ask("api.example", trusting)
    assert isinstance(answer, Ok)
    assert names == ["api.example"]
    for host, tls in (("other.example", trusting), ("api.example", ssl.create_default_context())):
        answer = await ask(host, tls)
        assert isinstance(answer, Err)
        assert answer.value.name == "disconnected"


async def test_an_endless_body_is_cut_off(server: HttpServer, anyio_backend: str) -> None:
    """The host holds no more than its bound, and says which."""
    answer = await request(f"{server.url}/endless", policy=NetworkPolicy(transfer_bytes=100_000))
    assert isinstance(answer, Err)
    assert answer.value.name == "limit-exceeded"


async def test_a_dripping_body_times_out(server: HttpServer, anyio_backend: str) -> None:
    """The time is for the whole exchange: a byte now and then does not extend it."""
    answer = await request(f"{server.url}/drip", timeout_ms=100)
    assert answer == Err(Case("timed-out"))


async def test_a_cancelled_request_ends(server: HttpServer, anyio_backend: str) -> None:
    """A guest that is stopped while it waits for a server stops waiting."""
    with anyio.move_on_after(0.1) as scope:
        await request(f"{server.url}/drip")
    assert scope.cancelled_caught


async def test_a_peer_that_speaks_no_http(server: HttpServer, anyio_backend: str) -> None:
    """Nonsense is a broken connection."""
    answer = await request(f"{server.url}/broken")
    assert isinstance(answer, Err)
    assert answer.value.name == "disconnected"


async def test_nothing_is_decompressed(server: HttpServer, anyio_backend: str) -> None:
    """A small answer stays small: decoding is the guest's affair, and fuel."""
    answer = await request(f"{server.url}/gzip")
    assert isinstance(answer, Ok)
    assert answer.value.body == b"not really"


async def test_proxies_of_the_environment_do_not_count(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> None:
    """A proxy would connect to wherever it likes."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert isinstance(await request(f"{server.url}/echo"), Ok)


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("own", [(), (("Traceparent", "the guest's"),)])
async def test_a_request_of_a_traced_message_is_in_its_trace(
    server: HttpServer, own: tuple[tuple[str, str], ...], anyio_backend: str
) -> None:
    """As a span of its own; what the guest says itself stays."""
    guard = Guard(KINDS, {"local/a": Grants({"http:request": (f"{server.url}/**",)})})
    policy = NetworkPolicy(internal_networks=("127.0.0.0/8",))
    async with ActorSystem() as system:
        system.receipts.trace(lambda _receipt: None, 0.0)
        client = HttpClient(
            Doorman(guard, policy.internal_networks), policy, tracing=system.tracing
        )
        caller = Caller("local/a")
        caller.message = message = Message(b"", envelope=Envelope("m", traceparent=PARENT))
        function = Http(client, policy).interface().functions["request"]
        answer = await function(caller, "get", f"{server.url}/echo", own, b"", 5_000)  # type: ignore[misc]
        assert isinstance(answer, Ok)
        trace = system.tracing.end(message, "local/a")

    ((_, headers, _),) = server.seen
    assert trace is not None
    said = {name.lower(): value for name, value in headers.items()}["traceparent"]
    if own:
        assert (said, trace.notes.sent) == ("the guest's", [])
    else:
        (sent,) = trace.notes.sent
        assert (sent.kind, sent.target) == ("client", "GET 127.0.0.1")
        assert said == f"{PARENT[:36]}{sent.span_id}-01"
