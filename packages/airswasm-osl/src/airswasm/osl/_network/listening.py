"""Spell the addresses of this host that a component listens on, and names that it looks up.

The port 0, which stands for a free one, is an address to listen on, and none to connect to.
"""

from __future__ import annotations

from airswasm.security import EVERYTHING, InvalidPattern, InvalidResource, Spelling

from .spelling import ADDRESS, read_address, read_host, spelled_host_pattern

__all__ = ("LISTEN", "NAME", "read_listening", "read_name")

_STAND_IN = "1"  # the port 0 is read as another; both have the same host


def read_listening(value: str) -> str:
    """Return `host:port` in one spelling; the port may be 0, and the host `localhost`."""
    host, _, port = value.rpartition(":")
    if port == "0":
        try:
            return f"{read_address(f'{host}:{_STAND_IN}').rpartition(':')[0]}:0"
        except InvalidResource as error:
            raise InvalidResource(value, error.reason) from None
    return read_address(value)


def _listening_pattern(text: str) -> str:
    head, colon, port = text.rpartition(":")
    if colon and port == "0":
        return f"{ADDRESS.read_pattern(f'{head}:{_STAND_IN}').rpartition(':')[0]}:0"
    return ADDRESS.read_pattern(text)


def read_name(value: str) -> str:
    """Return a host's name in lower case, or an IP address in its canonical form."""
    return read_host(value).strip("[]")


def _name_pattern(text: str) -> str:
    if text in ("**", EVERYTHING):
        return "**"
    if ":" in text or "/" in text:
        raise InvalidPattern(text, "write the name alone, without scheme, port and path")
    return spelled_host_pattern(text)


def _read_name(value: str) -> str:
    if ":" in value:
        raise InvalidResource(value, "write the name alone, without a port")
    return read_name(value)


LISTEN = Spelling(
    read=read_listening,
    read_pattern=_listening_pattern,
    split=ADDRESS.split,
    split_pattern=ADDRESS.split_pattern,
    quote=str,
)
NAME = Spelling(".", read=_read_name, read_pattern=_name_pattern, quote=str)
