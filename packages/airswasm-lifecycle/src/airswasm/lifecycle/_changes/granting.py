"""Change what installed components may do, in force at once.

Each change writes its audit line, then the record, and then tells the guard, which ends what stood
on the grant: open files, connections, subscriptions, requests that wait. A change waits for no
other change of the name: a component that takes a minute to start its next version is denied within
that minute.

Grants end by themselves. A task waits for the next end, and looks again every few seconds, because
the clock of a machine that slept has jumped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import anyio
from airswasm.security import (
    ALL_PATTERNS,
    GrantEntry,
    GrantOrigin,
    GrantRecord,
    Grants,
    GrantVerdict,
    InvalidPattern,
    Kinds,
)

from .._hosting.running import Running
from .._registry.approval import annotation_of, grant_event
from .._registry.in_force import GrantsInForce
from .._registry.ledger import Ledger
from .._registry.registry import ComponentRecord, Registry
from ..errors import GrantInPast

__all__ = ("GrantReport", "Granting", "report_grants")

_LONGEST_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class GrantReport:
    """The requests of a component, and the decisions about them.

    Attributes:
        name: The component.
        version: Its active version.
        entries: The decisions that are in force, oldest first.
        in_force: What it may do, as lines of a manifest.
        not_granted: What it asks for and was not granted, as lines of a manifest.
    """

    name: str
    version: str
    entries: tuple[GrantEntry, ...]
    in_force: tuple[str, ...]
    not_granted: tuple[str, ...]


def report_grants(record: ComponentRecord, in_force: GrantsInForce, kinds: Kinds) -> GrantReport:
    """Return the report on one component."""
    asked = in_force.asked(record.active_version)
    held = in_force.grants(record.grants, record.active_version)
    return GrantReport(
        record.name,
        record.active,
        in_force.live(record.grants).entries,
        held.manifest_lines(),
        kinds.beyond(Grants(asked.allow), held).manifest_lines(),
    )


class Granting:
    """The grants of a host, and how to change them; `System.grants`.

    Capabilities are named as in Component.toml: `storage.read`.

    Args:
        registry: The records.
        ledger: Writes them.
        running: Puts them into force.
        kinds: The capabilities of this host.
        clock: Returns the seconds since 1970.
    """

    def __init__(
        self,
        registry: Registry,
        ledger: Ledger,
        running: Running,
        kinds: Kinds,
        clock: Callable[[], float],
    ) -> None:
        self._registry, self._ledger, self._running = registry, ledger, running
        self._kinds, self._clock = kinds, clock
        self._changed = anyio.Event()

    async def add(
        self,
        name: str,
        capability: str,
        patterns: Sequence[str],
        *,
        until: float | None = None,
        reason: str = "",
    ) -> GrantReport:
        """Grant patterns of a capability, also such that the component does not ask for.

        Args:
            name: The component.
            capability: The capability.
            patterns: The patterns.
            until: The time at which the grant ends, seconds since 1970; None for no end.
            reason: The reason, for the record.

        Returns:
            The component's grants from now on.

        Raises:
            NotInstalled: No such component is installed.
            UnknownCapability, InvalidPattern: The host knows no such capability or pattern.
            GrantBarred: A denial of the record covers it in part.
            GrantInPast: The end has passed.
        """
        entry = self._entry(name, "granted", capability, patterns, until, reason)

        def change(record: ComponentRecord) -> GrantRecord:
            asked = self._running.in_force.asked(record.active_version)
            return record.grants.adding(entry, asked=asked, kinds=self._kinds)

        return await self._change(name, "add", (entry,), change)

    async def narrow(
        self,
        name: str,
        capability: str,
        patterns: Sequence[str],
        *,
        until: float | None = None,
        reason: str = "",
    ) -> GrantReport:
        """Grant these patterns instead of all that the component has of a capability.

        Arguments and result as for `add`. The grant ends at `until`; it comes back as nothing
        wider then.

        Raises:
            NotInstalled, UnknownCapability, InvalidPattern, GrantInPast: As for `add`.
            GrantNotNarrower: A pattern is within no grant of the component.
        """
        entry = self._entry(name, "narrowed", capability, patterns, until, reason)
        return await self._change(
            name, "narrow", (entry,),
            lambda record: record.grants.narrowing(entry, kinds=self._kinds),
        )  # fmt: skip

    async def deny(
        self,
        name: str,
        capability: str,
        patterns: Sequence[str] = (),
        *,
        until: float | None = None,
        reason: str = "",
    ) -> GrantReport:
        """Deny patterns of a capability, or all of it, whatever is granted.

        Arguments and result as for `add`. A denial that ends leaves the grants as they were.

        Raises:
            NotInstalled, UnknownCapability, InvalidPattern, GrantInPast: As for `add`.
        """
        texts = tuple(patterns) or ALL_PATTERNS
        entry = self._entry(name, "denied", capability, texts, until, reason)
        return await self._change(
            name, "deny", (entry,), lambda record: record.grants.denying(entry)
        )

    async def remove(
        self,
        name: str,
        capability: str,
        patterns: Sequence[str] = (),
        *,
        denials: bool = False,
        reason: str = "",
    ) -> GrantReport:
        """Take grants of a capability away, or lift its denials.

        Args:
            name: The component.
            capability: The capability.
            patterns: The patterns, as the record has them; all of them if empty.
            denials: Lift denials, instead of taking grants away.
            reason: The reason, for the record.

        Raises:
            NotInstalled: No such component is installed.
            GrantMissing: The record has no such grant or denial.
        """
        annotation = annotation_of(capability)
        verdict: GrantVerdict = "denied" if denials else "granted"
        origin = self._origin(name, None, reason)
        gone = GrantEntry.of(annotation, verdict, patterns or ALL_PATTERNS, origin)
        return await self._change(
            name, "remove", (gone,),
            lambda record: record.grants.removing(annotation, patterns, denials=denials),
        )  # fmt: skip

    async def sweep(self) -> tuple[str, ...]:
        """Remove what has ended from the records, and end what stood on it.

        Returns:
            The components that lost or regained something.
        """
        now, names = self._clock(), tuple(self._ending(self._clock()))
        for name in names:
            record = self._registry.find(name)
            if record is not None:
                ended = record.grants.ended(now)
                await self._change(name, "end", ended, lambda record: record.grants.live(now))
        return names

    async def withdraw(self, fingerprint: str) -> tuple[str, ...]:
        """Take away what was granted because a key was trusted, whatever key signs it today.

        Returns:
            The components.
        """

        def is_another(key: str) -> bool:
            return key != fingerprint

        found: list[str] = []
        for name in tuple(self._running.successors):
            self._running.put_in_force(name)  # the record does not have its grants yet
        for record in tuple(self._registry):
            kept = record.grants.without_keys(is_another).entries
            gone = tuple(each for each in record.grants.entries if each not in kept)
            if gone:
                await self._change(
                    record.name, "withdraw", gone,
                    lambda each: each.grants.without_keys(is_another),
                )  # fmt: skip
                found.append(record.name)
        return tuple(found)

    async def run(self) -> None:
        """Sweep at the end of each grant, until cancelled."""
        while True:
            changed = self._changed
            await self.sweep()
            ends = [each.grants.next_end for each in self._registry if each.grants.entries]
            nearest = min((each for each in ends if each is not None), default=None)
            if nearest is None:
                await changed.wait()
                continue
            with anyio.move_on_after(min(max(nearest - self._clock(), 0.0), _LONGEST_WAIT)):
                await changed.wait()

    def note_change(self) -> None:
        """Look for the next end again, because a record changed elsewhere."""
        self._changed.set()
        self._changed = anyio.Event()

    async def _change(
        self,
        name: str,
        act: str,
        entries: Sequence[GrantEntry],
        change: Callable[[ComponentRecord], GrantRecord],
    ) -> GrantReport:
        events = [grant_event(name, each, act) for each in entries]
        with anyio.CancelScope(shield=True):  # the record and the guard must not part
            await self._ledger.change_grants(name, change, events)
            self._running.put_in_force(name)
        self.note_change()
        return report_grants(self._registry.get(name), self._running.in_force, self._kinds)

    def _ending(self, now: float) -> Iterator[str]:
        for record in self._registry:
            if record.grants.ended(now):
                yield record.name

    def _entry(
        self, name: str, verdict: GrantVerdict, capability: str, patterns: Sequence[str],
        until: float | None, reason: str,
    ) -> GrantEntry:  # fmt: skip
        origin = self._origin(name, until, reason)
        annotation, texts = annotation_of(capability), tuple(dict.fromkeys(patterns))
        if not texts:
            raise InvalidPattern("", "name at least one")
        self._kinds.check(Grants({annotation: texts}))
        return GrantEntry.of(annotation, verdict, texts, origin)

    def _origin(self, name: str, until: float | None, reason: str) -> GrantOrigin:
        record, now = self._registry.get(name), self._clock()
        if until is not None and until <= now:
            raise GrantInPast(name, until, now)
        return GrantOrigin("operator", now, record.active, until, reason)
