"""The beginnings and ends of incarnations: the effects that spawn, stop and supervisors use.

An actor's reference and mailbox outlive its incarnations. An incarnation ends in one of three ways:
it crashes (a handler raised), it leaves (its own wish), or it is ended (by the code that owns it).
Only `terminate` ends the actor itself: the messages that still wait go to the dead letters.

Ending is orderly within the shutdown time: no new message is taken, the one in hand is finished,
`stop` is called. After that time it is killed: a task is cancelled, a guest's call is cancelled and
its store dropped. The message in hand goes to the dead letters in that case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import anyio

from .._boundary import Boundary, own_this_task, start_task
from .._foreign import attribute_of, has_attribute
from .._messages.dead_letters import DeathReason
from .._messages.events import EventKind
from .._messages.message import to_message
from .._running.asking import wait_stopped
from .._running.cell import measure_guest
from .._running.phase import REPLACED, Down, Exit, Phase
from .._running.shares import FUEL_SECONDS, START_SECONDS
from ..errors import ActorFailed, ActorStopped, SystemClosed
from .register import bind_actor

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from .._messages.message import Message
    from .._running.cell import Cell, Work
    from .._running.dispatcher import Dispatcher
    from ..errors import MessageTooLarge
    from .register import Register

__all__ = ("LifeCycle", "Stoppable")

_UNWINDING = 5.0  # seconds


class Stoppable(Protocol):
    """A supervisor, as its system sees it."""

    async def stop(self) -> None:
        """Stop its children and end."""
        ...


class _Startable(Protocol):
    """The optional methods of an actor; see `Child` and `Discardable`."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def discard(self) -> None: ...


