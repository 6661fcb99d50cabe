"""The interface through which a component reads its own capabilities.

It needs no grant: it tells a component only about itself. A query has no effect, so it leaves no
line in the audit log.
"""

from __future__ import annotations

from collections.abc import Iterable

from airswasm.runtime import Caller, Effect, HostFunction, HostInterface, Services

from .guard import Guard

__all__ = ("CAPABILITIES_INTERFACE", "capabilities_interface", "provide")

CAPABILITIES_INTERFACE = "airswasm:component/capabilities@0.1.0"
_PAIR_FUEL = 4_000
"""For a grant in the list: what it takes to make a record of it."""


def capabilities_interface(guard: Guard) -> HostInterface:
    """Return `airswasm:component/capabilities` over this guard."""

    def listed(caller: Caller) -> list[dict[str, str]]:
        pairs = list(guard.grants_of(caller.name).pairs())
        caller.charge(len(pairs) * _PAIR_FUEL)
        return [{"capability": capability, "pattern": pattern} for capability, pattern in pairs]

    functions: dict[str, HostFunction] = {"check": guard.answer, "list": listed}
    return HostInterface(
        CAPABILITIES_INTERFACE, functions, effects=dict.fromkeys(functions, Effect.NONE)
    )


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interface that this block offers.

    Raises:
        ServiceMissing: No `Guard` was added to the services.
    """
    return (capabilities_interface(services.get(Guard)),)
