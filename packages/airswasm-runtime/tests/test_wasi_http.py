"""A guest may build a request, within bounds; it cannot smuggle anything into it."""

from __future__ import annotations

import pytest
from airswasm.runtime import Caller
from airswasm.runtime._values import Case, Err, Ok
from airswasm.runtime.wasi._http import (
    FIELDS_AT_MOST_BYTES,
    Fields,
    FieldsTooLarge,
    FutureIncomingResponse,
    IncomingResponse,
    OutgoingBody,
    interfaces,
)
from airswasm.runtime.wasi._io import StreamClosed, StreamFailed

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


def test_a_body_is_bounded_and_ends() -> None:
    """More than the bound fails with http's own code; after the end nothing is taken."""
    body = OutgoingBody(max_bytes=4)
    body.write(b"abcd")
    with pytest.raises(StreamFailed) as failed:
        body.permit_bytes()
    assert failed.value.error.http_code == Case("HTTP-request-body-size", 4)
    assert body.data() == b"abcd"
    finished = OutgoingBody()
    assert call("[static]outgoing-body.finish", finished, None) == Ok(None)
    with pytest.raises(StreamClosed):
        finished.write(b"x")


def test_a_response_is_taken_once() -> None:
    """WASI's shape of a future: nothing, then the outcome, then an error."""
    future = FutureIncomingResponse()
    assert call("[method]future-incoming-response.get", future) is None
    response = IncomingResponse(200, Fields(), b"hi")
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
