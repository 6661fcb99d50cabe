"""The door of the page: who gets a session, what it may do, and what other sites may not."""

from __future__ import annotations

import http.client
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from airswasm.cli._control.page_sessions import LINK_SECONDS, PageSessions
from airswasm.cli._control.tokens import Token, TokenFile
from airswasm.cli._hosts.remote_host import host_behind
from airswasm.cli._hosts.serving import Listening, serve
from airswasm.cli.errors import PageNotServed, RemoteFailure, SessionRefused
from airswasm.lifecycle import System
from airswasm.security import AuditQuery

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # uvicorn's


class Answer:
    """A status, headers and a body, of which JSON may be asked."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers = response.status, response.headers
        self.content = response.read()

    def json(self) -> Any:
        return json.loads(self.content)


class Browser:
    """What a browser sends: its cookies to every port, and the key of the page's own storage."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie, self.key = port, "", ""

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        sent = {"Cookie": self.cookie, "X-Airswasm-Key": self.key, **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        content = None if body is None else json.dumps(body)

        def work() -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request(method, path, content, {k: v for k, v in sent.items() if v})
                return Answer(connection.getresponse())
            finally:
                connection.close()

        return await anyio.to_thread.run_sync(work)

    async def sign_in(self, **secret: str) -> Answer:
        answer = await self.ask("POST", "/page/session", body=secret)
        if answer.status == 200:
            self.cookie = str(answer.headers["set-cookie"]).partition(";")[0]
            self.key = answer.json()["key"]
        return answer


class Stage:
    """A host of this process that listens on TCP."""

    def __init__(self, system: System, listening: Listening) -> None:
        self.system, self.listening = system, listening
        self.port = int(str(listening.address).rpartition(":")[2])
        assert listening.token_file is not None
        self.token = listening.token_file.read_text().strip()
        self.tokens = TokenFile(system.home.folder)
        self.host = host_behind(listening.socket)

    def browser(self) -> Browser:
        return Browser(self.port)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with System(tmp_path / "home") as system, serve(system, port=0) as listening:
        yield Stage(system, listening)


# -- sessions -------------------------------------------------------------------------------------


def sessions_of(tmp_path: Path) -> tuple[PageSessions, list[float], TokenFile]:
    now = [0.0]
    tokens = TokenFile(tmp_path)
    return PageSessions(tokens, Token.of_run("own"), clock=lambda: now[0]), now, tokens


def test_a_link_opens_one_session(tmp_path: Path) -> None:
    """A second use, a late one and a guess open none."""
    sessions, now, _ = sessions_of(tmp_path)
    secret = sessions.link("read")
    opened = sessions.open_by_link(secret)
    assert opened is not None
    assert opened.session.token.scope == "read"
    assert sessions.open_by_link(secret) is None
    late = sessions.link("read")
    now[0] = LINK_SECONDS
    assert sessions.open_by_link(late) is None
    assert sessions.open_by_link("guess") is None


def test_a_session_needs_both_of_its_secrets(tmp_path: Path) -> None:
    """A cookie goes to every port of this machine, and a key to a script of the page."""
    sessions, _, _ = sessions_of(tmp_path)
    one, two = sessions.open_by_token("own"), sessions.open_by_token("own")
    assert one is not None
    assert two is not None
    assert sessions.find(one.cookie, one.key) is one.session
    for cookie, key in [
        (one.cookie, two.key), (two.cookie, one.key), (one.cookie, ""), ("", one.key),
        (one.key, one.cookie),
    ]:  # fmt: skip
        assert sessions.find(cookie, key) is None


@pytest.mark.parametrize(("step", "times"), [(3_601.0, 1), (3_000.0, 15)])
def test_a_session_ends_when_it_is_idle_and_after_half_a_day(
    tmp_path: Path, step: float, times: int
) -> None:
    """Seen again and again, it lasts twelve hours; unseen, one."""
    sessions, now, _ = sessions_of(tmp_path)
    opened = sessions.open_by_token("own")
    assert opened is not None
    seen = []
    for _ in range(times):
        now[0] += step
        seen.append(sessions.find(opened.cookie, opened.key) is not None)
    assert seen == [each * step <= 43_200.0 and step < 3_600.0 for each in range(1, times + 1)]
    assert opened.session.over.is_set()


def test_a_session_ends_with_its_token(tmp_path: Path) -> None:
    """And not with another one."""
    sessions, _, tokens = sessions_of(tmp_path)
    for name in ("one", "two"):
        secret = tokens.create(name, "read").token
        opened = sessions.open_by_token(secret)
        assert opened is not None
        assert sessions.find(opened.cookie, opened.key) is opened.session
        if name == "one":
            first = opened
    tokens.revoke("two")
    assert sessions.find(first.cookie, first.key) is first.session
    assert sessions.find(opened.cookie, opened.key) is None


def test_sessions_and_links_are_bounded(tmp_path: Path) -> None:
    """The one that was longest unseen gives way."""
    sessions, _, _ = sessions_of(tmp_path)
    opened = [sessions.open_by_token("own") for _ in range(64)]
    assert all(each is not None for each in opened)
    first, second = opened[0], opened[1]
    assert first is not None
    assert second is not None
    assert sessions.find(first.cookie, first.key) is not None
    assert sessions.open_by_token("own") is not None
    assert sessions.find(first.cookie, first.key) is not None
    assert sessions.find(second.cookie, second.key) is None
    assert second.session.over.is_set()
    links = [sessions.link("read") for _ in range(17)]
    assert sessions.open_by_link(links[0]) is None
    assert sessions.open_by_link(links[1]) is not None


def test_a_page_that_is_off_has_no_session(tmp_path: Path) -> None:
    """One that is open ends."""
    is_on = [True]
    sessions = PageSessions(TokenFile(tmp_path), Token.of_run("own"), lambda: is_on[0])
    opened = sessions.open_by_token("own")
    assert opened is not None
    is_on[0] = False
    assert sessions.find(opened.cookie, opened.key) is None


# -- over TCP -------------------------------------------------------------------------------------


async def test_a_token_and_a_link_open_the_page(stage: Stage) -> None:
    """Each by its scope; the cookie is for the browser alone, and for no other site."""
    browser = stage.browser()
    assert (await browser.ask("GET", "/page/session")).status == 401
    answer = await browser.sign_in(token=stage.token)
    assert answer.status == 200
    cookie = str(answer.headers["set-cookie"]).lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert f"airswasm-session-{stage.port}=" in cookie
    assert (await browser.ask("GET", "/v1/status")).status == 200
    assert (await browser.ask("GET", "/page/session")).json()["scope"] == "all"
    link = str(stage.listening.link)
    other = stage.browser()
    assert (await other.sign_in(link=link.partition("#link=")[2])).status == 200
    assert (await stage.browser().sign_in(link=link.partition("#link=")[2])).status == 401
    lines = await anyio.to_thread.run_sync(
        lambda: list(stage.system.audit.query(AuditQuery("control"), last=10))
    )
    assert [each.reason for each in lines] == [
        "by the token control.token, of the scope all",
        "by the token page-link, of the scope all",
    ]


async def test_what_is_no_secret_opens_nothing(stage: Stage) -> None:
    """Whatever its form, and however long it is."""
    browser = stage.browser()
    for body in ({"token": "guess"}, {"token": ""}, {"token": None}, {"link": "x"}, {}, [], "x",
                 {"token": "x" * 5_000}, {"token": [stage.token]}):  # fmt: skip
        assert (await browser.ask("POST", "/page/session", body=body)).status == 401
    plain = {"Content-Type": "text/plain"}  # what a form of another site could send
    answer = await browser.ask("POST", "/page/session", plain, {"token": stage.token})
    assert answer.status == 401


async def test_a_token_that_may_look_at_nothing_gets_no_page(stage: Stage) -> None:
    """It is told which one does."""
    secret = stage.tokens.create("agent", "send", ["local/hello"]).token
    answer = await stage.browser().sign_in(token=secret)
    assert answer.status == 401
    assert "scope read" in answer.json()["error"]["message"]
    assert answer.json()["error"]["code"] == SessionRefused.explanation.code


@pytest.mark.parametrize("scope", ["monitoring", "read", "all"])
async def test_a_session_may_what_its_token_may(stage: Stage, scope: Any) -> None:
    """The document names the operations; asking for others is refused as for the token."""
    browser = stage.browser()
    assert (await browser.sign_in(token=stage.tokens.create("a", scope).token)).status == 200
    names = set((await browser.ask("GET", "/page/session")).json()["operations"])
    asked = {
        "watch_figures": ("GET", "/v1/host"), "status": ("GET", "/v1/status"),
        "drop_letters": ("DELETE", "/v1/dead-letters?letters=none"),
    }  # fmt: skip
    for name, (method, path) in asked.items():
        answer = await browser.ask(method, path)
        assert (answer.status == 403) == (name not in names), name
    assert ("status" in names) == (scope != "monitoring")
    assert ("drop_letters" in names) == (scope == "all")


async def test_a_session_of_another_browser_is_of_no_use(stage: Stage) -> None:
    """Neither its cookie with one's own key, nor the key without a cookie."""
    mine, theirs = stage.browser(), stage.browser()
    await mine.sign_in(token=stage.token)
    await theirs.sign_in(token=stage.token)
    for cookie, key in ((theirs.cookie, mine.key), ("", theirs.key), (theirs.cookie, "")):
        thief = stage.browser()
        thief.cookie, thief.key = cookie, key
        assert (await thief.ask("GET", "/v1/status")).status == 401
        assert (await thief.ask("DELETE", "/page/session")).status == 204  # and ends nothing
    assert (await theirs.ask("GET", "/v1/status")).status == 200
    await theirs.ask("DELETE", "/page/session")
    assert (await theirs.ask("GET", "/v1/status")).status == 401
    assert (await mine.ask("GET", "/v1/status")).status == 200


FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://127.0.0.1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # another port of this machine
    {"Host": "evil.example"},  # a name that leads to this machine
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "."},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_page_of_another_site_can_ask_for_nothing(
    stage: Stage, headers: dict[str, str]
) -> None:
    """With the session of this browser and its key; not even a new session."""
    browser = stage.browser()
    await browser.sign_in(token=stage.token)
    answer = await browser.ask("POST", "/v1/components/local/x/stop", headers)
    assert answer.status in (400, 403)
    assert (await browser.ask("GET", "/v1/status", headers)).status in (400, 403)
    body = {"token": stage.token}
    assert (await browser.ask("POST", "/page/session", headers, body)).status in (400, 403)


