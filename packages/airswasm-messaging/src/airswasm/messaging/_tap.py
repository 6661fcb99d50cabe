"""A tap: the live traffic of a host, for people who look.

Nothing is installed until a reader comes, and everything goes when it leaves. Then a hook of the
broker sees what is sent, receipts say what became of it, and dead letters what died. A reader that
is slower than the traffic loses events and is told how many; no message waits for it.

Messages that Python code sends by reference do not pass the broker. A tap sees them where they are
handled or die, and not where they are sent.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace

import anyio
from airswasm.actor import ActorSystem, DeadLetter, Delivery, FunctionCall, Receipt
from airswasm.security import Decision, Guard, InvalidPattern, Pattern
from airswasm.wit import safe_text

from ._codecs.installed import codec_of
from ._quota import SendingQuota
from ._rates import Rate, TokenBucket
from .errors import MessagingError

__all__ = ("MOST_TAPPED_BYTES", "TapEvent", "TapPattern", "Taps")

MOST_TAPPED_BYTES = 64 * 1024
"""The most bytes of a payload that an event has."""
_ACTS = {"tell": "sent", "ask": "asked"}
_DETAIL = 300
_LEFT_OUT = -1
"""The number of a message that is not in the sample."""


@dataclass(frozen=True, slots=True)
class TapEvent:
    """One thing that happened to a message.

    Attributes:
        time: When, in seconds since 1970.
        act: `sent`, `asked` or `published`; `rejected` if the sender got an error; once it was in
            hand, its outcome (`handled`, `replied`, `refused`, `trapped`, …); `dead` for a dead
            letter.
        number: The message's number in this run of the host; events of one message share it. 0 for
            a publication, each of whose deliveries is a message of its own, and for a durable
            message, which may be of another run of the host.
        sender: The sender's name.
        target: The receiver; empty for a publication.
        topic: The topic; None where there is none.
        payload_bytes: The size of the payload; None if it is no bytes.
        codec: The name of the payload's codec, where it is known.
        payload: The beginning of the payload, if it was asked for.
        seconds: How long the handling took; None before its end.
        waited: Seconds that the message had waited in the mailbox; None before its end.
        detail: Why it was rejected, with what it ended, or the id of the dead letter.
        lost: Events left out before this one, because the reader or the rate was too slow.
    """

    time: float
    act: str
    number: int
    sender: str
    target: str
    topic: str | None = None
    payload_bytes: int | None = None
    codec: str = ""
    payload: bytes | None = None
    seconds: float | None = None
    waited: float | None = None
    detail: str = ""
    lost: int = 0


class TapPattern:
    """A pattern over names and topics.

    With a slash it covers names, of senders and receivers. Without one it covers topics and, where
    it has neither dot nor wildcard, the name itself and the component `local/NAME`. `**` alone
    covers everything.

    Args:
        text: The pattern.

    Raises:
        InvalidPattern: It is malformed.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if "" in text.split("/" if "/" in text else "."):
            raise InvalidPattern(text, "names and topics have no empty segment")
        self._is_everything = text == "**"
        self._names = Pattern(text, "/") if "/" in text else None
        self._topics = None if "/" in text else Pattern(text, ".")
        self._exact = frozenset((text, f"local/{text}"))

    def covers(self, sender: str, target: str, topic: str | None) -> bool:
        """Return whether it covers a message."""
        if self._is_everything:
            return True
        if self._names is not None:
            return self._names.matches(target) or self._names.matches(sender)
        if target in self._exact or sender in self._exact:
            return True
        return topic is not None and self._topics is not None and self._topics.matches(topic)


