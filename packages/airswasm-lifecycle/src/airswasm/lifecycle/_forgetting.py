"""This block's part of a purge: what it keeps for a name beside the registry."""

from __future__ import annotations

from airswasm.actor import ActorSystem
from airswasm.messaging import DeadLetterStore
from airswasm.runtime import Meters, Services

from ._home.logbook import LogBook
from ._registry.history import History
from ._trial.recordings import Recordings

__all__ = ("forget",)


async def forget(services: Services, name: str) -> None:
    """Remove a component's log, figures, dead letters, recording and history, if there are any.

    Raises:
        StorageError: The disk refuses; it can be called again.
    """
    services.get(LogBook).forget(name, purge=True)
    services.get(Meters).forget(name)
    services.get(ActorSystem).receipts.forget(name)
    await services.get(DeadLetterStore).forget(name)
    await services.get(Recordings).forget(name)
    await services.get(History).forget(name)