async def test_the_page_itself_is_anybody_s_and_says_nothing(stage: Stage) -> None:
    """Its files need no token, also after a link from elsewhere; under a foreign name, nothing."""
    browser = stage.browser()
    for path in ("/", "/page/main.js", "/page/page.css"):
        answer = await browser.ask("GET", path, {"Sec-Fetch-Site": "cross-site"})
        assert answer.status == 200
        assert "default-src 'none'" in str(answer.headers["content-security-policy"])
        assert (await browser.ask("GET", path, {"Host": "evil.example"})).status == 403
    assert (await browser.ask("GET", "/page/../control.token")).status in (400, 401, 404)
    assert (await browser.ask("GET", "/page/..%2fcontrol.token")).status in (400, 401, 404)


async def test_a_page_that_is_off_is_not_there(stage: Stage) -> None:
    """Neither its files nor a link; a session that is open ends."""
    browser = stage.browser()
    await browser.sign_in(token=stage.token)
    await stage.system.configure("monitoring.page", "off")
    await stage.system.reload()
    assert (await browser.ask("GET", "/v1/status")).status == 401
    answer = await browser.ask("GET", "/")
    assert (answer.status, b"monitoring.page on" in answer.content) == (404, True)
    with pytest.raises(RemoteFailure) as refused:
        await stage.host.page_link()
    assert refused.value.code == PageNotServed.explanation.code
    await stage.system.configure("monitoring.page", "on")
    await stage.system.reload()
    assert (await browser.ask("GET", "/")).status == 200


