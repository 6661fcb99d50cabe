"""The quota at the door: each message of a component against its sender's rate and the host's.

A bucket belongs to a name and outlives the incarnation, so that a crash is not a new burst. The
rates are read again when the policy says that one of them has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ._policy import MessagingLimits, MessagingPolicy
from ._rates import TokenBucket
from ._total import HostTotal
from .errors import MessagingError, PayloadTooLarge, RateExceeded

__all__ = ("SendingQuota",)

QuotaListener: TypeAlias = Callable[[str, str, str | None, int, MessagingError], None]


class SendingQuota:
    """Counts the messages and bytes of every component, and of all together.

    Args:
        policy: The rates.
        clock: Returns seconds.
    """

    __slots__ = ("_buckets", "_clock", "_listeners", "_most_bytes", "_policy", "_total")

    def __init__(self, policy: MessagingPolicy, clock: Callable[[], float]) -> None:
        self._policy, self._clock = policy, clock
        self._buckets: dict[str, TokenBucket] = {}
        self._listeners: tuple[QuotaListener, ...] = ()
        self.hold_to(policy.limits)

    def hold_to(self, limits: MessagingLimits) -> None:
        """Hold all senders to other sizes and total rates, from the next message on."""
        self._most_bytes = limits.payload_bytes
        total = HostTotal(limits.total_messages, limits.total_bytes, self._clock)
        self._total = total if total.is_bounded else None

    @property
    def policy(self) -> MessagingPolicy:
        """The policy that has the rates, and knows the codecs of each target."""
        return self._policy

    def listen(self, listener: QuotaListener) -> Callable[[], None]:
        """Show every message that is refused from now on; return what ends that.

        The listener gets the sender, the target, the topic, the size in bytes and the error.
        """
        self._listeners = (*self._listeners, listener)

        def end() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    def take(
        self, sender: str, size_bytes: int, target: str = "", topic: str | None = None
    ) -> None:
        """Count one message.

        Args:
            sender: Who sends it.
            size_bytes: Bytes of its payload.
            target: Whom it goes to, for listeners.
            topic: What it is published to, for listeners.

        Raises:
            PayloadTooLarge: It has more bytes than the host allows.
            RateExceeded: The sender, or all senders together, have sent too much.
        """
        try:
            if size_bytes > self._most_bytes:
                raise PayloadTooLarge(size_bytes, self._most_bytes)
            bucket = self._buckets.get(sender)
            if bucket is None or bucket.revision != self._policy.revision:
                bucket = self._bucket(sender)
            if not bucket.take(size_bytes):
                raise RateExceeded(sender, f"its rate of {bucket.lacks} is used up", bucket.lacks)
            if self._total is not None:
                self._take_share(self._total, bucket, sender, size_bytes)
        except MessagingError as error:
            self.note_refusal(sender, size_bytes, error, target, topic)
            raise

    def note_refusal(
        self,
        sender: str,
        size_bytes: int,
        error: MessagingError,
        target: str = "",
        topic: str | None = None,
    ) -> None:
        """Show the listeners a message that was refused before the broker has seen it."""
        for listener in self._listeners:
            listener(sender, target, topic, size_bytes, error)

    def _take_share(
        self, total: HostTotal, bucket: TokenBucket, sender: str, size_bytes: int
    ) -> None:
        what = total.take(sender, size_bytes)
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
