"""A guest may build a request, within bounds; it cannot smuggle anything into it."""

from __future__ import annotations

import anyio
import pytest
from airswasm.runtime import Caller
from airswasm.runtime._values import Case, Err, Ok
from airswasm.runtime.wasi import (
    BodyAbandoned,
    IncomingBody,
    IncomingRequest,
    OutgoingResponse,
    ResponseOutparam,
)
from airswasm.runtime.wasi._http import interfaces
from airswasm.runtime.wasi._http_fields import FIELDS_AT_MOST_BYTES, Fields, FieldsTooLarge
from airswasm.runtime.wasi._http_messages import FutureIncomingResponse, IncomingResponse
from airswasm.runtime.wasi._http_outgoing import WINDOW_BYTES, OutgoingBody
from airswasm.runtime.wasi._io import IoError, StreamClosed, StreamFailed, until_ready

TYPES, HANDLER = interfaces("0.2.12")


def call(name: str, *arguments: object) -> object:
    return TYPES.functions[name](Caller("test/http"), *arguments)


@pytest.mark.parametrize("name", ["Host", "transfer-encoding", "Connection", "Upgrade", "TE"])
def test_framing_and_routing_headers_are_forbidden(name: str) -> None:
    """Where a message ends and where it goes is never the guest's to say."""
    assert call("[method]fields.append", Fields(), name, b"x") == Err(Case("forbidden"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("a b", b""), ("", b""), ("a\r\nHost", b"x"), ("a", b"x\r\ny: z"), ("a", b"\x00"), ("ä", b"")],
)
def test_headers_cannot_split(name: str, value: bytes) -> None:
    """Line breaks, NUL and names that are no token are refused."""
    assert call("[method]fields.set", Fields(), name, [value]) == Err(Case("invalid-syntax"))


def test_names_are_one_whatever_their_case() -> None:
    """`set` replaces, `append` adds, `get` finds all spellings."""
    fields = Fields([("A", b"1")])
    assert call("[method]fields.append", fields, "a", b"2") == Ok(None)
    assert call("[method]fields.get", fields, "A") == [b"1", b"2"]
    assert call("[method]fields.set", fields, "a", [b"3"]) == Ok(None)
    assert call("[method]fields.entries", fields) == [("a", b"3")]
    assert call("[method]fields.delete", fields, "A") == Ok(None)
    assert call("[method]fields.has", fields, "a") is False


def test_headers_of_a_request_cannot_change() -> None:
    """What a request was made with is what will be checked."""
    fields = Fields([("a", b"1")])
    request = call("[constructor]outgoing-request", fields)
    headers = call("[method]outgoing-request.headers", request)
    assert call("[method]fields.set", headers, "a", [b"2"]) == Err(Case("immutable"))
    assert call("[method]fields.set", fields, "a", [b"2"]) == Ok(None)
    assert call("[method]fields.get", headers, "a") == [b"1"]


