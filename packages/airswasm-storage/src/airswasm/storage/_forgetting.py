"""Remove a component's data when its name is purged."""

from __future__ import annotations

from airswasm.runtime import Services

from ._store import Store

__all__ = ("forget",)


async def forget(services: Services, name: str) -> None:
    """Remove all that a component stored, checkpoints included, if there is anything.

    Raises:
        StorageError: The store refuses; it can be called again.
    """
    if services.has(Store):
        await services.get(Store).purge(name)
