"""A request that is safe to send: every part was parsed and checked.

The request is built from the checked parts of the URL, never from the guest's text: the host writes
the request line, `Host` and the length, and refuses headers that frame or route a message.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import urlsplit

import h11
from airswasm.runtime.wasi import field_problem
from airswasm.security import InvalidResource

from .._network.addresses import Endpoint
from .._network.spelling import METHOD, REFUSED_METHODS, read_url
from ..errors import LimitReached, Malformed

__all__ = ("PORTS", "HeaderList", "Request", "checked_headers", "latin")

HEADERS = 128
PORTS = {"http": 80, "https": 443}
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_OURS = frozenset({"content-length", "host"})

HeaderList: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is safe to send.

    Attributes:
        method: The method, in capitals.
        url: The URL as the guest gave it; grants are matched on it.
        scheme: `http` or `https`.
        endpoint: The server.
        target: Path and query.
        headers: The headers, without those that the host sets.
        body: The body to send; None for one that is sent in parts.
        length: The bytes of such a body, if they are known; else each part says its own.
    """

    method: str
    url: str
    scheme: str
    endpoint: Endpoint
    target: str
    headers: HeaderList
    body: bytes | None = b""
    length: int | None = None

    def within(self, traceparent: str) -> Request:
        """Return the request in a trace, if there is one."""
        if not traceparent:
            return self
        return replace(self, headers=(*self.headers, ("traceparent", traceparent)))

    @classmethod
    def read(
        cls,
        method: str,
        url: str,
        headers: HeaderList,
        body: bytes | None = b"",
        length: int | None = None,
    ) -> Request:
        """Read and check a guest's request.

        Raises:
            Malformed: A part of the request has no safe reading.
            LimitReached: There are too many headers.
        """
        try:
            read_url(url)
        except InvalidResource as error:
            raise Malformed(str(error)) from error
        name = method.upper()
        if METHOD.fullmatch(name) is None or name in REFUSED_METHODS:
            raise Malformed(f"{method!a} is not a permitted method")
        parts = urlsplit(url)
        endpoint = Endpoint(parts.hostname or "", parts.port or PORTS[parts.scheme])
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        checked = checked_headers(headers)
        return cls(name, url, parts.scheme, endpoint, target, checked, body, length)

    @property
    def resource(self) -> str:
        """Method and URL, as the guard has them."""
        return shlex.join((self.method, self.url))

    def spelled_at(self, host: str) -> str:
        """Return the resource of the same request to another host."""
        url = f"{self.scheme}://{self.endpoint.at(host)}{self.target.partition('?')[0]}"
        return shlex.join((self.method, url))

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.method in _REPEATABLE and self.body is not None

    def head(self) -> h11.Request:
        """Return the head to send."""
        headers = [
            (b"Host", self._host_header.encode()),
            *((name.encode(), latin(value)) for name, value in self.headers),
        ]
        if self.body is None:
            framing = (
                (b"Transfer-Encoding", b"chunked")
                if self.length is None
                else (b"Content-Length", str(self.length).encode())
            )
            headers.append(framing)
        elif self.body or self.method in _WITH_BODY:
            headers.append((b"Content-Length", str(len(self.body)).encode()))
        return h11.Request(method=self.method, target=self.target, headers=headers)

    @property
    def _host_header(self) -> str:
        host, port = self.endpoint.host, self.endpoint.port
        name = f"[{host}]" if ":" in host else host
        return name if port == PORTS[self.scheme] else f"{name}:{port}"


def checked_headers(headers: HeaderList) -> HeaderList:
    """Return the headers to send.

    Raises:
        Malformed: A header cannot be sent, or only the host may set it.
        LimitReached: There are too many.
    """
    if len(headers) > HEADERS:
        raise LimitReached(f"more than {HEADERS} headers")
    for name, value in headers:
        problem = field_problem(name, [latin(value)])
        if problem == "forbidden" and name.lower() not in _OURS:
            raise Malformed(f"only the host may set the header {name}")
        if problem == "invalid-syntax":
            raise Malformed(f"the header {name!a} has characters that cannot be sent")
    return [(name, value) for name, value in headers if name.lower() not in _OURS]


def latin(value: str) -> bytes:
    """Encode a header's value; text beyond Latin-1 has no agreed encoding.

    Raises:
        Malformed: It is beyond Latin-1.
    """
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        raise Malformed("a header has characters that cannot be sent") from None
