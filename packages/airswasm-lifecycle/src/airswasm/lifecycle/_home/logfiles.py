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
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

__all__ = ("LogEntry", "LogFiles", "LogLimits", "write_line")

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
    """

    message_chars: int = 8192
    file_bytes: int = 4 * 2**20
    files: int = 3
    lines_per_second: int = 200
    open_files: int = 32
    follower_lines: int = 1024
    follower_bytes: int = 2**20

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) < 1:
                raise ValueError(f"{each.name} must be at least 1")


@dataclass(slots=True)
class _File:
    """One that is open, and how long it is."""

    descriptor: int
    size: int


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

    def append(self, component: str, line: str) -> None:
        try:
            file = self._file(component)
            file.size += os.write(file.descriptor, line.encode("utf-8", "backslashreplace"))
            if file.size > self.limits.file_bytes:
                self._rotate(component)
        except OSError:
            self.lost_lines += 1  # a full disk loses lines, never the host

    def recent(self, component: str, count: int = 100) -> tuple[LogEntry, ...]:
        """Return the last lines of a component, oldest first."""
        if count < 1:
            return ()
        lines: list[bytes] = []
        for path in self._paths(component):
            with _disk_may_fail():
                lines = _last_lines(path, count - len(lines)) + lines
            if len(lines) >= count:
                break
        return tuple(_parse(lines[-count:]))

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

    def _file(self, component: str) -> _File:
        file = self._open.get(component)
        if file is None:
            while len(self._open) >= self.limits.open_files:
                self.close(next(iter(self._open)))
            descriptor = _open_to_append(f"{self._start}{component}.jsonl")
            size = os.lseek(descriptor, 0, os.SEEK_END)
            file = self._open[component] = _File(descriptor, size)
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
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, flags, 0o600)


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
