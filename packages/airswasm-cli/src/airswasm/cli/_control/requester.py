"""The sender of a request, for the history of the change that it makes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airswasm.lifecycle import ChangeOrigin
    from starlette.requests import Request

__all__ = ("TOKEN", "WAY", "client_name", "origin_of")

TOKEN = "airswasm.token"  # noqa: S105 - a key of the ASGI scope
"""Names the token of a request over TCP, in the ASGI scope; only `gate` sets it."""
WAY = "airswasm.way"
"""Says in the ASGI scope `tcp` of a request over TCP, `page` of one with a session; likewise."""
_UID = "uid:"
_TERMINAL, _COMMAND = "airswasm (terminal)", "airswasm (command)"


def client_name() -> str:
    """Return what the command calls itself in its requests."""
    return _TERMINAL if sys.stdin is not None and sys.stdin.isatty() else _COMMAND


def origin_of(request: Request) -> ChangeOrigin:
    """Return the sender of a request, as the kernel or the token names it, and its way."""
    from airswasm.lifecycle import ChangeOrigin, user_text

    token = request.scope.get(TOKEN)
    if token is not None:
        return ChangeOrigin(f"token {token}", request.scope.get(WAY, "tcp"))
    host = request.client.host if request.client is not None else ""
    user = user_text(int(host.removeprefix(_UID)) if host.startswith(_UID) else None)
    ways = {_TERMINAL: "terminal", _COMMAND: "command"}
    return ChangeOrigin(user, ways.get(request.headers.get("user-agent", ""), "socket"))
