"""The receipt of one message: when, how long, how much, and how it ended.

A receipt is made where the message is handled, and by nothing else. Sums, histograms, profiles and
tests read it, or the sums that the same step adds to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airswasm.runtime import (
    CallUse,
    DeadlineExceeded,
    GuestFault,
    HostFunctionFailed,
    LimitExceeded,
)

from ..errors import GuestRefused, MessageTooLarge, UnfitPayload
from .trace import Trace

__all__ = ("Outcome", "Receipt", "outcome_of")


class Outcome(StrEnum):
    """The fate of a message."""

    HANDLED = "handled"
    """The handler returned; no sender waited for an answer."""
    REPLIED = "replied"
    """The handler returned, and the sender has its answer."""
    LATE = "late"
    """The handler returned; the sender had given up waiting."""
    REFUSED = "refused"
    """A component answered with an error."""
    TRAPPED = "trapped"
    """A component trapped."""
    LIMITED = "limited"
    """A component reached a limit: fuel, memory, resources."""
    TIMEOUT = "timeout"
    """A component reached its time limit."""
    FAILED = "failed"
    """A handler in Python, or a host function, raised."""
    KILLED = "killed"
    """The actor was killed while it handled the message."""
    UNFIT = "unfit"
    """The actor cannot take such a payload."""
    DROPPED = "dropped"
    """Not handled: it was the oldest message in a full mailbox."""
    STOPPED = "stopped"
    """Not handled: it still waited when the actor stopped for good."""
    EXPIRED = "expired"
    """Not handled: its deadline had passed while it waited."""
    REJECTED = "rejected"
    """Not accepted: the sender got an error."""


def outcome_of(error: BaseException | None) -> Outcome:
    """Return the outcome of a message whose handling ended with `error`; None for a kill."""
    match error:
        case None:
            return Outcome.KILLED
        case GuestRefused():
            return Outcome.REFUSED
        case DeadlineExceeded():
            return Outcome.TIMEOUT
        case LimitExceeded():
            return Outcome.LIMITED
        case HostFunctionFailed():
            return Outcome.FAILED
        case GuestFault():
            return Outcome.TRAPPED
        case UnfitPayload() | MessageTooLarge():
            return Outcome.UNFIT
        case _:
            return Outcome.FAILED


@dataclass(frozen=True, slots=True)
class Receipt:
    """One message that an actor has had in hand, or that had expired when its turn came.

    Attributes:
        message_id: `Message.id`.
        sender: The sender's name.
        receiver: The actor's name.
        incarnation: Which incarnation of it.
        version: The component's version; empty where there is none.
        topic: The topic, when the message was published.
        correlation: The id of the request that the message answers; None for other messages.
        outcome: How it ended.
        error: The class of the error that it ended with; empty without one.
        sent_at: The system's clock when it was sent.
        queue_seconds: From then until its handling began; exact to one round of the dispatcher.
        run_seconds: From then to its end.
        bytes_in: Bytes of the payload.
        bytes_out: Bytes of the answer.
        use: What the guest's call used; None for an actor in Python.
        trace: Its place in a trace; None for a message that is not traced.
    """

    message_id: int
    sender: str
    receiver: str
    incarnation: int
    version: str
    topic: str | None
    correlation: int | None
    outcome: Outcome
    error: str
    sent_at: float
    queue_seconds: float
    run_seconds: float
    bytes_in: int
    bytes_out: int
    use: CallUse | None = None
    trace: Trace | None = None

    @property
    def fuel(self) -> int:
        """The fuel that the guest used, its host calls included; 0 for an actor in Python."""
        return self.use.fuel if self.use is not None else 0
