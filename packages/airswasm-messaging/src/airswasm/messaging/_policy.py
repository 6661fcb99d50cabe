"""Limits on the messages of each component: rates, sizes, codecs.

The numbers come from manifests and the host's own settings, which live in blocks above this one;
they reach it through this protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ._codecs import Codec
from ._rates import Rate

__all__ = ("ALL_CODECS", "MessagingLimits", "MessagingPolicy", "SamePolicy")

ALL_CODECS: frozenset[Codec] = frozenset(("raw", "cbor"))


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
