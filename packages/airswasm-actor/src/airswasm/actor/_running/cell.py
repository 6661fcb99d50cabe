"""The state of one actor, and every change of it.

A `Cell` is data in plain slots, set once per spawn (a spawn costs about as much as its slots) and
read by everything above. `phase` and `is_ready` change in this module and nowhere else, each by a
method that is named for what has happened.

The invariants, which the state machine tests check:

- `queue is None` exactly when no message waits and none is being taken by a batch;
- `is_scheduled` exactly when the cell is on the run queue, and never twice;
- `is_ready` exactly when the actor runs, is not paused, waits for no predecessor, and has no work
  in progress: only then a message may be taken;
- a sender in the waiting room waits for a queue that has no room for its message, so that taking a
  message out is the only thing that lets senders in;
- `queued_bytes` is the sum of the payloads in the queue, or None where bytes are not bounded;
- `signal_bytes` is the sum of the answers that wait as system messages.

`Exchange` is what the cells of one system share. The dispatcher derives from it, so that a cell
reaches the dispatcher without knowing it: a callback in its place costs a compiled `ask` 4 %.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from secrets import token_hex
from time import time, time_ns
from typing import TYPE_CHECKING, Any, Protocol, cast, final

import anyio

from .._foreign import attribute_of, type_name
from .._messages.bounds import Inspection, payload_bytes
from .._messages.dead_letters import DeathReason
from .._messages.envelope import Envelope, new_envelope
from .._messages.message import Message, new_message
from .._messages.receipt import Outcome, Receipt, outcome_of
from .._messages.receipts import Receipts
from .._messages.tracing import Tracing
from ..errors import AskTimeout, TooManyHops
from .phase import Down, Exit, Phase
from .shares import LIGHT, Share, Shares

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from airswasm.runtime import CallState, Timers

    from .._messages.bounds import MailboxSpec
    from .._messages.dead_letters import DeadLetters
    from .._messages.events import EventStream
    from .._messages.message import QueuedMessage
    from .._messages.receipts import Tally
    from .._messages.request import Party, Request
    from .._messages.trace import Trace
    from ..errors import ActorStopped, MailboxFull

__all__ = ("Cell", "Exchange", "Guest", "GuestCall", "Rare", "Waiter", "Work", "measure_guest")

# An enum's attribute is a slow look-up.
_STARTING, _RUNNING, _RESTARTING = Phase.STARTING, Phase.RUNNING, Phase.RESTARTING
_STOPPING, _STOPPED = Phase.STOPPING, Phase.STOPPED

_MOST_SPARE_QUEUES = 1024
_NEVER_IN_HAND = {
    DeathReason.DROPPED: Outcome.DROPPED,
    DeathReason.STOPPED: Outcome.STOPPED,
}


class GuestCall(Protocol):
    """One handling in progress, driven by polling. `airswasm.runtime.Call` is one.

    Attributes:
        fuel_used: The fuel that the guest has used for it, once it is done.
        ended_at: The time of its end (`monotonic`), once it is done and if what it uses is added
            up; else 0.0. The dispatcher reads no clock for its turn then.
    """

    fuel_used: int
    ended_at: float

    @property
    def seconds(self) -> float:
        """The seconds from its beginning to its end; 0.0 where `ended_at` is."""
        ...

    def poll(self) -> CallState:
        """Run one slice."""
        ...

    def poll_in_thread(self) -> Awaitable[CallState]:
        """Run slices in a worker thread until the call is done or waits."""
        ...

    def cancel(self) -> None:
        """End the call where it is."""
        ...

    def result(self) -> object:
        """Return the value of a call that is done, or raise the error that it failed with."""
        ...


class Guest(Protocol):
    """An actor whose handling is a call to poll. Users see it as `GuestActor`."""

    def begin(
        self,
        message: Message,
        context: Any,
        wake: Callable[[GuestCall], None],
    ) -> GuestCall:
        """Begin to handle a message. See `GuestActor.begin`."""
        ...

    def complete(self, call: GuestCall) -> object:
        """Return the reply of a call that is done. See `GuestActor.complete`."""
        ...


class Work(Protocol):
    """One message in progress that does not end within the dispatcher's turn."""

    message: Message

    @property
    def seconds(self) -> float:
        """The seconds since its beginning, or to its end."""
        ...

    def cancel(self) -> None:
        """End it where it is; its outcome will be ignored."""
        ...

    def wait_ended(self) -> Awaitable[None]:
        """Wait until nothing of it runs any more: a cancelled task has to unwind."""
        ...


