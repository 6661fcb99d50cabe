"""The interface through which a component reads its own capabilities.

It needs no grant: it tells a component only about itself. A query has no effect, so it leaves no
line in the audit log.
"""

from __future__ import annotations

from collections.abc import Iterable

from airswasm.runtime import Caller, HostInterface, Services

from ._guard import Guard
from .errors import InvalidCapability

__all__ = ("CAPABILITIES_INTERFACE", "capabilities_interface", "provide")

CAPABILITIES_INTERFACE = "airswasm:component/capabilities@0.1.0"


def capabilities_interface(guard: Guard) -> HostInterface:
    """Return `airswasm:component/capabilities` over this guard."""

    def check(caller: Caller, capability: str, target: str) -> bool:
        try:
            return guard.decide(caller.name, capability, target).is_allowed
        except InvalidCapability:
            return False

    def listed(caller: Caller) -> list[dict[str, str]]:
        return [
            {"capability": capability, "pattern": pattern}
            for capability, pattern in guard.grants_of(caller.name).pairs()
        ]

    return HostInterface(CAPABILITIES_INTERFACE, {"check": check, "list": listed})


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interface that this block offers.

    Raises:
        ServiceMissing: No `Guard` was added to the services.
    """
    return (capabilities_interface(services.get(Guard)),)
