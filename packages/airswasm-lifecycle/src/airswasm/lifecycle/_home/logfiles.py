"""The files of the log: JSON lines, one file for each component, with a few older ones.

At most a few dozen files are kept open, whatever the number of components. Lines are handed to
the operating system at once and not synced: a log is evidence of what happened, not state. A full
disk loses lines, never the host.

Apart from the log book, because reading a log needs no host and no event loop.
"""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict, deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

__all__ = ("LEVELS", "LogEntry", "LogFiles", "LogLimits", "LogQuery", "write_line")

LEVELS = ("trace", "debug", "info", "warn", "error")

_quote = json.encoder.encode_basestring_ascii
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of a component's log."""

    time: float
    """Seconds since 1970."""
    component: str
    level: str
    """`trace`, `debug`, `info`, `warn` or `error`."""
    source: str
    """`component`, `stdout`, `stderr` or `supervisor`."""
    message: str
    """Safe to print: control characters are escaped."""
    fields: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        return 256 + sys.getsizeof(self.message)

    def to_json(self) -> str:
        """Return the entry as one line of JSON."""
        return write_line(
            self.time, self.component, self.level, self.source, self.message, self.fields
        )

    @classmethod
    def from_json(cls, line: str) -> LogEntry:
        """Read one line; ValueError when it is not one."""
        try:
            document = json.loads(line)
            return cls(
                time=float(document["time"]),
                component=str(document["component"]),
                level=str(document["level"]),
                source=str(document["source"]),
                message=str(document["message"]),
                fields=dict(document.get("fields", {})),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a log line: {error}") from error


def write_line(
    time: float, component: str, level: str, source: str, message: str,
    fields: Mapping[str, object] | None,
) -> str:  # fmt: skip
    """One line, put together by hand: at a third of the encoder's time."""
    rest = f',"fields":{{{_encode_fields(fields)}}}' if fields else ""
    return (
        f'{{"time":{time:.6f},"component":{_quote(component)},"level":{_quote(level)}'
        f',"source":{_quote(source)},"message":{_quote(message)}{rest}}}'
    )


def _encode_fields(fields: Mapping[str, object]) -> str:
    return ",".join(f"{_quote(key)}:{_encode_value(value)}" for key, value in fields.items())


def _encode_value(value: object) -> str:
    if type(value) is str:
        return _quote(value)
    return str(value) if type(value) is int else _encode(value)


@dataclass(frozen=True, slots=True)
class LogQuery:
    """The lines that a reader wants to see.

    Attributes:
        since: Seconds since 1970; None for no bound.
        until: Likewise, and not itself.
        level: The least level; empty for all.
        text: A part of the line, whatever the case of its letters.
        trace: The id of a trace, or how it begins.
    """

    since: float | None = None
    until: float | None = None
    level: str = ""
    text: str = ""
    trace: str = ""

    def __post_init__(self) -> None:
        if self.level and self.level not in LEVELS:
            raise ValueError(f"{self.level!a} is no level: {', '.join(LEVELS)}")

    def is_about(self, entry: LogEntry) -> bool:
        """Return whether a line is one of them."""
        if self.since is not None and entry.time < self.since:
            return False
        if self.until is not None and entry.time >= self.until:
            return False
        if self.level and _rank(entry.level) < _rank(self.level):
            return False
        if self.trace and not str(entry.fields.get("trace_id", "")).startswith(self.trace):
            return False
        return self.text.casefold() in entry.message.casefold()


def _rank(level: str) -> int:
    """Return the place of a level; one that a later version knows is above all."""
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


@dataclass(frozen=True, slots=True)
class LogLimits:
    """The bounds of a log.

    Attributes:
        message_chars: Characters of one line; the rest is cut off, and marked.
        file_bytes: Size at which a component's log begins a new file.
        files: Files of each component that are kept, the current one included.
        lines_per_second: Lines that a component may write when its manifest gives no rate.
        open_files: Log files that the host keeps open.
        follower_lines: Lines that a slow follower may be behind before it loses some.
        follower_bytes: Bytes of lines that it may be behind.
        file_age: Seconds after which a component's log begins a new file; 0 for no bound.
        age: Seconds after its last line for which a file is kept; 0 for no bound. The host looks
            once an hour.
        sinks: Copies of all lines for other programs: `stdout` as lines of JSON, `syslog` or
            `syslog:HOST:PORT`, `journald`, `file:PATH`, or one of an installed package.
        sink_lines: Lines that may wait for one of them; more are lost, and counted.
    """

    message_chars: int = 8192
    file_bytes: int = 4 * 2**20
    files: int = 3
    lines_per_second: int = 200
    open_files: int = 32
    follower_lines: int = 1024
    follower_bytes: int = 2**20
    file_age: float = 0.0
    age: float = 0.0
    sinks: tuple[str, ...] = ()
    sink_lines: int = 10_000

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"{each.name} must be at least 1")
            if isinstance(value, float) and not value >= 0:
                raise ValueError(f"{each.name} must not be negative")


@dataclass(slots=True)
class _File:
    """One that is open, how long it is, and when it began."""

    descriptor: int
    size: int
    began_at: float


