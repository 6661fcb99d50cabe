"""wasi:http's `outgoing-handler` over the same client and the same guard: `fetch()`.

A guest gets its future at once and writes the body afterwards, so a request is a task of the
engine: it waits for the complete body, makes the request and completes the future. A guest that
drops the future, or ends, cancels it. The grant is checked, and its audit line written, before the
task exists.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable

import anyio
from airswasm.runtime import Account, AccountExceeded, Caller, Case, Err, HostInterface, Ok
from airswasm.runtime.wasi import (
    WASI_VERSION,
    Fields,
    FutureIncomingResponse,
    IncomingResponse,
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
from .http import CAPABILITY, HttpClient, Request, Response

_CODES: dict[type[OslError], Case] = {
    AccessDenied: Case("HTTP-request-denied"),
    Disconnected: Case("connection-terminated"),
    LimitReached: Case("HTTP-response-body-size"),
    Malformed: Case("HTTP-request-URI-invalid"),
    NotFound: Case("destination-not-found"),
    TimedOut: Case("HTTP-response-timeout"),
}


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
            url, resource = self._checked_url(caller, request)
        except OslError as error:
            return Err(_CODES[type(error)])
        exchanges = Exchanges.of(caller)
        if len(exchanges) >= self.policy.connections:
            return Err(Case("connection-limit-reached"))
        future, scope = FutureIncomingResponse(), anyio.CancelScope()
        future.on_drop = scope.cancel
        exchanges.add(scope)

        def end(_denial: str) -> None:
            future.complete(Err(_CODES[AccessDenied]))
            scope.cancel()

        forget = self._guard.keep(caller.name, CAPABILITY, resource, end)
        work = self._exchange(caller, url, request, _seconds(options, self.policy), future)
        caller.instance.engine.start(exchanges.run(scope, work, forget))
        return Ok(future)

    def _checked_url(self, caller: Caller, request: OutgoingRequest) -> tuple[str, str]:
        """Return the URL, and the resource of its capability, if a grant allows it.

        Raises:
            OslError: No grant allows it, or it has no safe reading.
        """
        url = url_of(request)
        checked = Request.read(method_of(request), url, (), b"")
        decision = self._guard.check(caller.name, CAPABILITY, checked.resource)
        if not decision.is_allowed:
            caller.wasi.stderr.write(f"{decision.text}\n".encode())
            raise AccessDenied(decision.text, decision.layer)
        return url, checked.resource

    async def _exchange(
        self,
        caller: Caller,
        url: str,
        outgoing: OutgoingRequest,
        seconds: float,
        future: FutureIncomingResponse,
    ) -> None:
        try:
            with anyio.fail_after(seconds):
                body = b"" if outgoing.body is None else await outgoing.body.whole()
            headers = [
                (name, value.decode("latin-1")) for name, value in outgoing.headers.entries()
            ]
            request = Request.read(method_of(outgoing), url, headers, body)
            account = caller.account
            response = await self._client.exchange(caller.name, request, seconds, account=account)
            incoming = _incoming(response, account)
        except TimeoutError:
            future.complete(Err(Case("HTTP-response-timeout")))
        except AccountExceeded:
            future.complete(Err(_CODES[LimitReached]))
        except OslError as error:
            code = _CODES.get(type(error), Case("internal-error", error.text))
            future.complete(Err(code))
        else:
            future.complete(Ok(incoming))


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

    async def run(
        self,
        scope: anyio.CancelScope,
        work: Coroutine[object, object, None],
        forget: Callable[[], None],
    ) -> None:
        """Run one request until it ends or its scope is cancelled."""
        try:
            with scope:
                await work
        finally:
            self._scopes.discard(scope)
            forget()

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


def _seconds(options: RequestOptions | None, policy: NetworkPolicy) -> float:
    """Return the sum of the guest's limits for each step, within the policy."""
    wanted = (
        ()
        if options is None
        else (options.connect_timeout, options.first_byte_timeout, options.between_bytes_timeout)
    )
    given_ns = [timeout for timeout in wanted if timeout is not None]
    if not given_ns:
        return policy.timeout
    return min(max(sum(given_ns) / 1e9, 0.001), policy.longest_timeout)


def _incoming(response: Response, account: Account) -> IncomingResponse:
    headers = [(name, value.encode("latin-1")) for name, value in response.headers]
    kept = Fields(headers, is_immutable=True, account=account)
    return IncomingResponse(response.status, kept, response.body, response.holding)
