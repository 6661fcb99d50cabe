"""What each component may send and receives: rates, sizes, codecs.

The numbers come from manifests and the host's own settings, which live in blocks
above this one; they reach it through this seam.
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
    """How much a sender may send.

    Attributes:
        per_second: On average.
        burst: At once, after a pause.
    """

    per_second: float = 5_000.0
    burst: int = 5_000

    def __post_init__(self) -> None:
        if self.per_second <= 0 or self.burst < 1:
            raise ValueError("a rate allows at least one message")

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, per_second: int) -> Rate:
        """So many each second, and as many at once; one object for all who have the same."""
        return cls(float(per_second), per_second)


@dataclass(frozen=True, slots=True)
class MessagingLimits:
    """What holds for every component of a host.

    Attributes:
        payload_bytes: The largest payload, replies included.
        default_timeout: Seconds, where a component gives 0.
        longest_timeout: Seconds; longer ones are cut to it.
        open_requests: The most requests of one component that wait for a callback.
        subscriptions: The most patterns of one component.
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
        """What holds for every component."""
        ...

    def rate_of(self, component: str) -> Rate:
        """How much this component may send."""
        ...

    def codecs_of(self, target: str) -> frozenset[Codec]:
        """Which codecs this target reads; `raw` among them means any bytes."""
        ...


@dataclass(frozen=True, slots=True)
class SamePolicy:
    """The same for every component."""

    limits: MessagingLimits = field(default_factory=MessagingLimits)
    rate: Rate = field(default_factory=Rate)
    codecs: frozenset[Codec] = ALL_CODECS

    def rate_of(self, component: str) -> Rate:
        """The one rate."""
        del component
        return self.rate

    def codecs_of(self, target: str) -> frozenset[Codec]:
        """The same codecs for all."""
        del target
        return self.codecs


class TokenBucket:
    """Counts what a sender sends against its rate; two numbers for each sender.

    Args:
        rate: What is allowed.
        clock: Seconds.
    """

    __slots__ = ("_clock", "_rate", "_tokens", "_updated")

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._updated = clock()

    def take(self) -> bool:
        """Take one token; False when there is none, and then nothing is taken."""
        now = self._clock()
        earned = max(0.0, now - self._updated) * self._rate.per_second  # a clock may be set back
        tokens = min(float(self._rate.burst), self._tokens + earned)
        self._updated = now
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True
