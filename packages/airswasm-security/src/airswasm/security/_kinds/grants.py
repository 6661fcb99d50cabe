"""The grants of one component: capabilities, each with the resources that it covers.

Grants are a value. No pattern means no permission, and a deny pattern wins over any number of
grants, so that another denial, or one grant less, can never allow more. The manifest's requests,
the owner's approval, and the host's maximum are all `Grants`; a call must pass each of them.
Patterns are texts here; `Kinds` reads them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from ..errors import InvalidCapability, InvalidPattern

__all__ = ("Grants", "grants_of_tables", "manifest_line")

_CAPABILITY_LENGTH = 128
_CAPABILITY = re.compile(r"[a-z][a-z0-9-]*:[a-z][a-z0-9-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Grants:
    """An immutable set of grants and denials, as written.

    Attributes:
        allow: For each capability (`storage:read`) the patterns that it covers.
        deny: For each capability the patterns that are refused whatever `allow` says.

    Raises:
        InvalidCapability: A capability is not of the form `domain:verb`.
        InvalidPattern: A capability's patterns are no list or tuple of texts.
    """

    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    deny: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def __post_init__(self) -> None:
        for name in ("allow", "deny"):
            texts = {cap: _texts(patterns) for cap, patterns in getattr(self, name).items()}
            for capability in texts:
                if not self.is_capability(capability):
                    raise InvalidCapability(capability)
            object.__setattr__(self, name, texts)

    @staticmethod
    def is_capability(text: str) -> bool:
        """Whether `text` has the form of a capability, `domain:verb`."""
        return len(text) <= _CAPABILITY_LENGTH and _CAPABILITY.fullmatch(text) is not None

    @classmethod
    def from_manifest(cls, table: Mapping[str, object]) -> Grants:
        """Read a `[capabilities]` table.

        `storage.read = ["users/**"]` grants; `deny.storage.write = ["locked/**"]`
        denies.

        Raises:
            InvalidCapability: A key is not of the form `domain.verb`.
            InvalidPattern: It is not a list of texts.
        """
        allow = {area: verbs for area, verbs in table.items() if area != "deny"}
        deny = table.get("deny", {})
        if not isinstance(deny, Mapping):
            raise InvalidCapability("deny")
        denied = cast("Mapping[str, object]", deny)
        return cls(dict(_flatten(allow)), dict(_flatten(denied)))

    def __bool__(self) -> bool:
        return any(self.allow.values())

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield every granted capability with each of its patterns, sorted by capability."""
        for capability in sorted(self.allow):
            for pattern in self.allow[capability]:
                yield capability, pattern

    def manifest_lines(self) -> tuple[str, ...]:
        """Return the equivalent lines of `[capabilities]` in Component.toml."""
        allowed = (manifest_line(cap, self.allow[cap]) for cap in sorted(self.allow))
        denied = (f"deny.{manifest_line(cap, self.deny[cap])}" for cap in sorted(self.deny))
        return (*allowed, *denied)


def grants_of_tables(
    tables: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> dict[str, tuple[str, ...]]:
    """Return tables of domain, verb and patterns by capability, as `Grants` have them."""
    return {
        f"{domain}:{verb}": patterns
        for domain, verbs in tables.items()
        for verb, patterns in verbs.items()
    }


def manifest_line(capability: str, patterns: Iterable[str]) -> str:
    """Return one line of `[capabilities]`: `storage.write = ["count"]`."""
    area, _, verb = capability.partition(":")
    return f"{area}.{verb} = [{', '.join(map(_toml_text, patterns))}]"


def _toml_text(text: str) -> str:
    """Return a TOML basic string: JSON's escapes are TOML's, but for DEL and surrogate pairs."""
    escaped = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    if escaped.isprintable():  # to look at each character takes a thousand times as long
        return escaped
    return "".join(char if char.isprintable() else _toml_escape(char) for char in escaped)


def _toml_escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _flatten(table: Mapping[str, object]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for area, verbs in table.items():
        if not isinstance(verbs, Mapping):
            raise InvalidCapability(str(area))
        for verb, patterns in cast("Mapping[str, object]", verbs).items():
            yield f"{area}:{verb}", _texts(patterns)


def _texts(patterns: object) -> tuple[str, ...]:
    if not isinstance(patterns, list | tuple):
        raise InvalidPattern(str(patterns), 'write a list of patterns, such as ["users/**"]')
    return tuple(_checked_text(pattern) for pattern in cast("Sequence[object]", patterns))


def _checked_text(pattern: object) -> str:
    if not isinstance(pattern, str):
        raise InvalidPattern(str(pattern), "a pattern is a text")
    return pattern
