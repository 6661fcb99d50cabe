"""Make the spans of a receipt.

A message has one span, `process RECEIVER`, from the beginning of its handling to the end. Below it
are what its handler sent (`send TARGET`, the parent of what the receiver does) and, for a
component, the call of its export with each of its host functions, the first 128.

Names and attributes are those of OpenTelemetry's semantic conventions for messaging (1.43), where
they have one. They are made when they are read or sent: a message that is traced pays for its
receipt alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from airswasm.actor import Outcome, Receipt, SentSpan, Trace

from .span import Attribute, Span, SpanEvent

__all__ = ("number_of_spans", "size_of_spans", "spans_of")

_SPAN_BYTES = 1_500
"""About what a span takes, with the attributes that are the host's."""
_WELL = frozenset((Outcome.HANDLED, Outcome.REPLIED, Outcome.LATE))


def number_of_spans(receipt: Receipt) -> int:
    """Return how many spans `spans_of` makes."""
    if receipt.trace is None:
        return 0
    calls = 0 if receipt.use is None else 1 + len(receipt.use.in_order)
    return 1 + len(receipt.trace.notes.sent) + calls


def size_of_spans(receipt: Receipt, spans: int) -> int:
    """Return about what the spans of a receipt, so many, take in memory."""
    noted = 0 if receipt.trace is None else receipt.trace.notes.size_bytes
    return spans * _SPAN_BYTES + noted


def spans_of(receipt: Receipt) -> list[Span]:
    """Return the spans of a traced message, its own first."""
    trace = receipt.trace
    if trace is None:
        return []
    began_at = trace.ended_at - receipt.run_seconds
    return [
        _processing(receipt, trace, began_at),
        *(_sending(receipt, trace, sent) for sent in trace.notes.sent),
        *_calling(receipt, trace, began_at),
    ]


def _processing(receipt: Receipt, trace: Trace, began_at: float) -> Span:
    context, notes = trace.context, trace.notes
    attributes: dict[str, Attribute] = dict(notes.attributes)
    attributes |= {
        "messaging.system": "airswasm",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": receipt.topic or receipt.receiver,
        "messaging.message.id": trace.message_id,
        "messaging.message.body.size": receipt.bytes_in,
        "airswasm.component": receipt.receiver,
        "airswasm.sender": receipt.sender,
        "airswasm.incarnation": receipt.incarnation,
        "airswasm.outcome": receipt.outcome.value,
        "airswasm.queue_seconds": round(receipt.queue_seconds, 6),
        "airswasm.reply_bytes": receipt.bytes_out,
    }
    if receipt.topic is not None:
        attributes["messaging.destination.subscription.name"] = receipt.receiver
    if receipt.version:
        attributes["airswasm.version"] = receipt.version
    if trace.replay_of:
        attributes["airswasm.replay_of"] = trace.replay_of
    error = "" if receipt.outcome in _WELL else receipt.error or receipt.outcome.value
    if error:
        attributes["error.type"] = error
    return Span(
        context.trace_id,
        context.span_id,
        context.parent_id,
        f"process {receipt.topic or receipt.receiver}",
        "consumer",
        receipt.receiver,
        began_at,
        trace.ended_at,
        tuple(attributes.items()),
        error,
        tuple(SpanEvent(*each) for each in notes.events),
        ((context.trace_id, context.parent_id),) if context.parent_id else (),
        notes.dropped,
    )


def _sending(receipt: Receipt, trace: Trace, sent: SentSpan) -> Span:
    is_message = sent.kind == "producer"
    attributes: dict[str, Attribute] = {"airswasm.component": receipt.receiver}
    if is_message:
        attributes |= {
            "messaging.system": "airswasm",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": sent.target,
        }
    else:
        method, _, server = sent.target.partition(" ")
        attributes |= {"http.request.method": method, "server.address": server}
    return Span(
        trace.context.trace_id,
        sent.span_id,
        trace.context.span_id,
        f"send {sent.target}" if is_message else sent.target,
        sent.kind,
        receipt.receiver,
        sent.at,
        sent.at,
        tuple(attributes.items()),
    )


def _calling(receipt: Receipt, trace: Trace, began_at: float) -> Iterator[Span]:
    """Yield the call of a component's export, and those of host functions below it."""
    use, context = receipt.use, trace.context
    if use is None:
        return
    call_id = _nth(context.span_id, 1)
    attributes: dict[str, Attribute] = {
        "code.function.name": use.function,
        "airswasm.component": receipt.receiver,
        "airswasm.fuel": use.fuel,
        "airswasm.busy_seconds": round(use.busy_seconds, 6),
        "airswasm.host_calls": sum(each.calls for each in use.host_calls),
        "airswasm.host_memory_bytes": use.host_memory_bytes,
    }
    if use.memory_bytes is not None:
        attributes["airswasm.memory_bytes"] = use.memory_bytes
    yield Span(
        context.trace_id, call_id, context.span_id, _short(use.function), "internal",
        receipt.receiver, began_at, began_at + use.seconds, tuple(attributes.items()),
        receipt.error if receipt.outcome not in _WELL else "",
    )  # fmt: skip
    for number, each in enumerate(use.in_order, 2):
        at = began_at + each.after_seconds
        yield Span(
            context.trace_id, _nth(context.span_id, number), call_id, _short(each.function),
            "internal", receipt.receiver, at, at + each.seconds,
            (
                ("code.function.name", each.function),
                ("airswasm.component", receipt.receiver),
                ("airswasm.fuel", each.fuel),
            ),
        )  # fmt: skip


def _nth(span_id: str, number: int) -> str:
    """Return the id of a span below another one: it is a hash, so that a sum is as good."""
    return f"{(int(span_id, 16) + number * 0x9E3779B97F4A7C15) % 2**64 or 1:016x}"


def _short(function: str) -> str:
    """Return a function's path without package and version."""
    interface, _, name = function.rpartition("#")
    return f"{interface.rpartition('/')[2].partition('@')[0]}#{name}".removeprefix("#")
