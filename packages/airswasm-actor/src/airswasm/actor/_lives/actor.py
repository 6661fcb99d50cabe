"""An actor, as protocols: no actor has to inherit from anything.

`Actor` is all that is needed. `Child` adds the work before the first message and after the last.
`GuestActor` is for actors whose handling is a *call* that the dispatcher polls (a component on its
fibre) instead of Python code that it runs: it takes no task and no thread while it waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .._running.cell import Guest, GuestCall

if TYPE_CHECKING:
    from .._messages.message import Message
    from .context import Context

__all__ = ("Actor", "Child", "Discardable", "GuestActor")


@runtime_checkable
class Actor(Protocol):
    """Handles messages, one at a time."""

    def receive(self, message: Message, context: Context) -> object | Awaitable[object]:
        """Handle one message. The result answers the sender, if that one waits.

        A plain method runs inline and must not block. An `async def` runs in a task of the
        system, and so does an awaitable that a plain method returns. An exception ends this
        incarnation: the message goes to the dead letters and the supervisor decides what follows.
        """
        ...


@runtime_checkable
class Child(Protocol):
    """Has work to do before the first message and after the last."""

    async def start(self) -> None:
        """Get ready. An exception is a failed start."""
        ...

    async def stop(self) -> None:
        """Clean up, within the shutdown time; then it is cancelled. Not called after a crash."""
        ...


@runtime_checkable
class Discardable(Protocol):
    """Holds something that must be let go even when `stop` is never reached."""

    def discard(self) -> None:
        """Let go, once at the end of every incarnation, crashed or not. Must not wait."""
        ...


class GuestActor(Actor, Guest, Protocol):
    """An actor whose handling is a call to poll.

    An optional attribute `message_bytes` says how large a payload it can take at most; an optional
    method `measure_use(usage)` tells it where to add up what its calls cost (`Usage`, or None).
    """

    def begin(
        self, message: Message, context: Context, wake: Callable[[GuestCall], None]
    ) -> GuestCall:
        """Begin to handle a message, and return the call that does.

        Args:
            message: The message.
            context: The actor's context.
            wake: To be called on the loop's thread when a waiting call can go on.

        Raises:
            UnfitPayload, MessageTooLarge: It is no message for this actor, which goes on.
        """
        ...

    def complete(self, call: GuestCall) -> object:
        """Return the reply of a call that is done, or raise the error that it failed with.

        Raises:
            GuestRefused: The guest answered with an error of its own; it goes on.
            MessageTooLarge: The guest had no room for the message. It is replaced, and its
                supervisor counts no restart.
        """
        ...
