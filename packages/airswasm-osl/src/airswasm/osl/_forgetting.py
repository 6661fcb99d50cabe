"""Delete a component's files when its name is purged."""

from __future__ import annotations

import shutil

import anyio.to_thread
from airswasm.lifecycle import Home
from airswasm.runtime import Services

from ._policy import OslPolicy, folders_below
from ._provider import files_of

__all__ = ("forget",)


async def forget(services: Services, name: str) -> None:
    """Remove a component's folder with all its content; do nothing without a folder.

    A folder that the operator mapped to the component (`folders_below(elsewhere=…)`, an embedder's
    `OslPolicy`) does not belong to the component, and stays.

    Raises:
        OSError: Part of it cannot be removed; the caller may call again.
    """
    if services.has(OslPolicy) or not services.has(Home):
        return
    folder = folders_below(files_of(services))(name)
    await anyio.to_thread.run_sync(_remove, folder)


def _remove(folder: object) -> None:
    try:
        shutil.rmtree(str(folder))
    except FileNotFoundError:
        return
