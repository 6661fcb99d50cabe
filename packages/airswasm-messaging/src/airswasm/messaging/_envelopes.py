"""The envelopes of messages that a component has in hand, and of those that it sends then."""

from __future__ import annotations

from airswasm.actor import Envelope, Message, MessageBroker
from airswasm.runtime import Caller

from ._retained import RetainedValue

__all__ = ("answering", "in_hand", "retained_value", "shown_envelope")


def in_hand(caller: Caller) -> Message | None:
    """Return the message that a component handles; None while it starts and stops."""
    message = caller.message
    return message if isinstance(message, Message) else None


def shown_envelope(broker: MessageBroker, message: Message | None) -> dict[str, object] | None:
    """Return the envelope of a message as the contract's `message-envelope`."""
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
        "remaining_ms": None if left is None else int(left * 1000),
        "traceparent": known.traceparent or None,
        "codec": known.codec or None,
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
    topic: str, payload: bytes, sender: str, message: Message | None, broker: MessageBroker
) -> RetainedValue:
    """Return what is kept of a publication. Its subscribers begin chains of their own."""
    known = (message.envelope if message is not None else None) or Envelope()
    correlation = known.correlation or (broker.id_of(message) if message is not None else "")
    traceparent = known.traceparent
    envelope = Envelope(broker.new_id(), correlation, traceparent=traceparent, is_retained=True)
    return RetainedValue(topic, payload, sender, envelope)
