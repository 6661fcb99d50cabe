"""What the modules of this block know of one actor: its mailbox and where it is in its life.

`ActorRef` derives from it and adds what users see. The fields are plain slots, set once per spawn
(a spawn costs about as much as its slots) and read by dispatcher, life cycle and broker alike.

The invariants, which the state machine tests check:

- `queue is None` exactly when no message waits and none is being taken by a batch;
- `is_scheduled` exactly when the cell is on the run queue, and never twice;
- `is_ready` exactly when it runs, is not paused, waits for no predecessor, and has no work in
  progress: only then a message may be taken;
- whoever waits in the waiting room waits for a queue that has no room for it, so that taking a
  message out is the only thing that lets senders in;
- `queued_bytes` is what the payloads in the queue add up to, or None where nobody counts them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast

import anyio

from .actor import Phase
from .context import Context
from .dead_letters import DeathReason
from .errors import ActorStopped, MailboxFull, MessageDropped, MessageTooLarge
from .mailbox import payload_bytes
from .message import opened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from airswasm.runtime import Timer

    from ._dispatcher import Dispatcher
    from .actor import GuestActor
    from .mailbox import MailboxSpec
    from .message import Envelope, Message
    from .reference import ActorRef, Down
    from .request import Request
    from .system import ActorSystem

__all__ = ("Cell", "Exit", "Waiter", "Work")


_STARTING, _RUNNING = Phase.STARTING, Phase.RUNNING  # an enum's attribute is a slow look-up


@dataclass(frozen=True, slots=True)
class Exit:
    """How an incarnation ended: reason `normal`, `shutdown`, `crash` or `killed`."""

    reason: str
    cause: BaseException | None = None

    @property
    def is_abnormal(self) -> bool:
        """Whether a `transient` child would be restarted after it."""
        return self.reason not in ("normal", "shutdown")


class Work(Protocol):
    """One message in progress that does not end within the dispatcher's turn."""

    message: Message

    def cancel(self) -> None:
        """Ends it where it is; its outcome will be ignored."""
        ...

    def wait_ended(self) -> Awaitable[None]:
        """Waits until nothing of it runs any more: a cancelled task has to unwind."""
        ...


class Waiter:
    """A sender that waits for room. `on_end` is called with the error, or None when it got in."""

    __slots__ = ("_timer", "is_waiting", "message", "on_end")

    def __init__(
        self, message: Message, on_end: Callable[[MailboxFull | ActorStopped | None], None]
    ) -> None:
        self.message = message
        self.on_end = on_end
        self.is_waiting = True
        self._timer: Timer | None = None

    def expire_with(self, timer: Timer) -> None:
        """The timer that ends the wait."""
        self._timer = timer

    def end(self, error: MailboxFull | ActorStopped | None) -> None:
        """The sender goes on."""
        self.is_waiting = False
        if self._timer is not None:
            self._timer.cancel()
        self.on_end(error)


