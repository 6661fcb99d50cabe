"""Traces of messages: W3C trace contexts, and the decision which messages are traced.

Nothing is kept for a message until it is traced. Its context is a function of what it carries: the
trace is the one in its envelope, or begins with it; its span's id is a hash of its own id, its
receiver and the attempt. So a handler that sends, a line in a log and the receipt at the end all
derive the same ids, and no span has to be open anywhere. Whether the first message of a chain is
sampled is a hash of its number; what follows from a message is traced if that was.

Rejected: an object for each message in hand, as tracing libraries have it: a hundred messages pay
for the one that is sampled, and a handler that is killed leaves its span open.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from math import ceil
from random import Random
from secrets import randbits, token_hex
from typing import TYPE_CHECKING
from zlib import crc32

from .trace import SentSpan, SpanNotes, Trace, TraceContext

if TYPE_CHECKING:
    from .message import Message
    from .trace import SentKind

__all__ = ("MARKS", "Tracing", "read_traceparent")

_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?",
    re.ASCII,
)
_SPREAD = 2_654_435_761
"""Knuth's multiplier: consecutive numbers fall evenly over 32 bits."""
_MASK = 2**32 - 1
MARKS = 2**12 - 1
"""The last number of a mark."""
_SAMPLED = frozenset("13579bdf")
_MOST_NOTED = 1_000
"""Messages in hand that have notes; the oldest lose theirs: their handlers may never end."""
_MOST_SENT = 128


