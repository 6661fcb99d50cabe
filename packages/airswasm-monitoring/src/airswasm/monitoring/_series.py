"""The components that have series of their own in a registry, and the sum of the others.

Prometheus stores each series for ever, so their number is bounded. A component keeps its series as
long as it is there; a place that becomes free goes to one that had none. The others are added up
as `_other`, by what each of them has grown since the scrape before: a component that goes takes
nothing from a sum, which a scraper would read as the restart of a counter.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

__all__ = ("OTHER", "Growth", "Series")

OTHER = "_other"
"""The component label of all components beyond the limit."""

Values = Mapping[Hashable, float]


class Growth:
    """The sums of counters that may begin anew, and of which each may go."""

    __slots__ = ("_seen", "total")

    def __init__(self) -> None:
        self.total: dict[Hashable, float] = {}
        self._seen: dict[str, Values] = {}

    def add(self, name: str, values: Values) -> None:
        """Add what the counters of `name` have grown since they were added before."""
        before = self._seen.get(name, {})
        if values == before:
            return
        for key, value in values.items():
            last = before.get(key, 0.0)
            grown = value - last if value >= last else value
            self.total[key] = self.total.get(key, 0.0) + grown
        self._seen[name] = values

    def take_out(self, name: str) -> Values:
        """Return what was added for `name`; from now on it is not added any more."""
        return self._seen.pop(name, {})

    def keep(self, names: Iterable[str]) -> None:
        """Forget the counters of all other names; the sums stay."""
        for gone in self._seen.keys() - set(names):
            del self._seen[gone]


class Series:
    """Gives at most `limit` components series of their own.

    Attributes:
        limit: How many. A lower number takes none away from a component that is there.
    """

    __slots__ = ("_others", "_own", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._own: dict[str, Values] = {}  # with what was counted for it among the others
        self._others = Growth()

    def see(self, names: Iterable[str]) -> None:
        """Free the series of components that have gone, and give them to others, in this order."""
        present = dict.fromkeys(names)
        self._own = {name: base for name, base in self._own.items() if name in present}
        self._others.keep(present)
        for name in present:
            if len(self._own) >= self.limit:
                break
            if name not in self._own:
                self._own[name] = self._others.take_out(name)

    def label(self, name: str) -> str:
        """Return the name itself, or `OTHER`."""
        return name if name in self._own else OTHER

    def count(self, counters: Mapping[str, Values]) -> dict[str, Values]:
        """Return the counters of all components, by label.

        A component that was among the others goes on from zero, so that the sum over all series
        is the number of what happened.
        """
        found: dict[str, Values] = {}
        for name, values in counters.items():
            base = self._own.get(name)
            if base is None:
                self._others.add(name, values)
            elif base:
                found[name] = _beyond(values, base)
            else:
                found[name] = values
        if self._others.total or len(found) < len(counters):
            found[OTHER] = self._others.total
        return found


def _beyond(values: Values, base: Values) -> Values:
    """Return what counters have grown beyond a base; those that began anew have left it behind."""
    return {
        key: value - base.get(key, 0.0) if value >= base.get(key, 0.0) else value
        for key, value in values.items()
    }
