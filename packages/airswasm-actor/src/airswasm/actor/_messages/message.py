"""One message, as the actor that handles it sees it.

It is a named tuple and not a frozen dataclass. Both are immutable, but a frozen dataclass of seven
fields takes a microsecond to make (`object.__setattr__` for each field), the tuple a tenth of it.

In a mailbox it is a bare tuple of the same fields (a `QueuedMessage`), to which the dispatcher
gives its class when it takes it out. Giving it the class is a third of the cost of `tell`, and the
sender does not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from .envelope import Envelope
    from .request import Request

    QueuedMessage: TypeAlias = (
        "tuple[object, str, str | None, int, float, Request | None, Envelope | None]"
    )

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
        envelope: What else travels with it; None when it is a first hop without anything special.
    """

    payload: object
    sender: str = HOST
    topic: str | None = None
    id: int = 0
    sent_at: float = 0.0
    request: Request | None = None
    envelope: Envelope | None = None


new_message: Callable[[type[Message], QueuedMessage], Message] = vars(tuple)["__new__"]
"""Give a queued message its class: `tuple.__new__`, and no function of ours around it."""


def to_message(queued: QueuedMessage) -> Message:
    """Return a message of a mailbox with its class."""
    return new_message(Message, queued)
