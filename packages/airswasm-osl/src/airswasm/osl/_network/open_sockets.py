"""The common part of components' sockets: a place, a record, a reason for their end.

These are plain non-blocking sockets that the event loop waits for. anyio's own streams were
rejected for one reason: they close asynchronously, but when a guest drops a connection, or is
stopped, it must close at once.

Each operation of the kinds is there twice: `…_now` answers None where it would have to wait, for
WASI, whose guests poll; the other waits, for the contract's own interfaces.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import anyio

from .._effects import RunningEffect
from ..errors import AccessDenied, Disconnected, OslError
from .places import Network, Place

__all__ = ("WOULD_BLOCK", "GrantedSocket", "OpenSocket", "denying")

WOULD_BLOCK = (BlockingIOError, InterruptedError)


def denying(opened: OpenSocket) -> Callable[[str], None]:
    """Return the function that closes a socket because its grant ended."""
    return lambda denial: opened.end(AccessDenied(denial, "grants"))


class OpenSocket:
    """One open socket of an instance.

    Attributes:
        place: Its place among the sockets of the instance.
        failure: Why the host closed it.
        on_close: Functions that are called once it is closed.

    Args:
        network: Has the limits.
        place: Its place.
        what: Names it in errors: the peer, or the own address.
        plain: The socket, which is non-blocking.
        effect: The record of what it is for, which ends with it.
    """

    def __init__(
        self,
        network: Network,
        place: Place,
        what: str,
        plain: socket.socket,
        effect: RunningEffect | None = None,
    ) -> None:
        self.network = network
        self.place = place
        self.effect = effect
        self.failure: OslError | None = None
        self.on_close: list[Callable[[], None]] = []
        self._what = what
        self.plain = plain
        place.close = self.close

    @property
    def is_closed(self) -> bool:
        """Whether it is closed."""
        return self.plain.fileno() < 0

    def end(self, failure: OslError) -> None:
        """Close it, for this reason."""
        if not self.is_closed:
            self.failure = failure
            self.close()

    def close(self) -> None:
        """Close it at once. Closing twice is harmless."""
        if not self.is_closed:
            anyio.notify_closing(self.plain)
            self.plain.close()
        self.place.release()
        if self.effect is not None:
            self.effect.end(self.failure)
        while self.on_close:
            self.on_close.pop()()

    def broken(self, error: OSError | None = None) -> OslError:
        """Return the error for what no longer works."""
        if self.failure is not None:
            return self.failure
        reason = "it was closed" if self.is_closed or error is None else error.strerror
        return Disconnected(f"{self._what}: {reason}")

    def name(self, what: str) -> None:
        """Name it in errors, and as the resource of its grant."""
        self._what = what

    def note_received(self, size_bytes: int) -> None:
        """Count bytes that the component got."""
        self.network.ledger.note_received(self.place.component, size_bytes)
        if self.effect is not None:
            self.effect.received(size_bytes)

    def note_sent(self, size_bytes: int) -> None:
        """Count bytes that the component gave."""
        self.network.ledger.note_sent(self.place.component, size_bytes)
        if self.effect is not None:
            self.effect.sent(size_bytes)

    async def _ready(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        try:
            await wait(self.plain)
        except (anyio.ClosedResourceError, ValueError, OSError) as error:
            raise self.broken() from error

    async def _for_room(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        """Wait until the component may move bytes, or else until the system can."""
        delay = self.network.ledger.delay(self.place.component)
        if delay:
            await anyio.sleep(delay)
        else:
            await self._ready(wait)


class GrantedSocket(OpenSocket):
    """A socket at an address of this host; `what` is the resource of its grant."""

    capability = ""

    def keep_while_granted(self, opened: OpenSocket | None = None) -> None:
        """Close it, or a connection that came through it, when the grant to listen ends."""
        one = opened or self
        guard = self.network.doorman.guard
        one.on_close.append(
            guard.keep(one.place.component, self.capability, self._what, denying(one))
        )