class Tracing:
    """Decides which messages of one system are traced, and derives their contexts.

    Attributes:
        marks: For a first message without an envelope: false if it is not sampled, by its number
            modulo 4,096. It is the quick part of `is_sampled`.
        is_on: Whether a reader listens (`Receipts.trace`). Without one, contexts are carried on as
            they came.
    """

    __slots__ = (
        "_hash",
        "_id_of",
        "_notes",
        "_ratio",
        "_salt",
        "_threshold",
        "_wall_time",
        "is_on",
        "marks",
    )

    def __init__(self, id_of: Callable[[Message], str], wall_time: Callable[[], float]) -> None:
        self._id_of, self._wall_time = id_of, wall_time
        self._notes: dict[str, SpanNotes] = {}
        self._salt = randbits(32)
        self._hash = blake2b(digest_size=16, key=token_hex(8).encode())
        self._ratio, self._threshold = 0.0, 0
        self.marks = bytes(MARKS + 1)
        self.is_on = False

    @property
    def ratio(self) -> float:
        """The share of chains that are traced, of those that come without a context."""
        return self._ratio

    @ratio.setter
    def ratio(self, ratio: float) -> None:
        if not 0.0 <= ratio <= 1.0:
            raise ValueError("the ratio of traced messages must be from 0 to 1")
        if ratio == self._ratio:
            return
        self._ratio = ratio
        marked = ceil(ratio * (MARKS + 1))
        marks = bytearray(MARKS + 1)
        for place in Random(self._salt).sample(range(MARKS + 1), marked):  # noqa: S311 - a spread
            marks[place] = 1
        self.marks = bytes(marks)
        self._threshold = round(ratio * (MARKS + 1) / max(1, marked) * 2**32)

    def has_marked(self, first: int, last: int) -> bool:
        """Return whether a first message without an envelope may be traced, of some in a row.

        Args:
            first: The number of the first of them.
            last: The number of the last.
        """
        if last - first >= MARKS:
            return 1 in self.marks
        begin, end = first & MARKS, (last & MARKS) + 1
        if begin < end:
            return self.marks.find(1, begin, end) >= 0
        return self.marks.find(1, begin) >= 0 or self.marks.find(1, 0, end) >= 0

    def is_sampled(self, message: Message) -> bool:
        """Return whether a message is traced, while there is a reader."""
        number, envelope = message[3], message[6]  # as a tuple's: it is on each message's way
        if envelope is not None:
            if envelope[4]:
                return envelope[4][54] in _SAMPLED
            if envelope[3]:  # the first message of its chain was not
                return False
            if not number:
                number = crc32(envelope[0].encode())
        if not self.marks[number & MARKS]:
            return False
        return ((number >> 12) * _SPREAD + self._salt) & _MASK < self._threshold

    def context_of(self, message: Message, receiver: str) -> TraceContext | None:
        """Return the context of a message in hand; None where there is none.

        A message that came with a context has one, traced or not; others have one if they are
        traced.
        """
        envelope = message.envelope
        parent = "" if envelope is None else envelope.traceparent
        is_sampled = self.is_on and self.is_sampled(message)
        if not parent and not is_sampled:
            return None
        if parent and not self.is_on:
            is_sampled = parent[54] in _SAMPLED
        return self._context(message, self._id_of(message), receiver, is_sampled=is_sampled)

    def send(self, message: Message, sender: str, target: str, kind: SentKind = "producer") -> str:
        """Return the `traceparent` of what the handler of a message sends or calls.

        The receiver's span then has a parent of its own, which the sender's trace shows.

        Args:
            message: The message in hand.
            sender: The actor that handles it.
            target: A name, a topic, or where a call goes.
            kind: `client` for a call that leaves the system.

        Returns:
            The header: as it came for a message that is not traced, or empty.
        """
        envelope = message.envelope
        if not (self.is_on and self.is_sampled(message)):
            return "" if envelope is None else envelope.traceparent
        context = self.context_of(message, sender)
        assert context is not None
        notes = self.notes(context)
        if len(notes.sent) == _MOST_SENT:  # the receiver's span is a child of the handler's then
            notes.dropped += 1
            return context.traceparent
        span_id = token_hex(8)
        notes.sent.append(SentSpan(span_id, kind, target, self._wall_time()))
        return f"00-{context.trace_id}-{span_id}-01"

    def notes(self, context: TraceContext) -> SpanNotes:
        """Return the notes on a traced message in hand, to add to."""
        notes = self._notes.get(context.span_id)
        if notes is None:
            if len(self._notes) == _MOST_NOTED:
                del self._notes[next(iter(self._notes))]
            notes = self._notes[context.span_id] = SpanNotes()
        return notes

    def end(self, message: Message, receiver: str) -> Trace | None:
        """Return the trace of a message whose handling has ended; None if it is not traced."""
        if not (self.is_on and self.is_sampled(message)):
            return None
        message_id = self._id_of(message)
        context = self._context(message, message_id, receiver, is_sampled=True)
        notes = self._notes.pop(context.span_id, None) or SpanNotes()
        notes.holding = None  # the reader has a bound of its own
        replay_of = "" if message.envelope is None else message.envelope.replay_of
        return Trace(context, message_id, self._wall_time(), notes, replay_of)

    def forget(self) -> None:
        """Drop all notes: there is no reader any more."""
        self._notes.clear()

    def _context(
        self, message: Message, message_id: str, receiver: str, *, is_sampled: bool
    ) -> TraceContext:
        envelope = message.envelope
        parent = "" if envelope is None else envelope.traceparent
        attempt = 1 if envelope is None else envelope.attempt
        span_id = self._digest(f"{message_id} {receiver} {attempt}")[:16]
        if parent:
            return TraceContext(parent[3:35], span_id, parent[36:52], is_sampled)
        return TraceContext(self._digest(message_id), span_id, "", is_sampled)

    def _digest(self, text: str) -> str:
        digest = self._hash.copy()
        digest.update(text.encode())
        return digest.hexdigest()


def read_traceparent(text: str) -> str:
    """Return a `traceparent` header as this system carries it on; empty if it is not valid.

    A caller's mistake begins a new trace, as the W3C's recommendation has it, and is no error.
    """
    found = _TRACEPARENT.fullmatch(text.strip(" \t"))
    if found is None or (found[1] == "00" and found[5]):
        return ""
    return f"00-{found[2]}-{found[3]}-{int(found[4], 16) & 1:02x}"
