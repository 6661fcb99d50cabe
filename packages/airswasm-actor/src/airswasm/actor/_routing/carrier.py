"""The seam to a delivery that outlives its host.

The messages of some names, and of some topics, do not go into a mailbox but to a carrier, which
keeps them and hands them over one after the other (`ActorRef.entrust`). The broker asks it only for
names that lead nowhere else, so that other names pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from .._messages.message import Message

__all__ = ("Accepted", "Carrier")

Accepted: TypeAlias = Callable[[BaseException | None], None]
"""Called on the loop's thread: the message is accepted, or is not because of the error."""


class Carrier(Protocol):
    """Keeps messages until they are handled. All methods return at once."""

    def carry(self, target: str, message: Message, done: Accepted | None) -> None:
        """Take a message for a name; its request, if it has one, is answered when it is handled.

        Args:
            target: A name that was given to `MessageBroker.carry`.
            message: The message; its envelope has an id.
            done: Called once it is accepted or cannot be; None where the sender does not wait.

        Raises:
            DeliveryError: It is not accepted, and `done` is not called.
        """
        ...

    def keeps(self, subscriber: str, topic: str) -> bool:
        """Return whether the messages of a topic go to this subscriber through the carrier."""
        ...

    def publish(
        self, subscribers: Sequence[str], message: Message, done: Accepted | None
    ) -> Sequence[str]:
        """Take a publication for several names at once; return those that it is accepted for.

        When it is accepted for none, `done` is not called.
        """
        ...

    def subscribed(self, pattern: str, subscriber: str) -> None:
        """Note a subscription of a name; the carrier may keep it beyond its owner."""
        ...

    def unsubscribed(self, pattern: str, subscriber: str) -> None:
        """Note that a name has ended a subscription itself."""
        ...
