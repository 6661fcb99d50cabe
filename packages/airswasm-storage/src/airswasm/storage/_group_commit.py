"""One wait for the disk for all writers that wait.

Each writer applies its change at once; the next sync that starts covers all of them. Ten
thousand actors that store one value each so wait for a few syncs, not for ten thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import anyio
import anyio.to_thread

from .errors import StorageError, StorageUnavailable

Done: TypeAlias = Callable[[StorageError | None], None]
"""Called on the event loop's thread, with the error if the write failed."""


class GroupCommit:
    """Runs the syncs of one store.

    Args:
        begin_sync: Called on the event loop's thread; returns the function that waits for the
            disk, which is called in a worker thread.
        on_failure: Told when the disk refused.
    """

    def __init__(
        self,
        begin_sync: Callable[[], Callable[[], None]],
        on_failure: Callable[[StorageUnavailable], None],
    ) -> None:
        self.syncs = 0
        self.turn = anyio.Lock()
        self._begin_sync = begin_sync
        self._on_failure = on_failure
        self._waiting: list[Done] = []
        self._wake = anyio.Event()

    def when_synced(self, done: Done) -> None:
        """Call `done` after the next sync that starts."""
        self._waiting.append(done)
        self._wake.set()

    async def run(self) -> None:
        """Sync while writers wait, one sync at a time, so that the others gather."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            await self.sync_now()

    async def sync_now(self) -> None:
        """Serve all that wait by now. A cancel waits for the disk first."""
        with anyio.CancelScope(shield=True):
            async with self.turn:
                await self._sync_once()

    async def _sync_once(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        failure: StorageError | None = None
        try:
            await anyio.to_thread.run_sync(self._begin_sync())
        except StorageError as error:
            failure = error
            if isinstance(error, StorageUnavailable):
                self._on_failure(error)
        self.syncs += 1
        for done in waiting:
            done(failure)


class Outcome:
    """Waits for the callback of one write."""

    def __init__(self) -> None:
        self._done = anyio.Event()
        self._error: StorageError | None = None

    def __call__(self, error: StorageError | None) -> None:
        self._error = error
        self._done.set()

    async def wait(self) -> None:
        """Wait for the callback.

        Raises:
            StorageError: The write failed.
        """
        await self._done.wait()
        if self._error is not None:
            raise self._error
