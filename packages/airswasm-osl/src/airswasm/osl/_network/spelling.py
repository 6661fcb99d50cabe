"""Spell addresses and HTTP requests in one way, and read patterns of them.

A host is labels parted by dots, so in a pattern `*` is one label and `**.` any number; an IP
address is one label if it has colons, and four if it has none. A wildcard in one part of a URL does
not reach into another.

Rejected: reading `0177.1`, `2130706433` or `[::ffff:127.0.0.1]` as the address that a resolver
makes of it. Each has a usual spelling, and a deny rule names that one.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import socket
import string
from urllib.parse import quote, urlsplit

from airswasm.security import (
    EVERYTHING,
    InvalidPattern,
    InvalidResource,
    Pattern,
    Spelling,
    Words,
    escape,
)
from airswasm.security.addresses import innermost

__all__ = (
    "ADDRESS",
    "METHOD",
    "REFUSED_METHODS",
    "SERVED",
    "URL",
    "read_address",
    "read_host",
    "read_path_of_url",
    "read_request",
    "read_url",
    "spelled_host_pattern",
)

METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
REFUSED_METHODS = frozenset({"CONNECT", "TRACE"})
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
    re.ASCII,
)
_LABEL_PATTERN = re.compile(r"[a-z0-9*?\[\]-]+", re.ASCII)
_NUMERIC_LABEL = re.compile(r"([0-9]+|0x[0-9a-f]*)", re.ASCII)
_URL_UNSAFE = re.compile(r"[^\x21-\x7e]|\\")
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_NO_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_SLASHES = re.compile("/{2,}")
_DOT_ESCAPE = re.compile(r"%(25)*(2e|2f|5c|00)", re.IGNORECASE)
_QUERY = re.compile(r"\?[^/]*=")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL_LENGTH = 4_096
_PATTERN_LENGTH = 1_024


def read_address(value: str) -> str:
    """Return `host:port` with an ASCII name or a canonical IP address."""
    host, colon, port = value.rpartition(":")
    if not colon:
        raise InvalidResource(value, "write host:port")
    return f"{_host(host, value)}:{_port(port, value)}"


def read_host(value: str) -> str:
    """Return an ASCII name in lower case, or an IP address in its canonical form."""
    return _host(value, value)


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
        usual = _usual(text) if version == 4 else ""
        reason = (
            f"the IP address stands for {usual}; write that" if usual else "it is no IP address"
        )
        raise InvalidResource(value, reason) from None
    inner = innermost(address)
    if inner is not address:
        raise InvalidResource(value, f"the IP address stands for {inner}; write that")
    if address.version != version or "%" in text:
        raise InvalidResource(value, "only an IPv6 address has brackets, and none has a zone")
    if str(address) != text.lower():
        raise InvalidResource(value, f"the IP address stands for {address}; write that")
    return str(address)


def _usual(text: str) -> str:
    """Return the IPv4 address that C libraries read in `127.1` or `0177.0.0.1`; empty if none."""
    try:
        return socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        return ""


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


def read_request(value: str) -> str:
    """Return a method and a URL: `GET https://api.example.com/v1/x`."""
    try:
        words = value.split(" ") if "'" not in value else shlex.split(value)
        method, url = words
    except ValueError:
        raise InvalidResource(value, "write a method and a URL: GET https://…") from None
    method = method.upper()
    if METHOD.fullmatch(method) is None or method in REFUSED_METHODS:
        raise InvalidResource(value, f"{method!a} is not a permitted method")
    return f"{method} {read_url(url)}"


def read_path_of_url(value: str) -> str:
    """Return the path of a URL, such as a request line has it, in one spelling."""
    if len(value) > _URL_LENGTH or _URL_UNSAFE.search(value) or not value.startswith("/"):
        raise InvalidResource(value, "a path begins with / and is printable ASCII")
    return _url_path(value, value)


def _served_pattern(text: str) -> str:
    """Spell a pattern of paths that a component serves: `/api/**`."""
    if text == "**":
        return "/**"
    if not text.startswith("/"):
        meant = f"/{text.partition('://')[2].partition('/')[2] or text}"
        raise InvalidPattern(text, f"a path begins with /{_meant(meant)}")
    spelled = _path_of(text, text)
    if {".", ".."} & set(spelled.split("/")):
        raise InvalidPattern(text, "no request has the segments . and ..")
    return spelled


def _url_path(path: str, value: str) -> str:
    if problem := _path_problem(path):
        raise InvalidResource(value, problem)
    if any(part in (".", "..") for part in path.split("/")):
        raise InvalidResource(value, "the segments . and .. are not allowed")
    return _one_spelling(path) or "/"


def _path_problem(path: str) -> str | None:
    if _DOT_ESCAPE.search(path):
        return "the path hides a dot, slash or NUL in a % escape"
    if _NO_ESCAPE.search(path):
        return "two hexadecimal digits must follow a %"
    return None


def _one_spelling(path: str) -> str:
    """Return the spelling that a server gives a path before it decides what the path names.

    An escape that RFC 3986 (section 6.2.2) holds for its character becomes that character, other
    escapes get capital digits, and slashes in a row become one, as nginx and WSGI servers have it.
    """

    def spelled(escaped: re.Match[str]) -> str:
        character = chr(int(escaped[1], 16))
        return character if character in _UNRESERVED else escaped[0].upper()

    return _SLASHES.sub("/", _ESCAPE.sub(spelled, path))


def _authority_of(url: str) -> tuple[str, str, str, str]:
    """Return scheme, host, port (empty for the default) and path of a URL in one spelling."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    host, port = _host_and_port(authority)
    return scheme, host, port, slash + path


