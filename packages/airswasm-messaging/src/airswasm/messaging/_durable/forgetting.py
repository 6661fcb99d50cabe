"""Remove a component's durable messages when its name is purged."""

from __future__ import annotations

from airswasm.runtime import Services

from .delivery import DurableDelivery

__all__ = ("forget",)


async def forget(services: Services, name: str) -> None:
    """Remove the messages that wait for a name, and its subscriptions.

    Raises:
        StorageError: The disk refuses; it can be called again.
    """
    if services.has(DurableDelivery):
        await services.get(DurableDelivery).forget(name)
