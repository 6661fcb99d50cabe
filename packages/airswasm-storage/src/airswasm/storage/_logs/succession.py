"""A consumer that has one entry in hand at a time: the next one acknowledges the one before.

Durable mailboxes are read so. A `Consumer` with its window writes its cursor for each delivery and
for each acknowledgement, and after a crash it delivers its whole window again. This one writes its
cursor once for each entry, which acknowledges what was in hand and marks what is in hand from now
on; after a crash it delivers the one entry again that was in hand. The write reaches the operating
system at once and the disk with the next wait for it: a power loss, and only that, can take some
acknowledgements back.

It reads ahead in pages, so that an entry costs no search of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from .._layout.space import ENTRY_BYTES
from ..errors import StorageClosed, StorageError
from .consumer import Cursor
from .log_records import LogEntry

if TYPE_CHECKING:
    from .._store import Store
    from .log import Log

__all__ = ("Succession",)

_PAGE_ENTRIES = 64
_PAGE_BYTES = 256 * 1024


class Succession:
    """A reader of a log that has at most one entry in hand; `Log.succession` makes it.

    Everything here runs on the event loop's thread, without waiting for the disk.

    Attributes:
        name: Its name in the log.
        on_ready: Called when entries have become durable.
        in_hand: The entry that is delivered and not acknowledged.
        tries: How often the entry in hand was tried in vain, over restarts.
    """

    def __init__(self, store: Store, log: Log, name: str, on_ready: Callable[[], None]) -> None:
        self.name = name
        self.on_ready = on_ready
        self.in_hand: LogEntry | None = None
        self.tries = 0
        self._store = store
        self._log = log
        self._page: deque[LogEntry] = deque()
        self._through = 0
        self._is_behind = False

    def next(self) -> LogEntry | None:
        """Acknowledge the entry in hand and deliver the one after it; None when there is none yet.

        Returns:
            The entry; `attempt` is above 1 when it was delivered before.

        Raises:
            StorageError: The store cannot be read, or the consumer was removed.
        """
        cursor = self._cursor()
        if self.in_hand is not None:
            self._through = self.in_hand.number
        self.in_hand, self.tries = None, 0
        entry = self._find(cursor)
        if entry is None:
            if self._through > cursor.through:
                delivered = max(cursor.delivered, self._through)
                self._move(Cursor(self._through, delivered, cursor.missed))
                self._store.trim_soon()
            return None
        number = entry.number
        self.tries = cursor.repeats.get(number, 0)
        attempt = 1 + self.tries + (number <= cursor.delivered)
        self.in_hand = LogEntry(number, entry.appended_at, entry.payload, attempt)
        self._move(self._delivered(cursor, number))
        if number % _PAGE_ENTRIES == 0:
            self._store.trim_soon()
        return self.in_hand

    def fail(self) -> LogEntry:
        """Note that the entry in hand was tried in vain, and deliver it again.

        Raises:
            ValueError: Nothing is in hand.
            StorageError: The consumer was removed.
        """
        if self.in_hand is None:
            raise ValueError("no entry is in hand")
        cursor = self._cursor()
        self.tries += 1
        self.in_hand = replace(self.in_hand, attempt=self.in_hand.attempt + 1)
        self._move(self._delivered(cursor, self.in_hand.number))
        return self.in_hand

    def put_back(self) -> None:
        """Take the delivery of the entry in hand back: it has not reached anything.

        Raises:
            StorageError: The consumer was removed.
        """
        entry, self.in_hand = self.in_hand, None
        if entry is None:
            return
        cursor = self._delivered(self._cursor(), entry.number)
        if entry.attempt == 1 + self.tries:
            cursor = replace(cursor, delivered=entry.number - 1)
        self._move(cursor)
        self._page.appendleft(entry)

    def oldest(self) -> LogEntry | None:
        """Return the first entry that is not acknowledged, delivered or not.

        Raises:
            StorageError: The store cannot be read, or the consumer was removed.
        """
        if self.in_hand is not None:
            return self.in_hand
        cursor = self._cursor()
        through = max(self._through, cursor.through)
        found = self._log.entries_between(through + 1, self._log.read_status().next)
        return next(iter(found), None)

    def waiting(self) -> tuple[int, int]:
        """Return the number of entries that are not acknowledged, and their bytes.

        Raises:
            StorageError: The store cannot be read, or the consumer was removed.
        """
        cursor = self._cursor()
        while self._log.read_status().first <= cursor.through and self._log.trim_step():
            pass
        status = self._log.read_status()
        return status.entries, status.size_bytes - status.entries * ENTRY_BYTES

    # For logs.

    def wake(self) -> None:
        """Tell that entries have become durable, or that the disk works again."""
        if self._is_behind:
            self._catch_up()
        self.on_ready()

    def settle(self, cursor: Cursor) -> None:
        """Take over a cursor that a step of the log moved."""
        self._through = max(self._through, cursor.through)

    def forget_entry(self, number: int) -> None:
        """Forget an entry that was read ahead and is gone."""
        if self._page and self._page[0].number <= number <= self._page[-1].number:
            self._page.clear()

    def forget(self) -> None:
        """Forget what was read ahead; the disk may have an older cursor, too."""
        self._page.clear()
        self._is_behind = True

    # Its own.

    def _find(self, cursor: Cursor) -> LogEntry | None:
        self._through = max(self._through, cursor.through)
        page = self._page
        while page and page[0].number <= self._through:
            page.popleft()
        if not page:
            size = 0
            for entry in self._log.entries_between(self._through + 1, self._log.durable):
                page.append(entry)
                size += len(entry.payload)
                if len(page) == _PAGE_ENTRIES or size > _PAGE_BYTES:
                    break
        return page.popleft() if page else None

    def _delivered(self, cursor: Cursor, number: int) -> Cursor:
        """Return the cursor with all before an entry acknowledged, and that one in hand."""
        repeats = {number: self.tries} if self.tries else {}
        delivered = max(cursor.delivered, number)
        return Cursor(number - 1, delivered, cursor.missed, repeats=repeats)

    def _cursor(self) -> Cursor:
        cursor = self._log.cursor(self.name)
        if cursor is None:
            raise StorageClosed(f"{self._store.path}: consumer {self.name!a} of {self._log.name!a}")
        return cursor

    def _move(self, cursor: Cursor) -> None:
        self._is_behind = True
        with suppress(StorageError):  # a disk that refuses does not keep messages from flowing
            self._log.move(self.name, cursor)
            self._is_behind = False

    def _catch_up(self) -> None:
        """Write where it stands, which the disk has refused or lost."""
        with suppress(StorageError):  # `next` tells
            cursor = self._cursor()
            if self.in_hand is not None:
                self._move(self._delivered(cursor, self.in_hand.number))
            elif self._through > cursor.through:
                delivered = max(cursor.delivered, self._through)
                self._move(Cursor(self._through, delivered, cursor.missed))
            self._store.trim_soon()