def _host_and_port(authority: str) -> tuple[str, str]:
    """Return the host, and the port or an empty text."""
    start = authority.find("]") if _is_ipv6(authority) else 0
    head, colon, port = authority[start:].rpartition(":")
    return (authority[:start] + head, port) if colon else (authority, "")


def _is_ipv6(authority: str) -> bool:
    return authority.startswith("[") and ":" in authority.partition("]")[0]


def _request_parts(text: str) -> tuple[str, ...]:
    method, _, url = text.partition(" ")
    scheme, host, port, path = _authority_of(url)
    return method, scheme, host, port or str(_DEFAULT_PORTS[scheme]), path


def _address_parts(text: str) -> tuple[str, ...]:
    host, _, port = text.rpartition(":")
    return host, port


def _host_pattern(host: str, text: str) -> str:
    """Return a host's pattern in one spelling.

    Raises:
        InvalidPattern: No host is spelled so; the reason has what was probably meant.
    """
    lowered = host.lower()
    if not lowered:
        raise InvalidPattern(text, "it names no host")
    if not lowered.isascii():
        raise InvalidPattern(text, f"a host is written in ASCII{_meant(_punycode(lowered))}")
    if lowered.endswith("."):
        raise InvalidPattern(text, f"a host has no dot at its end{_meant(lowered.rstrip('.'))}")
    if _is_ipv6(lowered) or not any(char in lowered for char in "*?["):
        try:
            return _host(lowered, text)
        except InvalidResource as error:
            raise InvalidPattern(text, f"{error.reason}{_meant(_usual_address(lowered))}") from None
    for label in lowered.split("."):
        if _LABEL_PATTERN.fullmatch(label) is None:
            raise InvalidPattern(text, f"no host has the label {label!a}")
    above, _, top = lowered.rpartition(".")
    stem = top.rstrip("*?")
    if above and stem.isalpha() and stem != top:
        reason = f"hosts of others end in {top!a}, too"
        raise InvalidPattern(text, f"{reason}{_meant(f'{above}.{stem}')}")
    return lowered


def spelled_host_pattern(text: str) -> str:
    """Return the pattern of a host in one spelling.

    Raises:
        InvalidPattern: No host is spelled so.
    """
    return _host_pattern(text, text)


def _meant(text: str) -> str:
    return f"; did you mean {text}?" if text else ""


