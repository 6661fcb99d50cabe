"""Find the user's credentials where other programs have them, and show them nowhere.

~/.netrc (or NETRC) has logins of hosts; the configuration of docker (or DOCKER_CONFIG) has those of
registries, and names the programs that keep them. A file that cannot be read, or a helper that
fails, is no login: the refusal of the server then says what is missing. An ssh agent is asked where
ssh is spoken, in `git_child`.
"""

from __future__ import annotations

import base64
import binascii
import json
import netrc
import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread

from .urls import Login

__all__ = ("docker_login", "netrc_login")

_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_SECONDS = 30.0
_MOST_BYTES = 1024 * 1024


async def netrc_login(host: str) -> Login | None:
    """Return the login that the user's netrc has for exactly this host.

    Its `default` entry is for no host in particular, and so for none that a package names.
    """
    return await anyio.to_thread.run_sync(_netrc_login, host)


async def docker_login(registry: str) -> Login | None:
    """Return the login that docker's configuration, or its helper, has for a registry."""
    settings = await anyio.to_thread.run_sync(_docker_settings)
    for key in (
        registry,
        f"https://{registry}",
        f"https://{registry}/v1/",
        f"https://{registry}/v2/",
    ):
        helper = _text(_table(settings.get("credHelpers")), key)
        found = await _from_helper(helper, key) if helper else None
        found = found or _from_auths(_table(_table(settings.get("auths")).get(key)))
        store = settings.get("credsStore")
        if found is None and isinstance(store, str) and key in _table(settings.get("auths")):
            found = await _from_helper(store, key)
        if found is not None:
            return found
    return None


def _netrc_login(host: str) -> Login | None:
    named = os.environ.get("NETRC")
    file = Path(named) if named else Path("~").expanduser() / ".netrc"
    try:
        entry = netrc.netrc(file).hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return _login(entry[0], entry[2]) if entry is not None else None


def _docker_settings() -> Mapping[str, object]:
    named = os.environ.get("DOCKER_CONFIG")
    folder = Path(named) if named else Path("~").expanduser() / ".docker"
    try:
        content = (folder / "config.json").read_bytes()
        return _table(json.loads(content)) if len(content) <= _MOST_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _from_auths(entry: Mapping[str, object]) -> Login | None:
    encoded = entry.get("auth")
    if isinstance(encoded, str) and encoded:
        with suppress(binascii.Error, ValueError):
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            return _login(name, password) if colon else None
    return _login(_text(entry, "username"), _text(entry, "password"))


async def _from_helper(helper: str, key: str) -> Login | None:
    if not _HELPER.fullmatch(helper):
        return None
    command = [f"docker-credential-{helper}", "get"]
    try:
        with anyio.fail_after(_HELPER_SECONDS):
            done = await anyio.run_process(
                command, input=key.encode(), check=False, stderr=subprocess.DEVNULL
            )
        answer = _table(json.loads(done.stdout[:_MOST_BYTES]) if done.returncode == 0 else None)
    except (OSError, ValueError, RecursionError, TimeoutError):
        return None
    return _login(_text(answer, "Username"), _text(answer, "Secret"))


def _login(name: object, password: object) -> Login | None:
    if not isinstance(name, str) or not isinstance(password, str) or not password:
        return None
    with suppress(ValueError):
        return Login(name, password)
    return None


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""
