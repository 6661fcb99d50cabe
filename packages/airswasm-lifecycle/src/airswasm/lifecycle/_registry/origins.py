"""The author of a change: a user of this machine, a token of the control API, or the host.

It is a variable of the context, as each change passes many functions that have no use for it. A
server sets it for each request, the host for its own tasks.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

__all__ = ("HOST", "ChangeOrigin", "acting", "current_origin", "user_text")


@dataclass(frozen=True, slots=True)
class ChangeOrigin:
    """The author of a change, and the way.

    Attributes:
        by: `user alice (1000)`, `token ci`, or `host`.
        via: `terminal` or `command` of the airswasm command, `socket`, `tcp` or
            `page` of the control API, `program` of another one; empty for the host. A client of the
            socket says by itself whether it has a terminal: that is for people, and proves nothing.
    """

    by: str
    via: str = ""


HOST = ChangeOrigin("host")
_current: ContextVar[ChangeOrigin | None] = ContextVar("the origin of a change", default=None)


@contextmanager
def acting(origin: ChangeOrigin) -> Generator[None]:
    """Name the origin of all changes that are made inside of the block."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)


def current_origin() -> ChangeOrigin:
    """Return who makes the changes of this task; this process's user where none was named."""
    return _current.get() or ChangeOrigin(user_text(None), "program")


@cache
def user_text(uid: int | None) -> str:
    """Return a user in words: `user alice (1000)`.

    Args:
        uid: The user's number; None for the user of this process.
    """
    if uid is None and hasattr(os, "getuid"):
        uid = os.getuid()
    try:
        if uid is None:
            return f"user {getpass.getuser()}"
        import pwd

        return f"user {pwd.getpwuid(uid).pw_name} ({uid})"
    except (ImportError, KeyError, OSError):
        return f"user {uid}"
