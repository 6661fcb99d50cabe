"""Find the user's credentials where other programs have them, and show them nowhere.

~/.netrc (or NETRC) has logins of hosts. A file that cannot be read is no login: the refusal of the
server then says what is missing. An ssh agent is asked where ssh is spoken, in `git_child`.
"""

from __future__ import annotations

import netrc
import os
from contextlib import suppress
from pathlib import Path

import anyio.to_thread

from .urls import Login

__all__ = ("netrc_login",)


async def netrc_login(host: str) -> Login | None:
    """Return the login that the user's netrc has for exactly this host.

    Its `default` entry is for no host in particular, and so for none that a package names.
    """
    return await anyio.to_thread.run_sync(_netrc_login, host)


def _netrc_login(host: str) -> Login | None:
    named = os.environ.get("NETRC")
    file = Path(named) if named else Path("~").expanduser() / ".netrc"
    try:
        entry = netrc.netrc(file).hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return _login(entry[0], entry[2]) if entry is not None else None


def _login(name: object, password: object) -> Login | None:
    if not isinstance(name, str) or not isinstance(password, str) or not password:
        return None
    with suppress(ValueError):
        return Login(name, password)
    return None
