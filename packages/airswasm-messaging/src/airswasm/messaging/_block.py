"""The declaration of this block: messages between components."""

from __future__ import annotations

from airswasm.wit import Block, Capability, Check, Section

__all__ = ("BLOCK", "MESSAGING_INTERFACE", "TIMERS_INTERFACE")

_TARGET = "airswasm.messaging._spelling:TARGET"
MESSAGING_INTERFACE = "airswasm:component/messaging@0.1.0"
TIMERS_INTERFACE = "airswasm:component/timers@0.1.0"

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
        ),
        Section(
            "durable",
            "airswasm.messaging:DurableSettings",
            "Delivery of messages that outlives the host.",
        ),
        Section(
            "timers",
            "airswasm.messaging:TimerSettings",
            "Messages that components send at a later time.",
        ),
    ),
    errors=("airswasm.messaging.errors",),
    forget="airswasm.messaging._forgetting:forget",
    checks=(Check("codecs", "airswasm.messaging._checks:check_codecs"),),
)
