"""The view that a hook of the broker has of the messages that pass it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from .._messages.envelope import Envelope

__all__ = ("BrokerHook", "Delivery")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message that passes the broker. `target` is a name, or a topic for a publication."""

    kind: Literal["tell", "ask", "publish"]
    sender: str
    target: str
    payload: object
    envelope: Envelope | None = None


class BrokerHook(Protocol):
    """Sees the messages that pass the broker."""

    def before(self, delivery: Delivery) -> None:
        """Raise to refuse a message: the sender gets that error, and nothing is sent."""
        ...

    def after(self, delivery: Delivery, error: BaseException | None) -> None:
        """Note that a message was sent, or was not because of `error`.

        An error that this raises is counted in the system's events, and goes no further.
        """
        ...
