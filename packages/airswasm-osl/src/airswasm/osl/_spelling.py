"""Spell the resources of this block's capabilities: paths, programs, addresses, URLs.

A text with two spellings is reduced to one before any pattern sees it, or refused. This block's
engine reads its arguments by the same functions, so check and effect cannot mean two things.
"""

from __future__ import annotations

import ipaddress
import re
import string
from urllib.parse import urlsplit

from airswasm.security import InvalidResource, Spelling, read_plain

__all__ = (
    "ADDRESS",
    "PATH",
    "PROGRAM",
    "URL",
    "read_address",
    "read_path",
    "read_program",
    "read_url",
)

_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
    re.ASCII,
)
_NUMERIC_LABEL = re.compile(r"([0-9]+|0x[0-9a-f]*)", re.ASCII)
_URL_UNSAFE = re.compile(r"[^\x21-\x7e]|\\")
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_NO_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_SLASHES = re.compile("/{2,}")
_DOT_ESCAPE = re.compile(r"%(2e|2f|5c|00)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL_LENGTH = 4_096


def read_path(value: str) -> str:
    """Return an absolute path below the component's root."""
    read_plain(value)
    if "\\" in value:
        raise InvalidResource(value, "write / between the parts of a path")
    parts = [part for part in value.split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)


def read_program(value: str) -> str:
    read_plain(value)
    if not value:
        raise InvalidResource(value, "it does not name a program")
    return value


def read_address(value: str) -> str:
    """Return `host:port` with an ASCII name or a canonical IP address."""
    host, colon, port = value.rpartition(":")
    if not colon:
        raise InvalidResource(value, "write host:port")
    return f"{_host(host, value)}:{_port(port, value)}"


def _port(port: str, value: str) -> int:
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65_536):
        raise InvalidResource(value, "the port is not a number from 1 to 65535")
    return int(port)


def _host(host: str, value: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        return f"[{_ip(host[1:-1], value, 6)}]"
    lowered = host.lower()
    if not lowered.isascii() or _HOST.fullmatch(lowered) is None:
        raise InvalidResource(value, "the host is neither an ASCII name nor an IP address")
    if _NUMERIC_LABEL.fullmatch(lowered.rpartition(".")[2]):
        return _ip(lowered, value, 4)
    return lowered


def _ip(text: str, value: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise InvalidResource(value, "the IP address is not in its canonical form") from None
    if address.version != version or "%" in text or str(address) != text.lower():
        raise InvalidResource(value, "the IP address is not in its canonical form")
    return str(address)


def read_url(value: str) -> str:
    """Return scheme, host, non-default port, and path, without query and fragment."""
    if len(value) > _URL_LENGTH or _URL_UNSAFE.search(value):
        raise InvalidResource(value, "a URL is printable ASCII, without spaces or backslashes")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise InvalidResource(value, str(error)) from None
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or parts.hostname is None:
        raise InvalidResource(value, "write http:// or https://, a host, and no user name")
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc.rstrip(":")
    authority = _host(host, value)
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        authority = f"{authority}:{_port(str(port), value)}"
    return f"{parts.scheme}://{authority}{_url_path(parts.path, value)}"


def _url_path(path: str, value: str) -> str:
    if _DOT_ESCAPE.search(path):
        raise InvalidResource(value, "the path hides a dot, slash or NUL in a % escape")
    if _NO_ESCAPE.search(path):
        raise InvalidResource(value, "two hexadecimal digits must follow a %")
    if any(part in (".", "..") for part in path.split("/")):
        raise InvalidResource(value, "the segments . and .. are not allowed")
    return _one_spelling(path) or "/"


def _one_spelling(path: str) -> str:
    """Return the spelling that a server gives a path before it decides what the path names.

    An escape that RFC 3986 (section 6.2.2) holds for its character becomes that character, other
    escapes get capital digits, and slashes in a row become one, as nginx and WSGI servers have it.
    """

    def spelled(escape: re.Match[str]) -> str:
        character = chr(int(escape[1], 16))
        return character if character in _UNRESERVED else escape[0].upper()

    return _SLASHES.sub("/", _ESCAPE.sub(spelled, path))


def _path_pattern(text: str) -> str:
    """Spell a pattern as `read_path` spells resources: absolute."""
    return f"/{text}" if text and text != "**" and not text.startswith("/") else text


def _http_pattern(text: str) -> str:
    """Spell a pattern like `read_url`: lower-case host, no default port, a path of at least `/`."""
    scheme, mark, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    scheme, authority = scheme.lower(), authority.lower()
    authority = authority.removesuffix(f":{_DEFAULT_PORTS.get(scheme, '')}")
    if mark and not slash and authority != "**":
        slash = "/"
    return f"{scheme}{mark}{authority}{_one_spelling(slash + path)}"


PATH = Spelling(read=read_path, read_pattern=_path_pattern)
PROGRAM = Spelling(read=read_program)
ADDRESS = Spelling(read=read_address, read_pattern=str.lower)
URL = Spelling(read=read_url, read_pattern=_http_pattern)
