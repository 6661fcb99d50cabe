"""Sets of characters in a segment of a pattern: `[abc]`, `[a-z]`, and `[*]` for a literal star.

A segment with a set is followed as an automaton, whose places are the bits of a number: each
character of the resource moves all of them at once, so no input makes it go back.

Rejected: `[!abc]` (a grant of all but some widens with each new character; a denial says it
better), and `re` (several `*` in a row of sets backtrack).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ("escape", "find_problem", "has_any_length", "matches_sets")

_SETS = 16
_CHARACTERS = 128
"""The most that the sets of one segment hold together."""
_SET = re.compile(r"\[.[^\]]*\]", re.DOTALL)
_SPECIAL = re.compile(r"[*?\[]")


def escape(text: str) -> str:
    """Return the pattern that covers this text alone."""
    return _SPECIAL.sub(lambda found: f"[{found[0]}]", text)


def find_problem(segment: str) -> str | None:
    """Return why the sets of a segment cannot be read, or None."""
    held = 0
    for count, inner in enumerate(_inner(segment)):
        if inner is None:
            return "a [ has no ]; for the character itself write [[]"
        if not inner:
            return "[] holds no character"
        if inner[0] in "!^" and len(inner) > 1:
            return "a set of all but some characters is not possible; list those that are meant"
        if count >= _SETS:
            return f"it has more than {_SETS} sets in a segment"
        for low, high in _ranges(inner):
            if low > high:
                return f"the range {low}-{high} is empty"
            held += ord(high) - ord(low) + 1
        if held > _CHARACTERS:
            return f"the sets of a segment hold more than {_CHARACTERS} characters"
    return None


def matches_sets(pattern: str, text: str) -> bool:
    """Return whether a segment that may hold sets covers a text."""
    loops = everywhere = 0
    fitting: dict[str, int] = {}
    place, at = 1, 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            loops |= place
            continue
        if char == "?":
            everywhere |= place
        elif char == "[":
            end = pattern.index("]", at + 1)
            for low, high in _ranges(pattern[at:end]):
                for code in range(ord(low), ord(high) + 1):
                    fitting[chr(code)] = fitting.get(chr(code), 0) | place
            at = end + 1
        else:
            fitting[char] = fitting.get(char, 0) | place
        place <<= 1
    if not loops and len(text) != place.bit_length() - 1:
        return False
    places = 1
    for char in text:
        places = (places & (fitting.get(char, 0) | everywhere)) << 1 | places & loops
        if not places:
            return False
    return bool(places & place)


def has_any_length(segment: str) -> bool:
    """Return whether a segment with sets covers texts of any length: a `*` stands beside them."""
    return "*" in _SET.sub("", segment)


def _inner(segment: str) -> Iterator[str | None]:
    """Iterate over what stands in the brackets; None for one that is not closed."""
    at = segment.find("[")
    while at >= 0:
        if segment.startswith("[]", at) and "]" not in segment[at + 2 :]:
            yield ""
            return
        end = segment.find("]", at + 2)
        if end < 0:
            yield None
            return
        yield segment[at + 1 : end]
        at = segment.find("[", end)


def _ranges(inner: str) -> Iterator[tuple[str, str]]:
    """Iterate over the ranges of a set; a single character is a range of one."""
    at = 0
    while at < len(inner):
        if inner[at + 1 : at + 2] == "-" and at + 2 < len(inner):
            yield inner[at], inner[at + 2]
            at += 3
        else:
            yield inner[at], inner[at]
            at += 1
