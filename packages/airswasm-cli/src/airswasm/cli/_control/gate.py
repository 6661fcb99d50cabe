"""Admit requests: over TCP, which any local user can make, and over the socket from a browser.

A request names this machine as its host (DNS rebinding), comes from no other site's page, carries a
token or belongs to a session of the page, and the token's scope admits what it asks. A route that
says nothing of a scope needs `all`; those of the page's files and of its door need none. The audit
log has a line for each change by a token that an operator made, and for the first refusal of its
kind in a minute. A request without a token writes none.

Over the Unix socket the mode of the socket is the check. But a tunnel may lead to it, and a browser
to that: so a page of another site is refused there, too.
"""

from __future__ import annotations

import time
from typing import Literal, NamedTuple

import anyio
from airswasm.security import AuditEvent, AuditSink, AuditUnavailable
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Message, Receive, Scope, Send

from ..errors import ScopeMissing, TokenFileUnreadable
from .operation import Operation
from .operation import Scope as TokenScope
from .page_door import PageDoor
from .page_sessions import PageSession
from .requester import TOKEN, WAY
from .server import refusal, refused
from .tokens import Token, TokenFile, admits

__all__ = ("Need", "SocketGate", "TokenGate")

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_QUIET_SECONDS = 60.0
_SESSION_SECONDS = 5.0
"""Between two looks at whether the session of a stream goes on."""
_OWN_SITE = frozenset({"same-origin", "none"})


class Need(NamedTuple):
    """The need of a route.

    Attributes:
        scope: The scope; None for the files and the door of the page, which anybody may have.
        operation: The operation behind it; None for a route of the monitoring.
    """

    scope: TokenScope | None
    operation: Operation | None = None


class SocketGate:
    """An ASGI application in front of the control API on the Unix socket.

    Args:
        app: The control API.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        name = _host_name(request)
        response = None
        if "." in name and name not in _LOOPBACK_NAMES:  # only such a name can be another site's
            response = refusal(403, "E0012", "this host accepts only loopback names", "")
        elif _is_foreign(request):
            response = refusal(403, "E0012", "the request comes from another site's page", "")
        await (response or self._app)(scope, receive, send)


class TokenGate:
    """An ASGI application in front of the control API.

    Args:
        app: The control API.
        needs: The needs of its routes; a route that is not in it needs `all`.
        own: The token of this run, of the scope `all`.
        tokens: The tokens that an operator made.
        audit: Records changes and refusals.
        door: The sessions of the page; None for a host without one.
    """

    def __init__(
        self,
        app: Starlette,
        needs: list[tuple[BaseRoute, Need]],
        own: Token,
        tokens: TokenFile,
        audit: AuditSink,
        door: PageDoor | None = None,
    ) -> None:
        self._app, self._needs, self._tokens, self._audit = app, needs, tokens, audit
        self._refusals: dict[tuple[str, str], float] = {}
        self._own, self._door = own, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        scope[WAY] = "tcp"
        try:
            session = self._door.session_of(request) if self._door is not None else None
            response = self._refuse(request, session)
        except TokenFileUnreadable as error:
            await refused(503, error)(scope, receive, send)
            return
        if session is not None and response is None and self._door is not None:
            receive = _until_over(self._door, session, receive)
        await (response or self._app)(scope, receive, send)

    def _refuse(self, request: Request, session: PageSession | None) -> Response | None:
        if _host_name(request) not in _LOOPBACK_NAMES:
            return refusal(403, "E0012", "this host accepts only loopback names", "")
        need, component = self._need_of(request.scope)
        is_open = need is not None and need.scope is None
        if is_open and request.method in ("GET", "HEAD"):
            return None
        if _is_foreign(request):
            return refusal(403, "E0012", "the request comes from another site's page", "")
        if is_open:
            return None
        token = self._token_of(request.headers.get("authorization", ""))
        if token is None and session is not None:
            token = session.token
            request.scope[WAY] = "page"
        if token is None:
            return refusal(401, "E0012", "the token is missing or wrong", "see `airswasm tokens`")
        return self._refuse_token(request.scope, token, need, component)

    def _refuse_token(
        self, scope: Scope, token: Token, need: Need | None, component: str | None
    ) -> Response | None:
        needed = (need.scope if need is not None else None) or "all"
        is_admitted = need is None or admits(token, needed, component)
        if need is not None and not self._record(token, need, component, is_admitted):
            return refusal(503, "E0012", "the audit log cannot be written", "see `airswasm doctor`")
        if is_admitted:
            scope[TOKEN] = token.name
            return None
        return refused(403, ScopeMissing(token.name, token.scope, needed, component))

    def _token_of(self, authorization: str) -> Token | None:
        secret = authorization.removeprefix("Bearer ")
        if secret == authorization:
            return None
        if self._own.is_of(secret):
            return self._own
        return self._tokens.find(secret)

    def _need_of(self, scope: Scope) -> tuple[Need | None, str | None]:
        """Return what the request needs, and the component that it is about.

        A request that leads nowhere needs nothing: the application refuses it.
        """
        for route in self._app.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                known = (need for other, need in self._needs if other is route)
                given = found.get("path_params", {})
                named = "namespace" in given and "name" in given
                component = f"{given['namespace']}/{given['name']}" if named else None
                return next(known, Need("all")), component
        return None, None

    def _record(self, token: Token, need: Need, component: str | None, is_admitted: bool) -> bool:
        """Record a change or a refusal; return whether that was possible."""
        is_change = need.operation is not None and need.operation.changes
        if token is self._own or (is_admitted and not is_change):
            return True
        name = need.operation.name if need.operation is not None else str(need.scope)
        if not is_admitted and not self._is_new(token.name, name):
            return True
        reason = f"by the token {token.name}, of the scope {token.scope}"
        outcome: Literal["allow", "deny"] = "allow" if is_admitted else "deny"
        try:
            self._audit.record(
                AuditEvent("control", component or "", outcome, resource=name, reason=reason)
            )
        except AuditUnavailable:
            return False
        return True

    def _is_new(self, token: str, name: str) -> bool:
        """Return whether a refusal has no line yet in this minute, so that it cannot fill the log.

        There is an entry for each pair of a token and an operation, at most.
        """
        now = time.monotonic()
        is_new = now - self._refusals.get((token, name), -_QUIET_SECONDS) >= _QUIET_SECONDS
        if is_new:
            self._refusals[token, name] = now
        return is_new


def _host_name(request: Request) -> str:
    host = request.headers.get("host", "")
    return host.rpartition(":")[0] or host


def _is_foreign(request: Request) -> bool:
    """Return whether a page of another site made the request, as browsers say it."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers.get('host', '')}":
        return True
    return request.headers.get("sec-fetch-site", "none") not in _OWN_SITE


def _until_over(door: PageDoor, session: PageSession, receive: Receive) -> Receive:
    """Let a client's stream end when its session does: the application takes it for gone."""

    async def received() -> Message:
        message: Message = {"type": "http.disconnect"}
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                nonlocal message
                message = await receive()
                group.cancel_scope.cancel()

            group.start_soon(wait)
            while _goes_on(door, session):
                with anyio.move_on_after(_SESSION_SECONDS):
                    await session.over.wait()
            group.cancel_scope.cancel()
        return message

    return received


def _goes_on(door: PageDoor, session: PageSession) -> bool:
    try:
        return door.is_open(session)
    except TokenFileUnreadable:
        return False
