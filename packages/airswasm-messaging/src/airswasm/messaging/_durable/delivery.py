"""The carrier of durable messages: which names are durable, and a mailbox for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from airswasm.actor import DeathReason, DeliveryError, EventKind, LifecycleEvent
from airswasm.security import Pattern
from airswasm.storage import StorageError

from .._counters import MessagingCounters
from .._delivery import Delivery, DurableSettings, DurableStatus
from .._records import pack_message
from ..errors import MessageNotStorable
from .letter_box import LetterBox
from .mailbox import DurableMailbox, log_name
from .names import Known, KnownNames

if TYPE_CHECKING:
    from airswasm.actor import Accepted, ActorSystem, Message, Subscription
    from airswasm.security import Guard
    from airswasm.storage import Store

    from .._policy import MessagingPolicy

__all__ = ("DurableDelivery",)

_SUBSCRIBE = "messaging:subscribe"
_MOST_TOPICS_CACHED = 4_096


class DurableDelivery:
    """Keeps the messages of durable names and topics in a store until they are handled.

    Every name that it declares, it takes messages for from then on, whether the name has an actor
    or not. Open it when the guard knows the grants, before the first component starts; close it
    when the last one has stopped.

    Attributes:
        actors: Where the messages go.
        store: Where they wait.
        letters: Where those go that are given up.
        counters: The counts.

    Args:
        store: See above.
        actors: See above.
        settings: The names and topics that are durable, and the most that a component may have.
        guard: Ends subscriptions when their grants end; None keeps them.
        counters: See above.
        policy: Knows the codecs that a name reads; None checks none.
        settle: Waits until all dead letters so far are kept; a message that was tried in vain is
            acknowledged no earlier. None where memory keeps them.
    """

    def __init__(
        self,
        store: Store,
        actors: ActorSystem,
        settings: DurableSettings | None = None,
        *,
        guard: Guard | None = None,
        counters: MessagingCounters | None = None,
        policy: MessagingPolicy | None = None,
        settle: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.actors = actors
        self.store = store
        self.letters = LetterBox(actors, settle)
        self.counters = counters or MessagingCounters()
        self.settings = settings or DurableSettings()
        self._guard, self._policy = guard, policy
        self._names = KnownNames(store, actors.events.note_error)
        self._known: dict[str, Known] = {}
        self._boxes: dict[str, DurableMailbox] = {}
        self._carried: dict[str, Subscription] = {}
        self._topics = _patterns_of(self.settings)
        self._durable_topics: dict[str, bool] = {}
        self._kept: dict[tuple[str, str], Callable[[], None]] = {}
        self._used: list[Subscription] = []

    # -- opening and closing -------------------------------------------------------------------

    def open(self) -> None:
        """Take messages for all names that the store knows.

        Raises:
            StorageError: The store cannot be read.
        """
        self._used = [self.actors.broker.use(self), self.actors.events.listen(self._note)]
        logs = set(self.store.logs())
        for name, known in list(self._names.load()):
            self._known[name] = known
            if known.terms is not None:
                self._carry(name, known.terms)
            elif log_name(name) in logs:  # publications wait for it
                self._box(name, self.settings.terms)
            for pattern in sorted(known.patterns):
                self._keep_subscription(name, pattern)

    def close(self) -> None:
        """Take no more messages, and hand none over; those that wait stay in the store."""
        for box in self._boxes.values():
            box.close()
        for each in (*self._used, *self._carried.values()):
            each.cancel()
        for name, pattern in list(self._kept):
            self._drop_subscription(name, pattern)
        self._used, self._boxes = [], {}
        self._carried.clear()

    # -- deciding ------------------------------------------------------------------------------

    def hold_to(self, settings: DurableSettings) -> None:
        """Deliver by other settings from now on; `declare` then gives each name its terms anew."""
        self.settings = settings
        self._topics = _patterns_of(settings)
        self._durable_topics.clear()
        for name, box in self._boxes.items():
            if name not in self._carried:
                box.terms = settings.terms

    def declare(self, name: str, asked: Delivery | None = None) -> None:
        """Take messages for a name from now on, by the terms that it asks for and may have.

        Where neither it asks nor the settings name it, its messages go to its mailbox in memory
        again, behind those that wait.

        Raises:
            StorageError: The store refuses.
        """
        terms = self.settings.terms_of(name, asked)
        known = self._known.setdefault(name, Known())
        if terms == known.terms and (terms is None or name in self._carried):
            if terms is None and not known.patterns:
                del self._known[name]
            return
        known.terms = terms
        self._save(name)
        if terms is not None:
            self._carry(name, terms)
        else:
            self._leave_when_empty(name)

    def withdraw(self, name: str) -> None:
        """Take no more messages for a name that was uninstalled; those that wait stay.

        Raises:
            StorageError: The store refuses.
        """
        self._uncarry(name)
        box = self._boxes.pop(name, None)
        if box is not None:
            box.close()
        known = self._known.pop(name, None)
        for pattern in sorted(known.patterns) if known else ():
            self._drop_subscription(name, pattern)
        if known is not None:
            self._names.save(name, None)

    async def forget(self, name: str) -> int:
        """Remove everything that is kept for a name, and return how many messages waited.

        Raises:
            StorageError: The store refuses; it can be called again.
        """
        box = self._boxes.get(name) or DurableMailbox(name, self.settings.terms, self)
        self.withdraw(name)
        count = await box.forget()
        await self._names.forget(name)
        self.counters.durable_forgotten += count
        return count

    def check_codec(self, name: str, payload: object) -> None:
        """Refuse a payload in a codec that a name does not read, while its sender still waits.

        Raises:
            CodecNotAccepted: It does not.
        """
        if self._policy is None:
            return
        refusal = self._policy.acceptance_of(name).refuse(payload)
        if refusal is not None:
            raise refusal

    def status(self, name: str) -> DurableStatus | None:
        """Return how much waits for a name; None where nothing of it is durable."""
        box = self._boxes.get(name)
        return None if box is None else box.status()

    def names(self) -> tuple[str, ...]:
        """Return the names for which messages are kept, sorted."""
        return tuple(sorted(self._boxes))

    # -- for the broker ------------------------------------------------------------------------

    def carry(self, target: str, message: Message, done: Accepted | None) -> None:
        """Take a message for a name; see `Carrier.carry`."""
        self._boxes[target].put(pack_message(message, target), message, done)

    def keeps(self, subscriber: str, topic: str) -> bool:
        """Return whether a publication to this subscriber is written; see `Carrier.keeps`."""
        if subscriber in self._carried:
            return True
        return bool(self._topics) and self._is_durable(topic)

    def publish(
        self, subscribers: Sequence[str], message: Message, done: Accepted | None
    ) -> Sequence[str]:
        """Take a publication for several names; see `Carrier.publish`.

        One record serves all of them, and one wait for the disk. An object without a stored form
        is a dead letter for each of them: a subscriber is no reason to refuse a publication.
        """
        try:
            record = pack_message(message, message.topic or "")
        except MessageNotStorable as error:
            for name in subscribers:
                self.counters.durable_refused += 1
                self.letters.bury(message, name, DeathReason.UNDELIVERED, error, _nothing)
            return ()
        waiting = None if done is None else _Countdown(done)
        taken: list[str] = []
        for name in subscribers:
            try:
                self._box(name, self.settings.terms).put(record, message, waiting)
            except DeliveryError:
                continue
            taken.append(name)
        if waiting is not None and taken:
            waiting.begin(len(taken))
        return taken

    def subscribed(self, pattern: str, subscriber: str) -> None:
        """Keep a subscription beyond its incarnation, where its messages may be durable."""
        if not self._topics and subscriber not in self._carried:
            return
        known = self._known.setdefault(subscriber, Known())
        if pattern not in known.patterns:
            known.patterns.add(pattern)
            self._save(subscriber)
            self._keep_subscription(subscriber, pattern)

    def unsubscribed(self, pattern: str, subscriber: str) -> None:
        """End a kept subscription, which its subscriber has ended."""
        known = self._known.get(subscriber)
        if known is not None and pattern in known.patterns:
            known.patterns.discard(pattern)
            self._save(subscriber)
            self._drop_subscription(subscriber, pattern)

    # -- its own -------------------------------------------------------------------------------

    def _carry(self, name: str, terms: Delivery) -> None:
        self._box(name, terms).terms = terms
        if name not in self._carried:
            self._carried[name] = self.actors.broker.carry(name)

    def _uncarry(self, name: str) -> None:
        carried = self._carried.pop(name, None)
        if carried is not None:
            carried.cancel()

    def _leave_when_empty(self, name: str) -> None:
        """Let the messages of a name go to memory again once none waits in its log."""
        box = self._boxes.get(name)
        if box is None or name not in self._carried:
            return
        if box.is_empty:
            self._uncarry(name)
        else:
            self.actors.timers.after(0.05, lambda: self._leave_if_still(name))

    def _leave_if_still(self, name: str) -> None:
        known = self._known.get(name)
        if known is None or known.terms is None:
            self._leave_when_empty(name)

    def _box(self, name: str, terms: Delivery) -> DurableMailbox:
        box = self._boxes.get(name)
        if box is None:
            box = self._boxes[name] = DurableMailbox(name, terms, self)
            box.note_ready()
        return box

    def _is_durable(self, topic: str) -> bool:
        known = self._durable_topics.get(topic)
        if known is None:
            if len(self._durable_topics) >= _MOST_TOPICS_CACHED:
                self._durable_topics.clear()
            known = any(each.matches(topic) for each in self._topics)
            self._durable_topics[topic] = known
        return known

    def _keep_subscription(self, name: str, pattern: str) -> None:
        if self._guard is not None:
            if not self._guard.check(name, _SUBSCRIBE, pattern).is_allowed:
                self.unsubscribed(pattern, name)
                return
            self._kept[name, pattern] = self._guard.keep(
                name, _SUBSCRIBE, pattern, lambda _denial: self.unsubscribed(pattern, name)
            )
        else:
            self._kept[name, pattern] = lambda: None
        self.actors.broker.subscribe(pattern, name, owner=self)

    def _drop_subscription(self, name: str, pattern: str) -> None:
        forget = self._kept.pop((name, pattern), None)
        if forget is not None:
            forget()
            self.actors.broker.unsubscribe(pattern, name, owner=self)

    def _save(self, name: str) -> None:
        known = self._known[name]
        is_empty = known.terms is None and not known.patterns
        try:
            self._names.save(name, None if is_empty else known)
        except StorageError as error:  # a restart would find the state before
            self.actors.events.note_error(error)
        if is_empty:
            del self._known[name]

    def _note(self, event: LifecycleEvent) -> None:
        if event.kind is EventKind.READY:
            box = self._boxes.get(event.name)
            if box is not None:
                box.note_ready()


def _patterns_of(settings: DurableSettings) -> list[Pattern]:
    return [Pattern(text, ".") for text in settings.topics]


def _nothing() -> None:
    """Take no notice: the message never was in a log."""


class _Countdown:
    """Calls back when a publication is on the disk for all of its subscribers.

    It has failed when one of them could not be written: the publisher may publish it again.
    """

    def __init__(self, done: Accepted) -> None:
        self._left = 0
        self._done = done
        self._error: BaseException | None = None

    def __call__(self, error: BaseException | None) -> None:
        self._error = self._error or error
        self._count(-1)

    def begin(self, writes: int) -> None:
        """Wait for so many writes, of which some may have ended already."""
        self._count(writes)

    def _count(self, change: int) -> None:
        self._left += change
        if not self._left:
            self._done(self._error)
