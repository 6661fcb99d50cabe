"""What happens when a component's name is purged."""

from __future__ import annotations

from airswasm.runtime import Services

from .store import KeyValueStore

__all__ = ("forget",)


async def forget(services: Services, name: str) -> None:
    """Remove all that a component stored; without effect when there is nothing.

    Raises:
        StorageError: The store refuses; it can be called again.
    """
    if services.has(KeyValueStore):
        await services.get(KeyValueStore).namespace(name).clear()  # type: ignore[type-abstract]
