"""One message, as the actor that handles it sees it.

It is a named tuple and not a frozen dataclass. Both are immutable, but a frozen dataclass of six
fields takes a microsecond to make (`object.__setattr__` for each field), the tuple a tenth of it.

In a mailbox it is a bare tuple of the same fields (an `Envelope`), to which the dispatcher gives
its class when it takes it out. Giving it the class is a third of the cost of `tell`, and the sender
does not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from .request import Request

    Envelope: TypeAlias = "tuple[object, str, str | None, int, float, Request | None]"

__all__ = ("HOST", "Message", "new_message", "to_message")

HOST = "host"
"""The sender's name of all messages that come from outside of the actors."""


class Message(NamedTuple):
    """The message that `Actor.receive` is given.

    Attributes:
        payload: The object that was sent. Components take `bytes`.
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


new_message: Callable[[type[Message], Envelope], Message] = vars(tuple)["__new__"]
"""Give an envelope its class, `Message`: `tuple.__new__`, without a function of ours around it."""


def to_message(envelope: Envelope) -> Message:
    """Return the message in an envelope."""
    return new_message(Message, envelope)
