"""The door of the page: how a browser begins a session, asks about it, and ends it.

`POST /page/session` exchanges a token, or the secret of a link, for a session. The token then need
not be kept in a browser, where it would outlive the visit. `GET` says what the session may do, so
that the page shows what it can and no button that would be refused.

Over the Unix socket, which a tunnel may lead to (`ssh -L 8080:…/control.sock`), the socket's mode
is the access check, and a page needs no session.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from airswasm.security import AuditEvent, AuditSink, AuditUnavailable
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..errors import SessionRefused, TokenFileUnreadable
from .document import Document, mapping
from .operation import Scope, Table
from .page_sessions import OpenSession, PageSession, PageSessions
from .requester import WAY
from .server import refusal, refused
from .tokens import Token, admits

__all__ = ("KEY_HEADER", "PageDoor")

KEY_HEADER = "x-airswasm-key"
_MOST_BODY_BYTES = 4_096
_SOCKET = Token("socket", "all", (), 0.0, "")
_SEND_IS_BLIND = "a token of the scope send may look at nothing; use one of the scope read or all"

Handler = Callable[[Request], Awaitable[Response]]


class PageDoor:
    """The sessions of the page over HTTP.

    Args:
        operations: The operations of the host.
        audit: Records the sessions that begin.
    """

    def __init__(self, operations: Table, audit: AuditSink) -> None:
        self._operations, self._audit = operations, audit
        self._sessions: PageSessions | None = None
        self._port = 0

    def listen(self, sessions: PageSessions, port: int) -> None:
        """Hand out sessions over TCP from now on."""
        self._sessions, self._port = sessions, port

    def routes(self) -> list[Route]:
        """Return its routes."""
        return [
            Route("/page/session", self._begin, methods=["POST"]),
            Route("/page/session", self._show, methods=["GET"]),
            Route("/page/session", self._end, methods=["DELETE"]),
        ]

    def link(self, scope: Scope) -> str | None:
        """Return the address of a new link; None for a host that does not listen on TCP."""
        if self._sessions is None:
            return None
        return f"http://127.0.0.1:{self._port}/#link={self._sessions.link(scope)}"

    def session_of(self, request: Request) -> PageSession | None:
        """Return the session that a request belongs to.

        Raises:
            TokenFileUnreadable: As for `TokenFile.tokens`.
        """
        cookie = request.cookies.get(self._cookie, "")
        if self._sessions is None or not cookie:
            return None
        return self._sessions.find(cookie, request.headers.get(KEY_HEADER, ""))

    def is_open(self, session: PageSession) -> bool:
        """Return whether a session that is being used may go on."""
        if self._sessions is None or not self._sessions.is_open(session):
            return False
        self._sessions.touch(session)
        return True

    @property
    def _cookie(self) -> str:
        """The name has the port: browsers send the cookies of one port to the others."""
        return f"airswasm-session-{self._port}"

    async def _begin(self, request: Request) -> Response:
        if self._sessions is None or request.scope.get(WAY) != "tcp":
            return refusal(404, "E0012", "over the socket a page needs no session", "")
        try:
            opened = self._opened(self._sessions, await _body_of(request))
        except TokenFileUnreadable as error:
            return refused(503, error)
        except SessionRefused as error:
            return refused(401, error)
        token = opened.session.token
        reason = f"by the token {token.name}, of the scope {token.scope}"
        try:
            self._audit.record(
                AuditEvent("control", outcome="allow", resource="page", reason=reason)
            )
        except AuditUnavailable:
            self._sessions.close(opened.session)
            return refusal(503, "E0012", "the audit log cannot be written", "see `airswasm doctor`")
        response = self._about(token, opened.key)
        response.set_cookie(
            self._cookie, opened.cookie, path="/", httponly=True, samesite="strict"
        )  # without an age: it ends with the browser, and before that with the session
        return response

    def _opened(self, sessions: PageSessions, body: Document) -> OpenSession:
        token, link = body.get("token"), body.get("link")
        if isinstance(link, str):
            opened = sessions.open_by_link(link)
            problem = "the link was used, or is older than ten minutes"
        else:
            opened = sessions.open_by_token(token.strip()) if isinstance(token, str) else None
            problem = "the token is missing or wrong"
        if opened is None:
            raise SessionRefused(problem)
        if opened.session.token.scope == "send":
            sessions.close(opened.session)
            raise SessionRefused(_SEND_IS_BLIND)
        return opened

    async def _show(self, request: Request) -> Response:
        if request.scope.get(WAY) != "tcp":
            return self._about(_SOCKET)
        session = self._found(request)
        if session is None:
            return refused(401, SessionRefused("there is no session, or it has ended"))
        return self._about(session.token)

    async def _end(self, request: Request) -> Response:
        session = self._found(request)
        if session is not None and self._sessions is not None:
            self._sessions.close(session)
        response = Response(status_code=204)
        response.delete_cookie(self._cookie, path="/", httponly=True, samesite="strict")
        return response

    def _found(self, request: Request) -> PageSession | None:
        try:
            return self.session_of(request)
        except TokenFileUnreadable:
            return None

    def _about(self, token: Token, key: str | None = None) -> JSONResponse:
        names = [each.name for each in self._operations if admits(token, each.scope, None)]
        document = {
            "schema": "airswasm.session/1", "name": token.name, "scope": token.scope,
            "operations": names,
        }  # fmt: skip
        if key is not None:
            document["key"] = key
        return JSONResponse(document, headers={"Cache-Control": "no-store"})


async def _body_of(request: Request) -> Document:
    """Return the JSON object of a request; empty for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return {}
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > _MOST_BODY_BYTES:
            return {}
    try:
        found: object = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return mapping(found)
