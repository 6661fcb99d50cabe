"""One request and its response on a client's connection, by h11.

The server hands an `Exchange` to what answers. Its methods wait for the client: `part` for more of
the request's body, `send` until the client has taken more of the response's. Each wait is bounded,
so that a client that drips holds a place, and nothing else, for a known time.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TypeAlias

import anyio
import anyio.abc
import h11
from airswasm.lifecycle.framing import HeadGate, check_framing
from airswasm.runtime.wasi import FORBIDDEN_FIELDS
from airswasm.security import InvalidResource

from .._network.spelling import read_path_of_url

__all__ = ("Asked", "BodyMalformed", "BodyTooLarge", "ClientGone", "Exchange", "Headers")

READ_BYTES = 64 * 1024
_MOST_AHEAD_BYTES = 64 * 1024
"""The most that a client may send of its next request before this one is answered."""

_HOP = frozenset(each.encode() for each in FORBIDDEN_FIELDS)
"""The fields that belong to the connection, as h11 names them."""
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~%!$&'()*+;=-]*)(?::[0-9]{0,5})?")
"""A host as RFC 9110 has it in `Host`, which may be empty; a comma would make a list."""

Headers: TypeAlias = Sequence[tuple[str, bytes]]


class ClientGone(Exception):
    """The client has closed the connection, or pauses for too long."""


class BodyTooLarge(Exception):
    """The body of the request has more bytes than its route allows."""


class BodyMalformed(Exception):
    """The body of the request has no safe reading."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The head of a request.

    Attributes:
        method: The method, as the client wrote it.
        path: The path in its one spelling, by which routes and grants are found.
        target: Path and query as the client wrote them.
        authority: The host and port that the client asked for.
        headers: All but those that belong to the connection.
        length: The bytes of the body, if the head says so; None if the end is marked.
    """

    method: str
    path: str
    target: str
    authority: str
    headers: Headers
    length: int | None

    @property
    def host(self) -> str:
        """The host that the client asked for, in small letters and without its port."""
        head, colon, port = self.authority.rpartition(":")
        return (head if colon and port.isdecimal() else self.authority).lower()

    @property
    def query(self) -> str:
        """The query, without its question mark."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        """Return the value of a header that is there once; else an empty text."""
        found = [value for each, value in self.headers if each == name]
        return found[0].decode("latin-1") if len(found) == 1 else ""

    @classmethod
    def read(cls, head: h11.Request) -> Asked:
        """Read a request's head.

        Raises:
            h11.RemoteProtocolError: It has no safe reading.
        """
        check_framing(head)
        if head.method == b"CONNECT":
            raise h11.RemoteProtocolError("no tunnels are made", error_status_hint=501)
        target = head.target.decode("ascii")
        path = target.partition("?")[0]
        if not path.startswith("/") or "#" in target:
            raise h11.RemoteProtocolError("the target is no path")
        try:
            spelled = read_path_of_url(path)
        except InvalidResource as error:
            raise h11.RemoteProtocolError(f"the path is refused: {error.reason}") from error
        named_all = list(head.headers)
        named = dict(named_all)
        authority = named.get(b"host", b"")
        if _AUTHORITY.fullmatch(authority) is None:
            raise h11.RemoteProtocolError("the Host is no host with a port")
        length = named.get(b"content-length")
        coded = b"transfer-encoding" in named
        headers = [(name.decode("ascii"), value) for name, value in named_all if name not in _HOP]
        return cls(
            head.method.decode("ascii"),
            spelled,
            target,
            authority.decode("ascii"),
            headers,
            None if coded else int(length or b"0"),
        )


class Exchange:
    """One request and its response.

    Args:
        stream: The client's connection.
        gate: What the client has sent of the head goes through it.
        idle_timeout: Seconds that the client may pause.

    Attributes:
        status: The status of the response; 0 before it has begun.
        bytes_in: Bytes of the request's body that were read.
        bytes_out: Bytes of the response's body that were sent.
        body_bytes: The most that the request's body may have.
        is_gone: Whether the client has gone.
        ends_at: When the request must be answered, by anyio's clock.
    """

    def __init__(self, stream: anyio.abc.ByteStream, gate: HeadGate, idle_timeout: float) -> None:
        self._asked: Asked | None = None
        self.status = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.body_bytes = 0
        self.is_gone = False
        self.ends_at = math.inf
        self._stream = stream
        self._gate = gate
        self._idle_timeout = idle_timeout
        self._protocol = h11.Connection(h11.SERVER)
        self._ahead = bytearray()
        self._has_body = True
        self._is_bodiless = False
        self._sending = 0
        self._is_answered = False

    @property
    def asked(self) -> Asked:
        """The head of the request, once it was read."""
        if self._asked is None:
            raise LookupError("no request was read")
        return self._asked

    # -- the request -------------------------------------------------------------------------

    async def head(self, rest: bytes, head_timeout: float, resting: anyio.CancelScope) -> bool:
        """Read the head; return False if the client closes before it begins one.

        Args:
            rest: What the client has sent after its last request.
            head_timeout: Seconds for the head, from its first byte on.
            resting: The scope of the connection, which is cancelled if none begins in time: to
                move its deadline costs less than a scope for each request.

        Raises:
            h11.RemoteProtocolError: It is refused.
            TimeoutError: It does not arrive in time.
        """
        data = rest
        if not data:
            resting.deadline = anyio.current_time() + self._idle_timeout
            data = await self._receive()
            resting.deadline = math.inf
            if not data:
                return False
        head = self._gate.pass_on(data)
        if not head:  # as a rule it is there at once
            with anyio.fail_after(head_timeout):
                while not head:
                    data = await self._receive()
                    if not data:
                        return False
                    head = self._gate.pass_on(data)
        self._protocol.receive_data(head + self._gate.rest())
        event = self._protocol.next_event()
        if not isinstance(event, h11.Request):
            raise h11.RemoteProtocolError("that is no request")
        self._asked = Asked.read(event)
        return True

    @property
    def has_more(self) -> bool:
        """Whether the end of the request's body was not read yet."""
        return self._has_body

    def arrived(self) -> bytes:
        """Return what is there of the request's body, without waiting. Raises as `part`."""
        body = bytearray()
        while self._has_body and (part := self._next_part()) is not None:
            body += part
        return bytes(body)

    async def part(self) -> bytes:
        """Return more of the request's body; no bytes at its end.

        Raises:
            BodyMalformed: Its chunks cannot be read.
            BodyTooLarge: It has more than `body_bytes`.
            ClientGone: The client closed the connection before its end, or pauses too long.
            TimeoutError: The request's time is over.
        """
        while self._has_body:
            if (part := self._next_part()) is not None:
                return part
            if self._protocol.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._write(self._protocol.send(go_on) or b"")  # the status stays 0
            data = b""
            with self._patience() as scope:
                data = await self._receive()
            if scope.cancelled_caught or not data:
                raise self._given_up()
            self._protocol.receive_data(data)
        return b""

    def _next_part(self) -> bytes | None:
        """Return a part of the body, which is empty at its end; None if more must arrive."""
        if (self.asked.length or 0) > self.body_bytes:
            raise BodyTooLarge
        try:
            event = self._protocol.next_event()
        except h11.RemoteProtocolError as error:
            raise BodyMalformed(str(error)) from error
        if isinstance(event, h11.Data):
            self.bytes_in += len(event.data)
            if self.bytes_in > self.body_bytes:
                raise BodyTooLarge
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            self._has_body = False
            return b""
        return None

    async def whole(self) -> bytes:
        """Return the request's whole body. Raises as `part`."""
        body = bytearray()
        while part := await self.part():
            body += part
        return bytes(body)

    async def gone(self) -> None:
        """Wait until the client has closed the connection; after the body's end."""
        while len(self._ahead) < _MOST_AHEAD_BYTES:
            data = await self._receive()
            if not data:
                self._gone()
                return
            self._ahead += data
        await anyio.sleep_forever()

    # -- the response ------------------------------------------------------------------------

    async def begin(self, status: int, headers: Headers, length: int | None = None) -> None:
        """Send the head of the response.

        Args:
            status: Its status, 200 to 599.
            headers: Its headers, without those that belong to the connection.
            length: The bytes of its body, where they are known.

        Raises:
            ClientGone: The client has gone.
            h11.LocalProtocolError: No such response can be sent.
        """
        await self._write(self._head(status, headers, length))

    def _head(self, status: int, headers: Headers, length: int | None) -> bytes:
        sent = self._fields(status, headers, length)
        if self._is_left_unread:
            sent.append((b"connection", b"close"))
        response = h11.Response(status_code=status, headers=sent, reason=_phrase(status))
        return self._protocol.send(response) or b""

    def _fields(
        self, status: int, headers: Headers, length: int | None
    ) -> list[tuple[bytes, bytes]]:
        """Return the fields of a response that is about to be sent."""
        sent = [
            (name.encode("ascii"), value)
            for name, value in headers
            if name.lower() not in FORBIDDEN_FIELDS
        ]
        names = {name.lower() for name, _ in sent}
        if b"date" not in names:
            sent.append((b"date", _date(int(time.time()))))
        self._is_bodiless = status in (204, 304) or self.asked.method == "HEAD"
        if length is not None and b"content-length" not in names and status != 204:
            sent.append((b"content-length", b"%d" % length))
        self._sending = status
        return sent

    async def send(self, data: bytes) -> None:
        """Send a part of the response's body, and wait until the client has taken it.

        Raises:
            ClientGone: The client has gone, or does not read.
            h11.LocalProtocolError: It is more than the head says.
        """
        if not self._is_bodiless:
            self.bytes_out += len(data)
            await self._write(self._protocol.send(h11.Data(data=data)) or b"")

    async def end(self, trailers: Headers = ()) -> None:
        """End the response. Raises as `send`; also if it is less than the head says."""
        fields = [(name.encode("ascii"), value) for name, value in trailers]
        await self._write(self._protocol.send(h11.EndOfMessage(headers=fields)) or b"")

    async def answer(self, status: int, body: bytes, headers: Headers = ()) -> None:
        """Send a whole response in one piece. Raises as `begin` and `send`.

        Nothing is left for h11 to do where the length is the body's own: its state machine would
        take a fifth of the request's time.
        """
        if any(name.lower() == "content-length" for name, _ in headers):
            await self._write(self._head(status, headers, len(body)) + self._rest_of(body))
            return
        fields = self._fields(status, headers, len(body))
        if self._protocol.their_state is not h11.DONE:
            fields.append((b"connection", b"close"))
        lines = b"".join(b"%b: %b\r\n" % field for field in fields)
        sent = b"" if self._is_bodiless else body
        self.bytes_out += len(sent)
        self._is_answered = True
        phrase = _phrase(status).encode()
        await self._write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, phrase, lines, sent))

    def _rest_of(self, body: bytes) -> bytes:
        """Return what follows the head of a response, where h11 compares it with the head."""
        data = b""
        if body and not self._is_bodiless:
            self.bytes_out += len(body)
            data = self._protocol.send(h11.Data(data=body)) or b""
        return data + (self._protocol.send(h11.EndOfMessage()) or b"")

    async def refuse(self, status: int, headers: Headers = ()) -> None:
        """Answer in the component's place, and end the connection; without effect once it answers.

        The component may have got into the protocol's way, so this goes around it.
        """
        if self.status:
            return
        phrase = _phrase(status)
        text = f"{status} {phrase}\n"
        lines = [f"HTTP/1.1 {status} {phrase}", "content-type: text/plain; charset=utf-8"]
        lines += [f"{name}: {value.decode('latin-1')}" for name, value in headers]
        lines += [f"content-length: {len(text)}", "connection: close", "", ""]
        is_bodiless = self._asked is not None and self._asked.method == "HEAD"
        self._sending = status
        with suppress(ClientGone):
            await self._write("\r\n".join(lines).encode() + (b"" if is_bodiless else text.encode()))

    @property
    def is_done(self) -> bool:
        """Whether the response was sent whole, so that another request may follow."""
        is_sent = self._is_answered or self._protocol.our_state is h11.DONE
        return is_sent and self._protocol.their_state is h11.DONE

    def rest(self) -> bytes:
        """Return what the client has sent after the request."""
        return bytes(self._protocol.trailing_data[0]) + bytes(self._ahead)

    # -- the connection ----------------------------------------------------------------------

    @property
    def _is_left_unread(self) -> bool:
        """Whether a part of the request's body is never going to be read."""
        return self._protocol.their_state is h11.SEND_BODY and self.asked.length != 0

    async def _receive(self) -> bytes:
        try:
            return await self._stream.receive(READ_BYTES)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            return b""

    async def _write(self, data: bytes) -> None:
        if not data:
            return
        self.status = self._sending
        with self._patience() as scope:
            try:
                await self._stream.send(data)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as error:
                raise self._gone() from error
        if scope.cancelled_caught:
            raise self._given_up()

    def _patience(self) -> anyio.CancelScope:
        """Return a scope for one wait for the client, which ends with the request's time, too."""
        return anyio.CancelScope(
            deadline=min(anyio.current_time() + self._idle_timeout, self.ends_at)
        )

    def _given_up(self) -> Exception:
        """Return the error of a wait that has ended: the client's pause, or the request's time."""
        return TimeoutError() if anyio.current_time() >= self.ends_at else self._gone()

    def _gone(self) -> ClientGone:
        self.is_gone = True
        return ClientGone()


_PHRASES = {each.value: each.phrase for each in HTTPStatus}


def _phrase(status: int) -> str:
    return _PHRASES.get(status, "")  # empty for one that no registry has


@lru_cache(maxsize=1)
def _date(seconds: int) -> bytes:
    """Return the value of `Date`, which is the same for all responses of a second."""
    return formatdate(seconds, usegmt=True).encode()
