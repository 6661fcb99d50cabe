"""wasi:http's `outgoing-handler` over the same client and the same guard: `fetch()`.

A guest gets its future at once, writes the body, and reads the response's as it arrives; so a
request is a task of the engine, which moves both bodies through their windows. A guest that drops
the future, or ends, cancels it. The grant is checked, and its audit line written, before the task
exists.

A body that is finished before the guest waits for the response is sent with its length: there are
servers that take no other. Any other body goes out as it is written.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable

import anyio
from airswasm.runtime import AccountExceeded, Caller, Case, Err, HostInterface, Ok
from airswasm.runtime.wasi import (
    WASI_VERSION,
    BodyAbandoned,
    Fields,
    FutureIncomingResponse,
    IncomingBody,
    IncomingResponse,
    IoError,
    OutgoingBody,
    OutgoingRequest,
    RequestOptions,
)
from airswasm.security import Guard

from .._policy import NetworkPolicy
from ..errors import (
    AccessDenied,
    Disconnected,
    LimitReached,
    Malformed,
    NotFound,
    OslError,
    TimedOut,
)
from .client import CAPABILITY, HttpClient
from .exchange import Exchange, Timeouts
from .idle import IdleConnections
from .requests import Request

_CODES: dict[type[OslError], Case] = {
    AccessDenied: Case("HTTP-request-denied"),
    Disconnected: Case("connection-terminated"),
    LimitReached: Case("HTTP-response-body-size"),
    Malformed: Case("HTTP-request-URI-invalid"),
    NotFound: Case("destination-not-found"),
    TimedOut: Case("HTTP-response-timeout"),
}


def code_of(error: OslError) -> Case:
    """Return the case of wasi:http's `error-code` for an error of this block."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    return Case("internal-error", error.text)


class WasiHttp:
    """wasi:http for all components of one host.

    Args:
        guard: Decides and writes the audit line before any data is sent.
        client: Makes the requests.
        policy: Limits on time and number.
    """

    def __init__(self, guard: Guard, client: HttpClient, policy: NetworkPolicy) -> None:
        self._guard = guard
        self._client = client
        self.policy = policy

    def interfaces(self) -> Iterable[HostInterface]:
        """Return the replacement for the runtime's denied interface."""
        return (
            HostInterface(f"wasi:http/outgoing-handler@{WASI_VERSION}", {"handle": self.handle}),
        )

    def handle(
        self, caller: Caller, request: OutgoingRequest, options: RequestOptions | None
    ) -> Ok[FutureIncomingResponse] | Err[Case]:
        """Check the request and start it."""
        try:
            url = self._checked_url(caller, request)
        except OslError as error:
            return Err(code_of(error))
        exchanges = Exchanges.of(caller)
        if len(exchanges) >= self.policy.connections:
            return Err(Case("connection-limit-reached"))
        future, scope = FutureIncomingResponse(), anyio.CancelScope()
        future.on_drop = scope.cancel
        exchanges.add(scope)
        timeouts = _timeouts(options, self.policy)
        work = _Sending(self._client, caller, url, request, timeouts, self.policy, future).run()
        caller.instance.engine.start(exchanges.run(scope, work))
        return Ok(future)

    def _checked_url(self, caller: Caller, request: OutgoingRequest) -> str:
        """Return the URL, if a grant allows the request.

        Raises:
            OslError: No grant allows it, or it has no safe reading.
        """
        url = url_of(request)
        checked = Request.read(method_of(request), url, (), b"")
        decision = self._guard.check(caller.name, CAPABILITY, checked.resource)
        if not decision.is_allowed:
            caller.wasi.stderr.write(f"{decision.text}\n".encode())
            raise AccessDenied(decision.text, decision.layer)
        return url


