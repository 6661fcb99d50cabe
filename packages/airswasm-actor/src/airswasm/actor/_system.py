"""The actor system: everything that runs belongs to it, and ends with it.

One task group owns the dispatcher, the timers, and the tasks that handlers need. Leaving the
`async with` block stops what is left in it: supervisors first, the last one first, then the actors
that no supervisor owns. Several systems in one process know nothing of each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import anyio
from airswasm.runtime import Timers, asyncio_task

from ._boundary import own_this_task, raise_interrupt, start_task
from ._lives.context import Context
from ._lives.life_cycle import LifeCycle
from ._lives.register import Register
from ._lives.scheduling import MemoryScheduler, Scheduler
from ._messages.bounds import COMPONENT_MAILBOX, MailboxSpec
from ._messages.dead_letters import DeadLetters
from ._messages.events import EventStream
from ._routing.broker import MessageBroker
from ._routing.routes import Routes
from ._running.dispatcher import Dispatcher, DispatcherConfig
from ._running.phase import Phase
from ._running.reference import ActorRef, cell_of
from .errors import ActorSupervised, SystemClosed

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ._running.cell import Cell

__all__ = ("ActorSystem", "Books")


@dataclass(frozen=True, slots=True)
class Books:
    """The places of all messages that were tried to be sent.

    Attributes:
        sent: All of them.
        handled: Handling ended without a crash.
        rejected: Not accepted; the sender got an error.
        expired: Not handled: their deadline had passed.
        dead: In the dead letters (counted, even if the ring has forgotten them).
        waiting: In mailboxes, and senders that wait for room.
        in_hand: Being handled.
    """

    sent: int
    handled: int
    rejected: int
    expired: int
    dead: int
    waiting: int
    in_hand: int

    @property
    def is_balanced(self) -> bool:
        """Whether every message is in exactly one place."""
        ended = self.handled + self.rejected + self.expired + self.dead
        return self.sent == ended + self.waiting + self.in_hand


class ActorSystem:
    """Holds actors. Use it as `async with ActorSystem() as system`.

    Attributes:
        name: A name for people.
        broker: Names and topics.
        events: The life cycle events.
        dead_letters: Messages that will not be handled.
        receipts: The sums over the messages of each actor, and the readers of single receipts.
        tracing: Which messages are traced, and their contexts; `receipts.trace` begins it.
        clock: The time in seconds that ages, deadlines and events are measured in.
        timers: Callbacks to come.
        rng: The source of jitter.
        dispatcher: The counters of the books: `sent`, `handled`, `rejected`.
        life: Beginnings and ends; for the block's own use.
        supervisors: The top-level supervisors, in the order of starting; a set that keeps it.
        scheduler: Messages to come, of `Context.send_later` and `send_every`; in memory, unless
            another one takes the place, such as airswasm-messaging's `Schedule`.

    Args:
        name: See above.
        mailbox: The mailbox of actors in Python that are given none.
        component_mailbox: The mailbox of components that are given none.
        dispatcher: The length of turns, and the number of threads.
        clock: See above.
        rng: See above; a new one when it is left out.
        dead_letters: How many dead letters are kept.
        dead_letter_bytes: How many bytes of them; a quarter of it for those of one actor.
        hops: The longest chain of messages, each sent by the handler of the one before.
    """

    def __init__(
        self,
        name: str = "actors",
        *,
        mailbox: MailboxSpec = MailboxSpec(),  # noqa: B008 - it is frozen
        component_mailbox: MailboxSpec = COMPONENT_MAILBOX,
        dispatcher: DispatcherConfig = DispatcherConfig(),  # noqa: B008 - it is frozen
        clock: Callable[[], float] = anyio.current_time,
        rng: random.Random | None = None,
        dead_letters: int = 1000,
        dead_letter_bytes: int = 64 * 2**20,
        hops: int = 64,
    ) -> None:
        self.name = name
        self.clock = clock
        self.rng = rng if rng is not None else random.Random()  # noqa: S311 - jitter, no secret
        self.timers = Timers()
        self.dead_letters = DeadLetters(dead_letters, dead_letter_bytes)
        self.events = EventStream()
        self.dispatcher = Dispatcher(dispatcher, clock, self.timers, self.dead_letters, self.events)
        self.dispatcher.most_hops = hops
        routes = Routes()
        self.broker = MessageBroker(
            self.dispatcher, routes, lambda ref, timeout: self.stop(ref, timeout=timeout)
        )
        register = Register(self.dispatcher, routes, self.broker, mailbox, component_mailbox)
        self.scheduler: Scheduler = MemoryScheduler(self.broker, self.timers, self.events)
        self.life = LifeCycle(name, self.dispatcher, register, self.rng)
        self.life.on_incarnation_end = lambda name, number: self.scheduler.end(name, number)
        self.dispatcher.endings = self.life
        self.dispatcher.make_context = self._make_context
        self.receipts = self.dispatcher.receipts
        self.tracing = self.dispatcher.tracing
        self.receipts.on_change = self._measure
        self._register = register
        self.supervisors = self.life.supervisors
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> ActorSystem:
        self._group = group = anyio.create_task_group()
        await group.__aenter__()
        self.life.open(group)
        task = asyncio_task()
        if task is not None and self.clock is anyio.current_time:
            self.dispatcher.clock = task.get_loop().time  # which anyio would look for each time
        self.dispatcher.open_clocks()
        self.dispatcher.open(group)
        start_task(group, self.timers.run)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        group = self.life.group
        try:
            if error is None:
                await self._stop_all()
        finally:
            self._kill_all()
            self._group = None
            self.life.close()
            group.cancel_scope.cancel()
            try:
                suppressed = await group.__aexit__(kind, error, trace)
            except BaseExceptionGroup as raised:
                if asyncio_task() is None:  # where the loop has raised it already, and closes
                    raise_interrupt(raised)
                if len(raised.exceptions) != 1 or raised.exceptions[0] is not error:
                    raise
                suppressed = False  # the block's own error, as it was
        return suppressed

    @property
    def actors(self) -> Mapping[str, ActorRef]:
        """All actors that have not ended, by their own names, at this moment."""
        return self._register.routes.actors()

    @property
    def is_open(self) -> bool:
        """Whether it is inside its `async with` block."""
        return self._group is not None

    @property
    def group(self) -> TaskGroup:
        """The task group that owns all tasks of the system.

        Raises:
            SystemClosed: The system is not open.
        """
        return self.life.group

    def spawn(
        self,
        actor: object,
        *,
        name: str | None = None,
        mailbox: MailboxSpec | None = None,
        shutdown: float | None = 5.0,
        is_paused: bool = False,
    ) -> ActorRef:
        """Make an actor of `actor`, route it under its name, and return at once.

        An actor with a `start` handles messages as soon as that has ended; `started` waits for
        it. A spawned actor has no supervisor to restart it: when it crashes it ends.

        Args:
            actor: An `Actor`, or a function of message and context.
            name: Unique in the system; made up when it is left out.
            mailbox: Bounds and policy; the system's `mailbox` or `component_mailbox` when it is
                left out.
            shutdown: Seconds for finishing and `stop` when it leaves of its own wish.
            is_paused: Whether nothing is delivered until `resume`.

        Returns:
            The reference to it.

        Raises:
            NameTaken: Another actor has this name.
            SystemClosed: The system is not open.
            TypeError: It is no actor.
        """
        if self._group is None:
            raise SystemClosed(self.name)
        return self._register.spawn(actor, name, mailbox, shutdown, is_paused)

    async def started(self, ref: ActorRef) -> None:
        """Wait until a spawned actor is ready.

        Raises:
            ActorStopped: It ended instead; `__cause__` is why.
        """
        await self.life.wait_ready(cell_of(ref))

    async def stop(self, ref: ActorRef, *, timeout: float | None = 5.0) -> None:
        """Stop an actor for good: the message in hand is finished, `stop` is called.

        Messages that still wait in the mailbox go to the dead letters. Stopping a stopped actor has
        no effect. A cancel meanwhile kills it.

        Args:
            ref: An actor that no supervisor owns.
            timeout: Seconds for that, then it is killed; 0 kills at once, None waits for ever.

        Raises:
            ActorSupervised: A supervisor owns it.
        """
        cell = cell_of(ref)
        if cell.rare.on_exit is not None and ref.is_alive:
            raise ActorSupervised(ref.name)
        await self.life.end(cell, shutdown=timeout, is_final=True)

    def crash(self, ref: ActorRef, error: BaseException) -> bool:
        """End the running incarnation as a crash, for a reason that lies outside of it.

        The message in hand goes to the dead letters, the mailbox stays, and the supervisor, where
        there is one, decides as after any crash.

        Args:
            ref: The actor.
            error: The reason, for the supervisor, the dead letter and the sender.

        Returns:
            False when nothing ran that could end.
        """
        if ref.phase is not Phase.RUNNING:
            return False
        self.life.fail(cell_of(ref), error)
        return True

    async def evict(self, ref: ActorRef, error: BaseException) -> None:
        """End the running incarnation at once, because it must not run on.

        The message in hand goes to the dead letters, the mailbox stays, and the supervisor, where
        there is one, makes another without counting a restart. An update in hand goes on.

        Args:
            ref: The actor.
            error: The reason, for the dead letter and the sender.
        """
        await self.life.evict(cell_of(ref), error)

    def books(self) -> Books:
        """Return the places of all messages. It walks all actors: for tests and for status."""
        waiting = in_hand = 0
        for cell in self._cells():
            waiting += len(cell.queue or ()) + len(cell.signals or ())
            waiting += len(cell.rare.waiting_room or ())
            in_hand += cell.work is not None
        return Books(
            self.dispatcher.sent,
            self.dispatcher.handled,
            self.dispatcher.rejected,
            self.dispatcher.expired,
            self.dead_letters.total,
            waiting,
            in_hand,
        )

    def _make_context(self, cell: Cell, incarnation: int) -> Context:
        ref = self._register.ref_of(cell) or ActorRef(cell)
        return Context(self, ref, incarnation)

    def _measure(self, name: str | None) -> None:
        """Measure an actor, or all actors, as the readers of receipts ask for now."""
        if name is None:
            for cell in self._cells():
                cell.measure()
            return
        ref = self._register.routes.find_actor(name)
        if ref is not None:
            cell_of(ref).measure()

    async def _stop_all(self) -> None:
        for supervisor in reversed(list(self.supervisors)):
            await supervisor.stop()
        remaining = [cell for cell in reversed(self._cells()) if not self.life.end_now(cell)]
        async with anyio.create_task_group() as group:
            for cell in remaining:
                group.start_soon(self._stop_one, cell)

    async def _stop_one(self, cell: Cell) -> None:
        own_this_task()
        await self.life.end(cell, shutdown=cell.rare.shutdown, is_final=True)

    def _kill_all(self) -> None:
        for cell in reversed(self._cells()):
            self.life.kill(cell)

    def _cells(self) -> list[Cell]:
        return [cell_of(ref) for ref in self.actors.values()]
