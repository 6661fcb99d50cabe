"""The seam behind which other processes and hosts are.

The broker asks the transport only for names that it does not know itself, and for each
publication that a remote subscriber may want: in one process, without a transport, it costs
nothing. `airswasm-messaging[nats]` has one; a test needs a dozen lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ("Transport",)


class Transport(Protocol):
    """Carries messages to actors that live elsewhere. All methods return at once."""

    def knows(self, target: str) -> bool:
        """Whether this name is reachable through the transport."""
        ...

    def tell(self, target: str, payload: object, *, sender: str) -> None:
        """Sends; raises a `DeliveryError` when it is known at once that it cannot be done."""
        ...

    def request(
        self,
        target: str,
        payload: object,
        *,
        sender: str,
        timeout: float,
        on_done: Callable[[object, BaseException | None], None],
    ) -> Callable[[], None]:
        """Asks; calls `on_done(value, error)` at most once, later. Returns what cancels it."""
        ...

    def publish(self, topic: str, payload: object, *, sender: str) -> int:
        """Publishes to remote subscribers; how many, as far as that is known."""
        ...
