"""Addresses of messages: `namespace/name` for components, or a plain name for a Python actor.

Topics and their patterns are airswasm-actor's; this module adds the rest. A name from a guest ends
up in logs and metrics, so it is narrow: ASCII, no dots at the ends, no wildcard.
"""

from __future__ import annotations

import re

from .errors import InvalidAddress

__all__ = ("check_address",)

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_PART}(?:/{_PART}){{0,3}}", re.ASCII)


def check_address(address: str) -> str:
    """Return the address if it is well-formed.

    Raises:
        InvalidAddress: The address is malformed.
    """
    if len(address) > 255 or _ADDRESS.fullmatch(address) is None:
        raise InvalidAddress(
            address, "write namespace/name, of letters, digits, '-', '_' and '.', at most 63 each"
        )
    return address
