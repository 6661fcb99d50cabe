"""The requests and responses of wasi:http, in both directions.

`outgoing` is what a guest makes, `incoming` what it gets. A client has an `OutgoingRequest` and
waits for a `FutureIncomingResponse`; a server gets an `IncomingRequest` and answers through its
`ResponseOutparam`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .._account import Account, Holding
from .._values import Case, Err, Ok
from ._http_fields import Fields
from ._http_incoming import IncomingBody
from ._http_outgoing import OutgoingBody
from ._io import Pollable, until_ready
from ._watching import Watchers, When


@dataclass(slots=True)
class RequestOptions:
    """The `request-options` resource; durations in nanoseconds."""

    connect_timeout: int | None = None
    first_byte_timeout: int | None = None
    between_bytes_timeout: int | None = None


@dataclass(slots=True)
class OutgoingRequest:
    """The `outgoing-request` resource."""

    headers: Fields
    method: Case = field(default_factory=lambda: Case("get"))
    path_with_query: str | None = None
    scheme: Case | None = None
    authority: str | None = None
    body: OutgoingBody | None = None
    holding: Holding | None = None

    def take_body(self, account: Account | None = None) -> Ok[OutgoingBody] | Err[None]:
        """Return the body to write, once."""
        return _first_body(self, account)


@dataclass(slots=True)
class OutgoingResponse:
    """The `outgoing-response` resource."""

    headers: Fields
    status_code: int = 200
    body: OutgoingBody | None = None
    holding: Holding | None = None

    def take_body(self, account: Account | None = None) -> Ok[OutgoingBody] | Err[None]:
        """Return the body to write, once."""
        return _first_body(self, account)


def _first_body(
    message: OutgoingRequest | OutgoingResponse, account: Account | None
) -> Ok[OutgoingBody] | Err[None]:
    if message.body is not None:
        return Err(None)
    message.body = OutgoingBody(account=account)
    return Ok(message.body)


class _WithBody:
    """A message that a guest gets, whose body it may take once."""

    __slots__ = ("_body", "_was_consumed", "headers")

    def __init__(self, headers: Fields, body: IncomingBody) -> None:
        self.headers: Fields = headers
        self._body = body
        self._was_consumed = False

    def consume(self) -> Ok[IncomingBody] | Err[None]:
        """Return its body, once."""
        if self._was_consumed:
            return Err(None)
        self._was_consumed = True
        return Ok(self._body)

    def close(self) -> None:
        """Note that the guest has dropped it; without its body, no one can read that any more."""
        if not self._was_consumed:
            self._body.close()


class IncomingResponse(_WithBody):
    """The `incoming-response` resource."""

    __slots__ = ("status",)

    def __init__(self, status: int, headers: Fields, body: IncomingBody) -> None:
        super().__init__(headers, body)
        self.status: int = status


class IncomingRequest(_WithBody):
    """The `incoming-request` resource: what a client asks of a component that serves.

    Attributes:
        method: A case of wasi:http's `method`.
        path_with_query: Path and query, as the client wrote them.
        scheme: A case of wasi:http's `scheme`.
        authority: Host and port that the client asked for.
    """

    __slots__ = ("authority", "method", "path_with_query", "scheme")

    def __init__(
        self,
        method: Case,
        path_with_query: str,
        scheme: Case,
        authority: str,
        headers: Fields,
        body: IncomingBody,
    ) -> None:
        super().__init__(headers, body)
        self.method: Case = method
        self.path_with_query: str = path_with_query
        self.scheme: Case = scheme
        self.authority: str = authority


class ResponseOutparam:
    """The `response-outparam` resource: where a guest puts the response to one request."""

    __slots__ = ("_is_closed", "_outcome", "_watchers")

    def __init__(self) -> None:
        self._outcome: Ok[OutgoingResponse] | Err[Case] | None = None
        self._is_closed = False
        self._watchers = Watchers()

    async def answered(self) -> None:
        """Wait until the guest has answered, or cannot any more."""
        await until_ready(When(self._is_answered, self._watchers))

    def _is_answered(self) -> bool:
        return self._outcome is not None or self._is_closed

    @property
    def outcome(self) -> Ok[OutgoingResponse] | Err[Case] | None:
        """The response, or a case of `error-code`; None where the guest has not answered."""
        return self._outcome

    def answer(self, outcome: Ok[OutgoingResponse] | Err[Case]) -> None:
        """Take the response; its headers go out now, its body as the guest writes it."""
        self._outcome = outcome
        self._watchers.changed()

    def close(self) -> None:
        """Note that the guest has dropped it, or has ended."""
        self._is_closed = True
        self._watchers.changed()


class FutureIncomingResponse:
    """The `future-incoming-response` resource, completed by a provider.

    Attributes:
        on_drop: Called when the guest drops it, so that the request can be given up.
        on_wait: Called when the guest asks for the response.
        is_awaited: Whether it has done so.
    """

    __slots__ = ("_outcome", "_was_taken", "_watchers", "is_awaited", "on_drop", "on_wait")

    def __init__(self) -> None:
        self._outcome: Ok[IncomingResponse] | Err[Case] | None = None
        self._watchers = Watchers()
        self._was_taken = False
        self.on_drop: Callable[[], None] | None = None
        self.on_wait: Callable[[], None] | None = None
        self.is_awaited: bool = False

    def complete(self, outcome: Ok[IncomingResponse] | Err[Case]) -> None:
        """Hand the response, or a case of wasi:http's `error-code`, to the guest."""
        self._outcome = outcome
        self._watchers.changed()

    def pollable(self) -> Pollable:
        """Return one that is ready once it is complete."""
        self._ask()
        return When(self._is_complete, self._watchers)

    def take(self) -> Ok[object] | Err[None] | None:
        """Return None while there is no outcome; the outcome in `Ok`; `Err` the second time."""
        self._ask()
        if self._outcome is None:
            return None
        if self._was_taken:
            return Err(None)
        self._was_taken = True
        return Ok(self._outcome)

    def close(self) -> None:
        """Note that the guest has dropped it; a response that it never took is given up."""
        if self.on_drop is not None and not self._was_taken:
            self.on_drop()

    def _is_complete(self) -> bool:
        return self._outcome is not None

    def _ask(self) -> None:
        self.is_awaited = True
        if self.on_wait is not None:
            self.on_wait()