class Waiter(Protocol):
    """A sender that waits for room in a full mailbox."""

    message: Message
    is_waiting: bool

    def end(self, error: MailboxFull | ActorStopped | None) -> None:
        """Let the sender go on, with an error or, when its message is in, without."""
        ...


class Exchange:
    """The run queue, the clock, the services and the counters that the cells of a system share.

    Attributes:
        clock: The time in seconds; asking it through anyio is too slow for each message.
        now: The clock's time, at most one round of the dispatcher old.
        sent: Messages that were tried to be sent; also the last message id.
        handled: Messages whose handling ended without a crash.
        rejected: Messages that were not accepted.
        expired: Messages that were not handled, because their deadline had passed.
        late: Answers that came after the asker had given up.
        hop_deaths: Messages that were not sent, because too many had led to them.
        most_hops: The longest chain of messages, each sent by a handler of the one before.
        spare_queues: Empty queues, for actors that get their first message.
        run_queue: Actors that have a message to handle, or a call to go on with.
        shares: The same of guests that use much processor time.
        wall_offset: Seconds from the clock's time to wall time.
        made_ids: The number of ids that were made before their message.
        wake: Set while the task that serves the run queue sleeps: it wakes it.
        current: The actor whose handler the current task runs.
        timers: Callbacks to come.
        dead_letters: Messages that will not be handled.
        events: The life cycle events.
        receipts: The sums over messages, and the readers of single ones.
        tracing: Which messages are traced.
        origin: Begins the ids of all messages of this start; unique in the world.
        make_context: Makes the `Context` of an incarnation, which stands above all this.
    """

    __slots__ = (
        "clock",
        "current",
        "dead_letters",
        "events",
        "expired",
        "handled",
        "hop_deaths",
        "late",
        "made_ids",
        "make_context",
        "most_hops",
        "now",
        "origin",
        "receipts",
        "rejected",
        "run_queue",
        "sent",
        "shares",
        "spare_queues",
        "timers",
        "tracing",
        "wake",
        "wall_offset",
    )

    def __init__(
        self,
        clock: Callable[[], float],
        timers: Timers,
        dead_letters: DeadLetters,
        events: EventStream,
    ) -> None:
        self.clock = clock
        self.timers = timers
        self.dead_letters = dead_letters
        self.events = events
        self.tracing = Tracing(self.id_of, self.wall_time)
        self.receipts = Receipts(self.tracing)
        self.now = 0.0
        self.wall_offset = 0.0
        self.origin = f"{time_ns() // 1_000_000:x}{token_hex(5)}"
        self.made_ids = 0
        self.sent: int = 0
        self.handled: int = 0
        self.rejected: int = 0
        self.expired: int = 0
        self.late: int = 0
        self.hop_deaths: int = 0
        self.most_hops = 64
        self.spare_queues: list[deque[QueuedMessage]] = []
        self.run_queue: deque[Cell] = deque()
        self.shares = Shares[Cell]()
        self.wake: anyio.Event | None = None
        self.current: ContextVar[Cell | None] = ContextVar("current actor", default=None)
        self.make_context: Callable[[Cell, int], object]

    def message(
        self,
        payload: object,
        sender: str,
        topic: str | None,
        request: Request | None,
        envelope: Envelope | None,
    ) -> Message:
        """Return a new message, counted as sent."""
        self.sent = number = self.sent + 1
        return new_message(Message, (payload, sender, topic, number, self.now, request, envelope))

    def id_of(self, message: Message) -> str:
        """Return the id of a message: its envelope's, or one that is made of its number."""
        envelope = message.envelope
        if envelope is not None and envelope.id:
            return envelope.id
        return f"{self.origin}-{message.id}"

    def new_id(self) -> str:
        """Return an id that no message of `id_of` has."""
        self.made_ids += 1
        return f"{self.origin}+{self.made_ids}"

    def open_clocks(self) -> None:
        """Read the clock, and set the wall time by it."""
        self.now = self.clock()
        self.wall_offset = time() - self.now

    def wall_time(self) -> float:
        """Return the seconds since 1970, by the system's own clock."""
        return self.clock() + self.wall_offset

    def following(
        self, message: Message | None, sender: str, target: str, *, is_question: bool
    ) -> Envelope | None:
        """Return the envelope of what the handler of `message` sends; None without one in hand.

        A deadline that was set for a message holds for all that follows from it. The time that an
        asker waits holds for the questions that are asked meanwhile, and for nothing else: what
        the handler tells others is not worthless when the asker gives up.

        Raises:
            TooManyHops: As many messages as may have led to this one already.
        """
        if message is None:
            return None
        own, request = message[6], message[5]  # as a tuple's: it is on the way of each message
        hops, correlation, traceparent = 1, "", ""
        deadline: float | None = None
        if own is not None:
            hops, correlation, traceparent = own[3] + 1, own[1] or own[0], own[4]
            if request is None or request.is_kept:  # else it may be an asker's patience
                deadline = own[2]
        if not correlation:
            correlation = f"{self.origin}-{message[3]}"
        if hops > self.most_hops:
            self.hop_deaths += 1
            raise TooManyHops(target, sender, self.most_hops, correlation)
        if is_question and request is not None:
            deadline = self.deadline_of(message)
        if self.tracing.is_on:
            traceparent = self.tracing.send(message, sender, target)
        return new_envelope(
            Envelope, ("", correlation, deadline, hops, traceparent, "", 1, "", False)
        )

    def deadline_of(self, message: Message) -> float | None:
        """Return when a message becomes worthless, in wall time; None when it does not."""
        own, request = message.envelope, message.request
        deadline = None if own is None else own.deadline
        if request is not None:
            self.read_clock()
            due = request.due(self.now)
            if due is not None:
                due += self.wall_offset
                deadline = due if deadline is None else min(due, deadline)
        return deadline

    def check_deadline(self, envelope: Envelope, target: str) -> None:
        """Refuse to ask in vain.

        Raises:
            AskTimeout: The deadline in the envelope has passed.
        """
        if envelope.deadline is not None and envelope.deadline <= self.now + self.wall_offset:
            raise AskTimeout(target, 0.0, is_inherited=True)

    def bounded(self, timeout: float, envelope: Envelope | None) -> float:
        """Return for how many seconds a question may wait, from this moment."""
        if envelope is None or envelope.deadline is None:
            return timeout
        return max(0.0, min(timeout, envelope.deadline - self.wall_time()))

    def message_of(self, cell: Cell) -> Message | None:
        """Return the message that an actor handles right now. See `Dispatcher`."""
        raise NotImplementedError

    def read_clock(self) -> None:
        """Bring `now` up to date while no round does it: a message is going to be sent."""
        if self.wake is not None:
            self.now = self.clock()

    def schedule(self, cell: Cell) -> None:
        """Put a cell on the run queue; wake the dispatcher if it sleeps."""
        cell.is_scheduled = True
        if cell.share is None:
            self.run_queue.append(cell)
        else:
            self.shares.push(cell, cell.share)
        if self.wake is not None:
            self.now = self.clock()
            self.wake.set()
            self.wake = None

    def can_hand_over(self, cell: Cell) -> bool:
        """Whether a question to an idle actor may be handled at once. See `Dispatcher`."""
        raise NotImplementedError

    def hand_over(self, cell: Cell, message: Message) -> None:
        """Handle a message of an idle actor at once. See `Dispatcher`."""
        raise NotImplementedError


