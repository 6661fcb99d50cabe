"""Remove a component's timers when its name is purged."""

from __future__ import annotations

from airswasm.runtime import Services

from .schedule import Schedule

__all__ = ("forget",)


async def forget(services: Services, name: str) -> None:
    """End all timers of a name, and those of others that send to it.

    Raises:
        AirswasmError: The disk refuses; it can be called again.
    """
    if services.has(Schedule):
        await services.get(Schedule).forget(name)
