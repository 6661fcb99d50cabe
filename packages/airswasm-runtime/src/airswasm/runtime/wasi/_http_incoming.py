"""The bodies that guests get: `incoming-body`, of a request or a response.

The host puts what arrives, and waits while the guest does not read: what waits in between is
bounded by a window and on the guest's account. Trailers are known when all of it was received.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._account import OBJECT_BYTES, Account, Holding
from .._values import Case, Err, Ok
from ._http_fields import Fields
from ._http_outgoing import WINDOW_BYTES, BodyAbandoned, Trailers
from ._io import IoError, Pollable, StreamClosed, StreamFailed, until_ready
from ._watching import Watchers, When


class IncomingBody:
    """The `incoming-body` resource, and the input stream from it: the host puts, a guest reads.

    Args:
        data: What is there already.
        is_ended: Whether that is all of it.
        holding: What keeps `data` on an account.
    """

    __slots__ = (
        "_data",
        "_error",
        "_givers",
        "_has_stream",
        "_holding",
        "_is_abandoned",
        "_is_discarded",
        "_is_ended",
        "_readers",
        "_trailers",
    )

    def __init__(
        self, data: bytes = b"", *, is_ended: bool = False, holding: Holding | None = None
    ) -> None:
        self._data = bytearray(data)
        self._is_ended = is_ended
        self._holding = holding
        self._trailers: Trailers = []
        self._error: IoError | None = None
        self._has_stream = False
        self._is_abandoned = False
        self._is_discarded = False
        self._readers = Watchers()
        self._givers = Watchers()

    # -- the host's end ----------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether nothing is added to it any more."""
        return self._is_ended or self._error is not None

    def hold_on(self, account: Account) -> None:
        """Count what waits in it on an account, from now on.

        Raises:
            AccountExceeded: There is no room for it.
        """
        if self._holding is None:
            self._holding = account.hold(OBJECT_BYTES + len(self._data))

    async def put(self, data: bytes) -> None:
        """Add data, and wait while the guest does not read.

        Raises:
            BodyAbandoned: The guest has dropped it.
            AccountExceeded: The guest's account has no room for it.
        """
        if self._is_abandoned:
            raise BodyAbandoned
        if self._is_discarded:
            return
        self._hold(len(self._data) + len(data))
        self._data += data
        self._readers.changed()
        if not self._has_space():
            await until_ready(When(self._has_space, self._givers))
        if self._is_abandoned:
            raise BodyAbandoned

    def end(self, trailers: Iterable[tuple[str, bytes]] = ()) -> None:
        """Note that all of it is there, with its trailers."""
        self._trailers = list(trailers)
        self._is_ended = True
        self._readers.changed()

    def fail(self, error: IoError) -> None:
        """Have reading fail, once what is there was read."""
        if not self.is_over:
            self._error = error
            self._readers.changed()

    async def abandoned(self) -> None:
        """Wait until the guest has dropped it."""
        await until_ready(When(self._is_left, self._givers))

    # -- the guest's end ---------------------------------------------------------------------

    def stream(self) -> Ok[IncomingStream] | Err[None]:
        """Return the stream to read from, once."""
        if self._has_stream:
            return Err(None)
        self._has_stream = True
        return Ok(IncomingStream(self))

    def read(self, max_bytes: int) -> bytes:
        """Return what is there; nothing if nothing is there yet."""
        if self._data:
            chunk = bytes(self._data[:max_bytes])
            del self._data[:max_bytes]
            self._hold(len(self._data))
            self._givers.changed()
            return chunk
        if self._error is not None:
            raise StreamFailed(self._error)
        if self._is_ended or self._is_abandoned:
            raise StreamClosed
        return b""

    def pollable(self) -> Pollable:
        """Return one that is ready when there is something to read, or the end."""
        return When(self._has_more, self._readers)

    def close(self) -> None:
        """Note that the guest has dropped it."""
        self._is_abandoned = True
        self._let_go()

    def finish(self) -> FutureTrailers:
        """Discard what is left, and return the trailers that are to come."""
        self._is_discarded = True
        self._let_go()
        return FutureTrailers(self)

    def known(self) -> Pollable:
        """Return one that is ready once the whole body was received, or cannot be."""
        return When(self._is_known, self._readers)

    def _is_known(self) -> bool:
        return self.is_over

    def _has_more(self) -> bool:
        return bool(self._data) or self.is_over or self._is_abandoned

    def _has_space(self) -> bool:
        return len(self._data) < WINDOW_BYTES or self._is_abandoned

    def _is_left(self) -> bool:
        return self._is_abandoned

    def _let_go(self) -> None:
        self._data = bytearray()
        self._hold(0)
        self._givers.changed()
        self._readers.changed()

    def _hold(self, size_bytes: int) -> None:
        if self._holding is not None:
            self._holding.resize(OBJECT_BYTES + size_bytes)

    def outcome(self) -> Ok[Trailers] | Err[Case] | None:
        """Return the trailers once all of it was received; None before."""
        if self._error is not None:
            code = self._error.http_code
            return Err(code if isinstance(code, Case) else Case("HTTP-response-incomplete"))
        return Ok(self._trailers) if self._is_ended else None


class IncomingStream:
    """The input stream of a body; dropping it leaves the body, which then has trailers."""

    __slots__ = ("_body",)

    def __init__(self, body: IncomingBody) -> None:
        self._body = body

    def read(self, max_bytes: int) -> bytes:
        """Return what is there; nothing if nothing is there yet."""
        return self._body.read(max_bytes)

    def pollable(self) -> Pollable:
        """Return one that is ready when there is something to read, or the end."""
        return self._body.pollable()


class FutureTrailers:
    """The `future-trailers` resource: known once the whole body was received."""

    __slots__ = ("_body", "_was_taken")

    def __init__(self, body: IncomingBody) -> None:
        self._body = body
        self._was_taken = False

    def pollable(self) -> Pollable:
        """Return one that is ready once they are known."""
        return self._body.known()

    def take(self, account: Account | None = None) -> Ok[object] | Err[None] | None:
        """Return None while they are unknown; the outcome in `Ok`; `Err` the second time."""
        outcome = self._body.outcome()
        if outcome is None:
            return None
        if self._was_taken:
            return Err(None)
        self._was_taken = True
        if isinstance(outcome, Err):
            return Ok(outcome)
        if not outcome.value:
            return Ok(Ok(None))
        return Ok(Ok(Fields(outcome.value, is_immutable=True, account=account)))

    def close(self) -> None:
        """Note that the guest has dropped it, and needs nothing more of the body."""
        self._body.close()
