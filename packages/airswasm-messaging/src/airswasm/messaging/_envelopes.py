"""The envelopes of messages that a component has in hand, and of those that it sends then."""

from __future__ import annotations

import re

from airswasm.actor import Envelope, Message, MessageBroker
from airswasm.runtime import Caller

from ._codecs.acceptance import Acceptance
from ._retained import RetainedValue
from .errors import InvalidEnvelope

__all__ = ("answering", "in_hand", "new_chain", "retained_value", "shown_envelope")

_CORRELATION = re.compile(r"[!-~]{1,128}", re.ASCII)
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII
)
_MOST_MILLISECONDS = 2.0**63
"""A deadline of Python code may be at infinity; the contract has 64 bits."""


def new_chain(
    *, correlation: str = "", traceparent: str = "", deadline: float | None = None
) -> Envelope | None:
    """Return the envelope of a message that comes from outside; None when nothing is said.

    Args:
        correlation: The id of a conversation that it belongs to: visible ASCII, 128 at most.
        traceparent: The W3C trace context.
        deadline: The wall time after which it is worthless.

    Raises:
        InvalidEnvelope: A text is malformed.
    """
    if correlation and _CORRELATION.fullmatch(correlation) is None:
        raise InvalidEnvelope("correlation", correlation, "1 to 128 visible ASCII characters")
    if traceparent and _TRACEPARENT.fullmatch(traceparent) is None:
        shown = "00-<32 hexadecimal digits>-<16>-<2>, lower case"
        raise InvalidEnvelope("traceparent", traceparent, shown)
    if not correlation and not traceparent and deadline is None:
        return None
    return Envelope("", correlation, deadline, traceparent=traceparent)


def in_hand(caller: Caller) -> Message | None:
    """Return the message that a component handles; None while it starts and stops."""
    message = caller.message
    return message if isinstance(message, Message) else None


def shown_envelope(
    broker: MessageBroker, message: Message | None, read: Acceptance
) -> dict[str, object] | None:
    """Return the envelope of a message as the contract's `message-envelope`.

    Args:
        broker: Knows the message's id and deadline.
        message: The message in hand.
        read: What its receiver reads, by which its codec is known; answers say theirs themselves.
    """
    if message is None:
        return None
    known = message.envelope or Envelope()
    deadline = broker.deadline_of(message)
    left = None if deadline is None else max(0.0, deadline - broker.wall_time())
    own_id = broker.id_of(message)
    return {
        "id": own_id,
        "correlation": known.correlation or own_id,
        "hops": min(known.hops, 2**32 - 1),
        "remaining_ms": None if left is None else int(min(left * 1000, _MOST_MILLISECONDS)),
        "traceparent": known.traceparent or None,
        "codec": known.codec or read.codec_of(message.payload),
        "attempt": known.attempt,
        "replay_of": known.replay_of or None,
        "retained": known.is_retained,
    }


def answering(question: Envelope | None) -> Envelope | None:
    """Return the envelope of the callback that brings the answer to a question.

    It continues the chain of the question, so that a ring of requests and callbacks ends, too.
    """
    if question is None:
        return None
    return Envelope("", question.correlation, None, question.hops, question.traceparent)


def retained_value(
    topic: str, payload: bytes, sender: str, envelope: Envelope | None, broker: MessageBroker
) -> RetainedValue:
    """Return what is kept of a publication. Its later receivers begin chains of their own."""
    known = envelope or Envelope()
    kept = Envelope(
        broker.new_id(), known.correlation, traceparent=known.traceparent, is_retained=True
    )
    return RetainedValue(topic, payload, sender, kept)
