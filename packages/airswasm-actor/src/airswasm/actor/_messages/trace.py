"""The place of a message in a trace, and what is noted while it is in hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

__all__ = ("SentKind", "SentSpan", "SpanNotes", "Trace", "TraceContext")

SentKind = Literal["producer", "client"]


class TraceContext(NamedTuple):
    """The place of a message in its trace, as in the W3C's recommendation.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits: the handling of the message.
        parent_id: The span that caused it; empty for the first one.
        is_sampled: Whether it is traced.
    """

    trace_id: str
    span_id: str
    parent_id: str
    is_sampled: bool

    @property
    def traceparent(self) -> str:
        """The context as a `traceparent` header, for what the handler calls."""
        return f"00-{self.trace_id}-{self.span_id}-{self.is_sampled:02x}"


@dataclass(frozen=True, slots=True)
class SentSpan:
    """A message that a handler has sent, or a call that it has made elsewhere.

    Attributes:
        span_id: The id that the receiver has as its parent's.
        kind: `producer` of a message, `client` of a server elsewhere.
        target: A name or a topic; of a call, the method and the server.
        at: Wall time.
    """

    span_id: str
    kind: SentKind
    target: str
    at: float


@dataclass(slots=True)
class SpanNotes:
    """The notes on a traced message in hand.

    Attributes:
        sent: Messages that its handler sent, at most 128.
        attributes: The handler's own, by key.
        events: The handler's own: wall time, name and attributes.
        dropped: Notes for which there was no room.
        size_bytes: Bytes of the handler's own notes.
        holding: What those bytes are taken from, given back with the notes.
    """

    sent: list[SentSpan] = field(default_factory=list[SentSpan])
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    events: list[tuple[float, str, tuple[tuple[str, str], ...]]] = field(
        default_factory=list[tuple[float, str, tuple[tuple[str, str], ...]]]
    )
    dropped: int = 0
    size_bytes: int = 0
    holding: object = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The part of a receipt that a traced message has.

    Attributes:
        context: Its place in the trace.
        message_id: `MessageBroker.id_of`.
        ended_at: Wall time of the end of its handling.
        notes: What its handler sent and noted.
        replay_of: The id of the dead letter that it repeats; empty for others.
    """

    context: TraceContext
    message_id: str
    ended_at: float
    notes: SpanNotes
    replay_of: str = ""
