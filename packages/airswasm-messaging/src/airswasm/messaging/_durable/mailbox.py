"""The durable mailbox of one name: a log, and what hands it over to the actor of that name.

At most one message is handed over and not yet ended, so that crashes, restarts and updates change
nothing about the order. Its end is a callback: no task waits for it, and the next message is handed
over within it. That delivery acknowledges the message before, in one write that the disk sees with
the next wait for it; the writes that the handler made went before it, into the same store.

A host that dies costs the message that was in hand a repetition (`attempt` above 1). It does not
count as a try in vain: otherwise a host that is killed often would give up messages that have
nothing to do with it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from airswasm.actor import (
    ActorFailed,
    ActorRef,
    ActorStopped,
    AskTimeout,
    DeathReason,
    DeliveryError,
    Envelope,
    GuestRefused,
    MailboxFull,
    Message,
    MessageTooLarge,
    Phase,
    Request,
)
from airswasm.storage import LogBounds, LogFull, StorageClosed, StorageError, ValueTooLarge

from .._delivery import Delivery, DurableStatus
from .._records import unpack_message
from ..errors import DurableMailboxFull, MessageNotWritten, RecordUnreadable

if TYPE_CHECKING:
    from airswasm.actor import Accepted, ActorSystem
    from airswasm.runtime import Timer
    from airswasm.storage import LogEntry, Store

    from .._counters import MessagingCounters
    from .letter_box import LetterBox

__all__ = ("DurableHost", "DurableMailbox", "log_name", "pause_after")

_CONSUMER = "handler"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0
"""Seconds before a message is tried again whose handler returned an error."""
_MOST_DOUBLINGS = 16
"""More than reach the longest pause; an operator may allow a million attempts."""
_UNREADABLE_PAUSE = 1.0


class DurableHost(Protocol):
    """The parts of a host that its durable mailboxes share.

    Attributes:
        actors: Where the messages go.
        store: Where they wait.
        letters: Where those go that are given up.
        counters: The counts.
    """

    actors: ActorSystem
    store: Store
    letters: LetterBox
    counters: MessagingCounters

    def check_codec(self, name: str, payload: object) -> None:
        """Refuse a payload in a codec that a name does not read."""
        ...


def log_name(name: str) -> str:
    """Return the name of the log of a name's messages."""
    return f"airswasm-messages:{name}"


def pause_after(tries: int) -> float:
    """Return the seconds until a message is tried again that was tried so often in vain."""
    doublings = min(max(0, tries - 1), _MOST_DOUBLINGS)
    return min(_FIRST_PAUSE * 2.0**doublings, _LONGEST_PAUSE)


