"""Letting messages into a mailbox: room, order, and what happens when there is no room.

The queue is the cell's own: sending is the hot path, and one object less to walk through is a tenth
of its time. An idle actor holds no queue at all. CPython's empty `deque` weighs 760 bytes, which
would be most of an idle actor, so queues come from the system's spare ones with the first message
and go back with the last. "No queue" therefore also means "not on the run queue", and one test on
the sender's way answers both.

System messages wait in a queue of their own, go first, and are never refused. Senders that may
wait (`when_full="wait"`) wait in a room beside the mailbox, in order and with a deadline. The first
of them gets the room that becomes free, so that no message overtakes another.

Counting bytes takes a message the long way round. A mailbox without that bound pays one test for
each message that is taken out, and none for sending.

Rejected: `anyio` memory streams (a task per receiver, 12 times the time), one queue with
priorities (a heap costs every message for the few that are urgent).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from .._messages.bounds import payload_bytes, signal_bytes
from .._messages.dead_letters import DeathReason
from .._messages.message import to_message
from ..errors import ActorStopped, MailboxFull, MessageDropped, MessageTooLarge
from .phase import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airswasm.runtime import Timer

    from .._messages.bounds import MailboxSpec
    from .._messages.message import Message, QueuedMessage
    from ..errors import DeliveryError
    from .cell import Cell

__all__ = (
    "WaitingSender",
    "accept_all",
    "admit_waiting",
    "count_bytes",
    "drop_oldest",
    "enqueue_or_wait",
    "give_back",
    "is_unfit",
    "make_room",
    "move_all",
    "note_taken",
    "open_queue",
    "put_signal",
    "resize",
    "start_queue",
    "take_back_waiter",
)

_STOPPED = Phase.STOPPED  # an enum's attribute is a slow look-up


class WaitingSender:
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
        """Note the timer that ends the wait."""
        self._timer = timer

    def end(self, error: MailboxFull | ActorStopped | None) -> None:
        """Let the sender go on."""
        self.is_waiting = False
        if self._timer is not None:
            self._timer.cancel()
        self.on_end(error)


def start_queue(cell: Cell, payload: object) -> deque[QueuedMessage]:
    """Return the queue for the first message of an idle actor, which goes on the run queue.

    Raises:
        ActorStopped: The actor has stopped for good.
        MessageTooLarge: The payload will never fit.
        MailboxFull: Answers take its room.
    """
    if cell.rare.successor is not None:
        return open_queue(cell.rare.successor, payload)
    if cell.phase is _STOPPED:
        cell.note_rejected()
        raise ActorStopped(cell.name)
    if cell.queued_bytes is not None:
        weight = _weigh(cell, payload)
        if cell.signal_bytes and _limit_met(cell, weight) is not None:
            cell.note_rejected()
            raise _full(cell, weight)
        cell.queued_bytes = weight
    return cell.begin_queue()


def open_queue(cell: Cell, payload: object) -> deque[QueuedMessage]:
    """Return the queue with room for one more message, or raise the sender's error."""
    queue = cell.queue
    if queue is None:
        return start_queue(cell, payload)
    if len(queue) >= cell.full_at:
        return make_room(cell, payload)
    return queue


def make_room(cell: Cell, payload: object) -> deque[QueuedMessage]:
    """Make sure that one more message fits, count its bytes, and return the queue for it.

    Room may be made by dropping a message, and a listener of dead letters may resume the actor:
    then the queue that was full is the actor's no longer.

    Raises:
        MailboxFull: There is no room, and the policy is not `drop-oldest`.
        MessageTooLarge: There will never be.
        DeliveryError: The mailbox refuses such payloads.
    """
    spec, queue, queued = cell.spec, cell.queue, cell.queued_bytes
    if cell.exchange.wake is not None:
        cell.exchange.read_clock()
    if queued is not None and spec.capacity_bytes is not None and type(payload) is bytes:
        size = len(payload)  # what a component gets, most often
        queued += size
        if (
            queued + cell.signal_bytes <= spec.capacity_bytes
            and (spec.message_bytes is None or size <= spec.message_bytes)
            and queue is not None
            and len(queue) < spec.capacity
            and cell.rare.waiting_room is None
            and (spec.refuse is None or spec.refuse(payload) is None)
        ):
            cell.queued_bytes = queued
            return queue
    weight = _weigh(cell, payload)
    while not _has_room(cell, weight):
        if cell.spec.when_full != "drop-oldest" or not drop_oldest(cell):
            cell.note_rejected()
            raise _full(cell, weight)
    if cell.queue is None:
        return start_queue(cell, payload)
    if cell.queued_bytes is not None:
        cell.queued_bytes += weight
    return cell.queue


