"""What a hook of the broker sees of the messages that pass it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ("BrokerHook", "Delivery")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a hook is shown. `target` is a name, or a topic for a publication."""

    kind: Literal["tell", "ask", "publish"]
    sender: str
    target: str
    payload: object


class BrokerHook(Protocol):
    """Sees what passes the broker."""

    def before(self, delivery: Delivery) -> None:
        """Raises to refuse; the sender gets that error and nothing is sent."""
        ...

    def after(self, delivery: Delivery, error: Exception | None) -> None:
        """It was sent, or was not because of `error`. Must not raise."""
        ...
