"""The bodies that guests send: `outgoing-body`, of a request or a response.

A body has two ends. The guest's are the functions of a stream, which never wait in Python; the
host's is `async`. What a guest has written and the host has not taken yet is on the guest's account
and bounded by a window, so that a slow peer makes a fast guest wait.

A body that is written before the host takes any of it is collected whole, up to a bound: many
guests write all of it and hand the message over afterwards, and would wait for ever at a window.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._account import OBJECT_BYTES, Account
from .._values import Case, Err, Ok
from ..errors import AccountExceeded
from ._io import (
    WRITE_PERMIT_BYTES,
    IoError,
    Pollable,
    StreamClosed,
    StreamFailed,
    until_ready,
)
from ._watching import Watchers, When

BODY_AT_MOST_BYTES = 16 * 1024 * 1024
WINDOW_BYTES = 2 * WRITE_PERMIT_BYTES
"""The most that waits between a guest and a peer that has begun to take it."""
_GROWTH = 2
"""A body takes its bytes twice while it is sent."""

Trailers = list[tuple[str, bytes]]


class BodyAbandoned(Exception):
    """The other end of a body is gone: what was sent, or is to come, is not whole."""


class OutgoingBody:
    """The `outgoing-body` resource, and the output stream to it: a guest writes, the host takes.

    Args:
        max_bytes: The most that is collected before the host takes from it.
        account: The account of what is collected.
    """

    def __init__(self, max_bytes: int = BODY_AT_MOST_BYTES, account: Account | None = None) -> None:
        self.trailers: Trailers = []
        self._holding = account.hold(OBJECT_BYTES) if account is not None else None
        self._data = bytearray()
        self._max_bytes = max_bytes
        self._has_stream = False
        self._is_taken = False
        self._is_finished = False
        self._failure: StreamFailed | StreamClosed | None = None
        self._is_abandoned = False
        self._takers = Watchers()
        self._writers = Watchers()

    # -- the host's end ----------------------------------------------------------------------

    @property
    def is_finished(self) -> bool:
        """Whether the guest has written all of it."""
        return self._is_finished

    @property
    def is_over(self) -> bool:
        """Whether nothing is written to it any more."""
        return self._is_finished or self._is_abandoned or self._failure is not None

    @property
    def waiting_bytes(self) -> int:
        """The bytes that the host has not taken yet."""
        return len(self._data)

    async def begun(self) -> None:
        """Wait until it is finished, or so much is written that a window is full."""
        await until_ready(When(self._is_full, self._takers))

    async def take(self) -> bytes:
        """Return what the guest has written since; no bytes at the end.

        Raises:
            BodyAbandoned: The guest dropped the body, or has ended, before it was finished.
        """
        self._is_taken = True
        if not self._has_more():
            await until_ready(When(self._has_more, self._takers))
        if not self._data:
            if not self._is_finished:
                raise BodyAbandoned
            return b""
        data, self._data = bytes(self._data), bytearray()
        if self._holding is not None:
            self._holding.resize(OBJECT_BYTES)
        self._writers.changed()
        return data

    async def whole(self) -> bytes:
        """Return everything that was written, once the guest has finished.

        Raises:
            BodyAbandoned: As `take`.
        """
        data = bytearray()
        while part := await self.take():
            data += part
        return bytes(data)

    def refuse(self, error: IoError | None = None) -> None:
        """Take no more: writing fails from now on, or finds the stream closed without an error."""
        if self._failure is None:
            self._failure = StreamClosed() if error is None else StreamFailed(error)
        self._data = bytearray()
        self._tell()

    # -- the guest's end ---------------------------------------------------------------------

    def stream(self) -> Ok[OutgoingStream] | Err[None]:
        """Return the stream to write to, once."""
        if self._has_stream:
            return Err(None)
        self._has_stream = True
        return Ok(OutgoingStream(self))

    def finish(self, trailers: Iterable[tuple[str, bytes]] = ()) -> None:
        """End the body, with trailers."""
        self.trailers = list(trailers)
        self._is_finished = True
        self._tell()

    def close(self) -> None:
        """Note that the guest has dropped it; one that was not finished is not whole."""
        self._is_abandoned = not self._is_finished
        self._tell()

    def permit_bytes(self) -> int:
        """Return what may be written now; too large a body fails."""
        if self._failure is not None:
            raise self._failure
        if self._is_finished:
            raise StreamClosed
        room = self._room()
        if room < 0:
            raise self._too_large()
        return min(WRITE_PERMIT_BYTES, room)

    def write(self, data: bytes) -> None:
        """Collect `data`."""
        self.permit_bytes()
        if self._holding is not None:
            size_bytes = OBJECT_BYTES + _GROWTH * (len(self._data) + len(data))
            try:
                self._holding.resize(size_bytes)
            except AccountExceeded:
                raise self._too_large() from None
        self._data += data
        self._takers.changed()

    @property
    def has_room(self) -> bool:
        """Whether one write of any permitted size fits without waiting; or fails without it."""
        return not 0 <= self._room() < WRITE_PERMIT_BYTES or self.is_over

    def pollable(self) -> Pollable:
        """Return one that is ready while something may be written."""
        return When(self._can_write, self._writers)

    def _can_write(self) -> bool:
        return self._room() != 0 or self.is_over

    def _has_more(self) -> bool:
        return bool(self._data) or self.is_over

    def _is_full(self) -> bool:
        return len(self._data) >= WINDOW_BYTES or self.is_over

    def _room(self) -> int:
        """Return the bytes that may be written; less than 0 where waiting would not help."""
        most = WINDOW_BYTES if self._is_taken else self._max_bytes
        room = most - len(self._data)
        if self._holding is not None:
            room = min(room, self._holding.room_bytes // _GROWTH)
        if room > 0:
            return room
        return 0 if self._is_taken and self._data else -1

    def _tell(self) -> None:
        self._takers.changed()
        self._writers.changed()

    def _too_large(self) -> StreamFailed:
        too_large = Case("HTTP-request-body-size", self._max_bytes)
        return StreamFailed(IoError("the request body is too large", http_code=too_large))


class OutgoingStream:
    """The output stream of a body; dropping it leaves the body to be finished."""

    __slots__ = ("_body",)

    def __init__(self, body: OutgoingBody) -> None:
        self._body = body

    @property
    def waits(self) -> bool:
        """Whether writing may have to wait for the host to take what is there."""
        return not self._body.has_room

    def permit_bytes(self) -> int:
        """Return what may be written now."""
        return self._body.permit_bytes()

    def write(self, data: bytes) -> None:
        """Collect `data`."""
        self._body.write(data)

    def flush(self) -> None:
        """Have nothing to do: the host takes what there is."""

    def pollable(self) -> Pollable:
        """Return one that is ready while something may be written."""
        return self._body.pollable()
