"""Requests in parts, connections that are used again, and servers that mean no good."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from airswasm.osl import BLOCK, Doorman, Http, HttpClient, NetworkPolicy
from airswasm.osl._http.http import OpenExchanges, RequestBody, ResponseBody, StepTimeouts
from airswasm.osl._http.idle import IdleConnections
from airswasm.runtime import Caller, Case, Engine, EngineConfig, Err, Ok
from airswasm.security import Grants, Guard, Kinds

KINDS = Kinds(BLOCK.capabilities)
NO_LIMITS = StepTimeouts(0, 0, 0, 0)
CHUNKED_END = re.compile(rb"\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n\Z")
HEAD_END = re.compile(rb"\r\n\r\n\Z")
HEAD = b"HTTP/1.1 200 OK\r\n"

pytestmark = pytest.mark.anyio


class Script:
    """A server that answers each request on a connection by the next of its answers.

    Attributes:
        seen: What it was sent, by connection.
    """

    def __init__(self, answers: list[bytes], *, is_closing: bool = False) -> None:
        self._answers = iter(answers)
        self._peers: list[socket.socket] = []
        self._is_closing = is_closing
        self.seen: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def serve(self) -> None:
        """Serve connections, each in a thread."""
        while True:
            try:
                peer, _ = self.listening.accept()
            except OSError:
                return
            number, self.seen = len(self.seen), [*self.seen, b""]
            self._peers.append(peer)
            threading.Thread(target=self._serve, args=(peer, number), daemon=True).start()

    def _serve(self, peer: socket.socket, number: int) -> None:
        request = b""
        with peer, suppress(OSError):
            while data := peer.recv(65_536):
                self.seen[number] += data
                request += data
                if (CHUNKED_END if b"chunked" in request else HEAD_END).search(request):
                    request = b""
                    peer.sendall(next(self._answers, b""))
                    if self._is_closing:
                        return

    def close(self) -> None:
        """End all connections."""
        for each in (self.listening, *self._peers):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.listening.close()


@contextmanager
def scripted(*answers: bytes, is_closing: bool = False) -> Iterator[Script]:
    """A server in a thread."""
    script = Script(list(answers), is_closing=is_closing)
    thread = threading.Thread(target=script.serve)
    thread.start()
    try:
        yield script
    finally:
        script.close()
        thread.join()


@pytest.fixture
async def caller(anyio_backend: str, cache_folder: Path) -> AsyncIterator[Caller]:
    """An instance of the smallest component there is."""
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        component = await engine.load(b"\0asm\x0d\0\x01\0", name="empty")
        caller = Caller("local/a")
        await component.link(()).instantiate(caller=caller)
        yield caller
        if not caller.instance.is_closed:
            caller.instance.close()


def offered(url: str, policy: NetworkPolicy | None = None) -> tuple[Guard, Callable[..., object]]:
    """A guard that grants a server, and the functions of the interface."""
    guard = Guard(KINDS, {"local/a": Grants({"http:request": (f"{url}/**",)})})
    policy = policy or NetworkPolicy()
    functions = Http(HttpClient(Doorman(guard), policy), policy).interface().functions
    return guard, lambda name, *arguments: functions[name](*arguments)


async def value(answer: object) -> object:
    found = await answer  # type: ignore[misc]
    assert isinstance(found, Ok), found
    return found.value


async def test_a_request_in_parts(caller: Caller) -> None:
    """Its parts go out as they are written, with the trailers; the response comes in parts."""
    body = b"5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n"
    answer = HEAD + b"Transfer-Encoding: chunked\r\nX-A: 1\r\n\r\n" + body
    with scripted(answer) as script:
        _, call = offered(script.url)
        headers = [("x-mine", "1")]
        opened = await value(call("open", caller, "PUT", f"{script.url}/x", headers, NO_LIMITS))
        assert isinstance(opened, RequestBody)
        for part in (b"ab", b"c"):
            await value(call("[method]request-body.write", caller, opened, part))
        response = await value(
            call("[method]request-body.finish", caller, opened, [("x-sum", "3")])
        )
        assert isinstance(response, ResponseBody)
        assert call("[method]response-body.status", caller, response) == 200
        assert ("x-a", "1") in call("[method]response-body.headers", caller, response)  # type: ignore[operator]
        assert call("[method]response-body.trailers", caller, response) == ()
        read = b""
        while part := await value(call("[method]response-body.read", caller, response, 2)):
            assert len(part) <= 2  # type: ignore[arg-type]
            read += part  # type: ignore[operator]
        assert read == b"hello!"
        trailers = call("[method]response-body.trailers", caller, response)
        assert trailers == [("x-sum", "6")]
        assert script.seen[0].endswith(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nx-sum: 3\r\n\r\n")
        assert len(OpenExchanges.of(caller)) == 0
        assert caller.account.descriptors == 0


async def test_a_dropped_request_closes_its_connection(caller: Caller) -> None:
    """A request that is not finished, a response that is not read, and an instance that ends."""
    with scripted(HEAD + b"Content-Length: 9\r\n\r\nhalf") as script:
        _, call = offered(script.url)

        async def opened() -> RequestBody:
            found = await value(call("open", caller, "PUT", f"{script.url}/x", [], NO_LIMITS))
            assert isinstance(found, RequestBody)
            return found

        (await opened()).close()
        assert (len(OpenExchanges.of(caller)), caller.account.descriptors) == (0, 0)
        response = await value(call("[method]request-body.finish", caller, await opened(), []))
        assert isinstance(response, ResponseBody)
        response.close()
        assert (len(OpenExchanges.of(caller)), caller.account.descriptors) == (0, 0)
        await opened()
        assert caller.account.descriptors == 1
        caller.instance.close()
        assert caller.account.descriptors == 0


async def test_a_withdrawn_grant_ends_what_is_under_way(caller: Caller) -> None:
    """The next part is refused, and says by what."""
    with scripted() as script:
        guard, call = offered(script.url)
        opened = await value(call("open", caller, "PUT", f"{script.url}/x", [], NO_LIMITS))
        guard.grant("local/a", Grants())
        answer = await call("[method]request-body.write", caller, opened, b"x")  # type: ignore[misc]
        assert isinstance(answer, Err)
        assert answer.value.name == "denied"


async def test_each_step_has_its_time(caller: Caller) -> None:
    """A response that does not begin, and one that pauses."""
    with scripted(b"", HEAD + b"Content-Length: 9\r\n\r\nhalf") as script:
        _, call = offered(script.url)
        late = (StepTimeouts(0, 50, 0, 0), StepTimeouts(0, 0, 50, 0))
        opened = await value(call("open", caller, "PUT", f"{script.url}/x", [], late[0]))
        answer = await call("[method]request-body.finish", caller, opened, [])  # type: ignore[misc]
        assert answer == Err(Case("timed-out"))
        opened = await value(call("open", caller, "PUT", f"{script.url}/x", [], late[1]))
        response = await value(call("[method]request-body.finish", caller, opened, []))
        assert await value(call("[method]response-body.read", caller, response, 9)) == b"half"
        answer = await call("[method]response-body.read", caller, response, 9)  # type: ignore[misc]
        assert answer == Err(Case("timed-out"))


async def test_a_connection_is_used_again(caller: Caller) -> None:
    """By the same component for the same server; not for a request that may not be repeated."""
    with scripted(*[HEAD + b"Content-Length: 2\r\n\r\nok"] * 4) as script:
        _, call = offered(script.url)
        for method in ("GET", "GET", "POST", "GET"):
            await value(call("request", caller, method, f"{script.url}/x", [], b"", 5_000))
        counts = [each.count(b"HTTP/1.1\r\n") for each in script.seen]
        assert counts[0] == 2
        assert sum(counts) <= 4
        assert 1 <= len(IdleConnections.of(caller, 4, 15.0)) <= 2
        caller.instance.close()
        assert caller.account.descriptors == 0


async def test_what_comes_unasked_is_no_answer(caller: Caller) -> None:
    """The next request would get it, and each after that the answer to the one before."""
    with scripted(*[HEAD + b"Content-Length: 2\r\n\r\nok"] * 3) as script:
        _, call = offered(script.url)
        for _ in range(3):
            answer = await value(call("request", caller, "GET", f"{script.url}/x", [], b"", 5_000))
            assert getattr(answer, "body", None) == b"ok"
            script._peers[-1].sendall(HEAD + b"Content-Length: 4\r\n\r\nevil")
        assert len(script.seen) == 3


async def test_a_connection_that_the_server_closed_is_no_error(caller: Caller) -> None:
    """The request goes out on another one."""
    answer = HEAD + b"Content-Length: 2\r\n\r\nok"
    with scripted(answer, answer, is_closing=True) as script:
        _, call = offered(script.url)
        for _ in range(2):
            await value(call("request", caller, "GET", f"{script.url}/x", [], b"", 5_000))
        assert len(script.seen) == 2


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: +2\r\n\r\nok",
        HEAD + b"X: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"X: \0\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"X : 1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"X: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\r\n" * 40_000,
    ],
)
async def test_a_response_with_two_readings_is_refused(caller: Caller, answer: bytes) -> None:
    """As a broken connection, with bounded memory, and nothing of it is used again."""
    with scripted(answer, is_closing=True) as script:
        _, call = offered(script.url)
        found = await call("request", caller, "GET", f"{script.url}/x", [], b"", 5_000)  # type: ignore[misc]
        assert isinstance(found, Err), found
        assert found.value.name == "disconnected"
        assert len(IdleConnections.of(caller, 4, 15.0)) == 0
        assert caller.account.descriptors == 0
