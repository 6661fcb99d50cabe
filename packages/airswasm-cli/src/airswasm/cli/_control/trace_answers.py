"""The documents of traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airswasm.monitoring import Span, TraceRecord

__all__ = (
    "SpanDocument",
    "SpanEventDocument",
    "TraceDocument",
    "TraceSummary",
    "trace_document",
    "trace_summary",
)


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """A trace that the host keeps, in one line.

    Attributes:
        id: Its id, 32 hexadecimal digits.
        began_at: Seconds since 1970.
        seconds: From the beginning of its first span to the end of its last.
        name: What its first span did.
        spans: How many are kept.
        left_out: How many were not.
        errors: Messages whose handling failed.
        components: Those that took part.
    """

    id: str
    began_at: float
    seconds: float
    name: str
    spans: int
    left_out: int
    errors: int
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpanEventDocument:
    """A moment in a span that the component noted.

    Attributes:
        time: Seconds since 1970.
        name: Its name.
        attributes: By key.
    """

    time: float
    name: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SpanDocument:
    """One step of a trace.

    Attributes:
        id: Its id, 16 hexadecimal digits.
        parent: The id of the span that caused it; empty for the first one.
        name: What was done.
        kind: `consumer` for a message that was handled, `producer` for one that was sent, `client`
            for a call that left the host, `internal` for functions.
        component: The component.
        began_at: Seconds since 1970.
        seconds: How long it took.
        error: Why it failed; empty if it did not.
        attributes: By key.
        events: The component's own.
        dropped: Its attributes and events for which there was no room.
    """

    id: str
    parent: str
    name: str
    kind: str
    component: str
    began_at: float
    seconds: float
    error: str
    attributes: Mapping[str, object]
    events: tuple[SpanEventDocument, ...]
    dropped: int


@dataclass(frozen=True, slots=True)
class TraceDocument:
    """A trace with its spans.

    Attributes:
        id: Its id, 32 hexadecimal digits.
        began_at: Seconds since 1970.
        seconds: From the beginning of its first span to the end of its last.
        left_out: Spans that were not kept.
        spans: By their beginnings.
    """

    id: str
    began_at: float
    seconds: float
    left_out: int
    spans: tuple[SpanDocument, ...]


def trace_summary(record: TraceRecord) -> TraceSummary:
    """Return a trace in one line."""
    return TraceSummary(
        record.trace_id, record.began_at, record.seconds, record.root.name, len(record.spans),
        record.left_out, record.errors, record.components,
    )  # fmt: skip


def trace_document(record: TraceRecord) -> TraceDocument:
    """Return a trace with its spans."""
    spans = tuple(_span(each) for each in record.spans)
    return TraceDocument(record.trace_id, record.began_at, record.seconds, record.left_out, spans)


def _span(span: Span) -> SpanDocument:
    events = tuple(
        SpanEventDocument(each.time, each.name, dict(each.attributes)) for each in span.events
    )
    return SpanDocument(
        span.span_id, span.parent_id, span.name, span.kind, span.component, span.began_at,
        span.seconds, span.error, dict(span.attributes), events, span.dropped,
    )  # fmt: skip
