"""Find what must not be recorded, by the names of members.

A message with such a member is recorded without its content, and not with the member left out: the
component would answer another message. A payload and a reply have to be decodable for that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import cast

from airswasm.messaging import InvalidPayload, decode

from .recorded import Recorded

__all__ = ("Redactor",)

_MOST_DEPTH = 32
NAMED, OPAQUE = "it has what must not be recorded", "it cannot be decoded"


class Redactor:
    """Looks for members with certain names.

    Args:
        names: Names of members, each alone or with those around it: `customer.email`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [tuple(name.casefold().split(".")) for name in names]

    def reason(self, entry: Recorded) -> str:
        """Return why a message is to be recorded without its content; empty if it is not."""
        if not self._names:
            return ""
        for payload in (entry.payload, entry.reply):
            found = self._look(payload)
            if found:
                return found
        told = [(each.arguments, each.value) for each in entry.answers]
        values = [(each.before, each.after) for each in entry.changes]
        return NAMED if self._has(told, ()) or self._has(values, ()) else ""

    def _look(self, payload: bytes | None) -> str:
        if not payload:
            return ""
        is_known, value = _decoded(payload)
        if not is_known:
            return OPAQUE
        return NAMED if self._has(value, ()) else ""

    def _has(self, value: object, path: tuple[str, ...]) -> bool:
        """Return whether a member is named so, in a value or in a payload within it."""
        if len(path) > _MOST_DEPTH:
            return True  # what is not looked at must not be recorded
        if isinstance(value, Mapping):
            for key, inner in cast("Mapping[object, object]", value).items():
                name = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
                below = (*path, name.casefold())
                if any(below[-len(each) :] == each for each in self._names):
                    return True
                if self._has(inner, below):
                    return True
            return False
        if isinstance(value, list | tuple):
            return any(self._has(inner, path) for inner in cast("Iterable[object]", value))
        if isinstance(value, bytes) and value:
            is_known, inner = _decoded(value)
            return is_known and not isinstance(inner, bytes) and self._has(inner, path)
        return False


def _decoded(payload: bytes) -> tuple[bool, object]:
    """Return whether a payload can be decoded, and its value; JSON needs no prefix."""
    try:
        value = decode(payload)
    except InvalidPayload:
        try:
            value = json.loads(payload)
        except (ValueError, RecursionError):
            return False, None
    return not isinstance(value, bytes), value