class LogFiles:
    """The JSON-lines files, few of them open at a time.

    Attributes:
        limits: The bounds; others hold from the next line on.
    """

    def __init__(self, folder: Path, limits: LogLimits) -> None:
        self._folder, self.limits = folder, limits
        self._start = os.path.join(folder, "")  # noqa: PTH118 - a Path takes longer than a write
        self._open: OrderedDict[str, _File] = OrderedDict()
        self.lost_lines = 0

    def append(self, component: str, line: str, now: float) -> None:
        content = line.encode("utf-8", "backslashreplace")
        try:
            file = self._file(component, now)
            if self.limits.file_age and file.size and now - file.began_at > self.limits.file_age:
                self._rotate(component)
                file = self._file(component, now)
            written = os.write(file.descriptor, content)
            file.size += written
            if written < len(content):  # the disk is full; the next line ends the piece
                self.close(component)
                self.lost_lines += 1
            elif file.size > self.limits.file_bytes:
                self._rotate(component)
        except OSError:
            self.lost_lines += 1  # a full disk loses lines, never the host

    def old(self, now: float) -> list[Path]:
        """Return the files whose last line is older than files are kept; for a worker thread."""
        if not self.limits.age:
            return []
        found: list[Path] = []
        for path in self._folder.glob("*/*.jsonl"):
            with _disk_may_fail():
                if now - path.stat().st_mtime > self.limits.age:
                    found.append(path)
        return found

    def remove_old(self, path: Path, now: float) -> None:
        """Remove a file of `old`, unless it has a newer line meanwhile."""
        with _disk_may_fail():
            if now - path.stat().st_mtime > self.limits.age:
                self.close(f"{path.parent.name}/{path.name.partition('.')[0]}")
                path.unlink(missing_ok=True)

    def recent(
        self, component: str, count: int = 100, query: LogQuery | None = None
    ) -> tuple[LogEntry, ...]:
        """Return the last lines of a component, oldest first.

        Args:
            component: Its name.
            count: How many lines.
            query: Which lines; all of them when it is left out.
        """
        if count < 1:
            return ()
        if query is not None:
            return self._found(component, count, query)
        lines: list[bytes] = []
        for path in self._paths(component):
            with _disk_may_fail():
                lines = _last_lines(path, count - len(lines)) + lines
            if len(lines) >= count:
                break
        return tuple(_parse(lines[-count:]))

    def _found(self, component: str, count: int, query: LogQuery) -> tuple[LogEntry, ...]:
        """Return the last lines that a query is about, file by file from the newest on."""
        found: list[LogEntry] = []
        for path in self._paths(component):
            last: LogEntry | None = None
            here: deque[LogEntry] = deque(maxlen=count - len(found))
            with _disk_may_fail(), path.open("rb") as file:
                for last in _parse(file):
                    if query.is_about(last):
                        here.append(last)
            found = [*here, *found]
            is_before = last is not None and query.since is not None and last.time < query.since
            if len(found) >= count or is_before:
                break
        return tuple(found)

    def close(self, component: str) -> None:
        file = self._open.pop(component, None)
        if file is not None:
            os.close(file.descriptor)

    def close_all(self) -> None:
        for component in tuple(self._open):
            self.close(component)

    def remove(self, component: str) -> None:
        self._path(component).unlink(missing_ok=True)
        self._remove_from(component, 1)

    def _remove_from(self, component: str, first: int) -> None:
        """Remove the older files from a number on, also those of a time when more were kept."""
        current = self._path(component)
        for path in current.parent.glob(f"{current.stem}.*.jsonl"):
            number = path.name.split(".")[1]
            if number.isdecimal() and int(number) >= first:
                path.unlink(missing_ok=True)

    def _path(self, component: str) -> Path:
        return self._folder / f"{component}.jsonl"

    def _paths(self, component: str) -> Iterator[Path]:
        current = self._path(component)
        yield current
        for number in range(1, self.limits.files):
            yield current.with_suffix(f".{number}.jsonl")

    def _file(self, component: str, now: float) -> _File:
        file = self._open.get(component)
        if file is None:
            while len(self._open) >= self.limits.open_files:
                self.close(next(iter(self._open)))
            descriptor = _open_to_append(f"{self._start}{component}.jsonl")
            try:
                size = _end_last_line(descriptor)
                began_at = _first_time(descriptor, now) if self.limits.file_age and size else now
            except OSError:
                os.close(descriptor)
                raise
            file = self._open[component] = _File(descriptor, size, began_at)
        else:
            self._open.move_to_end(component)
        return file

    def _rotate(self, component: str) -> None:
        self.close(component)
        paths = tuple(self._paths(component))
        if len(paths) == 1:
            paths[0].unlink()
        for older, newer in zip(reversed(paths), reversed(paths[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)
        self._remove_from(component, len(paths))


def _open_to_append(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, flags, 0o600)


def _end_last_line(descriptor: int) -> int:
    """Return the length of a file, whose last line a kill or a full disk may have torn."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size:
        os.lseek(descriptor, size - 1, os.SEEK_SET)
        if os.read(descriptor, 1) != b"\n":
            size += os.write(descriptor, b"\n")
    return size


def _first_time(descriptor: int, now: float) -> float:
    """Return the time of a file's first line; this moment, if it cannot be told."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    first = os.read(descriptor, _TAIL_BYTES).partition(b"\n")[0]
    return next((entry.time for entry in _parse([first])), now)


def _last_lines(path: Path, count: int) -> list[bytes]:
    """Return the last lines of a file, at least `count` if it has them, read from its end."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        block = _TAIL_BYTES
        while True:
            start = file.seek(max(0, end - block))
            lines = file.read(end - start).splitlines()
            if start == 0:
                return lines
            if len(lines) > count:
                return lines[1:]  # the first one may be cut
            block *= 4


def _parse(lines: Iterable[bytes]) -> Iterator[LogEntry]:
    for line in lines:
        try:
            yield LogEntry.from_json(line.decode("utf-8", "replace"))
        except ValueError:
            continue  # the line that a power cut tore


@contextmanager
def _disk_may_fail() -> Generator[None]:
    try:
        yield
    except OSError:
        return
