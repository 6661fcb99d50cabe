"""Remove what messaging keeps for a component when its name is purged."""

from __future__ import annotations

from airswasm.runtime import Services

from ._retained import RetainedTopics

__all__ = ("forget",)


def forget(services: Services, name: str) -> None:
    """Remove the retained values that a component has published."""
    if services.has(RetainedTopics):
        services.get(RetainedTopics).forget(name)  # type: ignore[type-abstract]  # only a key
