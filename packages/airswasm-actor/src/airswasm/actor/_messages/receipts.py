"""Sums over the receipts of each actor, and the readers of single receipts.

An actor that is measured has a `Tally`. The dispatcher adds each message to it when its handling
ends: a handful of additions, and no object. The receipt itself is made only while there is a reader
of it: a listener, or a sender that has asked for the receipt of its own message.

Nothing is measured until a reader comes. `measure` makes the tallies of all components (an observer
calls it); `listen` also those of actors in Python, which handle a message in less time than it
takes to look at the clock. A tally belongs to the name, so that its sums go on when the actor is
restarted, updated, or stopped and started. It is dropped with `forget`; of names that have no actor
any more a bounded number is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

import anyio
from airswasm.runtime import Histogram, Usage

from .bounds import payload_bytes
from .events import Subscription
from .receipt import Outcome, Receipt

if TYPE_CHECKING:
    from .message import Message
    from .trace import Trace
    from .tracing import Tracing

__all__ = ("ReceiptListener", "Receipts", "Tally")

ReceiptListener = Callable[[Receipt], None]

_MOST_ENDED = 1_000
"""Names whose actor has ended, and whose sums are kept."""

_HANDLERS = ("#handle-message", "#handle-callback")


class Tally:
    """The sums of one actor, over all its incarnations.

    Attributes:
        name: The actor's name.
        bytes_in: Bytes of the payloads of messages that were handled.
        bytes_out: Bytes of the answers.
        usage: What the calls of a component used, calls without a message included.
        is_watched: Whether a receipt is to be made of each message.
        is_traced: Whether a receipt is to be made of each message that is traced.
        is_summed: Whether all messages are added up; else those that are traced have receipts only.
        has_sums: Whether any were.
        is_live: Whether there is an actor of the name.
        handled: Messages that were handled, and are not counted otherwise: to count the common
            ones here is quicker.
        replied: Messages that were answered, likewise.
        queued: How long the message in hand has waited, and those before it that are not in the
            histogram yet: messages that were sent together have waited equally long.
        wanted: How many senders have asked for the receipt of their message.
    """

    __slots__ = (
        "_counts",
        "_in_python",
        "_others",
        "_queueing",
        "bytes_in",
        "bytes_out",
        "handled",
        "has_sums",
        "is_live",
        "is_summed",
        "is_traced",
        "is_watched",
        "name",
        "queued",
        "replied",
        "usage",
        "wanted",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.usage = Usage()
        self.bytes_in = 0
        self.bytes_out = 0
        self.handled = 0
        self.replied = 0
        self._counts = dict.fromkeys(Outcome, 0)
        self.queued = 0.0
        self.is_watched = False
        self.is_traced = False
        self.is_summed = self.has_sums = False
        self.is_live = False
        self.wanted = 0
        self._others = 0
        self._queueing = Histogram()
        self._in_python = Histogram()

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """The numbers of messages by outcome."""
        counts = self._counts.copy()
        counts[Outcome.HANDLED] += self.handled
        counts[Outcome.REPLIED] += self.replied
        return counts

    @property
    def queueing(self) -> Histogram:
        """The times that handled messages had waited in the mailbox."""
        self.queue_otherwise(self.queued)
        return self._queueing

    @property
    def handling(self) -> Histogram:
        """The times that the handling of messages took, with what the actor waited for."""
        handling = Histogram()
        handling.merge(self._in_python)
        for path, use in self.usage.exports.items():
            if path.endswith(_HANDLERS):
                handling.merge(use)
        return handling

    def begin(self, message: Message, now: float) -> None:
        """Note that a message has been taken in hand."""
        queued = now - message[4]
        if queued != self.queued:
            self.queue_otherwise(queued)

    def queue_otherwise(self, seconds: float) -> None:
        """Note that the message in hand has waited longer, or not as long, as those before it."""
        ended = self.handled + self.replied + self._others
        self._queueing.add_many(self.queued, ended - self._queueing.total)
        self.queued = seconds

    def end(self, message: Message, outcome: Outcome, result: object) -> None:
        """Add the message that was in hand."""
        self.count(outcome)
        self._others += 1
        self.bytes_in += payload_bytes(message.payload)
        self.bytes_out += payload_bytes(result)

    def add_time(self, seconds: float) -> None:
        """Add the time of a message in an actor in Python; calls of a guest add theirs."""
        self._in_python.add(seconds)

    def count(self, outcome: Outcome) -> None:
        """Count a message."""
        self._counts[outcome] += 1


class Receipts:
    """The tallies and the listeners of one system.

    Attributes:
        on_change: Called when the actors of a name, or of all names (None), are to be measured
            otherwise; the system's.
        is_listening: Whether receipts of all actors are listened to.
        listener_errors: How many times a listener raised; the last one is `last_error`.
        tracing: Which messages are traced.
    """

    __slots__ = (
        "_by_name",
        "_ended",
        "_listeners",
        "_measurers",
        "_tracer",
        "is_listening",
        "last_error",
        "listener_errors",
        "on_change",
        "tracing",
    )

    def __init__(self, tracing: Tracing) -> None:
        self.tracing = tracing
        self._by_name: dict[str, Tally] = {}
        self._ended: dict[str, None] = {}
        self._listeners: tuple[tuple[str | None, ReceiptListener], ...] = ()
        self._measurers = 0
        self._tracer: ReceiptListener | None = None
        self.on_change: Callable[[str | None], None] = lambda _name: None
        self.is_listening = False
        self.listener_errors = 0
        self.last_error: BaseException | None = None

    # -- readers -----------------------------------------------------------------------------

    @property
    def is_measuring(self) -> bool:
        """Whether the messages of components are added up."""
        return self._measurers > 0

    def measure(self) -> Subscription:
        """Add up the messages of all components from now on, until each caller has cancelled."""
        self._measurers += 1
        self.on_change(None)

        def stop() -> None:
            self._measurers -= 1
            self.on_change(None)

        return Subscription(stop)

    @property
    def has_readers(self) -> bool:
        """Whether receipts of messages to actors in Python may be wanted."""
        return self.is_listening or self.tracing.is_on

    def listen(self, listener: ReceiptListener, name: str | None = None) -> Subscription:
        """Call `listener` with each receipt from now on, on the loop's thread.

        Args:
            listener: An error that it raises is counted, and goes no further.
            name: The actor; all actors when it is left out.
        """
        entry = (name, listener)
        self._set_listeners((*self._listeners, entry), name)

        def stop() -> None:
            self._set_listeners(tuple(e for e in self._listeners if e is not entry), name)

        return Subscription(stop)

    def trace(self, listener: ReceiptListener, ratio: float) -> Subscription:
        """Call `listener` with the receipt of each traced message; `Receipt.trace` is set.

        Traced are the messages of a share of all chains, and those that come in a trace whose
        caller has sampled it. `tracing.ratio` changes the share.

        Args:
            listener: As for `listen`. There is one: it takes the place of an earlier one.
            ratio: The share, from 0 to 1.
        """
        tracing = self.tracing
        tracing.ratio = ratio
        self._tracer, tracing.is_on = listener, True
        self.on_change(None)

        def stop() -> None:
            if self._tracer is listener:
                self._tracer, tracing.is_on = None, False
                tracing.forget()
                self.on_change(None)

        return Subscription(stop)

    async def read(
        self, name: str | None = None, *, capacity: int = 1000
    ) -> AsyncGenerator[Receipt, None]:
        """Iterate over receipts from the first step of the iteration on, without an end.

        Close it when you leave early: `async with contextlib.aclosing(...)`. A reader more than
        `capacity` receipts behind loses the oldest ones.
        """
        waiting: deque[Receipt] = deque(maxlen=capacity)
        news = anyio.Event()

        def note(receipt: Receipt) -> None:
            waiting.append(receipt)
            news.set()

        subscription = self.listen(note, name)
        try:
            while True:
                while waiting:
                    yield waiting.popleft()
                news = anyio.Event()
                await news.wait()
        finally:
            subscription.cancel()

    def of(self, name: str) -> Tally | None:
        """Return the sums of a name; None when it was not measured."""
        tally = self._by_name.get(name)
        return tally if tally is not None and tally.has_sums else None

    def all(self) -> tuple[Tally, ...]:
        """Return the sums of all names."""
        return tuple(tally for tally in self._by_name.values() if tally.has_sums)

    def forget(self, name: str) -> None:
        """Drop the sums of a name. An actor that is measured goes on from zero."""
        self._ended.pop(name, None)
        if self._by_name.pop(name, None) is not None:
            self.on_change(name)

    # -- actors ------------------------------------------------------------------------------

    def begin(self, name: str, *, is_guest: bool) -> Tally | None:
        """Return where the messages of an actor are to be added; None for nowhere."""
        tally = self._by_name.get(name)
        wanted = 0 if tally is None else tally.wanted
        is_watched = wanted > 0 or (self.is_listening and self._is_heard(name))
        is_traced = self.tracing.is_on
        if not (is_watched or is_traced or (is_guest and self._measurers)):
            return None
        if tally is None:
            tally = self._by_name[name] = Tally(name)
        self._ended.pop(name, None)
        tally.is_live, tally.is_watched, tally.is_traced = True, is_watched, is_traced
        tally.is_summed = is_guest or is_watched
        tally.has_sums = tally.has_sums or tally.is_summed
        return tally

    def end(self, tally: Tally) -> None:
        """Note that an actor has ended; keep its sums, as long as there are not too many."""
        tally.is_live = False
        self._ended[tally.name] = None
        if len(self._ended) > _MOST_ENDED:
            oldest = next(iter(self._ended))
            del self._ended[oldest], self._by_name[oldest]

    def want(self, name: str) -> Callable[[], None]:
        """Have receipts made of an actor's messages until the returned function is called."""
        tally = self._by_name.get(name)
        if tally is None:
            tally = self._by_name[name] = Tally(name)
        tally.wanted += 1
        self.on_change(name)

        def release() -> None:
            tally.wanted -= 1
            self.on_change(name)

        return release

    def note_expired(
        self, message: Message, receiver: str, now: float, trace: Trace | None = None
    ) -> None:
        """Give the listeners the receipt of a message that is not handled: it has expired."""
        waited, size = max(0.0, now - message.sent_at), payload_bytes(message.payload)
        self.hand_out(
            Receipt(
                message.id, message.sender, receiver, 0, "", message.topic, None, Outcome.EXPIRED,
                "", message.sent_at, waited, 0.0, size, 0, None, trace,
            )
        )  # fmt: skip

    def hand_out(self, receipt: Receipt) -> None:
        """Give a receipt to its listeners."""
        for name, listener in self._listeners:
            if name is None or name == receipt.receiver:
                self._tell(listener, receipt)
        if receipt.trace is not None and self._tracer is not None:
            self._tell(self._tracer, receipt)

    def _tell(self, listener: ReceiptListener, receipt: Receipt) -> None:
        try:
            listener(receipt)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.listener_errors += 1
            self.last_error = error

    def _is_heard(self, name: str) -> bool:
        return any(each is None or each == name for each, _ in self._listeners)

    def _set_listeners(
        self, listeners: tuple[tuple[str | None, ReceiptListener], ...], name: str | None
    ) -> None:
        self._listeners = listeners
        self.is_listening = bool(listeners)
        self.on_change(name)
