"""One wait for the disk for all writers that wait.

Each writer applies its change at once; the next sync that starts covers all of them. Ten
thousand actors that store one value each so wait for a few syncs, not for ten thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import anyio
import anyio.lowlevel
import anyio.to_thread

from ..errors import StorageError, StorageUnavailable

Done: TypeAlias = Callable[[StorageError | None], None]
"""Called on the event loop's thread, with the error if the write failed."""


class GroupCommit:
    """Runs the syncs of one store.

    Args:
        begin_sync: Called on the event loop's thread; returns the function that waits for the
            disk, which is called in a worker thread.
        on_failure: Told when the disk refused.

    Attributes:
        syncs: How many there were.
        turn: Held while the disk is waited for.
        round: Set after the next sync that starts. All that wait for it share it, because an event
            for each costs a tenth of a write.
        has_ended: Whether `run` was cancelled; a writer that waits after that syncs itself.
    """

    def __init__(
        self,
        begin_sync: Callable[[], Callable[[], None]],
        on_failure: Callable[[StorageUnavailable], None],
    ) -> None:
        self.syncs = 0
        self.turn = anyio.Lock(fast_acquire=True)
        self._begin_sync = begin_sync
        self._on_failure = on_failure
        self._waiting: list[Done] = []
        self._before: list[Callable[[], None]] = []
        self._wake = anyio.Event()
        self.round = anyio.Event()
        self.has_ended = False

    def when_synced(self, done: Done) -> None:
        """Call `done` after the next sync that starts."""
        if not self._waiting:
            self._wake.set()
        self._waiting.append(done)

    def before_sync(self, write: Callable[[], None]) -> None:
        """Call `write` as the next sync starts, which it then is part of, and soon."""
        if not self._before:
            self._wake.set()
        self._before.append(write)

    async def run(self) -> None:
        """Sync while writers wait, one sync at a time, so that the others gather."""
        try:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                await self.sync_now()
        finally:
            self.has_ended = True
            self.round.set()

    async def sync_now(self) -> None:
        """Serve all that wait by now. A cancel waits for the disk first."""
        with anyio.CancelScope(shield=True):
            async with self.turn:
                await self._sync_once()

    async def _sync_once(self) -> None:
        before, self._before = self._before, []
        for write in before:
            write()
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        over, self.round = self.round, anyio.Event()
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
        over.set()


class Outcome:
    """Waits for the callback of one write; `Store.outcome` makes it, right before the write.

    Args:
        commit: Calls it.
    """

    __slots__ = ("_commit", "_error", "_is_done", "_round")

    def __init__(self, commit: GroupCommit) -> None:
        self._commit = commit
        self._round = commit.round
        self._is_done = False
        self._error: StorageError | None = None

    def __call__(self, error: StorageError | None) -> None:
        self._error, self._is_done = error, True

    async def wait(self) -> None:
        """Wait for the callback.

        Raises:
            StorageError: The write failed.
        """
        if self._is_done:
            await anyio.lowlevel.checkpoint()
        while not self._is_done:
            if self._commit.has_ended:
                await self._commit.sync_now()
            else:
                await self._round.wait()
                self._round = self._commit.round
        if self._error is not None:
            raise self._error
