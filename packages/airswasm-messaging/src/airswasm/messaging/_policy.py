"""Limits on the messages of each component: rates, sizes, codecs.

The numbers come from manifests and the host's own settings, which live in blocks above this one;
they reach it through this protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ._codecs.acceptance import Acceptance
from ._codecs.codec import ANY
from ._rates import Rate

__all__ = ("MessagingLimits", "MessagingPolicy", "SamePolicy")


@dataclass(frozen=True, slots=True)
class MessagingLimits:
    """Limits for every component of a host.

    Attributes:
        payload_bytes: Size of the largest payload in bytes, replies included.
        default_timeout: Seconds to wait when a component passes 0.
        longest_timeout: Seconds; a longer timeout is cut to this.
        open_requests: Requests of one component that may wait for a callback.
        subscriptions: Patterns to which one component may subscribe.
        hops: The longest chain of messages, each sent while the one before was handled.
        broadcast_targets: Targets of one broadcast.
        retained_values: Topics of which the host keeps the last value.
        retained_bytes: Bytes of those values.
        retained_values_each: Topics of which one publisher may have the value kept.
        retained_bytes_each: Bytes of those values.
        total_messages: Messages that all components together may send each second.
        total_bytes: Bytes of payload that all components together may send each second.
    """

    payload_bytes: int = 1024 * 1024
    default_timeout: float = 5.0
    longest_timeout: float = 60.0
    open_requests: int = 1_000
    subscriptions: int = 256
    hops: int = 64
    broadcast_targets: int = 256
    retained_values: int = 10_000
    retained_bytes: int = 32 * 2**20
    retained_values_each: int = 1_000
    retained_bytes_each: int = 4 * 2**20
    total_messages: float = float("inf")
    total_bytes: float = float("inf")

    def __post_init__(self) -> None:
        for name in ("total_messages", "total_bytes"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1")


class MessagingPolicy(Protocol):
    """The host's decisions about each component."""

    @property
    def limits(self) -> MessagingLimits:
        """The limits for every component."""
        ...

    @property
    def revision(self) -> int:
        """A number that changes with each change of a rate, which then holds from that moment."""
        ...

    def rate_of(self, component: str) -> Rate:
        """Return the rate at which this component may send."""
        ...

    def acceptance_of(self, target: str) -> Acceptance:
        """Return the codecs that this target reads, whether it runs or not."""
        ...


@dataclass(frozen=True, slots=True)
class SamePolicy:
    """The same limits for every component."""

    limits: MessagingLimits = field(default_factory=MessagingLimits)
    rate: Rate = field(default_factory=Rate)
    accepts: tuple[str, ...] = (ANY,)
    prefers: str | None = None

    @property
    def revision(self) -> int:
        """Return 0: nothing changes."""
        return 0

    def rate_of(self, component: str) -> Rate:
        """Return the one rate."""
        del component
        return self.rate

    def acceptance_of(self, target: str) -> Acceptance:
        """Return the same codecs for all."""
        return Acceptance(target, self.accepts, self.prefers)
