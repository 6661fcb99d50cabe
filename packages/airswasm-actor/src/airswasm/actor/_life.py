"""How incarnations begin and end: the effects that spawn, stop and supervisors are made of.

An actor's reference and mailbox outlive its incarnations. An incarnation ends in one of three
ways: it crashes (a handler raised), it leaves (its own wish), or it is ended (by whoever owns it).
Only `bury` ends the actor itself: what still waits goes to the dead letters.

Ending is orderly within the shutdown time: no new message is taken, the one in hand is finished,
`stop` is called. What is not done by then is killed: a task is cancelled, a guest's call is
cancelled and its store dropped. The message in hand goes to the dead letters in that case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import anyio

from ._cell import Cell, Exit, Work
from ._register import bind_actor
from .actor import Phase
from .context import Context
from .dead_letters import DeathReason
from .errors import ActorFailed, ActorStopped
from .events import EventKind
from .message import opened
from .reference import ActorRef, Down

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from ._register import Register
    from .actor import Child, Discardable
    from .message import Message
    from .system import ActorSystem

__all__ = ("LifeCycle",)

_UNWINDING = 5.0  # seconds


_STARTING, _RUNNING = Phase.STARTING, Phase.RUNNING  # an enum's attribute is a slow look-up


class LifeCycle:
    """Begins and ends incarnations. One for each system."""

    __slots__ = ("_ending", "_events", "_group", "_register", "_starting", "_system")

    def __init__(self, system: ActorSystem, register: Register) -> None:
        self._system = system
        self._register = register
        self._events = system.events
        self._group: TaskGroup | None = None
        self._starting: dict[Cell, anyio.CancelScope] = {}
        self._ending: dict[Cell, anyio.Event | None] = {}  # an event once somebody waits for it
        register.begin_in_background = self.begin_in_background

    def open(self, group: TaskGroup) -> None:
        """From now on tasks can be started."""
        self._group = group

    # -- beginning ---------------------------------------------------------------------------

    def begin_in_background(self, ref: ActorRef) -> None:
        """Calls the `start` of a spawned actor in a task; when that has ended, it is ready."""
        assert self._group is not None
        self._group.start_soon(self._begin_in_background, ref)

    async def begin(self, cell: Cell, actor: object) -> None:
        """Begins an incarnation and waits until it is ready; raises what `start` raises."""
        traits = self._register.traits_of(actor)
        self._register.wire(cell, actor, traits)
        if traits.has_start:
            token = cell.dispatcher.current.set(cast("ActorRef", cell))
            try:
                await cast("Child", actor).start()
            except BaseException:
                self.discard(cell)
                raise
            finally:
                cell.dispatcher.current.reset(token)
        self._make_ready(cell)

    def _make_ready(self, cell: Cell) -> None:
        cell.phase = Phase.RUNNING
        cell.update_ready()
        if cell.idle_events is not None:
            cell.tell_idle()
        if self._events.has_listeners:
            self._emit(EventKind.READY, cell)

    async def _begin_in_background(self, cell: Cell) -> None:
        """The `start` of a spawned actor. A failed start ends it; there is nobody to retry."""
        if cell.phase is not Phase.STARTING:
            return
        cell.dispatcher.current.set(cast("ActorRef", cell))
        with anyio.CancelScope() as scope:
            self._starting[cell] = scope
            try:
                await cast("Child", cell.actor).start()
            except Exception as error:
                self._fail(cell, Exit("crash", error))
            else:
                self._make_ready(cell)
            finally:
                del self._starting[cell]
        if scope.cancelled_caught:
            self.discard(cell)
            self.bury(cell, Exit("shutdown"))

    async def wait_ready(self, ref: ActorRef) -> None:
        """Waits for the end of a `start` that runs in the background."""
        while ref.phase is Phase.STARTING:
            event = anyio.Event()
            ref.idle_events = [*(ref.idle_events or ()), event]
            await event.wait()
        if ref.phase is Phase.STOPPED:
            raise ActorStopped(ref.name, ref.exit_requested or "stopped") from ref.failure

    # -- replacing ---------------------------------------------------------------------------

    async def prepare(
        self, cell: Cell, actor: object, prepare: Callable[[object], Awaitable[None]] | None
    ) -> None:
        """Starts a second actor for a cell, beside the one that goes on; raises if that fails."""
        traits = self._register.traits_of(actor)
        if traits.has_bind:
            bind_actor(actor, Context(cast("ActorRef", cell), cell.incarnation + 1))
        try:
            if traits.has_start:
                await cast("Child", actor).start()
            if prepare is not None:
                await prepare(actor)
        except BaseException:
            _discard(actor)
            raise

    async def swap(
        self, cell: Cell, actor: object, *, finish: float, shutdown: float | None
    ) -> None:
        """Puts a prepared actor in the place of the running one: same mailbox, no overlap.

        When the running one has crashed meanwhile, the prepared one takes over all the same.
        """
        try:
            if cell.phase in (Phase.RUNNING, Phase.STOPPING):
                await self._retire(cell, finish, shutdown)
        finally:
            self._register.wire(cell, actor, self._register.traits_of(actor), is_bound=True)
            self._make_ready(cell)

    async def _retire(self, cell: Cell, finish: float, shutdown: float | None) -> None:
        if cell in self._ending:
            await self._wait_ended(cell)
            return
        cell.phase = Phase.STOPPING
        cell.is_ready = False
        with anyio.move_on_after(finish):
            await self._finish_work(cell)
        await self._unwind(self._kill_work(cell))
        await self._end_incarnation(cell, shutdown, "shutdown")

    # -- ending ------------------------------------------------------------------------------

    def crash(self, cell: Cell, message: Message, error: BaseException | None) -> None:
        """The handler of `message` raised, or was cancelled by something that is not ours."""
        reason = DeathReason.KILLED if error is None else DeathReason.CRASHED
        cell.bury(message, reason, error)
        if message.request is not None:
            message.request.fail(ActorFailed(cell.name, error))
        self._fail(cell, Exit("killed" if error is None else "crash", error))

    def fail(self, cell: Cell, error: BaseException) -> None:
        """Ends the incarnation as a crash that no message caused (a failed health check)."""
        if cell.phase is Phase.RUNNING:
            self._kill_work(cell)
            self._fail(cell, Exit("crash", error))

    def _fail(self, cell: Cell, exit_: Exit) -> None:
        self.discard(cell)
        self._emit(EventKind.FAILED, cell, exit_.reason, exit_.cause)
        if cell.phase is Phase.STOPPING:
            cell.tell_idle()  # whoever is ending it goes on
            return
        cell.exit_requested = None
        if cell.on_exit is None:
            self.bury(cell, exit_)
            return
        cell.phase = Phase.RESTARTING
        cell.is_ready = False
        cell.tell_idle()
        cell.on_exit(exit_)

    def leave_as_requested(self, cell: Cell) -> None:
        """The handler that called `Context.stop` has returned."""
        if cell.exit_requested is not None:
            self.leave(cell, Exit(cell.exit_requested))

    def leave(self, cell: Cell, exit_: Exit) -> None:
        """Ends the incarnation in an orderly way, as its own wish."""
        if cell.phase is Phase.RUNNING and cell not in self._ending:
            self._ending[cell] = None
            cell.phase = Phase.STOPPING
            assert self._group is not None
            self._group.start_soon(self._leave, cell, exit_, cell.on_exit)

    async def _leave(self, cell: Cell, exit_: Exit, on_exit: Callable[[Exit], None] | None) -> None:
        """`on_exit` is this incarnation's: meanwhile the cell may have been promised to another."""
        try:
            await self._end_incarnation(cell, cell.shutdown, exit_.reason)
        finally:
            self._tell_ended(cell)
        if on_exit is None:
            self.bury(cell, exit_)
        elif cell.phase is Phase.STOPPING:
            cell.phase = Phase.RESTARTING
            on_exit(exit_)

    async def end(
        self, cell: Cell, *, shutdown: float | None, reason: str = "shutdown", is_final: bool
    ) -> None:
        """Ends the incarnation; the actor too when `is_final`.

        Args:
            cell: Which.
            shutdown: Seconds for finishing the message in hand and for `stop`; 0 kills at once,
                None waits without an end.
            reason: For the events.
            is_final: Whether what waits goes to the dead letters, or to the next incarnation.
        """
        if cell in self._starting:
            self._starting[cell].cancel()
            await cast("ActorRef", cell).wait_stopped()
        if cell in self._ending:
            await self._wait_ended(cell)
        elif cell.phase in (Phase.RUNNING, Phase.STARTING):
            self._ending[cell] = None
            cell.phase = Phase.STOPPING
            try:
                await self._end_incarnation(cell, shutdown, reason)
            except BaseException:
                if is_final:  # who waited for it has been cancelled; it is killed all the same
                    self.bury(cell, Exit("killed"))
                raise
            finally:
                self._tell_ended(cell)
        if cell.phase is not Phase.STOPPED:
            if is_final:
                self.bury(cell, Exit("killed" if shutdown == 0 else reason))
            else:
                cell.phase = Phase.RESTARTING

    def abandon(self, cell: Cell) -> None:
        """Ends an actor at once, when the system itself is going down."""
        if cell.phase is not Phase.STOPPED:
            self._kill_work(cell)
            self.discard(cell)
            self.bury(cell, Exit("killed"))

    def end_now(self, cell: Cell) -> bool:
        """Ends an actor that has nothing to wait for; False when it has."""
        if cell.work is not None or cell in self._ending or cell in self._starting:
            return False
        if cell.actor is not None and hasattr(cell.actor, "stop"):
            return False
        if cell.phase is not Phase.STOPPED:
            self._emit(EventKind.STOPPING, cell, "shutdown")
            self.discard(cell)
            self.bury(cell, Exit("shutdown"))
        return True

    async def _wait_ended(self, cell: Cell) -> None:
        event = self._ending[cell]
        if event is None:
            event = self._ending[cell] = anyio.Event()
        await event.wait()

    def _tell_ended(self, cell: Cell) -> None:
        event = self._ending.pop(cell)
        if event is not None:
            event.set()

    async def _end_incarnation(self, cell: Cell, shutdown: float | None, reason: str) -> None:
        cell.is_ready = False
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
        """Lets a killed handler's `finally` run out before anybody takes its place.

        A handler that shields itself from being cancelled gets no longer than `_UNWINDING`.
        """
        if killed is not None:
            with anyio.move_on_after(_UNWINDING):
                await killed.wait_ended()

    async def _stop_in_order(self, cell: Cell) -> None:
        await self._finish_work(cell)
        if cell.actor is not None and hasattr(cell.actor, "stop"):
            try:
                await cast("Child", cell.actor).stop()
            except Exception as error:
                self._emit(EventKind.FAILED, cell, "crash", error)

    async def _finish_work(self, cell: Cell) -> None:
        while cell.work is not None:
            event = anyio.Event()
            cell.idle_events = [*(cell.idle_events or ()), event]
            await event.wait()

    def _kill_work(self, cell: Cell) -> Work | None:
        work, cell.work = cell.work, None
        if work is not None:
            work.cancel()
            cell.bury(work.message, DeathReason.KILLED)
            if work.message.request is not None:
                work.message.request.fail(ActorFailed(cell.name, None))
        return work

    def discard(self, cell: Cell) -> None:
        """Lets go of the incarnation, without waiting."""
        actor, cell.actor = cell.actor, None
        cell.receive = None
        cell.guest = None
        cell.is_ready = False
        error = _discard(actor)
        if error is not None:
            self._emit(EventKind.FAILED, cell, "crash", error)

    def bury(self, cell: Cell, exit_: Exit) -> None:
        """Ends the actor: what waits goes to the dead letters, and watchers are told."""
        if cell.phase is Phase.STOPPED:
            return
        cell.phase = Phase.STOPPED
        cell.is_ready = False
        cell.exit_requested = exit_.reason
        cell.failure = exit_.cause
        self._register.strike_off(cast("ActorRef", cell))
        self._bury_mailbox(cell, exit_)
        cell.tell_idle()
        self._emit(EventKind.STOPPED, cell, exit_.reason, exit_.cause)
        self._tell_watchers(cell, exit_)

    def _bury_mailbox(self, cell: Cell, exit_: Exit) -> None:
        waiting = [*(cell.signals or ()), *map(opened, cell.queue or ())]
        cell.signals = None
        if cell.queue is not None:
            cell.queue.clear()
            cell.queue = None
        if cell.queued_bytes is not None:
            cell.queued_bytes = 0
        room, cell.waiting_room = cell.waiting_room, None
        for message in waiting:
            cell.bury(message, DeathReason.STOPPED, exit_.cause)
            if message.request is not None:
                message.request.fail(ActorStopped(cell.name, exit_.reason))
        for waiter in room or ():
            cell.dispatcher.rejected += 1
            waiter.end(ActorStopped(cell.name, exit_.reason))

    def _tell_watchers(self, cell: Cell, exit_: Exit) -> None:
        watchers, cell.watchers = cell.watchers, None
        if not watchers:
            return
        for watcher in watchers:
            try:
                watcher(Down(cell.name, exit_.reason, exit_.cause))
            except Exception as error:
                self._events.note_error(error)

    def _emit(
        self, kind: EventKind, cell: Cell, reason: str = "", cause: BaseException | None = None
    ) -> None:
        if self._events.has_listeners:
            self._register.emit(kind, cell, reason, cause)


def _discard(actor: object) -> Exception | None:
    """Lets go of an actor; what that raised, if it did."""
    if actor is None or not hasattr(actor, "discard"):
        return None
    try:
        cast("Discardable", actor).discard()
    except Exception as error:
        return error
    return None
