"""A supervisor at work: carries out the decisions of `rules`.

It puts four things together: the table of its children, the inbox through which everything that
concerns them passes, one after the other, the effects that start and stop them, and the restarts.

Children report their end through the inbox, with the child's turn: a number that goes up whenever
the supervisor itself has done something to the child. A report about an earlier turn is old, and
dropped.

A mailbox outlives the incarnations: a restart begins with the message after the one that failed.
When the supervisor gives up, or a child is stopped for good, waiting messages go to the dead
letters.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, cast

import anyio

from .._messages.events import EventKind, LifecycleEvent
from .._running.phase import REPLACED, Exit
from ..errors import (
    ActorStopped,
    ChildExists,
    ChildNotRunning,
    ChildRunning,
    InvalidChildSpec,
    SupervisorGaveUp,
)
from .children import Child, ChildStatus, ChildTable, RestartRecord
from .effects import Effects
from .inbox import ChildEnded, Command, Inbox, Item, StartFailed
from .restarts import Restarts
from .rules import ChildSpec, ExitKind, SupervisorSpec

if TYPE_CHECKING:
    from .._lives.context import ActorHome
    from .._running.reference import ActorRef

__all__ = ("SupervisorNode",)

T = TypeVar("T")

_GIVEN_UP = EventKind.GIVEN_UP  # an enum's attribute is a slow look-up


class SupervisorNode:
    """Starts, watches, restarts and stops children.

    Attributes:
        name: For events, and for people.
        spec: The specification that it was made from; dynamic children are not in it.
        failure: The reason why it gave up, if it has.

    Args:
        system: The system in which its children live.
        spec: The children, and the rules for them.
        name: See above.
        is_quiet: Whether it keeps its own starts and stops to itself, because its one child's
            events say the same. That it gave up is always told.
    """

    def __init__(
        self,
        system: ActorHome,
        spec: SupervisorSpec,
        *,
        name: str = "supervisor",
        is_quiet: bool = False,
    ) -> None:
        self.spec = spec
        self.name = name
        self.failure: SupervisorGaveUp | None = None
        self._life = system.life
        self._children = ChildTable(name)
        self._inbox = Inbox(system.life, self._handle, self._finish)
        self._effects = Effects(system.life, self._children, name, self._inbox, _is_node)
        self._restarts = Restarts(
            system.life, spec, self._children, self._effects, self._inbox, self._end
        )
        self._ended: anyio.Event | None = None
        self._is_quiet = is_quiet
        self._was_started = False
        self._has_ended = False
        self._parent: Callable[[Exit], None] | None = None
        self._exit = Exit("shutdown")

    def __repr__(self) -> str:
        return f"<SupervisorNode {self.name} {len(self._children)} children>"

    # -- for users ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the children, left to right. Only once: make a new one to start again.

        A child that does not start ends it: those that have started are stopped, right to left.

        Raises:
            ChildStartFailed: That child and why; nothing runs then.
            RuntimeError: It was started before.
        """
        if self._was_started:
            raise RuntimeError(f"{self.name!r} was started before; make a new SupervisorNode")
        self._was_started = True
        for spec in self.spec.children:
            self._children.add(Child(spec))
        self._emit(EventKind.STARTED)
        try:
            for child in self._children:
                await self._effects.start_first(child)
        except BaseException:
            self._parent = None  # the parent gets the error
            with anyio.CancelScope(shield=True):
                await self._effects.stop_all()
            self._close()
            raise
        self._inbox.is_open = True
        if self._parent is None:
            self._life.supervisors[self] = None
        self._emit(EventKind.READY)
        self._inbox.open()

    async def stop(self, *, timeout: float | None = None) -> None:
        """Stop the children, right to left, each within its shutdown time, and end.

        A cancel meanwhile kills the children that still run. Below another supervisor, that one
        follows its specification, as at any other end: `stop_child` stops it for good.

        Args:
            timeout: Seconds after which the children that still run are killed; None waits, since
                each child has its own time.
        """
        if not self._inbox.is_open:
            return
        if timeout == 0:
            await self.kill()
        elif timeout is None:
            await self._stop_in_order()
        else:
            with anyio.move_on_after(timeout) as scope:
                await self._stop_in_order()
            if scope.cancelled_caught:
                await self.kill()

    async def wait_stopped(self) -> None:
        """Wait until it has ended.

        Raises:
            SupervisorGaveUp: It ended because its children failed too often.
        """
        await self._wait_ended()
        if self.failure is not None:
            raise self.failure

    async def start_child(self, spec: ChildSpec) -> ActorRef | SupervisorNode:
        """Add a child at the right end and start it.

        Args:
            spec: Its specification.

        Returns:
            The actor, or the supervisor.

        Raises:
            ChildExists: There is one with this id.
            ChildStartFailed: It did not start, and was not added.
            InvalidChildSpec: It is not for this supervisor.
            ActorStopped: The supervisor has ended.
        """
        return await self._submit(lambda: self._add(spec)).outcome()

    async def stop_child(self, id: str) -> None:
        """Stop a child. Its specification stays, unless it is temporary.

        Raises:
            NoSuchChild: There is none with this id.
        """
        await self._submit(lambda: self._stop_by_id(id)).outcome()

    async def restart_child(self, id: str) -> ActorRef | SupervisorNode:
        """Start a stopped child again, and return it; its reference is the one it had.

        Raises:
            NoSuchChild: There is none with this id.
            ChildRunning: It is not stopped.
            ChildStartFailed: It did not start; it stays as stopped.
        """
        return await self._submit(lambda: self._restart_by_id(id)).outcome()

    async def delete_child(self, id: str) -> None:
        """Remove the specification of a stopped child.

        Raises:
            NoSuchChild: There is none with this id.
            ChildRunning: It is not stopped.
        """
        await self._submit(lambda: self._delete_by_id(id)).outcome()

    async def update_child(
        self,
        spec: ChildSpec,
        *,
        prepare: Callable[[object], Awaitable[None]] | None = None,
        finish: float = 5.0,
    ) -> ActorRef:
        """Replace an actor by one made from a new specification, under its reference.

        The new one is made, started and prepared while the old one goes on. Then the old one
        finishes the message in hand within `finish` seconds and is stopped, and the new one goes
        on with the next message of the same mailbox. If making, `start` or `prepare` fails, the
        old one has not noticed anything. An actor that waits for its restart is replaced at once.

        Args:
            spec: The new specification, with the id of the child to replace.
            prepare: Called with the new actor after its `start`: migration, say.
            finish: Seconds for the message in hand; after that it is killed and its message is
                in the dead letters.

        Returns:
            The reference, which is the same.

        Raises:
            NoSuchChild: There is none with this id.
            ChildNotRunning: It is stopped.
            InvalidChildSpec: The specification is not for this supervisor, or for a supervisor.
            ChildStartFailed: The new one did not start or could not be prepared.
        """
        return await self._submit(lambda: self._update(spec, prepare, finish)).outcome()

    def adjust(self, spec: SupervisorSpec) -> None:
        """Hold the same children to other numbers from now on, without a new incarnation.

        Intensity, period and back-off hold from the next end of a child on; shutdown time, weight
        and mailbox at once; what makes an actor, at its next start. Messages that wait stay, even
        where they are more than the mailbox now takes.

        Args:
            spec: The specification, with the ids of children that there are.

        Raises:
            NoSuchChild: There is none with one of the ids; nothing changed.
        """
        found = [(self._children.find(each.id), each) for each in spec.children]
        self.spec = self._restarts.spec = spec
        for child, each in found:
            self._effects.adjust(child, each)

    def child(self, id: str) -> ActorRef | SupervisorNode:
        """Return the actor or supervisor with this id.

        Raises:
            NoSuchChild: There is none.
            ChildNotRunning: It is a supervisor that has stopped, or has not started yet.
        """
        found = self._children.find(id)
        child = found.ref or found.node
        if child is None:
            raise ChildNotRunning(self.name, id, found.state)
        return cast("ActorRef | SupervisorNode", child)

    def status(self) -> tuple[ChildStatus, ...]:
        """Return all children, in the order of starting."""
        return tuple(child.status() for child in self._children)

    @property
    def is_open(self) -> bool:
        """Whether it supervises: from the end of `start` until it stops or gives up."""
        return self._inbox.is_open

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits in its inbox, back-offs aside, and nothing is being done."""
        return not len(self._inbox) and not self._inbox.is_busy

    @property
    def restart_history(self) -> tuple[RestartRecord, ...]:
        """The last hundred counted restarts, the oldest first."""
        return self._restarts.history

    # -- below another supervisor ------------------------------------------------------------

    def attach(self, report: Callable[[Exit], None]) -> None:
        """Tell a parent of its end: the parent's, when it starts this as a child."""
        self._parent = report

    async def kill(self) -> None:
        """Stop everything at once, without asking: what it does just now, and all below."""
        self._leave(Exit("killed"))
        self._inbox.interrupt()
        await self._effects.kill_all()
        if self._inbox.is_busy:
            await self._wait_ended()
        else:
            self._close()

    # -- ending ------------------------------------------------------------------------------

    async def _stop_in_order(self) -> None:
        """Wait its turn when something is being done; do it here and now otherwise."""
        if self._inbox.is_busy:
            with suppress(ActorStopped):  # what is being done has ended it
                await self._submit(self._stop_now).outcome()
            await self._wait_ended()
            return
        try:
            await self._inbox.run(self._stop_now)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.kill()
            raise

    async def _stop_now(self) -> None:
        self._emit(EventKind.STOPPING)
        await self._effects.stop_all()
        self._inbox.is_open = False

    async def _end(self, child: Child | None, exit_: Exit) -> None:
        """Stop all and end; because of a child that failed too often, or in order."""
        if child is not None:
            self.failure = SupervisorGaveUp(
                self.name, child.spec.id, self.spec.intensity, self.spec.period
            )
            self.failure.__cause__ = exit_.cause
            self._emit(EventKind.GIVEN_UP, self.failure)
        await self._effects.stop_all()
        self._leave(Exit("shutdown", self.failure))

    def _leave(self, exit_: Exit) -> None:
        self._inbox.is_open = False
        self._exit = exit_

    def _finish(self) -> None:
        if not self._inbox.is_open:
            self._close()

    def _close(self) -> None:
        """End for good: no caller waits for an answer that will not come."""
        if self._has_ended:
            return
        self._has_ended = True
        self._restarts.cancel()
        for item in self._inbox.close():
            if isinstance(item, Command):
                item.refuse(ActorStopped(self.name))
        self._life.supervisors.pop(self, None)
        self._emit(EventKind.STOPPED, self.failure)
        if self._ended is not None:
            self._ended.set()
        if self._parent is not None:
            self._parent(self._exit)

    async def _wait_ended(self) -> None:
        if not self._has_ended:
            if self._ended is None:
                self._ended = anyio.Event()
            await self._ended.wait()

    # -- deciding ----------------------------------------------------------------------------

    async def _handle(self, item: Item) -> None:
        if isinstance(item, Command):
            await item.run()
        elif isinstance(item, ChildEnded):
            child = self._children.expected(item.id, item.turn)
            if child is not None and item.exit.reason == REPLACED:
                await self._restarts.start_after(0.0, [item.id])
            elif child is not None:
                kind = cast("ExitKind", item.exit.reason if not item.exit.is_abnormal else "crash")
                await self._restarts.decide(child, kind, item.exit)
        elif isinstance(item, StartFailed):
            child = self._children.expected(item.id, item.turn)
            if child is not None:
                await self._restarts.decide(child, "retry", Exit("crash", item.cause))
        else:
            await self._restarts.start_due(item)

    def _submit(self, run: Callable[[], Awaitable[T]]) -> Command[T]:
        command = Command(run, ActorStopped(self.name))
        if self._inbox.is_open:
            self._inbox.put(cast("Command[object]", command))
        else:
            command.refuse(ActorStopped(self.name))
        return command

    # -- commands ----------------------------------------------------------------------------

    async def _add(self, spec: ChildSpec) -> ActorRef | SupervisorNode:
        self.spec.check(spec)
        known = self._children.get(spec.id)
        if known is not None:
            raise ChildExists(self.name, spec.id, known.state)
        child = Child(spec)
        await self._effects.start_first(child)
        self._children.add(child)
        return self.child(spec.id)

    async def _stop_by_id(self, id_: str) -> None:
        child = self._children.find(id_)
        was_awaited = child.state == "restarting"
        await self._effects.stop(child, is_final=True)
        if child.spec.restart == "temporary":
            self._children.remove(child)
        if was_awaited:
            self._give_up_waiting()

    def _give_up_waiting(self) -> None:
        """Children that were to start after one that will not start again stay stopped."""
        for child in self._children:
            if child.state == "stopped":
                self._effects.settle(child, Exit("shutdown"))

    async def _restart_by_id(self, id_: str) -> ActorRef | SupervisorNode:
        child = self._children.find(id_)
        if child.state != "stopped":
            raise ChildRunning(self.name, id_, child.state)
        await self._effects.start_first(child)
        return self.child(id_)

    async def _delete_by_id(self, id_: str) -> None:
        child = self._children.find(id_)
        if child.state != "stopped":
            raise ChildRunning(self.name, id_, child.state)
        self._effects.settle(child, Exit("shutdown"))  # stopped only until one before it starts
        self._children.remove(child)

    async def _update(
        self,
        spec: ChildSpec,
        prepare: Callable[[object], Awaitable[None]] | None,
        finish: float,
    ) -> ActorRef:
        self.spec.check(spec)
        child = self._children.find(spec.id)
        if child.node is not None:
            problem = "a supervisor cannot be updated in place; stop it and start another"
            raise InvalidChildSpec(spec.id, problem)
        if child.state == "stopped" or child.ref is None or not child.ref.is_alive:
            raise ChildNotRunning(self.name, spec.id, child.state)
        await self._effects.replace(child, spec, prepare, finish)
        return child.ref

    # -- events ------------------------------------------------------------------------------

    def _emit(self, kind: EventKind, cause: BaseException | None = None) -> None:
        events = self._life.dispatcher.events
        is_heard = events.has_listeners and not (self._is_quiet and kind is not _GIVEN_UP)
        if is_heard:
            time = self._life.dispatcher.clock()
            events.emit(LifecycleEvent(kind, self.name, time, 0, "", cause))


def _is_node(thing: object) -> bool:
    return isinstance(thing, SupervisorNode)
