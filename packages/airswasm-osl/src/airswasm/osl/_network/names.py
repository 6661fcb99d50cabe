"""The addresses of the names that one instance has looked up.

A grant is for a name, and an unmodified guest connects to an address: it looks the name up first.
So the host remembers, for this instance and for a while, which addresses each name had. An address
is then permitted where a name that led to it is: the guard decides about the name and the port.

The addresses are those that this host's own look-up found, checked as for a connection. An address
that a guest has from elsewhere (another instance, a message, a guess) is in no such list. A later
look-up of the name replaces its list, and the seconds of `network.lookup_seconds` end it.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio
from airswasm.runtime import Caller
from airswasm.security.addresses import Address, innermost

__all__ = ("ADDRESSES_AT_MOST", "RememberedNames")

ADDRESSES_AT_MOST = 32
"""Addresses of one name that are answered and remembered."""


class RememberedNames:
    """Names of one instance, the latest last."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, tuple[Address, ...]]] = {}

    @classmethod
    def of(cls, caller: Caller) -> RememberedNames:
        """Return the names of the caller's instance."""
        return caller.keep(cls, cls)

    def __len__(self) -> int:
        return len(self._found)

    def remember(
        self, name: str, addresses: Sequence[Address], seconds: float, at_most: int
    ) -> None:
        """Replace what is known of a name; the oldest gives way."""
        self._found.pop(name, None)
        self._found[name] = anyio.current_time() + seconds, tuple(map(innermost, addresses))
        while len(self._found) > max(0, at_most):
            del self._found[next(iter(self._found))]

    def names_at(self, address: Address) -> tuple[str, ...]:
        """Return the names that led to an address, the latest first."""
        now, wanted = anyio.current_time(), innermost(address)
        for name in [name for name, (until, _) in self._found.items() if until <= now]:
            del self._found[name]
        return tuple(name for name in reversed(self._found) if wanted in self._found[name][1])