class Rare:
    """The part of an actor's state that few actors have at a time.

    All others share one empty `Rare`, so that an idle actor is small and quick to spawn. It is
    read as `cell.rare`, and written as `cell.own_rare()`.

    Attributes:
        is_paused: Whether nothing is delivered until `resume`.
        shutdown: Seconds for finishing and `stop` when the actor leaves of its own wish.
        exit_requested: The reason of the actor's own wish to end; after its end, the reason.
        failure: The error that it ended with.
        on_exit: Tells the supervisor of the end of an incarnation.
        awaited: The questions that this actor cannot go on without.
        predecessor: The actor that has to end before this one handles messages.
        successor: The actor that this one's messages go to.
        waiting_room: Senders that wait for room, the first first.
        idle_events: Set once nothing waits, or nothing is in hand.
        watchers: Called when the actor ends for good.
        tally: Where its messages are added up, while it is measured.
        weight: The weight of its share of processor time.
        used: Seconds of processor time that were charged.
        recently_used: The part of them since `charged_at`, of a busy guest.
        charged_at: When its account was looked at last (`monotonic`).
        start_turn: Set when a busy actor that waits to be started again has its turn.
        is_suspect: Whether a turn of it lasted longer than a turn may.
        holds_loop: Whether a turn of it worked that long: its calls belong on threads.
    """

    __slots__ = (
        "awaited",
        "charged_at",
        "exit_requested",
        "failure",
        "holds_loop",
        "idle_events",
        "is_paused",
        "is_suspect",
        "on_exit",
        "predecessor",
        "recently_used",
        "shutdown",
        "start_turn",
        "successor",
        "tally",
        "used",
        "waiting_room",
        "watchers",
        "weight",
    )

    def __init__(self) -> None:
        self.is_paused = False
        self.shutdown: float | None = 5.0
        self.exit_requested: str | None = None
        self.failure: BaseException | None = None
        self.on_exit: Callable[[Exit], None] | None = None
        self.awaited: list[Request] | None = None
        self.predecessor: Cell | None = None
        self.successor: Cell | None = None
        self.waiting_room: deque[Waiter] | None = None
        self.idle_events: list[anyio.Event] | None = None
        self.watchers: list[Callable[[Down], None]] | None = None
        self.tally: Tally | None = None
        self.weight = 1.0
        self.used = 0.0
        self.recently_used = 0.0
        self.charged_at = 0.0
        self.start_turn: anyio.Event | None = None
        self.is_suspect = False
        self.holds_loop = False


