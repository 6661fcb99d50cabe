"""The kinds of capabilities on a host, and grants read by their spelling.

The blocks declare the kinds (`airswasm.wit.Capability`). Here grants, until now texts, meet the
kinds: each pattern is read by the spelling of its capability, and `Rules` are grants that can be
matched. A capability that no installed block declares has no spelling, so no grant can name it and
no call can ask for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airswasm.wit import Capability, load_part

from ..errors import InvalidCapability, InvalidPattern, UnknownCapability
from .grants import Grants
from .patterns import AnyPattern, Pattern, covers, touches
from .spelling import EVERYTHING, PLAIN, Resource, Spelling

__all__ = ("Kinds", "Rules")

PATTERNS_AT_MOST = 256
"""Patterns of one capability; each is tried for each new resource."""

_A_SLIP = 0.8
"""The likeness of a misspelled name to the right one, as `difflib` counts it."""
_LONGEST_NAME = 128
EFFORT_AT_MOST = 16_384
"""The efforts of the patterns of one capability together."""

_TOO_MANY = "with wildcards inside of segments, or behind **, there are too many patterns"


_SAY_EVERYTHING = f'write "{EVERYTHING}" if that is meant'


class Kinds:
    """The kinds of capabilities of one host.

    Args:
        capabilities: The declarations of the installed blocks.
    """

    def __init__(self, capabilities: Iterable[Capability] = ()) -> None:
        self._declared = {each.annotation: each for each in capabilities}
        self._spellings: dict[str, Spelling] = {}

    @classmethod
    def of(cls, **spellings: Spelling) -> Kinds:
        """Make kinds from spellings, for tests: `Kinds.of(storage_read=PLAIN)`."""
        kinds = cls()
        for name, spelling in spellings.items():
            domain, _, action = name.partition("_")
            capability = Capability(f"{domain}.{action}", f"use {name}")
            kinds._declared[capability.annotation] = capability
            kinds._spellings[capability.annotation] = spelling
        return kinds

    def __contains__(self, capability: object) -> bool:
        return capability in self._declared

    def __iter__(self) -> Iterator[Capability]:
        return iter(self._declared.values())

    @property
    def names(self) -> frozenset[str]:
        """Every kind as Component.toml names it: `storage.read`."""
        return frozenset(each.name for each in self._declared.values())

    def sentence(self, capability: str, patterns: Iterable[str]) -> str:
        """Describe in words what a grant allows: `read what it stored under users/**`.

        Raises:
            UnknownCapability: No installed block declares it.
        """
        shown = ", ".join(patterns)
        return self.kind(capability).sentence.replace("{patterns}", shown)

    def spelling(self, capability: str) -> Spelling:
        """Return the spelling of a capability's resources.

        Raises:
            UnknownCapability: No installed block declares it; the error suggests the closest one.
        """
        known = self._spellings.get(capability)
        if known is None:
            path = self.kind(capability).spelling
            known = load_part(path, Spelling) if path else PLAIN
            self._spellings[capability] = known
        return known

    def resource(self, capability: str, value: str, argument: str | None = None) -> Resource:
        """Return the resource of a call; see `Spelling.resource`.

        Raises:
            UnknownCapability: No installed block declares the capability.
            InvalidResource: The value has no safe reading.
        """
        return self.spelling(capability).resource(value, argument)

    def check(self, grants: Grants) -> None:
        """Check that every capability exists here and every pattern can be read.

        A grant of all that there is must say so: its pattern is the word `everything`.

        Raises:
            UnknownCapability: No installed block declares one of them.
            InvalidPattern: A pattern cannot be read by its capability's spelling, can match
                nothing, or covers everything without the word for it; a capability is granted
                with no pattern; or those of one capability together take too long to match.
        """
        for capability, patterns in grants.allow.items():
            spelling = self.spelling(capability)
            if not patterns:
                raise InvalidPattern("", f"{capability} lists no pattern; {_SAY_EVERYTHING}")
            for text in patterns:
                if text != EVERYTHING and spelling.covers_everything(spelling.pattern(text)):
                    raise InvalidPattern(text, f"it covers all that there is; {_SAY_EVERYTHING}")
            read = [spelling.pattern(each) for each in patterns]
            if EVERYTHING not in patterns and spelling.cover_everything(read):
                reason = f"together they cover all that there is; {_SAY_EVERYTHING}"
                raise InvalidPattern(", ".join(patterns), reason)
        for table in (grants.allow, grants.deny):
            for capability, patterns in table.items():
                spelling = self.spelling(capability)
                if len(patterns) > PATTERNS_AT_MOST:
                    more = f"{capability} has more than {PATTERNS_AT_MOST} patterns"
                    raise InvalidPattern(patterns[PATTERNS_AT_MOST], more)
                effort = 0
                for text in patterns:
                    effort += spelling.pattern(text).effort
                    if effort > EFFORT_AT_MOST:
                        raise InvalidPattern(text, f"{_TOO_MANY} for {capability}")

    def rules(self, grants: Grants) -> Rules:
        """Return the grants as rules that can be matched.

        This omits capabilities that no installed block declares: an old grant under a removed block
        is no reason to refuse the rest.

        Raises:
            InvalidPattern: A pattern cannot be read.
        """
        deny = self._compiled(grants.deny)
        folded = {
            capability: tuple(
                (fold, str(each))
                for each in patterns
                if (fold := self.spelling(capability).folded(each)) is not None
            )
            for capability, patterns in deny.items()
        }
        return Rules(
            self._compiled(grants.allow),
            deny,
            {capability: pairs for capability, pairs in folded.items() if pairs},
        )

    def beyond(self, grants: Grants, other: Grants) -> Grants:
        """Return what `grants` allow and `other` does not: the new requests of an update.

        This errs towards asking: a pattern counts as new unless one of `other` covers it. The
        patterns of a denial that only `other` has count as new. Capabilities that no block declares
        count as new if their texts differ, those of denials included.
        """
        fresh = self.rules(grants).beyond(self.rules(other))
        unknown = {
            capability: texts
            for capability, texts in grants.allow.items()
            if capability not in self
            and (texts, grants.deny.get(capability))
            != (other.allow.get(capability), other.deny.get(capability))
        }
        return Grants({**fresh, **unknown})

    def kind(self, capability: str) -> Capability:
        """Return the declaration of a capability.

        Raises:
            UnknownCapability: No installed block declares it; the error suggests the closest one.
        """
        known = self._declared.get(capability)
        if known is not None:
            return known
        if not Grants.is_capability(capability):
            raise InvalidCapability(capability)
        raise UnknownCapability(capability, self.meant(capability))

    def meant(self, capability: str) -> str | None:
        """Return the kind that an unknown name was probably meant to be, or None.

        A name of before, or one that differs by a slip: a kind that no block declares yet must not
        look like a misspelled one.
        """
        renamed = {
            former.replace(".", ":"): each.annotation for each in self for former in each.formerly
        }
        known = (*self._declared, *renamed)
        close = difflib.get_close_matches(capability[:_LONGEST_NAME], known, n=1, cutoff=_A_SLIP)
        return renamed.get(close[0], close[0]) if close else None

    def _compiled(
        self, table: Mapping[str, tuple[str, ...]]
    ) -> Mapping[str, tuple[AnyPattern, ...]]:
        # What covers everything is tried first: it answers without looking at the resource.
        return {
            capability: tuple(
                sorted(map(self.spelling(capability).pattern, texts), key=_is_not_everything)
            )
            for capability, texts in table.items()
            if capability in self
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """Grants with parsed patterns.

    Attributes:
        allow: For each capability the granted patterns.
        deny: For each capability the patterns that are refused whatever `allow` says.
        folded: The patterns of `deny` as `Spelling.fold` spells them, each with its text.
    """

    allow: Mapping[str, tuple[AnyPattern, ...]]
    deny: Mapping[str, tuple[AnyPattern, ...]]
    folded: Mapping[str, tuple[tuple[Pattern, str], ...]] = field(
        default_factory=dict[str, tuple[tuple[Pattern, str], ...]]
    )
    _efforts: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        efforts: dict[str, int] = {}
        for table in (self.allow, self.deny):
            for capability, patterns in table.items():
                added = sum(pattern.effort for pattern in patterns)
                efforts[capability] = efforts.get(capability, 0) + added
        object.__setattr__(self, "_efforts", efforts)

    def covering(self, capability: str, resource: Resource) -> str | None:
        """Return a pattern that grants this, or None."""
        for pattern in self.allow.get(capability, ()):
            if resource.is_covered_by(pattern):
                return str(pattern)
        return None

    def denying(self, capability: str, resource: Resource) -> str | None:
        """Return a pattern that forbids this, or None."""
        for pattern in self.deny.get(capability, ()):
            if resource.is_touched_by(pattern):
                return str(pattern)
        if resource.folded is not None and capability in self.folded:
            other = resource.in_folded_spelling()
            for pattern, text in self.folded[capability]:
                if other.is_touched_by(pattern):
                    return text
        return None

    def beyond(self, other: Rules) -> dict[str, tuple[str, ...]]:
        """Return the grants that `other` lacks; see `Kinds.beyond`."""
        fresh = {
            capability: tuple(
                str(each) for each in _uncovered(patterns, other.allow.get(capability, ()))
            )
            for capability, patterns in self.allow.items()
        }
        for capability, patterns in other.deny.items():
            dropped = list(_uncovered(patterns, self.deny.get(capability, ())))
            for candidate in self.allow.get(capability, ()):
                if any(touches(candidate, each) for each in dropped):
                    fresh[capability] = tuple(
                        dict.fromkeys((*fresh.get(capability, ()), str(candidate)))
                    )
        return {capability: texts for capability, texts in fresh.items() if texts}

    def effort(self, capability: str) -> int:
        """Return how long a decision may take, in the steps of `Pattern.effort`."""
        return self._efforts.get(capability, 0)


def _uncovered(patterns: Iterable[AnyPattern], wide: Sequence[AnyPattern]) -> Iterator[AnyPattern]:
    """Iterate over the patterns that none of `wide` covers.

    Most are covered by themselves, or by one that begins alike, or by one that begins with a
    wildcard: the others are not compared.
    """
    same = {each.text for each in wide}
    by_start: dict[str, list[AnyPattern]] = {}
    for each in wide:
        by_start.setdefault(each.start, []).append(each)
    for pattern in patterns:
        if pattern.text not in same:
            starts = ("", pattern.start) if pattern.start else ("",)
            candidates = (each for start in starts for each in by_start.get(start, ()))
            if not any(covers(each, pattern) for each in candidates):
                yield pattern


def _is_not_everything(pattern: AnyPattern) -> bool:
    return pattern.text != "**"
