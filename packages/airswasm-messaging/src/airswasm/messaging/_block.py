"""The declaration of this block: messages between components."""

from __future__ import annotations

from airswasm.wit import Block, Capability, Check, Metric, Section

__all__ = (
    "BLOCK",
    "LETTERS_DROPPED",
    "LETTERS_KEPT",
    "LETTERS_REPLAYED",
    "MESSAGING_INTERFACE",
    "TIMERS_INTERFACE",
)

_TARGET = "airswasm.messaging._spelling:TARGET"
MESSAGING_INTERFACE = "airswasm:component/messaging@0.1.0"
TIMERS_INTERFACE = "airswasm:component/timers@0.1.0"
LETTERS_KEPT = "dead_letters_kept"
LETTERS_DROPPED = "dead_letters_dropped_total"
LETTERS_REPLAYED = "dead_letters_replayed_total"

BLOCK = Block(
    name="messaging",
    summary="Messages between components.",
    interfaces=(MESSAGING_INTERFACE, TIMERS_INTERFACE),
    provide="airswasm.messaging:provide",
    capabilities=(
        Capability("messaging.send", "send messages to {patterns}", _TARGET),
        Capability("messaging.request", "ask {patterns}, and get answers", _TARGET),
        Capability("messaging.schedule", "send messages to {patterns} at a later time", _TARGET),
        Capability(
            "messaging.publish",
            "publish to the topics {patterns}",
            "airswasm.messaging._spelling:TOPIC",
        ),
        Capability(
            "messaging.subscribe",
            "receive what is published to the topics {patterns}",
            "airswasm.messaging._spelling:TOPIC_PATTERN",
        ),
    ),
    sections=(
        Section(
            "messaging",
            "airswasm.messaging:MessagingLimits",
            "What holds for the messages of every component.",
            reads="reload",
        ),
        Section(
            "durable",
            "airswasm.messaging:DurableSettings",
            "Delivery of messages that outlives the host.",
            reads="reload",
        ),
        Section(
            "timers",
            "airswasm.messaging:TimerSettings",
            "Messages that components send at a later time.",
            reads="reload",
        ),
        Section(
            "dead-letters",
            "airswasm.messaging:DeadLetterSettings",
            "Bounds of the messages that were not handled, and are kept with the evidence.",
            reads="reload",
        ),
    ),
    metrics=(
        Metric(LETTERS_KEPT, "Dead letters that are kept, by receiver.", "gauge"),
        Metric(LETTERS_DROPPED, "Dead letters that gave way or became too old."),
        Metric(LETTERS_REPLAYED, "Dead letters whose message was accepted again."),
    ),
    errors=("airswasm.messaging.errors",),
    forget="airswasm.messaging._forgetting:forget",
    checks=(Check("codecs", "airswasm.messaging._checks:check_codecs"),),
)
