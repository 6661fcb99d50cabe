"""Fixtures for users: a system of actors, and faults to inject. Loaded by pytest when installed.

Everything is imported when a fixture is used, so that being installed costs other tests nothing.
The fixtures are asynchronous: mark the test with `pytest.mark.anyio`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from . import ActorSystem
    from .testing import EventRecorder, Faults

__all__ = ("actor_events", "actor_faults", "actor_system")


@pytest.fixture
async def actor_system(anyio_backend: object) -> AsyncIterator[ActorSystem]:  # noqa: ARG001
    """Yield an actor system that ends with the test, and then account for every message."""
    from . import ActorSystem

    async with ActorSystem("test") as system:
        yield system
        books = system.books()
        assert books.is_balanced, books


@pytest.fixture
def actor_events(actor_system: ActorSystem) -> EventRecorder:
    """Everything that happens in the life of the system's actors."""
    from .testing import EventRecorder

    return EventRecorder(actor_system.events)


@pytest.fixture
def actor_faults(actor_system: ActorSystem) -> Faults:
    """Kills, drops, delays and floods."""
    from .testing import Faults

    return Faults(actor_system)
