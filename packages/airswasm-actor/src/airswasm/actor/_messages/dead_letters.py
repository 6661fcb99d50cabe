"""Messages that will not be handled, and the evidence why.

The ring is bounded in letters and in bytes, the counts are not: the books of the system must
balance whatever the ring has forgotten. A letter that alone is more than an actor's share is
counted and told to listeners, and not kept. Evidence is read from the error by name (`backtrace`,
`fuel_used`, ...), so that each fault that carries it counts, and this module needs to know no
engine.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from .._foreign import attribute_of, repr_of, text_of
from .bounds import payload_bytes
from .events import Subscription
from .message import Message

__all__ = ("DeadLetter", "DeadLetters", "DeathReason")


_LETTER_BYTES = 2_048
"""Of a letter beside its payload: the message, the error and its trace."""
_SHARES = 4
"""No actor has more than such a part of the bytes: one that is flooded keeps others' letters."""


class DeathReason(StrEnum):
    """The reasons why a message will not be handled."""

    CRASHED = "crashed"
    """The actor failed while it handled it."""
    KILLED = "killed"
    """The actor was killed while it handled it."""
    STOPPED = "stopped"
    """It still waited when the actor stopped for good."""
    DROPPED = "dropped"
    """It was the oldest message in a full mailbox."""
    UNDELIVERED = "undelivered"
    """The actor that it was for cannot take such a message."""
    EXHAUSTED = "exhausted"
    """A durable message was tried as often as its delivery allows."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message, and the evidence.

    Attributes:
        message: The message itself; sending its payload again is a replay.
        target: The name of the actor that it was for.
        incarnation: The incarnation that had it in hand, 0 when none did.
        reason: Why it is here.
        time: The system's clock, in seconds.
        cause: The error, when there was one.
        fuel_used: The fuel that the guest had used for this message, if it was a guest.
        memory_peak_bytes: The guest's memory at its largest.
        backtrace: Where in the guest it happened.
        number: The how-manieth of its system it is, from 1.
    """

    message: Message
    target: str
    incarnation: int
    reason: DeathReason
    time: float
    cause: BaseException | None = None
    fuel_used: int | None = None
    memory_peak_bytes: int | None = None
    backtrace: str | None = None
    number: int = 0

    def __repr__(self) -> str:
        return repr_of(self)


class DeadLetters:
    """The most recent dead letters; iterate from the oldest to the newest.

    Attributes:
        total: How many there have ever been.
        size_bytes: What those that are kept weigh.
        by_reason: The same, by reason.
        listener_errors: How many times a listener raised; the last one is `last_error`.
    """

    __slots__ = (
        "_bytes_of",
        "_capacity",
        "_capacity_bytes",
        "_letters",
        "_listeners",
        "by_reason",
        "last_error",
        "listener_errors",
        "size_bytes",
        "total",
    )

    def __init__(self, capacity: int = 1000, capacity_bytes: int = 64 * 2**20) -> None:
        self._capacity, self._capacity_bytes = capacity, capacity_bytes
        self._letters: deque[tuple[DeadLetter, int]] = deque()  # with what each weighs
        self._bytes_of: Counter[str] = Counter()
        self.size_bytes = 0
        self._listeners: tuple[Callable[[DeadLetter], None], ...] = ()
        self.total = 0
        self.listener_errors = 0
        self.last_error: BaseException | None = None
        self.by_reason: Counter[DeathReason] = Counter()

    def __len__(self) -> int:
        return len(self._letters)

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(tuple(letter for letter, _ in self._letters))

    def listen(self, listener: Callable[[DeadLetter], None]) -> Subscription:
        """Call `listener` with each new letter; an error that it raises is counted and dropped."""
        self._listeners = (*self._listeners, listener)
        return Subscription(lambda: self._remove(listener))

    def add(
        self,
        message: Message,
        target: str,
        reason: DeathReason,
        time: float,
        *,
        incarnation: int = 0,
        cause: BaseException | None = None,
    ) -> DeadLetter:
        """Keep a letter, with the evidence that `cause` carries."""
        self.total += 1
        letter = DeadLetter(
            message,
            target,
            incarnation,
            reason,
            time,
            cause,
            _number(cause, "fuel_used"),
            _number(cause, "memory_peak_bytes"),
            _text(cause, "backtrace"),
            self.total,
        )
        self.by_reason[reason] += 1
        self._keep(letter)
        for listener in self._listeners:
            try:
                listener(letter)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.listener_errors += 1
                self.last_error = error
        return letter

    def take(self, message_id: int) -> DeadLetter | None:
        """Remove a letter, to replay it. Return None when it is not (or no longer) here."""
        for index, (letter, _) in enumerate(self._letters):
            if letter.message.id == message_id:
                self._drop(index)
                return letter
        return None

    def forget(self, name: str) -> int:
        """Remove every letter to or from an actor. Return how many there were."""
        dropped = 0
        for index in reversed(range(len(self._letters))):
            letter = self._letters[index][0]
            if name in (letter.target, letter.message.sender):
                self._drop(index)
                dropped += 1
        return dropped

    def _keep(self, letter: DeadLetter) -> None:
        """Append a letter, and let go of what is too much: of its own target first."""
        target, payload = letter.target, letter.message.payload
        weight = _LETTER_BYTES + payload_bytes(payload)
        share = self._capacity_bytes // _SHARES
        if weight > share or not self._capacity:
            return
        while self._bytes_of[target] + weight > share:
            found = (i for i, (each, _) in enumerate(self._letters) if each.target == target)
            self._drop(next(found))
        most = self._capacity_bytes - weight
        while len(self._letters) >= self._capacity or self.size_bytes > most:
            self._drop(0)
        self._letters.append((letter, weight))
        self._bytes_of[target] += weight
        self.size_bytes += weight

    def _drop(self, index: int) -> None:
        letter, weight = self._letters[index]
        del self._letters[index]  # `remove` would compare payloads
        self.size_bytes -= weight
        self._bytes_of[letter.target] -= weight
        if not self._bytes_of[letter.target]:
            del self._bytes_of[letter.target]

    def _remove(self, listener: Callable[[DeadLetter], None]) -> None:
        """Remove it once, by identity: a listener's `__eq__` may raise."""
        known = self._listeners
        at = next(index for index, each in enumerate(known) if each is listener)
        self._listeners = (*known[:at], *known[at + 1 :])


def _number(cause: BaseException | None, field: str) -> int | None:
    value = attribute_of(cause, field)
    return value if isinstance(value, int) else None


def _text(cause: BaseException | None, field: str) -> str | None:
    value = attribute_of(cause, field)
    if isinstance(value, tuple):
        lines = cast("tuple[object, ...]", value)
        return "\n".join(text_of(line) for line in lines) or None
    return None if value is None else text_of(value)
