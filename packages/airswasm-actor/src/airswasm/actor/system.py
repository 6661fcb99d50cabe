"""The actor system: everything that runs belongs to it, and ends with it.

One task group owns the dispatcher, the timers, and whatever tasks handlers need. Leaving the
`async with` block stops what is left in it: supervisors first, the last one first, then the actors
that nobody owns. Several systems in one process know nothing of each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import anyio
from airswasm.runtime import Timers
from anyio.abc import TaskGroup

from ._dispatcher import Dispatcher, DispatcherConfig
from ._life import LifeCycle
from ._register import Register
from .broker import MessageBroker
from .dead_letters import DeadLetters
from .errors import ActorSupervised, SystemClosed
from .events import EventStream
from .mailbox import COMPONENT_MAILBOX, MailboxSpec

if TYPE_CHECKING:
    from .reference import ActorRef
    from .supervisor import SupervisorNode

__all__ = ("ActorSystem", "Books")


@dataclass(frozen=True, slots=True)
class Books:
    """Where all messages have gone that anybody tried to send.

    Attributes:
        sent: All of them.
        handled: Handling ended without a crash.
        rejected: Not accepted; the sender got an error.
        dead: In the dead letters (counted, even if the ring has forgotten them).
        waiting: In mailboxes, and senders that wait for room.
        in_hand: Being handled.
    """

    sent: int
    handled: int
    rejected: int
    dead: int
    waiting: int
    in_hand: int

    @property
    def is_balanced(self) -> bool:
        """Whether every message is in exactly one place."""
        return self.sent == self.handled + self.rejected + self.dead + self.waiting + self.in_hand


class ActorSystem:
    """Holds actors. Use it as `async with ActorSystem() as system`.

    Attributes:
        name: For people.
        broker: Names and topics.
        events: The life cycle events.
        dead_letters: Messages that nobody will handle.
        clock: The time in seconds that ages, deadlines and events are measured in.
        timers: Callbacks to come.
        rng: Where jitter comes from.
        default_mailbox: For actors in Python that are given none.
        component_mailbox: For components that are given none.
        actors: All actors that have not ended, by their own names.
        supervisors: The top-level supervisors, in the order of starting; a set that keeps it.
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
    ) -> None:
        self.name = name
        self.clock = clock
        self.rng = rng if rng is not None else random.Random()  # noqa: S311 - jitter, no secret
        self.timers = Timers()
        self.dispatcher = Dispatcher(dispatcher, clock)
        self.dead_letters = DeadLetters(dead_letters)
        self.events = EventStream()
        self.broker = MessageBroker(self)
        self.register = Register(self)
        self.life = LifeCycle(self, self.register)
        self.dispatcher.life = self.life
        self.actors = self.register.actors
        self.supervisors: dict[SupervisorNode, None] = {}
        self.default_mailbox = mailbox
        self.component_mailbox = component_mailbox
        self._group: TaskGroup | None = None
        self._spawned = 0

    async def __aenter__(self) -> ActorSystem:
        self._group = group = anyio.create_task_group()
        await group.__aenter__()
        self.life.open(group)
        self.dispatcher.now = self.clock()
        self.dispatcher.open(group)
        group.start_soon(self.timers.run)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        group = self.group
        try:
            if error is None:
                await self._stop_all()
        finally:
            self._discard_all()
            self._group = None
            group.cancel_scope.cancel()
            try:
                suppressed = await group.__aexit__(kind, error, trace)
            except BaseExceptionGroup as raised:
                if raised.exceptions != (error,):
                    raise
                suppressed = False  # the block's own error, as it was
        return suppressed

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
        if self._group is None:
            raise SystemClosed(self.name)
        return self._group

    def spawn(
        self,
        actor: object,
        *,
        name: str | None = None,
        mailbox: MailboxSpec | None = None,
        shutdown: float | None = 5.0,
        is_paused: bool = False,
    ) -> ActorRef:
        """Makes an actor of `actor` and routes it under its name. Returns at once.

        An actor with a `start` handles messages as soon as that has ended; `started` waits for
        it. Nobody restarts a spawned actor: when it crashes it ends.

        Args:
            actor: An `Actor`, or a function of message and context.
            name: Unique in the system; made up when it is left out.
            mailbox: Bounds and policy; the system's `default_mailbox` or `component_mailbox`
                when it is left out.
            shutdown: Seconds for finishing and `stop` when it leaves of its own wish.
            is_paused: Delivers nothing until `resume`.

        Raises:
            NameTaken: Another actor has this name.
            SystemClosed: The system is not open.
            TypeError: It is no actor.
        """
        if self._group is None:
            raise SystemClosed(self.name)
        if name is None:
            self._spawned += 1
            name = f"actor-{self._spawned}"
        return self.register.spawn(actor, name, mailbox, shutdown, is_paused)

    async def started(self, ref: ActorRef) -> None:
        """Waits until a spawned actor is ready.

        Raises:
            ActorStopped: It ended instead; `__cause__` is why.
        """
        await self.life.wait_ready(ref)

    async def stop(self, ref: ActorRef, *, timeout: float | None = 5.0) -> None:
        """Stops an actor for good: the message in hand is finished, `stop` is called.

        What still waits in the mailbox goes to the dead letters. Stopping a stopped actor has no
        effect. A cancel meanwhile kills it.

        Args:
            ref: An actor that no supervisor owns.
            timeout: Seconds for that, then it is killed; 0 kills at once, None waits for ever.

        Raises:
            ActorSupervised: A supervisor owns it.
        """
        if ref.on_exit is not None and ref.is_alive:
            raise ActorSupervised(ref.name)
        await self.life.end(ref, shutdown=timeout, is_final=True)

    def books(self) -> Books:
        """Where all messages are; walks all actors, so it is for tests and for status."""
        waiting = in_hand = 0
        for ref in self.actors.values():
            waiting += len(ref.queue or ()) + len(ref.signals or ()) + len(ref.waiting_room or ())
            in_hand += ref.work is not None
        return Books(
            self.dispatcher.sent,
            self.dispatcher.handled,
            self.dispatcher.rejected,
            self.dead_letters.total,
            waiting,
            in_hand,
        )

    async def _stop_all(self) -> None:
        for supervisor in reversed(list(self.supervisors)):
            await supervisor.stop()
        remaining = [ref for ref in reversed(self._actors()) if not self.life.end_now(ref)]
        async with anyio.create_task_group() as group:
            for ref in remaining:
                group.start_soon(self._stop_one, ref)

    async def _stop_one(self, ref: ActorRef) -> None:
        await self.life.end(ref, shutdown=ref.shutdown, is_final=True)

    def _discard_all(self) -> None:
        for ref in reversed(self._actors()):
            self.life.abandon(ref)

    def _actors(self) -> list[ActorRef]:
        return list(self.actors.values())
