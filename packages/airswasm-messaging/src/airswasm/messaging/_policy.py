"""Limits on the messages of each component: rates, sizes, codecs.

The numbers come from manifests and the host's own settings, which live in blocks above this one;
they reach it through this protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from ._codecs import Codec

__all__ = ("ALL_CODECS", "MessagingLimits", "MessagingPolicy", "Rate", "SamePolicy", "TokenBucket")

ALL_CODECS: frozenset[Codec] = frozenset(("raw", "cbor"))


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate at which a sender may send.

    Attributes:
        per_second: Messages each second on average.
        burst: Messages at once, after a pause.
    """

    per_second: float = 5_000.0
    burst: int = 5_000

    def __post_init__(self) -> None:
        if self.per_second <= 0 or self.burst < 1:
            raise ValueError("a rate allows at least one message")

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, per_second: int) -> Rate:
        """Return the rate of so many each second and at once; equal rates share one object."""
        return cls(float(per_second), per_second)


@dataclass(frozen=True, slots=True)
class MessagingLimits:
    """Limits for every component of a host.

    Attributes:
        payload_bytes: Size of the largest payload in bytes, replies included.
        default_timeout: Seconds to wait when a component passes 0.
        longest_timeout: Seconds; a longer timeout is cut to this.
        open_requests: Requests of one component that may wait for a callback.
        subscriptions: Patterns to which one component may subscribe.
    """

    payload_bytes: int = 1024 * 1024
    default_timeout: float = 5.0
    longest_timeout: float = 60.0
    open_requests: int = 1_000
    subscriptions: int = 256


class MessagingPolicy(Protocol):
    """The host's decisions about each component."""

    @property
    def limits(self) -> MessagingLimits:
        """The limits for every component."""
        ...

    def rate_of(self, component: str) -> Rate:
        """Return the rate at which this component may send."""
        ...

    def codecs_of(self, target: str) -> frozenset[Codec]:
        """Return the codecs that this target reads; `raw` among them means any bytes."""
        ...


@dataclass(frozen=True, slots=True)
class SamePolicy:
    """The same limits for every component."""

    limits: MessagingLimits = field(default_factory=MessagingLimits)
    rate: Rate = field(default_factory=Rate)
    codecs: frozenset[Codec] = ALL_CODECS

    def rate_of(self, component: str) -> Rate:
        """Return the one rate."""
        del component
        return self.rate

    def codecs_of(self, target: str) -> frozenset[Codec]:
        """Return the same codecs for all."""
        del target
        return self.codecs


class TokenBucket:
    """Compares a sender's messages with its rate; it takes two numbers for each sender.

    Args:
        rate: The permitted rate.
        clock: Returns seconds.
    """

    __slots__ = ("_clock", "_rate", "_tokens", "_updated")

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._updated = clock()

    def take(self) -> bool:
        """Take one token; without one, return False and take nothing."""
        now = self._clock()
        earned = max(0.0, now - self._updated) * self._rate.per_second  # a clock may be set back
        tokens = min(float(self._rate.burst), self._tokens + earned)
        self._updated = now
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True