class _Tap:
    """The hook, the listeners and the bounded queue of one reader."""

    def __init__(
        self,
        actors: ActorSystem,
        pattern: TapPattern,
        payload_bytes: int,
        sample: int,
        rate: float,
        capacity: int,
        letter_id: Callable[[DeadLetter], str],
        clock: Callable[[], float],
    ) -> None:
        self._actors, self._pattern, self._clock = actors, pattern, clock
        self._payload_bytes, self._sample = payload_bytes, sample
        self._letter_id = letter_id
        self._bucket = TokenBucket(Rate(rate, max(1, round(rate)))) if rate else None
        self._numbers: dict[int, int] = {}
        """The numbers of messages on their way, by the identity of their deliveries."""
        self._publications = self._durables = 0
        self._capacity = capacity
        self._events = deque[TapEvent]()
        self._lost = 0
        self.news = anyio.Event()
        self.is_over = False

    def before(self, delivery: Delivery) -> None:
        """Note what is about to be sent."""
        if delivery.kind == "publish":
            self._publications += 1
            if not self._publications % self._sample:
                topic = delivery.target
                self._note("published", 0, delivery.sender, "", topic, delivery.payload)
            return
        number = self._actors.dispatcher.sent + 1
        if self._actors.broker.is_carried(delivery.target):  # it gets its number at its delivery
            self._durables += 1
            number = 0 if not self._durables % self._sample else _LEFT_OUT
        self._numbers[id(delivery)] = number
        act = _ACTS[delivery.kind]
        self._note(act, number, delivery.sender, delivery.target, None, delivery.payload)

    def after(self, delivery: Delivery, error: BaseException | None) -> None:
        """Note that it was not sent."""
        number = self._numbers.pop(id(delivery), 0)
        if error is not None:
            detail = safe_text(error)[:_DETAIL]
            self._note(
                "rejected", number, delivery.sender, delivery.target, None, delivery.payload, detail
            )

    def note_receipt(self, receipt: Receipt) -> None:
        """Note what became of a message."""
        if receipt.message_id % self._sample or not self._pattern.covers(
            receipt.sender, receipt.receiver, receipt.topic
        ):
            return
        self._put(
            TapEvent(
                self._clock(),
                receipt.outcome.value,
                receipt.message_id,
                receipt.sender,
                receipt.receiver,
                receipt.topic,
                receipt.bytes_in,
                seconds=receipt.run_seconds,
                waited=receipt.queue_seconds,
                detail=receipt.error,
            )
        )

    def note_denial(self, decision: Decision) -> None:
        """Note that the guard denied a call of messaging; its payload is not seen."""
        domain, _, verb = decision.capability.partition(":")
        if domain != "messaging":
            return
        is_topic = verb in ("publish", "subscribe")
        target = "" if is_topic else decision.resource
        topic = decision.resource if is_topic else None
        detail = safe_text(decision.text)[:_DETAIL]
        self._note("rejected", 0, decision.component, target, topic, None, detail)

    def note_excess(
        self, sender: str, target: str, topic: str | None, size_bytes: int, error: MessagingError
    ) -> None:
        """Note that a message was too large, or beyond a rate."""
        if self._pattern.covers(sender, target, topic):
            detail = safe_text(error)[:_DETAIL]
            self._put(
                TapEvent(
                    self._clock(), "rejected", 0, sender, target, topic, size_bytes, detail=detail
                )
            )

    def note_letter(self, letter: DeadLetter) -> None:
        """Note that a message died."""
        message = letter.message
        self._note(
            "dead", message.id, message.sender, letter.target, message.topic, message.payload,
            f"{letter.reason.value}, {self._letter_id(letter)}",
        )  # fmt: skip

    def take(self) -> TapEvent | None:
        """Return the next event; None when there is none."""
        return self._events.popleft() if self._events else None

    def _note(
        self,
        act: str,
        number: int,
        sender: str,
        target: str,
        topic: str | None,
        payload: object,
        detail: str = "",
    ) -> None:
        if number == _LEFT_OUT or number % self._sample:
            return
        if not self._pattern.covers(sender, target, topic):
            return
        content = payload if isinstance(payload, bytes) else None
        size = None if content is None else len(content)
        if isinstance(payload, FunctionCall):
            size, detail = payload.weight_bytes, detail or payload.path[:_DETAIL]
        self._put(
            TapEvent(
                self._clock(),
                act,
                number,
                sender,
                target,
                topic,
                payload_bytes=size,
                codec="" if content is None else codec_of(content) or "",
                payload=content[: self._payload_bytes] if content and self._payload_bytes else None,
                detail=detail,
            )
        )

    def _put(self, event: TapEvent) -> None:
        if len(self._events) >= self._capacity or (
            self._bucket is not None and not self._bucket.take()
        ):
            self._lost += 1
            return
        if self._lost:
            event = replace(event, lost=self._lost)
            self._lost = 0
        self._events.append(event)
        self.news.set()


class Taps:
    """The readers of the live traffic of one system.

    Args:
        actors: The system.
        letter_id: Returns the id of a dead letter.
        clock: Returns the seconds since 1970.
        guard: Says what it denies, if there is one.
        quota: Says what is too large or beyond a rate, if there is one.
    """

    def __init__(
        self,
        actors: ActorSystem,
        *,
        guard: Guard | None = None,
        quota: SendingQuota | None = None,
        letter_id: Callable[[DeadLetter], str] = lambda letter: str(letter.number),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._actors, self._letter_id, self._clock = actors, letter_id, clock
        self._guard, self._quota = guard, quota
        self._open: set[_Tap] = set()

    async def read(
        self,
        pattern: TapPattern,
        *,
        payload_bytes: int = 0,
        sample: int = 1,
        rate: float = 0.0,
        capacity: int = 1_000,
    ) -> AsyncGenerator[TapEvent]:
        """Iterate over the live traffic, until `close`.

        Close it when you leave early: `async with contextlib.aclosing(...)`.

        Args:
            pattern: The names and topics to look at.
            payload_bytes: How many bytes of each payload to show, at most `MOST_TAPPED_BYTES`.
            sample: Show each message whose number is a multiple of this, with all that happens to
                it.
            rate: Events in a second; 0 for no bound.
            capacity: Events that may wait for the reader.
        """
        tap = _Tap(
            self._actors, pattern, min(payload_bytes, MOST_TAPPED_BYTES), max(1, sample), rate,
            capacity, self._letter_id, self._clock,
        )  # fmt: skip
        subscriptions = (
            self._actors.broker.add_hook(tap).cancel,
            self._actors.receipts.listen(tap.note_receipt).cancel,
            self._actors.dead_letters.listen(tap.note_letter).cancel,
            *([self._guard.listen(tap.note_denial)] if self._guard else ()),
            *([self._quota.listen(tap.note_excess)] if self._quota else ()),
        )
        self._open.add(tap)
        try:
            while True:
                while (event := tap.take()) is not None:
                    yield event
                if tap.is_over:
                    return
                tap.news = anyio.Event()
                await tap.news.wait()
        finally:
            self._open.discard(tap)
            for end in subscriptions:
                end()

    def close(self) -> None:
        """Let all readers end, after what waits for them."""
        for tap in self._open:
            tap.is_over = True
            tap.news.set()
