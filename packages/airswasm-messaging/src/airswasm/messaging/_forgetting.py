"""Remove what messaging keeps for a component when its name is purged.

What is in the host's store is named as text: it needs the extra `durable`, which may be missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import cast

from airswasm.runtime import Services
from airswasm.wit import load_part

from ._retained import RetainedTopics

__all__ = ("forget",)

_PARTS = (
    "airswasm.messaging._durable.forgetting:forget",
    "airswasm.messaging._timers.forgetting:forget",
)


async def forget(services: Services, name: str) -> None:
    """Remove the retained values that a component has published, and all that is stored for it.

    Raises:
        StorageError: The disk refuses; it can be called again.
    """
    if services.has(RetainedTopics):
        await services.get(RetainedTopics).forget(name)  # type: ignore[type-abstract]  # only a key
    for part in _PARTS if find_spec("airswasm.storage") else ():
        await cast("Callable[[Services, str], Awaitable[None]]", load_part(part))(services, name)
