"""Packages from an https server: `https://host/path#sha256=…`, and what a hostile one may try."""

import gzip
import hashlib
import json
import pickle
import string
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from airswasm.lifecycle import (
    LifecycleError,
    SourceChanged,
    SourceFailed,
    SourceRefused,
    SourceSettings,
    SourceTooLarge,
    SourceUnknown,
)
from airswasm.lifecycle._sources.dialing import Dialer
from airswasm.lifecycle._sources.https import UrlSource
from airswasm.lifecycle._sources.urls import read_url as _read
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio

SETTINGS = SourceSettings()
BODY = b"the bytes of a package" * 100
SHA256 = hashlib.sha256(BODY).hexdigest()
Server = Any
"""`WebServer` of conftest, which pytest does not let tests import."""


def moved(location: str, status: str = "302 Found") -> bytes:
    return f"HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()


def plain(body: bytes, **headers: str) -> bytes:
    fields = {
        "content-length": str(len(body)),
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    lines = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body


async def fetch(server: Server, text: str = "", **settings: Any) -> Any:
    chosen = replace(server.settings, **settings)
    source = UrlSource(chosen, server.dialer(chosen))
    return await source.fetch(text or server.url(), lambda _count: None)


async def test_a_server_gives_the_bytes_and_their_digest(web_server: Server) -> None:
    """The digest is the pin, with or without one in the address."""
    web_server.answers["/p.airswasm"] = plain(BODY)
    async with web_server.running():
        for text in (web_server.url(), f"{web_server.url()}#sha256={SHA256}"):
            fetched = await fetch(web_server, text)
            assert fetched.content == BODY
            assert fetched.source == text
            assert fetched.pin == f"sha256:{SHA256}"
        source = UrlSource(web_server.settings)
        assert source.pinned(web_server.url(), fetched.pin) == f"{web_server.url()}#sha256={SHA256}"


async def test_other_bytes_than_pinned_are_refused(web_server: Server) -> None:
    """A good certificate changes nothing."""
    web_server.answers["/p.airswasm"] = plain(BODY + b"!")
    async with web_server.running():
        with pytest.raises(SourceChanged) as caught:
            await fetch(web_server, f"{web_server.url()}#sha256={SHA256}")
    assert caught.value.expected == f"sha256 {SHA256}"


SIZE = b"content-length: %d" % len(BODY)


@pytest.mark.parametrize(
    "fields",
    [
        (SIZE, SIZE),
        (SIZE, b"content-length: 1"),
        (SIZE, b"transfer-encoding: chunked"),
        (b"x: 1", b" folded: 2", SIZE),
        (b"x: \x00", SIZE),
        (b"x: 1\n" + SIZE,),
        (b"x: 1\r" + SIZE,),
        (b"transfer-encoding: gzip, chunked",),
    ],
)
async def test_a_head_with_two_readings_is_refused(
    web_server: Server, fields: tuple[bytes, ...]
) -> None:
    """A proxy before the server could have taken a part of the body for an answer of its own."""
    head = b"\r\n".join((b"HTTP/1.1 200 OK", *fields))
    web_server.answers["/p.airswasm"] = head + b"\r\n\r\n" + BODY
    async with web_server.running():
        with pytest.raises(SourceFailed, match="does not speak http as it should"):
            await fetch(web_server)


async def test_interim_answers_come_before_the_answer(web_server: Server) -> None:
    """Each has a head of its own, which is held to the same rules."""
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    web_server.answers["/p.airswasm"] = interim * 2 + plain(BODY)
    async with web_server.running():
        assert (await fetch(web_server)).content == BODY


async def test_redirects_are_followed_within_https(web_server: Server) -> None:
    """Relative ones too; the record says the address that was asked."""
    web_server.answers |= {
        "/p.airswasm": moved("/b"),
        "/b": moved("https://two.example:0/c?x=1"),
        "/c": plain(BODY),
    }
    async with web_server.running():
        web_server.answers["/b"] = moved(web_server.url("/c?x=1", "two.example"))
        fetched = await fetch(web_server)
    assert fetched.content == BODY
    assert fetched.source == web_server.url()
    assert [each.target for each in web_server.requests] == ["/p.airswasm", "/b", "/c?x=1"]


async def test_the_place_is_every_address_on_the_way(web_server: Server) -> None:
    """In one spelling each; a query on the way, or an escape with two readings, leaves none."""
    web_server.answers |= {
        "/p.airswasm": plain(BODY), "/%70.airswasm": plain(BODY), "/a": moved("/p.airswasm"),
        "/b": plain(BODY), "/c": moved("/p.airswasm?x=1"), "/x/%2e%2e/p.airswasm": plain(BODY),
    }  # fmt: skip
    async with web_server.running():
        place, two = web_server.url(), web_server.url("/b", "two.example")
        web_server.answers["/d"] = moved(two)
        for path, expected in {
            "/p.airswasm": place,
            f"/p.airswasm#sha256={SHA256}": place,
            "/%70.airswasm": place,
            "/a": f"{web_server.url('/a')} {place}",
            "/d": f"{web_server.url('/d')} {two}",
            "/b?x=1": "",
            "/c": "",
            "/x/%2e%2e/p.airswasm": "",
        }.items():
            assert (await fetch(web_server, web_server.url(path))).place == expected


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd", "http://one.example/x", "ftp://one.example/x", "gopher://one.example",
        "https://user:word@one.example/x", "https://one.example\\@two.example/x", "//127.1/x",
        "https://2130706433/", "https://0x7f.1/", "https://[::ffff:127.0.0.1%25lo]/", "data:,x",
        "https://127.0.0.1:99999/", "https://one.example:/", "https://①.example/",
    ],
)  # fmt: skip
async def test_a_redirect_leads_nowhere_else(web_server: Server, location: str) -> None:
    """Not to another scheme, nor to an address with two readings."""
    web_server.answers["/p.airswasm"] = moved(location.encode().decode("latin-1"))
    async with web_server.running():
        with pytest.raises(SourceRefused):
            await fetch(web_server)
    assert len(web_server.requests) == 1


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "10.1.2.3", "[::1]", "[fd00::1]", "0.0.0.0",
                "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "100.64.0.1", "224.0.0.1"],
)  # fmt: skip
async def test_addresses_inside_are_refused(web_server: Server, address: str) -> None:
    """In the text itself and in a redirect; only the configured network is open."""
    web_server.answers["/p.airswasm"] = moved(f"https://{address}:8443/latest/meta-data")
    source = UrlSource(replace(web_server.settings, internal_networks=()))
    with pytest.raises(SourceRefused, match="address"):
        await source.fetch(f"https://{address}/x", lambda _count: None)
    if address == "127.0.0.1":
        return  # the network that this server is in is open
    async with web_server.running():
        with pytest.raises(SourceRefused, match="address"):
            await fetch(web_server)
    assert len(web_server.requests) == 1


