"""Collect the interfaces and observers of installed blocks, and guard the interfaces.

The guard wraps each interface as the annotations of its WIT package say. The WASI interfaces that
the engine itself implements (`airswasm.runtime.WASI_INTERFACES`) have no annotations: a block that
replaces one must ask the guard itself. Every other interface without annotations is refused,
because no check would protect it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from airswasm.runtime import WASI_INTERFACES, HostInterface, HostInterfaceProvider, Services
from airswasm.security import Guard, UnannotatedFunction
from airswasm.wit import (
    AirswasmError,
    BlockPartUnusable,
    Blocks,
    Contract,
    InstalledBlock,
    Part,
    are_compatible,
    load_part,
    safe_text,
)

from ..errors import ProviderFailed

__all__ = ("Draining", "Observer", "Offer", "blaming", "find_observers", "find_offers")


@runtime_checkable
class Observer(Protocol):
    """An observer with a task to run."""

    async def run(self) -> None:
        """Run in a task of the system until cancelled."""
        ...


@runtime_checkable
class Draining(Protocol):
    """An observer that accepts work for components from outside."""

    async def drain(self) -> None:
        """Accept no more, and finish what was accepted; components stop after that.

        It bounds its own time, and is cancelled where the system ends by a cancel.
        """
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """One interface and its distribution.

    Attributes:
        interface: The interface, with the guard in front.
        distribution: The package that offers it.
        raw: The interface without the guard.
        is_guarded: Whether the guard decides about its calls; else its functions ask it themselves.
    """

    interface: HostInterface
    distribution: str
    raw: HostInterface
    is_guarded: bool


def find_offers(blocks: Blocks, services: Services, guard: Guard) -> tuple[Offer, ...]:
    """Return every interface of every block, guarded.

    Raises:
        BlocksInvalid: The blocks conflict, or offer an interface that no check protects.
        ProviderFailed: A block failed to set itself up.
    """
    blocks.raise_for_problems()
    offers: list[Offer] = []
    for each in blocks:
        if each.block.provide:
            with blaming(each, each.block.provide):
                provider = cast("HostInterfaceProvider", load_part(each.block.provide))
                found = list(_offers(provider, each.distribution, services, blocks.contract, guard))
                _check_declared(each, found)
                offers += found
    return tuple(offers)


def find_observers(blocks: Blocks, services: Services) -> Mapping[str, object]:
    """Return every block's observer, set up, by the block's name.

    Raises:
        ProviderFailed: A block failed to set up its observer.
    """
    observers: dict[str, object] = {}
    for each in blocks:
        if each.block.observe:
            with blaming(each, each.block.observe):
                observe = cast("Callable[[Services], object]", load_part(each.block.observe))
                observers[each.block.name] = observe(services)
    return observers


def _offers(
    provider: HostInterfaceProvider,
    distribution: str,
    services: Services,
    contract: Contract,
    guard: Guard,
) -> Iterator[Offer]:
    for interface in provider(services):
        is_checked_inside = any(are_compatible(interface.name, name) for name in WASI_INTERFACES)
        guarded = interface if is_checked_inside else guard.guarded(interface, contract)
        yield Offer(guarded, distribution, interface, not is_checked_inside)


def _check_declared(each: InstalledBlock, offers: Iterable[Offer]) -> None:
    names = {offer.interface.name for offer in offers}
    declared = set(each.block.interfaces)
    if names != declared:
        differing = ", ".join(sorted(names ^ declared))
        reason = f"its declared interfaces differ from those that it offers: {differing}"
        raise ProviderFailed(each.block.name, _shown(each.block.provide), each.distribution, reason)


@contextmanager
def blaming(each: InstalledBlock, part: Part) -> Generator[None]:
    """Turn a fault of a block into an error that names the block; what it refuses passes."""
    try:
        yield
    except BlockPartUnusable as error:
        raise ProviderFailed(
            each.block.name, error.path, each.distribution, error.reason
        ) from error
    except Exception as error:  # the code of any package
        if isinstance(error, AirswasmError) and not isinstance(error, UnannotatedFunction):
            raise  # it has a code and a hint of its own
        reason = f"{type(error).__name__}: {safe_text(error)}"
        raise ProviderFailed(each.block.name, _shown(part), each.distribution, reason) from error


def _shown(part: Part) -> str:
    return part if isinstance(part, str) else getattr(part, "__qualname__", "a function")
