"""`airswasm:component/http`: requests to granted URLs, whole or in parts.

`request` takes and returns a whole body. `open` begins a request whose body the guest writes in
parts, and whose response it reads in parts; each part waits for the peer, and for the guest, so
that nothing but a part is kept of either body.
"""

from __future__ import annotations

from dataclasses import dataclass

from airswasm.runtime import Account, Caller, HostInterface, HostResource

from .._answers import answered
from .._policy import NetworkPolicy
from ..errors import LimitReached
from .client import HttpClient, Response
from .exchange import Exchange, Timeouts
from .idle import IdleConnections
from .requests import HeaderList, Request, checked_headers

__all__ = ("Http", "StepTimeouts")

READ_BYTES = 256 * 1024
"""The most of a response's body that one `read` returns."""
_BODY = "request-body"
_RESPONSE = "response-body"


@dataclass(frozen=True, slots=True)
class StepTimeouts:
    """The record `timeouts`, in milliseconds; 0 means the host's."""

    connect_ms: int
    first_byte_ms: int
    between_bytes_ms: int
    total_ms: int


class RequestBody:
    """The resource `request-body`: a request that is being sent."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.is_finished = False

    async def write(self, data: bytes) -> None:
        """Send more of the body."""
        await self._exchange.send(data)

    async def finish(self, trailers: HeaderList) -> ResponseBody:
        """End the body, and wait for the head of the response."""
        checked = checked_headers(trailers)
        await self._exchange.finish(checked)
        await self._exchange.head()
        self.is_finished = True
        return ResponseBody(self._exchange)

    def close(self) -> None:
        """Break the request off, unless it was finished."""
        if not self.is_finished:
            self._exchange.close()


class ResponseBody:
    """The resource `response-body`: a response that arrives."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._rest = b""

    @property
    def exchange(self) -> Exchange:
        """The exchange."""
        return self._exchange

    async def read(self, max_bytes: int) -> bytes:
        """Return more of the body; nothing at its end."""
        most = min(max_bytes, READ_BYTES)
        if not self._rest:
            self._rest = await self._exchange.part()
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    def close(self) -> None:
        """Close the connection, unless all was read."""
        self._exchange.close()


class Http:
    """The functions of the interface, for all components of one host."""

    def __init__(self, client: HttpClient, policy: NetworkPolicy) -> None:
        self._client = client
        self.policy = policy

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        return HostInterface(
            "airswasm:component/http@0.1.0",
            {
                "request": answered(self.request),
                "open": answered(self.open),
                f"[method]{_BODY}.write": answered(_write),
                f"[method]{_BODY}.finish": answered(_finish),
                f"[method]{_RESPONSE}.status": _status,
                f"[method]{_RESPONSE}.headers": _headers,
                f"[method]{_RESPONSE}.read": answered(_read),
                f"[method]{_RESPONSE}.trailers": _trailers,
            },
            {_BODY: HostResource(drop=_close), _RESPONSE: HostResource(drop=_close)},
        )

    async def request(
        self,
        caller: Caller,
        method: str,
        url: str,
        headers: HeaderList,
        body: bytes,
        timeout_ms: int,
    ) -> Response:
        """Make a request, and return its whole response."""
        request = Request.read(method, url, headers, body)
        names = [name for name, _ in headers]
        request = request.within(self._client.context_for(caller, method, url, names))
        seconds = self.policy.seconds(timeout_ms)
        return await self._client.exchange(
            caller.name,
            request,
            seconds,
            account=_account_of(caller),
            most_bytes=caller.message_bytes,
            idle=self._idle(caller),
        )

    async def open(
        self,
        caller: Caller,
        method: str,
        url: str,
        headers: HeaderList,
        timeouts: StepTimeouts,
    ) -> RequestBody:
        """Begin a request whose body is sent in parts."""
        open_exchanges = OpenExchanges.of(caller)
        if len(open_exchanges) >= self.policy.connections:
            raise LimitReached(
                f"this component holds {self.policy.connections} requests open already"
            )
        request = Request.read(method, url, headers, None)
        names = [name for name, _ in headers]
        request = request.within(self._client.context_for(caller, method, url, names))
        exchange = await self._client.open(
            caller.name, request, self._timeouts(timeouts), account=_account_of(caller)
        )
        open_exchanges.add(exchange)
        return RequestBody(exchange)

    def _timeouts(self, given: StepTimeouts) -> Timeouts:
        policy = self.policy
        return Timeouts(
            min(given.connect_ms / 1000 or policy.connect_timeout, policy.longest_timeout),
            policy.seconds(given.first_byte_ms),
            policy.seconds(given.between_bytes_ms),
            min(given.total_ms / 1000 or policy.longest_timeout, policy.longest_timeout),
        )

    def _idle(self, caller: Caller) -> IdleConnections | None:
        if not caller.is_instantiated:
            return None
        return IdleConnections.of(
            caller, self.policy.resting_connections, self.policy.resting_seconds
        )


class OpenExchanges:
    """The exchanges that one instance holds open; they are closed with it."""

    def __init__(self) -> None:
        self._open: set[Exchange] = set()

    @classmethod
    def of(cls, caller: Caller) -> OpenExchanges:
        """Return the caller's."""

        def make() -> OpenExchanges:
            exchanges = cls()
            caller.on_close(exchanges.close)
            return exchanges

        return caller.keep(cls, make)

    def __len__(self) -> int:
        self._open = {each for each in self._open if not each.is_over}
        return len(self._open)

    def add(self, exchange: Exchange) -> None:
        """Note one."""
        self._open.add(exchange)

    def close(self) -> None:
        """Close all of them."""
        for each in list(self._open):
            each.close()


def _account_of(caller: Caller) -> Account | None:
    return caller.account if caller.is_instantiated else None


async def _write(_caller: Caller, body: RequestBody, data: bytes) -> None:
    await body.write(data)


async def _finish(_caller: Caller, body: RequestBody, trailers: HeaderList) -> ResponseBody:
    return await body.finish(trailers)


async def _read(_caller: Caller, body: ResponseBody, max_bytes: int) -> bytes:
    return await body.read(max_bytes)


def _status(_caller: Caller, body: ResponseBody) -> int:
    return body.exchange.status


def _headers(_caller: Caller, body: ResponseBody) -> HeaderList:
    return body.exchange.headers


def _trailers(_caller: Caller, body: ResponseBody) -> HeaderList:
    return body.exchange.trailers


def _close(resource: object) -> None:
    if isinstance(resource, RequestBody | ResponseBody):
        resource.close()
