from ._expectations import (
    assert_denied,
    assert_fuel_below,
    assert_logged,
    assert_nothing_denied,
    assert_published,
    assert_sent,
)
from ._from_wit import arguments_of, messages_of, values_of
from ._harness import Answer, ComponentHarness
from ._record import LogLine, Published, Refusal, Reply, ScheduledSend, SentMessage
from ._running import RunningComponent, run_component

__all__ = (
    "Answer",
    "ComponentHarness",
    "LogLine",
    "Published",
    "Refusal",
    "Reply",
    "RunningComponent",
    "ScheduledSend",
    "SentMessage",
    "arguments_of",
    "assert_denied",
    "assert_fuel_below",
    "assert_logged",
    "assert_nothing_denied",
    "assert_published",
    "assert_sent",
    "messages_of",
    "run_component",
    "values_of",
)
