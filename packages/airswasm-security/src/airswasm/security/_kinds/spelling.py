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
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from ..errors import InvalidPattern, InvalidResource
from .patterns import AnyPattern, Compound, Pattern, Words, covers
from .sets import escape

__all__ = ("EVERYTHING", "PLAIN", "Reach", "Resource", "Spelling", "read_plain")

EVERYTHING = "everything"
"""The pattern that covers every resource of a kind; no other may."""
_SET = re.compile(r"\[.[^\]]*\]")
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


_EXACT = Reach.EXACT


class Resource(NamedTuple):  # one is made for each decision: a dataclass takes three times as long
    """The resource of one call, in canonical form.

    Attributes:
        text: All of it.
        reach: The resources that the call touches.
        separator: The character between its segments.
        parts: Its parts, where it has several: the method, the host and the path of a request.
        folded: The text as a system that ignores case spells it, where the kind has such; a
            denial of either spelling refuses the call.
        quote: Returns the pattern that covers a text of this kind alone.
    """

    text: str
    reach: Reach = Reach.EXACT
    separator: str = "/"
    parts: tuple[str, ...] | None = None
    folded: str | None = None
    quote: Callable[[str], str] = escape

    def in_folded_spelling(self) -> Resource:
        """Return it as a system that ignores case spells it; itself where the kind has none."""
        return self if self.folded is None else self._replace(text=self.folded, folded=None)

    def is_covered_by(self, pattern: AnyPattern) -> bool:
        """Return whether the pattern covers all of it."""
        if self.reach is _EXACT:
            return pattern.matches(self.text if self.parts is None else self.parts)  # type: ignore[arg-type]
        row = cast("Pattern", pattern)  # what has parts is exact
        if self.reach is Reach.PREFIX:
            return row.covers_prefix(self.text)
        return row.covers_pattern(Pattern(self.text, self.separator))

    def is_touched_by(self, pattern: AnyPattern) -> bool:
        """Return whether the pattern may cover any of it."""
        if self.reach is _EXACT:
            return pattern.matches(self.text if self.parts is None else self.parts)  # type: ignore[arg-type]
        row = cast("Pattern", pattern)  # what has parts is exact
        if self.reach is Reach.PREFIX:
            return row.touches_prefix(self.text)
        return row.touches_pattern(Pattern(self.text, self.separator))

    @property
    def granting_pattern(self) -> str:
        """The narrowest pattern that would cover it."""
        if self.reach is Reach.PATTERN:
            return self.text
        text = self.quote(self.text)
        if text == EVERYTHING:
            return f"[{text[0]}]{text[1:]}"
        if self.reach is Reach.EXACT:
            return EVERYTHING if text == "" else text
        if text == "":
            return EVERYTHING
        return f"{text}**" if text.endswith("/") else f"{text}*/**"


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
        read_pattern: Returns a grant's pattern in the same spelling, or raises `InvalidPattern`;
            also for a pattern that can match no resource, with what was probably meant.
        reach: The reach of a call that names one resource.
        everything: The narrowest pattern that covers every resource of the kind.
        split: Returns the parts of a canonical resource, where it has several.
        split_pattern: Returns a pattern for each part of a resource, from a pattern in canonical
            spelling.
        fold: Returns a resource, or a pattern, as a system spells it that takes several resources
            for one: file systems that ignore case. Denials hold for both spellings.
        quote: Returns the pattern that covers one canonical resource and no other.
        together: Patterns that cover, all of them together, what people mean by everything.
    """

    separator: str = "/"
    read: Callable[[str], str] = read_plain
    read_pattern: Callable[[str], str] = _as_it_is
    reach: Reach = Reach.EXACT
    everything: str = "**"
    split: Callable[[str], tuple[str, ...]] | None = None
    split_pattern: Callable[[str], tuple[Pattern | Words, ...]] | None = None
    fold: Callable[[str], str] | None = None
    quote: Callable[[str], str] = escape
    together: tuple[str, ...] = ()

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
        if is_prefix and self.split is not None:
            raise InvalidResource(value, "resources of several parts have no common start")
        text = read_plain(value) if is_prefix else self.read(value)
        if text.count(self.separator) >= _RESOURCE_SEGMENTS:
            raise InvalidResource(value, f"it has more than {_RESOURCE_SEGMENTS} segments")
        reach = Reach.PREFIX if is_prefix else self.reach
        parts = None if self.split is None else self.split(text)
        folded = None if self.fold is None else self.fold(text)
        return Resource(text, reach, self.separator, parts, folded, self.quote)

    def pattern(self, text: str) -> AnyPattern:
        """Return a grant's pattern, read as the resources are.

        The word `everything` is the pattern that covers every resource of the kind.

        Raises:
            InvalidPattern: The text is not a usable pattern.
        """
        if not text:
            raise InvalidPattern(text, f'it is empty; write "{EVERYTHING}" for all that there is')
        name = EVERYTHING if text == EVERYTHING else ""
        spelled = self.everything if name else self.read_pattern(text)
        if self.split_pattern is not None:
            return Compound(spelled, self.split_pattern(spelled), name)
        return Pattern(spelled, self.separator, name)

    def folded(self, pattern: AnyPattern) -> Pattern | None:
        """Return the pattern as `fold` spells it; None where that changes nothing."""
        if self.fold is None or isinstance(pattern, Compound):
            return None
        try:
            return Pattern(self.fold(pattern.text), self.separator)
        except InvalidPattern:  # a range of a set has turned round: deny more, not less
            return Pattern(self.fold(_SET.sub("?", pattern.text)), self.separator)

    def covers_everything(self, pattern: AnyPattern) -> bool:
        """Return whether a pattern covers every resource of the kind.

        None is the empty text, so one segment and any number beyond it are all that there is.
        """
        whole = self.pattern(EVERYTHING)
        if not isinstance(whole, Compound) and whole.text.endswith("**"):
            start = whole.text[:-2]
            for some in (f"{start}*{self.separator}**", f"{start}**{self.separator}*"):
                if covers(pattern, Pattern(some, self.separator)):
                    return True
        return covers(pattern, whole)

    def cover_everything(self, patterns: Sequence[AnyPattern]) -> bool:
        """Return whether patterns cover together what people mean by everything."""
        parts = [self.pattern(each) for each in self.together]
        return bool(parts) and all(any(covers(each, part) for each in patterns) for part in parts)


PLAIN = Spelling()
"""Unchanged text, in segments divided by `/`."""
