"""The dispatcher: takes actors off a run queue and gives each a turn.

One task for all actors. A turn ends after a batch of messages or a slice of time, whichever comes
first, so that neither many cheap messages nor few expensive ones of one actor hold up the others;
what is left goes to the back of the queue. After a few milliseconds of turns the event loop gets
its own.

Three ways of handling, by what the actor is:

- a plain method runs here, inline: a message costs a call;
- an `async` method runs in a task, one for as long as the actor has messages, not one for each;
- a guest's call is polled for one slice at a time. While it waits in a host function it is nowhere
  but in the hands of whoever completes the operation; when it computes for several slices, a
  worker thread goes on with it.

Time is read from two clocks. Slices are real time (`monotonic`): a simulated clock stands still
while code runs. Ages and deadlines are the loop's time, read once per round and when the
dispatcher wakes: reading it through anyio for each message would double what a message costs.

Rejected: a task per actor (a kilobyte and 20 µs each, and fairness is the loop's business then),
running async handlers' first step inline (cancel scopes would be entered in the wrong task).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from types import NoneType
from typing import TYPE_CHECKING, cast

from airswasm.runtime import CallState

from ._serving import TaskWork, be_over, poll_in_thread, serve, serve_in_task
from .actor import Phase
from .dead_letters import DeathReason
from .errors import GuestRefused, UnfitPayload
from .mailbox import payload_bytes
from .message import Message

if TYPE_CHECKING:
    import anyio
    from anyio.abc import TaskGroup

    from ._cell import Cell
    from ._life import LifeCycle
    from .actor import GuestActor, GuestCall
    from .message import Envelope
    from .reference import ActorRef
    from .request import Request

__all__ = ("Dispatcher", "DispatcherConfig", "is_compiled")

new_tuple = tuple.__new__
_PLAIN = frozenset((NoneType, bool, int, float, str, bytes, tuple, list, dict))
"""What handlers mostly return; to find out that such a thing cannot be awaited costs 0.2 µs."""
_DONE = CallState.DONE
_RUNNING = Phase.RUNNING  # an enum's attribute is a slow look-up


@dataclass(frozen=True, slots=True)
class DispatcherConfig:
    """How turns are cut. The defaults suit handlers of microseconds to milliseconds.

    Attributes:
        batch: Messages that one actor handles in one turn, at most.
        slice: Seconds after which a turn ends with the message in hand.
        round: Seconds after which the event loop gets its turn.
        slices_inline: Slices that a guest's call runs on the loop before it moves to a thread.
    """

    batch: int = 64
    slice: float = 0.001
    round: float = 0.005
    slices_inline: int = 3


def is_compiled() -> bool:
    """Whether messages take the compiled way (a platform's wheel) or the interpreted one.

    Both are the same source and behave alike; only the time differs.
    """
    return not __file__.endswith((".py", ".pyc"))


class CallWork:
    """A message that a guest has in hand: its call, parked or in turn."""

    __slots__ = ("call", "cell", "is_in_thread", "is_waiting", "message", "slices")

    def __init__(self, cell: Cell, message: Message) -> None:
        self.cell = cell
        self.message = message
        self.call: GuestCall | None = None
        self.slices = 0
        self.is_waiting = False
        self.is_in_thread = False

    def wake(self, _call: GuestCall) -> None:
        """The host operation is complete: back on the run queue."""
        self.is_waiting = False
        self.slices = 0
        cell = self.cell
        if cell.work is self and not cell.is_scheduled and not self.is_in_thread:
            cell.dispatcher.schedule(cell)

    def cancel(self) -> None:
        """Ends the call where it is."""
        if self.call is not None:
            self.call.cancel()

    def wait_ended(self) -> Awaitable[None]:
        """A cancelled call is over at once: its store is dropped."""
        return be_over()


class Dispatcher:
    """Run queue, turns, and the counters of the books.

    Attributes:
        now: The loop's clock, at most one round old.
        sent: Messages that anybody tried to send; also the last message id.
        handled: Messages whose handling ended without a crash.
        rejected: Messages that were not accepted.
        pool: Empty queues, for actors that get their first message.
        current: The actor whose handler the current task runs.
        wake: Set while the task that serves the run queue sleeps: it wakes it.
        yield_at: When a task that asks inline has to let the loop go on (`monotonic`).
    """

    __slots__ = (
        "_group",
        "_running",
        "_turning",
        "clock",
        "config",
        "current",
        "handled",
        "life",
        "now",
        "pool",
        "rejected",
        "run_queue",
        "sent",
        "wake",
        "yield_at",
    )

    def __init__(self, config: DispatcherConfig, clock: Callable[[], float]) -> None:
        self.config = config
        self.clock = clock
        self.now = 0.0
        self.sent = 0
        self.handled = 0
        self.rejected = 0
        self.pool: list[deque[Envelope]] = []
        self.run_queue: deque[Cell] = deque()
        self.current: ContextVar[ActorRef | None] = ContextVar("current actor", default=None)
        self.yield_at = 0.0
        self.life: LifeCycle
        self._group: TaskGroup | None = None
        self._running: Cell | None = None
        self._turning: Cell | None = None
        self.wake: anyio.Event | None = None

    # -- what senders use --------------------------------------------------------------------

    def message(
        self, payload: object, sender: str, topic: str | None, request: Request | None
    ) -> Message:
        """A new message, counted."""
        self.sent = number = self.sent + 1
        return new_tuple(Message, (payload, sender, topic, number, self.now, request))

    def schedule(self, cell: Cell) -> None:
        """Puts a cell on the run queue; wakes the dispatcher if it sleeps."""
        cell.is_scheduled = True
        self.run_queue.append(cell)
        if self.wake is not None:
            self.now = self.clock()
            self.wake.set()
            self.wake = None

    def is_running(self, cell: Cell) -> bool:
        """Whether the cell's plain handler is being run right now."""
        return self._running is cell

    def can_hand_over(self, cell: Cell) -> bool:
        """Whether a question to an idle actor may be handled here and now."""
        return (
            cell.is_ready
            and not cell.is_scheduled
            and not cell.is_async
            and self._running is None
            and self._turning is None
        )

    def hand_over(self, cell: Cell, message: Message) -> None:
        """Handles one message of an idle actor inline; of a guest, its first slice."""
        if cell.guest is not None:
            self._turning = cell
            try:
                self._begin_call(cell, cell.guest, message)
            finally:
                self._turning = None
            if cell.work is None:
                cell.update_ready()
            return
        self._running = cell
        try:
            self._handle(cell, message)
        finally:
            self._running = None
        if cell.queue is not None or cell.signals:
            cell.settle()
        self._after_turn(cell)

    # -- turns -------------------------------------------------------------------------------

    def open(self, group: TaskGroup) -> None:
        """From now on the run queue is served, in a task of `group`."""
        self._group = group
        group.start_soon(serve, self)

    def begin_round(self) -> None:
        """Gives turns until the event loop has to have its own."""
        self.now = self.clock()
        run_queue = self.run_queue
        end = monotonic() + self.config.round
        while run_queue:
            cell = run_queue.popleft()
            cell.is_scheduled = False
            self._turn(cell)
            if monotonic() > end:
                break

    def _turn(self, cell: Cell) -> None:
        work = cell.work
        if work is not None:
            if isinstance(work, CallWork) and not work.is_waiting and not work.is_in_thread:
                self._poll(cell, work, cast("GuestCall", work.call))
        elif not cell.is_ready:
            return
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
        """The next message of an actor, system messages first; None when none waits."""
        if cell.signals:
            message = cell.signals.popleft()
            if not cell.signals:
                cell.signals = None
            return message
        queue = cell.queue
        if not queue:
            return None
        message = new_tuple(Message, queue.popleft())
        if cell.waiting_room is not None:
            cell.note_taken(message)
        elif cell.queued_bytes is not None:
            cell.queued_bytes -= payload_bytes(message[0])
        return message

    def _after_turn(self, cell: Cell) -> None:
        """What a handler asked for while it ran: its actor's end."""
        if cell.exit_requested is not None and cell.work is None:
            self.life.leave_as_requested(cell)

    # -- plain handlers ----------------------------------------------------------------------

    def _run_batch(self, cell: Cell) -> None:
        self._running = cell
        clock = monotonic
        end = clock() + self.config.slice
        left = self.config.batch
        try:
            while cell.is_ready:
                message = self.take(cell)
                if message is None:
                    cell.settle()
                    break
                self._handle(cell, message)
                left -= 1
                if left == 0 or clock() > end:
                    break
        finally:
            self._running = None
        if cell.is_ready and not cell.is_scheduled:
            if cell.queue or cell.signals:
                cell.is_scheduled = True
                self.run_queue.append(cell)
            else:
                cell.settle()
        self._after_turn(cell)

    def _handle(self, cell: Cell, message: Message) -> None:
        request = message.request
        receive = cell.receive or cell.equip()
        try:
            result = receive(message, cell.context)  # type: ignore[arg-type]
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            self.life.crash(cell, message, error)
            return
        kind = type(result)
        if kind not in _PLAIN and hasattr(kind, "__await__"):
            self._finish_in_task(cell, message, cast("Awaitable[object]", result))
            return
        cell.handled += 1
        self.handled += 1
        if request is not None:
            request.resolve(result)

    # -- async handlers ----------------------------------------------------------------------

    def _finish_in_task(self, cell: Cell, message: Message, rest: Awaitable[object]) -> None:
        work = self.take_in_hand(cell, message)
        self._start_task(cell, work, rest)

    def _begin_task(self, cell: Cell) -> None:
        message = self.take(cell)
        if message is None:
            cell.settle()
            return
        self._start_task(cell, self.take_in_hand(cell, message), None)

    def take_in_hand(self, cell: Cell, message: Message) -> TaskWork:
        """An async handler is going to have a message; its actor gets no other meanwhile."""
        cell.work = work = TaskWork(message)
        cell.is_ready = False
        return work

    def crash_task(self, cell: Cell, work: TaskWork, error: Exception | None) -> None:
        """An async handler has raised, or was cancelled.

        If it was killed, whoever did that has seen to the message.
        """
        if cell.work is work:
            cell.work = None
            self.life.crash(cell, work.message, error)

    def end_task(self, cell: Cell, work: TaskWork, result: object) -> bool:
        """An async handler has returned; False when it was killed before."""
        if cell.work is not work:
            return False
        cell.work = None
        cell.handled += 1
        self.handled += 1
        if work.message.request is not None:
            work.message.request.resolve(result)
        self._after_work(cell)
        return True

    def _after_work(self, cell: Cell) -> None:
        if cell.idle_events is not None:
            cell.tell_idle()
        self._restore_ready(cell)
        if cell.exit_requested is not None:
            self.life.leave_as_requested(cell)

    def _restore_ready(self, cell: Cell) -> None:
        """As `update_ready`, but the same task goes on with what waits."""
        was_scheduled, cell.is_scheduled = cell.is_scheduled, True
        cell.update_ready()
        cell.is_scheduled = was_scheduled

    def _start_task(self, cell: Cell, work: TaskWork, rest: Awaitable[object] | None) -> None:
        assert self._group is not None
        self._group.start_soon(serve_in_task, self, cell, work, rest)

    # -- guests ------------------------------------------------------------------------------

    def _run_guest(self, cell: Cell, guest: GuestActor) -> None:
        """A batch of messages, as long as each call is done within its slice."""
        end = monotonic() + self.config.slice
        left = self.config.batch
        while cell.is_ready:
            message = self.take(cell)
            if message is None:
                cell.settle()
                return
            self._begin_call(cell, guest, message)
            left -= 1
            if left == 0 or monotonic() > end:
                break
        if cell.is_ready and not cell.is_scheduled:
            if cell.queue or cell.signals:
                cell.is_scheduled = True
                self.run_queue.append(cell)
            else:
                cell.settle()

    def _begin_call(self, cell: Cell, guest: GuestActor, message: Message) -> None:
        cell.work = work = CallWork(cell, message)
        cell.is_ready = False
        try:
            work.call = call = guest.begin(message, cell.context, work.wake)  # type: ignore[arg-type]
        except UnfitPayload as error:
            cell.work = None
            cell.bury(message, DeathReason.UNDELIVERED, error)
            if message.request is not None:
                message.request.fail(error)
            self._after_call(cell)
        except Exception as error:
            cell.work = None
            self.life.crash(cell, message, error)
        else:
            work.is_waiting = True
            state = call.poll()
            if state is _DONE and cell.work is work:  # as most are
                self.end_call(cell, message, call)
            else:
                self._go_on(cell, work, call, state)

    def _poll(self, cell: Cell, work: CallWork, call: GuestCall) -> None:
        """One slice."""
        work.is_waiting = True  # before the poll: the wake may come within it
        self._go_on(cell, work, call, call.poll())

    def _go_on(self, cell: Cell, work: CallWork, call: GuestCall, state: CallState) -> None:
        """Done, waiting, or once more: inline at first, then in a thread."""
        if cell.work is not work:
            return
        if state is _DONE:
            self.end_call(cell, work.message, call)
        elif state is CallState.READY:
            work.is_waiting = False
            work.slices += 1
            if work.slices < self.config.slices_inline:
                self.schedule(cell)
            else:
                work.is_in_thread = True
                assert self._group is not None
                self._group.start_soon(poll_in_thread, self, cell, work)
        elif not work.is_waiting and not cell.is_scheduled:
            self.schedule(cell)

    def end_call(self, cell: Cell, message: Message, call: GuestCall) -> None:
        """A guest's call is done: its reply goes to whoever asked."""
        cell.work = None
        request = message.request
        refusal: GuestRefused | None = None
        result: object = None
        try:
            result = cell.guest.complete(call)  # type: ignore[union-attr]  # it has begun the call
        except GuestRefused as refused:
            refusal = refused
        except Exception as error:
            self.life.crash(cell, message, error)
            return
        cell.handled += 1
        self.handled += 1
        if request is not None:
            request.fuel_used = call.fuel_used
            if refusal is None:
                request.resolve(result)
            else:
                request.fail(refusal)
        if self._turning is cell and cell.exit_requested is None and cell.idle_events is None:
            cell.is_ready = (
                cell.phase is _RUNNING and not cell.is_paused and cell.predecessor is None
            )
        else:
            self._after_call(cell)

    def _after_call(self, cell: Cell) -> None:
        """Ready again, without a detour over the run queue if this is the actor's own turn."""
        if cell.idle_events is not None:
            cell.tell_idle()
        if cell.exit_requested is not None:
            self.life.leave_as_requested(cell)
        elif self._turning is cell:
            cell.is_ready = (
                cell.phase is _RUNNING and not cell.is_paused and cell.predecessor is None
            )
        else:
            cell.update_ready()
