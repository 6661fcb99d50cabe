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
        durable_accepted: Messages that were written for durable targets.
        durable_refused: Messages for durable targets that were not accepted.
        durable_handled: Durable messages whose handling ended, well or with an error for the asker.
        durable_repeated: Deliveries of durable messages beyond the first of each.
        durable_expired: Durable messages that were too old to be handled.
        durable_dead: Durable messages that went to the dead letters.
        durable_forgotten: Durable messages that were removed with their component.
        timers_fired: Messages that timers sent.
        timers_missed: Times of timers that passed unused, their host or their target being down.
        timers_forgotten: Timers that ended because their owner or their target was purged.
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
    durable_accepted: int = 0
    durable_refused: int = 0
    durable_handled: int = 0
    durable_repeated: int = 0
    durable_expired: int = 0
    durable_dead: int = 0
    durable_forgotten: int = 0
    timers_fired: int = 0
    timers_missed: int = 0
    timers_forgotten: int = 0
