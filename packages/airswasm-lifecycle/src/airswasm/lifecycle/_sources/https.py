"""Fetch a `.airswasm` file from an https server: `https://host/path#sha256=…`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import anyio.to_thread
from airswasm.security import network_source

from ..errors import SourceChanged, SourceFailed, SourceUnknown
from .credentials import netrc_login
from .dialing import Dialer
from .settings import SourceSettings
from .source import Arrived, Fetched
from .trees import FetchedTree, read_zip
from .urls import Login, Url, read_url
from .web import Web, basic

__all__ = ("UrlSource",)

_PIN = re.compile(r"sha256=([0-9a-f]{64})")


class UrlSource:
    """The kind `https`.

    Args:
        settings: What an operator allows.
        dialer: Connects; by default as the settings say.
    """

    def __init__(self, settings: SourceSettings, dialer: Dialer | None = None) -> None:
        self._settings = settings
        self._dialer = dialer or Dialer(settings)

    def canonical(self, text: str) -> str:
        """See `PackageSource`; without login and query, with the digest."""
        url, _, pin = _read(text)
        return _shown(url, pin)

    def pinned(self, text: str, pin: str) -> str:
        """See `PackageSource`; the pin is a SHA-256."""
        _read(text)
        return f"{text.partition('#')[0]}#sha256={pin.removeprefix('sha256:')}"

    async def fetch(self, text: str, arrived: Arrived) -> Fetched:
        """See `PackageSource`."""
        url, login, pin = _read(text)
        source = _shown(url, pin)
        login = login or await netrc_login(url.host)
        answer = await Web(self._settings, self._dialer, source).get(
            url,
            authorization=basic(login) if login else "",
            most_bytes=self._settings.most_bytes,
            arrived=arrived,
        )
        check_status(answer.status, answer.url, source, has_login=login is not None)
        found = hashlib.sha256(answer.body).hexdigest()
        if pin and found != pin:
            raise SourceChanged(source, f"sha256 {pin}", f"sha256 {found}")
        return Fetched(answer.body, source, f"sha256:{found}", _place(answer.hops))

    async def fetch_tree(self, text: str, arrived: Arrived) -> FetchedTree:
        """See `TreeSource`; a zip file."""
        fetched = await self.fetch(text, arrived)
        most = self._settings.most_bytes
        files = await anyio.to_thread.run_sync(read_zip, fetched.content, fetched.source, most)
        return FetchedTree(files, fetched.source, fetched.pin)


def check_status(status: int, url: Url, source: str, *, has_login: bool, place: str = "") -> None:
    """Refuse an answer that is no success.

    Raises:
        SourceFailed: It is none; the error says which.
    """
    if status == 200:
        return
    hint = ""
    if status in (401, 403):
        hint = (
            "the login was not accepted"
            if has_login
            else f"it may need a login: {place or f'write one for {url.host} into ~/.netrc'}"
        )
    raise SourceFailed(source, f"{url.authority} answers {status}", hint=hint)


def _place(hops: Sequence[Url]) -> str:
    """Return the text by which `[trust] sources` may trust all of the addresses; empty if none."""
    places = [
        network_source("https", each.authority, each.path) if not each.query else ""
        for each in hops
    ]
    return " ".join(dict.fromkeys(places)) if all(places) else ""


def _read(text: str) -> tuple[Url, Login | None, str]:
    url, login, fragment = read_url(text)
    found = _PIN.fullmatch(fragment)
    if fragment and found is None:
        raise SourceUnknown(
            str(url), "the part after # is not sha256= and 64 digits of a-f and 0-9",
            hint="a git repository begins with git+https://",
        )  # fmt: skip
    return url, login, found[1] if found else ""


def _shown(url: Url, pin: str) -> str:
    shown = f"https://{url.authority}{url.path}"
    return f"{shown}#sha256={pin}" if pin else shown
