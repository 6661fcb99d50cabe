"""The bounds of a mailbox, as data.

The number of messages bounds what a mailbox costs only if they are small. So payloads can be
bounded in bytes as well, and for components, whose messages come from any component that may send,
they are bounded unless a mailbox says otherwise. `_running/mailbox.py` enforces both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..errors import DeliveryError

__all__ = (
    "COMPONENT_MAILBOX",
    "Inspection",
    "MailboxInfo",
    "MailboxSpec",
    "Weighed",
    "WhenFull",
    "payload_bytes",
    "signal_bytes",
)

WhenFull = Literal["reject", "drop-oldest", "wait"]


@dataclass(frozen=True, slots=True)
class MailboxSpec:
    """The bounds of a mailbox, and the fate of a message that is beyond them.

    Attributes:
        capacity: How many messages may wait. System messages do not count.
        when_full: `reject` raises `MailboxFull` in the sender; `drop-oldest` moves the oldest
            messages to the dead letters and takes the new one; `wait` makes `send` and `ask` wait
            for room (a plain `tell`, which cannot wait, is rejected).
        wait: For how many seconds a sender waits before it gets `MailboxFull`.
        capacity_bytes: How many bytes of payload may wait; None counts none. A payload larger
            than that is refused with `MessageTooLarge`, whatever the policy. See `payload_bytes`
            for what is counted.
        message_bytes: How many bytes a single payload may have; None sets no bound. A component's
            mailbox that leaves it out gets what the component has memory for
            (`ComponentActor.message_bytes`).
        refuse: Returns the sender's error for a payload that the receiver cannot read, and None
            for the others; without it, all payloads are taken. System messages pass unseen.
    """

    capacity: int = 1000
    when_full: WhenFull = "reject"
    wait: float = 5.0
    capacity_bytes: int | None = None
    message_bytes: int | None = None
    refuse: Callable[[object], DeliveryError | None] | None = None

    @property
    def looks_at_payloads(self) -> bool:
        """Whether a message is taken in by its payload, and not by its place alone."""
        return not (self.capacity_bytes is None and self.message_bytes is None and not self.refuse)

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"capacity is {self.capacity}; a mailbox holds at least one message")
        if self.when_full not in ("reject", "drop-oldest", "wait"):
            raise ValueError(f"when_full is {self.when_full!r}; use reject, drop-oldest or wait")
        if self.wait < 0:
            raise ValueError(f"wait is {self.wait}; seconds are not negative")
        if self.capacity_bytes is not None and self.capacity_bytes < 1:
            raise ValueError(
                f"capacity_bytes is {self.capacity_bytes}; it is at least one byte, or None"
            )
        if self.message_bytes is not None and self.message_bytes < 0:
            raise ValueError(f"message_bytes is {self.message_bytes}; it is not negative, or None")


COMPONENT_MAILBOX = MailboxSpec(capacity_bytes=16 * 2**20)
"""The mailbox of a component that is given none: four times the memory that it has by default."""


@dataclass(frozen=True, slots=True)
class MailboxInfo:
    """A mailbox at one moment.

    Attributes:
        size: Messages that wait.
        capacity: How many may wait.
        size_bytes: Bytes of payload that wait, answers among the system messages included. Where
            they are not bounded they are added up for this, which takes a microsecond for every
            dozen messages.
        capacity_bytes: How many may wait; None when they are not bounded.
        message_bytes: How many a single payload may have; None when that is not bounded.
        signals: System messages that wait.
        senders_waiting: Senders that wait for room.
        oldest_age: Seconds since the oldest waiting message was sent; 0.0 when none waits.
    """

    size: int
    capacity: int
    size_bytes: int
    capacity_bytes: int | None
    message_bytes: int | None
    signals: int
    senders_waiting: int
    oldest_age: float

    @property
    def room_bytes(self) -> int | None:
        """The bytes of payload that still fit; None when they are not bounded."""
        if self.capacity_bytes is None:
            return None
        return max(0, self.capacity_bytes - self.size_bytes)


class Weighed:
    """A payload that says what it weighs: it carries bytes that came from somewhere else."""

    __slots__ = ()

    @property
    def weight_bytes(self) -> int:
        """The bytes that it carries."""
        raise NotImplementedError


class Inspection:
    """A system message about an actor rather than for it: no tally and no receipt counts it."""

    __slots__ = ()


def signal_bytes(payload: object) -> int:
    """Return what a system message counts for: an answer is one, and may be as large as any."""
    return payload.weight_bytes if isinstance(payload, Weighed) else 0


def payload_bytes(payload: object) -> int:
    """Return the bytes that a payload counts for in `MailboxSpec.capacity_bytes`.

    Bytes of any type count their length; text counts its characters; what is `Weighed` counts what
    it says. Other objects count nothing: only Python code sends them, and how much memory they
    share is not known. A `memoryview` that
    was released while it waited counts nothing either.
    """
    if isinstance(payload, (bytes, bytearray, str)):
        return len(payload)
    if not isinstance(payload, memoryview):
        return signal_bytes(payload)
    try:
        return payload.nbytes
    except ValueError:
        return 0