_COMMON = Rare()


@final
class Cell:
    """Mailbox and state of one actor. The module lists the invariants."""

    __slots__ = (
        "actor",
        "context",
        "exchange",
        "full_at",
        "guest",
        "handled",
        "incarnation",
        "is_async",
        "is_ready",
        "is_scheduled",
        "name",
        "phase",
        "queue",
        "queued_bytes",
        "rare",
        "receive",
        "share",
        "signal_bytes",
        "signals",
        "spec",
        "spent",
        "work",
    )

    def __init__(
        self, exchange: Exchange, name: str, spec: MailboxSpec, plain_actor: object = None
    ) -> None:
        """Make a cell that waits for an incarnation; one with a plain `receive` is in at once."""
        self.exchange = exchange
        self.name = name
        self.spec = spec
        # The length of the queue from which a sender has to ask for room. Where bytes count it
        # is always asked.
        if spec.looks_at_payloads:
            self.full_at = 0
            self.queued_bytes: int | None = 0
        else:
            self.full_at = spec.capacity
            self.queued_bytes = None
        self.queue: deque[QueuedMessage] | None = None
        self.signals: deque[Message] | None = None
        self.rare = _COMMON
        self.signal_bytes = 0
        self.spent = 0.0  # seconds of processor time that are not yet charged
        self.share: Share | None = None  # of a guest that uses much of it
        self.is_scheduled = False
        self.is_async = False
        self.handled = 0
        self.actor = plain_actor
        self.guest: Guest | None = None
        self.context: object = None
        self.receive: Callable[[Message, Any], object] | None = None
        self.work: Work | None = None
        if plain_actor is None:
            self.phase = _STARTING
            self.is_ready = False
            self.incarnation = 0
        else:
            self.phase = _RUNNING
            self.is_ready = True
            self.incarnation = 1

    def own_rare(self) -> Rare:
        """Return the cell's own `Rare`, to be written."""
        if self.rare is _COMMON:
            self.rare = Rare()
        return self.rare

    def charge(self, seconds: float) -> None:
        """Charge the actor for processor time."""
        self.spent = spent = self.spent + seconds
        if spent > LIGHT or self.share is not None:
            self.spent = 0.0
            self.own_rare().used += spent
            self.exchange.shares.charge(self, spent)

    # -- phases ------------------------------------------------------------------------------

    def enter(self, actor: object, guest: Guest | None, *, is_async: bool) -> None:
        """Move a new incarnation in. It is starting."""
        self.actor = actor
        self.guest = guest
        self.is_async = is_async
        self.receive = self.context = None
        if self.rare.exit_requested is not None:
            self.rare.exit_requested = None
        self.incarnation += 1
        self.phase = _STARTING

    def run_first(self) -> None:
        """Run the first incarnation, which has no `start`. Nothing can be waiting for it."""
        self.phase = _RUNNING
        self.is_ready = not self.rare.is_paused

    def run(self) -> None:
        """Run an incarnation that has started: it takes messages."""
        self.phase = _RUNNING
        self.update_ready()
        if self.rare.idle_events is not None:
            self.notify_idle()

    def expect(self) -> None:
        """Expect an incarnation: the actor gets its place, for the first time or again."""
        self.phase = _STARTING

    def begin_stop(self) -> None:
        """Take no more messages: the incarnation is going to be ended."""
        self.phase = _STOPPING
        self.is_ready = False

    def await_restart(self) -> None:
        """Wait for the supervisor to decide: the incarnation has ended."""
        if self.rare.exit_requested is not None:
            self.rare.exit_requested = None
        self.phase = _RESTARTING
        self.is_ready = False

    def end(self, exit_: Exit) -> None:
        """End the actor for good."""
        self.phase = _STOPPED
        self.is_ready = False
        rare = self.own_rare()
        rare.exit_requested = exit_.reason
        rare.failure = exit_.cause
        if rare.tally is not None:
            self.exchange.receipts.end(rare.tally)

    def vacate(self) -> object:
        """Move the incarnation out, and return it."""
        actor, self.actor = self.actor, None
        self.receive = None
        self.guest = None
        self.is_ready = False
        return actor

    # -- readiness ---------------------------------------------------------------------------

    def take_in_hand(self, work: Work) -> None:
        """Take no other message: one is being handled beyond the turn."""
        self.work = work
        self.is_ready = False

    def release(self) -> None:
        """Take messages again, within the actor's own turn: the one in hand is done."""
        rare = self.rare
        self.is_ready = self.phase is _RUNNING and not rare.is_paused and rare.predecessor is None

    def pause(self) -> None:
        """Deliver nothing from now on."""
        self.own_rare().is_paused = True
        self.update_ready()

    def resume(self) -> None:
        """Deliver messages again."""
        if self.rare.is_paused:
            self.rare.is_paused = False
            self.update_ready()

    def follow(self, predecessor: Cell | None) -> None:
        """Deliver nothing, paused or not, until there is no predecessor any more."""
        if self.rare.predecessor is not predecessor:
            self.own_rare().predecessor = predecessor
        self.update_ready()

    def update_ready(self, *, is_served: bool = False) -> None:
        """Recompute `is_ready`; an actor that becomes ready and has messages is scheduled.

        A batch that ended with a crash or a pause may have left an empty queue behind. A sender
        takes a queue for one that is being worked on, so it must not stay.

        Args:
            is_served: Whether a task goes on with what waits, so that it need not be scheduled.
        """
        if self.queue is not None and not self.queue:
            self.release_queue()
        rare = self.rare
        self.is_ready = (
            self.phase is _RUNNING
            and not rare.is_paused
            and rare.predecessor is None
            and self.work is None
            and rare.exit_requested is None
        )
        if (
            self.is_ready
            and not self.is_scheduled
            and not is_served
            and (self.queue or self.signals)
        ):
            self.exchange.schedule(self)

    # -- the queue and the hands -------------------------------------------------------------

    def begin_queue(self) -> deque[QueuedMessage]:
        """Give the actor a queue; one that is ready goes on the run queue."""
        exchange = self.exchange
        spare = exchange.spare_queues
        queue = self.queue = spare.pop() if spare else deque()
        if self.is_ready and not self.is_scheduled:
            exchange.schedule(self)
        else:
            exchange.read_clock()
        return queue

    def release_queue(self) -> None:
        """Give an empty queue back, and tell the tasks that wait for that."""
        queue = self.queue
        if queue is not None and not queue:
            self.queue = None
            if self.queued_bytes is not None:
                self.queued_bytes = 0  # a `bytearray` may have changed while it waited
            spare = self.exchange.spare_queues
            if len(spare) < _MOST_SPARE_QUEUES:
                spare.append(queue)
        if self.rare.idle_events is not None:
            self.notify_idle()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is being handled."""
        return not (self.queue or self.signals or self.work is not None or self.rare.waiting_room)

    def notify_idle(self) -> None:
        """Wake the tasks that wait for an empty mailbox or for free hands."""
        events = self.rare.idle_events
        if events is not None:
            self.rare.idle_events = None
            for event in events:
                event.set()

    def next_idle(self) -> anyio.Event:
        """Return an event that `notify_idle` sets."""
        rare, event = self.own_rare(), anyio.Event()
        if rare.idle_events is None:
            rare.idle_events = []
        rare.idle_events.append(event)
        return event

    def find_handler(self) -> Callable[[Message, Any], object]:
        """Return what to call with a message, and make the context, at the first message.

        Not at the start: many a spawned actor never gets a message.
        """
        if self.context is None:
            self.context = self.exchange.make_context(self, self.incarnation)
        receive = getattr(self.actor, "receive", self.actor)
        self.receive = found = cast("Callable[[Message, Any], object]", receive)
        return found

    # -- others ------------------------------------------------------------------------------

    def add_watcher(self, watcher: Callable[[Down], None]) -> Callable[[], None]:
        """Call a watcher when the actor ends for good. Return a function that forgets it."""
        rare = self.own_rare()
        if rare.watchers is None:
            rare.watchers = []
        watchers = rare.watchers
        watchers.append(watcher)

        def forget() -> None:
            if watcher in watchers:
                watchers.remove(watcher)

        return forget

    def begin_wait(self, request: Request) -> None:
        """Note a question that this actor cannot go on without."""
        rare = self.own_rare()
        if rare.awaited is None:
            rare.awaited = []
        rare.awaited.append(request)

    def end_wait(self, request: Request) -> None:
        """Note that the question has ended."""
        if self.rare.awaited is not None:
            self.rare.awaited.remove(request)

    def waits_for(self) -> list[Party]:
        """Return the actors that this one cannot go on without."""
        waiting = [one.target for one in self.rare.awaited or () if one.target is not None]
        if self.rare.predecessor is not None:
            waiting.append(self.rare.predecessor)
        return waiting

    # -- receipts ----------------------------------------------------------------------------

    def measure(self) -> None:
        """Begin, or end, to add up the messages of the actor, as the readers ask for."""
        if self.actor is None:
            return  # the next incarnation asks
        rare, receipts, is_guest = self.rare, self.exchange.receipts, self.guest is not None
        tally = receipts.begin(self.name, is_guest=is_guest)
        was_measured = rare.tally is not None
        if rare.tally is not None and tally is None:
            receipts.end(rare.tally)
        if tally is not rare.tally:
            self.own_rare().tally = tally
        if is_guest and (tally is not None or was_measured):  # it may be a new incarnation
            measure_guest(self.actor, tally)

    def note_failure(self, work: Work, error: BaseException | None) -> None:
        """Make the receipt of a message whose handling did not end well; None for a kill."""
        tally = self.rare.tally
        if tally is not None:
            self.note_end(tally, work, outcome_of(error), None, error)

    def note_end(
        self,
        tally: Tally,
        work: Work,
        outcome: Outcome,
        result: object,
        error: BaseException | None,
    ) -> None:
        """Make the receipt of a message that was in hand."""
        message = work.message
        if isinstance(message.payload, Inspection):
            if tally.is_traced:
                self.exchange.tracing.end(message, self.name)  # what it noted goes with it
            return
        if tally.is_summed:
            tally.end(message, outcome, result)
            if self.guest is None:
                tally.add_time(work.seconds)
        trace = self.exchange.tracing.end(message, self.name) if tally.is_traced else None
        if tally.is_watched or trace is not None:
            self._hand_out_receipt(tally, work, outcome, result, error, trace)

    def note_rejected(self) -> None:
        """Count a message that was not accepted."""
        self.exchange.rejected += 1
        if self.rare.tally is not None:
            self.rare.tally.count(Outcome.REJECTED)

    def _hand_out_receipt(
        self,
        tally: Tally,
        work: Work,
        outcome: Outcome,
        result: object,
        error: BaseException | None,
        trace: Trace | None,
    ) -> None:
        message = work.message
        version = attribute_of(self.actor, "version")
        correlation = attribute_of(message.payload, "request_id")
        account = attribute_of(getattr(work, "call", None), "use")
        receipt = Receipt(
            message_id=message.id,
            sender=message.sender,
            receiver=self.name,
            incarnation=self.incarnation,
            version=version if isinstance(version, str) else "",
            topic=message.topic,
            correlation=correlation if isinstance(correlation, int) else None,
            outcome=outcome,
            error="" if error is None else type_name(error),
            sent_at=message.sent_at,
            queue_seconds=tally.queued,
            run_seconds=work.seconds,
            bytes_in=payload_bytes(message.payload),
            bytes_out=payload_bytes(result),
            # No cast: this is on the way of each message that has a reader of receipts.
            use=account() if callable(account) else None,  # pyright: ignore[reportArgumentType]
            trace=trace,
        )
        if message.request is not None and message.request.wants_receipt:
            message.request.receipt = receipt
        self.exchange.receipts.hand_out(receipt)

    # -- records -----------------------------------------------------------------------------

    def give_up_message(
        self, message: Message, reason: DeathReason, cause: BaseException | None = None
    ) -> None:
        """Move a message to the dead letters, unless its sender keeps it."""
        if message.request is not None and message.request.is_kept:
            self.exchange.rejected += 1
            return
        tally = self.rare.tally
        if tally is not None and reason in _NEVER_IN_HAND:
            tally.count(_NEVER_IN_HAND[reason])
        in_hand = reason in (DeathReason.CRASHED, DeathReason.KILLED)
        self.exchange.dead_letters.add(
            message,
            self.name,
            reason,
            self.exchange.now,
            incarnation=self.incarnation if in_hand else 0,
            cause=cause,
        )

    def note_late(self) -> None:
        """Count an answer that came after the asker had given up."""
        self.exchange.late += 1

    def note_expired(self, message: Message) -> None:
        """Count a message whose deadline had passed when its turn came."""
        self.exchange.expired += 1
        tally = self.rare.tally
        if tally is not None:
            tally.count(Outcome.EXPIRED)
            exchange = self.exchange
            trace = exchange.tracing.end(message, self.name) if tally.is_traced else None
            if tally.is_watched or trace is not None:
                exchange.receipts.note_expired(message, self.name, exchange.now, trace)

    def note_error(self, error: BaseException) -> None:
        """Count an error that has no caller to go to."""
        self.exchange.events.note_error(error)


def measure_guest(actor: object, tally: Tally | None) -> None:
    """Tell an incarnation of a component where to add up what its calls cost, if it can."""
    measure = attribute_of(actor, "measure_use")
    if callable(measure):
        measure(None if tally is None else tally.usage)
