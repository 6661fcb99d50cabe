"""Record decisions and approvals as JSON lines in a hash chain.

Each line carries its number and the SHA-256 of the line before it, so that offline verification of
the files alone finds a changed, dropped or inserted line. A chain cannot vouch for its newest line:
keep `AuditLog.head` elsewhere and pass it to `verify_audit` to notice a log that was cut at its
end.

The log writes a line before its effect, in one `write` to a file opened for appending. When it
opens, it drops a line that a crash tore, and says so in a line. It escapes components' texts to
ASCII and cuts them: no line can contain a forged line or steer a terminal.

The durability is a choice: `line` waits for the disk at each line (install, approval), `batch`
leaves it to `keep_synced`, which the owner runs in a task group, `os` to the operating system. All
three survive a killed process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, TypeAlias, cast

import anyio
import anyio.to_thread
from airswasm.runtime.files import sync_folder

from ._files import try_lock
from .errors import AuditBroken, AuditLocked, AuditUnavailable

__all__ = (
    "AuditEvent",
    "AuditSink",
    "AuditLog",
    "AuditHead",
    "AuditReport",
    "AuditDurability",
    "read_audit",
    "verify_audit",
)

AuditDurability: TypeAlias = Literal["line", "batch", "os"]
Outcome: TypeAlias = Literal["allow", "deny", "done", "failed", ""]

_FIRST = "0" * 64
_TEXT_LENGTH = 1_024
_DETAIL_LENGTH = 256
_quote = json.encoder.encode_basestring_ascii
_DETAILS = 32
_TAIL_BYTES = 1024 * 1024
"""More than two of the longest possible lines."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event to record.

    Attributes:
        kind: The kind: `decision`, `install`, `approve`, `rollback`, ...
        component: The component's name, `namespace/name`; may be empty.
        outcome: `allow` or `deny` for decisions, `done` or `failed` for acts.
        capability: The requested capability of a decision.
        resource: The resource of a decision.
        reason: The reason, for people.
        detail: Further fields, as texts.
    """

    kind: str
    component: str = ""
    outcome: Outcome = ""
    capability: str = ""
    resource: str = ""
    reason: str = ""
    detail: Mapping[str, str] = field(default_factory=dict[str, str])


class AuditSink(Protocol):
    """A recorder of audit events."""

    def record(self, event: AuditEvent) -> None:
        """Record an event before its effect.

        Raises:
            AuditUnavailable: The event could not be recorded; the act must not happen.
        """
        ...


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The newest line of a log: its number and its hash."""

    line: int = 0
    sha256: str = _FIRST


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The result of a verified log.

    Attributes:
        lines: The number of verified lines, over all files.
        first_line: The number of the oldest remaining line.
        head: The newest line.
        files: The files, oldest first.
    """

    lines: int
    first_line: int
    head: AuditHead
    files: tuple[Path, ...]


class AuditLog:
    """An audit log in a file that only this process writes.

    When the file exceeds `max_bytes`, the log renames it to `<name>.<number of its first line>`,
    and a new file continues the chain; files beyond `keep_files` are deleted. What must be on the
    disk before that may take a tenth of a second to get there, so where `keep_synced` runs, it
    changes files after it has synced, off the event loop's thread; a file then has up to twice
    that size.

    Args:
        path: The file; its folder is created if it is missing.
        durability: When lines reach the disk.
        max_bytes: Size at which the file is rotated.
        keep_files: Number of rotated files to keep; None for all.
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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = Path(path)
        self._durability = durability
        self._max_bytes = max_bytes
        self._keep_files = keep_files
        self._clock = clock
        self._unsynced = False
        self._torn = False
        self._is_kept_synced = False
        self._failure: str | None = None
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
    def failure(self) -> str | None:
        """The reason why the log could not be written when it was last tried; None if it could."""
        return self._failure

    @property
    def head(self) -> AuditHead:
        """The newest line; keep it elsewhere to notice a log cut at its end."""
        return self._head

    @property
    def has_unsynced(self) -> bool:
        """Whether some lines may not have reached the disk."""
        return self._unsynced

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._descriptor < 0

    def record(self, event: AuditEvent) -> None:
        """Append one line.

        Raises:
            AuditUnavailable: The line could not be written, or the log is closed.
        """
        if self._descriptor < 0:
            raise AuditUnavailable(self._path, "it is closed")
        if self._failure is not None:
            raise AuditUnavailable(self._path, self._failure)
        line = _encode(event, self._head, self._clock())
        try:
            self._append(line)
            if self._durability == "line":
                os.fsync(self._descriptor)
                self._unsynced = False
        except OSError as error:
            raise AuditUnavailable(self._path, error.strerror or str(error)) from error

    def sync(self) -> None:
        """Wait until every line is on the disk.

        Raises:
            AuditUnavailable: The disk refuses.
        """
        if self._descriptor < 0 or not self._unsynced:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise AuditUnavailable(self._path, error.strerror or str(error)) from error
        self._unsynced, self._failure = False, None

    async def keep_synced(self, seconds: float = 0.2) -> None:
        """Sync new lines to the disk at each interval, until cancelled.

        While the disk refuses, `record` fails too, and this keeps trying. A cancel leaves the log
        open; `close` syncs the rest.
        """
        self._is_kept_synced = True
        try:
            while True:
                await anyio.sleep(seconds)
                if self._unsynced and self._descriptor >= 0:
                    await self._sync_in_thread()
        finally:
            self._is_kept_synced = False

    async def _sync_in_thread(self) -> None:
        line = self._head.line
        try:
            await anyio.to_thread.run_sync(_sync_copy, os.dup(self._descriptor))
        except OSError as error:
            self._failure = error.strerror or str(error)
        else:
            self._failure = None
            self._unsynced = self._head.line != line
            if self._size > self._max_bytes and self._descriptor >= 0:
                self._change_files()
                await anyio.to_thread.run_sync(sync_folder, self._path.parent)

    def close(self) -> None:
        """Sync and close. Closing twice is harmless."""
        for name in ("_descriptor", "_lock_descriptor"):
            descriptor: int = getattr(self, name)
            setattr(self, name, -1)
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.fsync(descriptor)
                os.close(descriptor)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self._path.with_name(f".{self._path.name}.lock")
        self._lock_descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(self._lock_descriptor):
            raise AuditLocked(self._path)
        self._descriptor = _open_to_append(self._path)
        torn_bytes = _drop_torn_line(self._path, self._descriptor)
        self._size = os.fstat(self._descriptor).st_size
        self._head = _last_head(self._path)
        if torn_bytes:
            self.record(
                AuditEvent("recovered", reason=f"a torn line of {torn_bytes} bytes was dropped")
            )

    def _append(self, line: bytes) -> None:
        if self._torn:
            os.ftruncate(self._descriptor, self._size)
            self._torn = False
        most = self._max_bytes * (2 if self._is_kept_synced else 1)
        if self._size and self._size + len(line) > most:
            os.fsync(self._descriptor)
            self._change_files()
            sync_folder(self._path.parent)
        written = 0
        try:
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError:
            self._torn = written > 0
            raise
        self._size += len(line)
        self._unsynced = True
        self._head = AuditHead(self._head.line + 1, hashlib.sha256(line[:-1]).hexdigest())

    def _change_files(self) -> None:
        first = _number(_first_line(self._path))
        self._path.rename(self._path.with_name(f"{self._path.name}.{first:012d}"))
        fresh = _open_to_append(self._path)
        os.close(self._descriptor)
        self._descriptor, self._size = fresh, 0
        if self._keep_files is not None:
            rotated = _rotated_files(self._path)
            for old in rotated[: max(0, len(rotated) - self._keep_files)]:
                old.unlink()


