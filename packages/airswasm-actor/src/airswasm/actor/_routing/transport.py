"""The seam to other processes and hosts.

The broker asks the transport only for names that it does not know itself, and for each
publication that a remote subscriber may want: in one process, without a transport, it costs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .._messages.envelope import Envelope

__all__ = ("Transport",)


class Transport(Protocol):
    """Carries messages to actors that live elsewhere. All methods return at once."""

    def knows(self, target: str) -> bool:
        """Return whether this name is reachable through the transport."""
        ...

    def tell(self, target: str, payload: object, *, sender: str, envelope: Envelope | None) -> None:
        """Send; raise a `DeliveryError` when it is known at once that it cannot be done."""
        ...

    def request(
        self,
        target: str,
        payload: object,
        *,
        sender: str,
        envelope: Envelope | None,
        timeout: float,
        on_done: Callable[[object, BaseException | None], None],
    ) -> Callable[[], None]:
        """Ask; call `on_done(value, error)` at most once, later.

        Returns:
            A function that cancels it.
        """
        ...

    def publish(
        self, topic: str, payload: object, *, sender: str, envelope: Envelope | None
    ) -> int:
        """Publish to remote subscribers. Return how many, as far as that is known."""
        ...
