"""What installed blocks offer, found by entry points and put behind the guard.

A block registers a function under `airswasm.host_interfaces` that is handed the
services and returns interfaces. Those of the contract are wrapped by the guard
as the contract's annotations say. Those of WASI have no annotations: a block
that replaces them (airswasm-osl) asks the guard itself. Anything else is
refused, because nobody would check it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, cast, runtime_checkable

from airswasm.runtime import HostInterface, HostInterfaceProvider, Services
from airswasm.security import Guard
from airswasm.wit import Contract

from .errors import LifecycleError, ProviderFailed

__all__ = ("Observer", "Offer", "find_observers", "find_offers", "guard_offers")

INTERFACE_GROUP = "airswasm.host_interfaces"
OBSERVER_GROUP = "airswasm.observers"


@runtime_checkable
class Observer(Protocol):
    """What an observer may have: something to run, and something to end with."""

    async def run(self) -> None:
        """Runs in a task of the system until it is cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """One guarded interface and the distribution that it comes from."""

    interface: HostInterface
    distribution: str


def find_offers(services: Services, contract: Contract, guard: Guard) -> tuple[Offer, ...]:
    """Returns every interface of every installed block, guarded.

    Raises:
        ProviderFailed: a block cannot set itself up, or offers what nobody would check.
    """
    offers: list[Offer] = []
    for found in _sorted_entry_points(INTERFACE_GROUP):
        with _blaming(found):
            provider = cast("HostInterfaceProvider", found.load())
            offers += _offers(provider, _distribution(found), services, contract, guard)
    return tuple(offers)


def guard_offers(
    providers: Iterable[HostInterfaceProvider], services: Services, contract: Contract, guard: Guard
) -> tuple[Offer, ...]:
    """As `find_offers`, for providers that are given instead of found; what they raise comes out.

    Raises:
        UnannotatedFunction: one offers what nobody would check.
    """
    return tuple(
        offer
        for provider in providers
        for offer in _offers(
            provider, getattr(provider, "__module__", "?"), services, contract, guard
        )
    )


def find_observers(services: Services) -> Mapping[str, object]:
    """Returns every installed observer, set up, by its entry point's name.

    Raises:
        ProviderFailed: one cannot set itself up.
    """
    observers: dict[str, object] = {}
    for found in _sorted_entry_points(OBSERVER_GROUP):
        with _blaming(found):
            observers[found.name] = cast("Callable[[Services], object]", found.load())(services)
    return observers


def _sorted_entry_points(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda found: (_distribution(found), found.name))


def _distribution(found: EntryPoint) -> str:
    return found.dist.name if found.dist else "?"


def _offers(
    provider: HostInterfaceProvider,
    distribution: str,
    services: Services,
    contract: Contract,
    guard: Guard,
) -> Iterator[Offer]:
    for interface in provider(services):
        is_wasi = interface.name.startswith("wasi:")
        guarded = interface if is_wasi else guard.guarded(interface, contract)
        yield Offer(guarded, distribution)


class _blaming:  # noqa: N801 - reads as a verb in `with`
    """Turns whatever a block raises into one error that names the block."""

    def __init__(self, found: EntryPoint) -> None:
        self._found = found

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, LifecycleError):
            found = self._found
            reason = f"{type(error).__name__}: {error}"
            raise ProviderFailed(found.group, found.name, _distribution(found), reason) from error
