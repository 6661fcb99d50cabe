"""One request and its response on a checked connection, by h11.

Each step has a time of its own and ends with the whole at the latest: a server that drips holds its
guest no longer than one that says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import anyio
import anyio.abc
import h11
from airswasm.lifecycle.framing import HeadGate, check_framing
from airswasm.runtime import Holding

from .._effects import RunningEffect
from ..errors import AccessDenied, Disconnected, Malformed, OslError, TimedOut
from .requests import HeaderList, Request, latin

__all__ = ("Exchange", "Timeouts")

_READ_BYTES = 64 * 1024
_LARGE_READ_BYTES = 256 * 1024
"""At a time, where the whole body is wanted: each read costs a wait and a timer."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The most seconds that each step of a request may take.

    Attributes:
        connect: From the start until the connection stands, TLS included.
        first_byte: From then until the head of the response is there.
        between_bytes: From one part of a body to the next, in either direction.
        total: For all of it.
    """

    connect: float
    first_byte: float
    between_bytes: float
    total: float


class Exchange:
    """One request and its response.

    Args:
        request: The request.
        stream: The connection.
        close: Closes the connection at once.
        timeouts: The most seconds of each step.
        deadline: When all of it must be over, by the clock of the event loop.
        holding: The room of the exchange on the guest's account.

    Attributes:
        status: The status of the response; 0 before its head is there.
        headers: The headers of the response.
        trailers: The trailers, once its body was read.
        is_reused: Whether the connection has carried another request before.
        bytes_out: Bytes of the request's body that were sent.
        bytes_in: Bytes of the response's body that were read.
    """

    def __init__(
        self,
        request: Request,
        stream: anyio.abc.ByteStream,
        close: Callable[[], None],
        timeouts: Timeouts,
        deadline: float,
        holding: Holding | None = None,
    ) -> None:
        self.request = request
        self.status = 0
        self.headers: HeaderList = ()
        self.trailers: HeaderList = ()
        self.bytes_out = self.bytes_in = 0
        self._stream = stream
        self._close = close
        self._timeouts = timeouts
        self._deadline = deadline
        self._holding = holding
        self._gate = HeadGate()
        self._protocol = h11.Connection(h11.CLIENT)
        self._is_over = False
        self._denial: str | None = None
        self._has_heard = False
        self._read_bytes = _READ_BYTES
        self._effect: RunningEffect | None = None
        self.on_end: Callable[[Exchange], None] | None = None

    def record(self, effect: RunningEffect) -> None:
        """Have the record of the request end with the exchange."""
        self._effect = effect
        effect.outlive()

    # -- the request -------------------------------------------------------------------------

    async def begin(self) -> None:
        """Send the head of the request, and the body where it is there already.

        A server may answer, and close, before it has read everything; its answer counts.

        Raises:
            OslError: See `errors`.
        """
        with self._step(self._timeouts.between_bytes):
            events: list[h11.Event] = [self.request.head()]
            if self.request.body is not None:
                if self.request.body:
                    events.append(h11.Data(data=self.request.body))
                    self.bytes_out += len(self.request.body)
                events.append(h11.EndOfMessage())
            data = b"".join(self._protocol.send(event) or b"" for event in events)
            with suppress(anyio.BrokenResourceError):
                await self._stream.send(data)

    async def send(self, data: bytes) -> None:
        """Send a part of the request's body, and wait until the server's side has taken it.

        Raises:
            OslError: See `errors`; `Disconnected` if the server reads no more of it.
        """
        with self._step(self._timeouts.between_bytes):
            sent = self._protocol.send(h11.Data(data=data)) or b""
            try:
                await self._stream.send(sent)
            except anyio.BrokenResourceError as error:
                broken = error
            else:
                self.bytes_out += len(data)
                return
        text = f"{self.request.endpoint} takes no more of the body"
        raise self._denied() or Disconnected(text) from broken

    async def finish(self, trailers: HeaderList = ()) -> None:
        """End the request's body.

        Raises:
            OslError: See `errors`.
        """
        if self._protocol.our_state is not h11.SEND_BODY:
            return
        with self._step(self._timeouts.between_bytes):
            fields = [(name.encode("ascii"), latin(value)) for name, value in trailers]
            sent = self._protocol.send(h11.EndOfMessage(headers=fields)) or b""
            with suppress(anyio.BrokenResourceError):
                await self._stream.send(sent)

    # -- the response ------------------------------------------------------------------------

    async def head(self) -> None:
        """Wait for the head of the response.

        Raises:
            OslError: See `errors`.
        """
        with self._step(self._timeouts.first_byte):
            while True:
                event = await self._next()
                if isinstance(event, h11.Response):
                    check_framing(event)
                    self.status, self.headers = event.status_code, _texts(event.headers)
                    return
                if isinstance(event, h11.ConnectionClosed):
                    raise Disconnected("the server closed the connection without an answer")

    async def part(self) -> bytes:
        """Return more of the response's body; no bytes at its end.

        Raises:
            OslError: See `errors`.
        """
        if self._is_over and self._denial is None:
            return b""
        with self._step(self._timeouts.between_bytes):
            event = await self._next()
        if isinstance(event, h11.Data):
            self.bytes_in += len(event.data)
            return bytes(event.data)
        self._finished(event)
        return b""

    async def whole(self, take: Callable[[bytes], None]) -> None:
        """Pass the parts of the response's body on until its end, as one step.

        Args:
            take: Called with each part; what it raises ends the exchange.

        Raises:
            OslError: See `errors`.
        """
        self._read_bytes = _LARGE_READ_BYTES
        with self._step(self._timeouts.total):
            while isinstance(event := await self._next(), h11.Data):
                self.bytes_in += len(event.data)
                take(event.data)
        self._finished(event)

    def _finished(self, event: h11.Event) -> None:
        """End with the last event of a response.

        Raises:
            Disconnected: It is not its end.
        """
        if isinstance(event, h11.EndOfMessage):
            self.trailers = _texts(event.headers)
            self._end()
            return
        broken = Disconnected("the server closed the connection in the middle of the response")
        self.close(broken)
        raise broken

    async def _next(self) -> h11.Event:
        while True:
            event = self._protocol.next_event()
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                raise Disconnected("the server switched to another protocol")
            self._protocol.receive_data(await self._received())

    async def _received(self) -> bytes:
        """Return what the server has sent: a head on its own, then what follows as it comes."""
        if self._protocol.their_state is not h11.SEND_RESPONSE:
            return self._gate.rest() or await self._receive()
        head = self._gate.pass_on(b"")
        while not head:
            data = await self._receive()
            if not data:
                return b""
            head = self._gate.pass_on(data)
        return head

    async def _receive(self) -> bytes:
        try:
            data = await self._stream.receive(self._read_bytes)
        except anyio.EndOfStream:
            return b""
        self._has_heard = True
        return data

    # -- the end -----------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether the response was read to its end, or the exchange broken off."""
        return self._is_over

    @property
    def is_unheard(self) -> bool:
        """Whether the server has not sent a byte."""
        return not self._has_heard

    @property
    def is_reusable(self) -> bool:
        """Whether the connection may carry another request: both sides agree where this ended."""
        return (
            self._protocol.our_state is h11.DONE
            and self._protocol.their_state is h11.DONE
            and not self._protocol.trailing_data[0]
        )

    def deny(self, denial: str) -> None:
        """End it: what allowed it does so no longer."""
        self._denial = denial
        self.close(AccessDenied(denial))

    def close(self, error: BaseException | None = None) -> None:
        """Close the connection, whatever is under way. Doing so twice is harmless.

        Args:
            error: What went wrong, for the record; None where the guest needs no more.
        """
        if not self._is_over:
            self._close()
            self._end(error)

    def _end(self, error: BaseException | None = None) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._effect is not None:
            self._effect.sent(self.bytes_out)
            self._effect.received(self.bytes_in)
            self._effect.end(error)
        if self._holding is not None:
            self._holding.release()
        if self.on_end is not None:
            self.on_end(self)

    @contextmanager
    def _step(self, seconds: float) -> Generator[None]:
        """Bound a step, and turn what ends it into an error of this block."""
        endpoint = self.request.endpoint
        failure: OslError
        cause: Exception
        try:
            left = self._deadline - anyio.current_time()
            with anyio.fail_after(max(0.0, min(seconds, left))):
                yield
        except TimeoutError as error:
            failure, cause = TimedOut(), error
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as error:
            reason = str(error) or "it closed the connection"
            failure, cause = Disconnected(f"{endpoint}: {reason}"), error
        except h11.RemoteProtocolError as error:
            failure, cause = Disconnected(f"{endpoint} does not speak http: {error}"), error
        except h11.LocalProtocolError as error:
            failure, cause = Malformed(f"the request cannot be sent: {error}"), error
        except BaseException as error:
            self.close(error)
            raise
        else:
            return
        failure = self._denied() or failure
        self.close(failure)
        raise failure from cause

    def _denied(self) -> AccessDenied | None:
        return None if self._denial is None else AccessDenied(self._denial)


def _texts(headers: object) -> HeaderList:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]  # type: ignore[attr-defined]