async def test_a_name_is_looked_up_once_and_all_its_addresses_count(web_server: Server) -> None:
    """A second answer of a resolver cannot lead elsewhere, nor a good address cover a bad one."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    asked = 0

    async def rebinding(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        return answers.pop(0)

    async def mixed(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "10.0.0.1"]

    web_server.answers["/p.airswasm"] = plain(BODY)
    async with web_server.running():
        text = web_server.url()
        source = UrlSource(web_server.settings, Dialer(web_server.settings, rebinding))
        assert (await source.fetch(text, lambda _count: None)).content == BODY
        assert asked == 1
        with pytest.raises(SourceRefused, match="private"):
            await UrlSource(web_server.settings, Dialer(web_server.settings, mixed)).fetch(
                text, lambda _count: None
            )


async def test_credentials_go_to_the_server_that_was_named_and_no_other(web_server: Server) -> None:
    """Neither to another host nor to another port of it."""
    async with web_server.running():
        text = web_server.url().replace("https://", "https://me:sesame@")
        for path, host in (("/same", "one.example"), ("/other", "two.example")):
            web_server.answers |= {
                "/p.airswasm": moved(web_server.url(path, host)), path: plain(BODY)
            }  # fmt: skip
            await fetch(web_server, text)
    sent = {each.target: each.headers.get("authorization") for each in web_server.requests}
    assert sent["/p.airswasm"] == sent["/same"] == "Basic bWU6c2VzYW1l"
    assert sent["/other"] is None
    first, _, _ = _read(web_server.url())
    assert not first.is_same_server(_read("https://one.example/p")[0])


async def test_a_netrc_has_logins_of_hosts(web_server: Server, no_credentials: Path) -> None:
    """Its default entry goes nowhere: a package's text may name any host."""
    (no_credentials / ".netrc").write_text(
        "machine one.example login me password sesame\ndefault login any password wide\n"
    )
    (no_credentials / ".netrc").chmod(0o600)
    web_server.answers["/p.airswasm"] = plain(BODY)
    async with web_server.running():
        await fetch(web_server)
        await fetch(web_server, web_server.url(host="two.example"))
    first, second = web_server.requests
    assert first.headers["authorization"] == "Basic bWU6c2VzYW1l"
    assert "authorization" not in second.headers


