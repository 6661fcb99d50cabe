"""Decide which versions of a component stay: a function of its record, the rules and the time.

The rules only ever add: a version that one of them keeps stays, whatever the others say. So the
version that runs, the pinned ones and the way back are safe from every bound. A clock that was set
forward can end a window early and nothing else; one that was set back prolongs it.

Rejected: to drop versions in the write that adds one. An update that fails later would have taken
the way back with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .registry import ComponentRecord, VersionRecord

if TYPE_CHECKING:
    from .._home.policy import InstallPolicy

__all__ = ("Kept", "KeptBy", "kept_versions", "without_expired")

KeptBy = Literal["active", "pinned", "migration", "newest", "recent", ""]
"""The rule that keeps a version: it runs, an operator pinned it, its data are to be taken over, it
is among the newest, it was replaced recently; empty for none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A version, and the rule that keeps it.

    Attributes:
        version: The version.
        by: The rule; empty if none keeps it, and the next clean-up removes it.
        until: When it is not kept any more, seconds since 1970; None if no time ends it.
    """

    version: VersionRecord
    by: KeptBy
    until: float | None = None


def kept_versions(
    record: ComponentRecord,
    rules: InstallPolicy,
    now: float,
    *,
    size_of: Callable[[VersionRecord], int] = lambda _version: 0,
) -> tuple[Kept, ...]:
    """Return every version of a record with the rule that keeps it, in the record's order.

    Args:
        record: The record.
        rules: How many versions stay, and how long.
        now: Seconds since 1970.
        size_of: Returns the bytes of a version's files; asked only for those that a window keeps.
    """
    found = {each.version.version: each for each in _decide(record, rules, now, size_of)}
    return tuple(found[each.version] for each in record.versions)


def without_expired(
    record: ComponentRecord,
    rules: InstallPolicy,
    now: float,
    *,
    size_of: Callable[[VersionRecord], int] = lambda _version: 0,
) -> tuple[VersionRecord, ...]:
    """Return the versions of a record that a rule keeps; arguments as of `kept_versions`."""
    if len(record.versions) <= rules.retain:
        return record.versions
    kept = kept_versions(record, rules, now, size_of=size_of)
    return tuple(each.version for each in kept if each.by)


def _decide(
    record: ComponentRecord,
    rules: InstallPolicy,
    now: float,
    size_of: Callable[[VersionRecord], int],
) -> Iterator[Kept]:
    others: list[VersionRecord] = []
    for each in record.versions:
        if each.version == record.active:
            yield Kept(each, "active")
        elif each.is_pinned:
            yield Kept(each, "pinned")
        elif each.version == record.migrate_from:
            yield Kept(each, "migration")
        else:
            others.append(each)
    others.sort(key=_left_at, reverse=True)
    newest, older = others[: rules.retain - 1], others[rules.retain - 1 :]
    yield from (Kept(each, "newest") for each in newest)
    room = rules.retain_most - 1 - len(newest)
    room_bytes = rules.retain_bytes
    for each in older:
        until = _left_at(each) + rules.retain_for
        is_recent = now < until and room > 0
        if is_recent:
            room -= 1
            room_bytes -= size_of(each)
        if is_recent and room_bytes >= 0:
            yield Kept(each, "recent", None if until == float("inf") else until)
        else:
            yield Kept(each, "")


def _left_at(version: VersionRecord) -> float:
    """Return when a version stopped being active; its install, where the record is older."""
    return version.installed_at if version.replaced_at is None else version.replaced_at