class Cell:
    """Mailbox and state of one actor. See the module for its invariants."""

    __slots__ = (
        "actor",
        "awaited",
        "context",
        "dispatcher",
        "exit_requested",
        "failure",
        "full_at",
        "guest",
        "handled",
        "idle_events",
        "incarnation",
        "is_async",
        "is_paused",
        "is_ready",
        "is_scheduled",
        "name",
        "on_exit",
        "phase",
        "predecessor",
        "queue",
        "queued_bytes",
        "receive",
        "shutdown",
        "signals",
        "spec",
        "successor",
        "system",
        "waiting_room",
        "watchers",
        "work",
    )

    def __init__(self, system: ActorSystem, name: str, spec: MailboxSpec) -> None:
        self.system = system
        self.dispatcher: Dispatcher = system.dispatcher
        self.name = name
        self.spec = spec
        # The length of the queue from which a sender has to ask for room. Where bytes count it
        # is always asked.
        self.full_at = spec.capacity if spec.capacity_bytes is None else 0
        self.queued_bytes: int | None = None if spec.capacity_bytes is None else 0
        self.queue: deque[Envelope] | None = None
        self.signals: deque[Message] | None = None
        self.waiting_room: deque[Waiter] | None = None
        self.is_ready = False
        self.is_scheduled = False
        self.is_paused = False
        self.is_async = False
        self.phase = _STARTING
        self.incarnation = 0
        self.handled = 0
        self.shutdown: float | None = 5.0
        self.actor: object = None
        self.guest: GuestActor | None = None
        self.context: Context | None = None
        self.receive: Callable[[Message, Context], object] | None = None
        self.work: Work | None = None
        self.exit_requested: str | None = None
        self.failure: BaseException | None = None
        self.on_exit: Callable[[Exit], None] | None = None
        self.awaited: list[Request] | None = None
        self.successor: ActorRef | None = None
        self.predecessor: ActorRef | None = None
        self.idle_events: list[anyio.Event] | None = None
        self.watchers: list[Callable[[Down], None]] | None = None

    # -- sending: the ways that are not hot --------------------------------------------------

    def arouse(self, payload: object) -> deque[Envelope]:
        """The queue for the first message of an idle actor, which goes on the run queue."""
        if self.successor is not None:
            return self.successor.open_queue(payload)
        if self.phase is Phase.STOPPED:
            self.dispatcher.rejected += 1
            raise ActorStopped(self.name)
        if self.queued_bytes is not None:
            self.queued_bytes = self._weigh(payload)
        return self._begin_queue()

    def open_queue(self, payload: object) -> deque[Envelope]:
        """The queue with room for one more message, or the error that the sender gets."""
        queue = self.queue
        if queue is None:
            return self.arouse(payload)
        if len(queue) >= self.full_at:
            self.make_room(payload)
        return queue

    def make_room(self, payload: object) -> None:
        """Sees to it that one more message fits, whose bytes it counts already.

        Raises:
            MailboxFull: There is no room, and the policy is not `drop-oldest`.
            MessageTooLarge: There will never be.
        """
        spec, queue, queued = self.spec, self.queue, self.queued_bytes
        if queued is not None and spec.capacity_bytes is not None and type(payload) is bytes:
            queued += len(payload)  # what a component gets, most often
            if (
                queued <= spec.capacity_bytes
                and queue is not None
                and len(queue) < spec.capacity
                and self.waiting_room is None
            ):
                self.queued_bytes = queued
                return
        weight = self._weigh(payload)
        while not self._has_room(weight):
            if self.spec.when_full != "drop-oldest" or not self.drop_oldest():
                self.dispatcher.rejected += 1
                raise self._full(weight)
        if self.queued_bytes is not None:
            self.queued_bytes += weight

    def drop_oldest(self) -> bool:
        """Moves the oldest waiting message to the dead letters; False when none waits."""
        if not self.queue:
            return False
        oldest = opened(self.queue.popleft())
        self.note_taken(oldest)
        self.bury(oldest, DeathReason.DROPPED)
        if oldest.request is not None:
            oldest.request.fail(MessageDropped(self.name))
        return True

    def enqueue(self, message: Message) -> None:
        """Appends a message that exists already; it is rejected or accepted like any other."""
        self.open_queue(message.payload).append(message)

    def enqueue_or_wait(
        self, message: Message, on_end: Callable[[MailboxFull | ActorStopped | None], None]
    ) -> Waiter | None:
        """As `enqueue`; the policy `wait` makes a full mailbox return the waiter instead."""
        if self.successor is not None:
            return self.successor.enqueue_or_wait(message, on_end)
        if self.spec.when_full != "wait" or self._has_room(self._weigh(message.payload)):
            self.enqueue(message)
            return None
        waiter = Waiter(message, on_end)
        if self.waiting_room is None:
            self.waiting_room = deque()
        self.waiting_room.append(waiter)
        timers = self.system.timers
        waiter.expire_with(timers.after(self.spec.wait, lambda: self._expire(waiter)))
        return waiter

    def forget_waiter(self, waiter: Waiter) -> bool:
        """Takes a waiter out of the room; False when it is no longer in it."""
        if self.successor is not None:
            return self.successor.forget_waiter(waiter)
        if not waiter.is_waiting or self.waiting_room is None:
            return False
        self.waiting_room.remove(waiter)
        waiter.is_waiting = False
        self.dispatcher.rejected += 1
        self.admit()  # the next one's message may be smaller
        return True

    def admit(self) -> None:
        """Gives the room there is to those who wait for it, first come, first served."""
        room = self.waiting_room
        while room and self._limit_met(payload_bytes(room[0].message.payload)) is None:
            waiter = room.popleft()
            self.take_over((waiter.message,))
            waiter.end(None)
        if not room:
            self.waiting_room = None

    def take_over(self, messages: Sequence[Message], *, in_front: bool = False) -> None:
        """Takes messages in that were accepted already, whatever the limits say now."""
        if not messages:
            return
        queue = self._begin_queue() if self.queue is None else self.queue
        if in_front:
            queue.extendleft(reversed(messages))
        else:
            queue.extend(messages)
        if self.queued_bytes is not None:
            self.queued_bytes += sum(payload_bytes(message.payload) for message in messages)

    def note_taken(self, message: Message) -> None:
        """A message has left the queue: its bytes do not count any more, and others may come in."""
        if self.queued_bytes is not None:
            self.queued_bytes -= payload_bytes(message.payload)
        if self.waiting_room is not None:
            self.admit()

    def bound(self, spec: MailboxSpec) -> None:
        """Bounds the mailbox anew. What waits stays, even where it is more than that."""
        self.spec = spec
        self.full_at = spec.capacity if spec.capacity_bytes is None else 0
        self.queued_bytes = None if spec.capacity_bytes is None else self.count_bytes()
        self.admit()

    def count_bytes(self) -> int:
        """What the payloads in the queue add up to."""
        return sum(payload_bytes(envelope[0]) for envelope in self.queue or ())

    def is_too_large(self, payload: object) -> bool:
        """Whether there will never be room for a payload."""
        capacity_bytes = self.spec.capacity_bytes
        return capacity_bytes is not None and payload_bytes(payload) > capacity_bytes

    def _begin_queue(self) -> deque[Envelope]:
        dispatcher = self.dispatcher
        queue = self.queue = dispatcher.pool.pop() if dispatcher.pool else deque()
        if self.is_ready and not self.is_scheduled:
            dispatcher.schedule(self)
        return queue

    def _weigh(self, payload: object) -> int:
        """The bytes that a payload counts for here; refuses what will never fit."""
        capacity_bytes = self.spec.capacity_bytes
        if capacity_bytes is None:
            return 0
        weight = payload_bytes(payload)
        if weight > capacity_bytes:
            self.dispatcher.rejected += 1
            raise MessageTooLarge(self.name, weight, capacity_bytes)
        return weight

    def _limit_met(self, weight: int) -> Literal["capacity", "capacity_bytes"] | None:
        """What keeps a message of that many bytes out; None when it fits."""
        queue = self.queue
        if not queue:
            return None
        if len(queue) >= self.spec.capacity:
            return "capacity"
        capacity_bytes = self.spec.capacity_bytes
        if capacity_bytes is None or self.queued_bytes is None:
            return None
        return "capacity_bytes" if self.queued_bytes + weight > capacity_bytes else None

    def _has_room(self, weight: int) -> bool:
        """Whether a message of that many bytes fits, and overtakes nobody."""
        return self.waiting_room is None and self._limit_met(weight) is None

    def _full(self, weight: int) -> MailboxFull:
        """The error for a message of that many bytes.

        One that would fit, but stands behind one that does not, is kept out by the bytes: places
        are all alike.
        """
        capacity_bytes = self.spec.capacity_bytes
        if capacity_bytes is None or self._limit_met(weight) == "capacity":
            return MailboxFull(self.name, self.spec.capacity)
        return MailboxFull(self.name, capacity_bytes, "capacity_bytes")

    def _expire(self, waiter: Waiter) -> None:
        error = self._full(payload_bytes(waiter.message.payload))
        if self.forget_waiter(waiter):
            waiter.end(error)

    # -- state -------------------------------------------------------------------------------

    def update_ready(self) -> None:
        """Recomputes `is_ready`; who becomes ready and has messages goes on the run queue.

        A batch that ended with a crash or a pause may have left an empty queue behind. Senders
        take a queue for one that is being worked on, so it must not stay.
        """
        if self.queue is not None and not self.queue:
            self.settle()
        self.is_ready = (
            self.phase is _RUNNING
            and not self.is_paused
            and self.predecessor is None
            and self.work is None
            and self.exit_requested is None
        )
        if self.is_ready and not self.is_scheduled and (self.queue or self.signals):
            self.dispatcher.schedule(self)

    def equip(self) -> Callable[[Message, Context], object]:
        """What a handler is called with, at the first message: many a spawned actor gets none."""
        if self.context is None:
            self.context = Context(cast("ActorRef", self), self.incarnation)
        receive = getattr(self.actor, "receive", self.actor)
        self.receive = made = cast("Callable[[Message, Context], object]", receive)
        return made

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is being handled."""
        return not (self.queue or self.signals or self.work is not None or self.waiting_room)

    def settle(self) -> None:
        """Gives the empty queue back, and tells those who wait for that."""
        queue = self.queue
        if queue is not None and not queue:
            self.queue = None
            pool = self.dispatcher.pool
            if len(pool) < 1024:
                pool.append(queue)
        if self.idle_events is not None:
            self.tell_idle()

    def tell_idle(self) -> None:
        """Wakes whoever waits for the mailbox to be empty or the hands to be free."""
        events, self.idle_events = self.idle_events, None
        for event in events or ():
            event.set()

    def waits_for(self) -> list[ActorRef]:
        """The actors that this one cannot go on without."""
        waiting = [one.target for one in self.awaited or () if one.target is not None]
        if self.predecessor is not None:
            waiting.append(self.predecessor)
        return waiting

    def bury(
        self, message: Message, reason: DeathReason, cause: BaseException | None = None
    ) -> None:
        """Moves one message to the dead letters."""
        in_hand = reason in (DeathReason.CRASHED, DeathReason.KILLED)
        self.system.dead_letters.add(
            message,
            self.name,
            reason,
            self.dispatcher.now,
            incarnation=self.incarnation if in_hand else 0,
            cause=cause,
        )
