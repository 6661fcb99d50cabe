"""A registry by type: how a host-interface provider gets at the rest of the system.

Blocks meet through entry points and must not import upwards, so a provider is
handed a `Services` and takes what it needs out of it by type. A dictionary of
names was rejected: it has no types, and a typing mistake shows at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from .errors import ServiceMissing

if TYPE_CHECKING:
    from ._host import HostInterface

T = TypeVar("T")


class Services:
    """One instance for each type, added by the composition root."""

    def __init__(self) -> None:
        self._instances: dict[type, object] = {}

    def add(self, service: type[T], instance: T) -> None:
        """Register `instance` as the one `service`; a later one replaces it."""
        self._instances[service] = instance

    def get(self, service: type[T]) -> T:
        """Return the instance registered for `service`.

        Raises:
            ServiceMissing: none was; it names the block that offers it.
        """
        found = self._instances.get(service)
        if found is None:
            raise ServiceMissing(service.__name__, _offering_block(service))
        return found  # type: ignore[return-value]  # `add` paired them

    def has(self, service: type) -> bool:
        """Return whether one was registered."""
        return service in self._instances


HostInterfaceProvider = Callable[[Services], "Iterable[HostInterface]"]
"""The type of the function that the `provide` of a `Block` names."""


def _offering_block(service: type) -> str:
    parts = service.__module__.split(".")
    return "-".join(parts[:2]) if parts[0] == "airswasm" else service.__module__