class DurableMailbox:
    """The messages of one name, in the order in which they were accepted.

    Args:
        name: The name.
        terms: How many may wait, and how often each is tried.
        host: The host's parts.
    """

    def __init__(self, name: str, terms: Delivery, host: DurableHost) -> None:
        self.name = name
        self._host = host
        self._askers: dict[int, Request] = {}
        self._request: Request | None = None
        self._cause: BaseException | None = None
        self._incarnation = 0
        self._pause: Timer | None = None
        self._is_busy = False
        self._is_burying = False
        self._is_closed = False
        self._message_bytes: int | None = None
        self._set(terms)
        self._log = host.store.log(log_name(name), self._bounds)
        self._succession = self._log.succession(_CONSUMER, self.pump)

    @property
    def terms(self) -> Delivery:
        """The terms; new ones hold from the next message on."""
        return self._terms

    @terms.setter
    def terms(self, terms: Delivery) -> None:
        self._set(terms)
        self._host.store.log(log_name(self.name), self._bounds)

    def _set(self, terms: Delivery) -> None:
        self._terms = terms
        self._bounds = LogBounds(terms.messages, terms.size_bytes)

    # -- accepting -----------------------------------------------------------------------------

    def put(self, record: bytes, message: Message, done: Accepted | None) -> None:
        """Append a message; its request, if it has one, is answered when it is handled.

        Args:
            record: Its stored form.
            message: The message.
            done: Called when it is on the disk, or cannot be.

        Raises:
            DeliveryError: It was not accepted; `done` is not called.
        """
        host, request = self._host, message.request
        host.check_codec(self.name, message.payload)
        most = self._message_bytes
        if most is not None and isinstance(message.payload, bytes):
            self._check_size(len(message.payload), most)

        def posted(number: int, error: StorageError | None) -> None:
            if error is None:
                host.counters.durable_accepted += 1
                if request is not None:
                    self._await(request, number)
                if done is not None:
                    self._tell(done, None)
                return
            failure = MessageNotWritten(self.name, str(error))
            if request is not None:
                request.fail(failure)
            if done is not None:
                self._tell(done, failure)
            elif request is None:
                host.letters.bury(
                    message, self.name, DeathReason.UNDELIVERED, failure, lambda: None
                )

        try:
            try:
                self._log.post(record, posted)
            except LogFull:
                if not self._expire_waiting():
                    raise
                self._log.post(record, posted)
        except LogFull:
            host.counters.durable_refused += 1
            raise DurableMailboxFull(
                self.name, self._terms.messages, self._terms.size_bytes
            ) from None
        except ValueTooLarge as error:
            host.counters.durable_refused += 1
            raise _too_large(self.name, error.value_bytes, error.limit_bytes) from None
        except StorageError as error:
            host.counters.durable_refused += 1
            raise MessageNotWritten(self.name, str(error)) from error

    def _check_size(self, size_bytes: int, most: int) -> None:
        if size_bytes > most:
            self._host.counters.durable_refused += 1
            raise _too_large(self.name, size_bytes, most)

    def _await(self, request: Request, number: int) -> None:
        if not request.is_done:
            self._askers[number] = request
            request.at_end(lambda: self._forget_asker(number))

    def _forget_asker(self, number: int) -> None:
        self._askers.pop(number, None)

    def _tell(self, done: Accepted, failure: MessageNotWritten | None) -> None:
        try:
            done(failure)
        except Exception as error:
            self._host.actors.events.note_error(error)

    # -- handing over --------------------------------------------------------------------------

    def note_ready(self) -> None:
        """Go on: an incarnation of the actor is ready."""
        ref = self._host.actors.broker.handling(self.name)
        if ref is not None:
            self._message_bytes = ref.mailbox.message_bytes
        self.pump()

    def pump(self) -> None:
        """Hand the next message over, unless one is in hand or there is no actor for it."""
        if self._is_busy or self._is_burying or self._request is not None or self._pause:
            return
        self._is_busy = True  # a handler may end within `entrust`
        try:
            while not self._is_closed and (ref := self._actor()) is not None:
                entry = self._succession.in_hand or self._succession.next()
                if entry is None or not self._hand_over(ref, entry):
                    break
        except StorageError as error:
            self._host.actors.events.note_error(error)
            if not self._is_closed and not isinstance(error, StorageClosed):
                self._host.store.ask_for_recovery()
                self._wait(_UNREADABLE_PAUSE)
        finally:
            self._is_busy = False

    def _actor(self) -> ActorRef | None:
        ref = self._host.actors.broker.handling(self.name)
        return ref if ref is not None and ref.phase is Phase.RUNNING else None

    def _hand_over(self, ref: ActorRef, entry: LogEntry) -> bool:
        """Deliver an entry; return whether it is over with it already."""
        try:
            message, _ = unpack_message(entry.payload)
        except RecordUnreadable as error:
            return self._bury(entry, Message(entry.payload), DeathReason.UNDELIVERED, error)
        if self._succession.tries >= self._terms.attempts:
            return self._bury(entry, message, DeathReason.EXHAUSTED, self._cause)
        if self._is_expired(entry, message):
            self._show_expired(entry, message)
            self._expire(entry)
            return True
        asker = self._askers.get(entry.number)
        try:
            self._request = ref.entrust(
                self._tried(message, entry, entry.attempt),
                self._end,
                wants_receipt=asker is not None and asker.wants_receipt,
            )
        except MailboxFull:
            self._wait(_FIRST_PAUSE)
        except ActorStopped:
            self._succession.put_back()
        except DeliveryError as error:
            return self._bury(entry, message, DeathReason.UNDELIVERED, error)
        else:
            self._host.counters.durable_repeated += entry.attempt > 1
        return False

    def _tried(self, message: Message, entry: LogEntry, attempt: int) -> Message:
        """Return a message as its handler sees it at one attempt, sent when it was accepted."""
        said = message.envelope or Envelope()
        envelope = Envelope(*said[:6], attempt, *said[7:])
        payload, sender, topic, number, *_ = message
        age = max(0.0, self._host.store.clock() - entry.appended_at)
        sent_at = self._host.actors.clock() - age
        return Message(payload, sender, topic, number, sent_at, None, envelope)

    def _end(self, request: Request) -> None:
        """Note what became of the message in hand, and go on."""
        self._request = None
        entry, error = self._succession.in_hand, request.error
        if entry is None or self._is_closed:
            return
        asker = self._askers.get(entry.number)
        if asker is not None:
            asker.receipt = request.receipt
        if error is None:
            self._host.counters.durable_handled += 1
            if asker is not None:
                asker.resolve(request.value)
            self._acknowledge()
        elif isinstance(error, GuestRefused) and asker is not None:
            self._host.counters.durable_handled += 1
            asker.fail(error)
            self._acknowledge()
        elif isinstance(error, AskTimeout):
            self._expire(entry)
        elif isinstance(error, ActorStopped):
            self._succession.put_back()
        elif isinstance(error, ActorFailed):
            self._fail(error.cause or error)
        elif isinstance(error, GuestRefused):
            self._fail(error)
            self._wait(pause_after(self._succession.tries))
        else:
            message, _ = unpack_message(entry.payload)
            self._bury(entry, message, DeathReason.UNDELIVERED, error)
        self.pump()

    def _acknowledge(self) -> None:
        """Acknowledge the message in hand, with the delivery of the next one where it can be."""
        self._cause, self._incarnation = None, 0
        try:
            self._succession.next()
        except StorageError as error:
            self._host.actors.events.note_error(error)
            return
        if self._actor() is None:
            self._succession.put_back()

    def _fail(self, cause: BaseException) -> None:
        """Note a try in vain; the next one comes when the actor is ready again."""
        ref = self._host.actors.broker.handling(self.name)
        self._cause, self._incarnation = cause, 0 if ref is None else ref.incarnation
        try:
            self._succession.fail()
        except StorageError as error:
            self._host.actors.events.note_error(error)

    def _wait(self, seconds: float) -> None:
        def go_on() -> None:
            self._pause = None
            self.pump()

        self._pause = self._host.actors.timers.after(seconds, go_on)

    # -- giving up -----------------------------------------------------------------------------

    def _bury(
        self, entry: LogEntry, message: Message, reason: DeathReason, cause: BaseException | None
    ) -> bool:
        """Make a dead letter of the message in hand; return whether it is acknowledged already."""
        asker = self._askers.get(entry.number)
        message = self._tried(message, entry, max(1, self._succession.tries))
        self._is_burying = True

        def on_kept() -> None:
            self._is_burying = False
            if not self._is_closed:
                self._host.counters.durable_dead += 1
                self._acknowledge()
                self.pump()

        if asker is not None:
            asker.fail(ActorFailed(self.name, cause))
        self._host.letters.bury(message, self.name, reason, cause, on_kept, self._incarnation)
        return not self._is_burying

    def _is_expired(self, entry: LogEntry, message: Message) -> bool:
        age, envelope = self._terms.age_seconds, message.envelope
        if age is not None and entry.appended_at + age < self._host.store.clock():
            return True
        deadline = None if envelope is None else envelope.deadline
        return deadline is not None and deadline < self._host.actors.broker.wall_time()

    def _show_expired(self, entry: LogEntry, message: Message) -> None:
        actors = self._host.actors
        if actors.receipts.is_listening:
            tried = self._tried(message, entry, entry.attempt)
            actors.receipts.note_expired(tried, self.name, actors.clock())

    def _expire(self, entry: LogEntry) -> None:
        """Acknowledge a message that is worthless by now."""
        self._host.counters.durable_expired += 1
        asker = self._askers.get(entry.number)
        if asker is not None:
            asker.fail(AskTimeout(self.name, self._host.store.clock() - entry.appended_at))
        self._acknowledge()

    def _expire_waiting(self) -> bool:
        """Expire what is too old at the head of a full log; return whether that made room."""
        if self._terms.age_seconds is None or self._request is not None or self._is_burying:
            return False
        count = 0
        while (entry := self._succession.in_hand or self._succession.next()) is not None:
            if not self._is_expired(entry, Message(entry.payload)):
                self._succession.put_back()
                break
            with suppress(RecordUnreadable):
                self._show_expired(entry, unpack_message(entry.payload)[0])
            self._expire(entry)
            count += 1
        return count > 0

    # -- looking and ending --------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Whether no message waits and none is in hand."""
        return self._succession.waiting()[0] == 0

    def status(self) -> DurableStatus:
        """Return how much waits."""
        try:
            messages, size_bytes = self._succession.waiting()
            oldest = self._succession.oldest()
        except StorageError:  # what cannot be read now is not shown
            return DurableStatus()
        age = None if oldest is None else max(0.0, self._host.store.clock() - oldest.appended_at)
        in_hand = self._succession.in_hand if self._request is not None else None
        return DurableStatus(messages, size_bytes, age, in_hand.attempt if in_hand else 0)

    def close(self) -> None:
        """Hand nothing over any more; what waits stays in the log."""
        self._is_closed = True
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    async def forget(self) -> int:
        """Close, and remove all messages; return how many waited."""
        self.close()
        for asker in list(self._askers.values()):
            asker.fail(ActorStopped(self.name, "its messages were removed"))
        count, _ = self._succession.waiting()
        await self._log.delete()
        return count


def _too_large(name: str, size_bytes: int, most: int) -> MessageTooLarge:
    return MessageTooLarge(name, size_bytes, most, "message_bytes")
