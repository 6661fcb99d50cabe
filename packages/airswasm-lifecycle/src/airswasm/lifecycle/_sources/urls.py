"""Read the address of a server, strictly, and show it without its secrets.

Two readers of one URL that disagree about its host are how checks are passed by, so this reads a
subset on which all agree: printable ASCII, a lower-case name or a canonical IP address. A password,
a token or a query never gets into a text that is shown or recorded: whatever is shown is made of
the parts that are no secret, and not by removing secrets from a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

from airswasm.security.addresses import Address, as_address

from ..errors import SourceUnknown

__all__ = ("Login", "Url", "read_authority", "read_url")

HTTPS = 443
_NO_HOST = "its host is neither a name nor a plain IP address"
_PRINTABLE = re.compile(r"[!-~]+")
_REFUSED = frozenset("\\^`{|}<>\"'")
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password, or a token; neither shows in any text."""

    name: str = field(repr=False)
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.is_sendable(self.name + self.password):
            raise ValueError("a login has characters that no header can carry")

    @staticmethod
    def is_sendable(text: str) -> bool:
        """Return whether a header can carry it."""
        return text.isprintable() or not text


@dataclass(frozen=True, slots=True)
class Url:
    """An https address.

    Attributes:
        host: A lower-case name or a canonical IP address, without brackets.
        port: 1 to 65535.
        path: Begins with a slash.
        query: Without its mark; it may hold a secret.
    """

    host: str
    port: int
    path: str
    query: str = field(default="", repr=False)

    @property
    def address(self) -> Address | None:
        """The IP address, if the host is one."""
        return as_address(self.host)

    @property
    def authority(self) -> str:
        """Host and port, as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query, as a request has them."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def is_same_server(self, other: Url) -> bool:
        """Return whether what one of them may know, the other may."""
        return (self.host, self.port) == (other.host, other.port)

    def joined(self, location: str) -> Url:
        """Return where a redirect from here leads.

        Raises:
            SourceUnknown: It is no https address, or one with a login.
        """
        base = f"https://{self.authority}{self.path}"
        url, login, _ = read_url(urljoin(base, location.strip(" \t")), shown="a redirect")
        if login is not None:
            raise SourceUnknown("a redirect", "it has a login")
        return url

    def __str__(self) -> str:
        return f"https://{self.authority}{self.path}{'?…' if self.query else ''}"


def read_url(text: str, *, shown: str = "the address") -> tuple[Url, Login | None, str]:
    """Return an https address, its login, and its fragment.

    Args:
        text: The address.
        shown: Its name in errors, which must not repeat it: it may hold a secret.

    Raises:
        SourceUnknown: It is none, or has more than one reading.
    """
    check_text(text, shown)
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets without an address in them
        raise SourceUnknown(shown, _NO_HOST) from None
    if parts.scheme != "https":
        raise SourceUnknown(
            f"{shown} ({parts.scheme}:…)" if parts.scheme else shown, "only https:// is taken",
            hint="use https://, which proves who sends the bytes",
        )  # fmt: skip
    host, port, login = read_authority(parts.netloc, HTTPS, shown)
    return Url(host, port, parts.path or "/", parts.query), login, parts.fragment


def check_text(text: str, shown: str) -> None:
    """Refuse what two readers of an address could read in two ways.

    Raises:
        SourceUnknown: It has characters that belong in no address.
    """
    if not _PRINTABLE.fullmatch(text) or _REFUSED & set(text):
        raise SourceUnknown(
            shown, "it has spaces, control characters, or others that no address has",
            hint="percent-encode them; a name beyond ASCII is written as xn--…",
        )  # fmt: skip


def read_authority(netloc: str, default: int, shown: str) -> tuple[str, int, Login | None]:
    """Return host, port and login of an address's second part.

    Raises:
        SourceUnknown: The host is neither a name nor a canonical address.
    """
    user, at, place = netloc.rpartition("@")
    if "@" in user:
        raise SourceUnknown(shown, "it has two @; percent-encode the one of a password (%40)")
    bracket = re.fullmatch(r"\[([^\]]*)\](?::([0-9]*))?", place)
    host, port = (bracket[1], bracket[2]) if bracket else _split(place)
    host = host.lower()
    address = as_address(host)
    if bracket and address is not None and address.version == 6 and "%" not in host:
        host = str(address)
    is_canonical = (
        address is not None
        and str(address) == host
        and "%" not in host
        and bool(bracket) == (":" in host)
    )
    is_name = not bracket and bool(_NAME.fullmatch(host)) and len(host) <= 253
    if is_name and address is None and _NUMBER.fullmatch(host.rpartition(".")[2]):
        is_name = False  # 2130706433, 0x7f.1: some readers take it for an address
    if not (is_canonical or (is_name and address is None)):
        raise SourceUnknown(shown, _NO_HOST)
    number = int(port) if port else default
    if port == "" and ":" in place.rpartition("]")[2]:
        raise SourceUnknown(shown, "its port is empty")
    if not 1 <= number <= 65535:
        raise SourceUnknown(shown, "its port is not from 1 to 65535")
    return host, number, _login(user, shown) if at else None


def _split(place: str) -> tuple[str, str | None]:
    host, colon, port = place.partition(":")
    if colon and not re.fullmatch(r"[0-9]{0,5}", port):
        return "", None  # no host: the caller refuses it
    return host, port if colon else None


def _login(user: str, shown: str) -> Login | None:
    name, _, password = user.partition(":")
    try:
        login = Login(unquote(name), unquote(password))
    except ValueError:
        raise SourceUnknown(shown, "its login has control characters") from None
    return login if name or password else None
