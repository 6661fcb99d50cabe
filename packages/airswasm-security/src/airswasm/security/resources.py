"""What a call touches, brought into the one form that patterns are matched on.

The contract names the argument that is the resource: `storage:read(key)`,
`http:request(url)`. How that argument is read follows from the capability's area
and the argument's name, in one table below. Anything with two spellings (paths,
URLs, addresses) is reduced to one before any pattern sees it, or refused: a
check on one spelling and an effect on another is how sandboxes are escaped.
Blocks that perform the effect must use `canonical` too.

Rejected: matching on the raw argument (`https://evil.example?x=.good.example/`
fits `https://*.good.example/**`), and normalising silently to NFC (the check
would see another name than the effect).
"""

from __future__ import annotations

import enum
import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from .errors import InvalidCapability, InvalidPattern, InvalidResource
from .patterns import Pattern

__all__ = ("Reach", "Resource", "canonical", "parse_pattern", "resource_of")

_CAPABILITY = re.compile(r"[a-z][a-z0-9-]*:[a-z][a-z0-9-]*", re.ASCII)
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
    re.ASCII,
)
_NUMERIC_LABEL = re.compile(r"([0-9]+|0x[0-9a-f]*)", re.ASCII)
_URL_UNSAFE = re.compile(r"[\x00-\x20\x7f-\uffff\\]")
_DOT_ESCAPE = re.compile(r"%(2e|2f|5c|00)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_RESOURCE_LENGTH = 4_096


class Reach(enum.Enum):
    """How much one call touches."""

    EXACT = "exact"
    """The one resource that it names."""
    PREFIX = "prefix"
    """Every resource that starts with what it names."""
    PATTERN = "pattern"
    """Every resource that its pattern covers."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What one call touches, in canonical form."""

    text: str
    reach: Reach = Reach.EXACT
    separator: str = "/"

    def is_covered_by(self, pattern: Pattern) -> bool:
        """Whether the pattern covers all of it."""
        match self.reach:
            case Reach.EXACT:
                return pattern.matches(self.text)
            case Reach.PREFIX:
                return pattern.covers_prefix(self.text)
            case Reach.PATTERN:
                return pattern.covers_pattern(Pattern(self.text, self.separator))

    def is_touched_by(self, pattern: Pattern) -> bool:
        """Whether the pattern may cover any of it."""
        match self.reach:
            case Reach.EXACT:
                return pattern.matches(self.text)
            case Reach.PREFIX:
                return pattern.touches_prefix(self.text)
            case Reach.PATTERN:
                return pattern.touches_pattern(Pattern(self.text, self.separator))

    @property
    def granting_pattern(self) -> str:
        """The narrowest pattern that would cover it."""
        if self.reach is not Reach.PREFIX:
            return self.text
        if self.text == "" or self.text.endswith("/"):
            return f"{self.text}**"
        return f"{self.text}*/**"


def canonical(capability: str, value: str) -> str:
    """The one spelling of a resource, on which grants are matched.

    Args:
        capability: What is asked for; its area says how to read `value`.
        value: A key, target, topic, path, program, URL or `host:port`.

    Returns:
        The canonical spelling: an absolute path without `.`, a URL without query
        and default port, an address with a lower-case name or canonical IP.

    Raises:
        InvalidCapability: `capability` is not of the form `area:verb`.
        InvalidResource: `value` has no safe reading.
    """
    return resource_of(capability, None, value).text


def resource_of(capability: str, argument: str | None, value: str) -> Resource:
    """What a call touches, from the annotation and the argument's value.

    Args:
        capability: The capability that the call needs.
        argument: The name of the argument in the contract; `prefix` and
            `pattern` widen what the call touches.
        value: The argument.

    Raises:
        InvalidCapability: `capability` is not of the form `area:verb`.
        InvalidResource: `value` has no safe reading.
    """
    separator = separator_of(capability)
    if argument == "prefix":
        return Resource(_plain(value), Reach.PREFIX, separator)
    if capability == "messaging:subscribe":
        return Resource(_topic_pattern(value), Reach.PATTERN, separator)
    read = _READERS.get(capability.partition(":")[0], _plain)
    if separator == ".":
        read = _topic
    return Resource(read(value), Reach.EXACT, separator)


def parse_pattern(capability: str, text: str) -> Pattern:
    """A grant's pattern, read as its capability's resources are.

    Raises:
        InvalidCapability: `capability` is not of the form `area:verb`.
        InvalidPattern: The text is not a usable pattern.
    """
    separator = separator_of(capability)
    area = capability.partition(":")[0]
    if area == "http":
        text = _http_pattern(text)
    elif area in ("tcp", "udp"):
        text = text.lower()
    if area == "filesystem" and text and text != "**" and not text.startswith("/"):
        text = f"/{text}"
    return Pattern(text, separator)


@lru_cache(maxsize=256)  # of a pure function: no state
def separator_of(capability: str) -> str:
    """What parts the segments of this capability's resources."""
    if _CAPABILITY.fullmatch(capability) is None:
        raise InvalidCapability(capability)
    return "." if capability in ("messaging:publish", "messaging:subscribe") else "/"


def _http_pattern(text: str) -> str:
    """As `_url` spells resources: lower-case host, no default port, a path at least of `/`."""
    scheme, mark, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    scheme, authority = scheme.lower(), authority.lower()
    authority = authority.removesuffix(f":{_DEFAULT_PORTS.get(scheme, '')}")
    if mark and not slash and authority != "**":
        slash = "/"
    return f"{scheme}{mark}{authority}{slash}{path}"


def _plain(value: str) -> str:
    """A key or name: any text in NFC without control characters or dot segments."""
    if len(value) > _RESOURCE_LENGTH:
        raise InvalidResource(value, f"it is longer than {_RESOURCE_LENGTH} characters")
    if value.isascii():
        if not value.isprintable():
            raise InvalidResource(value, "it holds a control character")
    else:
        _check_unicode(value)
    if ".." in value and ".." in value.split("/"):
        raise InvalidResource(value, "the segment .. is not allowed")
    return value


def _check_unicode(value: str) -> None:
    if not unicodedata.is_normalized("NFC", value):
        raise InvalidResource(value, "it is not in Unicode normal form C")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
        raise InvalidResource(value, "it holds a control character")


def _topic(value: str) -> str:
    _plain(value)
    if not value or "" in value.split("."):
        raise InvalidResource(value, "a topic is non-empty segments joined by dots")
    if "*" in value or "?" in value:
        raise InvalidResource(value, "a topic holds no wildcards")
    return value


def _topic_pattern(value: str) -> str:
    segments = value.split(".")
    if "" in segments:
        raise InvalidResource(value, "a topic pattern is non-empty segments joined by dots")
    try:
        Pattern(value, ".")
    except InvalidPattern as error:
        raise InvalidResource(value, error.reason) from error
    return value


def _path(value: str) -> str:
    """An absolute path below the component's root."""
    _plain(value)
    if "\\" in value:
        raise InvalidResource(value, "write / between the parts of a path")
    parts = [part for part in value.split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)


def _program(value: str) -> str:
    _plain(value)
    if not value:
        raise InvalidResource(value, "it names no program")
    return value


def _address(value: str) -> str:
    """`host:port` with an ASCII name or a canonical IP address."""
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


def _url(value: str) -> str:
    """Scheme, host, port unless default, and path; without query and fragment."""
    if len(value) > _RESOURCE_LENGTH or _URL_UNSAFE.search(value):
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
    if any(part in (".", "..") for part in path.split("/")):
        raise InvalidResource(value, "the segments . and .. are not allowed")
    return path or "/"


_READERS = {
    "filesystem": _path,
    "process": _program,
    "tcp": _address,
    "udp": _address,
    "http": _url,
}
