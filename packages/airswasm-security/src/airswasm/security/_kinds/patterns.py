"""Patterns over resources: the keys, paths, targets and topics that a grant covers.

A pattern is a row of segments. `*` inside a segment stands for any run of characters, alone it
stands for one non-empty segment; `?` stands for one character and `[a-z]` for one of a set; `**` is
a segment of its own and stands for any number of segments, none included. Matching goes over a
resource once: what is between two wildcards is searched from where the last was found, and where
`**` stands the pattern is in several places at once, as bits of a number. So time grows with the
resource, and `effort` says by how much.

A resource of several parts, such as a method and a URL, has a pattern for each: `Compound`. So a
wildcard in the host cannot reach into the path.

Rejected: `fnmatch` (its `*` crosses `/`, so `a/*` covers `a/../../etc/passwd`), `PurePath.match`
(takes `..` for `*`), and translation to `re` (`(a*)*b`).

A call does not always name one resource. A scan names all keys with a prefix, a subscription all
topics of a pattern. A grant must then cover *every* resource that the call can reach
(`covers_prefix`, `covers_pattern`), and a deny rule refuses the call as soon as it *might* touch
one of them (`touches_prefix`, `touches_pattern`). Where the exact answer would be costly, both err
towards refusing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..errors import InvalidPattern
from .sets import find_problem, has_any_length, matches_sets

__all__ = ("AnyPattern", "Compound", "Pattern", "Words", "covers", "touches")

_ANY_DEPTH = "**"
_WILD = "*?["
_PATTERN_LENGTH = 1_024
_SEGMENTS = 64
_COMPARISONS = 256
"""The most places of two patterns that are looked at together."""
_EFFORT_OF_ALL = 512
"""Of what takes a step for each character or segment of the resource."""
_EFFORT_OF_SETS = 2 * _EFFORT_OF_ALL
"""The sets are spread out first."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One compiled pattern.

    Attributes:
        text: The pattern as written.
        separator: The character between segments: `/`, or `.` for topics.
        name: What people read instead of the text, if it is not empty.
    """

    text: str
    separator: str = "/"
    name: str = field(default="", repr=False, compare=False)
    segments: tuple[str, ...] = field(init=False, repr=False, compare=False)
    is_literal: bool = field(init=False, repr=False, compare=False)
    """Whether it covers exactly one resource: itself."""
    _is_flat: bool = field(init=False, repr=False, compare=False)
    """Whether it covers resources of one number of segments."""
    _head: str | None = field(init=False, repr=False, compare=False)
    """The text before a `/**` at the end, where no other wildcard is in it."""

    def __post_init__(self) -> None:
        _check(self.text, self.separator)
        head, mark, last = self.text.rpartition(self.separator)
        is_tree = mark != "" and last == _ANY_DEPTH and not _is_wild(head)
        segments = tuple(self.text.split(self.separator))
        for name, value in (
            ("segments", segments),
            ("is_literal", not _is_wild(self.text)),
            ("_is_flat", _ANY_DEPTH not in segments),
            ("_head", head if is_tree else None),
        ):
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        return self.name or self.text

    @property
    def start(self) -> str:
        """The first segment, or an empty text if it may be several."""
        return "" if _is_wild(self.segments[0]) else self.segments[0]

    @property
    def effort(self) -> int:
        """The most steps of a match: some 60 ns each for the longest resource.

        What is compared costs next to nothing. What is searched costs its length, or a step for
        each character of the resource; behind `**` each segment of the resource is tried.
        """
        deep = self.segments.index(_ANY_DEPTH) if _ANY_DEPTH in self.segments else None
        before, behind = self.segments[:deep], self.segments[deep:] if deep is not None else ()
        searched = sum(map(_is_searched, behind))
        sets = _EFFORT_OF_ALL * sum("[" in segment for segment in behind)
        return len(self.segments) + sum(map(_effort, before)) + _EFFORT_OF_ALL * searched + sets

    def matches(self, resource: str) -> bool:
        """Return whether the pattern covers this one resource."""
        if self.text == _ANY_DEPTH:
            return True
        if self.is_literal:
            return self.text == resource
        head = self._head
        if head is not None:
            length = len(head)
            return resource.startswith(head) and (
                len(resource) == length or resource.startswith(self.separator, length)
            )
        if self._is_flat:
            return _row_matches(self.segments, resource.split(self.separator))
        return _sequence_matches(self.segments, resource.split(self.separator))

    def covers_prefix(self, prefix: str) -> bool:
        """Return whether it covers every resource that starts with `prefix`."""
        if self.segments[-1] != _ANY_DEPTH:
            return False
        *complete, partial = prefix.split(self.separator)
        states = _start(self.segments)
        for segment in complete:
            states = _step(self.segments, states, segment_matches, segment)
            if len(self.segments) - 1 in states:
                return True
        last = _step(self.segments, states, _covers_continuations, partial)
        return len(self.segments) - 1 in states | last

    def touches_prefix(self, prefix: str) -> bool:
        """Return whether it may cover some resource that starts with `prefix`."""
        *complete, partial = prefix.split(self.separator)
        states = _start(self.segments)
        for segment in complete:
            states = _step(self.segments, states, segment_matches, segment)
        return bool(_step(self.segments, states, _may_continue, partial))

    def covers_pattern(self, other: Pattern) -> bool:
        """Return whether it covers everything that `other` covers.

        True is always correct; False may be wrong for two patterns that mix wildcards inside a
        segment, and for two in which so many `**` stand that the comparison would take long.

        A wildcard of `other` is read as a segment that no literal covers, which is the hardest to
        cover: what covers that covers any. `**` may also read an empty segment, which `*` does not
        cover; names with dots have none. After `**` there may be any number of them, so what is
        behind it and one more segment are tried, each place of `other` once with the same places of
        this one.
        """
        mine, its, end = self.segments, other.segments, len(self.segments)
        waiting = [(0, frozenset(_start(mine)), False)]
        seen = set(waiting)
        while waiting:
            at, states, has_read = waiting.pop()
            if at == len(its):
                if has_read and end not in states:  # no resource is without a segment
                    return False
                continue
            segment = its[at]
            if segment == _ANY_DEPTH:
                after = _after(mine, states, _covers_segment, "*")
                following = [(at + 1, states, has_read), (at, after, True)]
                if self.separator != ".":
                    following.append((at, _after(mine, states, segment_matches, ""), True))
            else:
                following = [(at + 1, _after(mine, states, _covers_segment, segment), True)]
            waiting.extend(each for each in following if each not in seen)
            seen.update(following)
            if len(seen) > _COMPARISONS:
                return False
        return True

    def touches_pattern(self, other: Pattern) -> bool:
        """Return whether some resource may be covered by both."""
        states = _start(self.segments)
        for segment in other.segments:
            if segment == _ANY_DEPTH and states:  # it may have read any number of segments
                states = set(range(min(states), len(self.segments) + 1))
            else:
                states = _step(self.segments, states, _may_meet, segment)
        return len(self.segments) in states


@dataclass(frozen=True, slots=True)
class Words:
    """A part that is one of some words: the methods of `GET,POST https://api.example.com/**`.

    Attributes:
        words: The words; None for any.
    """

    words: frozenset[str] | None = None

    effort = 1

    def matches(self, resource: str) -> bool:
        """Return whether it is one of the words."""
        return self.words is None or resource in self.words

    def covers_pattern(self, other: Words) -> bool:
        """Return whether it has every word of `other`."""
        return self.words is None or (other.words is not None and other.words <= self.words)

    def touches_pattern(self, other: Words) -> bool:
        """Return whether both have a word in common."""
        return self.words is None or other.words is None or bool(self.words & other.words)


@dataclass(frozen=True, slots=True)
class Compound:
    """A pattern of several parts; it covers what each of its parts covers.

    Attributes:
        text: The pattern in one spelling.
        parts: A pattern for each part of a resource, always as many for one kind of capability.
        name: As for `Pattern`.
    """

    text: str
    parts: tuple[Pattern | Words, ...] = field(repr=False)
    name: str = field(default="", repr=False, compare=False)

    def __str__(self) -> str:
        return self.name or self.text

    @property
    def effort(self) -> int:
        """The most steps of a match; see `Pattern.effort`."""
        return sum(part.effort for part in self.parts)

    @property
    def start(self) -> str:
        """See `Pattern.start`; the parts have no common order, so all are compared."""
        return ""

    def matches(self, resource: Sequence[str]) -> bool:
        """Return whether the pattern covers a resource, given by its parts."""
        return all(part.matches(each) for part, each in zip(self.parts, resource, strict=True))

    def covers_pattern(self, other: Compound) -> bool:
        """Return whether it covers everything that `other` covers; False may be wrong."""
        pairs = zip(self.parts, other.parts, strict=True)
        return all(mine.covers_pattern(its) for mine, its in pairs)  # type: ignore[arg-type]

    def touches_pattern(self, other: Compound) -> bool:
        """Return whether some resource may be covered by both."""
        pairs = zip(self.parts, other.parts, strict=True)
        return all(mine.touches_pattern(its) for mine, its in pairs)  # type: ignore[arg-type]


AnyPattern: TypeAlias = Pattern | Compound


def covers(wide: AnyPattern, pattern: AnyPattern) -> bool:
    """Return whether one pattern covers all that another of the same kind covers."""
    return wide.covers_pattern(pattern)  # type: ignore[arg-type]  # both are of one kind


def touches(one: AnyPattern, other: AnyPattern) -> bool:
    """Return whether two patterns of one kind may cover the same resource."""
    return one.touches_pattern(other)  # type: ignore[arg-type]  # both are of one kind


def segment_matches(pattern: str, text: str) -> bool:
    """Return whether one segment of a pattern covers one segment of a resource."""
    if pattern == "*":
        return text != ""
    if not _is_wild(pattern):
        return pattern == text
    if "[" in pattern:
        return matches_sets(pattern, text)
    return _glob(pattern, text)


def _is_wild(text: str) -> bool:
    return "*" in text or "?" in text or "[" in text


def _glob(pattern: str, text: str) -> bool:
    """Match with `*` and `?`: each piece between two stars is found where it first occurs."""
    first, *middle = pattern.split("*")
    if not middle:
        return len(first) == len(text) and _fits(first, text, 0)
    *middle, last = middle
    at, end = len(first), len(text) - len(last)
    if at > end or not _fits(first, text, 0) or not _fits(last, text, end):
        return False
    for piece in middle:
        found = _find(piece, text, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _fits(piece: str, text: str, at: int) -> bool:
    """Whether a piece without `*` stands at that place."""
    for run in piece.split("?"):
        if not text.startswith(run, at):
            return False
        at += len(run) + 1
    return True


def _find(piece: str, text: str, start: int, end: int) -> int:
    """Where a piece without `*` first occurs, or -1.

    With a `?` in it, all places that it could have begun at are followed at once, each a bit.
    """
    if "?" not in piece:
        return text.find(piece, start, end)
    wild = sum(1 << at for at, char in enumerate(piece) if char == "?")
    fitting: dict[str, int] = {}
    for at, char in enumerate(piece):
        if char != "?":
            fitting[char] = fitting.get(char, wild) | 1 << at
    begun, whole = 0, 1 << len(piece) - 1
    for at in range(start, end):
        begun = (begun << 1 | 1) & fitting.get(text[at], wild)
        if begun & whole:
            return at - len(piece) + 1
    return -1


def _is_searched(segment: str) -> bool:
    return segment not in ("*", _ANY_DEPTH) and _is_wild(segment)


def _effort(segment: str) -> int:
    if not _is_searched(segment):
        return 0
    if "[" in segment:
        return (
            _EFFORT_OF_SETS
            if has_any_length(segment)
            else 2 * len(segment) + 128 * ("-" in segment)
        )
    return max(len(segment), _EFFORT_OF_ALL if "*" in segment and "?" in segment else 0)


def _row_matches(patterns: Sequence[str], segments: Sequence[str]) -> bool:
    if len(patterns) != len(segments):
        return False
    return all(map(segment_matches, patterns, segments))


def _sequence_matches(patterns: Sequence[str], segments: Sequence[str]) -> bool:
    """Follow all places in the pattern at once, each a bit: after `**` there are several."""
    deep = sum(1 << at for at, pattern in enumerate(patterns) if pattern == _ANY_DEPTH)
    literal: dict[str, int] = {}
    wild: list[tuple[int, str]] = []
    for at, pattern in enumerate(patterns):
        if not _is_wild(pattern):
            literal[pattern] = literal.get(pattern, 0) | 1 << at
        elif pattern != _ANY_DEPTH:
            wild.append((1 << at, pattern))
    places = _past(1, deep)
    for segment in segments:
        fitting = literal.get(segment, 0)
        for place, pattern in wild:
            if places & place and segment_matches(pattern, segment):
                fitting |= place
        places = _past((places & fitting) << 1 | places & deep, deep)
        if not places:
            return False
    return bool(places >> len(patterns) & 1)


def _past(places: int, deep: int) -> int:
    """Return the places and those behind them that `**` reaches without a segment."""
    while (reached := places | (places & deep) << 1) != places:
        places = reached
    return places


def _start(patterns: Sequence[str]) -> set[int]:
    return _closure(patterns, (0,))


def _closure(patterns: Sequence[str], states: Iterable[int]) -> set[int]:
    """Return the positions reachable without a segment: past every `**`."""
    reached: set[int] = set()
    for state in states:
        reached.add(state)
        while state < len(patterns) and patterns[state] == _ANY_DEPTH:
            state += 1
            reached.add(state)
    return reached


def _step(
    patterns: Sequence[str],
    states: Iterable[int],
    accepts: Callable[[str, str], bool],
    segment: str,
) -> set[int]:
    """Return the positions after one more segment, which `accepts` compares with the pattern's."""
    after: set[int] = set()
    for state in states:
        if state == len(patterns):
            continue
        if patterns[state] == _ANY_DEPTH:
            after.add(state)
        elif accepts(patterns[state], segment):
            after.add(state + 1)
    return _closure(patterns, after)


