"""Write an audit log.

The log writes a line before its effect, in one `write` to a file opened for appending. Lines whose
effect does not outlive the process may wait, a few milliseconds and only while the log is busy, and
are then written together; each line that is written takes with it those that wait. When the log
opens, it drops a line that a crash tore, and compares what is there with the mark beside it: it
says in a line what is gone.

The durability is a choice: `line` waits for the disk at each line (install, approval), `batch`
leaves it to `keep_synced`, which the owner runs in a task group, `os` to the operating system. All
three survive a killed process.

The log is bounded. It starts a new file at `max_bytes`, and removes the oldest beyond `keep_files`;
`tally` says what stays of them.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

import anyio
import anyio.to_thread
from airswasm.runtime.files import sync_folder

from .._deciding.decision import Decision
from .._trusting.files import try_lock
from ..errors import AuditLocked, AuditUnavailable
from .blocks import Entry, chained, last_head
from .files import (
    drop_torn_line,
    first_line,
    open_to_append,
    rotated_files,
    rotated_name,
)
from .lines import AuditEvent, AuditHead, line_number
from .mark import HeadMark, read_mark
from .retiring import Retiring, sync_copy
from .tally import Tally
from .verifying import ACCEPT, CUT, explain_missing

__all__ = ("AuditDurability", "AuditLog")

_MOST_WAITING = 256
_LOOK_SECONDS = 0.2
_BUSY_LINES = 50
"""Lines in that time from which on a log is busy; one that is not lets none wait."""

AuditDurability: TypeAlias = Literal["line", "batch", "os"]


class AuditLog:
    """An audit log in a file that only this process writes, from any of its threads.

    When the file exceeds `max_bytes`, the log renames it to `<name>.<number of its first line>`,
    and a new file continues the chain; files beyond `keep_files` are removed, after a line that
    says so. What must be on the disk before that may take a tenth of a second to get there, so
    where `keep_synced` runs, it changes files after it has synced, off the event loop's thread; a
    file then has up to twice that size.

    Attributes:
        on_line: Called with each line after it was written; it must neither wait nor raise.

    Args:
        path: The file; its folder is created if it is missing.
        durability: When lines reach the disk.
        max_bytes: Size at which the file is rotated.
        keep_files: Number of rotated files to keep; None for all.
        wait_seconds: The longest time that the lines of `record_soon` wait; 0 for not at all.
        clock: Returns the seconds since 1970.

    Raises:
        AuditLocked: Another process writes this log.
        AuditBroken: The last line is complete but not one of a log.
        AuditUnavailable: The file cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: AuditDurability = "batch",
        max_bytes: int = 16 * 1024 * 1024,
        keep_files: int | None = None,
        wait_seconds: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.on_line: Callable[[bytes], None] | None = None
        self._path = Path(path)
        self._durability = durability
        self._max_bytes = max_bytes
        self._wait_seconds = wait_seconds if durability != "line" else 0.0
        self._clock = clock
        self._waiting = deque[Entry]()
        self._is_busy = False
        self._writing = threading.Lock()
        self._unsynced = False
        self._torn = False
        self._is_kept_synced = False
        self._failure: str | None = None
        self._refusal: str | None = None
        self._missing: str | None = None
        self._retiring = Retiring(self._path, keep_files)
        self._mark: HeadMark | None = None
        self._descriptor = -1
        self._lock_descriptor = -1
        try:
            self._open()
        except OSError as error:
            self.close()
            raise AuditUnavailable(self._path, error.strerror or str(error)) from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The current file."""
        return self._path

    @property
    def head(self) -> AuditHead:
        """The newest line; keep it elsewhere to notice a log cut at its end."""
        return self._head

    @property
    def has_unsynced(self) -> bool:
        """Whether some lines may not have reached the disk."""
        return self._unsynced

    @property
    def is_busy(self) -> bool:
        """Whether there are so many lines that those of `record_soon` wait for one another."""
        return self._is_busy

    @property
    def failure(self) -> str | None:
        """The reason why the newest line could not be written; None while the log works."""
        return self._failure or self._refusal

    @property
    def missing(self) -> str | None:
        """The reason why a part of the log is gone, until it is accepted; None if none is."""
        return self._missing

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._descriptor < 0

    def bound(self, *, max_bytes: int, keep_files: int | None) -> None:
        """Bound the log anew; older files that are too many go when the next file begins."""
        self._max_bytes, self._retiring.keep_files = max_bytes, keep_files

    def record(self, event: AuditEvent | Decision) -> None:
        """Append one line.

        Raises:
            AuditUnavailable: The line could not be written, or the log is closed.
        """
        self.record_numbered(event)

    def record_numbered(self, event: AuditEvent | Decision) -> int:
        """Append one line, and return its number.

        Raises:
            AuditUnavailable: The line could not be written, or the log is closed.
        """
        try:
            with self._writing:
                self._insist()
                self._append(((self._clock(), event),))
                number = self._head.line
                if self._durability == "line":
                    os.fsync(self._descriptor)
                    self._unsynced = False
                return number
        except OSError as error:
            raise self._refused(error) from error

    def record_soon(self, event: AuditEvent | Decision) -> int:
        """Append one line whose effect ends with the process: it may wait while the log is busy.

        Returns:
            Its number; 0 if it waits.

        Raises:
            AuditUnavailable: The line could not be written, or the log is closed.
        """
        if not self._is_busy:
            return self.record_numbered(event)
        waiting = self._waiting
        waiting.append((self._clock(), event))
        if len(waiting) >= _MOST_WAITING:
            self.write_waiting()
        return 0

    def record_all(self, events: Sequence[Entry]) -> None:
        """Append lines about what has happened, in one write, each with its own time.

        Raises:
            AuditUnavailable: They could not be written, or the log is closed.
        """
        try:
            with self._writing:
                self._insist()
                self._append(events)
        except OSError as error:
            raise self._refused(error) from error

    def write_waiting(self) -> None:
        """Write the lines that wait.

        Raises:
            AuditUnavailable: They could not be written, and still wait.
        """
        if self._waiting:
            self.record_all(())

    def compare(self, kept: AuditHead, place: str) -> str | None:
        """Compare the log with a head that was kept elsewhere; record what it misses.

        Returns:
            What it misses; None if nothing.

        Raises:
            AuditUnavailable: The line about it could not be written.
        """
        missing = explain_missing(self._path, self._head, kept)
        if missing is not None:
            reason = f"the log was cut or replaced: {missing}, by the head that was kept {place}"
            kept_head = {"line": str(kept.line), "sha256": kept.sha256}
            self._missing = reason
            self.record(AuditEvent(CUT, outcome="failed", reason=reason, detail=kept_head))
            self.sync()
        return missing

    def accept_cuts(self, reason: str) -> None:
        """Record that an operator knows of the cuts so far; they are then no fault of the log.

        Raises:
            AuditUnavailable: The line could not be written.
        """
        self.record(AuditEvent(ACCEPT, outcome="done", reason=reason))
        self.sync()
        self._missing = None

    def sync(self) -> None:
        """Wait until every line is on the disk.

        Raises:
            AuditUnavailable: The disk refuses.
        """
        if self._descriptor < 0:
            return
        self.write_waiting()
        if not self._unsynced:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise AuditUnavailable(self._path, error.strerror or str(error)) from error
        self._unsynced, self._failure = False, None

    async def sync_in_thread(self) -> AuditHead:
        """Wait until every line of this moment is on the disk; return the newest of them.

        Raises:
            AuditUnavailable: The disk refuses.
        """
        if self._descriptor >= 0:
            self.write_waiting()
        head = self._head
        if self._unsynced and self._descriptor >= 0:
            await self._sync_in_thread()
            if self._failure is not None:
                raise AuditUnavailable(self._path, self._failure)
        return head

    async def keep_synced(self, seconds: float = 0.2) -> None:
        """Sync new lines to the disk at each interval, until cancelled.

        While the disk refuses, `record` fails too, and this keeps trying. A cancel leaves the log
        open; `close` syncs the rest.
        """
        self._is_kept_synced = True
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep_written)
                while True:
                    await anyio.sleep(seconds)
                    if self._unsynced and self._descriptor >= 0:
                        await self._sync_in_thread()
        finally:
            self._is_busy = self._is_kept_synced = False

    async def _keep_written(self) -> None:
        """Write what waits in time, and see whether there are so many lines that some should."""
        if not self._wait_seconds:
            return
        since, before = 0.0, self._head.line
        while True:
            pause = self._wait_seconds if self._is_busy else _LOOK_SECONDS
            await anyio.sleep(pause)
            with contextlib.suppress(AuditUnavailable):  # then the next decision is a denial
                self.write_waiting()
            since += pause
            if since >= _LOOK_SECONDS:
                is_busy = self._head.line - before >= _BUSY_LINES
                self._is_busy = is_busy and self.failure is None
                since, before = 0.0, self._head.line

    def close(self) -> None:
        """Write what waits, sync and close. Closing twice is harmless."""
        if self._descriptor >= 0:
            with contextlib.suppress(AuditUnavailable):
                self.write_waiting()
        if self._mark is not None:
            self._mark.close()
        for name in ("_descriptor", "_lock_descriptor"):
            descriptor: int = getattr(self, name)
            setattr(self, name, -1)
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.fsync(descriptor)
                os.close(descriptor)

    def _insist(self) -> None:
        if self._descriptor < 0:
            raise AuditUnavailable(self._path, "it is closed")
        if self._failure is not None:
            raise AuditUnavailable(self._path, self._failure)

    def _refused(self, error: OSError) -> AuditUnavailable:
        self._refusal = error.strerror or str(error)
        self._is_busy = False
        return AuditUnavailable(self._path, self._refusal)

    async def _sync_in_thread(self) -> None:
        line, first = self._head.line, self._first
        covered = self._retiring.covered(line)
        try:
            copy = os.dup(self._descriptor)
            await anyio.to_thread.run_sync(sync_copy, copy, self._path, self._size, covered)
        except OSError as error:
            if self._first == first:
                self._failure, self._is_busy = error.strerror or str(error), False
            return  # else the log itself began another file meanwhile; the next sync is of that
        self._failure = None
        self._unsynced = self._head.line != line
        self._retiring.forget(covered)
        if self._size > self._max_bytes and self._descriptor >= 0:
            try:
                with self._writing:
                    self._change_files()
            except OSError as error:  # a full disk; the next line tries again
                self._refusal = error.strerror or str(error)
            await anyio.to_thread.run_sync(sync_folder, self._path.parent)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self._path.with_name(f".{self._path.name}.lock")
        self._lock_descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(self._lock_descriptor):
            raise AuditLocked(self._path)
        self._descriptor = open_to_append(self._path)
        torn_bytes = drop_torn_line(self._path, self._descriptor)
        self._size = os.fstat(self._descriptor).st_size
        self._head = last_head(self._path)
        files = rotated_files(self._path)
        self._first = line_number(first_line(self._path), self._path) if self._size else 1
        self._tally = Tally.of_file(files[-1] if files and not self._size else self._path)
        marked = read_mark(self._path)
        self._mark = HeadMark(self._path)
        try:
            if marked is not None and marked != self._head:
                self.compare(marked, "beside the log")
                self._mark.start_again(self._head)
            if torn_bytes:
                reason = f"a torn line of {torn_bytes} bytes was dropped"
                self.record(AuditEvent("recovered", outcome="done", reason=reason))
            if not self._size and files:  # a crash came between two files
                self._begin_file()
            if self._size:
                self._retire()
                self._retiring.finish(self._descriptor)
        except (AuditUnavailable, OSError) as error:
            # A home on a full disk must open to be looked at; each change then fails by itself.
            self._refusal = getattr(error, "reason", None) or str(error)

    def _append(self, events: Sequence[Entry]) -> None:
        if not self._size and self._head.line:
            self._begin_file()
        waiting = list(self._waiting)
        self._append_in_file([*waiting, *events] if waiting else events)
        for _ in waiting:
            self._waiting.popleft()
        self._refusal = None

    def _append_in_file(self, entries: Sequence[Entry]) -> None:
        lines, head = chained(entries, self._head)
        most = self._max_bytes * (2 if self._is_kept_synced else 1)
        if self._size and self._size + len(lines) > most:
            os.fsync(self._descriptor)
            self._change_files()
            self._retiring.finish(self._descriptor)
            lines, head = chained(entries, self._head)
        self._write(lines, head)
        self._tally.add_entries(entries)

    def _append_own(self, event: AuditEvent) -> None:
        """Append a line about the log itself, which changes no file."""
        entry = self._clock(), event
        self._write(*chained((entry,), self._head))
        self._tally.add_entries((entry,))

    def _write(self, lines: bytes, head: AuditHead) -> None:
        if self._torn:
            os.ftruncate(self._descriptor, self._size)
            self._torn = False
        written = os.write(self._descriptor, lines)
        try:
            while written < len(lines):
                written += os.write(self._descriptor, lines[written:])
        except OSError:
            self._torn = True
            raise
        self._size += written
        self._unsynced = True
        self._head = head
        if self._mark is not None:
            self._mark.set(head)
        if self.on_line is not None:
            self.on_line(lines)

    def _change_files(self) -> None:
        if self._size:
            rotated = self._path.rename(rotated_name(self._path, self._first))
            try:
                fresh = open_to_append(self._path)
            except OSError:
                rotated.rename(self._path)
                raise
        else:
            fresh = open_to_append(self._path)
        os.close(self._descriptor)
        self._descriptor, self._size = fresh, 0
        self._begin_file()
        self._retire()

    def _begin_file(self) -> None:
        self._first = self._head.line + 1
        self._append_own(self._tally.segment_event(self._head))

    def _retire(self) -> None:
        """Say which files go; they go once that line is on the disk."""
        for path, event in self._retiring.due():
            self._append_own(event)
            self._retiring.add(self._head.line, path)
