"""The last traces, in memory, to look at without a collector.

A trace belongs to the component whose message ended first in it. Where there is no room, the
component that has the most gives its oldest: one that gets a thousand messages a second would push
out all others, and theirs are those that an operator looks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airswasm.actor import Receipt

from .making import size_of_spans, spans_of
from .span import Span

__all__ = ("RecentTraces", "TraceRecord")

_MOST_SPANS = 1_000
"""Spans of one trace: a ring of messages is one trace, and has no end."""


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """A trace that is kept.

    Attributes:
        trace_id: 32 hexadecimal digits.
        spans: By their beginnings.
        left_out: Spans for which there was no room.
    """

    trace_id: str
    spans: tuple[Span, ...]
    left_out: int = 0

    @property
    def root(self) -> Span:
        """The first span whose parent is not here."""
        known = {span.span_id for span in self.spans}
        return next((span for span in self.spans if span.parent_id not in known), self.spans[0])

    @property
    def began_at(self) -> float:
        """Seconds since 1970."""
        return self.spans[0].began_at

    @property
    def seconds(self) -> float:
        """From the beginning of the first span to the end of the last."""
        return max(span.ended_at for span in self.spans) - self.began_at

    @property
    def errors(self) -> int:
        """The number of messages whose handling failed."""
        return sum(bool(span.error) and span.kind == "consumer" for span in self.spans)

    @property
    def components(self) -> tuple[str, ...]:
        """The components that took part, in the order of their first spans."""
        return tuple(dict.fromkeys(span.component for span in self.spans))


class _Kept:
    __slots__ = ("left_out", "number", "owner", "receipts", "size_bytes", "spans")

    def __init__(self, owner: _Share, number: int) -> None:
        self.owner = owner
        self.number = number
        self.receipts: list[Receipt] = []
        self.spans = 0
        self.left_out = 0
        self.size_bytes = 0


class _Share:
    """The traces of one component, the oldest first."""

    __slots__ = ("name", "size_bytes", "traces")

    def __init__(self, name: str) -> None:
        self.name = name
        self.traces: dict[str, _Kept] = {}
        self.size_bytes = 0

    @property
    def age(self) -> int:
        """The higher, the older is the oldest of them."""
        return -next(iter(self.traces.values())).number


class RecentTraces:
    """At most so many traces, and so many bytes; the component with the most gives its oldest.

    Attributes:
        most: How many.
        most_bytes: How many bytes.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._traces: dict[str, _Kept] = {}
        self._shares: dict[str, _Share] = {}
        self._begun = 0
        self._size_bytes = 0
        self.most, self.most_bytes = most, most_bytes

    def __len__(self) -> int:
        return len(self._traces)

    @property
    def size_bytes(self) -> int:
        """About what they take."""
        return self._size_bytes

    def hold_to(self, most: int, most_bytes: int) -> None:
        """Keep as many from now on."""
        self.most, self.most_bytes = most, most_bytes
        self._make_room()

    def add(self, receipt: Receipt, spans: int) -> None:
        """Keep the spans of one traced message; they are so many."""
        trace = receipt.trace
        if trace is None or not self.most:
            return
        trace_id = trace.context.trace_id
        kept = self._traces.get(trace_id) or self._begin(trace_id, receipt.receiver)
        if kept.spans + spans > _MOST_SPANS:
            kept.left_out += spans
            return
        size_bytes = size_of_spans(receipt, spans)
        kept.receipts.append(receipt)
        kept.spans += spans
        kept.size_bytes += size_bytes
        kept.owner.size_bytes += size_bytes
        self._size_bytes += size_bytes
        self._make_room()

    def receipts(self) -> Iterator[Receipt]:
        """Iterate over the receipts of all traces that are kept, the oldest trace first."""
        for kept in list(self._traces.values()):
            yield from kept.receipts

    def all(self, name: str = "") -> Iterator[TraceRecord]:
        """Iterate over the traces, the oldest first; those of one component, if it is named."""
        for trace_id, kept in list(self._traces.items()):
            if not name or any(receipt.receiver == name for receipt in kept.receipts):
                yield _record(trace_id, kept)

    def find(self, trace_id: str) -> TraceRecord | None:
        """Return a trace by its id, or by a beginning of it that no other one has."""
        kept = self._traces.get(trace_id)
        if kept is not None:
            return _record(trace_id, kept)
        found = [each for each in self._traces if each.startswith(trace_id)]
        return _record(found[0], self._traces[found[0]]) if len(found) == 1 else None

    def _begin(self, trace_id: str, owner: str) -> _Kept:
        share = self._shares.get(owner)
        if share is None:
            share = self._shares[owner] = _Share(owner)
        self._begun += 1
        kept = self._traces[trace_id] = share.traces[trace_id] = _Kept(share, self._begun)
        return kept

    def _make_room(self) -> None:
        while len(self._traces) > self.most:
            self._drop_from(
                max(self._shares.values(), key=lambda each: (len(each.traces), each.age))
            )
        while self._size_bytes > self.most_bytes:
            self._drop_from(
                max(self._shares.values(), key=lambda each: (each.size_bytes, each.age))
            )

    def _drop_from(self, share: _Share) -> None:
        oldest = next(iter(share.traces))
        kept = share.traces.pop(oldest)
        del self._traces[oldest]
        share.size_bytes -= kept.size_bytes
        self._size_bytes -= kept.size_bytes
        if not share.traces:
            del self._shares[share.name]


def _record(trace_id: str, kept: _Kept) -> TraceRecord:
    made = [span for receipt in kept.receipts for span in spans_of(receipt)]
    spans = sorted(made, key=lambda span: (span.began_at, -span.ended_at))
    return TraceRecord(trace_id, tuple(spans), kept.left_out)
