"""HTTP requests as messages, for components that export a handler.

A request is a map, in a codec that the component accepts; so is the response. Binary codecs carry
bodies as bytes. JSON has no bytes: a body that is UTF-8 is a text there, and any other is in
`body_base64`. `docs/http.md` describes both maps for people.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from airswasm.messaging import Acceptance, InvalidPayload, codec_of, decode, encode
from airswasm.runtime.wasi import field_problem

from ..errors import ResponseMalformed
from .exchange import Asked, Headers

__all__ = ("Reply", "codec_for", "read_reply", "request_message")

_CODECS = ("json", "cbor", "msgpack")
_KEYS = frozenset({"status", "headers", "body", "body_base64"})
_LEAST, _MOST = 200, 599
_JSON = encode(0, "json")[:-1]
"""The prefix of payloads in JSON."""
_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response."""

    status: int
    headers: Headers
    body: bytes


def codec_for(acceptance: Acceptance) -> str | None:
    """Return the codec for a component's requests; None if it accepts none that has maps."""
    if acceptance.takes_any:
        return _CODECS[0]
    named = (acceptance.prefers, *acceptance.accepts)
    return next((each for each in named if each in _CODECS), None)


def request_message(asked: Asked, scheme: str, body: bytes, codec: str) -> bytes:
    """Return a request as the payload of a message."""
    message: dict[str, object] = {
        "method": asked.method,
        "scheme": scheme,
        "authority": asked.authority,
        "path": asked.path,
        "query": asked.query,
        "headers": [[name, value.decode("latin-1")] for name, value in asked.headers],
    }
    if codec != "json":
        message["body"] = body
        return encode(message, codec)
    try:
        message["body"] = body.decode()
    except UnicodeDecodeError:
        message["body_base64"] = base64.b64encode(body).decode()
    # `encode` would look for keys and numbers that JSON lacks; the map above has none.
    return _JSON + _write_json(message).encode()


def read_reply(component: str, payload: bytes | None) -> Reply:
    """Return the response that a component's reply stands for.

    A reply that is no payload of a codec with maps is the body itself; without a reply there is
    no content.

    Raises:
        ResponseMalformed: It is such a payload, and no response.
    """
    if payload is None:
        return Reply(204, (), b"")
    if codec_of(payload) not in _CODECS:
        return Reply(200, (("content-type", b"application/octet-stream"),), payload)
    try:
        value = decode(payload)
    except InvalidPayload:  # a text may begin as a codec does
        return Reply(200, (("content-type", b"application/octet-stream"),), payload)
    if not isinstance(value, Mapping):
        raise ResponseMalformed(component, "it is no map")
    members = cast("Mapping[object, object]", value)
    unknown = sorted(map(str, members.keys() - _KEYS))
    if unknown:
        known = ", ".join(sorted(_KEYS))
        raise ResponseMalformed(component, f"{unknown[0]!a} is none of its members: {known}")
    status = members.get("status", 200)
    if type(status) is not int or not _LEAST <= status <= _MOST:
        raise ResponseMalformed(component, f"its status is no number from {_LEAST} to {_MOST}")
    return Reply(status, _headers(component, members), _body(component, members))


def _headers(component: str, members: Mapping[object, object]) -> Headers:
    given = members.get("headers", ())
    pairs: object = given
    if isinstance(given, Mapping):
        pairs = list(cast("Mapping[object, object]", given).items())
    if not isinstance(pairs, list | tuple):
        raise ResponseMalformed(component, "its headers are neither a map nor a list of pairs")
    headers: list[tuple[str, bytes]] = []
    for pair in cast("list[object]", pairs):
        if not isinstance(pair, list | tuple) or len(cast("list[object]", pair)) != 2:
            raise ResponseMalformed(component, "a header is no pair of name and value")
        name, value = cast("tuple[object, object]", pair)
        if not isinstance(name, str) or not isinstance(value, str):
            raise ResponseMalformed(component, "a header's name and value are texts")
        try:
            content = value.encode("latin-1")
        except UnicodeEncodeError:
            raise ResponseMalformed(component, f"the header {name!a} is beyond Latin-1") from None
        if (problem := field_problem(name, [content])) is not None:
            raise ResponseMalformed(component, f"the header {name!a} is refused: {problem}")
        headers.append((name, content))
    return headers


def _body(component: str, members: Mapping[object, object]) -> bytes:
    body, coded = members.get("body", b""), members.get("body_base64")
    if coded is not None:
        try:
            return base64.b64decode(str(coded), validate=True)
        except binascii.Error:
            raise ResponseMalformed(component, "its body_base64 is not Base64") from None
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes):
        return body
    raise ResponseMalformed(component, "its body is neither text nor bytes")
