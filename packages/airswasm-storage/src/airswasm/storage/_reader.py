"""Read a store without an event loop.

A command that shows what a home holds has nothing to wait for, and loading an event loop takes
longer than its answer. So a reader calls the engine itself: it opens the folder read-only, beside
a host or where nothing can be written, and needs neither a task nor a thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from ._backends.opening import Opening
from ._backends.watermark import count_lost
from ._layout.entries import scan_expired, scan_pairs
from ._layout.keys import DATA_PREFIX_BYTES, LAST_TIME, SPACES, encode_name
from ._layout.space import Space, unpack_time
from .errors import StorageClosed

if TYPE_CHECKING:
    from ._backends.backend import Backend, EngineFactory

__all__ = ("OWN_ENGINES", "StoreReader", "read_store")

OWN_ENGINES: Mapping[str, tuple[str, str]] = {
    "rocksdb": ("airswasm.storage._backends.rocks", "open_rocksdb"),
    "sqlite": ("airswasm.storage._backends.sqlite", "open_sqlite"),
    "memory": ("airswasm.storage._backends.memory", "open_memory"),
}
"""As the entry points of this distribution have them. A look at all entry points takes three times
as long as Python takes to start."""


class StoreReader:
    """Namespaces of a store, read as they were when it was opened; a context manager.

    `read_store` makes one.

    Args:
        opening: Opens the engine.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._backend: Backend | None = None

    def __enter__(self) -> Self:
        self._backend = self._opening()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()

    @property
    def lost_writes(self) -> int:
        """Acknowledged writes that were missing at opening; see `Store.lost_writes`.

        Raises:
            StorageClosed: The store is not open.
        """
        return count_lost(self._opening.path, self._opened())

    def entries(self, namespace: str) -> Iterator[tuple[str, bytes]]:
        """Yield the keys and values of a namespace, sorted by key.

        Raises:
            StorageError: A bad name, or the store cannot be read.
        """
        for key, value in scan_pairs(self._opened(), self._space(namespace), self._now()):
            yield key[DATA_PREFIX_BYTES:].decode(), value

    def used_bytes(self, namespace: str) -> int:
        """Return the bytes of all entries of a namespace, as `Usage` counts them.

        Raises:
            StorageError: A bad name, or the store cannot be read.
        """
        space = self._space(namespace)
        expired = scan_expired(self._opened(), space, self._now())
        return space.used_bytes - sum(each.charged for each in expired)

    def _now(self) -> int:
        """Return the time, which does not go back below the one that the store has seen."""
        return max(unpack_time(self._opened().get(LAST_TIME)), int(time.time() * 1_000))

    def _space(self, namespace: str) -> Space:
        return Space.load(self._opened(), SPACES + encode_name(namespace))

    def _opened(self) -> Backend:
        if self._backend is None:
            raise StorageClosed(self._opening.path)
        return self._backend


def read_store(folder: str | os.PathLike[str], engine: str = "rocksdb") -> StoreReader:
    """Return a reader of the store in a folder; `with` opens it.

    Args:
        folder: Where the store is.
        engine: The name of an installed engine.

    Returns:
        A reader that is not open yet. Entering it raises `EngineMismatch`, `StoreFormatUnknown`,
        `StorageCorrupted` or `StorageUnavailable`.

    Raises:
        EngineUnknown: No installed package offers the engine.
        EngineUnusable: The engine cannot be imported, or two packages offer it.
    """
    return StoreReader(Opening(Path(folder), engine, _factory(engine), read_only=True))


def _factory(engine: str) -> EngineFactory:
    if engine not in OWN_ENGINES:
        from ._engines import find_engine

        return find_engine(engine)
    module, name = OWN_ENGINES[engine]
    return cast("EngineFactory", getattr(import_module(module), name))
