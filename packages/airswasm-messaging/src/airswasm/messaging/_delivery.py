"""The terms of durable delivery: which messages are written down, and how many may wait.

Here are only the terms; `_durable` keeps them and needs a store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from airswasm.security import InvalidPattern, InvalidResource, Pattern

from ._spelling import read_topic_pattern

__all__ = ("Delivery", "DeliveryPolicy", "DurableSettings", "DurableStatus")


@dataclass(frozen=True, slots=True)
class Delivery:
    """The terms of one durable mailbox.

    Attributes:
        attempts: How often a message is tried before it is a dead letter.
        messages: The most messages that may wait.
        size_bytes: The most bytes that they may take, 64 for each message beside its own.
        age_seconds: Seconds after which a message expires that was not handled; None for never.

    Raises:
        ValueError: One of them is not above 0.
    """

    attempts: int = 5
    messages: int = 100_000
    size_bytes: int = 64 * 2**20
    age_seconds: float | None = None

    def __post_init__(self) -> None:
        if (
            min(self.attempts, self.messages, self.size_bytes) < 1
            or not (self.age_seconds or 1) > 0
        ):
            raise ValueError("the terms of a delivery are above 0")


@dataclass(frozen=True, slots=True)
class DurableSettings:
    """`[durable]`: delivery of messages that outlives the host.

    Attributes:
        components: Patterns of components whose messages are durable, whatever their manifests
            say: `["shop/*"]`.
        topics: Patterns of topics whose publications are durable for every subscriber:
            `["orders.**"]`. Their retained values outlive the host, too.
        retained: Patterns of further topics whose retained values outlive the host, without their
            publications being durable: `["**.state"]`.
        attempts: How often a message is tried before it is a dead letter; the most that a manifest
            may ask for, and what it gets if it does not ask. So are the next three.
        messages: Messages that may wait for one component.
        size: Bytes that may wait for one component.
        age: Seconds after which a message expires that was not handled; 0 for never.
    """

    components: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    retained: tuple[str, ...] = ()
    attempts: int = 5
    messages: int = 100_000
    size: int = 64 * 2**20
    age: float = 0.0

    def __post_init__(self) -> None:
        if min(self.attempts, self.messages, self.size) < 1 or self.age < 0:
            raise ValueError("attempts, messages and size are above 0, and age is not below 0")
        for text in self.components:
            _check(text, Pattern)
        for text in (*self.topics, *self.retained):
            _check(text, read_topic_pattern)

    @property
    def terms(self) -> Delivery:
        """The terms of a durable mailbox that asks for none of its own."""
        return Delivery(self.attempts, self.messages, self.size, self.age or None)

    def names(self, component: str) -> bool:
        """Return whether the messages of a component are durable, whatever its manifest says."""
        return any(Pattern(each).matches(component) for each in self.components)

    def terms_of(self, component: str, asked: Delivery | None) -> Delivery | None:
        """Return the terms that a component gets; None for delivery in memory.

        Args:
            component: The component.
            asked: The terms of its manifest, if they are durable.
        """
        if asked is not None:
            return self.hold(asked)
        return self.terms if self.names(component) else None

    def hold(self, asked: Delivery) -> Delivery:
        """Return the terms that a component gets that asks for these."""
        most = self.terms
        ages = [age for age in (asked.age_seconds, most.age_seconds) if age is not None]
        return Delivery(
            min(asked.attempts, most.attempts),
            min(asked.messages, most.messages),
            min(asked.size_bytes, most.size_bytes),
            min(ages, default=None),
        )


def _check(text: str, read: Callable[[str], object]) -> None:
    try:
        read(text)
    except (InvalidPattern, InvalidResource) as error:
        raise ValueError(str(error)) from None


class DeliveryPolicy(Protocol):
    """The host's decision about the delivery to each component."""

    def delivery_of(self, component: str) -> Delivery | None:
        """Return the terms that a component asks for; None for delivery in memory."""
        ...


@dataclass(frozen=True, slots=True)
class DurableStatus:
    """The state of one durable mailbox.

    Attributes:
        messages: Messages that wait, the one in hand included.
        size_bytes: Bytes of their records.
        oldest_age: Seconds since the first of them was accepted; None when none waits.
        attempt: The number of the present attempt of the message in hand; 0 when none is.
    """

    messages: int = 0
    size_bytes: int = 0
    oldest_age: float | None = None
    attempt: int = 0