class _Sending:
    """One request of a guest, from its future to the end of the response."""

    def __init__(
        self,
        client: HttpClient,
        caller: Caller,
        url: str,
        outgoing: OutgoingRequest,
        timeouts: Timeouts,
        policy: NetworkPolicy,
        future: FutureIncomingResponse,
    ) -> None:
        self._client = client
        self._caller = caller
        self._url = url
        self._outgoing = outgoing
        # Now: the guest may have another message in hand when the request is sent.
        names = [name for name, _ in outgoing.headers.entries()]
        self._traceparent = client.context_for(caller, method_of(outgoing), url, names)
        self._timeouts = timeouts
        self._future = future
        self._incoming: IncomingBody | None = None
        self._idle = IdleConnections.of(caller, policy.resting_connections, policy.resting_seconds)

    async def run(self) -> None:
        """Make the request; whatever ends it, the guest is told."""
        try:
            await self._exchange()
        except BodyAbandoned:
            self._end(Case("connection-terminated"))
        except AccountExceeded:
            self._end(_CODES[LimitReached])
        except OslError as error:
            self._end(code_of(error))

    def _end(self, code: Case) -> None:
        if self._incoming is None:
            self._future.complete(Err(code))
        else:
            self._incoming.fail(IoError("the response broke off", http_code=code))
        if self._outgoing.body is not None:
            self._outgoing.body.refuse(IoError("the request has ended", http_code=code))

    async def _exchange(self) -> None:
        body = self._outgoing.body
        if body is not None and not self._future.is_awaited:
            await self._begun(body)
        request = await self._request(body)
        exchange = await self._client.open(
            self._caller.name,
            request,
            self._timeouts,
            account=self._caller.account,
            idle=self._idle,
        )
        try:
            if request.body is not None or body is None:
                await self._answered(exchange)
                await self._received(exchange)
                return
            async with anyio.create_task_group() as group:
                group.start_soon(self._sent, exchange, body)
                try:
                    await self._answered(exchange)
                    await self._received(exchange)
                except OslError as error:
                    self._failure: OslError | None = error
                else:
                    self._failure = None
                group.cancel_scope.cancel()
            if self._failure is not None:
                raise self._failure
        finally:
            exchange.close()

    async def _begun(self, body: OutgoingBody) -> None:
        """Wait until the body is finished, or goes out before that."""
        with anyio.CancelScope() as waiting:
            self._future.on_wait = waiting.cancel
            await body.begun()

    async def _request(self, body: OutgoingBody | None) -> Request:
        """Return the request, with its body if that is finished."""
        entries = self._outgoing.headers.entries()
        headers = [(name, value.decode("latin-1")) for name, value in entries]
        content: bytes | None = b""
        length = None
        if body is not None:
            is_whole = body.is_finished and not body.trailers
            content = await body.whole() if is_whole else None
            if not is_whole:
                length = _declared(self._outgoing.headers)
        request = Request.read(method_of(self._outgoing), self._url, headers, content, length)
        return request.within(self._traceparent)

    async def _sent(self, exchange: Exchange, body: OutgoingBody) -> None:
        """Send the body as the guest writes it; a server that reads no more may answer yet."""
        try:
            while part := await body.take():
                await exchange.send(part)
            await exchange.finish(
                [(name, value.decode("latin-1")) for name, value in body.trailers]
            )
        except BodyAbandoned:
            exchange.close()
        except OslError as error:
            body.refuse(IoError(error.text, http_code=code_of(error)))

    async def _answered(self, exchange: Exchange) -> None:
        """Hand the head of the response to the guest."""
        if not exchange.status:
            await exchange.head()
        account = self._caller.account
        headers = [(name, value.encode("latin-1")) for name, value in exchange.headers]
        fields = Fields(headers, is_immutable=True, account=account)
        incoming = IncomingBody()
        incoming.hold_on(account)
        self._future.complete(Ok(IncomingResponse(exchange.status, fields, incoming)))
        self._incoming = incoming

    async def _received(self, exchange: Exchange) -> None:
        """Pass the response's body on, as the guest reads it."""
        incoming = self._incoming
        if incoming is None:
            return
        try:
            while part := await exchange.part():
                await incoming.put(part)
        except BodyAbandoned:
            return
        incoming.end((name, value.encode("latin-1")) for name, value in exchange.trailers)


class Exchanges:
    """The running requests of one instance."""

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()

    @classmethod
    def of(cls, caller: Caller) -> Exchanges:
        """Return the caller's requests, which are cancelled when its instance ends."""

        def make() -> Exchanges:
            exchanges = cls()
            caller.on_close(exchanges.cancel)
            return exchanges

        return caller.keep(cls, make)

    def __len__(self) -> int:
        return len(self._scopes)

    def add(self, scope: anyio.CancelScope) -> None:
        """Count one request."""
        self._scopes.add(scope)

    async def run(self, scope: anyio.CancelScope, work: Coroutine[object, object, None]) -> None:
        """Run one request until it ends or its scope is cancelled."""
        try:
            with scope:
                await work
        finally:
            self._scopes.discard(scope)

    def cancel(self) -> None:
        """Cancel all requests."""
        for scope in list(self._scopes):
            scope.cancel()


def method_of(request: OutgoingRequest) -> str:
    """Return the method's name: the variant's cases are the common ones in lower case."""
    method = request.method
    return str(method.value) if method.name == "other" else method.name.upper()


def url_of(request: OutgoingRequest) -> str:
    """Return the URL of a request: https unless it says http.

    Raises:
        Malformed: Its scheme is another.
    """
    if request.scheme is not None and request.scheme.name == "other":
        raise Malformed("only http and https URLs are permitted")
    scheme = "http" if request.scheme == Case("HTTP") else "https"
    return f"{scheme}://{request.authority or ''}{request.path_with_query or '/'}"


def _timeouts(options: RequestOptions | None, policy: NetworkPolicy) -> Timeouts:
    """Return the guest's limits for each step, within the policy."""
    given = options or RequestOptions()

    def seconds(nanoseconds: int | None, default: float) -> float:
        if nanoseconds is None:
            return default
        return min(max(nanoseconds / 1e9, 0.001), policy.longest_timeout)

    return Timeouts(
        seconds(given.connect_timeout, policy.connect_timeout),
        seconds(given.first_byte_timeout, policy.timeout),
        seconds(given.between_bytes_timeout, policy.timeout),
        policy.longest_timeout,
    )


def _declared(headers: Fields) -> int | None:
    """Return the length that a guest gives its body, if it gives one.

    Raises:
        Malformed: What it gives is no length.
    """
    given = headers.get("content-length")
    if not given:
        return None
    if len(given) > 1 or not given[0].isdigit() or len(given[0]) > 18:
        raise Malformed("the content-length is no number")
    return int(given[0])
