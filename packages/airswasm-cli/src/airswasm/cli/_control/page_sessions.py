"""The sessions of the page, and the links that open one.

A session has two secrets. The cookie is for the browser alone (HttpOnly), so no script can read it;
but a browser sends a cookie of 127.0.0.1 to every port of it, another user's server included. The
key is in the storage of the page, which belongs to its own port; but a script could read it.
A request needs both. And a header with the key is one that no foreign page can send.

Sessions live in memory: they end with the host. So do links.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from .operation import Scope
from .tokens import Token, TokenFile, hash_of

__all__ = ("LINK_SECONDS", "OpenSession", "PageLink", "PageSession", "PageSessions")

LINK_SECONDS = 600.0
_IDLE_SECONDS = 3_600.0
_LONGEST_SECONDS = 12 * 3_600.0
_MOST_SESSIONS = 64
_MOST_LINKS = 16
_OF_LINKS = "page-link"


@dataclass(frozen=True, slots=True)
class PageLink:
    """A link that opens the page once.

    Attributes:
        url: The link, with its secret.
        scope: What the page may do.
        expires_at: Seconds since 1970.
    """

    url: str
    scope: Scope
    expires_at: float


@dataclass(slots=True, eq=False)
class PageSession:
    """One session of the page, as the host keeps it.

    Attributes:
        token: The token that admits its requests.
        key: The hash of its key.
        began: When, on the monotonic clock.
        seen: The last request, likewise.
        over: Set when it ends.
    """

    token: Token
    key: str
    began: float
    seen: float
    over: anyio.Event = field(default_factory=anyio.Event)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """The secrets of a new session, which the host does not keep."""

    cookie: str
    key: str
    session: PageSession


class PageSessions:
    """The open sessions, and the links that are not used yet.

    Args:
        tokens: The tokens of the home; a session of one ends when it is revoked.
        own: The token of this run.
        is_on: Whether there is a page.
        clock: The monotonic clock.
    """

    def __init__(
        self,
        tokens: TokenFile,
        own: Token,
        is_on: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens, self._own, self._is_on, self._clock = tokens, own, is_on, clock
        self._open: OrderedDict[str, PageSession] = OrderedDict()
        self._links: OrderedDict[str, tuple[Scope, float]] = OrderedDict()

    def link(self, scope: Scope) -> str:
        """Return the secret of a new link; the oldest link gives way to it where there are many."""
        secret = secrets.token_urlsafe(32)
        self._links[hash_of(secret)] = scope, self._clock() + LINK_SECONDS
        if len(self._links) > _MOST_LINKS:
            self._links.popitem(last=False)
        return secret

    def open_by_link(self, secret: str) -> OpenSession | None:
        """Use a link up, and return a session of its scope; None if it is none, or was used."""
        scope, expires = self._links.pop(hash_of(secret), ("all", float("-inf")))
        if expires <= self._clock():
            return None
        return self._begin(Token(_OF_LINKS, scope, (), 0.0, ""))

    def open_by_token(self, secret: str) -> OpenSession | None:
        """Return a session of a token; None if it is none.

        Raises:
            TokenFileUnreadable: As for `TokenFile.tokens`.
        """
        token = self._own if self._own.is_of(secret) else self._tokens.find(secret)
        return self._begin(token) if token is not None else None

    def find(self, cookie: str, key: str) -> PageSession | None:
        """Return the session of two secrets, and note that it was seen."""
        session = self._open.get(hash_of(cookie))
        if session is None or not secrets.compare_digest(session.key, hash_of(key)):
            return None
        if not self.is_open(session):
            return None
        session.seen = self._clock()
        self._open.move_to_end(hash_of(cookie))
        return session

    def is_open(self, session: PageSession) -> bool:
        """Return whether a session goes on; end it otherwise.

        Raises:
            TokenFileUnreadable: As for `TokenFile.tokens`.
        """
        now, token = self._clock(), session.token
        is_late = now - session.seen > _IDLE_SECONDS or now - session.began > _LONGEST_SECONDS
        is_known = token is self._own or token.name == _OF_LINKS or self._has(token)
        if is_late or not is_known or not self._is_on():
            self.close(session)
        return not session.over.is_set()

    def touch(self, session: PageSession) -> None:
        """Note that a session is in use."""
        session.seen = self._clock()

    def close(self, session: PageSession) -> None:
        """End a session, and the streams that it reads."""
        session.over.set()
        self._open = OrderedDict((k, each) for k, each in self._open.items() if each is not session)

    def _has(self, token: Token) -> bool:
        return any(each.sha256 == token.sha256 for each in self._tokens.tokens())

    def _begin(self, token: Token) -> OpenSession:
        cookie, key = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        now = self._clock()
        session = PageSession(token, hash_of(key), now, now)
        self._open[hash_of(cookie)] = session
        if len(self._open) > _MOST_SESSIONS:
            _, oldest = self._open.popitem(last=False)
            oldest.over.set()
        return OpenSession(cookie, key, session)
