"""The last value of each topic that a publisher asked to keep: what a later subscriber gets first.

Values are kept in memory, within bounds on their number and bytes for the host and for each
publisher: a value outlives the incarnation that published it, so no instance's account can hold it.
A topic has one value. An empty payload removes it, as in MQTT.

A host with a store puts `DurableRetained` in its place, which writes down those that are to outlive
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from airswasm.actor import Accepted, Envelope, MessageBroker, TopicPattern

from ._counters import MessagingCounters
from ._policy import MessagingLimits
from .errors import RetainedFull

__all__ = ("RetainedTopics", "RetainedValue", "RetainedValues", "deliver_retained")

_VALUE_BYTES = 512
"""Of a value beside topic and payload."""


@dataclass(frozen=True, slots=True)
class RetainedValue:
    """The value of a topic.

    Attributes:
        topic: The topic.
        payload: What was published.
        sender: The name of the publisher.
        envelope: What a later subscriber gets with it.
    """

    topic: str
    payload: bytes
    sender: str
    envelope: Envelope

    @property
    def size_bytes(self) -> int:
        """The bytes that it counts for."""
        return _VALUE_BYTES + len(self.topic.encode()) + len(self.payload)


class RetainedTopics(Protocol):
    """The values of topics, as publishers and subscribers use them."""

    def retain(self, value: RetainedValue, done: Accepted | None = None) -> Callable[[], None]:
        """Keep a value in place of the topic's last one; an empty payload keeps none.

        Args:
            value: The value.
            done: Called when it is kept as it should be: at once, or when the disk has it; or with
                the error, and then the last one is there again.

        Returns:
            A function that takes it back, for a publication that failed: the topic has its last
            value again, unless another one has come since, or there is no room for it any more.

        Raises:
            RetainedFull: There is no room for it; the last one stays.
        """
        ...

    def effort(self, pattern: str) -> int:
        """Return with how many topics a pattern will be compared."""
        ...

    def matching(self, pattern: str) -> Iterator[RetainedValue]:
        """Return the values of the topics that a pattern covers."""
        ...

    async def forget(self, sender: str) -> int:
        """Remove the values of a publisher, and return how many there were.

        Raises:
            AirswasmError: The disk refuses; it can be called again.
        """
        ...


class RetainedValues:
    """The values of topics, in memory.

    Attributes:
        limits: The bounds; tighter ones take nothing away that is there.

    Args:
        limits: See above.
        counters: Where values and bytes are counted.
    """

    def __init__(
        self, limits: MessagingLimits | None = None, counters: MessagingCounters | None = None
    ) -> None:
        self.limits = limits or MessagingLimits()
        self._counters = counters or MessagingCounters()
        self._values: dict[str, RetainedValue] = {}
        self._of_sender: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def retain(self, value: RetainedValue, done: Accepted | None = None) -> Callable[[], None]:
        """Keep a value in place of the topic's last one; an empty payload keeps none.

        Args:
            value: The value.
            done: Called when it is kept as it should be: at once, or when the disk has it; or with
                the error, and then the last one is there again.

        Returns:
            A function that takes it back, for a publication that failed: the topic has its last
            value again, unless another one has come since, or there is no room for it any more.

        Raises:
            RetainedFull: There is no room for it; the last one stays.
        """
        last = self._values.get(value.topic)
        if value.payload:
            self._check_room(value, last)
        if last is not None:
            self._remove(last)
        if value.payload:
            self._put(value)
            self._counters.retained_published += 1
        elif last is not None:
            self._counters.retained_cleared += 1
        if done is not None:
            done(None)
        return lambda: self._take_back(value, last)

    def restore(self, value: RetainedValue) -> None:
        """Keep a value that was retained in an earlier run of the host.

        Raises:
            RetainedFull: There is no room for it.
        """
        self._check_room(value, None)
        self._put(value)
        self._counters.retained_restored += 1

    def effort(self, pattern: str) -> int:
        """Return with how many topics a pattern will be compared."""
        return len(self._values) if "*" in pattern else 1

    def matching(self, pattern: str) -> Iterator[RetainedValue]:
        """Return the values of the topics that a pattern covers."""
        if "*" not in pattern:
            value = self._values.get(pattern)
            return iter(() if value is None else (value,))
        wanted = TopicPattern(pattern)
        return iter([each for topic, each in self._values.items() if wanted.matches(topic)])

    async def forget(self, sender: str) -> int:
        """Remove the values of a publisher, and return how many there were."""
        mine = [value for value in self._values.values() if value.sender == sender]
        for value in mine:
            self._remove(value)
        return len(mine)

    def _take_back(self, value: RetainedValue, last: RetainedValue | None) -> None:
        present = self._values.get(value.topic)
        if present is not (value if value.payload else None):
            return
        if present is not None:
            self._remove(present)
        if last is not None:
            with suppress(RetainedFull):  # another topic has taken its room
                self._check_room(last, None)
                self._put(last)

    def _check_room(self, value: RetainedValue, last: RetainedValue | None) -> None:
        limits, counters, sender = self.limits, self._counters, value.sender
        values, size_bytes = self._of_sender.get(sender, (0, 0))
        freed = 0 if last is None else last.size_bytes
        own_freed = freed if last is not None and last.sender == sender else 0
        size = value.size_bytes
        for is_over, name, most in (
            (values + (not own_freed) > limits.retained_values_each, "retained_values_each",
             limits.retained_values_each),
            (size_bytes + size - own_freed > limits.retained_bytes_each, "retained_bytes_each",
             limits.retained_bytes_each),
            (len(self._values) + (last is None) > limits.retained_values, "retained_values",
             limits.retained_values),
            (counters.retained_bytes + size - freed > limits.retained_bytes, "retained_bytes",
             limits.retained_bytes),
        ):  # fmt: skip
            if is_over:
                raise RetainedFull(sender, value.topic, name, most)

    def _put(self, value: RetainedValue) -> None:
        self._values[value.topic] = value
        self._count(value, 1)

    def _remove(self, value: RetainedValue) -> None:
        del self._values[value.topic]
        self._count(value, -1)

    def _count(self, value: RetainedValue, sign: int) -> None:
        size = sign * value.size_bytes
        self._counters.retained_values += sign
        self._counters.retained_bytes += size
        values, size_bytes = self._of_sender.get(value.sender, (0, 0))
        if values + sign:
            self._of_sender[value.sender] = values + sign, size_bytes + size
        else:
            self._of_sender.pop(value.sender, None)


def deliver_retained(broker: MessageBroker, value: RetainedValue, subscriber: str) -> None:
    """Send a retained value to a new subscriber.

    Raises:
        DeliveryError: It has no room for it, as for `MessageBroker.tell`.
    """
    broker.tell(
        subscriber,
        value.payload,
        sender=value.sender,
        topic=value.topic,
        envelope=value.envelope,
    )
