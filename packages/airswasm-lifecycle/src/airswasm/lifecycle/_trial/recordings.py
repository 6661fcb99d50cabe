"""The recordings of a home: for each component one log in the store, bounded in every way.

What is recorded goes to the store a little later, many messages at once, and is not waited for: a
killed host loses the last second of it. Where nothing is recorded, nothing of this runs.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TypeAlias, cast

import anyio
import anyio.lowlevel
from airswasm.actor import Message
from airswasm.runtime import Caller, HostInterface, LinkedComponent, Meters
from airswasm.storage import ENTRY_BYTES, Journal, Log, LogBounds, StorageError, Store

from .._block import RECORDED, RECORDING_BYTES, UNRECORDED
from .._registry.info import RECORDINGS_NAMESPACE, RecordingInfo
from ..errors import RecordingUnreadable
from .doors import Doors
from .recorded import Recorded, pack, unpack
from .redacting import Redactor
from .settings import ReplaySettings
from .tape import Tape

__all__ = ("KeptRecordings", "Recordings", "TapeJournals")

_LOG = "airswasm-recording:"
_NO_QUOTA = 2**62
_TOGETHER = 64
_TOGETHER_BYTES = 256 * 1024
_PAUSE = 1.0
_PAGE = 100
_SHARE = 4
"""One message takes at most this part of a component's bytes."""
Outcome: TypeAlias = Callable[[StorageError | None], None]


def _fitting(packed: Sequence[bytes], bounds: LogBounds) -> list[bytes]:
    """Return the last entries that a log has room for; what is before them would be dropped."""
    fitting: list[bytes] = []
    left = bounds.size_bytes
    for each in reversed(packed[-bounds.entries :]):
        left -= len(each) + ENTRY_BYTES
        if left < 0:
            break
        fitting.append(each)
    return fitting[::-1]


class TapeJournals:
    """Tells the tape of an instance what that instance writes."""

    def journal(self, caller: Caller) -> Journal | None:
        """Return the tape's journal; None for an instance without one."""
        journal = getattr(caller.data, "note_changes", None)
        return cast("Journal | None", journal)