async def test_a_stream_ends_with_its_session(stage: Stage) -> None:
    """A browser that signs out in one tab reads no more in another one."""
    browser = stage.browser()
    await browser.sign_in(token=stage.token)

    def read(connection: http.client.HTTPConnection) -> bytes:
        connection.request(
            "GET", "/v1/watch", headers={"Cookie": browser.cookie, "X-Airswasm-Key": browser.key}
        )
        response = connection.getresponse()
        assert response.status == 200
        began.append(response.readline())
        anyio.from_thread.run_sync(has_begun.set)
        return response.read()  # to the end, which comes

    began: list[bytes] = []
    has_begun = anyio.Event()
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=60)
    async with anyio.create_task_group() as group:

        async def reading() -> None:
            try:
                await anyio.to_thread.run_sync(read, connection)
            except http.client.IncompleteRead:
                pass  # the application is told that the client is gone
            finally:
                connection.close()

        group.start_soon(reading)
        with anyio.fail_after(60):
            await has_begun.wait()
            assert json.loads(began[0])["part"] == "host"
            assert (await browser.ask("DELETE", "/page/session")).status == 204


async def test_a_link_needs_a_host_that_listens(tmp_path: Path) -> None:
    """The hint says how."""
    async with System(tmp_path / "home") as system, serve(system) as listening:
        assert listening.link is None
        with pytest.raises(RemoteFailure) as refused:
            await host_behind(listening.socket).page_link()
        assert refused.value.code == PageNotServed.explanation.code
        assert "--listen" in refused.value.hint


# -- over the socket ------------------------------------------------------------------------------


async def ask_socket(path: Path, request: str) -> tuple[int, bytes]:
    """The status and the body of a raw request over the socket."""
    async with await anyio.connect_unix(path) as stream:
        await stream.send(f"{request}\r\nConnection: close\r\n\r\n".encode())
        content = b""
        with anyio.fail_after(30):
            async for part in stream:
                content += part
    head, _, body = content.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("headers", "is_admitted"),
    [
        ("Host: host", True),
        ("Host: localhost:8080\r\nOrigin: http://localhost:8080", True),
        ("Host: 127.0.0.1:8080\r\nSec-Fetch-Site: same-origin", True),
        ("Host: evil.example:8080", False),
        ("Host: localhost:8080\r\nOrigin: http://evil.example", False),
        ("Host: localhost:8080\r\nOrigin: null", False),
        ("Host: localhost:8080\r\nSec-Fetch-Site: cross-site", False),
    ],
)
async def test_a_tunnel_to_the_socket_admits_no_other_site(
    stage: Stage, headers: str, is_admitted: bool
) -> None:
    """Programs and the page through a tunnel are admitted, without a session."""
    socket = stage.listening.socket
    status, _ = await ask_socket(socket, f"GET /v1/status HTTP/1.1\r\n{headers}")
    assert status == (200 if is_admitted else 403)
    if is_admitted:
        status, body = await ask_socket(socket, f"GET /page/session HTTP/1.1\r\n{headers}")
        assert (status, json.loads(body)["scope"]) == (200, "all")
        assert (await ask_socket(socket, f"GET / HTTP/1.1\r\n{headers}"))[0] == 200
