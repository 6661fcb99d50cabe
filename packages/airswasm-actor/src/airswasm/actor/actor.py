"""What an actor is: protocols, so that no actor has to inherit from anything.

`Actor` is all that is needed. `Child` adds what happens before the first message and after the
last. `GuestActor` is for actors whose handling is a *call* that the dispatcher polls (a component
on its fibre) instead of Python code that it runs: no task, no thread while it waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from airswasm.runtime import CallState

    from .context import Context
    from .message import Message

__all__ = ("Actor", "Child", "Discardable", "GuestActor", "GuestCall", "Phase")


class Phase(StrEnum):
    """Where an actor is in its life. Messages are delivered only while it is `RUNNING`."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@runtime_checkable
class Actor(Protocol):
    """Handles messages, one at a time."""

    def receive(self, message: Message, context: Context) -> object | Awaitable[object]:
        """Handles one message; what it returns answers the sender, if that one waits.

        A plain method runs inline and must not block. An `async def` runs in a task of the
        system, and so does what a plain method returns to be awaited. An exception ends this
        incarnation: the message goes to the dead letters and the supervisor decides what follows.
        """
        ...


@runtime_checkable
class Child(Protocol):
    """Has something to do before the first message and after the last."""

    async def start(self) -> None:
        """Gets ready. An exception is a failed start."""
        ...

    async def stop(self) -> None:
        """Cleans up, within the shutdown time; then it is cancelled. Not called after a crash."""
        ...


@runtime_checkable
class Discardable(Protocol):
    """Holds something that must be let go even when `stop` is never reached."""

    def discard(self) -> None:
        """Called once at the end of every incarnation, crashed or not. Must not wait."""
        ...


class GuestCall(Protocol):
    """One handling in progress, driven by polling. `airswasm.runtime.Call` is one.

    Attributes:
        fuel_used: What the guest has used for it, once it is done.
    """

    fuel_used: int

    def poll(self) -> CallState:
        """Runs one slice."""
        ...

    async def poll_in_thread(self) -> CallState:
        """Runs slices in a worker thread until the call is done or waits."""
        ...

    def cancel(self) -> None:
        """Ends the call where it is."""
        ...

    def result(self) -> object:
        """The value of a call that is done, or raises what it failed with."""
        ...


class GuestActor(Actor, Protocol):
    """An actor whose handling is a call to poll."""

    def begin(
        self, message: Message, context: Context, wake: Callable[[GuestCall], None]
    ) -> GuestCall:
        """Starts handling. `wake` is called on the loop's thread when a waiting call can go on."""
        ...

    def complete(self, call: GuestCall) -> object:
        """The reply of a call that is done, or raises what it failed with.

        Raises:
            GuestRefused: The guest answered with an error of its own; it goes on.
        """
        ...
