"""Find what has changed in a table since its reader looked."""

from __future__ import annotations

from collections.abc import Mapping

from .frames import Row

__all__ = ("Changes",)


class Changes:
    """The rows that one reader has seen."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: Mapping[str, Row] = {}

    def since(self, now: Mapping[str, Row]) -> tuple[dict[str, Row], list[str]]:
        """Return the rows that are new or differ, and the keys that have gone; remember `now`.

        A row that is the same object is not compared. So a table that keeps the rows of what did
        not change costs one look-up for each.
        """
        before, self._seen = self._seen, now
        changed = {
            key: row
            for key, row in now.items()
            if (old := before.get(key)) is not row and old != row
        }
        return changed, [key for key in before if key not in now]
