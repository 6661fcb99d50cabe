"""The view that an actor has of its system while it handles a message."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Protocol, cast, final

from airswasm.runtime import OpenScopes, ScopeLeftOpen

from .._running.phase import Phase
from .._running.reference import cell_of
from ..errors import ActorStopped
from .scheduling import Scheduled

if TYPE_CHECKING:
    import random

    from airswasm.runtime import Timers

    from .._messages.bounds import MailboxSpec
    from .._messages.dead_letters import DeadLetters
    from .._messages.envelope import Envelope
    from .._messages.events import EventStream
    from .._messages.message import Message
    from .._routing.broker import MessageBroker
    from .._running.phase import Down
    from .._running.reference import ActorRef, Watch
    from .life_cycle import LifeCycle
    from .scheduling import Scheduler

__all__ = ("ActorHome", "Context")


class ActorHome(Protocol):
    """An `ActorSystem` as those see it who live in it: actors, and supervisors.

    A protocol, because the system itself stands above all that it consists of.

    Attributes:
        name: The system's name.
        broker: Names and topics.
        events: The life cycle events.
        dead_letters: Messages that will not be handled.
        timers: Callbacks to come.
        clock: The time in seconds.
        rng: The source of jitter.
        scheduler: Messages to come.
        life: Beginnings and ends; for the block's own use.
    """

    name: str
    broker: MessageBroker
    events: EventStream
    dead_letters: DeadLetters
    timers: Timers
    clock: Callable[[], float]
    rng: random.Random
    scheduler: Scheduler
    life: LifeCycle

    @property
    def is_open(self) -> bool:
        """Whether the system is inside its `async with` block."""
        ...

    def spawn(
        self,
        actor: object,
        *,
        name: str | None = None,
        mailbox: MailboxSpec | None = None,
        shutdown: float | None = 5.0,
        is_paused: bool = False,
    ) -> ActorRef:
        """Make an actor. See `ActorSystem.spawn`."""
        ...

    def started(self, ref: ActorRef) -> Coroutine[object, object, None]:
        """Wait until a spawned actor is ready. See `ActorSystem.started`."""
        ...

    def stop(
        self, ref: ActorRef, *, timeout: float | None = 5.0
    ) -> Coroutine[object, object, None]:
        """Stop an actor for good. See `ActorSystem.stop`."""
        ...


@final
class Context:
    """The actor's view of its system; one for each incarnation, valid as long as that.

    Attributes:
        system: The system that the actor lives in.
        ref: The actor's own reference.
        incarnation: 1 for the first start, one more for each restart.
    """

    __slots__ = ("incarnation", "ref", "system")

    def __init__(self, system: ActorHome, ref: ActorRef, incarnation: int) -> None:
        self.system = system
        self.ref = ref
        self.incarnation = incarnation

    @property
    def name(self) -> str:
        """The actor's own name."""
        return self.ref.name

    @property
    def broker(self) -> MessageBroker:
        """The system's broker."""
        return self.system.broker

    def tell(self, target: str | ActorRef, payload: object) -> None:
        """Send in the actor's own name, with what travels along from the message in hand.

        Args:
            target: A name, or a reference.
            payload: The object to send.

        Raises:
            TooManyHops: The message in hand is the last one of a chain as long as may be.
            DeliveryError: As for `ActorRef.tell` and `MessageBroker.tell`.
        """
        cell = cell_of(self.ref)
        exchange, name = cell.exchange, cell.name
        message = exchange.message_of(cell)
        if isinstance(target, str):
            envelope = exchange.following(message, name, target, is_question=False)
            self.system.broker.tell(target, payload, sender=name, envelope=envelope)
        else:
            envelope = exchange.following(message, name, target.name, is_question=False)
            target.tell(payload, sender=name, envelope=envelope)

    def ask(
        self, target: str | ActorRef, payload: object, *, timeout: float = 5.0
    ) -> Coroutine[object, object, object]:
        """Ask in the actor's own name, and return the answer.

        A question within a question does not outlast it: the time that is left of the outer one
        is the most that `timeout` can be.

        Args:
            target: A name, or a reference.
            payload: The object to send.
            timeout: Seconds until `AskTimeout`.

        Raises:
            AskError, DeliveryError: As for `ActorRef.ask` and `MessageBroker.ask`.
        """
        name = self.name
        if isinstance(target, str):
            envelope = self.following(target, is_question=True)
            return self.broker.ask(target, payload, sender=name, timeout=timeout, envelope=envelope)
        envelope = self.following(target.name, is_question=True)
        return target.ask(payload, sender=name, timeout=timeout, envelope=envelope)

    def publish(self, topic: str, payload: object) -> int:
        """Publish in the actor's own name. Return the number of mailboxes that took it."""
        envelope = self.following(topic)
        return self.broker.publish(topic, payload, sender=self.name, envelope=envelope)

    def send_later(
        self, target: str | ActorRef, payload: object, seconds: float, *, is_durable: bool = False
    ) -> Scheduled:
        """Send in the actor's own name after `seconds`. The message begins a new chain.

        It ends with this incarnation: what a crash, a restart or an update ends sends no more. A
        durable one outlives them and the host, and holds bytes; `Scheduled.written` waits for the
        disk. A message that cannot be delivered is a dead letter; a durable one is tried again.

        Args:
            target: A name, or a reference; `context.ref` for the actor itself.
            payload: The object to send.
            seconds: The delay.
            is_durable: Whether it outlives the host, which needs a `Schedule` with a store.

        Raises:
            ActorStopped: This incarnation has ended.
            TimersNotDurable: The system has no store for durable timers.
            ValueError: The delay is below 0.
        """
        return self._schedule(target, payload, seconds, repeats=False, is_durable=is_durable)

    def send_every(
        self, target: str | ActorRef, payload: object, seconds: float, *, is_durable: bool = False
    ) -> Scheduled:
        """Send in the actor's own name every `seconds`, for the first time after as many.

        As for `send_later`. Times that pass unused, because the loop was busy or the host was down,
        are one message.

        Raises:
            ActorStopped, TimersNotDurable: As for `send_later`.
            ValueError: The interval is not above 0.
        """
        return self._schedule(target, payload, seconds, repeats=True, is_durable=is_durable)

    def _schedule(
        self, target: str | ActorRef, payload: object, seconds: float, *,
        repeats: bool, is_durable: bool,
    ) -> Scheduled:  # fmt: skip
        if not seconds >= 0 or (repeats and seconds == 0):
            raise ValueError("a delay is not below 0 s, and an interval is above 0 s")
        own, later = self.ref, self.incarnation - self.ref.incarnation
        if later < 0 or (later == 0 and own.phase in (Phase.RESTARTING, Phase.STOPPED)):
            raise ActorStopped(self.name, "the incarnation that sets the timer has ended")
        scheduler = self.system.scheduler
        scheduled = Scheduled(scheduler, self.name)
        scheduled.id = scheduler.schedule(
            self.name, target if isinstance(target, str) else target.name, payload, seconds,
            repeats=repeats, is_durable=is_durable,
            incarnation=0 if is_durable else self.incarnation, done=scheduled.note,
        )  # fmt: skip
        if not is_durable:
            scheduled.note(None)
        return scheduled

    @property
    def message(self) -> Message | None:
        """The message in hand; None outside of `receive`."""
        cell = cell_of(self.ref)
        return cell.exchange.message_of(cell)

    def following(self, target: str, *, is_question: bool = False) -> Envelope | None:
        """Return the envelope of what the handler sends on. See `MessageBroker.following`."""
        cell = cell_of(self.ref)
        exchange = cell.exchange
        message = exchange.message_of(cell)
        return exchange.following(message, cell.name, target, is_question=is_question)

    def spawn(
        self, actor: object, *, name: str | None = None, mailbox: MailboxSpec | None = None
    ) -> ActorRef:
        """Spawn as `ActorSystem.spawn` does. The new actor has no supervisor."""
        return self.system.spawn(actor, name=name, mailbox=mailbox)

    def watch(self, other: ActorRef) -> Watch:
        """Have the end of `other` arrive as a system message whose payload is a `Down`."""
        own = self.ref

        def forward(down: Down) -> None:
            if own.is_alive:
                own.signal(down, sender=down.name)

        return other.watch(forward)

    def stop(self, reason: str = "normal") -> None:
        """End this actor once the current message is handled.

        Args:
            reason: `normal` or `shutdown`; both are no crash.
        """
        self.system.life.request_exit(cell_of(self.ref), reason)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after `seconds`, and return a function that cancels that.

        An error that it raises is a crash of this actor, if the incarnation still runs. So is an
        async function, which nothing would wait for.
        """
        return self.system.timers.after(seconds, lambda: self._call(callback)).cancel

    def _call(self, callback: Callable[[], None]) -> None:
        scopes = OpenScopes()
        try:
            returned = cast("Callable[[], object]", callback)()  # compiled, None would be checked
            if inspect.isawaitable(returned):
                if inspect.iscoroutine(returned):
                    returned.close()
                raise TypeError(
                    "the callback is async: let it tell this actor, whose async `receive` can wait"
                )
            if scopes.leave_others():
                raise ScopeLeftOpen("the callback")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            scopes.leave_others()
            if self.ref.incarnation == self.incarnation and self.ref.phase is Phase.RUNNING:
                self.system.life.fail(cell_of(self.ref), error)
            else:
                self.system.events.note_error(error)
