"""What an actor knows of its surroundings while it handles a message."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from .broker import MessageBroker
    from .mailbox import MailboxSpec
    from .reference import ActorRef, Down, Watch
    from .system import ActorSystem

__all__ = ("Context",)


@final
class Context:
    """The actor's view of its system; one for each incarnation, valid as long as that.

    Attributes:
        ref: The actor's own reference.
        incarnation: 1 for the first start, one more for each restart.
    """

    __slots__ = ("incarnation", "ref")

    def __init__(self, ref: ActorRef, incarnation: int) -> None:
        self.ref = ref
        self.incarnation = incarnation

    @property
    def name(self) -> str:
        """The actor's own name."""
        return self.ref.name

    @property
    def system(self) -> ActorSystem:
        """The system that the actor lives in."""
        return self.ref.system

    @property
    def broker(self) -> MessageBroker:
        """The system's broker."""
        return self.ref.system.broker

    def tell(self, target: str | ActorRef, payload: object) -> None:
        """Sends in the actor's own name; errors as `ActorRef.tell` and `MessageBroker.tell`."""
        if isinstance(target, str):
            self.broker.tell(target, payload, sender=self.name)
        else:
            target.tell(payload, sender=self.name)

    def ask(
        self, target: str | ActorRef, payload: object, *, timeout: float = 5.0
    ) -> Coroutine[object, object, object]:
        """Asks in the actor's own name; errors as `ActorRef.ask` and `MessageBroker.ask`."""
        if isinstance(target, str):
            return self.broker.ask(target, payload, sender=self.name, timeout=timeout)
        return target.ask(payload, sender=self.name, timeout=timeout)

    def publish(self, topic: str, payload: object) -> int:
        """Publishes in the actor's own name; the number of mailboxes it went to."""
        return self.broker.publish(topic, payload, sender=self.name)

    def spawn(
        self, actor: object, *, name: str | None = None, mailbox: MailboxSpec | None = None
    ) -> ActorRef:
        """As `ActorSystem.spawn`. The new actor is nobody's child: supervisors have children."""
        return self.system.spawn(actor, name=name, mailbox=mailbox)

    def watch(self, other: ActorRef) -> Watch:
        """`other`'s end will arrive as a system message whose payload is a `Down`."""
        own = self.ref

        def forward(down: Down) -> None:
            if own.is_alive:
                own.signal(down, sender=down.name)

        return other.watch(forward)

    def stop(self, reason: str = "normal") -> None:
        """Ends this actor once the current message is handled.

        Args:
            reason: `normal` or `shutdown`; both are no crash.
        """
        self.ref.leave(reason)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` after `seconds`; returns what cancels it."""
        return self.system.timers.after(seconds, callback).cancel