async def endless(_request: object, stream: anyio.abc.ByteStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await stream.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")


async def dripping(_request: object, stream: anyio.abc.ByteStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")
    await anyio.sleep_forever()


async def silent(_request: object, stream: anyio.abc.ByteStream) -> None:
    await anyio.sleep_forever()


@pytest.mark.parametrize(
    "answer", [endless, plain(b"x" * (2**20 + 1)), plain(b"", content_length=str(10**15))]
)
async def test_a_body_ends_at_the_limit(web_server: Server, answer: Any) -> None:
    """Counted while it arrives, or already where it is announced."""
    web_server.answers["/p.airswasm"] = answer
    async with web_server.running():
        with pytest.raises(SourceTooLarge) as caught:
            await fetch(web_server)
    assert caught.value.limit == "sources.most_bytes"


@pytest.mark.parametrize("answer", [dripping, silent])
async def test_a_server_that_drips_is_left(web_server: Server, answer: Any) -> None:
    """It must send at the least rate in each window."""
    web_server.answers["/p.airswasm"] = answer
    async with web_server.running():
        with pytest.raises(SourceTooLarge) as caught:
            await fetch(web_server, rate_window=0.2, least_rate=10**6)
    assert caught.value.limit == "sources.least_rate"


@pytest.mark.parametrize(
    "answer",
    [
        plain(BODY, content_length=str(len(BODY) + 1)),
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
        b"\0\1\2 no http at all\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"",
        plain(BODY).replace(b"200 OK", b"206 Partial"),
        plain(BODY).replace(b"200 OK", b"404 Not Found"),
        plain(BODY).replace(b"200 OK", b"304 Not Modified"),
    ],
)
async def test_a_broken_answer_is_an_error_of_the_source(web_server: Server, answer: bytes) -> None:
    """A short body, two lengths, no http: never bytes, never a traceback."""
    web_server.answers["/p.airswasm"] = answer
    async with web_server.running():
        with pytest.raises(SourceFailed):
            await fetch(web_server)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP, identity"])
async def test_nothing_is_decompressed(web_server: Server, coding: str) -> None:
    """So no small answer becomes a large one."""
    bomb = gzip.compress(bytes(64 * 2**20))
    web_server.answers["/p.airswasm"] = plain(bomb, content_encoding=coding)
    async with web_server.running():
        with pytest.raises(SourceRefused, match="compressed"):
            await fetch(web_server)
    assert web_server.requests[0].headers["accept-encoding"] == "identity"


async def test_redirects_end(web_server: Server) -> None:
    """A circle of them is left after five."""
    web_server.answers["/p.airswasm"] = moved("/p.airswasm")
    async with web_server.running():
        with pytest.raises(SourceFailed, match="more than 5"):
            await fetch(web_server)
    assert len(web_server.requests) == 6


async def test_a_certificate_that_is_not_trusted_is_said(web_server: Server) -> None:
    """By the reason that the check gives."""
    async with web_server.running():
        with pytest.raises(SourceFailed, match="not trusted"):
            await fetch(web_server, ca_file="")
        with pytest.raises(SourceFailed, match="not trusted"):
            await fetch(web_server, web_server.url(host="a.three.example"))


async def test_a_cancel_closes_the_connection(web_server: Server) -> None:
    """The server is told at once."""
    seen = anyio.Event()
    closed = anyio.Event()

    async def waits(_request: object, stream: anyio.abc.ByteStream) -> None:
        seen.set()
        try:
            await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            closed.set()

    web_server.answers["/p.airswasm"] = waits
    async with web_server.running(), anyio.create_task_group() as group:
        group.start_soon(fetch, web_server)
        await seen.wait()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await closed.wait()


@pytest.mark.parametrize(
    "text",
    [
        "https://", "https://a b/", "https://a\tb/", "https://a\n.example/", "https://exa\u2028mple/",
        "https://a.example\\@b.example/", "https://a@b@c.example/", "https://127.1/", "https://0/",
        "https://017700000001/", "https://0x7f000001/", "https://[1.2.3.4]/", "https://[::1", "https://::1/",
        "https://a..example/", "https://-a.example/", "https://a.example:x/", "https://a.example:0/",
        "https://①②⑦.0.0.1/", "https://a%2eexample/", "https://a.example/#sha256=abc",
        "https://a.example/#main", "https://a:%0d%0ax@b.example/",
    ],
)  # fmt: skip
async def test_an_address_with_two_readings_is_none(web_server: Server, text: str) -> None:
    """It is refused before anything is looked up."""
    async with web_server.running():
        with pytest.raises(SourceUnknown):
            await fetch(web_server, text)
    assert web_server.looked_up == []


SECRETS = st.text(string.ascii_letters + string.digits, min_size=6, max_size=30)


@given(secret=SECRETS, place=st.sampled_from(["password", "user", "query", "redirect"]))
def test_no_text_has_a_secret(secret: str, place: str) -> None:
    """Neither an error, its traceback, its JSON and pickle, nor the source and its repr."""
    secret = f"S3cr{secret}"
    text = {
        "password": f"https://me:{secret}@127.0.0.1:1/p",
        "user": f"https://{secret}@127.0.0.1:1/p",
        "query": f"https://127.0.0.1:1/p?token={secret}",
        "redirect": f"https://127.0.0.1:1/p?x#{secret}",
    }[place]
    shown: list[str] = []
    source = UrlSource(SETTINGS)
    for act in (source.canonical, lambda text: anyio.run(source.fetch, text, print)):
        try:
            shown.append(repr(act(text)))
        except LifecycleError as error:
            shown += [str(error), repr(error), error.hint, json.dumps(error.__dict__, default=repr)]
            shown += traceback.format_exception(error)
            shown.append(repr(pickle.loads(pickle.dumps(error)).__dict__))
    try:
        url, login, _ = _read(text)
        shown += [repr(url), str(url), repr(login), str(login)]
    except LifecycleError as error:
        shown.append(str(error))
    assert not any(secret in each for each in shown)
