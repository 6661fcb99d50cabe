"""The broker: which actor a name means, and which actors a topic goes to.

Routing is one look-up in a dictionary and one append. `replace` builds the hand-over of a name on
that: the new actor is held back, gets the route, then the messages that the old one had not begun,
and begins when the old one has ended.

Hooks see every message before and after it is sent, to guard, to count, to audit; a broker without
hooks pays one test for the possibility. Sending by reference does not pass the broker, and no
hook: references are for code that is trusted.

Rejected: a broker task with a queue of its own (a second hop, and no answer for the sender),
regular expressions for topics (guests write patterns; they must not be able to write slow ones).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from .._messages.envelope import Envelope, new_envelope
from .._messages.events import Subscription
from .._messages.message import HOST, Message, new_message
from .._messages.request import Request
from .._running.mailbox import open_queue
from .._running.reference import cell_of
from ..errors import DeliveryError, NoRoute
from .asking_by_name import ask_by_name
from .hand_over import replace
from .hook import Delivery
from .routes import Routes
from .topics import TopicTable, check_topic

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .._messages.dead_letters import DeathReason
    from .._running.cell import Exchange
    from .._running.reference import ActorRef
    from .carrier import Accepted, Carrier
    from .hook import BrokerHook
    from .transport import Transport

__all__ = ("MessageBroker",)

_NOTHING_SAID = Envelope()


@final
class MessageBroker:
    """Routes by name, publishes by topic. Every system has one: `ActorSystem.broker`."""

    __slots__ = (
        "_carrier",
        "_exchange",
        "_hooks",
        "_names",
        "_routes",
        "_stop",
        "_topics",
        "_transport",
    )

    def __init__(
        self,
        exchange: Exchange,
        routes: Routes,
        stop: Callable[[ActorRef, float | None], Awaitable[None]],
    ) -> None:
        self._exchange = exchange
        self._names = routes
        self._routes: dict[str, ActorRef] = routes.table
        self._stop = stop
        self._topics = TopicTable()
        self._hooks: tuple[BrokerHook, ...] = ()
        self._transport: Transport | None = None
        self._carrier: Carrier | None = None

    # -- routes ------------------------------------------------------------------------------

    @property
    def routes(self) -> Mapping[str, ActorRef]:
        """All names, read-only and live. A name is routed from `spawn` until its actor ends."""
        return MappingProxyType(self._routes)

    def route(self, name: str, ref: ActorRef) -> None:
        """Make `name` lead to `ref`, until `unroute` or the actor's end.

        Args:
            name: The name.
            ref: The actor.

        Raises:
            NameTaken: It leads to another actor; `switch` changes that.
        """
        self._names.add(name, ref)

    def unroute(self, name: str) -> None:
        """Make `name` lead nowhere. Has no effect when it did not lead anywhere."""
        self._names.remove(name)

    def switch(self, name: str, ref: ActorRef) -> ActorRef:
        """Make `name` lead to `ref` from one message to the next.

        Args:
            name: The name.
            ref: The actor.

        Returns:
            The actor that it led to before.

        Raises:
            NoRoute: It led nowhere.
        """
        return self._names.switch(name, ref)

    def find(self, name: str) -> ActorRef | None:
        """Return the actor that a name leads to; None when none is known here."""
        return self._routes.get(name)

    def resolve(self, name: str) -> ActorRef:
        """Return the actor that a name leads to.

        Raises:
            NoRoute: None is known here.
        """
        return self._names.resolve(name)

    def handling(self, name: str) -> ActorRef | None:
        """Return the actor that handles messages under a name: in a hand-over, the old one.

        Also where a carrier takes the messages of the name.
        """
        return self._names.handling(name)

    def replace(
        self,
        name: str,
        successor: ActorRef,
        *,
        drain: float = 5.0,
        shutdown: float | None = 5.0,
        stop_predecessor: Callable[[], Awaitable[None]] | None = None,
    ) -> Coroutine[object, object, int]:
        """Hand a name over to a new actor without losing, doubling or reordering a message.

        From the first step on, new messages wait in the successor's mailbox, and the successor
        handles none, paused or not. The predecessor has `drain` seconds to finish what it has;
        the messages that it has not begun by then are moved to the successor, in front. Then the
        predecessor is stopped and the successor begins. Handlers of the two never overlap; a
        second hand-over of the same name waits for the end of the first.

        A cancel while it drains puts everything back as it was. So does the successor's end; the
        messages that had reached it by then are in the dead letters. If the predecessor ends while
        it drains, the successor takes over at once.

        Args:
            name: The route.
            successor: A new actor that gets no messages by another way yet.
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
        stop = self._stop
        return replace(
            self._names, name, successor, drain, lambda ref: stop(ref, shutdown), stop_predecessor
        )

    def forget(self, ref: ActorRef) -> None:
        """End the routes and subscriptions of an actor that has ended."""
        self._names.remove_actor(ref)
        self._topics.remove_subscriber(ref)

    # -- sending -----------------------------------------------------------------------------

    def tell(
        self,
        target: str,
        payload: object,
        *,
        sender: str = HOST,
        topic: str | None = None,
        envelope: Envelope | None = None,
    ) -> None:
        """Send to the actor that has the name now.

        Args:
            target: The name.
            payload: The object to send.
            sender: The sender's name.
            topic: A topic for the receiver to see.
            envelope: What travels with it.

        Raises:
            NoRoute: No actor has it.
            MailboxFull, MessageTooLarge, ActorStopped: As for `ActorRef.tell`.
        """
        if self._hooks:
            self._tell_hooked(target, payload, sender, topic, envelope)
            return
        ref = self._routes.get(target)
        if ref is None:
            self._tell_elsewhere(target, payload, sender, topic, envelope)
        else:
            ref.tell(payload, sender=sender, topic=topic, envelope=envelope)

    def deliver(self, target: str, message: Message) -> None:
        """Put a message that exists already into the mailbox of the actor that has the name now.

        The bare step that routing is made of, with which transports hand over what has arrived. It
        passes no hook; the message keeps the sender, the id and the time that it came with.

        Raises:
            NoRoute, MailboxFull, MessageTooLarge, ActorStopped: As for `tell`.
        """
        ref = self._routes.get(target)
        if ref is None:
            if self._carrier is None or target not in self._names.carried:
                raise NoRoute(target)
            self._carrier.carry(target, message, None)
            return
        cell = ref._cell  # and not `cell_of`: a call would be a fifth of this
        cell.exchange.sent += 1
        queue = cell.queue
        if queue is None or len(queue) >= cell.full_at:
            queue = open_queue(cell, message.payload)
        queue.append(message)

    def ask(
        self,
        target: str,
        payload: object,
        *,
        timeout: float = 5.0,
        sender: str = HOST,
        envelope: Envelope | None = None,
    ) -> Coroutine[object, object, object]:
        """Ask the actor that has the name now, and return the answer.

        Args:
            target: The name.
            payload: The object to send.
            timeout: Seconds until `AskTimeout`.
            sender: The sender's name.
            envelope: What travels with it.

        Raises:
            NoRoute: No actor has it.
            AskError, DeliveryError: As for `ActorRef.ask`.
        """
        return ask_by_name(self, target, payload, timeout, sender, envelope)

    def request(
        self,
        target: str,
        payload: object,
        on_done: Callable[[Request], None],
        *,
        timeout: float,
        sender: str = HOST,
        is_waiting: bool = False,
        wants_receipt: bool = False,
        topic: str | None = None,
        envelope: Envelope | None = None,
    ) -> Request:
        """Ask by name, with a callback instead of a task. See `ActorRef.request`.

        Args:
            target: The name.
            payload: The object to send.
            on_done: Called once with the outcome.
            timeout: Seconds until `AskTimeout`.
            sender: The sender's name.
            is_waiting: Whether the actor of the sender's name handles nothing until the answer
                is there; then rings are found and refused with `AskCycle`.
            wants_receipt: Whether `Request.receipt` is to be made; not for one that is elsewhere.
            topic: A topic for the receiver to see; not for one that is elsewhere.
            envelope: What travels with it.

        Returns:
            The request.

        Raises:
            NoRoute, AskCycle, MailboxFull, MessageTooLarge, ActorStopped: Nothing was sent.
        """
        delivery = Delivery("ask", sender, target, payload, envelope) if self._hooks else None
        if delivery is not None:
            self.before(delivery)
        try:
            ref = self._routes.get(target)
            if ref is None:
                waiting = sender if is_waiting else None
                request = self.request_elsewhere(
                    target, payload, on_done, timeout, sender, envelope, waiting
                )
                request.wants_receipt = wants_receipt
            else:
                asker = self.handling(sender) if is_waiting else None
                request = ref.request(
                    payload,
                    on_done,
                    timeout=timeout,
                    sender=sender,
                    asker=asker,
                    wants_receipt=wants_receipt,
                    topic=topic,
                    envelope=envelope,
                )
        except BaseException as error:
            if delivery is not None:
                self.after(delivery, error)
            raise
        if delivery is not None:
            self.after(delivery, None)
        return request

    def _tell_hooked(
        self,
        target: str,
        payload: object,
        sender: str,
        topic: str | None,
        envelope: Envelope | None,
    ) -> None:
        delivery = Delivery("tell", sender, target, payload, envelope)
        self.before(delivery)
        try:
            ref = self._routes.get(target)
            if ref is None:
                self._tell_elsewhere(target, payload, sender, topic, envelope)
            else:
                ref.tell(payload, sender=sender, topic=topic, envelope=envelope)
        except BaseException as error:
            self.after(delivery, error)
            raise
        self.after(delivery, None)

    def submit(
        self,
        target: str,
        payload: object,
        done: Accepted,
        *,
        sender: str = HOST,
        topic: str | None = None,
        envelope: Envelope | None = None,
    ) -> bool:
        """Send as `tell` does, and learn when the message is accepted.

        A carrier accepts a message when it is written. `tell` returns before that: what it sent may
        be lost when the host is killed within the next milliseconds.

        Args:
            target: The name.
            payload: The object to send.
            done: Called on the loop's thread, with None or with the error.
            sender: The sender's name.
            topic: A topic for the receiver to see.
            envelope: What travels with it.

        Returns:
            True when it is accepted already, as a message in a mailbox is; `done` is not called.

        Raises:
            NoRoute, DeliveryError: As for `tell`; `done` is not called.
        """
        names, carrier = self._names, self._carrier
        if carrier is None or target not in names.carried or target in self._routes:
            self.tell(target, payload, sender=sender, topic=topic, envelope=envelope)
            return True
        delivery = Delivery("tell", sender, target, payload, envelope) if self._hooks else None
        if delivery is not None:
            self.before(delivery)
        try:
            message = self._carried_message(payload, sender, topic, None, envelope)
            carrier.carry(target, message, done)
        except BaseException as error:
            if delivery is not None:
                self.after(delivery, error)
            raise
        if delivery is not None:
            self.after(delivery, None)
        return False

    # -- envelopes ---------------------------------------------------------------------------

    def id_of(self, message: Message) -> str:
        """Return the id of a message: unique in the world, and the same at each attempt."""
        return self._exchange.id_of(message)

    def deadline_of(self, message: Message) -> float | None:
        """Return when a message becomes worthless, in wall time; None when it does not.

        The deadline of its envelope, or the end of its asker's patience where that is earlier.
        """
        return self._exchange.deadline_of(message)

    def new_id(self) -> str:
        """Return an id for a message that is not sent yet, for `Envelope.id`."""
        return self._exchange.new_id()

    def following(
        self, message: Message | None, sender: str, target: str, *, is_question: bool = False
    ) -> Envelope | None:
        """Return the envelope of what the handler of `message` sends on, or asks.

        It carries the trace context and the correlation, one hop more, and a deadline: that of
        the message, for a question also the time that the asker of `message` still waits.

        Args:
            message: The message in hand; None when there is none.
            sender: The name of the actor that handles it.
            target: The name or topic that it sends to.
            is_question: Whether it waits for an answer.

        Returns:
            The envelope; None without a message in hand: a new chain begins.

        Raises:
            TooManyHops: As many messages as may have led to this one already.
        """
        return self._exchange.following(message, sender, target, is_question=is_question)

    def wall_time(self) -> float:
        """Return the seconds since 1970 that deadlines are compared with.

        It is the system's clock, set once when the system opens: a wall clock that is set
        forwards or back makes no message expire, and keeps none alive.
        """
        return self._exchange.wall_time()

    # -- topics ------------------------------------------------------------------------------

    def subscribe(
        self, pattern: str, subscriber: str | ActorRef, *, owner: Hashable = None
    ) -> Subscription:
        """Send the messages published under `pattern` to `subscriber` from now on.

        Args:
            pattern: Segments joined by dots; `*` is one segment, `**` any number.
            subscriber: A name, which is resolved with each publication, or a reference.
            owner: A subscription lasts until each of its owners has ended it.

        Returns:
            The subscription, to end it.

        Raises:
            InvalidTopic: The pattern is malformed.
        """
        self._topics.add(pattern, subscriber, owner)
        if self._carrier is not None and isinstance(subscriber, str):
            self._carrier.subscribed(pattern, subscriber)

        def cancel() -> None:
            self.unsubscribe(pattern, subscriber, owner=owner)

        return Subscription(cancel)

    def unsubscribe(
        self, pattern: str, subscriber: str | ActorRef, *, owner: Hashable = None
    ) -> bool:
        """End one owner's subscription. Return False when there was none."""
        if self._carrier is not None and isinstance(subscriber, str):
            self._carrier.unsubscribed(pattern, subscriber)
        return self._topics.remove(pattern, subscriber, owner)

    def unsubscribe_owner(self, owner: Hashable) -> None:
        """End all subscriptions of one owner, at the end of an incarnation."""
        self._topics.remove_owner(owner)

    def subscriptions_of(self, subscriber: str | ActorRef) -> list[str]:
        """Return the patterns that a subscriber has subscribed to."""
        return self._topics.patterns_of(subscriber)

    def check_topic(self, topic: str) -> None:
        """Check a topic that something is going to be published under.

        Raises:
            InvalidTopic: It is malformed.
        """
        check_topic(topic)

    def publishing_effort(self, topic: str) -> int:
        """Return with how many patterns a publication will be compared; 0 for a known topic."""
        return self._topics.effort(topic)

    def publish(
        self,
        topic: str,
        payload: object,
        *,
        sender: str = HOST,
        envelope: Envelope | None = None,
    ) -> int:
        """Send to all subscribers of a topic.

        A subscriber whose mailbox is full, or who has stopped, misses it; the others do not. For
        subscribers of whom a carrier takes messages, it is written once.

        Args:
            topic: The topic.
            payload: The object to send.
            sender: The sender's name.
            envelope: What travels with it.

        Returns:
            How many mailboxes took it, those of the carrier included.

        Raises:
            InvalidTopic: The topic is malformed.
        """
        return self._publish(topic, payload, sender, envelope, None)[0]

    def submit_publication(
        self,
        topic: str,
        payload: object,
        done: Accepted,
        *,
        sender: str = HOST,
        envelope: Envelope | None = None,
    ) -> tuple[int, bool]:
        """Publish as `publish` does, and learn when what a carrier took is written.

        Returns:
            How many mailboxes took it; and True when that is all, and `done` is not called.

        Raises:
            InvalidTopic: The topic is malformed.
        """
        return self._publish(topic, payload, sender, envelope, done)

    def _publish(
        self,
        topic: str,
        payload: object,
        sender: str,
        envelope: Envelope | None,
        done: Accepted | None,
    ) -> tuple[int, bool]:
        delivery = None
        if self._hooks:
            delivery = Delivery("publish", sender, topic, payload, envelope)
            self.before(delivery)
        count = taken = 0
        carrier, carried = self._carrier, list[str]()
        for subscriber in self._topics.find(topic):
            if (
                carrier is not None
                and isinstance(subscriber, str)
                and carrier.keeps(subscriber, topic)
            ):
                carried.append(subscriber)
                continue
            ref = self._routes.get(subscriber) if isinstance(subscriber, str) else subscriber
            if ref is not None:
                count += self._offer(ref, payload, sender, topic, envelope)  # type: ignore[arg-type]
        if carrier is not None and carried:
            message = self._carried_message(payload, sender, topic, None, envelope)
            taken = len(carrier.publish(carried, message, done))
            count += taken
        if self._transport is not None:
            count += self._transport.publish(topic, payload, sender=sender, envelope=envelope)
        if delivery is not None:
            self.after(delivery, None)
        return count, taken == 0

    def _offer(
        self, ref: ActorRef, payload: object, sender: str, topic: str, envelope: Envelope | None
    ) -> int:
        try:
            ref.tell(payload, sender=sender, topic=topic, envelope=envelope)
        except DeliveryError:
            return 0
        return 1

    # -- hooks and transport -----------------------------------------------------------------

    def add_hook(self, hook: BrokerHook) -> Subscription:
        """Show `hook` every message from now on; hooks are called in the order of adding."""
        self._hooks = (*self._hooks, hook)

        def remove() -> None:
            self._hooks = tuple(other for other in self._hooks if other is not hook)

        return Subscription(remove)

    def use(self, carrier: Carrier) -> Subscription:
        """Let a carrier take messages, until cancelled; see `carry`."""
        self._carrier = carrier

        def disuse() -> None:
            if self._carrier is carrier:
                self._carrier = None
                for name in tuple(self._names.carried):
                    self._names.carry_no_longer(name)

        return Subscription(disuse)

    def give_up(
        self,
        target: str,
        message: Message,
        reason: DeathReason,
        cause: BaseException | None,
        incarnation: int = 0,
    ) -> None:
        """Make a dead letter of a message that a carrier, or a transport, has not delivered.

        Args:
            target: The name that it was for.
            message: The message.
            reason: Why it is not handled.
            cause: The error, if there was one.
            incarnation: The incarnation that had it in hand last; 0 when none did.
        """
        exchange = self._exchange
        exchange.sent += 1
        exchange.dead_letters.add(
            message, target, reason, exchange.clock(), incarnation=incarnation, cause=cause
        )

    def is_carried(self, name: str) -> bool:
        """Return whether a carrier takes the messages of a name: they are written first."""
        return name in self._names.carried and name not in self._routes

    def carry(self, name: str) -> Subscription:
        """Let the carrier take all messages of a name, whether it has an actor or not.

        Args:
            name: An actor's own name, now or later.

        Returns:
            The subscription, to lead the messages to the actor's mailbox again.
        """
        self._names.carry(name)
        return Subscription(lambda: self._names.carry_no_longer(name))

    def connect(self, transport: Transport) -> Subscription:
        """Reach names that are not known here through `transport`, until cancelled."""
        self._transport = transport

        def disconnect() -> None:
            if self._transport is transport:
                self._transport = None

        return Subscription(disconnect)

    @property
    def has_hooks(self) -> bool:
        """Whether a hook wants to see what passes."""
        return bool(self._hooks)

    def before(self, delivery: Delivery) -> None:
        """Show all hooks what is about to be sent; raise the error that one refuses with."""
        for hook in self._hooks:
            hook.before(delivery)

    def after(self, delivery: Delivery, error: BaseException | None) -> None:
        """Tell all hooks the outcome. The message is sent, or not: their errors are counted."""
        for hook in self._hooks:
            try:
                hook.after(delivery, error)
            except KeyboardInterrupt:
                raise
            except BaseException as problem:
                self._exchange.events.note_error(problem)

    def _tell_elsewhere(
        self,
        target: str,
        payload: object,
        sender: str,
        topic: str | None,
        envelope: Envelope | None,
        done: Accepted | None = None,
    ) -> None:
        if self._carrier is not None and target in self._names.carried:
            message = self._carried_message(payload, sender, topic, None, envelope)
            self._carrier.carry(target, message, done)
            return
        if self._transport is None or not self._transport.knows(target):
            raise NoRoute(target)
        self._transport.tell(target, payload, sender=sender, envelope=envelope)

    def request_elsewhere(
        self,
        target: str,
        payload: object,
        on_done: Callable[[Request], None] | None,
        timeout: float,
        sender: str,
        envelope: Envelope | None,
        waiting: str | None = None,
    ) -> Request:
        """Ask a name that is not routed here, through the carrier or the transport.

        Raises:
            NoRoute: The transport does not know it either.
            AskTimeout: The deadline in the envelope has passed.
        """
        if envelope is not None:
            self._exchange.read_clock()
            self._exchange.check_deadline(envelope, target)
        if self._carrier is not None and target in self._names.carried:
            return self._request_carried(
                target, payload, on_done, timeout, sender, envelope, waiting
            )
        if self._transport is None or not self._transport.knows(target):
            raise NoRoute(target)
        request = Request(target, None, None if on_done is None else self._guarded(on_done))

        def finish(value: object, error: BaseException | None) -> None:
            if request.is_done and error is None:
                self._exchange.late += 1
            request.resolve(value) if error is None else request.fail(error)

        seconds = self._exchange.bounded(timeout, envelope)
        cancel = self._transport.request(
            target,
            payload,
            sender=sender,
            envelope=envelope,
            timeout=seconds,
            on_done=finish,
        )
        request.at_end(cancel)
        request.expire_after(seconds, self._exchange.timers, is_inherited=seconds < timeout)
        return request

    def _request_carried(
        self,
        target: str,
        payload: object,
        on_done: Callable[[Request], None] | None,
        timeout: float,
        sender: str,
        envelope: Envelope | None,
        waiting: str | None,
    ) -> Request:
        """Ask a name through its carrier; a ring of actors that wait is refused as elsewhere."""
        request = Request(target, None, None if on_done is None else self._guarded(on_done))
        behind = self._names.handling(target)
        asker = None if waiting is None else self.handling(waiting)
        if behind is not None:
            request.target = cell_of(behind)
            if asker is not None:
                request.hold(cell_of(asker))
        try:
            said = self._without_patience(envelope, sender)
            message = self._carried_message(payload, sender, None, request, said)
            if envelope is not None:
                self._exchange.check_deadline(envelope, target)
            assert self._carrier is not None
            self._carrier.carry(target, message, None)
        except BaseException:
            request.cancel()
            raise
        seconds = self._exchange.bounded(timeout, envelope)
        request.expire_after(seconds, self._exchange.timers, is_inherited=seconds < timeout)
        return request

    def _without_patience(self, envelope: Envelope | None, sender: str) -> Envelope | None:
        """Return what a carrier keeps of a question's envelope.

        The patience of an asker bounds how long the question within its question is waited for,
        but a carrier has it handled in any case.
        """
        if envelope is None or envelope.deadline is None:
            return envelope
        asker = self.handling(sender)
        message = None if asker is None else self._exchange.message_of(cell_of(asker))
        if message is None or message.request is None or message.request.is_kept:
            return envelope
        return Envelope(envelope.id, envelope.correlation, None, *envelope[3:])

    def _carried_message(
        self,
        payload: object,
        sender: str,
        topic: str | None,
        request: Request | None,
        envelope: Envelope | None,
    ) -> Message:
        """Return a message for the carrier: with an id, and not counted before it is delivered."""
        self._exchange.read_clock()
        now = self._exchange.now
        known = envelope if envelope is not None else _NOTHING_SAID
        if not known.id:
            known = new_envelope(Envelope, (self._exchange.new_id(), *known[1:]))
        return new_message(Message, (payload, sender, topic, 0, now, request, known))

    def _guarded(self, on_done: Callable[[Request], None]) -> Callable[[Request], None]:
        """Return a callback that counts its errors: the transport that calls it cannot use them."""

        def call(request: Request) -> None:
            try:
                on_done(request)
            except KeyboardInterrupt:
                raise
            except BaseException as problem:
                self._exchange.events.note_error(problem)

        return call
