"""The interfaces that this block offers to components."""

from __future__ import annotations

from collections.abc import Iterable

from airswasm.actor import ActorSystem
from airswasm.runtime import HostInterface, Services

from ._guests import provide as provide_messaging
from ._policy import MessagingPolicy, SamePolicy
from ._quota import SendingQuota
from ._timers.guests import timers_interface
from ._timers.schedule import Schedule

__all__ = ("provide",)


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interfaces that this block offers.

    Uses the services `MessageBroker` and, where present, `MessagingPolicy`, `Guard` and
    `SendingQuota`; for timers `Schedule`, or an `ActorSystem` to make one that keeps none beyond
    the host.

    Raises:
        ServiceMissing: No broker was added to the services.
    """
    yield from provide_messaging(services)
    policy: MessagingPolicy = SamePolicy()
    if services.has(MessagingPolicy):
        policy = services.get(MessagingPolicy)  # type: ignore[type-abstract]

    def payload_bytes() -> int:
        return policy.limits.payload_bytes

    if services.has(Schedule):
        yield timers_interface(services.get(Schedule), payload_bytes)
    elif services.has(ActorSystem):
        quota = services.get(SendingQuota) if services.has(SendingQuota) else None
        schedule = Schedule(services.get(ActorSystem), quota=quota)
        yield timers_interface(schedule, payload_bytes)