def _after(
    patterns: Sequence[str],
    states: Iterable[int],
    accepts: Callable[[str, str], bool],
    segment: str,
) -> frozenset[int]:
    """`_step`, as a key."""
    return frozenset(_step(patterns, states, accepts, segment))


def _covers_continuations(pattern: str, partial: str) -> bool:
    """Return whether the pattern covers every segment that starts with `partial`."""
    return pattern.endswith("*") and segment_matches(pattern, partial)


def _may_continue(pattern: str, partial: str) -> bool:
    """Return whether the pattern may cover some segment that starts with `partial`."""
    for expected, actual in zip(pattern, partial, strict=False):
        if expected in _WILD:
            return True
        if expected != actual:
            return False
    return len(pattern) >= len(partial)


def _covers_segment(pattern: str, other: str) -> bool:
    """Return whether a pattern's segment covers all that another's covers."""
    if pattern == other:
        return True
    if _is_wild(other):
        return pattern == "*"
    return segment_matches(pattern, other)


def _may_meet(pattern: str, other: str) -> bool:
    """Return whether two pattern segments may cover one and the same segment."""
    wild = [_is_wild(segment) for segment in (pattern, other)]
    if all(wild):
        return True
    if wild[0]:
        return segment_matches(pattern, other)
    return segment_matches(other, pattern)


def _check(text: str, separator: str) -> None:
    if not text:
        raise InvalidPattern(text, "it is empty")
    if len(text) > _PATTERN_LENGTH:
        raise InvalidPattern(text[:80], f"it is longer than {_PATTERN_LENGTH} characters")
    if not unicodedata.is_normalized("NFC", text):
        raise InvalidPattern(text, "it is not in Unicode normal form C")
    shown = text.replace(separator, "")
    if not shown.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in shown):
        raise InvalidPattern(text, "it holds a control character")
    _check_segments(text, text.split(separator))


def _check_segments(text: str, segments: Sequence[str]) -> None:
    if len(segments) > _SEGMENTS:
        raise InvalidPattern(text, f"it has more than {_SEGMENTS} segments")
    for segment in segments:
        if segment in (".", ".."):
            raise InvalidPattern(text, f"the segment {segment!r} is not allowed")
        if _ANY_DEPTH in segment and segment != _ANY_DEPTH:
            raise InvalidPattern(text, "** must be a segment of its own, as in users/**")
        if "[" in segment and (problem := find_problem(segment)):
            raise InvalidPattern(text, problem)
