"""The quota at the door: each message of a component against its sender's rate and the host's.

A bucket belongs to a name and outlives the incarnation, so that a crash is not a new burst. The
rates are read again when the policy says that one of them has changed.
"""

from __future__ import annotations

from collections.abc import Callable

from ._policy import MessagingPolicy
from ._rates import TokenBucket
from ._total import HostTotal
from .errors import PayloadTooLarge, RateExceeded

__all__ = ("SendingQuota",)


class SendingQuota:
    """Counts the messages and bytes of every component, and of all together.

    Args:
        policy: The rates.
        clock: Returns seconds.
    """

    __slots__ = ("_buckets", "_clock", "_most_bytes", "_policy", "_total")

    def __init__(self, policy: MessagingPolicy, clock: Callable[[], float]) -> None:
        limits = policy.limits
        self._policy, self._clock = policy, clock
        self._buckets: dict[str, TokenBucket] = {}
        self._most_bytes = limits.payload_bytes
        self._total = HostTotal(limits.total_messages, limits.total_bytes, clock)

    def take(self, sender: str, size_bytes: int) -> None:
        """Count one message.

        Raises:
            PayloadTooLarge: It has more bytes than the host allows.
            RateExceeded: The sender, or all senders together, have sent too much.
        """
        if size_bytes > self._most_bytes:
            raise PayloadTooLarge(size_bytes, self._most_bytes)
        bucket = self._buckets.get(sender)
        if bucket is None or bucket.revision != self._policy.revision:
            bucket = self._bucket(sender)
        if not bucket.take(size_bytes):
            raise RateExceeded(sender, f"its rate of {bucket.lacks} is used up", bucket.lacks)
        what = self._total.take(sender, size_bytes)
        if what:
            bucket.give_back(size_bytes)
            reason = f"its share of the rate of {what} of the whole host is used up"
            raise RateExceeded(sender, reason, what)

    def _bucket(self, sender: str) -> TokenBucket:
        """Return a sender's bucket at the rate that holds now."""
        rate = self._policy.rate_of(sender)
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = TokenBucket(rate, self._clock)
        bucket.change(rate)
        bucket.revision = self._policy.revision
        return bucket
