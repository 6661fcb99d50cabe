"""The use of a component: where its time and its fuel go, by export and by host function.

A view of the sums that the actor block keeps (`airswasm.actor.Receipts`), as plain values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from airswasm.actor import ActorError, Receipt, Tally
from airswasm.runtime import FunctionUse, Histogram

__all__ = ("Delivered", "FunctionProfile", "Profile", "profile_of")


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message that a component has handled.

    Attributes:
        reply: The reply; None if there is none.
        error: The error that the sender would have got instead; None if it was handled well.
        receipt: What the handling took.
    """

    reply: bytes | None
    error: ActorError | None
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class FunctionProfile:
    """The calls of one function.

    Attributes:
        function: The path, such as `airswasm:component/storage@0.1.0#get`.
        calls: How many have ended.
        faults: How many of them ended the component.
        fuel: The fuel that they used; of a host function, what the component was charged.
        seconds: Their time at work; of a host function, with what the component waited for.
        idle_seconds: The further time in which they waited.
        median: Seconds from beginning to end below which half of them took; None above ten.
        slowest: Seconds from beginning to end below which 99 of 100 took; None above ten.
    """

    function: str
    calls: int
    faults: int
    fuel: int
    seconds: float
    idle_seconds: float
    median: float | None
    slowest: float | None


@dataclass(frozen=True, slots=True)
class Profile:
    """The use of one component since the host began to measure it.

    Attributes:
        name: The component.
        messages: The numbers of messages by outcome.
        received_bytes: Bytes of their payloads.
        replied_bytes: Bytes of the replies.
        waited_median: Seconds below which half of the messages waited; None above ten.
        waited_slowest: Seconds below which 99 of 100 waited; None above ten.
        fuel: All fuel.
        seconds: All time at work.
        elapsed_seconds: From the beginnings of calls to their ends, with what they waited for.
        memory_peak_bytes: The most linear memory that an incarnation had.
        exports: The component's functions, the one with the most fuel first.
        host_functions: The host's, likewise. Their time and fuel are also in the exports'.
    """

    name: str
    messages: Mapping[str, int]
    received_bytes: int
    replied_bytes: int
    waited_median: float | None
    waited_slowest: float | None
    fuel: int
    seconds: float
    elapsed_seconds: float
    memory_peak_bytes: int
    exports: tuple[FunctionProfile, ...]
    host_functions: tuple[FunctionProfile, ...]


def profile_of(tally: Tally) -> Profile:
    """Return the profile that the sums of a component make."""
    usage = tally.usage
    return Profile(
        name=tally.name,
        messages={each.value: count for each, count in tally.outcomes.items() if count},
        received_bytes=tally.bytes_in,
        replied_bytes=tally.bytes_out,
        waited_median=_quantile(tally.queueing, 0.5),
        waited_slowest=_quantile(tally.queueing, 0.99),
        fuel=usage.fuel,
        seconds=usage.busy_seconds,
        elapsed_seconds=sum(each.seconds for each in usage.exports.values()),
        memory_peak_bytes=usage.memory_peak_bytes,
        exports=_functions(usage.exports),
        host_functions=_functions(usage.host),
    )


def _functions(uses: Mapping[str, FunctionUse]) -> tuple[FunctionProfile, ...]:
    found = (
        FunctionProfile(
            path,
            use.total,
            use.faults,
            use.fuel,
            use.busy_seconds,
            use.idle_seconds,
            _quantile(use, 0.5),
            _quantile(use, 0.99),
        )
        for path, use in uses.items()
    )
    return tuple(sorted(found, key=lambda each: (-each.fuel, -each.seconds, each.function)))


def _quantile(times: Histogram, share: float) -> float | None:
    bound = times.quantile(share)
    return bound if math.isfinite(bound) else None
