"""One step of a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ("Attribute", "Span", "SpanEvent", "SpanKind")

Attribute: TypeAlias = "str | int | float | bool"
SpanKind = Literal["internal", "server", "client", "producer", "consumer"]


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """A moment within a span.

    Attributes:
        time: Seconds since 1970.
        name: What happened.
        attributes: By key.
    """

    time: float
    name: str
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """One step of a trace, as in OpenTelemetry.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_id: The span that caused it; empty for the first one of a trace.
        name: What was done, and to what: `process shop/orders`.
        kind: Its part in an exchange.
        component: The component that did it.
        began_at: Seconds since 1970.
        ended_at: Likewise.
        attributes: By the semantic conventions, and ours as `airswasm.…`.
        error: Why it failed; empty if it did not.
        events: The component's own.
        links: Traces and spans that it has to do with beside its parent.
        dropped: Attributes and events for which there was no room.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: SpanKind
    component: str
    began_at: float
    ended_at: float
    attributes: tuple[tuple[str, Attribute], ...] = ()
    error: str = ""
    events: tuple[SpanEvent, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    dropped: int = 0

    @property
    def seconds(self) -> float:
        """Seconds from its beginning to its end."""
        return max(0.0, self.ended_at - self.began_at)