def _punycode(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _usual_address(host: str) -> str:
    """Return the usual spelling of an IP address, or an empty text for what is none."""
    try:
        inner = innermost(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        return ""
    return str(inner) if inner.version == 4 else f"[{inner}]"


def _port_pattern(port: str, text: str) -> str:
    if port == "*":
        return port
    try:
        return str(_port(port, text))
    except InvalidResource as error:
        raise InvalidPattern(text, f"{error.reason}, or * for any") from None


def _host_row(host: str) -> Pattern:
    return Pattern(escape(host) if _is_ipv6(host) else host, ".")


def _word(text: str) -> Words:
    return Words() if text == "*" else Words(frozenset({text}))


def _address_pattern(text: str) -> str:
    """Spell a pattern of addresses: `*.example.com:443`, `db.internal:*`."""
    if text == "**":
        return text
    if "://" in text or "/" in text:
        host = text.partition("://")[2].partition("/")[0] or text.partition("/")[0]
        raise InvalidPattern(text, f"write host:port, without scheme and path{_meant(host)}")
    host, port = _host_and_port(text)
    if not port:
        raise InvalidPattern(text, f"it has no port{_meant(f'{text}:443')}")
    return f"{_host_pattern(host, text)}:{_port_pattern(port, text)}"


def _address_pattern_parts(text: str) -> tuple[Pattern | Words, ...]:
    host, port = ("*.**", "*") if text == "**" else _address_parts(text)
    return _host_row(host), _word(port)


def _request_pattern(text: str) -> str:
    """Spell a pattern of requests: `GET,POST https://*.example.com/v1/**`, no method for all."""
    if text == "**":
        return text
    if len(text) > _PATTERN_LENGTH:
        raise InvalidPattern(text[:80], f"it is longer than {_PATTERN_LENGTH} characters")
    if text != text.strip():
        raise InvalidPattern(text, f"it has a space at an end{_meant(text.strip())}")
    head, space, url = text.rpartition(" ")
    methods = _methods(head, text) if space else ""
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark and url == EVERYTHING:
        raise InvalidPattern(text, f"a method stands before a URL{_meant(f'{methods}*://**:*/**')}")
    if not mark:
        raise InvalidPattern(text, f"it has no scheme{_meant(f'https://{_with_path(url)}')}")
    if scheme not in (*_DEFAULT_PORTS, "*"):
        raise InvalidPattern(text, "the scheme is http, https, or * for both")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        plain = f"{scheme}://{rest.partition('@')[2]}"
        raise InvalidPattern(text, f"no user is named{_meant(plain)}")
    host, port = _host_and_port(authority)
    host = _host_pattern(host, text)
    port = _port_pattern(port, text) if port else ""
    if port == str(_DEFAULT_PORTS.get(scheme)):
        port = ""
    if not slash:
        path = "**" if host == "**" else ""
    return f"{methods}{scheme}://{host}{port and f':{port}'}{_path_of(f'/{path}', text)}"


def _with_path(text: str) -> str:
    return text if "/" in text else f"{text}/**"


def _methods(head: str, text: str) -> str:
    methods = sorted({each.strip().upper() for each in head.split(",")})
    for method in methods:
        if METHOD.fullmatch(method) is None or method in REFUSED_METHODS:
            raise InvalidPattern(text, f"{method!a} is no method that a component can use")
    return f"{','.join(methods)} "


def _path_of(path: str, text: str) -> str:
    if "#" in path or _QUERY.search(path):
        raise InvalidPattern(text, "grants are for paths; query and fragment are no part of them")
    if _URL_UNSAFE.search(path):
        meant = quote(path, safe="/%*?[]!$&'()+,;=:@~-")
        raise InvalidPattern(text, f"a path is printable ASCII{_meant(meant)}")
    if problem := _path_problem(path):
        raise InvalidPattern(text, problem)
    return _one_spelling(path)


def _request_pattern_parts(text: str) -> tuple[Pattern | Words, ...]:
    if text == "**":
        return Words(), Words(), Pattern("*.**", "."), Words(), Pattern("/**")
    methods, _, url = text.rpartition(" ")
    scheme, host, port, path = _authority_of(url)
    allowed = Words(frozenset(methods.split(","))) if methods else Words()
    if not port and scheme == "*":
        ports = Words(frozenset(map(str, _DEFAULT_PORTS.values())))
    else:
        ports = _word(port or str(_DEFAULT_PORTS[scheme]))
    return allowed, _word(scheme), _host_row(host), ports, Pattern(path)


def _quoted_request(text: str) -> str:
    start = text.index("/", text.index("://") + 3)
    return text[:start] + escape(text[start:])


ADDRESS = Spelling(
    read=read_address,
    read_pattern=_address_pattern,
    split=_address_parts,
    split_pattern=_address_pattern_parts,
    quote=str,
)
URL = Spelling(
    read=read_request,
    read_pattern=_request_pattern,
    split=_request_parts,
    split_pattern=_request_pattern_parts,
    quote=_quoted_request,
    together=("http://**/**", "https://**/**"),
)
SERVED = Spelling(read=read_path_of_url, read_pattern=_served_pattern, everything="/**")
