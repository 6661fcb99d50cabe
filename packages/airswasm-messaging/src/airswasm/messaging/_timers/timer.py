"""One message at a later time, and its stored form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cbor2

from ..errors import MessageNotStorable, RecordUnreadable

if TYPE_CHECKING:
    from airswasm.runtime import Timer

__all__ = ("LONGEST", "SHORTEST", "ScheduledMessage", "pack_timer", "unpack_timer")

LONGEST = 100 * 366 * 86_400.0
"""Seconds of a delay."""
SHORTEST = 0.001
"""Seconds of an interval."""
_VERSION = 1
_FARTHEST = 2.0**40
"""Seconds from 1970 to where a clock may be set, backwards and forwards."""


@dataclass(slots=True, eq=False)
class ScheduledMessage:
    """A message that is sent later, once or again and again.

    Attributes:
        number: Its id.
        owner: Who sends it.
        target: Whom it goes to.
        payload: What it says: bytes, or an object of an actor in Python.
        seconds: The delay, or the interval.
        repeats: Whether it is sent again and again.
        is_durable: Whether it outlives the host.
        due: When it is sent next, in seconds since 1970.
        origin: Begins the ids of its messages.
        turn: The number of its next time, those that passed unused included.
        is_trusted: Whether Python code has set it: it needs no grant, and counts no rate.
        incarnation: The incarnation of an actor in Python with which it ends; 0 for none.
        fired: How often it was sent since the host started.
        missed: Times that passed unused since the host started.
    """

    number: int
    owner: str
    target: str
    payload: object
    seconds: float
    repeats: bool
    is_durable: bool
    due: float
    origin: str
    turn: int = 0
    is_trusted: bool = False
    incarnation: int = 0
    fired: int = 0
    missed: int = 0
    at: float = 0.0
    pause: float = 0.0
    held: object = None
    timer: Timer | None = None
    is_ended: bool = False

    @property
    def payload_bytes(self) -> int:
        """The size of its payload; 0 for an object."""
        return len(self.payload) if isinstance(self.payload, bytes) else 0

    @property
    def message_id(self) -> str:
        """The id of the message that is sent next; the same however often that is tried."""
        return f"{self.origin}@{self.turn}" if self.repeats else self.origin


def pack_timer(timer: ScheduledMessage) -> bytes:
    """Return a timer as bytes.

    Raises:
        MessageNotStorable: Its payload is not bytes.
    """
    if not isinstance(timer.payload, bytes):
        raise MessageNotStorable(timer.target, type(timer.payload).__name__)
    return cbor2.dumps(
        [
            _VERSION, timer.owner, timer.target, timer.payload, timer.seconds, timer.repeats,
            timer.due, timer.origin, timer.turn, timer.is_trusted,
        ]
    )  # fmt: skip


def unpack_timer(number: int, stored: bytes) -> ScheduledMessage:
    """Return the timer in a record.

    Raises:
        RecordUnreadable: The bytes are damaged, or of a newer version.
    """
    try:
        record = cbor2.loads(stored)
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError) as error:
        raise RecordUnreadable(str(error)) from error
    match record:
        case [
            1, str(owner), str(target), bytes(payload), float(seconds), bool(repeats),
            float(due), str(origin), int(turn), *more,
        ] if SHORTEST * repeats <= seconds <= LONGEST and abs(due) <= _FARTHEST:  # fmt: skip
            return ScheduledMessage(
                number, owner, target, payload, seconds, repeats, True, due, origin, turn,
                is_trusted=more[:1] == [True],
            )  # fmt: skip
        case _:
            raise RecordUnreadable("its fields are not those of a timer")
