"""One spelling for every resource: how a kind of capability reads a call's argument.

The contract names the argument that is the resource: `storage:read(key)`, `http:request(url)`. The
kind's `Spelling`, which the declaring block brings, says how to read it. A resource with two
spellings (paths, URLs, addresses) is reduced to one before any pattern sees it, or refused: a check
on one spelling and an effect on another is how attackers escape sandboxes. Blocks that perform the
effect use the same spelling.

Rejected: matching on the raw argument (`https://evil.example?x=.good.example/` fits
`https://*.good.example/**`), and normalising silently to NFC (the check would see another name than
the effect).
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from ._patterns import Pattern
from .errors import InvalidResource

__all__ = ("PLAIN", "Reach", "Resource", "Spelling", "read_plain")

_RESOURCE_LENGTH = 4_096
_RESOURCE_SEGMENTS = 256


class Reach(enum.Enum):
    """The resources that one call touches."""

    EXACT = "exact"
    """The one resource that it names."""
    PREFIX = "prefix"
    """Every resource that starts with the given text."""
    PATTERN = "pattern"
    """Every resource that its pattern covers."""


@dataclass(frozen=True, slots=True)
class Resource:
    """The resource of one call, in canonical form."""

    text: str
    reach: Reach = Reach.EXACT
    separator: str = "/"

    def is_covered_by(self, pattern: Pattern) -> bool:
        """Return whether the pattern covers all of it."""
        match self.reach:
            case Reach.EXACT:
                return pattern.matches(self.text)
            case Reach.PREFIX:
                return pattern.covers_prefix(self.text)
            case Reach.PATTERN:
                return pattern.covers_pattern(Pattern(self.text, self.separator))

    def is_touched_by(self, pattern: Pattern) -> bool:
        """Return whether the pattern may cover any of it."""
        match self.reach:
            case Reach.EXACT:
                return pattern.matches(self.text)
            case Reach.PREFIX:
                return pattern.touches_prefix(self.text)
            case Reach.PATTERN:
                return pattern.touches_pattern(Pattern(self.text, self.separator))

    @property
    def granting_pattern(self) -> str:
        """The narrowest pattern that would cover it."""
        if self.reach is not Reach.PREFIX:
            return self.text
        if self.text == "" or self.text.endswith("/"):
            return f"{self.text}**"
        return f"{self.text}*/**"


def _as_it_is(text: str) -> str:
    return text


def read_plain(value: str) -> str:
    """Return a key or name unchanged: NFC text without control characters or dot segments.

    Raises:
        InvalidResource: The value is not such a text.
    """
    if len(value) > _RESOURCE_LENGTH:
        raise InvalidResource(value, f"it is longer than {_RESOURCE_LENGTH} characters")
    if value.isascii():
        if not value.isprintable():
            raise InvalidResource(value, "it holds a control character")
    else:
        _check_unicode(value)
    if ".." in value and ".." in value.split("/"):
        raise InvalidResource(value, "the segment .. is not allowed")
    return value


def _check_unicode(value: str) -> None:
    if not unicodedata.is_normalized("NFC", value):
        raise InvalidResource(value, "it is not in Unicode normal form C")
    if not value.isprintable() and any(
        unicodedata.category(char) in ("Cc", "Cs") for char in value
    ):
        raise InvalidResource(value, "it holds a control character")


@dataclass(frozen=True, slots=True)
class Spelling:
    """The rules for reading the resources of one kind of capability.

    Attributes:
        separator: The character between segments of a resource and of a pattern.
        read: Returns the canonical spelling of a resource, or raises `InvalidResource`.
        read_pattern: Returns a grant's pattern in the same spelling, or raises `InvalidPattern`.
        reach: The reach of a call that names one resource.
    """

    separator: str = "/"
    read: Callable[[str], str] = read_plain
    read_pattern: Callable[[str], str] = _as_it_is
    reach: Reach = Reach.EXACT

    def resource(self, value: str, argument: str | None = None) -> Resource:
        """Return the resource of a call.

        Args:
            value: The argument that names the resource.
            argument: Its name in the contract; `prefix` stands for every resource that starts with
                it.

        Raises:
            InvalidResource: The value has no safe reading.
        """
        is_prefix = argument == "prefix"
        text = read_plain(value) if is_prefix else self.read(value)
        if text.count(self.separator) >= _RESOURCE_SEGMENTS:
            raise InvalidResource(value, f"it has more than {_RESOURCE_SEGMENTS} segments")
        return Resource(text, Reach.PREFIX if is_prefix else self.reach, self.separator)

    def pattern(self, text: str) -> Pattern:
        """Return a grant's pattern, read as the resources are.

        Raises:
            InvalidPattern: The text is not a usable pattern.
        """
        return Pattern(self.read_pattern(text), self.separator)


PLAIN = Spelling()
"""Unchanged text, in segments divided by `/`."""
