"""What one component may do: capabilities, each with the resources it covers.

Grants are a value. Nothing is allowed that no pattern covers, and a deny
pattern wins over any number of grants, so that adding a deny or dropping a
grant can never allow more. What a component asks for (its manifest), what its
owner approved, and what the host permits at most are all `Grants`; a call must
pass each of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from .errors import InvalidCapability, InvalidPattern
from .patterns import Pattern
from .resources import Resource, parse_pattern, separator_of

__all__ = ("Grants", "manifest_line")


@dataclass(frozen=True, slots=True)
class Grants:
    """An immutable set of grants and denials.

    Attributes:
        allow: For each capability (`storage:read`) the patterns it covers.
        deny: For each capability the patterns that are refused whatever `allow`
            says.

    Raises:
        InvalidCapability: A capability is not of the form `area:verb`.
        InvalidPattern: A pattern cannot be read.
    """

    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    deny: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    _allow: Mapping[str, tuple[Pattern, ...]] = field(init=False, repr=False, compare=False)
    _deny: Mapping[str, tuple[Pattern, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("allow", "deny"):
            texts = {cap: tuple(patterns) for cap, patterns in getattr(self, name).items()}
            object.__setattr__(self, name, texts)
            object.__setattr__(self, f"_{name}", _compile(texts))

    @classmethod
    def from_manifest(cls, table: Mapping[str, object]) -> Grants:
        """Read a `[capabilities]` table.

        `storage.read = ["**"]` grants; `deny.storage.write = ["locked/**"]`
        denies.

        Raises:
            InvalidCapability: A key is not of the form `area.verb`.
            InvalidPattern: A pattern cannot be read, or is not a list of texts.
        """
        allow = {area: verbs for area, verbs in table.items() if area != "deny"}
        deny = table.get("deny", {})
        if not isinstance(deny, Mapping):
            raise InvalidCapability("deny")
        denied = cast("Mapping[str, object]", deny)
        return cls(dict(_flatten(allow)), dict(_flatten(denied)))

    def __bool__(self) -> bool:
        return any(self.allow.values())

    def covering(self, capability: str, resource: Resource) -> str | None:
        """A pattern that grants this, or None."""
        for pattern in self._allow.get(capability, ()):
            if resource.is_covered_by(pattern):
                return pattern.text
        return None

    def denying(self, capability: str, resource: Resource) -> str | None:
        """A pattern that forbids this, or None."""
        for pattern in self._deny.get(capability, ()):
            if resource.is_touched_by(pattern):
                return pattern.text
        return None

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every granted capability with each of its patterns, sorted by capability."""
        for capability in sorted(self.allow):
            for pattern in self.allow[capability]:
                yield capability, pattern

    def beyond(self, other: Grants) -> Grants:
        """What these grants allow that `other` does not: what an update asks for anew.

        Errs towards asking: a pattern counts as new unless one of `other` covers it.
        A denial that `other` has and these have not counts its patterns as new.
        """
        fresh = {
            capability: tuple(p.text for p in patterns if not other._covers(capability, p))
            for capability, patterns in self._allow.items()
        }
        for capability, patterns in other._deny.items():
            dropped = [p for p in patterns if not self._forbids(capability, p)]
            for candidate in self._allow.get(capability, ()):
                if any(candidate.touches_pattern(p) for p in dropped):
                    fresh[capability] = tuple(
                        dict.fromkeys((*fresh.get(capability, ()), candidate.text))
                    )
        return Grants({cap: texts for cap, texts in fresh.items() if texts})

    def manifest_lines(self) -> tuple[str, ...]:
        """The lines of `[capabilities]` in Component.toml that say the same."""
        allowed = (manifest_line(cap, self.allow[cap]) for cap in sorted(self.allow))
        denied = (f"deny.{manifest_line(cap, self.deny[cap])}" for cap in sorted(self.deny))
        return (*allowed, *denied)

    def _covers(self, capability: str, pattern: Pattern) -> bool:
        return any(mine.covers_pattern(pattern) for mine in self._allow.get(capability, ()))

    def _forbids(self, capability: str, pattern: Pattern) -> bool:
        return any(mine.covers_pattern(pattern) for mine in self._deny.get(capability, ()))


def manifest_line(capability: str, patterns: Iterable[str]) -> str:
    """One line of `[capabilities]`: `storage.write = ["count"]`."""
    area, _, verb = capability.partition(":")
    return f"{area}.{verb} = [{', '.join(map(_toml_text, patterns))}]"


def _toml_text(text: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, but for DEL and surrogate pairs."""
    escaped = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "".join(char if char.isprintable() else _toml_escape(char) for char in escaped)


def _toml_escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


# `**` is tried first: it answers without looking at the resource.
def _compile(texts: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[Pattern, ...]]:
    compiled: dict[str, tuple[Pattern, ...]] = {}
    for capability, patterns in texts.items():
        separator_of(capability)  # refuses what is no capability, without patterns as well
        parsed = (parse_pattern(capability, text) for text in patterns)
        compiled[capability] = tuple(sorted(parsed, key=lambda pattern: pattern.text != "**"))
    return compiled


def _flatten(table: Mapping[str, object]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for area, verbs in table.items():
        if not isinstance(verbs, Mapping):
            raise InvalidCapability(str(area))
        for verb, patterns in cast("Mapping[str, object]", verbs).items():
            yield f"{area}:{verb}", _texts(patterns)


def _texts(patterns: object) -> tuple[str, ...]:
    if not isinstance(patterns, list | tuple):
        raise InvalidPattern(str(patterns), 'write a list of patterns, such as ["**"]')
    return tuple(_checked_text(pattern) for pattern in cast("Sequence[object]", patterns))


def _checked_text(pattern: object) -> str:
    if not isinstance(pattern, str):
        raise InvalidPattern(str(pattern), "a pattern is a text")
    return pattern
