"""Learn the capabilities that a component uses, and write the least manifest from them.

While a component learns, the guard allows what only its grants lack, and notes each use. All else
holds: the forbidden list, the host's policy, roles, denials.

The patterns of a manifest are the resources as they were used, but a dozen that differ in one
segment become one pattern with `*` there. Fewer stay as they are: a person reads them, and three
keys are a list and no kind. Rejected: `**` (it would grant depths that were never used).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .._kinds.grants import Grants
from .._kinds.kinds import Kinds
from .._kinds.patterns import covers
from .._kinds.spelling import EVERYTHING, Spelling
from ..errors import InvalidPattern

__all__ = ("Learning", "Use", "least_grants")

DOZEN = 12
"""So many resources that differ in one segment become one pattern."""
_NOTED_BYTES = 256 * 1024
_ENTRY_BYTES = 128


@dataclass(frozen=True, slots=True)
class Use:
    """A capability that a component used.

    Attributes:
        capability: `storage.read`.
        pattern: The narrowest pattern that covers the use.
        unnoted: The uses so far for which there was no room.
    """

    capability: str
    pattern: str
    unnoted: int = 0


class Learning:
    """The uses of one component while it learns, within 256 KiB; each is noted once."""

    def __init__(self) -> None:
        self._noted: set[tuple[str, str]] = set()
        self._fresh: deque[Use] = deque()
        self._bytes = 0
        self._unnoted = 0

    def note(self, capability: str, pattern: str) -> None:
        """Note a use; count it if there is no room."""
        key = (capability, pattern)
        if key in self._noted:
            return
        size = 4 * len(pattern) + _ENTRY_BYTES
        if self._bytes + size > _NOTED_BYTES:
            self._unnoted += 1
            return
        self._bytes += size
        self._noted.add(key)
        self._fresh.append(Use(capability.replace(":", "."), pattern, self._unnoted))

    def take(self) -> Iterator[Use]:
        """Iterate over the uses since the last call."""
        while self._fresh:
            yield self._fresh.popleft()


def least_grants(kinds: Kinds, uses: Iterable[Use]) -> Grants:
    """Return the least grants that cover all uses, by the rule of a dozen.

    Args:
        kinds: The capabilities of the host.
        uses: What was used; capabilities that no installed block declares are left out.
    """
    used: dict[str, dict[str, None]] = {}
    for use in uses:
        used.setdefault(use.capability.replace(".", ":", 1), {})[use.pattern] = None
    return Grants(
        {
            capability: tuple(sorted(_generalised(kinds.spelling(capability), patterns)))
            for capability, patterns in sorted(used.items())
            if capability in kinds
        }
    )


def _generalised(spelling: Spelling, patterns: Mapping[str, None]) -> set[str]:
    left = set(patterns)
    deepest = max((text.count(spelling.separator) for text in left), default=0)
    for place in range(deepest, -1, -1):
        for wide, narrow in _groups(left, spelling.separator, place):
            if len(narrow) >= DOZEN and _is_wider(spelling, wide, narrow):
                left = (left - narrow) | {wide}
    return left


def _groups(patterns: Iterable[str], separator: str, place: int) -> Iterable[tuple[str, set[str]]]:
    """Return the patterns that are equal but for one segment, by the pattern with `*` there."""
    found: dict[str, set[str]] = {}
    for text in patterns:
        segments = text.split(separator)
        if place < len(segments) and segments[place] not in ("", "*", "**", EVERYTHING):
            segments[place] = "*"
            found.setdefault(separator.join(segments), set()).add(text)
    return found.items()


def _is_wider(spelling: Spelling, wide: str, narrow: Iterable[str]) -> bool:
    """Whether a pattern can be read, covers the others, and does not cover all there is."""
    try:
        pattern = spelling.pattern(wide)
        if spelling.covers_everything(pattern):
            return False
        return all(covers(pattern, spelling.pattern(each)) for each in narrow)
    except InvalidPattern:
        return False
