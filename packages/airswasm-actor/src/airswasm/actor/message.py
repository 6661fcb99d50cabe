"""One message, as the actor that handles it sees it.

It is a named tuple and not a frozen dataclass: both cannot be changed, but a frozen dataclass of
six fields takes a microsecond to make (`object.__setattr__` for each), the tuple a tenth of it.

In a mailbox it is a bare tuple of the same fields (an `Envelope`), which the dispatcher gives its
class when it takes it out: making the class is a third of what `tell` would cost, and the sender
is not the one who needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

    from .request import Request

    Envelope: TypeAlias = "tuple[object, str, str | None, int, float, Request | None]"

__all__ = ("HOST", "Message", "opened")

HOST = "host"
"""The sender's name of whatever comes from outside of the actors."""


class Message(NamedTuple):
    """What `Actor.receive` is given.

    Attributes:
        payload: What was sent. Components take `bytes`.
        sender: The sender's name, or `host`.
        topic: The topic, when the message was published rather than sent.
        id: Unique in its system, ascending in the order of sending.
        sent_at: The system's clock when it was sent; exact to one turn of the dispatcher.
        request: Set when the sender waits for an answer; actors answer by returning.
    """

    payload: object
    sender: str = HOST
    topic: str | None = None
    id: int = 0
    sent_at: float = 0.0
    request: Request | None = None


def opened(envelope: Envelope) -> Message:
    """The message in an envelope."""
    return tuple.__new__(Message, envelope)