def verify_audit(
    path: str | os.PathLike[str],
    *,
    expected_head: AuditHead | None = None,
    start_may_be_missing: bool = False,
) -> AuditReport:
    """Verify a log and its rotated files, whether or not a process writes it.

    Args:
        path: The file of the `AuditLog`.
        expected_head: A head that the caller kept elsewhere; the log must contain it.
        start_may_be_missing: Whether old files may have been deleted (`keep_files`).

    Raises:
        AuditBroken: A line was changed, dropped, added or torn, or the expected head or the start
            is missing.
        AuditUnavailable: A file cannot be read.
    """
    files = (*_rotated_files(Path(path)), Path(path))
    head: AuditHead | None = None
    first_line = lines = 0
    was_seen = expected_head is None or expected_head.line == 0
    for file, number, line in _numbered_lines(files):
        head = _follow(file, number, line, head or _start(start_may_be_missing))
        first_line = first_line or head.line
        lines += 1
        was_seen = was_seen or head == expected_head
    if not was_seen:
        raise AuditBroken(path, lines, "it does not contain the expected head")
    return AuditReport(lines, first_line, head or AuditHead(), files)


def read_audit(path: str | os.PathLike[str]) -> Iterator[Mapping[str, object]]:
    """Yield every line of a log, oldest first, without verifying the chain.

    Raises:
        AuditBroken: A line is not JSON.
        AuditUnavailable: A file cannot be read.
    """
    for file, number, line in _numbered_lines((*_rotated_files(Path(path)), Path(path))):
        yield _decode(file, number, line)