class KeptRecordings:
    """The recordings of a home, to be read.

    Args:
        store: The open store.
        settings: Which components are recorded, and how much.
    """

    def __init__(self, store: Store, settings: ReplaySettings) -> None:
        self.settings = settings
        self._store = store
        self._index = store.namespace(RECORDINGS_NAMESPACE, quota_bytes=_NO_QUOTA)
        self._names: set[str] | None = None

    def status(self, name: str) -> RecordingInfo:
        """Return the extent of a component's recording."""
        is_recording = self.settings.covers(name)
        if name not in self._known:
            return RecordingInfo(name, is_recording, self._count_waiting(name))
        log = self._log(name)
        status, first = log.read_status(), log.read_page(limit=1).entries
        return RecordingInfo(
            name, is_recording, status.entries + self._count_waiting(name),
            status.size_bytes, first[0].appended_at if first else None,
        )  # fmt: skip

    def find(self, name: str) -> RecordingInfo | None:
        """Return the extent of a component's recording; None where there is none, nor will be."""
        found = self.status(name)
        return found if found.messages or found.is_recording else None

    def list(self) -> tuple[RecordingInfo, ...]:
        """Return the extent of each recording, by the names of the components."""
        self._flush()
        return tuple(map(self.status, sorted(self._known)))

    async def entries(self, name: str) -> AsyncGenerator[Recorded | None]:
        """Iterate over what was recorded, the oldest first; None stands for what is damaged.

        Raises:
            StorageError: The store cannot be read.
        """
        self._flush()
        if name not in self._known:
            return
        log, after = self._log(name), 0
        while True:
            page = log.read_page(after, _PAGE)
            for each in page.entries:
                try:
                    entry = unpack(each.payload)
                except RecordingUnreadable:
                    entry = None
                yield entry
            if page.next is None:
                return
            after = page.next
            await anyio.lowlevel.checkpoint()

    def _count_waiting(self, _name: str) -> int:
        """Return how many messages are not in the store yet."""
        return 0

    def _flush(self) -> None:
        """Write what waits."""

    @property
    def _known(self) -> set[str]:
        if self._names is None:
            self._names = set()
            after: str | None = None
            while True:
                page = self._index.read_page(after=after)
                self._names.update(entry.key for entry in page.entries)
                after = page.next
                if after is None:
                    break
        return self._names

    def _log(self, name: str) -> Log:
        return self._store.log(f"{_LOG}{name}", self._bounds(name))

    def _bounds(self, name: str) -> LogBounds:
        settings = self.settings
        sharing = len(self._known | {name})
        return LogBounds(
            settings.messages,
            max(1, min(settings.size, settings.total // sharing)),
            settings.age,
            when_full="drop",
        )


class Recordings(KeptRecordings):
    """Records messages, and has those that were recorded.

    Args:
        store: The open store.
        settings: Which components are recorded, and how much.
        doors: What recorded components are linked to.
        meters: Counts messages.
        clock: Returns the seconds since 1970.
        id_of: Returns the id of a message.
    """

    def __init__(
        self,
        store: Store,
        settings: ReplaySettings,
        doors: Doors,
        meters: Meters,
        *,
        clock: Callable[[], float] = time.time,
        id_of: Callable[[Message], str] = lambda message: str(message.id),
    ) -> None:
        super().__init__(store, settings)
        self._doors, self._meters = doors, meters
        self._clock, self._id_of = clock, id_of
        self._redactor = Redactor(settings.redact)
        self._waiting: dict[str, list[bytes]] = {}
        self._waiting_bytes = 0

    def use(self, settings: ReplaySettings) -> None:
        """Take new settings: a component is recorded, or not, from its next start on."""
        self.settings = settings
        self._redactor = Redactor(settings.redact)
        for name in self._known:
            self._log(name)

    def open(self) -> None:
        """Keep the bounds of what was recorded before."""
        for name in self._known:
            self._log(name)

    async def run(self) -> None:
        """Write what waits, once in a while."""
        while True:
            await anyio.sleep(_PAUSE)
            self.flush()

    def tape(self, name: str, version: str) -> Tape | None:
        """Return the tape of an incarnation that starts now; None if it is not recorded."""
        if not self.settings.record or not self.settings.covers(name):
            return None
        most_bytes = max(1, self._bounds(name).size_bytes // _SHARE)
        return Tape(self, name, version, most_bytes, self._clock, self._id_of)

    def link(self, linked: LinkedComponent) -> LinkedComponent:
        """Return a component whose calls are noted."""
        interfaces: tuple[HostInterface, ...] = self._doors.for_recording(linked.component)
        return linked.component.link(interfaces)

    def keep(self, name: str, entry: Recorded) -> None:
        """Keep a message; without its content where that must not be recorded.

        A message whose record cannot be kept is counted: it is answered all the same.
        """
        try:
            self._keep(name, entry)
        except Exception:  # the store's, or a codec's of any package, for what a guest wrote
            self._meters.add(UNRECORDED, name)

    def _keep(self, name: str, entry: Recorded) -> None:
        reason = self._redactor.reason(entry)
        if reason:
            entry = entry.without_content(reason)
        if entry.unkept:
            self._meters.add(UNRECORDED, name)
        packed = pack(entry)
        self._meters.add(RECORDED, name)
        waiting = self._waiting.setdefault(name, [])
        waiting.append(packed)
        self._waiting_bytes += len(packed)
        if len(waiting) >= _TOGETHER or self._waiting_bytes >= _TOGETHER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits; what the disk refuses is counted, and lost."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        for name, packed in waiting.items():
            try:
                self._write(name, packed)
            except StorageError:
                self._meters.add(UNRECORDED, name, len(packed))

    def _write(self, name: str, packed: Sequence[bytes]) -> None:
        self._remember(name)
        log = self._log(name)
        fitting = _fitting(packed, log.bounds)
        log.write(fitting, self._noted(name, len(fitting)))
        found = self.status(name)
        self._meters.set(RECORDING_BYTES, name, found.size_bytes)
        self._index.write({name: found.line}, lambda _error: None)

    async def forget(self, name: str) -> int:
        """Remove what was recorded of a component; return how many messages there were.

        Raises:
            StorageError: The disk refuses; it can be called again.
        """
        waiting = len(self._waiting.pop(name, ()))
        if name not in self._known:
            return waiting
        log = self._log(name)
        count = log.read_status().entries
        await log.delete()
        await self._index.delete(name)
        self._known.discard(name)
        self._meters.set(RECORDING_BYTES, name, 0)
        return count + waiting

    def _count_waiting(self, name: str) -> int:
        return len(self._waiting.get(name, ()))

    def _flush(self) -> None:
        self.flush()

    def _remember(self, name: str) -> None:
        if name not in self._known:
            self._index.write({name: b""}, lambda _error: None)
            self._known.add(name)
            for other in self._known:  # each has a smaller share now
                self._log(other)

    def _noted(self, name: str, count: int) -> Outcome:
        def note(error: StorageError | None) -> None:
            if error is not None:
                self._meters.add(UNRECORDED, name, count)

        return note
