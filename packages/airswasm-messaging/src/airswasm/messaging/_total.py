"""The rate of a whole host, in fair shares between the senders that are active.

Half of what may be sent at once is for anyone. The other half is for senders that have credit, and
credit is dealt to all active senders alike, as fast as the total refills. So a greedy sender takes
what others leave, and never what they have credit for. An active sender is one that has tried to
send within the last second.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ("HostTotal",)

_IDLE = 1.0
"""Seconds after which a sender that tries nothing has no share any more."""


class _Pool:
    """The messages, or the bytes, that all senders together may send."""

    __slots__ = ("burst", "dealt", "level", "of", "rate")

    def __init__(self, of: str, rate: float) -> None:
        self.of, self.rate = of, rate
        self.burst = self.level = max(1.0, rate)
        self.dealt = 0.0
        """The credit that a sender would have that was active from the beginning."""

    def refill(self, seconds: float, active: int) -> None:
        gained = seconds * self.rate
        self.level = min(self.burst, self.level + gained)
        self.dealt += gained / active

    def most_credit(self, active: int) -> float:
        return max(1.0, self.burst / 2 / active)

    def free(self, active: int) -> float:
        """Return what is left for anyone beside what the credit of all may come to."""
        return max(0.0, self.level - active * self.most_credit(active))


@dataclass(slots=True)
class _Sender:
    seen: float
    credits: list[float] = field(default_factory=list[float])
    marks: list[float] = field(default_factory=list[float])
    """`dealt` of each pool when the credit was counted last."""


class HostTotal:
    """Compares what all senders send with the host's rates; each message costs the same time.

    Args:
        messages: Messages each second, and at once; infinity for no bound.
        size_bytes: Bytes each second, and at once. A larger payload passes for a full share, and
            is made up for after it.
        clock: Returns seconds.
    """

    __slots__ = ("_clock", "_pools", "_senders", "_updated")

    def __init__(self, messages: float, size_bytes: float, clock: Callable[[], float]) -> None:
        kinds = (("messages", messages), ("bytes", size_bytes))
        self._pools = [_Pool(of, rate) for of, rate in kinds if rate < math.inf]
        self._senders = OrderedDict[str, _Sender]()
        self._clock = clock
        self._updated = clock()

    @property
    def is_bounded(self) -> bool:
        """Whether the host has a rate at all."""
        return bool(self._pools)

    def take(self, name: str, size_bytes: int) -> str:
        """Take what a message needs; return what is used up, and take nothing then.

        Returns:
            `messages` or `bytes`; empty if it may be sent.
        """
        sender = self._find(name)
        active = len(self._senders)
        amounts = [1 if pool.of == "messages" else size_bytes for pool in self._pools]
        for place, (pool, amount) in enumerate(zip(self._pools, amounts, strict=True)):
            most = pool.most_credit(active)
            credit = min(most, sender.credits[place] + pool.dealt - sender.marks[place])
            sender.credits[place], sender.marks[place] = credit, pool.dealt
            needed = min(amount, most)
            if pool.level < needed or pool.free(active) + max(0.0, credit) < needed:
                return pool.of
        for place, (pool, amount) in enumerate(zip(self._pools, amounts, strict=True)):
            sender.credits[place] -= max(0.0, amount - pool.free(active))
            pool.level -= amount
        return ""

    def _find(self, name: str) -> _Sender:
        """Deal what has come since the last time, and return the sender, active from now on."""
        now = self._clock()
        for pool in self._pools:
            pool.refill(max(0.0, now - self._updated), max(1, len(self._senders)))
        self._updated = now
        while self._senders and now - next(iter(self._senders.values())).seen >= _IDLE:
            self._senders.popitem(last=False)
        sender = self._senders.get(name)
        if sender is None:
            active = len(self._senders) + 1
            sender = _Sender(now)
            sender.credits = [pool.most_credit(active) for pool in self._pools]
            sender.marks = [pool.dealt for pool in self._pools]
            self._senders[name] = sender
        sender.seen = now
        self._senders.move_to_end(name)
        return sender
