"""The dispatcher: takes actors off a run queue and gives each a turn.

One task for all actors. A turn ends after a batch of messages or a slice of time, whichever comes
first, so that neither many cheap messages nor few expensive ones of one actor hold up the others;
what is left goes to the back of the queue. After a few milliseconds of turns the event loop gets
its own.

Three ways of handling, by what the actor is:

- a plain method runs here, inline: a message costs a call;
- an `async` method runs in a task, one for as long as the actor has messages, not one for each;
- a guest's call is polled for one slice at a time. While it waits in a host function it is nowhere
  but with the host operation, which wakes it; when it computes for several slices, a worker
  thread goes on with it.

Time is read from two clocks. Slices are real time (`monotonic`): a simulated clock stands still
while code runs. Ages and deadlines are the loop's time, read once per round and when the
dispatcher wakes: reading it through anyio for each message would double what a message costs.

Rejected: a task per actor (a kilobyte and 20 µs each, and fairness is the loop's business then),
running async handlers' first step inline (cancel scopes would be entered in the wrong task).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic, thread_time
from types import NoneType
from typing import TYPE_CHECKING, Protocol, cast

from airswasm.runtime import CallState

from .._boundary import raise_interrupt, start_task
from .._foreign import attribute_of
from .._messages.bounds import payload_bytes, signal_bytes
from .._messages.dead_letters import DeathReason
from .._messages.message import Message, new_message
from .._messages.receipt import Outcome
from .._messages.tracing import MARKS
from ..errors import AskTimeout, GuestRefused, MessageTooLarge, UnfitPayload
from .cell import Cell, Exchange
from .mailbox import admit_waiting, note_taken
from .serving import PolledWork, TaskWork, end_at_once, poll_in_thread, serve, serve_in_task
from .shares import LIGHT, START_SECONDS
from .threads import ThreadTurns, processors

if TYPE_CHECKING:
    from airswasm.runtime import Timers
    from anyio.abc import TaskGroup

    from .._messages.dead_letters import DeadLetters
    from .._messages.events import EventStream
    from .._messages.receipts import Tally
    from .cell import Guest, GuestCall, Work

__all__ = ("Dispatcher", "DispatcherConfig", "Endings", "is_compiled")

_PLAIN = frozenset((NoneType, bool, int, float, str, bytes, tuple, list, dict))
"""Common results of handlers; the check that such a value is not awaitable costs 0.2 µs."""
_DONE = CallState.DONE  # an enum's attribute is a slow look-up
_HOLD = 0.02
"""Seconds of a turn of a guest that are too long for the event loop, on any machine."""


@dataclass(frozen=True, slots=True)
class DispatcherConfig:
    """The length of turns. The defaults suit handlers of microseconds to milliseconds.

    Attributes:
        batch: Messages that one actor handles in one turn, at most.
        slice: Seconds after which a turn ends with the message in hand.
        busy_slice: The same for guests that use much processor time, where several do: the event
            loop gets its turn after it.
        round: Seconds after which the event loop gets its turn.
        slices_inline: Slices that a guest's call runs on the loop before it moves to a thread.
        threads: Guests that may compute on threads at once; no more than there are processors.
    """

    batch: int = 64
    slice: float = 0.001
    busy_slice: float = 0.00025
    round: float = 0.005
    slices_inline: int = 3
    threads: int = 8


class Endings(Protocol):
    """The part of the life cycle that the dispatcher reports to: how an incarnation ends."""

    def crash(self, cell: Cell, message: Message, error: BaseException | None) -> None:
        """End an incarnation whose handler raised, or was cancelled from outside."""
        ...

    def replace(self, cell: Cell, message: Message, error: MessageTooLarge) -> None:
        """End an incarnation that had no room for a message, which is the sender's fault."""
        ...

    def leave_as_requested(self, cell: Cell) -> None:
        """End an incarnation whose handler asked for that, and has returned."""
        ...


def is_compiled() -> bool:
    """Return whether messages take the compiled way (a platform's wheel) or the interpreted one.

    Both are the same source and behave alike; only the time differs.
    """
    return not __file__.endswith((".py", ".pyc"))