def _encode(event: AuditEvent, head: AuditHead, now: float) -> bytes:
    """Format one line of JSON by hand, in a quarter of the encoder's time."""
    parts = [f'{{"n":{head.line + 1},"time":{now:.6f},"kind":{_quote(event.kind)}']
    for name, value in (
        ("component", event.component),
        ("outcome", event.outcome),
        ("capability", event.capability),
        ("resource", event.resource),
        ("reason", event.reason),
    ):
        if value:
            parts.append(f',"{name}":{_quote(_cut(value))}')
    if event.detail:
        detail = list(event.detail.items())[:_DETAILS]
        cut = {_cut(key, _DETAIL_LENGTH): _cut(value, _DETAIL_LENGTH) for key, value in detail}
        parts.append(f',"detail":{json.dumps(cut, separators=(",", ":"))}')
    parts.append(f',"prev":"{head.sha256}"}}\n')
    return "".join(parts).replace("\x7f", "\\u007f").encode()


def _cut(text: str, length: int = _TEXT_LENGTH) -> str:
    return text if len(text) <= length else f"{text[:length]}... (cut)"


def _decode(file: Path, number: int, line: bytes) -> dict[str, object]:
    try:
        fields: object = json.loads(line)
    except (ValueError, RecursionError):
        raise AuditBroken(file, number, "the line is not JSON") from None
    if not isinstance(fields, dict) or not {"n", "prev", "kind"} <= fields.keys():
        raise AuditBroken(file, number, "the line is not one of an audit log")
    return cast("dict[str, object]", fields)


def _start(may_be_missing: bool) -> AuditHead | None:
    return None if may_be_missing else AuditHead()


def _follow(file: Path, number: int, line: bytes, head: AuditHead | None) -> AuditHead:
    fields = _decode(file, number, line)
    if head is None:
        head = _before_first(file, number, fields)
    if fields["n"] != head.line + 1:
        raise AuditBroken(file, number, f"line {head.line + 1} of the chain is missing")
    if fields["prev"] != head.sha256:
        raise AuditBroken(file, number, "the line before it was changed")
    return AuditHead(head.line + 1, hashlib.sha256(line).hexdigest())


def _before_first(file: Path, number: int, fields: Mapping[str, object]) -> AuditHead:
    first, previous = fields["n"], fields["prev"]
    if not isinstance(first, int) or not isinstance(previous, str):
        raise AuditBroken(file, number, "the line is not one of an audit log")
    if first == 1 and previous != _FIRST:
        raise AuditBroken(file, number, "the first line does not start a chain")
    return AuditHead(first - 1, previous)


def _numbered_lines(files: tuple[Path, ...]) -> Iterator[tuple[Path, int, bytes]]:
    for path in files:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if not line.endswith(b"\n"):
                        raise AuditBroken(path, number, "the line is torn")
                    yield path, number, line[:-1]
        except FileNotFoundError:
            if path != files[-1]:
                raise AuditUnavailable(path, "the file is missing") from None
        except OSError as error:
            raise AuditUnavailable(path, error.strerror or str(error)) from error


def _rotated_files(path: Path) -> tuple[Path, ...]:
    pattern = re.compile(rf"{re.escape(path.name)}\.[0-9]{{12}}")
    if not path.parent.is_dir():
        return ()
    names = sorted(item.name for item in path.parent.iterdir() if pattern.fullmatch(item.name))
    return tuple(path.with_name(name) for name in names)


def _open_to_append(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o600)


def _drop_torn_line(path: Path, descriptor: int) -> int:
    """Cut off the bytes after the last line end; return their number."""
    size = os.fstat(descriptor).st_size
    tail = _tail(path, size)
    kept = tail.rfind(b"\n") + 1
    torn = len(tail) - kept
    if torn:
        os.ftruncate(descriptor, size - torn)
    return torn


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read()


def _last_head(path: Path) -> AuditHead:
    for file in (path, *reversed(_rotated_files(path))):
        lines = _tail(file, file.stat().st_size).splitlines()
        if lines:
            line = _number(lines[-1], file)
            return AuditHead(line, hashlib.sha256(lines[-1]).hexdigest())
    return AuditHead()


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline()


def _number(line: bytes, path: Path = Path()) -> int:
    number = _decode(path, 0, line)["n"]
    if not isinstance(number, int):
        raise AuditBroken(path, 0, "the line is not one of an audit log")
    return number


def _sync_copy(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
