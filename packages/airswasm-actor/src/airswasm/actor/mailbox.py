"""The bounded mailbox: what is waiting for one actor, and what happens when it is full.

`ActorRef` *is* a mailbox with a name: sending is the hot path, and one object less to walk
through is a tenth of its time. An idle actor holds no queue at all: CPython's empty `deque` weighs
760 bytes, which would be most of an idle actor, so queues come from the system's pool with the
first message and go back with the last. "No queue" therefore also means "not on the run queue",
and one test on the sender's way answers both.

System messages wait in a queue of their own, go first, and are never refused. Senders that may
wait (`when_full="wait"`) wait in a room beside the mailbox, in order and with a deadline; room is
handed to the first of them, so that nobody overtakes.

Rejected: `anyio` memory streams (a task per receiver, 12 times the time), one queue with
priorities (a heap costs every message for the few that are urgent).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ("MailboxInfo", "MailboxSpec", "WhenFull")

WhenFull = Literal["reject", "drop-oldest", "wait"]


@dataclass(frozen=True, slots=True)
class MailboxSpec:
    """How much may wait for an actor, and what happens to the message after that.

    Attributes:
        capacity: How many messages may wait. System messages do not count.
        when_full: `reject` raises `MailboxFull` in the sender; `drop-oldest` moves the oldest
            message to the dead letters and takes the new one; `wait` makes `send` and `ask` wait
            for room (a plain `tell`, which cannot wait, is rejected).
        wait: For how many seconds a sender waits before it gets `MailboxFull`.
    """

    capacity: int = 1000
    when_full: WhenFull = "reject"
    wait: float = 5.0

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"capacity is {self.capacity}; a mailbox holds at least one message")
        if self.when_full not in ("reject", "drop-oldest", "wait"):
            raise ValueError(f"when_full is {self.when_full!r}; use reject, drop-oldest or wait")
        if self.wait < 0:
            raise ValueError(f"wait is {self.wait}; seconds are not negative")


@dataclass(frozen=True, slots=True)
class MailboxInfo:
    """What can be observed about a mailbox, at one moment.

    Attributes:
        size: Messages that wait.
        capacity: How many may wait.
        signals: System messages that wait.
        senders_waiting: Senders that wait for room.
        oldest_age: Seconds since the oldest waiting message was sent; 0.0 when none waits.
    """

    size: int
    capacity: int
    signals: int
    senders_waiting: int
    oldest_age: float