class CallWork:
    """A message that a guest has in hand: its call, parked or in turn."""

    __slots__ = ("call", "cell", "is_in_thread", "is_traced", "is_waiting", "message", "slices")

    def __init__(self, cell: Cell, message: Message) -> None:
        self.cell = cell
        self.is_traced = False
        self.message = message
        self.call: GuestCall | None = None
        self.slices = 0
        self.is_waiting = False
        self.is_in_thread = False

    @property
    def seconds(self) -> float:
        """The seconds that the call took; 0.0 for a message that it could not take."""
        return 0.0 if self.call is None else self.call.seconds

    def wake(self, _call: GuestCall) -> None:
        """Put the actor back on the run queue: the host operation is complete."""
        self.is_waiting = False
        self.slices = 0
        cell = self.cell
        if cell.work is self and not cell.is_scheduled and not self.is_in_thread:
            cell.exchange.schedule(cell)

    def cancel(self) -> None:
        """End the call where it is."""
        if self.call is not None:
            self.call.cancel()

    def wait_ended(self) -> Awaitable[None]:
        """Return at once: a cancelled call is over, and its store dropped."""
        return end_at_once()


class PlainWork:
    """A message that a plain handler has in hand, while the actor is measured."""

    __slots__ = ("began", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.began = monotonic()

    @property
    def seconds(self) -> float:
        """The seconds since its beginning."""
        return monotonic() - self.began

    def cancel(self) -> None:
        """Do nothing: a plain handler runs to its end."""

    def wait_ended(self) -> Awaitable[None]:
        """Return at once: a plain handler has ended before others run."""
        return end_at_once()


class Dispatcher(Exchange):
    """Turns: takes actors off the run queue and has them handle messages.

    Attributes:
        config: The length of turns.
        endings: Where crashes and wishes to leave are reported.
        threads: Turns on worker threads.
        yield_at: When a task that asks inline has to let the loop go on (`monotonic`).
        rounds: How often actors were given turns; a watchdog sees by it that they still are.
    """

    __slots__ = (
        "_group",
        "_in_hand",
        "_is_read",
        "_round_ends",
        "_running",
        "_turning",
        "config",
        "endings",
        "rounds",
        "threads",
        "yield_at",
    )

    def __init__(
        self,
        config: DispatcherConfig,
        clock: Callable[[], float],
        timers: Timers,
        dead_letters: DeadLetters,
        events: EventStream,
    ) -> None:
        super().__init__(clock, timers, dead_letters, events)
        self.config = config
        self.endings: Endings
        self.threads = ThreadTurns(min(config.threads, processors()))
        self.yield_at = 0.0
        self.rounds = 0
        self._round_ends = 0.0
        self._group: TaskGroup | None = None
        self._running: Cell | None = None
        self._in_hand: Message | None = None  # of the one that runs
        self._turning: Cell | None = None
        self._is_read = False  # whether the account of the message in hand may be wanted

    @property
    def slice(self) -> float:
        """The seconds after which a turn ends."""
        return self.config.slice

    # -- questions that are handled at once --------------------------------------------------

    def is_running(self, cell: Cell) -> bool:
        """Return whether the cell's plain handler is being run right now."""
        return self._running is cell

    def message_of(self, cell: Cell) -> Message | None:
        """Return the message that an actor handles right now; None between two messages."""
        if self._running is cell:
            return self._in_hand
        return None if cell.work is None else cell.work.message

    def can_hand_over(self, cell: Cell) -> bool:
        """Return whether a question to an idle actor may be handled here and now."""
        return (
            cell.is_ready
            and not cell.is_scheduled
            and not cell.is_async
            and (cell.share is None or self.shares.is_next(cell.share))
            and not cell.rare.is_suspect
            and self._running is None
            and self._turning is None
        )

    def hand_over(self, cell: Cell, message: Message) -> None:
        """Handle one message of an idle actor inline; of a guest, its first slice."""
        if cell.guest is not None:
            self._turning = cell
            self._is_read = True
            began = monotonic()
            try:
                self._begin_call(cell, cell.guest, message)
            finally:
                self._turning = None
                # `cell.charge`, without the call for each question
                turn = monotonic() - began
                cell.spent = spent = cell.spent + turn
                if spent > LIGHT or cell.share is not None:
                    cell.charge(0.0)
                    if turn > _HOLD:
                        _note_hold(cell, 0.0)
            if cell.work is None:
                cell.update_ready()
            return
        self._running = cell
        tally = cell.rare.tally
        try:
            if tally is None:
                self._handle(cell, message)
            else:
                self._handle_measured(cell, message, tally)
        finally:
            self._running = self._in_hand = None
        if cell.queue is not None or cell.signals:
            cell.release_queue()
        self._after_turn(cell)

    # -- turns -------------------------------------------------------------------------------

    def open(self, group: TaskGroup) -> None:
        """Serve the run queue from now on, in a task of `group`."""
        self._group = group
        start_task(group, serve, self)

    @property
    def has_work(self) -> bool:
        """Whether an actor waits for its turn."""
        return bool(self.run_queue or self.shares.waiting)

    def begin_round(self) -> None:
        """Give turns until the event loop has to have its own."""
        self.rounds += 1
        self.now = self.clock()
        run_queue = self.run_queue
        self._round_ends = monotonic() + self.config.round
        while run_queue:
            cell = run_queue.popleft()
            cell.is_scheduled = False
            self._turn(cell)
            if monotonic() > self._round_ends:
                break
        if self.shares.waiting:
            self._begin_busy_turns()
        self.yield_at = monotonic() + self.config.slice  # the loop has its turn now

    def _begin_busy_turns(self) -> None:
        """Give turns to guests that use much, for a slice; a longer turn is made up for later."""
        shares = self.shares
        began = now = monotonic()
        shares.credit = min(0.0, shares.credit) + self._busy_slice(len(shares.waiting) > 1)
        self._round_ends = began + shares.credit
        while shares.waiting and now < self._round_ends:
            cell = shares.pop()
            cell.is_scheduled = False
            if cell.rare.start_turn is not None:
                # The start itself has its turn with the tasks of the event loop.
                shares.credit -= START_SECONDS
                self._round_ends -= START_SECONDS
            self._turn(cell)
            now = monotonic()
            if self.run_queue:
                break
        shares.credit -= now - began

    def _busy_slice(self, has_others: bool) -> float:
        """Return the seconds of a turn of a guest that uses much."""
        return self.config.busy_slice if has_others else self.config.slice

    def _turn(self, cell: Cell) -> None:
        work = cell.work
        if work is not None:
            if isinstance(work, CallWork) and not work.is_waiting and not work.is_in_thread:
                self._poll(cell, work, cast("GuestCall", work.call))
        elif not cell.is_ready:
            if cell.rare.start_turn is not None:
                cell.rare.start_turn.set()
        elif cell.guest is not None:
            self._turning = cell
            try:
                self._run_guest(cell, cell.guest)
            finally:
                self._turning = None
        elif cell.is_async:
            self._begin_task(cell)
        else:
            self._run_batch(cell)

    def take(self, cell: Cell) -> Message | None:
        """Return the next message of an actor, system messages first; None when none waits."""
        if cell.signals:
            message = cell.signals.popleft()
            if not cell.signals:
                cell.signals = None
            if cell.signal_bytes:
                cell.signal_bytes -= signal_bytes(message[0])
                if cell.rare.waiting_room is not None:
                    admit_waiting(cell)
            return message
        queue = cell.queue
        while queue:
            message = new_message(Message, queue.popleft())
            if cell.rare.waiting_room is not None:
                note_taken(cell, message)
            elif cell.queued_bytes is not None:
                cell.queued_bytes -= payload_bytes(message[0])
            request, envelope = message[5], message[6]
            if (
                (request is None or not request.is_done)
                and (envelope is None or envelope[2] is None)
            ) or not self._has_expired(cell, message):
                return message
        return None

    def _has_expired(self, cell: Cell, message: Message) -> bool:
        """Whether a message is worthless: its deadline has passed, or its asker waited in vain."""
        request, envelope = message.request, message.envelope
        if request is not None and request.is_done:
            has_expired = isinstance(request.error, AskTimeout)
        elif envelope is None or envelope.deadline is None:
            has_expired = False
        else:
            self.read_clock()  # an async handler may have waited long since the last round
            has_expired = envelope.deadline <= self.now + self.wall_offset
            if has_expired and request is not None:
                request.fail(AskTimeout(cell.name, request.seconds or 0.0, is_inherited=True))
        if has_expired:
            self._is_read = True  # one more of the batch than those that `_look_ahead` has seen
            cell.note_expired(message)
        return has_expired

    def _after_turn(self, cell: Cell) -> None:
        """End the actor if the handler asked for that while it ran."""
        if cell.rare.exit_requested is not None and cell.work is None:
            self.endings.leave_as_requested(cell)

    # -- plain handlers ----------------------------------------------------------------------

    def _run_batch(self, cell: Cell) -> None:
        self._running = cell
        clock = monotonic
        end = clock() + self.config.slice
        left = self.config.batch
        tally = cell.rare.tally
        marks = self.tracing.marks
        self._is_read, unseen = self._look_ahead(cell, tally)
        try:
            while cell.is_ready:
                message = self.take(cell)
                if message is None:
                    cell.release_queue()
                    break
                if left == unseen:
                    self._is_read = True
                if tally is None or not (
                    message[6] is not None
                    or (self._is_read and (tally.is_watched or marks[message[3] & MARKS]))
                ):
                    self._handle(cell, message)
                else:
                    self._handle_measured(cell, message, tally)
                left -= 1
                if left == 0 or clock() > end:
                    break
        finally:
            self._running = self._in_hand = None
        if cell.is_ready and not cell.is_scheduled:
            if cell.queue or cell.signals:
                cell.is_scheduled = True
                self.run_queue.append(cell)
            else:
                cell.release_queue()
        self._after_turn(cell)

    def _look_ahead(self, cell: Cell, tally: Tally | None) -> tuple[bool, int]:
        """Look once a turn for messages whose account is wanted, and not at each of them.

        Returns:
            Whether there may be one among those that wait and have no envelope; and the number of
            messages that are left of the batch when one comes that did not wait yet.
        """
        batch = self.config.batch
        if tally is None:
            return False, -1
        if tally.is_watched or cell.signals:
            return True, -1
        queue = cell.queue
        if not tally.is_traced or not queue:
            return False, batch
        return self.tracing.has_marked(queue[0][3], self.sent), batch - len(queue)

    def _handle(self, cell: Cell, message: Message) -> None:
        self._in_hand = message
        request = message.request
        try:
            receive = cell.receive or cell.find_handler()
            result = receive(message, cell.context)
            kind = type(result)
            # A metaclass may raise here, like the handler itself.
            is_awaited = kind not in _PLAIN and hasattr(kind, "__await__")
        except BaseException as error:
            self._crash(cell, message, error)
            return
        if is_awaited:
            self._finish_in_task(cell, message, cast("Awaitable[object]", result))
            return
        cell.handled += 1
        self.handled += 1
        if request is not None:
            request.resolve(result)

    def _handle_measured(self, cell: Cell, message: Message, tally: Tally) -> None:
        """Handle a message as `_handle` does, and make its receipt."""
        if not (tally.is_summed or self.tracing.is_sampled(message)):
            self._handle(cell, message)
            return
        self._in_hand = message
        tally.begin(message, self.now)
        work = PlainWork(message)
        request = message.request
        try:
            receive = cell.receive or cell.find_handler()
            result = receive(message, cell.context)
            kind = type(result)
            is_awaited = kind not in _PLAIN and hasattr(kind, "__await__")
        except BaseException as error:
            cell.note_failure(work, error)
            self._crash(cell, message, error)
            return
        if is_awaited:
            task = TaskWork(message)
            task.began = work.began
            cell.take_in_hand(task)
            self._start_task(cell, task, cast("Awaitable[object]", result))
            return
        cell.handled += 1
        self.handled += 1
        self._note_reply(cell, tally, work, result, None)
        if request is not None:
            request.resolve(result)

    def _note_reply(
        self, cell: Cell, tally: Tally, work: Work, result: object, refusal: GuestRefused | None
    ) -> None:
        """Make the receipt of a message whose handler has returned."""
        request = work.message.request
        if refusal is not None:
            outcome = Outcome.REFUSED
        elif request is None:
            outcome, result = Outcome.HANDLED, None
        else:
            outcome = Outcome.LATE if request.is_done else Outcome.REPLIED
        cell.note_end(tally, work, outcome, result, refusal)

    def _crash(self, cell: Cell, message: Message, error: BaseException) -> None:
        """Crash an actor over a message; an interrupt is the program's, too."""
        self.endings.crash(cell, message, error)
        raise_interrupt(error)

    # -- async handlers ----------------------------------------------------------------------

    def _finish_in_task(self, cell: Cell, message: Message, rest: Awaitable[object]) -> None:
        work = self.begin_work(cell, message)
        self._start_task(cell, work, rest)

    def _begin_task(self, cell: Cell) -> None:
        message = self.take(cell)
        if message is None:
            cell.release_queue()
            return
        self._start_task(cell, self.begin_work(cell, message), None)

    def begin_work(self, cell: Cell, message: Message) -> TaskWork:
        """Give a message to an async handler, and no other meanwhile."""
        work = TaskWork(message)
        if cell.rare.tally is not None:
            cell.rare.tally.begin(message, self.now)
        cell.take_in_hand(work)
        return work

    def fail_work(self, cell: Cell, work: TaskWork, error: BaseException | None) -> None:
        """End an actor whose async handler has raised, or was cancelled.

        The message of a handler that was killed has been given up by the one who killed it.
        """
        if cell.work is work:
            cell.work = None
            cell.note_failure(work, error)
            self.endings.crash(cell, work.message, error)

    def end_work(self, cell: Cell, work: TaskWork, result: object) -> bool:
        """Answer with what an async handler returned. Return False when it was killed before."""
        if cell.work is not work:
            return False
        cell.work = None
        cell.handled += 1
        self.handled += 1
        if cell.rare.tally is not None:
            self._note_reply(cell, cell.rare.tally, work, result, None)
        if work.message.request is not None:
            work.message.request.resolve(result)
        self._after_work(cell)
        return True

    def _after_work(self, cell: Cell) -> None:
        if cell.rare.idle_events is not None:
            cell.notify_idle()
        cell.update_ready(is_served=True)
        if cell.rare.exit_requested is not None:
            self.endings.leave_as_requested(cell)

    def _start_task(self, cell: Cell, work: TaskWork, rest: Awaitable[object] | None) -> None:
        assert self._group is not None
        start_task(self._group, serve_in_task, self, cell, work, rest)

    # -- guests ------------------------------------------------------------------------------

    def _run_guest(self, cell: Cell, guest: Guest) -> None:
        """Handle a batch of messages, as long as each call is done within its slice."""
        worked = thread_time() if cell.rare.is_suspect else 0.0
        began = now = monotonic()
        end = began + self._busy_slice(cell.share is not None and bool(self.shares.waiting))
        left = self.config.batch
        self._is_read, unseen = self._look_ahead(cell, cell.rare.tally)
        while cell.is_ready:
            message = self.take(cell)
            if message is None:
                cell.release_queue()
                break
            if left == unseen:
                self._is_read = True
            now = self._begin_call(cell, guest, message) or monotonic()
            left -= 1
            if left == 0 or now > end:
                break
        cell.charge(now - began)
        if now - began > _HOLD:
            _note_hold(cell, worked)
        if cell.is_ready and not cell.is_scheduled:
            if cell.queue or cell.signals:
                self.schedule(cell)
            else:
                cell.release_queue()

    def _begin_call(self, cell: Cell, guest: Guest, message: Message) -> float:
        """Run the first slice of a message. Return when it ended, if that is known; else 0.0."""
        work = CallWork(cell, message)
        cell.take_in_hand(work)
        tally = cell.rare.tally
        if tally is not None:  # as `tally.begin`, without a call
            queued = self.now - message[4]
            if queued != tally.queued:
                tally.queue_otherwise(queued)
        try:
            work.call = call = guest.begin(message, cell.context, work.wake)
            if tally is not None and (
                message[6] is not None
                or (self._is_read and (tally.is_watched or self.tracing.marks[message[3] & MARKS]))
            ):
                self._itemize(tally, work, call)
            work.is_waiting = True
            state = CallState.READY if cell.rare.holds_loop else call.poll()
        except (UnfitPayload, MessageTooLarge) as error:
            cell.work = None
            cell.note_failure(work, error)
            cell.give_up_message(message, DeathReason.UNDELIVERED, error)
            if message.request is not None:
                message.request.fail(error)
            self._after_call(cell)
        except BaseException as error:
            self.fail_call(cell, work, error)
        else:
            if state is _DONE and cell.work is work:  # as most are
                self.end_call(cell, work, call)
                if tally is not None:
                    return call.ended_at
            else:
                self._go_on(cell, work, call, state)
        return 0.0

    def _itemize(self, tally: Tally, work: CallWork, call: GuestCall) -> None:
        """Have the account of a call kept where its receipt will be made."""
        if tally.is_traced and self.tracing.is_sampled(work.message):
            work.is_traced = True
            itemize(call, in_order=True)
        elif tally.is_watched:
            itemize(call, in_order=False)

    def _poll(self, cell: Cell, work: CallWork, call: GuestCall) -> None:
        """Run one slice of a call."""
        work.is_waiting = True  # before the poll: the wake may come within it
        if cell.rare.holds_loop:
            self._go_on(cell, work, call, CallState.READY)
            return
        worked = thread_time() if cell.rare.is_suspect else 0.0
        began = monotonic()
        try:
            state = call.poll()
        except BaseException as error:
            cell.charge(monotonic() - began)
            self.fail_call(cell, work, error)
        else:
            spent = monotonic() - began
            cell.charge(spent)
            if spent > _HOLD:
                _note_hold(cell, worked)
            self._go_on(cell, work, call, state)

    def fail_call(self, cell: Cell, work: Work, error: BaseException) -> None:
        """Crash a guest whose call could not be begun or polled, unless it was killed before."""
        if cell.work is work:
            cell.work = None
            cell.note_failure(work, error)
            self._crash(cell, work.message, error)

    def _go_on(self, cell: Cell, work: CallWork, call: GuestCall, state: CallState) -> None:
        """End a call, leave it waiting, or run it once more: inline at first, then in a thread.

        After host functions have worked for a guest for a slice, the loop gets its turn: they
        are not stopped in the middle, and a thread would not take them off the loop.
        """
        if cell.work is not work:
            return
        if state is _DONE:
            self.end_call(cell, work, call)
        elif state is CallState.READY:
            work.is_waiting = False
            work.slices += 1
            is_short = work.slices < self.config.slices_inline and cell.share is None
            if is_short and not cell.rare.holds_loop:
                self.schedule(cell)
            else:
                work.is_in_thread = True
                assert self._group is not None
                start_task(self._group, poll_in_thread, self, cell, work)
        elif state is CallState.SERVED:
            work.is_waiting = False
            self._round_ends = 0.0
            self.schedule(cell)
        elif not work.is_waiting and not cell.is_scheduled:
            self.schedule(cell)

    def end_call(self, cell: Cell, work: PolledWork, call: GuestCall) -> None:
        """Answer with the reply of a guest's call that is done."""
        cell.work = None
        message = work.message
        request = message.request
        refusal: GuestRefused | None = None
        result: object = None
        try:
            result = cell.guest.complete(call)  # type: ignore[union-attr]  # it has begun the call
        except GuestRefused as refused:
            refusal = refused
        except MessageTooLarge as error:
            cell.note_failure(work, error)
            self.endings.replace(cell, message, error)
            return
        except BaseException as error:
            cell.note_failure(work, error)
            self._crash(cell, message, error)
            return
        cell.handled += 1
        self.handled += 1
        rare = cell.rare
        tally = rare.tally
        if tally is not None:
            payload = message[0]
            if (
                type(payload) is not bytes
                or refusal is not None
                or tally.is_watched
                or work.is_traced
            ):
                self._note_reply(cell, tally, work, result, refusal)
            elif request is None:  # as most are
                tally.handled += 1
                tally.bytes_in += len(payload)
            elif request.is_done:
                self._note_reply(cell, tally, work, result, None)
            else:
                tally.replied += 1
                tally.bytes_in += len(payload)
                if type(result) is bytes:
                    tally.bytes_out += len(result)
        if request is not None:
            if refusal is None:
                request.resolve(result)
            else:
                request.fail(refusal)
        if self._turning is cell and rare.exit_requested is None and rare.idle_events is None:
            cell.release()
        else:
            self._after_call(cell)

    def _after_call(self, cell: Cell) -> None:
        """Make the actor ready again, without a detour over the run queue in its own turn."""
        if cell.rare.idle_events is not None:
            cell.notify_idle()
        if cell.rare.exit_requested is not None:
            self.endings.leave_as_requested(cell)
        elif self._turning is cell:
            cell.release()
        else:
            cell.update_ready()


def _note_hold(cell: Cell, worked: float) -> None:
    """Suspect a guest whose turn was too long, and convict it if it is one already.

    On a busy machine a turn may be long because other processes had theirs, so a suspect's next
    turns are measured by the time that this thread worked. It has them from the run queue only.

    Args:
        cell: The guest's.
        worked: The processor seconds of this thread as the turn of a suspect began.
    """
    rare = cell.own_rare()
    if rare.is_suspect and thread_time() - worked > _HOLD:
        rare.holds_loop = True
    rare.is_suspect = True


def itemize(call: GuestCall, *, in_order: bool) -> None:
    """Have a call keep account of each host function, if it can: its receipt is wanted."""
    keep_account = attribute_of(call, "itemize_in_order" if in_order else "itemize")
    if callable(keep_account):
        keep_account()
