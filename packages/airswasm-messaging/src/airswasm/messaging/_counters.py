"""The counts of what happens to messages beside being handled, for monitoring to read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ("MessagingCounters",)


@dataclass(slots=True)
class MessagingCounters:
    """Numbers since the host has started; they only grow, the gauges at the end apart.

    What the actor system counts itself (sent, handled, rejected, expired, late, too many hops) is
    with its dispatcher.

    Attributes:
        refused: What components tried to send and was refused, by the case of `messaging-error`.
        broadcast_targets: Targets of broadcasts that took the message.
        broadcast_refused: Targets of broadcasts that did not.
        retained_published: Publications that were retained.
        retained_cleared: Topics whose retained value was cleared by its publisher.
        retained_delivered: Retained values that were delivered to new subscribers.
        retained_missed: Retained values for which a new subscriber had no room.
        retained_values: Topics that have a retained value now.
        retained_bytes: Bytes of those values and topics now.
    """

    refused: Counter[str] = field(default_factory=Counter[str])
    broadcast_targets: int = 0
    broadcast_refused: int = 0
    retained_published: int = 0
    retained_cleared: int = 0
    retained_delivered: int = 0
    retained_missed: int = 0
    retained_values: int = 0
    retained_bytes: int = 0
