"""Find an engine by its name, and open a folder with the engine that wrote it.

Engines come by entry point (group `airswasm.storage_engines`): ours and those of other packages
in the same way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import anyio.to_thread

from ._backends.backend import EngineFactory
from ._backends.opening import Opening, has_store, write_marker
from ._settings import Durability, StoreLimits
from ._store import Store
from .errors import EngineUnknown, EngineUnusable

__all__ = ("RocksStore", "SqliteStore", "installed_engines", "open_store")

GROUP = "airswasm.storage_engines"


def installed_engines() -> tuple[str, ...]:
    """Return the names of the engines that installed packages offer, sorted."""
    return tuple(sorted(entry_points(group=GROUP).names))


def open_store(
    folder: str | os.PathLike[str],
    engine: str | EngineFactory = "rocksdb",
    *,
    durability: Durability = "sync",
    limits: StoreLimits | None = None,
    read_only: bool = False,
    clock: Callable[[], float] = time.time,
    timer: Callable[[], float] | None = None,
) -> Store:
    """Return the store in a folder; `async with` opens it.

    Args:
        folder: Made if needed, unless `read_only`.
        engine: The name of an installed engine, or an engine itself.
        durability: When a write counts as done.
        limits: Bounds that no namespace may exceed.
        read_only: Read what is there, also beside a running host or where nothing can be written.
        clock: The time in seconds since 1970, by which values expire and entries of logs age.
        timer: Seconds that pass, however the clock is set; by default those of the system or,
            where a clock is given, of that clock.

    Returns:
        A store that is not open yet. Entering it raises `EngineMismatch`, `StoreFormatUnknown`,
        `StorageLocked`, `StorageCorrupted` or `StorageUnavailable`.

    Raises:
        EngineUnknown: No installed package offers the engine.
        EngineUnusable: The engine cannot be imported, or two packages offer it.
    """
    return _FolderStore(
        folder, engine, durability=durability, limits=limits, read_only=read_only,
        clock=clock, timer=timer,
    )  # fmt: skip


class _FolderStore(Store):
    def __init__(
        self,
        folder: str | os.PathLike[str],
        engine: str | EngineFactory,
        *,
        durability: Durability,
        limits: StoreLimits | None,
        read_only: bool,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] | None = None,
    ) -> None:
        path = Path(folder)
        self._engine, factory = _named(engine)
        opening = Opening(path, self._engine, factory, read_only)
        super().__init__(
            opening, path, durability=durability, limits=limits, clock=clock, timer=timer
        )

    async def checkpoint(self, folder: Path) -> None:
        await super().checkpoint(folder)
        await anyio.to_thread.run_sync(write_marker, folder, self._engine)


class RocksStore(_FolderStore):
    """A store that RocksDB keeps: short for `open_store(folder, "rocksdb")`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "sync",
        limits: StoreLimits | None = None,
        read_only: bool = False,
    ) -> None:
        super().__init__(path, "rocksdb", durability=durability, limits=limits, read_only=read_only)

    @staticmethod
    def exists(path: str | os.PathLike[str]) -> bool:
        """As `has_store`."""
        return has_store(path)


class SqliteStore(_FolderStore):
    """A store that SQLite keeps: short for `open_store(folder, "sqlite")`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "sync",
        limits: StoreLimits | None = None,
        read_only: bool = False,
    ) -> None:
        super().__init__(path, "sqlite", durability=durability, limits=limits, read_only=read_only)


def _named(engine: str | EngineFactory) -> tuple[str, EngineFactory]:
    if isinstance(engine, str):
        return engine, find_engine(engine)
    kind = engine if hasattr(engine, "__qualname__") else type(engine)
    return f"{kind.__module__}:{kind.__qualname__}", engine


def find_engine(name: str) -> EngineFactory:
    """Return the engine of a name; see `open_store`."""
    found = entry_points(group=GROUP, name=name)
    offers = {entry.value: entry for entry in found}  # one package may be found on two paths
    if not offers:
        raise EngineUnknown(name, installed_engines())
    if len(offers) > 1:
        raise EngineUnusable(name, f"several packages offer it ({', '.join(sorted(offers))})")
    (entry,) = offers.values()
    return _load(entry)


def _load(entry: EntryPoint) -> EngineFactory:
    try:
        factory: EngineFactory = entry.load()
    except Exception as error:  # a stranger's module may fail in any way
        raise EngineUnusable(entry.name, f"{type(error).__name__}: {error}") from error
    return factory
