"""The rate at which a component may send, and the bucket that keeps it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

__all__ = ("Rate", "TokenBucket")


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
