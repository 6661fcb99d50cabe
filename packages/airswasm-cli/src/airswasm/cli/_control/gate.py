"""Admit requests over TCP, which any local user can make.

A request names this machine as its host (DNS rebinding), carries a token, and the token's scope
admits what it asks. A route that says nothing of a scope needs `all`. The audit log has a line for
each change by a token that an operator made, and for the first refusal of its kind in a minute. A
request without a token writes none.
"""

from __future__ import annotations

import time
from secrets import compare_digest
from typing import Literal, NamedTuple

from airswasm.security import AuditEvent, AuditSink, AuditUnavailable
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from ..errors import CliError, ScopeMissing, TokenFileUnreadable
from .operation import Operation
from .operation import Scope as TokenScope
from .requester import TOKEN
from .server import refusal
from .tokens import Token, TokenFile, admits, hash_of

__all__ = ("Need", "TokenGate")

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_QUIET_SECONDS = 60.0
_OPERATOR = "control.token"
"""The name of the token of this run."""


class Need(NamedTuple):
    """The need of a route.

    Attributes:
        scope: The scope.
        operation: The operation behind it; None for a route of the monitoring.
    """

    scope: TokenScope
    operation: Operation | None = None


class TokenGate:
    """An ASGI application in front of the control API.

    Args:
        app: The control API.
        needs: The needs of its routes; a route that is not in it needs `all`.
        token: The token of this run, of the scope `all`.
        tokens: The tokens that an operator made.
        audit: Records changes and refusals.
    """

    def __init__(
        self,
        app: Starlette,
        needs: list[tuple[BaseRoute, Need]],
        token: str,
        tokens: TokenFile,
        audit: AuditSink,
    ) -> None:
        self._app, self._needs, self._tokens, self._audit = app, needs, tokens, audit
        self._refusals: dict[tuple[str, str], float] = {}
        self._own = Token(_OPERATOR, "all", (), 0.0, hash_of(token))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            return
        response = self._refuse(scope)
        await (response or self._app)(scope, receive, send)

    def _refuse(self, scope: Scope) -> Response | None:
        request = Request(scope)
        host = request.headers.get("host", "")
        if (host.rpartition(":")[0] or host) not in _LOOPBACK_NAMES:
            return refusal(403, "E0012", "this host accepts only loopback names", "")
        try:
            token = self._token_of(request.headers.get("authorization", ""))
        except TokenFileUnreadable as error:
            return _refused(503, error)
        if token is None:
            return refusal(401, "E0012", "the token is missing or wrong", "see `airswasm tokens`")
        need, component = self._need_of(scope)
        is_admitted = need is None or admits(token, need.scope, component)
        if need is not None and not self._record(token, need, component, is_admitted):
            return refusal(503, "E0012", "the audit log cannot be written", "see `airswasm doctor`")
        if is_admitted:
            scope[TOKEN] = token.name
            return None
        needed = need.scope if need is not None else "all"
        return _refused(403, ScopeMissing(token.name, token.scope, needed, component))

    def _token_of(self, authorization: str) -> Token | None:
        secret = authorization.removeprefix("Bearer ")
        if secret == authorization:
            return None
        if compare_digest(self._own.sha256, hash_of(secret)):
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
        name = need.operation.name if need.operation is not None else need.scope
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


def _refused(status: int, error: CliError) -> Response:
    return refusal(status, error.explanation.code, error.message, error.hint)
