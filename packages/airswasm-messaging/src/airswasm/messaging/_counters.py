"""The counts of what happens to messages beside being handled, for monitoring to read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ._refusals import REFUSALS

__all__ = ("MessagingCounters",)


@dataclass(slots=True)
class MessagingCounters:
    """Numbers since the host has started; they only grow, but for the gauges.

    What the actor system counts itself (sent, handled, rejected, expired, late, too many hops) is
    with its dispatcher.

    Attributes:
        refused: What components tried to send and was refused, by the case of `messaging-error`;
            each case is there from the start, so that the first refusal is seen as an increase.
        broadcast_targets: Targets of broadcasts that took the message.
        broadcast_refused: Targets of broadcasts that did not.
        retained_published: Publications that were retained.
        retained_restored: Retained values that were stored, and were there again at the start.
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
        timers_set: Timers that were set; a durable one when the disk has it.
        timers_refused: Timers that could not be set.
        timers_found: Durable timers that the host went on with as it started.
        timers_fired: Messages that timers sent.
        timers_retried: Tries of durable timers whose target did not take the message.
        timers_missed: Messages of other timers that their target did not take.
        timers_coalesced: Times of repeating timers that passed unused, for all of which one
            message is sent.
        timers_done: Timers of one message that ended with it.
        timers_cancelled: Timers that ended by a cancel, with their incarnation or their grant.
        timers_forgotten: Timers that ended because their owner or their target was purged.
        timers_waiting: Timers that there are now.
    """

    refused: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(REFUSALS, 0)))
    broadcast_targets: int = 0
    broadcast_refused: int = 0
    retained_published: int = 0
    retained_restored: int = 0
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
    timers_set: int = 0
    timers_refused: int = 0
    timers_found: int = 0
    timers_fired: int = 0
    timers_retried: int = 0
    timers_missed: int = 0
    timers_coalesced: int = 0
    timers_done: int = 0
    timers_cancelled: int = 0
    timers_forgotten: int = 0
    timers_waiting: int = 0
