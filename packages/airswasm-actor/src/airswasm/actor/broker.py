"""The broker: who is meant by a name, and who wants to hear of a topic.

Routing is one look-up in a dictionary and one append. A switch of a route is one assignment on the
loop's thread, so that every message goes to the old actor or to the new one: none to both, none to
neither. `replace` builds the whole hand-over on that: the new one is held, gets the route, then
what the old one had not begun, and begins when the old one has ended.

Hooks see every message before and after it is sent, to guard, to count, to audit; a broker without
hooks pays one test for the possibility. Sending by reference does not pass the broker, and no
hook: references are for code that is trusted.

Rejected: a broker task with a queue of its own (a second hop, and no answer for the sender),
regular expressions for topics (guests write patterns; they must not be able to write slow ones).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from ._hand_over import replace
from ._waiting import ask_by_name
from .errors import DeliveryError, NameTaken, NoRoute
from .events import Subscription
from .hook import Delivery
from .message import HOST
from .request import Request
from .topics import TopicTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    import anyio

    from .hook import BrokerHook
    from .message import Message
    from .reference import ActorRef
    from .system import ActorSystem
    from .transport import Transport

__all__ = ("MessageBroker",)


@final
class MessageBroker:
    """Routes by name, publishes by topic. Every system has one: `ActorSystem.broker`."""

    __slots__ = (
        "_aliases",
        "_hooks",
        "_routes",
        "_system",
        "_topics",
        "_transport",
        "hand_overs",
    )

    def __init__(self, system: ActorSystem) -> None:
        self._system = system
        self._routes: dict[str, ActorRef] = {}
        self._aliases: dict[ActorRef, set[str]] = {}
        self.hand_overs: dict[str, anyio.Lock] = {}
        self._topics = TopicTable()
        self._hooks: tuple[BrokerHook, ...] = ()
        self._transport: Transport | None = None

    # -- routes ------------------------------------------------------------------------------

    @property
    def routes(self) -> Mapping[str, ActorRef]:
        """All names, read-only and live. A name is routed from `spawn` until its actor ends."""
        return MappingProxyType(self._routes)

    def route(self, name: str, ref: ActorRef) -> None:
        """Makes `name` lead to `ref`, until `unroute` or the actor's end.

        Raises:
            NameTaken: It leads to another actor; `switch` changes that.
        """
        known = self._routes.get(name)
        if known is not None and known is not ref:
            raise NameTaken(name)
        self._set(name, ref)

    def unroute(self, name: str) -> None:
        """The name leads nowhere from now on. Without effect when it did not lead anywhere."""
        ref = self._routes.pop(name, None)
        if ref is not None and ref in self._aliases:
            self._aliases[ref].discard(name)

    def switch(self, name: str, ref: ActorRef) -> ActorRef:
        """Makes `name` lead to `ref` from one message to the next; returns where it led before.

        Raises:
            NoRoute: There is no such route.
        """
        known = self.resolve(name)
        if known in self._aliases:
            self._aliases[known].discard(name)
        self._set(name, ref)
        return known

    def find(self, name: str) -> ActorRef | None:
        """The actor that a name leads to; None when none is known here."""
        return self._routes.get(name)

    def resolve(self, name: str) -> ActorRef:
        """The actor that a name leads to.

        Raises:
            NoRoute: None is known here.
        """
        ref = self._routes.get(name)
        if ref is None:
            raise NoRoute(name)
        return ref

    def replace(
        self,
        name: str,
        successor: ActorRef,
        *,
        drain: float = 5.0,
        shutdown: float | None = 5.0,
        stop_predecessor: Callable[[], Awaitable[None]] | None = None,
    ) -> Coroutine[object, object, int]:
        """Hands a name over to a new actor without losing, doubling or reordering a message.

        From the first step on, new messages wait in the successor's mailbox, and the successor
        handles none, paused or not. The predecessor has `drain` seconds to finish what it has;
        what it has not begun by then is moved to the successor, in front. Then the predecessor is
        stopped and the successor begins. Handlers of the two never overlap; a second hand-over of
        the same name waits for the end of the first.

        A cancel while it drains puts everything back as it was. So does the successor's end; what
        had reached it by then is in the dead letters. If the predecessor ends while it drains,
        the successor takes over at once.

        Args:
            name: The route.
            successor: A new actor that nobody else sends to yet.
            drain: Seconds for finishing what waits.
            shutdown: Seconds for finishing what is in hand then, and for `stop`.
            stop_predecessor: Stops it, when a supervisor owns it.

        Returns:
            How many messages were moved.

        Raises:
            NoRoute: There is no such route.
            ActorStopped: The successor has stopped before it could take over.
            ActorSupervised: The predecessor is a supervisor's, and `stop_predecessor` is missing.
        """
        return replace(self, name, successor, drain, shutdown, stop_predecessor)

    def take_back(self, name: str, predecessor: ActorRef, successor: ActorRef) -> None:
        """Undoes the beginning of a hand-over, as far as there is anybody to go back to."""
        if predecessor.is_alive and self._routes.get(name, successor) is successor:
            self._aliases.get(successor, set()).discard(name)
            self._set(name, predecessor)
            successor.give_back(predecessor)
        successor.follow(None)

    def forget(self, ref: ActorRef) -> None:
        """Ends the routes and subscriptions of an actor that has ended."""
        if self._routes.get(ref.name) is ref:
            del self._routes[ref.name]
        for name in self._aliases.pop(ref, ()):
            if self._routes.get(name) is ref:
                del self._routes[name]
        self._topics.remove_subscriber(ref)

    def register(self, ref: ActorRef) -> None:
        """Routes an actor under its own name; the system does so when it begins."""
        if self._routes.setdefault(ref.name, ref) is not ref:
            raise NameTaken(ref.name)

    def _set(self, name: str, ref: ActorRef) -> None:
        self._routes[name] = ref
        if name != ref.name:
            self._aliases.setdefault(ref, set()).add(name)

    # -- sending -----------------------------------------------------------------------------

    def tell(
        self, target: str, payload: object, *, sender: str = HOST, topic: str | None = None
    ) -> None:
        """Sends to whoever has the name now.

        Raises:
            NoRoute: Nobody has.
            MailboxFull, MessageTooLarge, ActorStopped: As for `ActorRef.tell`.
        """
        if self._hooks:
            self._tell_hooked(target, payload, sender, topic)
            return
        ref = self._routes.get(target)
        if ref is None:
            self._tell_elsewhere(target, payload, sender)
        else:
            ref.tell(payload, sender=sender, topic=topic)

    def deliver(self, target: str, message: Message) -> None:
        """Puts a message that exists already into the mailbox of whoever has the name now.

        The bare step that routing is made of, for transports to hand over with what has arrived.
        It passes no hook; the message keeps the sender, the id and the time that it came with.

        Raises:
            NoRoute, MailboxFull, MessageTooLarge, ActorStopped: As for `tell`.
        """
        ref = self._routes.get(target)
        if ref is None:
            raise NoRoute(target)
        ref.dispatcher.sent += 1
        queue = ref.queue
        if queue is None or len(queue) >= ref.full_at:
            queue = ref.open_queue(message.payload)
        queue.append(message)

    def ask(
        self, target: str, payload: object, *, timeout: float = 5.0, sender: str = HOST
    ) -> Coroutine[object, object, object]:
        """Asks whoever has the name now.

        Raises:
            NoRoute: Nobody has.
            AskError, DeliveryError: As for `ActorRef.ask`.
        """
        return ask_by_name(self, target, payload, timeout, sender)

    def request(
        self,
        target: str,
        payload: object,
        on_done: Callable[[Request], None],
        *,
        timeout: float,
        sender: str = HOST,
        is_waiting: bool = False,
    ) -> Request:
        """As `ActorRef.request`, by name.

        Args:
            target: A name.
            payload: What to send.
            on_done: Called once with the outcome.
            timeout: Seconds until `AskTimeout`.
            sender: The sender's name.
            is_waiting: Whether the actor of the sender's name handles nothing until the answer
                is there; then rings are found and refused with `AskCycle`.

        Raises:
            NoRoute, AskCycle, MailboxFull, MessageTooLarge, ActorStopped: Nothing was sent.
        """
        delivery = Delivery("ask", sender, target, payload) if self._hooks else None
        if delivery is not None:
            self.before(delivery)
        try:
            ref = self._routes.get(target)
            if ref is None:
                request = self.request_elsewhere(target, payload, on_done, timeout, sender)
            else:
                asker = self.handling(sender) if is_waiting else None
                request = ref.request(payload, on_done, timeout=timeout, sender=sender, asker=asker)
        except Exception as error:
            if delivery is not None:
                self.after(delivery, error)
            raise
        if delivery is not None:
            self.after(delivery, None)
        return request

    def handling(self, name: str) -> ActorRef | None:
        """The actor that handles messages under a name: during a hand-over, the old one."""
        ref = self._routes.get(name)
        while ref is not None and ref.predecessor is not None:
            ref = ref.predecessor
        return ref

    def _tell_hooked(self, target: str, payload: object, sender: str, topic: str | None) -> None:
        delivery = Delivery("tell", sender, target, payload)
        self.before(delivery)
        try:
            ref = self._routes.get(target)
            if ref is None:
                self._tell_elsewhere(target, payload, sender)
            else:
                ref.tell(payload, sender=sender, topic=topic)
        except Exception as error:
            self.after(delivery, error)
            raise
        self.after(delivery, None)

    # -- topics ------------------------------------------------------------------------------

    def subscribe(
        self, pattern: str, subscriber: str | ActorRef, *, owner: Hashable = None
    ) -> Subscription:
        """Sends what is published under `pattern` to `subscriber` from now on.

        Args:
            pattern: Segments joined by dots; `*` is one segment, `**` at the end any number.
            subscriber: A name, which is resolved when something is published, or a reference.
            owner: On whose behalf. A subscription lasts until each of its owners has ended it.

        Raises:
            InvalidTopic: The pattern is malformed.
        """
        self._topics.add(pattern, subscriber, owner)

        def cancel() -> None:
            self._topics.remove(pattern, subscriber, owner)

        return Subscription(cancel)

    def unsubscribe(
        self, pattern: str, subscriber: str | ActorRef, *, owner: Hashable = None
    ) -> bool:
        """Ends one owner's subscription; False when there was none."""
        return self._topics.remove(pattern, subscriber, owner)

    def unsubscribe_owner(self, owner: Hashable) -> None:
        """Ends all that one owner has subscribed to, at the end of an incarnation."""
        self._topics.remove_owner(owner)

    def subscriptions_of(self, subscriber: str | ActorRef) -> list[str]:
        """The patterns that a subscriber has subscribed to."""
        return self._topics.patterns_of(subscriber)

    def publish(self, topic: str, payload: object, *, sender: str = HOST) -> int:
        """Sends to everybody who subscribed; returns how many mailboxes took it.

        A subscriber whose mailbox is full, or who has stopped, misses it; the others do not.

        Raises:
            InvalidTopic: The topic is malformed.
        """
        delivery = Delivery("publish", sender, topic, payload) if self._hooks else None
        if delivery is not None:
            self.before(delivery)
        count = 0
        for subscriber in self._topics.find(topic):
            ref = self._routes.get(subscriber) if isinstance(subscriber, str) else subscriber
            if ref is not None:
                count += self._offer(ref, payload, sender, topic)  # type: ignore[arg-type]
        if self._transport is not None:
            count += self._transport.publish(topic, payload, sender=sender)
        if delivery is not None:
            self.after(delivery, None)
        return count

    def _offer(self, ref: ActorRef, payload: object, sender: str, topic: str) -> int:
        try:
            ref.tell(payload, sender=sender, topic=topic)
        except DeliveryError:
            return 0
        return 1

    # -- hooks and transport -----------------------------------------------------------------

    def add_hook(self, hook: BrokerHook) -> Subscription:
        """Shows `hook` every message from now on; hooks are called in the order of adding."""
        self._hooks = (*self._hooks, hook)

        def remove() -> None:
            self._hooks = tuple(other for other in self._hooks if other is not hook)

        return Subscription(remove)

    def connect(self, transport: Transport) -> Subscription:
        """Reaches names that are not known here through `transport`, until cancelled."""
        self._transport = transport

        def disconnect() -> None:
            if self._transport is transport:
                self._transport = None

        return Subscription(disconnect)

    @property
    def has_hooks(self) -> bool:
        """Whether anybody wants to see what passes."""
        return bool(self._hooks)

    def before(self, delivery: Delivery) -> None:
        """Shows every hook what is about to be sent; raises what one refuses with."""
        for hook in self._hooks:
            hook.before(delivery)

    def after(self, delivery: Delivery, error: Exception | None) -> None:
        """Tells every hook what became of it."""
        for hook in self._hooks:
            hook.after(delivery, error)

    def _tell_elsewhere(self, target: str, payload: object, sender: str) -> None:
        if self._transport is None or not self._transport.knows(target):
            raise NoRoute(target)
        self._transport.tell(target, payload, sender=sender)

    def request_elsewhere(
        self,
        target: str,
        payload: object,
        on_done: Callable[[Request], None] | None,
        timeout: float,
        sender: str,
    ) -> Request:
        """Asks a name that is not known here, through the transport."""
        if self._transport is None or not self._transport.knows(target):
            raise NoRoute(target)
        request = Request(target, None, on_done)

        def finish(value: object, error: BaseException | None) -> None:
            request.resolve(value) if error is None else request.fail(error)

        cancel = self._transport.request(
            target, payload, sender=sender, timeout=timeout, on_done=finish
        )
        request.at_end(cancel)
        request.expire_after(timeout, self._system.timers)
        return request
