"""The grants in force: what a record grants of what a version asks for.

Ten thousand names of one package with one record share one object, so that the guard reads its
patterns once.
"""

from __future__ import annotations

from collections.abc import Callable

from airswasm.security import GrantRecord, Grants, Kinds

from .._packages.requests import read_grants
from .registry import VersionRecord

__all__ = ("GrantsInForce", "merged_grants")

_MOST_KEPT = 4_096


class GrantsInForce:
    """Makes grants of records.

    Args:
        kinds: The capabilities of the host.
        clock: Returns the seconds since 1970.
        is_development: Whether what the development level granted is in force.
        is_trusted: Whether a source is trusted, so that what it was granted is in force.
        is_trusted_key: The same of a key, by its fingerprint.
    """

    def __init__(
        self,
        kinds: Kinds,
        clock: Callable[[], float],
        *,
        is_development: bool = False,
        is_trusted: Callable[[str], bool] = lambda _source: False,
        is_trusted_key: Callable[[str], bool] = lambda _key: False,
    ) -> None:
        self._is_trusted, self._is_trusted_key = is_trusted, is_trusted_key
        self._kinds, self._clock, self._is_development = kinds, clock, is_development
        self._asked: dict[tuple[tuple[str, tuple[str, ...]], ...], Grants] = {}
        self._grants: dict[tuple[int, GrantRecord], tuple[Grants, Grants]] = {}

    def asked(self, version: VersionRecord) -> Grants:
        """Return what a version asks for; equal requests are the same object."""
        key = tuple(version.asked.items())
        known = self._asked.get(key)
        if known is None:
            if len(self._asked) >= _MOST_KEPT:
                self._asked.clear()
            known = self._asked[key] = read_grants(version.asked)
        return known

    def live(self, record: GrantRecord) -> GrantRecord:
        """Return what of a record is in force now."""
        live = record.live(self._clock()).without_sources(self._is_trusted)
        live = live.without_keys(self._is_trusted_key)
        return live if self._is_development else live.without_decider("level")

    def grants(self, record: GrantRecord, version: VersionRecord) -> Grants:
        """Return what a version may do now by this record."""
        asked, live = self.asked(version), self.live(record)
        key = (id(asked), live)
        known = self._grants.get(key)
        if known is None or known[0] is not asked:
            if len(self._grants) >= _MOST_KEPT:
                self._grants.clear()
            known = self._grants[key] = asked, live.grants(asked, self._kinds)
        return known[1]


def merged_grants(first: Grants, second: Grants) -> Grants:
    """Return the union of two grants: two versions share a name for a moment."""
    capabilities = {*first.allow, *second.allow}
    allow = {
        each: tuple(dict.fromkeys((*first.allow.get(each, ()), *second.allow.get(each, ()))))
        for each in capabilities
    }
    deny = {
        each: tuple(text for text in patterns if text in second.deny.get(each, ()))
        for each, patterns in first.deny.items()
    }
    return Grants(allow, deny)
