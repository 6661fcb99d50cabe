"""Messages that actors send at a later time, by `Context.send_later` and `send_every`.

A timer ends with the incarnation that has set it, as Akka's `TimerScheduler` and Erlang's
`timer:send_interval` have it: the next incarnation sets its own as it starts, and gets none that it
knows nothing of. A durable timer outlives both; it needs a scheduler with a store, which
airswasm-messaging's `Schedule` is.

Rejected: a timer that calls a function (`Context.call_later` does), because a message is handled in
its turn, is seen by hooks and taps, and can be kept.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import anyio

from .._messages.dead_letters import DeathReason
from .._messages.message import Message
from ..errors import DeliveryError, TimersNotDurable

if TYPE_CHECKING:
    from airswasm.runtime import Timer, Timers

    from .._messages.events import EventStream
    from .._routing.broker import MessageBroker
    from .._routing.carrier import Accepted

__all__ = ("MemoryScheduler", "Scheduled", "Scheduler")


class Scheduler(Protocol):
    """Sends messages at a later time. All methods return at once."""

    def schedule(
        self,
        owner: str,
        target: str,
        payload: object,
        seconds: float,
        *,
        repeats: bool,
        is_durable: bool,
        incarnation: int,
        done: Accepted,
    ) -> int:
        """Send a message of an actor in Python later; return the timer's id.

        Args:
            owner: The actor's name.
            target: The receiver's name.
            payload: The object to send.
            seconds: The delay, or the interval.
            repeats: Whether it is sent again and again.
            is_durable: Whether it outlives the host.
            incarnation: The incarnation with which it ends; 0 for none.
            done: Called when a durable timer is on the disk, or cannot be; not otherwise.

        Raises:
            TimersNotDurable: There is no store for a durable timer.
            AirswasmError: It cannot be set; `done` is not called.
        """
        ...

    def cancel(self, owner: str, number: int) -> bool:
        """End a timer; return False when its owner has no such timer any more."""
        ...

    def end(self, owner: str, incarnation: int) -> None:
        """End the timers of an incarnation, which has ended."""
        ...


class Scheduled:
    """A message that an actor sends later.

    Attributes:
        id: Its id, which a durable timer keeps over restarts.
    """

    __slots__ = ("_errors", "_owner", "_scheduler", "_written", "id")

    def __init__(self, scheduler: Scheduler, owner: str) -> None:
        self.id = 0
        self._scheduler, self._owner = scheduler, owner
        self._written = anyio.Event()
        self._errors: list[BaseException] = []

    def note(self, error: BaseException | None) -> None:
        """Note that the disk has the timer, or has refused it."""
        if error is not None:
            self._errors.append(error)
        self._written.set()

    async def written(self) -> None:
        """Wait until a durable timer is on the disk; return at once for another.

        Raises:
            AirswasmError: The disk refused it: there is no such timer.
        """
        await self._written.wait()
        if self._errors:
            raise self._errors[0]

    def cancel(self) -> bool:
        """End it; return False when it has ended already.

        Raises:
            AirswasmError: The store refuses, and a durable timer goes on.
        """
        return self._scheduler.cancel(self._owner, self.id)


@dataclass(slots=True, eq=False)
class _Later:
    owner: str
    target: str
    payload: object
    seconds: float
    repeats: bool
    incarnation: int
    at: float
    timer: Timer | None = None


class MemoryScheduler:
    """The timers of a system's actors, in memory.

    Args:
        broker: Delivers the messages.
        timers: Fires.
        events: Told of what goes wrong where no caller is left.
    """

    def __init__(self, broker: MessageBroker, timers: Timers, events: EventStream) -> None:
        self._broker, self._clock, self._events = broker, timers, events
        self._waiting: dict[str, dict[int, _Later]] = {}
        self._numbers = itertools.count(1)

    def schedule(
        self,
        owner: str,
        target: str,
        payload: object,
        seconds: float,
        *,
        repeats: bool,
        is_durable: bool,
        incarnation: int,
        done: Accepted,
    ) -> int:
        """See `Scheduler`."""
        del done
        if is_durable:
            raise TimersNotDurable(owner)
        number = next(self._numbers)
        at = anyio.current_time() + seconds
        later = _Later(owner, target, payload, seconds, repeats, incarnation, at)
        self._waiting.setdefault(owner, {})[number] = later
        self._arm(number, later)
        return number

    def cancel(self, owner: str, number: int) -> bool:
        """See `Scheduler`."""
        later = self._forget(owner, number)
        if later is None:
            return False
        if later.timer is not None:
            later.timer.cancel()
        return True

    def end(self, owner: str, incarnation: int) -> None:
        """See `Scheduler`."""
        for number, later in list(self._waiting.get(owner, {}).items()):
            if later.incarnation == incarnation:
                self.cancel(owner, number)

    def _forget(self, owner: str, number: int) -> _Later | None:
        mine = self._waiting.get(owner, {})
        later = mine.pop(number, None)
        if not mine:
            self._waiting.pop(owner, None)
        return later

    def _arm(self, number: int, later: _Later) -> None:
        left = max(0.0, later.at - anyio.current_time())
        later.timer = self._clock.after(left, lambda: self._fire(number, later))

    def _fire(self, number: int, later: _Later) -> None:
        if later.repeats:  # before it sends: a receiver may cancel it
            passed = max(0.0, anyio.current_time() - later.at)
            later.at += later.seconds * (1 + passed // later.seconds)
            self._arm(number, later)
        else:
            self._forget(later.owner, number)
        try:
            self._broker.tell(later.target, later.payload, sender=later.owner)
        except Exception as error:  # of a hook, too; a timer has no caller to tell
            if not isinstance(error, DeliveryError):
                self._events.note_error(error)
            if not later.repeats:
                lost = Message(later.payload, later.owner)
                self._broker.give_up(later.target, lost, DeathReason.UNDELIVERED, error)