def drop_oldest(cell: Cell) -> bool:
    """Move the oldest waiting message to the dead letters. Return False when none waits."""
    if not cell.queue:
        return False
    oldest = to_message(cell.queue.popleft())
    note_taken(cell, oldest)
    cell.give_up_message(oldest, DeathReason.DROPPED)
    if oldest.request is not None:
        oldest.request.fail(MessageDropped(cell.name))
    return True


def enqueue_or_wait(
    cell: Cell, message: Message, on_end: Callable[[MailboxFull | ActorStopped | None], None]
) -> WaitingSender | None:
    """Append a message; with the policy `wait`, a full mailbox returns the waiting sender.

    Raises:
        MailboxFull, MessageTooLarge, ActorStopped: The message was not accepted.
    """
    if cell.rare.successor is not None:
        return enqueue_or_wait(cell.rare.successor, message, on_end)
    if cell.spec.when_full != "wait" or _has_room(cell, _weigh(cell, message.payload)):
        open_queue(cell, message.payload).append(message)
        return None
    waiter = WaitingSender(message, on_end)
    rare = cell.own_rare()
    if rare.waiting_room is None:
        rare.waiting_room = deque()
    rare.waiting_room.append(waiter)
    timers = cell.exchange.timers
    waiter.expire_with(timers.after(cell.spec.wait, lambda: _expire(cell, waiter)))
    return waiter


def take_back_waiter(cell: Cell, waiter: WaitingSender) -> bool:
    """Take a waiting sender out of the room. Return False when it is no longer in it."""
    if cell.rare.successor is not None:
        return take_back_waiter(cell.rare.successor, waiter)
    if not waiter.is_waiting or cell.rare.waiting_room is None:
        return False
    cell.rare.waiting_room.remove(waiter)
    waiter.is_waiting = False
    cell.note_rejected()
    admit_waiting(cell)  # the next one's message may be smaller
    return True


def accept_all(cell: Cell, messages: Sequence[Message], *, in_front: bool = False) -> None:
    """Take messages in that were accepted already, whatever the limits say now."""
    if not messages:
        return
    queue = cell.begin_queue() if cell.queue is None else cell.queue
    if in_front:
        queue.extendleft(reversed(messages))
    else:
        queue.extend(messages)
    if cell.queued_bytes is not None:
        cell.queued_bytes += sum(payload_bytes(message.payload) for message in messages)


def note_taken(cell: Cell, message: Message) -> None:
    """Stop counting the bytes of a message that has left the queue; let waiting senders in."""
    if cell.queued_bytes is not None:
        cell.queued_bytes -= payload_bytes(message.payload)
    if cell.rare.waiting_room is not None:
        admit_waiting(cell)


def resize(cell: Cell, spec: MailboxSpec) -> None:
    """Bound the mailbox anew. Messages that wait stay, even where they are more than that."""
    cell.spec = spec
    if spec.looks_at_payloads:
        cell.full_at, cell.queued_bytes = 0, count_bytes(cell)
    else:
        cell.full_at, cell.queued_bytes = spec.capacity, None
    admit_waiting(cell)


def count_bytes(cell: Cell) -> int:
    """Return the sum of the payloads in the queue."""
    queue = cell.queue
    return sum(payload_bytes(queued[0]) for queued in queue) if queue else 0


def is_unfit(cell: Cell, payload: object) -> bool:
    """Return whether a payload will never be taken."""
    return cell.queued_bytes is not None and (
        _unfitness(cell, payload, payload_bytes(payload)) is not None
    )


def put_signal(cell: Cell, message: Message) -> None:
    """Append a system message.

    Raises:
        ActorStopped: The actor has stopped for good.
    """
    if cell.rare.successor is not None:
        put_signal(cell.rare.successor, message)
        return
    if cell.phase is _STOPPED:
        cell.note_rejected()
        raise ActorStopped(cell.name)
    if cell.signals is None:
        cell.signals = deque()
    cell.signals.append(message)
    cell.signal_bytes += signal_bytes(message[0])
    if cell.is_ready and not cell.is_scheduled:
        cell.exchange.schedule(cell)


