"""Find what must not be recorded, by the names of members.

A message with such a member is recorded without its content, and not with the member left out: the
component would answer another message. A payload and a reply have to be decodable for that. Where a
text or bytes are in no codec, a name counts that stands before `=` or `:`, as in a form.

To look too closely costs a comparison; to look away puts a secret on the disk. So in doubt a
message counts as one with such a member.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from airswasm.messaging import InvalidPayload, decode

from .recorded import Recorded

__all__ = ("Redactor",)

_MOST_DEPTH = 48
_JSON_BEGINS = ("{", "[", '"')
_MARKS = re.compile(r"[\W_]+")
NAMED, OPAQUE = "it has what must not be recorded", "it cannot be decoded"


class Redactor:
    """Looks for members with certain names.

    Case, and marks within a name, make no difference: `api_key` is `apiKey` and `API-Key`, too.

    Args:
        names: Names of members, each alone or with those around it: `customer.email`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [_parts(name) for name in names]
        last = {r"[\W_]*".join(map(re.escape, name[-1])) for name in self._names}
        # Behind a mark, `user_password=` counts; a longer word that ends alike does not.
        self._said = re.compile(rf"(?<![^\W_])(?:{'|'.join(sorted(last))})['\"\\]*\s*[=:]")

    def reason(self, entry: Recorded) -> str:
        """Return why a message is to be recorded without its content; empty if it is not."""
        if not self._names:
            return ""
        for payload in (entry.payload, entry.reply):
            found = self._look(payload)
            if found:
                return found
        told = [(each.arguments, each.value, each.error) for each in entry.answers]
        texts = (entry.topic, entry.text, entry.failure, dict(entry.envelope), told)
        if self._has(texts, (), 0):
            return NAMED
        # The segments of a key are names around its value.
        values = ((each.key.split("/"), (each.before, each.after)) for each in entry.changes)
        return NAMED if any(self._has_member(key, value, (), 0) for key, value in values) else ""

    def _look(self, payload: bytes | None) -> str:
        if not payload:
            return ""
        is_known, value = _decoded(payload)
        if not is_known:
            return OPAQUE
        return NAMED if self._has(value, (), 0) else ""

    def _has(self, value: object, path: tuple[str, ...], depth: int) -> bool:
        """Return whether a member is named so, in a value or in a payload within it."""
        if depth > _MOST_DEPTH:
            return True  # what is not looked at must not be recorded
        if isinstance(value, Mapping):
            members = cast("Mapping[object, object]", value).items()
            return any(self._has_member([key], inner, path, depth) for key, inner in members)
        if isinstance(value, list | tuple):
            return self._has_in_sequence(cast("Sequence[object]", value), path, depth)
        if isinstance(value, bytes) and value:
            is_known, inner = _decoded(value)
            if is_known:
                return self._has(inner, path, depth + 1)
            return self._is_said(value.decode(errors="replace"))
        if isinstance(value, str):
            if value.lstrip().startswith(_JSON_BEGINS):
                is_known, inner = _json(value)
                if is_known:
                    return self._has(inner, path, depth + 1)
            return self._is_said(value)
        return False

    def _has_in_sequence(self, items: Sequence[object], path: tuple[str, ...], depth: int) -> bool:
        """Look through a list; a pair of a text and a value, as of headers, is a member."""
        is_pair = len(items) == 2 and isinstance(items[0], str | bytes)
        if is_pair and self._has_member([items[0]], items[1], path, depth):
            return True
        return any(self._has(inner, path, depth + 1) for inner in items)

    def _has_member(
        self, names: Sequence[object], value: object, path: tuple[str, ...], depth: int
    ) -> bool:
        texts = (each.decode(errors="replace") if isinstance(each, bytes) else str(each)
                 for each in names)  # fmt: skip
        for part in (part for text in texts for part in _parts(text)):
            path = (*path, part)
            if any(path[-len(each) :] == each for each in self._names):
                return True
        return self._has(value, path, depth + 1)

    def _is_said(self, text: str) -> bool:
        return self._said.search(_folded(text)) is not None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _parts(name: str) -> tuple[str, ...]:
    """Return the names in a name with dots, each in the spelling that is compared."""
    return tuple(_MARKS.sub("", each) or each for each in _folded(name).split(".") if each)


def _decoded(payload: bytes) -> tuple[bool, object]:
    """Return whether a payload can be decoded, and its value; JSON needs no prefix."""
    try:
        value = decode(payload)
    except InvalidPayload:
        return _json(payload)
    return not isinstance(value, bytes), value


def _json(text: str | bytes) -> tuple[bool, object]:
    """Return whether a text is JSON, and its value: each object as pairs, so that none hides one.

    A reader of JSON takes the last of several members of one name; another one may take the first.
    """
    try:
        return True, json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return False, None
