"""The grant record of one component: what was decided about what it asks for.

A manifest asks; this record says what the operator, a key or a trust level granted, narrowed and
denied, when, on which version, and until when. The guard's grants are made of both: a pattern that
was granted holds as far as the running version asks for it, so that a version that asks for less
gets less. What an operator adds of their own accord holds without being asked for.

A record is a value. Each change returns another record, or raises; none of them widens what it is
meant to narrow, nor makes it last longer.

Rejected: two sets that the guard compares on each call. The meet of both is made once, for each
pair of a record and a manifest, and ten thousand names of one package share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from .._kinds.grants import Grants
from ..errors import GrantBarred, GrantMissing, GrantNotNarrower

if TYPE_CHECKING:  # to read a record needs no patterns
    from .._kinds.kinds import Kinds

__all__ = ("ALL_PATTERNS", "Decider", "GrantEntry", "GrantOrigin", "GrantRecord", "GrantVerdict")

GrantVerdict: TypeAlias = Literal["granted", "narrowed", "denied"]
Decider: TypeAlias = Literal["operator", "policy", "key", "source", "level"]
"""`operator`: a person or their script. `policy`: the host, when a time had passed. `key`: the
package's signers are trusted, which the reason names. `source`: it came from a trusted place, which
the reason names. `level`: the host is in development mode."""
_VERDICTS: Mapping[str, GrantVerdict] = {
    "granted": "granted", "narrowed": "narrowed", "denied": "denied",
}  # fmt: skip
_DECIDERS: Mapping[str, Decider] = {
    "operator": "operator", "policy": "policy", "key": "key",
    "source": "source", "level": "level",
}  # fmt: skip
ALL_PATTERNS = ("everything",)
"""The patterns that stand for all of a capability."""


@dataclass(frozen=True, slots=True)
class GrantOrigin:
    """The circumstances of a decision.

    Attributes:
        by: The decider.
        at: Seconds since 1970.
        version: The version of the component that it was made on.
        until: The time at which it ends, seconds since 1970; None for no end.
        reason: The reason, for people.
    """

    by: Decider
    at: float
    version: str
    until: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """One decision about some patterns of one capability.

    Attributes:
        capability: `domain:verb`.
        verdict: `granted`; `narrowed` for less than what was asked for; `denied`.
        patterns: The patterns that it is about.
        by: The decider.
        at: Seconds since 1970.
        version: The version of the component that it was made on.
        until: The time at which it ends, seconds since 1970; None for no end.
        reason: The reason, for people.
        is_extra: Whether it holds although the component does not ask for it.
    """

    capability: str
    verdict: GrantVerdict
    patterns: tuple[str, ...]
    by: Decider
    at: float
    version: str
    until: float | None = None
    reason: str = ""
    is_extra: bool = False

    def holds(self, now: float) -> bool:
        """Whether it has not ended."""
        return self.until is None or now < self.until

    @classmethod
    def of(
        cls,
        capability: str,
        verdict: GrantVerdict,
        patterns: Sequence[str],
        origin: GrantOrigin,
        *,
        is_extra: bool = False,
    ) -> GrantEntry:
        """Return a decision that was made under these circumstances."""
        return cls(
            capability, verdict, tuple(patterns), origin.by, origin.at, origin.version,
            origin.until, origin.reason, is_extra,
        )  # fmt: skip

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> GrantEntry:
        """Read an entry from its JSON form.

        Raises:
            ValueError, KeyError, TypeError: It is not one.
        """
        until = document["until"]
        return cls(
            capability=str(document["capability"]),
            verdict=_VERDICTS[str(document["verdict"])],
            patterns=tuple(map(str, cast("list[object]", document["patterns"]))),
            by=_DECIDERS[str(document["by"])],
            at=float(str(document["at"])),
            version=str(document["version"]),
            until=None if until is None else float(str(until)),
            reason=str(document["reason"]),
            is_extra=document["is_extra"] is True,
        )

    def to_document(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "capability": self.capability,
            "verdict": self.verdict,
            "patterns": list(self.patterns),
            "by": self.by,
            "at": self.at,
            "version": self.version,
            "until": self.until,
            "reason": self.reason,
            "is_extra": self.is_extra,
        }


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """All decisions about one component, in the order in which they were made."""

    entries: tuple[GrantEntry, ...] = field(default=())

    @classmethod
    def of(cls, asked: Grants, origin: GrantOrigin) -> GrantRecord:
        """Return a record that grants all that is asked for."""
        return cls().deciding(asked, origin)

    def live(self, now: float) -> GrantRecord:
        """Return the record without what has ended; this one if nothing has."""
        held = tuple(each for each in self.entries if each.holds(now))
        return self if len(held) == len(self.entries) else GrantRecord(held)

    def ended(self, now: float) -> tuple[GrantEntry, ...]:
        """Return what has ended."""
        return tuple(each for each in self.entries if not each.holds(now))

    @property
    def next_end(self) -> float | None:
        """The time at which the next entry ends; None if none does."""
        return min((each.until for each in self.entries if each.until is not None), default=None)

    def grants(self, asked: Grants, kinds: Kinds) -> Grants:
        """Return what a version that asks for this may do, by every entry of this record.

        Call it on `live(now)`. What the version denies itself stays denied.
        """
        allow: dict[str, dict[str, None]] = {}
        deny = {name: dict.fromkeys(patterns) for name, patterns in asked.deny.items()}
        for each in self.entries:
            name = each.capability
            if each.verdict == "denied":
                deny.setdefault(name, {}).update(dict.fromkeys(each.patterns))
                continue
            wanted = asked.allow.get(name, ())
            held = each.patterns if each.is_extra else _meet(name, each.patterns, wanted, kinds)
            if held:
                allow.setdefault(name, {}).update(dict.fromkeys(held))
        return Grants(_tuples(allow), _tuples(deny))

    def denied_of(self, question: Grants, kinds: Kinds) -> Grants:
        """Return what of a question stays denied, whatever is answered: one denial covers it."""
        found: dict[str, tuple[str, ...]] = {}
        for name, patterns in question.allow.items():
            denials = [
                text
                for each in self.entries
                if each.capability == name and each.verdict == "denied"
                for text in each.patterns
            ]
            covered = tuple(each for each in patterns if _covers(name, denials, each, kinds))
            if covered:
                found[name] = covered
        return Grants(found)

    # -- decisions -------------------------------------------------------------------------------

    def deciding(
        self,
        question: Grants,
        origin: GrantOrigin,
        *,
        narrowed: Mapping[str, Sequence[str]] | None = None,
        denied: Mapping[str, Sequence[str]] | None = None,
        kinds: Kinds | None = None,
    ) -> GrantRecord:
        """Return the record with the answer to a question.

        Args:
            question: What is newly asked for.
            origin: The circumstances of the answer.
            narrowed: For a capability, the patterns that are granted instead of all that the
                question has of it.
            denied: For a capability, the patterns that are denied.
            kinds: The capabilities of this host. Without them, only a pattern of the question
                itself counts as narrower.

        Raises:
            GrantNotNarrower: A narrowed pattern is not within the question.
            GrantMissing: The answer is about a capability that is not in question.
        """
        narrowed, denied = narrowed or {}, denied or {}
        for name in (*narrowed, *denied):
            if name not in question.allow:
                raise GrantMissing(name, tuple(question.allow))
        added: list[GrantEntry] = []
        for name, patterns in question.allow.items():
            refused = tuple(denied.get(name, ()))
            if refused:
                added.append(GrantEntry.of(name, "denied", refused, origin))
            if name in narrowed:
                less = tuple(narrowed[name])
                for text in less:
                    if not _covers(name, patterns, text, kinds):
                        raise GrantNotNarrower(name, text, tuple(patterns))
                added.append(GrantEntry.of(name, "narrowed", less, origin))
                continue
            rest = tuple(each for each in patterns if each not in refused)
            if rest:
                added.append(GrantEntry.of(name, "granted", rest, origin))
        return GrantRecord((*self.entries, *added))

    def adding(self, entry: GrantEntry, *, asked: Grants, kinds: Kinds) -> GrantRecord:
        """Grant patterns, also such that the component does not ask for.

        This lifts the denials that the patterns cover.

        Raises:
            GrantBarred: Another denial still covers some of it.
        """
        capability, patterns = entry.capability, entry.patterns
        lifted = self._without("denied", capability, patterns, kinds)
        for text in patterns:
            for each in lifted.entries:
                if each.verdict == "denied" and each.capability == capability:
                    for denied in each.patterns:
                        if _touch(capability, denied, text, kinds):
                            raise GrantBarred(capability, text, denied)
        kept = lifted._replacing(capability, patterns)
        wanted = asked.allow.get(capability, ())
        asked_for = [text for text in patterns if _covers(capability, wanted, text, kinds)]
        extra = [text for text in patterns if text not in asked_for]
        added = [
            replace(entry, patterns=tuple(texts), is_extra=texts is extra)
            for texts in (asked_for, extra)
            if texts
        ]
        return GrantRecord((*kept.entries, *added))

    def narrowing(self, entry: GrantEntry, *, kinds: Kinds) -> GrantRecord:
        """Grant these patterns instead of all that the capability has.

        None of them lasts longer than the grant that covers it.

        Raises:
            GrantNotNarrower: One of them is within no grant.
        """
        capability = entry.capability
        mine = [each for each in self._granting(capability) if each.holds(entry.at)]
        narrowed: list[GrantEntry] = []
        for text in entry.patterns:
            covering = [each for each in mine if _covers(capability, each.patterns, text, kinds)]
            if not covering:
                held = tuple(text for each in mine for text in each.patterns)
                raise GrantNotNarrower(capability, text, held)
            # A grant of its own accord holds whatever is asked; the other only if it is asked for.
            for is_extra in {each.is_extra for each in covering}:
                ends = [each.until for each in covering if each.is_extra == is_extra]
                longest = None if None in ends else max(filter(None, ends))
                until = min((each for each in (longest, entry.until) if each), default=None)
                narrowed.append(replace(entry, patterns=(text,), until=until, is_extra=is_extra))
        others = (each for each in self.entries if each not in mine)
        return GrantRecord((*others, *_joined(narrowed)))

    def denying(self, entry: GrantEntry) -> GrantRecord:
        """Deny patterns; the grants stay, and mean nothing meanwhile."""
        kept = (
            _but(each, entry.patterns)
            if (each.capability, each.verdict) == (entry.capability, "denied")
            else each
            for each in self.entries
        )
        return GrantRecord((*(each for each in kept if each.patterns), entry))

    def removing(
        self, capability: str, patterns: Sequence[str] = (), *, denials: bool = False
    ) -> GrantRecord:
        """Remove grants of a capability, or its denials; all of them without patterns.

        Raises:
            GrantMissing: There is no such grant or denial.
        """
        mine = [
            each
            for each in self.entries
            if each.capability == capability and (each.verdict == "denied") == denials
        ]
        known = {text for each in mine for text in each.patterns}
        for text in patterns or ("",):
            if text not in known and (text or not mine):
                raise GrantMissing(capability, tuple(known), text)
        taken = tuple(patterns) or tuple(known)
        kept = (_but(each, taken) if each in mine else each for each in self.entries)
        return GrantRecord(tuple(each for each in kept if each.patterns))

    def without_decider(self, by: Decider) -> GrantRecord:
        """Return the record without the grants that one decider made; denials stay."""
        kept = tuple(each for each in self.entries if each.by != by or each.verdict == "denied")
        return self if len(kept) == len(self.entries) else GrantRecord(kept)

    def without_sources(self, is_trusted: Callable[[str], bool]) -> GrantRecord:
        """Return the record without the grants for packages of places that are trusted no longer.

        Denials stay.
        """
        kept = tuple(
            each
            for each in self.entries
            if each.by != "source" or each.verdict == "denied" or is_trusted(each.reason)
        )
        return self if len(kept) == len(self.entries) else GrantRecord(kept)

    def without_keys(self, is_trusted: Callable[[str], bool]) -> GrantRecord:
        """Return the record without the grants for keys of which one is trusted no longer.

        Denials stay.
        """
        reasons = {each.reason for each in self.entries if each.by == "key"}
        gone = {each for each in reasons if not all(map(is_trusted, each.split()))}
        if not gone:
            return self
        return GrantRecord(
            tuple(
                each
                for each in self.entries
                if each.by != "key" or each.verdict == "denied" or each.reason not in gone
            )
        )

    def _granting(self, capability: str) -> Iterator[GrantEntry]:
        for each in self.entries:
            if each.capability == capability and each.verdict != "denied":
                yield each

    def _replacing(self, capability: str, patterns: Sequence[str]) -> GrantRecord:
        """Return the record without the grants of exactly these patterns."""
        mine = set(self._granting(capability))
        kept = (_but(each, patterns) if each in mine else each for each in self.entries)
        return GrantRecord(tuple(each for each in kept if each.patterns))

    def _without(
        self, verdict: GrantVerdict, capability: str, patterns: Sequence[str], kinds: Kinds
    ) -> GrantRecord:
        """Return the record without what these patterns cover of one verdict."""
        kept: list[GrantEntry] = []
        for each in self.entries:
            if each.capability == capability and each.verdict == verdict:
                covered = [t for t in each.patterns if _covers(capability, patterns, t, kinds)]
                each = _but(each, covered)
            if each.patterns:
                kept.append(each)
        return GrantRecord(tuple(kept))

    # -- on disk ---------------------------------------------------------------------------------

    @classmethod
    def from_documents(cls, documents: Sequence[object]) -> GrantRecord:
        """Read a record from its JSON form.

        Raises:
            ValueError, KeyError, TypeError: It is not one.
        """
        entries = (GrantEntry.from_document(cast("Mapping[str, object]", d)) for d in documents)
        return cls(tuple(entries))

    def to_documents(self) -> list[dict[str, object]]:
        """Return the JSON form."""
        return [each.to_document() for each in self.entries]


def _but(entry: GrantEntry, patterns: Iterable[str]) -> GrantEntry:
    taken = frozenset(patterns)
    return replace(entry, patterns=tuple(each for each in entry.patterns if each not in taken))


def _joined(entries: Iterable[GrantEntry]) -> Iterator[GrantEntry]:
    """Join entries that differ in nothing but their patterns."""
    by_rest: dict[GrantEntry, list[str]] = {}
    for each in entries:
        by_rest.setdefault(replace(each, patterns=()), []).extend(each.patterns)
    for rest, patterns in by_rest.items():
        yield replace(rest, patterns=tuple(patterns))


def _tuples(table: Mapping[str, Mapping[str, None]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(patterns) for name, patterns in table.items()}


def _meet(
    capability: str, granted: Sequence[str], asked: Sequence[str], kinds: Kinds
) -> tuple[str, ...]:
    """Return patterns that cover only what both cover.

    This errs towards less: of two patterns that overlap without one covering the other, nothing
    remains.
    """
    if granted == asked:
        return tuple(granted)
    held = dict.fromkeys(each for each in granted if _covers(capability, asked, each, kinds))
    held.update(dict.fromkeys(each for each in asked if _covers(capability, granted, each, kinds)))
    return tuple(held)


def _covers(capability: str, wide: Sequence[str], text: str, kinds: Kinds | None) -> bool:
    if text in wide:
        return True
    if kinds is None or capability not in kinds:  # only equal texts are known
        return False
    from .._kinds.patterns import covers

    spelling = kinds.spelling(capability)
    pattern = spelling.pattern(text)
    return any(covers(spelling.pattern(each), pattern) for each in wide)


def _touch(capability: str, first: str, second: str, kinds: Kinds) -> bool:
    if capability not in kinds:
        return first == second
    from .._kinds.patterns import touches

    spelling = kinds.spelling(capability)
    return touches(spelling.pattern(first), spelling.pattern(second))