def move_all(old: Cell, new: Cell) -> int:
    """Move all that waits in `old` in front of what waits in `new`; `old` leads to `new` then.

    Messages that were accepted stay accepted: the limits of `new` do not refuse them. The caller
    makes sure that handlers do not overlap: `new` takes nothing until `old` has stopped.

    Returns:
        How many messages were moved, system messages not counted.
    """
    signals, moved = _take_all(old, new)
    old.own_rare().successor = new
    accept_all(new, moved, in_front=True)
    _put_all(new, (*signals, *(new.signals or ())))
    new.update_ready()
    return len(moved)


def give_back(new: Cell, old: Cell) -> None:
    """Undo a hand-over that did not happen: what waits in `new` goes behind what waits in `old`."""
    signals, moved = _take_all(new, old)
    accept_all(old, moved)
    _put_all(old, (*(old.signals or ()), *signals))
    old.update_ready()


def _take_all(cell: Cell, new: Cell) -> tuple[list[Message], list[Message]]:
    """System messages, and the others with those of the waiting senders, from now on for `new`."""
    signals, cell.signals, cell.signal_bytes = list(cell.signals or ()), None, 0
    moved = [to_message(queued) for queued in cell.queue or ()]
    if cell.queue is not None:
        cell.queue.clear()
    if cell.queued_bytes is not None:
        cell.queued_bytes = 0
    room = cell.rare.waiting_room
    if room is not None:
        cell.rare.waiting_room = None
        for waiter in room:
            moved.append(waiter.message)
            waiter.end(None)
    for message in (*signals, *moved):
        if message.request is not None:
            message.request.target = new
    cell.release_queue()
    return signals, moved


def _put_all(cell: Cell, signals: Sequence[Message]) -> None:
    cell.signals = deque(signals) or None
    cell.signal_bytes = sum(signal_bytes(message[0]) for message in signals)


def admit_waiting(cell: Cell) -> None:
    """Admit waiting senders, oldest first, while there is room."""
    room = cell.rare.waiting_room
    if room is None:
        return
    while room and _limit_met(cell, payload_bytes(room[0].message.payload)) is None:
        waiter = room.popleft()
        accept_all(cell, (waiter.message,))
        waiter.end(None)
    if not room:
        cell.rare.waiting_room = None


def _weigh(cell: Cell, payload: object) -> int:
    """Return the bytes that a payload counts for here; refuses a payload that will never fit."""
    if cell.queued_bytes is None:
        return 0
    weight = payload_bytes(payload)
    error = _unfitness(cell, payload, weight)
    if error is not None:
        cell.note_rejected()
        raise error
    return weight


def _unfitness(cell: Cell, payload: object, weight: int) -> DeliveryError | None:
    """Return the error for a payload, of that many bytes, that will never fit; None if it may."""
    spec = cell.spec
    if spec.message_bytes is not None and weight > spec.message_bytes:
        return MessageTooLarge(cell.name, weight, spec.message_bytes, "message_bytes")
    if spec.capacity_bytes is not None and weight > spec.capacity_bytes:
        return MessageTooLarge(cell.name, weight, spec.capacity_bytes)
    return None if spec.refuse is None else spec.refuse(payload)


def _limit_met(cell: Cell, weight: int) -> Literal["capacity", "capacity_bytes"] | None:
    """Return the bound that keeps a message of that many bytes out; None if it fits."""
    queue = cell.queue
    if not queue and not cell.signal_bytes:
        return None
    if queue and len(queue) >= cell.spec.capacity:
        return "capacity"
    capacity_bytes = cell.spec.capacity_bytes
    if capacity_bytes is None or cell.queued_bytes is None:
        return None
    queued = cell.queued_bytes + cell.signal_bytes
    return "capacity_bytes" if queued + weight > capacity_bytes else None


def _has_room(cell: Cell, weight: int) -> bool:
    """Whether a message of that many bytes fits, and overtakes no waiting sender."""
    return cell.rare.waiting_room is None and _limit_met(cell, weight) is None


def _full(cell: Cell, weight: int) -> MailboxFull:
    """Return the error for a message of that many bytes.

    A message that would fit, but stands behind one that does not, is kept out by the bytes: places
    are all alike.
    """
    capacity_bytes = cell.spec.capacity_bytes
    if capacity_bytes is None or _limit_met(cell, weight) == "capacity":
        return MailboxFull(cell.name, cell.spec.capacity)
    return MailboxFull(cell.name, capacity_bytes, "capacity_bytes")


def _expire(cell: Cell, waiter: WaitingSender) -> None:
    error = _full(cell, payload_bytes(waiter.message.payload))
    if take_back_waiter(cell, waiter):
        waiter.end(error)
