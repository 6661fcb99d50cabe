"""Starting and stopping the children of a supervisor.

Nothing here decides: `node` calls these in the order that the rules say.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, cast

from .._boundary import Boundary
from .._messages.events import EventKind, LifecycleEvent
from .._running.cell import Cell
from .._running.mailbox import resize
from .._running.phase import Exit
from .._running.reference import ActorRef
from ..errors import ChildStartFailed
from .inbox import ChildEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._lives.life_cycle import LifeCycle
    from .children import Child, ChildTable, Node
    from .inbox import Inbox
    from .rules import ChildSpec

__all__ = ("Effects",)


class _Report:
    """Tells a supervisor how an incarnation of one of its children ended.

    An object and no closure: there is one for each actor, and a closure is five objects.
    """

    __slots__ = ("_id", "_inbox", "_turn")

    def __init__(self, inbox: Inbox, child: Child) -> None:
        self._inbox = inbox
        self._id, self._turn = child.spec.id, child.turn

    def __call__(self, exit_: Exit) -> None:
        self._inbox.put(ChildEnded(self._id, self._turn, exit_))


class Effects:
    """Acts on children.

    Args:
        life: Begins and ends incarnations.
        children: The table.
        supervisor: The supervisor's name.
        inbox: Takes reports of children that end of themselves.
        is_node: Whether an object is a supervisor.
    """

    __slots__ = ("_children", "_inbox", "_is_node", "_life", "_supervisor")

    def __init__(
        self,
        life: LifeCycle,
        children: ChildTable,
        supervisor: str,
        inbox: Inbox,
        is_node: Callable[[object], bool],
    ) -> None:
        self._life = life
        self._children = children
        self._supervisor = supervisor
        self._inbox = inbox
        self._is_node = is_node

    # -- starting ----------------------------------------------------------------------------

    async def start_first(self, child: Child) -> None:
        """Start a child that is new, or was stopped.

        Raises:
            ChildStartFailed: It did not start.
        """
        child.turn += 1
        boundary = Boundary()
        try:
            await self.start(child)
            await boundary.leave()
        except BaseException as error:
            await boundary.settle(error)
            self.emit_failure(child, error)
            self.settle(child, Exit("crash", error))
            raise ChildStartFailed(self._supervisor, child.spec.id, error) from error

    async def wait_turn(self, child: Child) -> None:
        """Wait until a child that used much processor time may be started again."""
        if child.cell is not None:
            await self._life.wait_turn(child.cell)

    async def start(self, child: Child) -> None:
        """Begin an incarnation of a child; raise what its factory or its `start` raises."""
        child.starts += 1
        made = await _make(child.spec)
        if self._is_node(made):
            await self._start_node(child, cast("Node", made))
        else:
            await self._start_actor(child, made)
        child.state = "running"
        child.started_at = self._life.dispatcher.clock()

    async def _start_node(self, child: Child, node: Node) -> None:
        node.attach(_Report(self._inbox, child))
        child.node = node
        await node.start()

    async def _start_actor(self, child: Child, actor: object) -> None:
        if child.cell is None or child.ref is None:
            mailbox = self._life.register.mailbox_for(actor, child.spec.mailbox)
            cell = Cell(self._life.dispatcher, child.name, mailbox)
            child.ref = self._admit(child, cell, ActorRef(cell))
            child.cell = cell
        elif not child.ref.is_alive:
            self._admit(child, child.cell, child.ref)
        child.cell.own_rare().on_exit = _Report(self._inbox, child)
        await self._life.begin(child.cell, actor)

    def _admit(self, child: Child, cell: Cell, ref: ActorRef) -> ActorRef:
        """Give the child's actor its place in the system, for the first time or again."""
        cell.expect()
        cell.own_rare().shutdown = child.spec.shutdown_seconds
        cell.own_rare().weight = child.spec.weight
        self._life.register.routes.add_actor(ref, cell.name)
        return ref

    async def replace(
        self,
        child: Child,
        spec: ChildSpec,
        prepare: Callable[[object], Awaitable[None]] | None,
        finish: float,
    ) -> None:
        """Replace the actor of a child by one made from a new specification.

        Raises:
            ChildStartFailed: The new one did not start or could not be prepared; the old one has
                not noticed.
        """
        cell = cast("Cell", child.cell)
        boundary = Boundary()
        try:
            made = await _make(spec)
            await self._life.prepare(cell, made, prepare)
            await boundary.leave()
        except BaseException as error:
            await boundary.settle(error)
            raise ChildStartFailed(self._supervisor, spec.id, error) from error
        child.turn += 1
        cell.own_rare().on_exit = _Report(self._inbox, child)
        await self._life.swap(cell, made, finish=finish, shutdown=child.spec.shutdown_seconds)
        cell.own_rare().shutdown = spec.shutdown_seconds
        cell.own_rare().weight = spec.weight
        resize(cell, self._life.register.mailbox_for(made, spec.mailbox))
        child.spec = spec
        child.state = "running"
        child.failures = 0
        child.started_at = self._life.dispatcher.clock()

    def adjust(self, child: Child, spec: ChildSpec) -> None:
        """Hold a child to another specification from now on; it keeps its incarnation."""
        child.spec = spec
        cell = child.cell
        if cell is None:
            return
        cell.own_rare().shutdown = spec.shutdown_seconds
        cell.own_rare().weight = spec.weight
        if spec.mailbox is not None:
            actor = child.ref.actor if child.ref is not None else None
            is_up = actor is not None
            resize(
                cell,
                self._life.register.mailbox_for(actor, spec.mailbox) if is_up else spec.mailbox,
            )

    # -- stopping ----------------------------------------------------------------------------

    async def stop(self, child: Child, *, is_final: bool) -> None:
        """End the incarnation of a child; its mailbox too when `is_final`."""
        was_running = child.state == "running"
        child.state = "stopped"
        child.turn += 1
        shutdown = child.spec.shutdown_seconds
        if child.node is not None:
            node, child.node = child.node, None
            if was_running:
                await node.stop(timeout=shutdown)
        elif child.cell is not None:
            await self._life.end(child.cell, shutdown=shutdown, is_final=is_final)

    async def stop_all(self) -> None:
        """Stop all children for good, right to left."""
        for child in reversed(self._children):
            await self.stop(child, is_final=True)
            if child.spec.restart == "temporary":
                self._children.remove(child)

    async def kill_all(self) -> None:
        """Kill all children at once, right to left."""
        for child in reversed(self._children):
            if child.node is not None:
                await child.node.kill()
            elif child.cell is not None and child.ref is not None and child.ref.is_alive:
                await self._life.end(child.cell, shutdown=0, is_final=True)

    async def forget(self, child: Child, exit_: Exit) -> None:
        """Remove a child that has ended, or end it first."""
        self._children.remove(child)
        if child.state == "restarting" and child.cell is not None:
            self._life.terminate(child.cell, exit_)
        else:
            await self.stop(child, is_final=True)

    def settle(self, child: Child, exit_: Exit) -> None:
        """End the actor of a child whose incarnation has ended: it is not started again."""
        if child.cell is not None:
            self._life.terminate(child.cell, exit_)

    def emit_failure(self, child: Child, cause: BaseException) -> None:
        """Tell the listeners of events that a child did not start."""
        dispatcher = self._life.dispatcher
        if dispatcher.events.has_listeners:
            time, incarnation = dispatcher.clock(), child.incarnation
            dispatcher.events.emit(
                LifecycleEvent(EventKind.FAILED, child.name, time, incarnation, "crash", cause)
            )


async def _make(spec: ChildSpec) -> object:
    """Call the factory of a specification, and await an awaitable that it returns."""
    made = spec.start()
    return await made if inspect.isawaitable(made) else made
