"""Topics, patterns, and the table of subscriptions.

A topic is segments joined by dots. In a pattern, `*` stands for one segment and `**` for any number
of them, none included. The subscribers of a topic are found once and kept, until a subscription
changes: publishing is then one look-up, however many patterns there are. The cache is bounded,
since topics may come from guests.

A topic that is new is compared with the patterns that begin with its first segment or with a
wildcard. A comparison is bounded by the segments of the topic, whatever the pattern (`Matcher`),
and `effort` says how many there will be, so that a guest can be made to pay for them.

A subscriber is a *name* or a reference, and gets one copy however many patterns match. A name is
resolved by the route at the time of publishing: over a switch from one version to the next there
is neither a gap nor a second copy. Each subscription has an owner (an incarnation, say), so that
the old version's end does not end the subscriptions of the new one under the same name.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import count
from typing import TypeVar

from ..errors import InvalidTopic

__all__ = ("Matcher", "TopicPattern", "TopicTable", "check_pattern", "check_topic", "matches")

Entry = TypeVar("Entry", bound=Hashable)

_MOST_TOPICS_CACHED = 4096
_LONGEST = 512
_MOST_SEGMENTS = 64


def check_topic(topic: str) -> tuple[str, ...]:
    """Return the segments of a topic.

    Raises:
        InvalidTopic: It is empty, too long, has an empty segment, or a `*`.
    """
    segments = _segments(topic)
    for segment in segments:
        if "*" in segment:
            raise InvalidTopic(topic, "'*' belongs in patterns, not in topics")
    return segments


def check_pattern(pattern: str) -> tuple[str, ...]:
    """Return the segments of a pattern.

    Raises:
        InvalidTopic: As for topics, or a wildcard is only a part of a segment.
    """
    segments = _segments(pattern)
    for segment in segments:
        if "*" in segment and segment not in ("*", "**"):
            raise InvalidTopic(pattern, "'*' stands for a whole segment")
    return segments


class Matcher:
    """A pattern, made ready to be compared with topics.

    Where no `**` stands, or only one at the end, segments are compared in a row. Elsewhere all
    places in the pattern that the topic may have come to are followed at once, each a bit of a
    number. So a comparison takes at most one step for each segment of the topic.

    Attributes:
        first: The first segment, where it is a literal; None where any topic may begin the match.
    """

    __slots__ = ("_deep", "_head", "_is_tree", "_least", "_places", "_stars", "first")

    def __init__(self, segments: tuple[str, ...]) -> None:
        pattern = [
            segment
            for at, segment in enumerate(segments)
            if segment != "**" or segments[at - 1 : at] != ("**",)
        ]
        deep = [at for at, segment in enumerate(pattern) if segment == "**"]
        self.first = None if pattern[0] in ("*", "**") else pattern[0]
        self._least = len(pattern) - len(deep)
        self._is_tree = deep == [len(pattern) - 1]
        self._head: tuple[str, ...] | None = None
        self._places: dict[str, int] = {}
        self._deep, self._stars = sum(1 << at for at in deep), 0
        if not deep or self._is_tree:
            self._head = tuple(pattern[: self._least])
            return
        for at, segment in enumerate(pattern):
            if segment == "*":
                self._stars |= 1 << at
            elif segment != "**":
                self._places[segment] = self._places.get(segment, 0) | 1 << at

    def matches(self, topic: tuple[str, ...]) -> bool:
        """Return whether a topic, as segments, falls under the pattern."""
        if len(topic) < self._least:
            return False
        if self._head is not None:
            return (self._is_tree or len(topic) == self._least) and all(
                wanted in ("*", given) for wanted, given in zip(self._head, topic, strict=False)
            )
        deep, stars, literals = self._deep, self._stars, self._places
        places = self._past(1)
        for segment in topic:
            fitting = stars | literals.get(segment, 0)
            places = self._past((places & fitting) << 1 | places & deep)
            if not places:
                return False
        return places.bit_length() == self._least + deep.bit_count() + 1

    def _past(self, places: int) -> int:
        """Add the places that a `**` reaches without a segment; no two of them are neighbours."""
        return places | (places & self._deep) << 1


class TopicPattern:
    """A pattern of topics, to be compared with topics.

    Attributes:
        text: The pattern as it was written.

    Raises:
        InvalidTopic: It is malformed.
    """

    __slots__ = ("_matcher", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._matcher = Matcher(check_pattern(text))

    def matches(self, topic: str) -> bool:
        """Return whether a topic falls under it."""
        return self._matcher.matches(tuple(topic.split(".")))


def matches(pattern: tuple[str, ...], topic: tuple[str, ...]) -> bool:
    """Return whether a topic falls under a pattern, both as segments."""
    return Matcher(pattern).matches(topic)


class TopicTable:
    """Subscriptions by pattern: the subscribers, and the owners of each subscription."""

    __slots__ = ("_by_first", "_by_owner", "_by_subscriber", "_cache", "_order", "_patterns")

    def __init__(self) -> None:
        self._by_first: dict[str | None, dict[tuple[str, ...], tuple[int, Matcher]]] = {}
        self._order = count()
        self._patterns: dict[tuple[str, ...], dict[Hashable, set[Hashable]]] = {}
        self._by_subscriber: dict[Hashable, set[tuple[str, ...]]] = {}
        self._by_owner: dict[Hashable, set[tuple[tuple[str, ...], Hashable]]] = {}
        self._cache: dict[str, tuple[Hashable, ...]] = {}

    def __len__(self) -> int:
        return sum(len(subscribers) for subscribers in self._patterns.values())

    def add(self, pattern: str, subscriber: Hashable, owner: Hashable) -> None:
        """Subscribe; doing so again changes nothing."""
        segments = check_pattern(pattern)
        if segments not in self._patterns:
            matcher = Matcher(segments)
            self._by_first.setdefault(matcher.first, {})[segments] = next(self._order), matcher
        self._patterns.setdefault(segments, {}).setdefault(subscriber, set()).add(owner)
        self._by_subscriber.setdefault(subscriber, set()).add(segments)
        self._by_owner.setdefault(owner, set()).add((segments, subscriber))
        self._cache.clear()

    def remove(self, pattern: str, subscriber: Hashable, owner: Hashable) -> bool:
        """End one owner's subscription. Return False when there was none."""
        return self._remove(check_pattern(pattern), subscriber, owner)

    def remove_owner(self, owner: Hashable) -> None:
        """End all subscriptions of one owner."""
        for segments, subscriber in list(self._by_owner.get(owner, ())):
            self._remove(segments, subscriber, owner)

    def remove_subscriber(self, subscriber: Hashable) -> None:
        """End all subscriptions of one subscriber."""
        for segments in list(self._by_subscriber.get(subscriber, ())):
            for owner in list(self._patterns[segments][subscriber]):
                self._remove(segments, subscriber, owner)

    def find(self, topic: str) -> tuple[Hashable, ...]:
        """Return the subscribers that a topic goes to, once each, in the order of subscribing.

        Raises:
            InvalidTopic: The topic is malformed.
        """
        found = self._cache.get(topic)
        if found is None:
            segments = check_topic(topic)
            matching: dict[Hashable, None] = {}
            fitting = [
                (order, pattern)
                for first in (segments[0], None)
                for pattern, (order, matcher) in self._by_first.get(first, {}).items()
                if matcher.matches(segments)
            ]
            for _, pattern in sorted(fitting):
                matching.update(dict.fromkeys(self._patterns[pattern]))
            if len(self._cache) >= _MOST_TOPICS_CACHED:
                self._cache.clear()
            found = self._cache[topic] = tuple(matching)
        return found

    def effort(self, topic: str) -> int:
        """Return how many comparisons it will take to find the subscribers of a topic."""
        if topic in self._cache:
            return 0
        first = topic.partition(".")[0]
        return sum(len(self._by_first.get(each, ())) for each in (first, None))

    def patterns_of(self, subscriber: Hashable) -> list[str]:
        """Return the patterns that a subscriber has subscribed to."""
        return sorted(".".join(segments) for segments in self._by_subscriber.get(subscriber, ()))

    def _remove(self, segments: tuple[str, ...], subscriber: Hashable, owner: Hashable) -> bool:
        owners = self._patterns.get(segments, {}).get(subscriber)
        if owners is None or owner not in owners:
            return False
        owners.remove(owner)
        _discard(self._by_owner, owner, (segments, subscriber))
        if not owners:
            del self._patterns[segments][subscriber]
            if not self._patterns[segments]:
                del self._patterns[segments]
                self._forget_pattern(segments)
            _discard(self._by_subscriber, subscriber, segments)
            self._cache.clear()
        return True

    def _forget_pattern(self, segments: tuple[str, ...]) -> None:
        first = None if segments[0] in ("*", "**") else segments[0]
        del self._by_first[first][segments]
        if not self._by_first[first]:
            del self._by_first[first]


def _discard(index: dict[Hashable, set[Entry]], key: Hashable, entry: Entry) -> None:
    """Take an entry out of an index, and its key with the last one."""
    index[key].discard(entry)
    if not index[key]:
        del index[key]


def _segments(text: str) -> tuple[str, ...]:
    if not text:
        raise InvalidTopic(text, "it is empty")
    if len(text) > _LONGEST:
        raise InvalidTopic(text[:40] + "...", f"it is longer than {_LONGEST} characters")
    segments = tuple(text.split("."))
    if len(segments) > _MOST_SEGMENTS:
        raise InvalidTopic(text[:40] + "...", f"it has more than {_MOST_SEGMENTS} segments")
    if "" in segments:
        raise InvalidTopic(text, "a segment is empty")
    if any(not character.isprintable() or character == " " for character in text):
        raise InvalidTopic(text, "it has a blank or a control character")
    return segments
