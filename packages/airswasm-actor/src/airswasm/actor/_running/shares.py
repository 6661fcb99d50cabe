"""Shares of processor time, by weight, for the guests that use much of it.

Two classes. A guest that uses little takes the run queue, in order. One that used `LIGHT` seconds
within less than `PERIOD` is busy: it waits in a heap, ordered by the time that it used divided by
its weight (stride scheduling), and the least used has the next turn. Busy guests have their turns
after those of the run queue, at least one in each round, and the event loop has its own after a
slice of them. So N busy guests share what is left by weight, and one that uses little waits for a
slice at most, however many they are. Actors in Python are trusted, and take the run queue.

What the host does for an incarnation is on the same account: a restart has a fixed price, and its
`init` the price of its fuel. A busy actor is started again when its turn comes.

Rejected: one heap for all (a push and a pop for each message of a guest that is alone), a quota for
each round (a guest that uses little waits for all whose quota is not used up), and priorities that
an operator sets (a share by weight needs no knowledge of the neighbours).
"""

from __future__ import annotations

import heapq
from time import monotonic
from typing import Generic, Protocol, TypeVar, final

__all__ = ("FUEL_SECONDS", "LIGHT", "PERIOD", "START_SECONDS", "Share", "Shares")

LIGHT = 0.001
"""Seconds of use after which an account is looked at."""
PERIOD = 0.1
"""Seconds that a guest takes at least for that, if it uses little: one part in a hundred."""
START_SECONDS = 0.001
"""The price of a start, about what instance, events and log lines take."""
FUEL_SECONDS = 6e-10
"""The price of one fuel that a start used."""


@final
class Share:
    """The account of a busy guest.

    Attributes:
        used: Seconds used, divided by the weight, in the virtual time of all busy guests.
    """

    __slots__ = ("used",)

    def __init__(self, used: float) -> None:
        self.used = used


class _Account(Protocol):
    """The part of an actor's rare state that belongs to its account."""

    weight: float
    recently_used: float
    charged_at: float


class _Charged(Protocol):
    """An actor, as its account sees it."""

    share: Share | None

    def own_rare(self) -> _Account: ...


T = TypeVar("T", bound=_Charged)


@final
class Shares(Generic[T]):
    """The busy guests of one system that wait for their turns.

    Attributes:
        waiting: A heap of (seconds used, number, guest).
        virtual: The virtual time: no guest that becomes busy begins with less.
        credit: Seconds that their turns may take in this round; less than 0 after longer ones.
    """

    __slots__ = ("_pushed", "credit", "virtual", "waiting")

    def __init__(self) -> None:
        self.waiting: list[tuple[float, int, T]] = []
        self.virtual = 0.0
        self.credit = 0.0
        self._pushed = 0

    def is_next(self, share: Share) -> bool:
        """Return whether a busy guest would have the next turn, if it waited."""
        if not self.waiting:
            return True
        share.used = max(share.used, self.virtual)
        return share.used <= self.waiting[0][0]

    def push(self, cell: T, share: Share) -> None:
        """Let a busy guest wait for its turn."""
        share.used = max(share.used, self.virtual)  # time that it did not want is not saved up
        self._pushed += 1
        heapq.heappush(self.waiting, (share.used, self._pushed, cell))

    def pop(self) -> T:
        """Return the guest that used the least, by weight."""
        self.virtual, _, cell = heapq.heappop(self.waiting)
        return cell

    def charge(self, cell: T, seconds: float) -> None:
        """Charge what a guest used beyond `LIGHT`, or a busy one for each turn."""
        rare = cell.own_rare()
        now = monotonic()
        share = cell.share
        if share is not None:
            share.used += seconds / rare.weight
            rare.recently_used += seconds
            if rare.recently_used < LIGHT:
                return
        rare.recently_used = 0.0
        is_light = now - rare.charged_at > PERIOD
        rare.charged_at = now
        if is_light:
            cell.share = None
        elif share is None:
            cell.share = Share(self.virtual + seconds / rare.weight)
