"""Read a log: all of it, the lines that a query asks for, or the lines as they come.

A reader needs neither the host nor its lock. Files that a query's time rules out are not read, and
of the others only lines that can match are parsed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

import anyio
import anyio.to_thread

from ..errors import AuditFileGone, AuditUnavailable
from .blocks import last_head
from .files import all_files, first_line, numbered_lines
from .lines import AuditHead, decode, line_number

__all__ = ("AuditQuery", "AuditRecord", "audit_head", "follow_audit", "query_audit", "read_audit")

_POLL_SECONDS = 0.2
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of an audit log.

    Attributes:
        n: Its number.
        time: Seconds since 1970.
        kind: The kind: `decision`, `install`, `trust`, `config`, ...
        component: The component's name; may be empty.
        outcome: `allow` or `deny` for decisions, `done` or `failed` for acts.
        capability: The capability of a decision.
        resource: The resource of a decision.
        reason: The reason, for people.
        detail: Further fields.
    """

    n: int
    time: float
    kind: str
    component: str
    outcome: str
    capability: str
    resource: str
    reason: str
    detail: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A choice of lines; an empty field matches all.

    Attributes:
        kind: The kind.
        component: The component's name.
        capability: The capability, as `domain:verb` or `domain.verb`.
        outcome: `allow`, `deny`, `done` or `failed`.
        text: A text that resource, reason or a detail contains.
        since: Seconds since 1970; earlier lines do not match.
        until: Seconds since 1970; later lines do not match.
        line: The number of a line: that line, and the effects of the decision that it has.
    """

    kind: str = ""
    component: str = ""
    capability: str = ""
    outcome: str = ""
    text: str = ""
    since: float | None = None
    until: float | None = None
    line: int | None = None

    def matches(self, record: AuditRecord) -> bool:
        """Return whether a line is one of those."""
        wanted = (
            (self.kind, record.kind),
            (self.component, record.component),
            (self.capability.replace(".", ":"), record.capability.replace(".", ":")),
            (self.outcome, record.outcome),
        )
        if any(each and each != found for each, found in wanted):
            return False
        if self.since is not None and record.time < self.since:
            return False
        if self.until is not None and record.time > self.until:
            return False
        if self.line is not None and str(self.line) not in (
            str(record.n),
            record.detail.get("decision"),
        ):
            return False
        texts = (record.resource, record.reason, *record.detail.values())
        return not self.text or any(self.text in each for each in texts)

    def hints(self) -> tuple[bytes, ...]:
        """Return bytes that each matching line contains."""
        names = ("kind", "component", "outcome")
        plain = ((name, str(getattr(self, name))) for name in names)
        return tuple(
            f'"{name}":"{value}"'.encode()
            for name, value in plain
            if value.isascii() and value.isprintable() and not set(value) & set('"\\') and value
        )


def audit_head(path: str | os.PathLike[str]) -> AuditHead:
    """Return the newest line of a log that no process needs to write.

    Raises:
        AuditBroken: The last line is none of a log.
        AuditUnavailable: A file cannot be read.
    """
    try:
        return last_head(Path(path))
    except OSError as error:
        raise AuditUnavailable(path, error.strerror or str(error)) from error


def read_audit(path: str | os.PathLike[str]) -> Iterator[Mapping[str, object]]:
    """Yield every line of a log, oldest first, without verifying the chain.

    Raises:
        AuditBroken: A line is not JSON.
        AuditUnavailable: A file cannot be read.
    """
    for file, number, line in numbered_lines(all_files(Path(path)), with_torn=True):
        yield decode(file, number, line)


def query_audit(
    path: str | os.PathLike[str], query: AuditQuery | None = None, *, last: int | None = None
) -> Iterator[AuditRecord]:
    """Yield the lines of a log that match, oldest first, without verifying the chain.

    Args:
        path: The log.
        query: What to choose; None for all.
        last: The number of lines, the newest ones; None for all.

    Raises:
        AuditBroken: A line is none of a log.
        AuditUnavailable: A file cannot be read.
    """
    chosen = query or AuditQuery()
    if last is None:
        yield from _matching(Path(path), chosen)
        return
    found: deque[AuditRecord] = deque(maxlen=last)
    left = 5
    while True:
        found.clear()
        try:
            for file in reversed(_files(Path(path), chosen)):
                newer = len(found)
                if newer >= last:
                    break
                older = deque(_matching_in((file,), chosen), maxlen=last - newer)
                found.extendleft(reversed(older))
            break
        except AuditFileGone:  # the host has removed its oldest file meanwhile
            left -= 1
            if not left:
                raise
    yield from found


async def follow_audit(
    path: str | os.PathLike[str], query: AuditQuery | None = None, *, last: int = 0
) -> AsyncGenerator[AuditRecord, None]:
    """Yield the newest lines that match, and then each one as it is written, without an end.

    It works beside a host, and where none runs yet; a change of files loses no line. Close it with
    `contextlib.aclosing`.

    Args:
        path: The log.
        query: What to choose; None for all.
        last: The number of earlier lines.

    Raises:
        AuditBroken: A line is none of a log.
        AuditUnavailable: A file cannot be read.
    """
    chosen = query or AuditQuery()
    log = Path(path)
    earlier = await anyio.to_thread.run_sync(_read_earlier, log, chosen, last)
    number = earlier[0]
    for record in earlier[1]:
        yield record
    tail = _Tail(log, number)
    try:
        while True:
            lines = await anyio.to_thread.run_sync(tail.read)
            for line in lines:
                record = _record(decode(log, 0, line))
                if chosen.matches(record):
                    yield record
            if not lines:
                await anyio.sleep(_POLL_SECONDS)  # a file tells no reader that it grew
    finally:
        tail.close()


class _Tail:
    """Reads what comes after a line, over changes of files."""

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number
        self._file: BinaryIO | None = None
        self._rest = b""

    def read(self) -> list[bytes]:
        """Return whole lines that are new, without their ends."""
        if self._file is None:
            self._file = self._open()
        if self._file is None:
            return []
        lines = self._take()
        if not lines and self._is_left():
            lines = self._take()  # what was written just before the files changed
            self.close()
        return lines

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._rest = None, b""

    def _open(self) -> BinaryIO | None:
        """Open the file that has the next line."""
        for file in reversed(all_files(self._path)):
            start = first_line(file)
            if start and line_number(start, file) <= self._number + 1:
                return file.open("rb")
        files = [file for file in all_files(self._path) if first_line(file)]
        if not files:
            return None
        is_lower = line_number(first_line(files[-1])) <= self._number
        self._number = 0 if is_lower else self._number  # another log is in its place
        return files[0].open("rb")

    def _take(self) -> list[bytes]:
        assert self._file is not None
        content = self._rest + self._file.read(_CHUNK_BYTES)
        *lines, self._rest = content.split(b"\n")
        new = [line for line in lines if line_number(line, self._path) > self._number]
        if new:
            self._number = line_number(new[-1], self._path)
        return new

    def _is_left(self) -> bool:
        """Return whether the log goes on in another file."""
        assert self._file is not None
        try:
            return not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return True


def _read_earlier(path: Path, query: AuditQuery, last: int) -> tuple[int, list[AuditRecord]]:
    newest = next(iter(query_audit(path, last=1)), None)
    number = newest.n if newest is not None else 0
    found = list(query_audit(path, query, last=last)) if last else []
    return number, [each for each in found if each.n <= number]


def _files(path: Path, query: AuditQuery) -> tuple[Path, ...]:
    """Return the files that can have matching lines, oldest first."""
    files = [file for file in all_files(path) if file.exists()]
    starts = {file: _time_of(file) for file in files}
    ends = {older: starts[newer] for older, newer in pairwise(files)}

    def is_in_time(file: Path) -> bool:
        if query.until is not None and starts[file] > query.until:
            return False
        return query.since is None or file not in ends or ends[file] >= query.since

    return tuple(filter(is_in_time, files))


def _time_of(file: Path) -> float:
    start = first_line(file)
    return _record(decode(file, 1, start)).time if start else 0.0


def _matching(path: Path, query: AuditQuery) -> Iterator[AuditRecord]:
    return _matching_in(_files(path, query), query)


def _matching_in(files: tuple[Path, ...], query: AuditQuery) -> Iterator[AuditRecord]:
    hints = query.hints()
    for file, number, line in numbered_lines(files, with_torn=True):
        if all(hint in line for hint in hints):
            record = _record(decode(file, number, line))
            if query.matches(record):
                yield record


def _record(fields: Mapping[str, object]) -> AuditRecord:
    detail = fields.get("detail")
    inner = cast("dict[str, object]", detail) if isinstance(detail, dict) else {}
    texts = {name: str(fields.get(name, "")) for name in AuditRecord.__slots__}
    time, number = fields.get("time"), fields["n"]
    return AuditRecord(
        n=number if isinstance(number, int) else 0,
        time=float(time) if isinstance(time, int | float) else 0.0,
        kind=texts["kind"],
        component=texts["component"],
        outcome=texts["outcome"],
        capability=texts["capability"],
        resource=texts["resource"],
        reason=texts["reason"],
        detail={str(key): str(value) for key, value in inner.items()},
    )
