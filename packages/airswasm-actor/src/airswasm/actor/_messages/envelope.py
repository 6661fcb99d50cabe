"""The data that travels with a message beside its payload.

A message on its first hop with nothing special about it has no envelope: `tell` then costs what an
append costs. An envelope is made when there is something to say, and what a handler sends carries
on the envelope of the message that it has in hand.

Texts that are not known are empty. The deadline is wall time, so that it means the same in another
process; a system compares it with `MessageBroker.wall_time`, which never goes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Envelope", "new_envelope")


class Envelope(NamedTuple):
    """The data that travels with a message.

    Attributes:
        id: Unique in the world and the same at each attempt to deliver; empty for the one that
            `MessageBroker.id_of` makes of the message's number.
        correlation: The id of the message that the conversation began with; empty on the first.
        deadline: Seconds since 1970 after which the message is worthless: it is not handled.
        hops: Messages that caused this one, each by a handler that sent the next.
        traceparent: The W3C trace context.
        codec: The name of the payload's codec, where it is known.
        attempt: The number of this try to deliver the message.
        replay_of: The id of the dead letter that this message repeats.
        is_retained: Whether it was published before the receiver subscribed.
    """

    id: str = ""
    correlation: str = ""
    deadline: float | None = None
    hops: int = 0
    traceparent: str = ""
    codec: str = ""
    attempt: int = 1
    replay_of: str = ""
    is_retained: bool = False


new_envelope: Callable[[type[Envelope], tuple[object, ...]], Envelope] = vars(tuple)["__new__"]
"""Make an envelope of all its fields: `tuple.__new__`, and no function of ours around it."""
