"""Topics, patterns, and the table of subscriptions.

A topic is segments joined by dots. In a pattern, `*` stands for one segment and `**`, at the end,
for any number of them, none included. The subscribers of a topic are found once and kept, until a
subscription changes: publishing is then one look-up, however many patterns there are. The cache is
bounded, since topics may come from guests.

A subscriber is a *name* or a reference, and gets one copy however many patterns match. A name is
resolved by the route at the time of publishing: over a switch from one version to the next there
is neither a gap nor a second copy. Each subscription has an owner (an incarnation, say), so that
the old version's end does not end the subscriptions of the new one under the same name.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

from ..errors import InvalidTopic

__all__ = ("TopicTable", "check_pattern", "check_topic", "matches")

Entry = TypeVar("Entry", bound=Hashable)

_MOST_TOPICS_CACHED = 4096
_LONGEST = 512


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
        InvalidTopic: As for topics, or a wildcard stands where it may not.
    """
    segments = _segments(pattern)
    for position, segment in enumerate(segments):
        if segment == "**" and position != len(segments) - 1:
            raise InvalidTopic(pattern, "'**' may only be the last segment")
        if "*" in segment and segment not in ("*", "**"):
            raise InvalidTopic(pattern, "'*' stands for a whole segment")
    return segments


def matches(pattern: tuple[str, ...], topic: tuple[str, ...]) -> bool:
    """Return whether a topic falls under a pattern, both as segments. Linear in their length."""
    if pattern and pattern[-1] == "**":
        head = pattern[:-1]
        if len(topic) < len(head):
            return False
        topic = topic[: len(head)]
        pattern = head
    return len(pattern) == len(topic) and all(
        wanted in ("*", given) for wanted, given in zip(pattern, topic, strict=True)
    )


class TopicTable:
    """Subscriptions by pattern: the subscribers, and the owners of each subscription."""

    __slots__ = ("_by_owner", "_by_subscriber", "_cache", "_patterns")

    def __init__(self) -> None:
        self._patterns: dict[tuple[str, ...], dict[Hashable, set[Hashable]]] = {}
        self._by_subscriber: dict[Hashable, set[tuple[str, ...]]] = {}
        self._by_owner: dict[Hashable, set[tuple[tuple[str, ...], Hashable]]] = {}
        self._cache: dict[str, tuple[Hashable, ...]] = {}

    def __len__(self) -> int:
        return sum(len(subscribers) for subscribers in self._patterns.values())

    def add(self, pattern: str, subscriber: Hashable, owner: Hashable) -> None:
        """Subscribe; doing so again changes nothing."""
        segments = check_pattern(pattern)
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
            for pattern, subscribers in self._patterns.items():
                if matches(pattern, segments):
                    matching.update(dict.fromkeys(subscribers))
            if len(self._cache) >= _MOST_TOPICS_CACHED:
                self._cache.clear()
            found = self._cache[topic] = tuple(matching)
        return found

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
            _discard(self._by_subscriber, subscriber, segments)
            self._cache.clear()
        return True


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
    if "" in segments:
        raise InvalidTopic(text, "a segment is empty")
    if any(not character.isprintable() or character == " " for character in text):
        raise InvalidTopic(text, "it has a blank or a control character")
    return segments
