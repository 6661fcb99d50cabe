"""The headers and trailers of wasi:http, and the rules for both sides: `fields`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .._account import OBJECT_BYTES, Account

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
FIELD_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")

FORBIDDEN_FIELDS = frozenset(
    {
        "connection",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields that decide where a message ends or goes: the host's to set, never the guest's."""

FIELDS_AT_MOST_BYTES = 64 * 1024
_ENTRY_BYTES = 32
_KEPT_BYTES = 384
"""Of an entry in the host, beside that."""


class FieldsTooLarge(Exception):
    """A guest collected more header bytes than the host will hold."""


class Fields:
    """The `fields` resource: header names and values in order.

    A name is found by a dictionary: a guest may fill them to the brim with entries that
    carry nothing and then ask for one that is not there, again and again.
    """

    __slots__ = ("_bytes", "_entries", "_holding", "_is_immutable", "_next", "_numbers")

    def __init__(
        self,
        entries: Iterable[tuple[str, bytes]] = (),
        *,
        is_immutable: bool = False,
        account: Account | None = None,
    ) -> None:
        self._holding = account.hold(OBJECT_BYTES) if account is not None else None
        self._entries: dict[int, tuple[str, bytes]] = {}
        self._numbers: dict[str, list[int]] = {}
        self._next = 0
        self._bytes = 0
        self._is_immutable = is_immutable
        for name, value in entries:
            self._add(name, value)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def held_bytes(self) -> int:
        """The bytes that count in `FIELDS_AT_MOST_BYTES`, names included."""
        return self._bytes

    def entries(self) -> list[tuple[str, bytes]]:
        """Return all of them, in order."""
        return list(self._entries.values())

    def get(self, name: str) -> list[bytes]:
        """Return the values of one name, whatever its case."""
        return [self._entries[number][1] for number in self._numbers.get(name.lower(), ())]

    def has(self, name: str) -> bool:
        """Return whether the name is there, whatever its case."""
        return name.lower() in self._numbers

    def copy(self, account: Account | None = None) -> Fields:
        """Return others of the same content, which can be changed."""
        return Fields(self._entries.values(), account=account)

    def frozen(self, account: Account | None = None) -> Fields:
        """Return a copy that a guest cannot change; of what cannot be changed, itself."""
        if self._is_immutable:
            return self
        return Fields(self._entries.values(), is_immutable=True, account=account)

    def replace(self, name: str, values: Sequence[bytes], *, keep: bool = False) -> str | None:
        """Set the values of a name; `keep` adds to those there are.

        Returns:
            None, or the case of wasi:http's `header-error` that says why not.

        Raises:
            FieldsTooLarge: all of it together is too much.
        """
        if self._is_immutable:
            return "immutable"
        added = sum(_entry_bytes(name, value) for value in values)
        freed = 0 if keep else self._bytes_of(name)
        if self._bytes - freed + added > FIELDS_AT_MOST_BYTES:
            raise FieldsTooLarge
        if (problem := field_problem(name, values)) is not None:
            return problem
        if not keep:
            self._remove(name)
        for value in values:
            self._add(name, value)
        return None

    def _add(self, name: str, value: bytes) -> None:
        self._hold(len(self._entries) + 1, self._bytes + _entry_bytes(name, value))
        number, self._next = self._next, self._next + 1
        self._entries[number] = (name, value)
        self._numbers.setdefault(name.lower(), []).append(number)
        self._bytes += _entry_bytes(name, value)

    def _remove(self, name: str) -> None:
        self._bytes -= self._bytes_of(name)
        for number in self._numbers.pop(name.lower(), ()):
            del self._entries[number]
        self._hold(len(self._entries), self._bytes)

    def _hold(self, entries: int, size_bytes: int) -> None:
        if self._holding is not None:
            self._holding.resize(OBJECT_BYTES + size_bytes + entries * _KEPT_BYTES)

    def _bytes_of(self, name: str) -> int:
        numbers = self._numbers.get(name.lower(), ())
        return sum(_entry_bytes(*self._entries[number]) for number in numbers)


def _entry_bytes(name: str, value: bytes) -> int:
    return len(name) + len(value) + _ENTRY_BYTES


def field_problem(name: str, values: Iterable[bytes]) -> str | None:
    """Return why a header may not be sent, as a case of `header-error`; None if it may."""
    if not TOKEN.fullmatch(name) or not all(FIELD_VALUE.fullmatch(value) for value in values):
        return "invalid-syntax"
    return "forbidden" if name.lower() in FORBIDDEN_FIELDS else None