class LifeCycle:
    """Begins and ends incarnations. One for each system.

    Attributes:
        system: The system's name.
        dispatcher: The system's dispatcher.
        register: The system's actors.
        rng: The source of jitter.
        supervisors: The top-level supervisors, in the order of starting; a set that keeps it.
        on_incarnation_end: Called with the name and the number of an incarnation that has ended.
    """

    __slots__ = (
        "_ending",
        "_events",
        "_group",
        "_starting",
        "dispatcher",
        "on_incarnation_end",
        "register",
        "rng",
        "supervisors",
        "system",
    )

    def __init__(
        self, system: str, dispatcher: Dispatcher, register: Register, rng: random.Random
    ) -> None:
        self.system = system
        self.dispatcher = dispatcher
        self.register = register
        self.rng = rng
        self.supervisors: dict[Stoppable, None] = {}
        self.on_incarnation_end: Callable[[str, int], None] = lambda _name, _number: None
        self._events = dispatcher.events
        self._group: TaskGroup | None = None
        self._starting: dict[Cell, anyio.CancelScope] = {}
        self._ending: dict[Cell, anyio.Event | None] = {}  # an event once a task waits for it
        register.start_in_background = self._start_in_background

    def open(self, group: TaskGroup) -> None:
        """Start tasks in `group` from now on."""
        self._group = group

    def close(self) -> None:
        """Start no tasks any more."""
        self._group = None

    @property
    def is_open(self) -> bool:
        """Whether tasks can be started: not once an interrupt has cancelled the group."""
        return self._group is not None and not self._group.cancel_scope.cancel_called

    @property
    def group(self) -> TaskGroup:
        """The task group that owns all tasks of the system.

        Raises:
            SystemClosed: The system is not open.
        """
        if self._group is None:
            raise SystemClosed(self.system)
        return self._group

    # -- beginning ---------------------------------------------------------------------------

    async def begin(self, cell: Cell, actor: object) -> None:
        """Begin an incarnation and wait until it is ready; raise what `start` raises."""
        traits = self.register.traits_of(actor)
        if traits.is_guest:
            cell.charge(START_SECONDS)
        current = self.dispatcher.current
        token = current.set(cell)
        try:
            self.register.install(cell, actor, traits)
            if traits.has_start:
                await cast("_Startable", actor).start()
        except BaseException as error:
            _charge_fuel(cell, error)
            self.discard(cell)
            raise
        finally:
            current.reset(token)
        _charge_fuel(cell, actor)
        self._run(cell)

    async def wait_turn(self, cell: Cell) -> None:
        """Wait until an actor that used much processor time may be started again."""
        if cell.share is None:
            return
        turn = cell.own_rare().start_turn = anyio.Event()
        if not cell.is_scheduled:
            self.dispatcher.schedule(cell)
        try:
            await turn.wait()
        finally:
            cell.own_rare().start_turn = None

    def _run(self, cell: Cell) -> None:
        cell.run()
        self._emit(EventKind.READY, cell)

    def _start_in_background(self, cell: Cell) -> None:
        """Call the `start` of a spawned actor in a task; when that has ended, it is ready."""
        start_task(self.group, self._start, cell)

    async def _start(self, cell: Cell) -> None:
        """Start an actor; a failure ends a spawned one, because no supervisor will retry."""
        if cell.phase is not Phase.STARTING:
            return
        own_this_task()
        self.dispatcher.current.set(cell)
        failure = None
        with anyio.CancelScope() as scope:
            boundary = Boundary()
            self._starting[cell] = scope
            try:
                await cast("_Startable", cell.actor).start()
                await boundary.leave()
            except BaseException as error:
                failure = error
                await boundary.settle(error)
            finally:
                del self._starting[cell]
                if failure is not None and not scope.cancel_called:
                    self._fail(cell, Exit("crash", failure))
        if scope.cancel_called:  # also when `start` has swallowed that
            self.discard(cell)
            self.terminate(cell, Exit("shutdown"))
        elif failure is None:
            self._run(cell)

    async def wait_ready(self, cell: Cell) -> None:
        """Wait for the end of a `start` that runs in the background.

        Raises:
            ActorStopped: The actor ended instead; `__cause__` is why.
        """
        while cell.phase is Phase.STARTING:
            await cell.next_idle().wait()
        if cell.phase is Phase.STOPPED:
            reason = cell.rare.exit_requested or "stopped"
            raise ActorStopped(cell.name, reason) from cell.rare.failure

    # -- replacing ---------------------------------------------------------------------------

    async def prepare(
        self, cell: Cell, actor: object, prepare: Callable[[object], Awaitable[None]] | None
    ) -> None:
        """Start a second actor for a cell, beside the one that goes on; raise if that fails."""
        traits = self.register.traits_of(actor)
        if traits.is_guest:
            measure_guest(actor, cell.rare.tally)
            cell.charge(START_SECONDS)
        if traits.has_bind:
            bind_actor(actor, self.dispatcher.make_context(cell, cell.incarnation + 1))
        try:
            if traits.has_start:
                await cast("_Startable", actor).start()
            if prepare is not None:
                await prepare(actor)
        except BaseException as error:
            _charge_fuel(cell, error)
            _discard(actor)
            self.on_incarnation_end(cell.name, cell.incarnation + 1)
            raise
        _charge_fuel(cell, actor)

    async def swap(
        self, cell: Cell, actor: object, *, finish: float, shutdown: float | None
    ) -> None:
        """Put a prepared actor in the place of the running one: same mailbox, no overlap.

        When the running one has crashed meanwhile, the prepared one takes over all the same.
        """
        try:
            if cell.phase in (Phase.RUNNING, Phase.STOPPING):
                await self._retire(cell, finish, shutdown)
        finally:
            traits = self.register.traits_of(actor)
            self.register.install(cell, actor, traits, is_bound=True)
            self._run(cell)

    async def _retire(self, cell: Cell, finish: float, shutdown: float | None) -> None:
        if cell in self._ending:
            await self._wait_ended(cell)
            return
        cell.begin_stop()
        with anyio.move_on_after(finish):
            await self._finish_work(cell)
        await self._unwind(self._kill_work(cell))
        await self._end_incarnation(cell, shutdown, "shutdown")

    # -- ending ------------------------------------------------------------------------------

    def crash(self, cell: Cell, message: Message, error: BaseException | None) -> None:
        """End an incarnation whose handler of `message` raised, or was cancelled from outside."""
        reason = DeathReason.KILLED if error is None else DeathReason.CRASHED
        cell.give_up_message(message, reason, error)
        if message.request is not None:
            message.request.fail(ActorFailed(cell.name, error))
        self._fail(cell, Exit("killed" if error is None else "crash", error), message)

    def replace(self, cell: Cell, message: Message, error: MessageTooLarge) -> None:
        """End an incarnation that had no room for `message`; its supervisor makes another.

        That is the sender's fault, and the supervisor does not count it: a neighbour cannot
        use up the restarts of another component. An actor without a supervisor ends.
        """
        evidence = error.__cause__ or error
        cell.give_up_message(message, DeathReason.UNDELIVERED, evidence)
        if message.request is not None:
            message.request.fail(error)
        reason = "crash" if cell.rare.on_exit is None else REPLACED
        self._fail(cell, Exit(reason, evidence), message)

    def fail(self, cell: Cell, error: BaseException) -> None:
        """End the incarnation as a crash that no message caused."""
        if cell.phase is Phase.RUNNING:
            self._kill_work(cell, error)
            self._fail(cell, Exit("crash", error))

    async def evict(self, cell: Cell, error: BaseException) -> None:
        """End the incarnation at once, one that is about to end too; its supervisor counts nothing.

        An actor without a supervisor ends.
        """
        if cell.phase in (Phase.RUNNING, Phase.STOPPING):
            killed = self._kill_work(cell, error)
            self._fail(cell, Exit("crash" if cell.rare.on_exit is None else REPLACED, error))
            await self._unwind(killed)

    def _fail(self, cell: Cell, exit_: Exit, message: Message | None = None) -> None:
        self.discard(cell)
        kind = EventKind.STOPPING if exit_.reason == REPLACED else EventKind.FAILED
        self._emit(kind, cell, exit_.reason, exit_.cause, message)
        if cell.phase is Phase.STOPPING:
            cell.notify_idle()  # the code that is ending it goes on
            return
        on_exit = cell.rare.on_exit
        if on_exit is None:
            self.terminate(cell, exit_)
            return
        cell.await_restart()
        cell.notify_idle()
        on_exit(exit_)

    def request_exit(self, cell: Cell, reason: str) -> None:
        """End the incarnation after the message in hand, as its own wish (`Context.stop`)."""
        if cell.phase is Phase.RUNNING and cell.rare.exit_requested is None:
            cell.own_rare().exit_requested = reason
            cell.update_ready()
            if cell.work is None and not self.dispatcher.is_running(cell):
                self._leave(cell, Exit(reason))

    def leave_as_requested(self, cell: Cell) -> None:
        """End an incarnation whose handler called `Context.stop`, and has returned."""
        if cell.rare.exit_requested is not None:
            self._leave(cell, Exit(cell.rare.exit_requested))

    def _leave(self, cell: Cell, exit_: Exit) -> None:
        if cell.phase is Phase.RUNNING and cell not in self._ending:
            self._ending[cell] = None
            cell.begin_stop()
            start_task(self.group, self._finish_leaving, cell, exit_, cell.rare.on_exit)

    async def _finish_leaving(
        self, cell: Cell, exit_: Exit, on_exit: Callable[[Exit], None] | None
    ) -> None:
        """`on_exit` is this incarnation's: meanwhile the cell may have been promised to another."""
        own_this_task()
        try:
            await self._end_incarnation(cell, cell.rare.shutdown, exit_.reason)
        finally:
            self._note_ended(cell)
        if on_exit is None:
            self.terminate(cell, exit_)
        elif cell.phase is Phase.STOPPING:
            cell.await_restart()
            on_exit(exit_)

    async def end(
        self, cell: Cell, *, shutdown: float | None, reason: str = "shutdown", is_final: bool
    ) -> None:
        """End the incarnation; the actor too when `is_final`.

        Args:
            cell: The actor.
            shutdown: Seconds for finishing the message in hand and for `stop`; 0 kills at once,
                None waits without an end.
            reason: The reason that events give.
            is_final: Whether waiting messages go to the dead letters, or to the next incarnation.
        """
        if cell in self._starting:
            self._starting[cell].cancel()
            await wait_stopped(cell)
        if cell in self._ending:
            await self._wait_ended(cell)
        elif cell.phase in (Phase.RUNNING, Phase.STARTING):
            self._ending[cell] = None
            cell.begin_stop()
            try:
                await self._end_incarnation(cell, shutdown, reason)
            except BaseException:
                if is_final:  # the task that waited was cancelled; the actor is killed all the same
                    self.terminate(cell, Exit("killed"))
                raise
            finally:
                self._note_ended(cell)
        if cell.phase is not Phase.STOPPED:
            if is_final:
                self.terminate(cell, Exit("killed" if shutdown == 0 else reason))
            else:
                cell.await_restart()

    def kill(self, cell: Cell) -> None:
        """End an actor at once, when the system itself is going down."""
        if cell.phase is not Phase.STOPPED:
            self._kill_work(cell)
            self.discard(cell)
            self.terminate(cell, Exit("killed"))

    def end_now(self, cell: Cell) -> bool:
        """End an actor that has nothing to wait for. Return False when it has."""
        if cell.work is not None or cell in self._ending or cell in self._starting:
            return False
        if has_attribute(cell.actor, "stop"):
            return False
        if cell.phase is not Phase.STOPPED:
            self._emit(EventKind.STOPPING, cell, "shutdown")
            self.discard(cell)
            self.terminate(cell, Exit("shutdown"))
        return True

    async def _wait_ended(self, cell: Cell) -> None:
        event = self._ending[cell]
        if event is None:
            event = self._ending[cell] = anyio.Event()
        await event.wait()

    def _note_ended(self, cell: Cell) -> None:
        event = self._ending.pop(cell)
        if event is not None:
            event.set()

    async def _end_incarnation(self, cell: Cell, shutdown: float | None, reason: str) -> None:
        cell.begin_stop()
        self._emit(EventKind.STOPPING, cell, reason)
        try:
            if shutdown != 0:
                with anyio.move_on_after(shutdown):
                    await self._stop_in_order(cell)
        finally:
            killed = self._kill_work(cell)
            self.discard(cell)
        await self._unwind(killed)

    async def _unwind(self, killed: Work | None) -> None:
        """Let a killed handler's `finally` run out before another incarnation takes its place.

        A handler that shields itself from being cancelled gets no longer than `_UNWINDING`.
        """
        if killed is not None:
            with anyio.move_on_after(_UNWINDING):
                await killed.wait_ended()

    async def _stop_in_order(self, cell: Cell) -> None:
        await self._finish_work(cell)
        if has_attribute(cell.actor, "stop"):
            boundary = Boundary()
            try:
                await cast("_Startable", cell.actor).stop()
                await boundary.leave()
            except BaseException as error:
                await boundary.settle(error)
                self._emit(EventKind.FAILED, cell, "crash", error)

    async def _finish_work(self, cell: Cell) -> None:
        while cell.work is not None:
            await cell.next_idle().wait()

    def _kill_work(self, cell: Cell, cause: BaseException | None = None) -> Work | None:
        work, cell.work = cell.work, None
        if work is not None:
            try:
                work.cancel()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a guest that no engine of ours drives
                self._events.note_error(error)
            cell.note_failure(work, None)
            cell.give_up_message(work.message, DeathReason.KILLED, cause)
            if work.message.request is not None:
                work.message.request.fail(ActorFailed(cell.name, cause))
        return work

    def discard(self, cell: Cell) -> None:
        """Let go of the incarnation, without waiting."""
        error = _discard(cell.vacate())
        self.on_incarnation_end(cell.name, cell.incarnation)
        if error is not None:
            self._emit(EventKind.FAILED, cell, "crash", error)

    def terminate(self, cell: Cell, exit_: Exit) -> None:
        """End the actor: waiting messages go to the dead letters, and watchers are told."""
        if cell.phase is Phase.STOPPED:
            return
        cell.end(exit_)
        self.register.remove(cell)
        self._empty_mailbox(cell, exit_)
        cell.notify_idle()
        self._emit(EventKind.STOPPED, cell, exit_.reason, exit_.cause)
        self._tell_watchers(cell, exit_)

    def _empty_mailbox(self, cell: Cell, exit_: Exit) -> None:
        waiting = [*(cell.signals or ()), *map(to_message, cell.queue or ())]
        cell.signals, cell.signal_bytes = None, 0
        if cell.queue is not None:
            cell.queue.clear()
            cell.queue = None
        if cell.queued_bytes is not None:
            cell.queued_bytes = 0
        rare = cell.own_rare()
        room, rare.waiting_room = rare.waiting_room, None
        for message in waiting:
            cell.give_up_message(message, DeathReason.STOPPED, exit_.cause)
            if message.request is not None:
                message.request.fail(ActorStopped(cell.name, exit_.reason))
        for waiter in room or ():
            cell.note_rejected()
            waiter.end(ActorStopped(cell.name, exit_.reason))

    def _tell_watchers(self, cell: Cell, exit_: Exit) -> None:
        rare = cell.own_rare()
        watchers, rare.watchers = rare.watchers, None
        for watcher in watchers or ():
            try:
                watcher(Down(cell.name, exit_.reason, exit_.cause))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._events.note_error(error)

    def _emit(
        self,
        kind: EventKind,
        cell: Cell,
        reason: str = "",
        cause: BaseException | None = None,
        message: Message | None = None,
    ) -> None:
        if self._events.has_listeners:
            self.register.emit(kind, cell, reason, cause, message)


def _charge_fuel(cell: Cell, source: object) -> None:
    """Charge an actor for the fuel of its start: of its incarnation, or of a guest's fault."""
    fuel = attribute_of(source, "fuel_used")
    if isinstance(fuel, int) and not isinstance(fuel, bool):
        cell.charge(fuel * FUEL_SECONDS)


def _discard(actor: object) -> BaseException | None:
    """Let go of an actor. Return the error that it raised, if it did."""
    if actor is None or not has_attribute(actor, "discard"):
        return None
    try:
        cast("_Startable", actor).discard()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return error
    return None
