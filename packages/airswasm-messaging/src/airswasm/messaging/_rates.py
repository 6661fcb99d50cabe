"""The rate at which a component may send, and the bucket that keeps it."""

from __future__ import annotations

import math
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
        bytes_per_second: Bytes of payload each second on average.
        burst_bytes: Bytes at once, after a pause. A larger payload passes when none were sent for
            long enough, and is made up for after it.
    """

    per_second: float = 5_000.0
    burst: int = 5_000
    bytes_per_second: float = math.inf
    burst_bytes: float = math.inf

    def __post_init__(self) -> None:
        if not (self.per_second > 0 and self.burst >= 1):
            raise ValueError("a rate allows at least one message")
        if not (self.bytes_per_second > 0 and self.burst_bytes >= 1):
            raise ValueError("a rate allows at least one byte")

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, per_second: float, bytes_per_second: float = math.inf) -> Rate:
        """Return the rate of so many each second and at once; equal rates share one object."""
        burst = 2**62 if per_second == math.inf else max(1, round(per_second))
        return cls(float(per_second), burst, float(bytes_per_second), float(bytes_per_second))


class TokenBucket:
    """Compares a sender's messages with its rate; it takes three numbers for each sender.

    Args:
        rate: The permitted rate.
        clock: Returns seconds.

    Attributes:
        revision: The policy's revision of which the rate is.
    """

    __slots__ = ("_clock", "_rate", "_room_bytes", "_tokens", "_updated", "revision")

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate.burst)
        self._room_bytes = float(rate.burst_bytes)
        self._updated = clock()
        self.revision = 0

    def take(self, size_bytes: int = 0) -> bool:
        """Take what a message needs; without that, return False and take nothing."""
        now = self._clock()
        rate, passed = self._rate, now - self._updated
        self._updated = now
        tokens, room = self._tokens, self._room_bytes
        if passed > 0.0:  # a clock may be set back
            tokens += passed * rate.per_second
            if tokens > rate.burst:
                tokens = rate.burst
            room += passed * rate.bytes_per_second
            if room > rate.burst_bytes:
                room = rate.burst_bytes
        if tokens < 1.0 or (room < size_bytes and room < rate.burst_bytes):
            self._tokens, self._room_bytes = tokens, room
            return False
        self._tokens, self._room_bytes = tokens - 1.0, room - size_bytes
        return True

    def give_back(self, size_bytes: int = 0) -> None:
        """Undo a `take`: the message was not sent."""
        self._tokens += 1.0
        self._room_bytes += size_bytes

    def change(self, rate: Rate) -> None:
        """Hold the sender to another rate from now on; it does not start with a new burst."""
        if rate is not self._rate:
            self._rate = rate
            self._tokens = min(self._tokens, float(rate.burst))
            self._room_bytes = min(self._room_bytes, float(rate.burst_bytes))

    @property
    def lacks(self) -> str:
        """The part of the rate that is used up: `messages` or `bytes`."""
        return "messages" if self._tokens < 1.0 else "bytes"