def test_headers_are_bounded() -> None:
    """A guest cannot make the host hold more than its bound in headers."""
    fields = Fields()
    assert fields.replace("a", [b"x" * (FIELDS_AT_MOST_BYTES // 2)]) is None
    with pytest.raises(FieldsTooLarge):
        fields.replace("b", [b"x" * FIELDS_AT_MOST_BYTES])
    assert fields.get("b") == []


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "", "/ä"])
def test_request_targets_are_checked(target: str) -> None:
    """A path or authority that could end the request line is refused."""
    request = call("[constructor]outgoing-request", Fields())
    assert call("[method]outgoing-request.set-path-with-query", request, target) == Err(None)
    assert call("[method]outgoing-request.set-authority", request, target) == Err(None)


def test_a_method_is_a_token() -> None:
    """`other` methods cannot smuggle a request line."""
    request = call("[constructor]outgoing-request", Fields())
    bad = Case("other", "GET / HTTP/1.1\r\nHost: evil\r\n\r\nGET")
    assert call("[method]outgoing-request.set-method", request, bad) == Err(None)
    good = Case("other", "PROPFIND")
    assert call("[method]outgoing-request.set-method", request, good) == Ok(None)
    assert call("[method]outgoing-request.method", request) == good


@pytest.mark.anyio
async def test_a_body_is_bounded_and_ends() -> None:
    """More than the bound fails with http's own code; after the end nothing is taken."""
    body = OutgoingBody(max_bytes=4)
    body.write(b"abcd")
    with pytest.raises(StreamFailed) as failed:
        body.permit_bytes()
    assert failed.value.error.http_code == Case("HTTP-request-body-size", 4)
    body.finish()
    assert await body.whole() == b"abcd"
    finished = OutgoingBody()
    assert call("[static]outgoing-body.finish", finished, None) == Ok(None)
    with pytest.raises(StreamClosed):
        finished.write(b"x")


def test_a_response_is_taken_once() -> None:
    """WASI's shape of a future: nothing, then the outcome, then an error."""
    future = FutureIncomingResponse()
    assert call("[method]future-incoming-response.get", future) is None
    response = IncomingResponse(200, Fields(), IncomingBody(b"hi", is_ended=True))
    future.complete(Ok(response))
    assert call("[method]future-incoming-response.get", future) == Ok(Ok(response))
    assert call("[method]future-incoming-response.get", future) == Err(None)


def test_without_a_provider_every_request_is_denied() -> None:
    """The guest gets wasi:http's own code for that."""
    request = call("[constructor]outgoing-request", Fields())
    assert HANDLER.functions["handle"](None, request, None) == Err(Case("HTTP-request-denied"))


def test_a_name_is_found_without_a_walk_over_the_others() -> None:
    """Names are looked up in a dictionary: to fill the fields first makes no search longer."""
    compared = 0

    class Name(str):
        __slots__ = ()

        def lower(self) -> str:
            nonlocal compared
            compared += 1
            return super().lower()

    fields = Fields((Name("a"), b"") for _ in range(1_900))
    compared = 0
    assert not fields.has(Name("b"))
    assert fields.get(Name("b")) == []
    assert fields.replace(Name("b"), [b""], keep=True) is None
    assert fields.replace(Name("b"), []) is None
    assert compared < 10


def test_the_size_of_fields_is_kept_in_step() -> None:
    """Whatever is added, replaced and deleted: what is left counts, and nothing else."""
    fields = Fields()
    for name, values, keep in (
        ("a", [b"1"], False), ("A", [b"22", b""], True), ("b", [b"x" * 9], True),
        ("a", [b"3"], False), ("b", [], False), ("c", [], False),
    ):  # fmt: skip
        assert fields.replace(name, values, keep=keep) is None
        expected = sum(32 + len(name) + len(value) for name, value in fields.entries())
        assert fields.held_bytes == expected
    assert fields.entries() == [("a", b"3")]


def test_a_value_that_never_fits_is_not_read() -> None:
    """Sizes are compared before a character is looked at."""
    with pytest.raises(FieldsTooLarge):
        Fields().replace("a", [b"\x00" * (FIELDS_AT_MOST_BYTES + 1)])


@pytest.mark.anyio
async def test_a_slow_peer_makes_a_guest_wait() -> None:
    """From the first byte that the host takes, no more than a window waits between the two."""
    body = OutgoingBody()
    body.write(b"x")
    assert await body.take() == b"x"
    written = 0
    while permit := body.permit_bytes():
        body.write(bytes(permit))
        written += permit
    assert written == WINDOW_BYTES
    assert not body.pollable().is_ready()
    assert len(await body.take()) == WINDOW_BYTES
    assert body.pollable().is_ready()
    body.finish([("x-sum", b"1")])
    assert await body.take() == b""
    assert body.trailers == [("x-sum", b"1")]


@pytest.mark.anyio
async def test_a_dropped_body_is_not_whole() -> None:
    """A guest that drops its body, or ends, has not finished it: no peer may take it for whole."""
    body = OutgoingBody()
    body.write(b"half")
    call_close(body)
    assert await body.take() == b"half"
    with pytest.raises(BodyAbandoned):
        await body.take()


def call_close(resource: object) -> None:
    TYPES.resources["outgoing-body"].drop(resource)


@pytest.mark.anyio
async def test_a_guest_that_does_not_read_makes_the_host_wait() -> None:
    """What arrives waits for the guest, up to a window; reading makes room."""
    body = IncomingBody()
    async with anyio.create_task_group() as group:
        arrived: list[int] = []

        async def arrive() -> None:
            for _ in range(4):
                await body.put(bytes(WINDOW_BYTES))
                arrived.append(WINDOW_BYTES)
            body.end([("x-sum", b"1")])

        group.start_soon(arrive)
        await anyio.wait_all_tasks_blocked()
        assert arrived == []
        stream = body.stream()
        assert isinstance(stream, Ok)
        total = 0
        while total < 4 * WINDOW_BYTES:
            part = stream.value.read(100_000)
            total += len(part)
            if not part:
                await until_ready(stream.value.pollable())
    with pytest.raises(StreamClosed):
        stream.value.read(1)
    trailers = call("[static]incoming-body.finish", body)
    outcome = call("[method]future-trailers.get", trailers)
    assert isinstance(outcome, Ok)
    assert outcome.value.value.entries() == [("x-sum", b"1")]
    assert call("[method]future-trailers.get", trailers) == Err(None)


@pytest.mark.anyio
async def test_nothing_is_put_for_a_guest_that_has_gone() -> None:
    """A dropped body tells the host so, also while it waits for room."""
    body = IncomingBody()
    async with anyio.create_task_group() as group:

        async def arrive() -> None:
            with pytest.raises(BodyAbandoned):
                await body.put(bytes(2 * WINDOW_BYTES))

        group.start_soon(arrive)
        await anyio.wait_all_tasks_blocked()
        body.close()
    with pytest.raises(StreamClosed):
        body.read(1)
    with pytest.raises(BodyAbandoned):
        await body.put(b"x")


@pytest.mark.anyio
async def test_a_body_that_broke_off_is_an_error() -> None:
    """What has arrived can be read; the end is the error, for stream and trailers alike."""
    body = IncomingBody(b"half")
    code = Case("HTTP-response-incomplete")
    body.fail(IoError("it broke off", http_code=code))
    assert body.read(10) == b"half"
    with pytest.raises(StreamFailed):
        body.read(10)
    trailers = call("[static]incoming-body.finish", body)
    assert call("[method]future-trailers.get", trailers) == Ok(Err(code))


@pytest.mark.anyio
async def test_a_served_request_and_its_answer() -> None:
    """A component reads what was asked, and answers once; who waits for it is told."""
    body = IncomingBody(b"in", is_ended=True)
    fields = Fields([("a", b"1")], is_immutable=True)
    request = IncomingRequest(Case("post"), "/x?y", Case("HTTP"), "h:1", fields, body)
    assert call("[method]incoming-request.method", request) == Case("post")
    assert call("[method]incoming-request.path-with-query", request) == "/x?y"
    assert call("[method]incoming-request.authority", request) == "h:1"
    assert isinstance(call("[method]incoming-request.consume", request), Ok)
    assert call("[method]incoming-request.consume", request) == Err(None)
    param, response = ResponseOutparam(), OutgoingResponse(Fields(), 201)
    async with anyio.create_task_group() as group:
        group.start_soon(param.answered)
        await anyio.wait_all_tasks_blocked()
        call("[static]response-outparam.set", param, Ok(response))
    assert param.outcome == Ok(response)
    silent = ResponseOutparam()
    TYPES.resources["response-outparam"].drop(silent)
    await silent.answered()
    assert silent.outcome is None
