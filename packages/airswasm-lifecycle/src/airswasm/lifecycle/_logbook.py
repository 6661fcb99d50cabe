"""Keep one log for each component: its own lines, its output, and its supervisor's reports.

Lines come from the component's own `logging.log`, its standard output and error, and its
supervisor. All pass one function, which cuts long lines, escapes control characters (operators read
a log in a terminal, and a component must not move its cursor or forge a line), and drops lines
above the component's rate, with a count. Accepted lines go to a rotating JSON-lines file and to
every follower.

The host keeps at most a few dozen files open, whatever the number of components. It hands lines to
the operating system at once and does not sync them: a log is evidence, not state. A full disk loses
lines, never the host.

No lines stay in memory: `recent` reads the end of the file. Rejected: a ring of lines for each
component, which for ten thousand busy components takes gigabytes, and 1.3 kB each after two lines.
"""

from __future__ import annotations

import json
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import anyio
from airswasm.messaging import Rate, TokenBucket
from airswasm.runtime import Caller, HostInterface, Services
from airswasm.runtime.wasi import escape
from anyio.streams.memory import MemoryObjectSendStream

from ._block import LOGGING_INTERFACE

__all__ = ("LOGGING_INTERFACE", "LogBook", "LogEntry", "LogLimits", "provide")

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

    def to_json(self) -> str:
        """Return the entry as one line of JSON."""
        return _to_json(
            self.time, self.component, self.level, self.source, self.message, self.fields
        )

    @classmethod
    def from_json(cls, line: str) -> LogEntry:
        """Parse one line.

        Raises:
            ValueError: It is not a line of a log.
        """
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


def _to_json(
    time: float, component: str, level: str, source: str, message: str,
    fields: Mapping[str, object] | None,
) -> str:  # fmt: skip
    """Format one line by hand, in a third of the encoder's time."""
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
    """Limits on the logs that a host keeps.

    Attributes:
        message_chars: Characters of one line; the log cuts longer lines and marks the cut.
        file_bytes: Size at which a component's log starts a new file.
        files: Files kept for each component, the current one included.
        lines_per_second: Lines that a component may write when its manifest sets no rate.
        open_files: Log files that the host keeps open.
        follower_lines: Lines by which a slow follower may lag before it loses some.
    """

    message_chars: int = 8192
    file_bytes: int = 4 * 2**20
    files: int = 3
    lines_per_second: int = 200
    open_files: int = 32
    follower_lines: int = 1024

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) < 1:
                raise ValueError(f"{each.name} must be at least 1")


@dataclass(slots=True, eq=False)
class _Follower:
    stream: MemoryObjectSendStream[LogEntry]
    component: str | None
    lost: int = 0

    def offer(self, entry: LogEntry) -> None:
        if self.component not in (None, entry.component):
            return
        try:
            if self.lost:
                text = f"{self.lost} lines are missing here: the follower reads too slowly"
                self.stream.send_nowait(
                    LogEntry(entry.time, entry.component, "warn", "supervisor", text)
                )
                self.lost = 0
            self.stream.send_nowait(entry)
        except (anyio.WouldBlock, anyio.BrokenResourceError):
            self.lost += 1


class LogBook:
    """The logs of all components of one host.

    It satisfies the engine's `LogSink`, so a guest's stdio ends up here, and offers the `logging`
    interface. Call it on the host's event-loop thread.
    """

    def __init__(
        self,
        folder: Path,
        limits: LogLimits = LogLimits(),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files = _Files(folder, limits)
        self._limits = limits
        self._clock = clock
        self._rates: dict[str, Rate] = {}
        self._default_rate = Rate.of(limits.lines_per_second)
        self._buckets: dict[str, TokenBucket] = {}
        self._dropped: dict[str, int] = {}
        self._followers: list[_Follower] = []

    def set_rate(self, component: str, lines_per_second: int) -> None:
        """Set the number of lines that a component may write each second, from now on."""
        self._rates[component] = Rate.of(lines_per_second)
        self._buckets.pop(component, None)

    def write(
        self, component: str, level: str, message: str, *, source: str = "component",
        fields: Mapping[str, object] | None = None,
    ) -> bool:  # fmt: skip
        """Add a line; never raise and never wait.

        Returns:
            False if the component exceeded its rate and the line was dropped.
        """
        now = self._clock()
        if source != "supervisor" and not self._is_admitted(component, now):
            return False
        self._append(now, component, level, source, self._clean(message), fields)
        return True

    def line(self, caller: Caller, stream: str, text: str) -> None:
        """Add a line that a guest wrote to `stdout` or `stderr`."""
        level = "warn" if stream == "stderr" else "info"
        self.write(caller.name, level, text.rstrip("\r\n"), source=stream)

    def recent(self, component: str, count: int = 100) -> tuple[LogEntry, ...]:
        """Return the last lines of a component, oldest first."""
        return tuple(self._files.tail(component, count)) if count > 0 else ()

    async def follow(
        self, component: str | None = None, *, recent: int = 0
    ) -> AsyncIterator[LogEntry]:
        """Yield lines as components write them; those of all components if `component` is None.

        A follower that lags too far loses lines and receives the number lost.

        Args:
            component: The component's name, or None for all.
            recent: Number of earlier lines to yield first.
        """
        send, receive = anyio.create_memory_object_stream[LogEntry](self._limits.follower_lines)
        follower = _Follower(send, component)
        self._followers.append(follower)
        try:
            if component is not None and recent:
                for entry in self.recent(component, recent):
                    yield entry
            async with receive:
                async for entry in receive:
                    yield entry
        finally:
            if follower in self._followers:
                self._followers.remove(follower)
            send.close()

    def interface(self) -> HostInterface:
        """Return `airswasm:component/logging` for this log."""
        return HostInterface(LOGGING_INTERFACE, {"log": self._log})

    def forget(self, component: str, *, purge: bool = False) -> None:
        """Drop the rate of a component; with `purge` also its files."""
        self._buckets.pop(component, None)
        self._rates.pop(component, None)
        self._dropped.pop(component, None)
        self._files.close(component)
        if purge:
            self._files.remove(component)

    @property
    def lost_lines(self) -> int:
        """The lines that the disk refused since the host started."""
        return self._files.lost_lines

    def close(self) -> None:
        """End all followers and close the files."""
        for follower in self._followers:
            follower.stream.close()
        self._followers.clear()
        self._files.close_all()

    def _log(self, caller: Caller, level: str, message: str) -> None:
        self.write(caller.name, level, message)

    def _is_admitted(self, component: str, now: float) -> bool:
        bucket = self._buckets.get(component)
        if bucket is None:
            rate = self._rates.get(component, self._default_rate)
            bucket = self._buckets[component] = TokenBucket(rate, self._clock)
        if not bucket.take():
            self._dropped[component] = self._dropped.get(component, 0) + 1
            return False
        if component in self._dropped:
            count = self._dropped.pop(component)
            rate = self._rates.get(component, self._default_rate)
            text = f"{count} lines dropped: the limit is {rate.burst} a second"
            self._append(now, component, "warn", "supervisor", text, {"dropped": count})
        return True

    def _clean(self, message: str) -> str:
        most = self._limits.message_chars
        cut = len(message) - most
        text = escape(message[:most])
        return f"{text}… [{cut} characters cut]" if cut > 0 else text

    def _append(
        self, now: float, component: str, level: str, source: str, text: str,
        fields: Mapping[str, object] | None,
    ) -> None:  # fmt: skip
        line = _to_json(now, component, level, source, text, fields)
        self._files.append(component, line + "\n")
        if self._followers:
            entry = LogEntry(now, component, level, source, text, fields or {})
            for follower in self._followers:
                follower.offer(entry)


@dataclass(slots=True)
class _File:
    """An open file and its length."""

    descriptor: int
    size: int


class _Files:
    """The JSON-lines files, of which only a few are open at a time."""

    def __init__(self, folder: Path, limits: LogLimits) -> None:
        self._folder, self._limits = folder, limits
        self._start = os.path.join(folder, "")  # noqa: PTH118 - a Path takes longer than a write
        self._open: OrderedDict[str, _File] = OrderedDict()
        self.lost_lines = 0

    def append(self, component: str, line: str) -> None:
        try:
            file = self._file(component)
            file.size += os.write(file.descriptor, line.encode("utf-8", "backslashreplace"))
            if file.size > self._limits.file_bytes:
                self._rotate(component)
        except OSError:
            self.lost_lines += 1  # a full disk loses lines, never the host

    def tail(self, component: str, count: int) -> Iterator[LogEntry]:
        lines: list[bytes] = []
        for path in self._paths(component):
            with _disk_may_fail():
                lines = _last_lines(path, count - len(lines)) + lines
            if len(lines) >= count:
                break
        return _parse(lines[-count:])

    def close(self, component: str) -> None:
        file = self._open.pop(component, None)
        if file is not None:
            os.close(file.descriptor)

    def close_all(self) -> None:
        for component in tuple(self._open):
            self.close(component)

    def remove(self, component: str) -> None:
        for path in self._paths(component):
            path.unlink(missing_ok=True)

    def _path(self, component: str) -> Path:
        return self._folder / f"{component}.jsonl"

    def _paths(self, component: str) -> Iterator[Path]:
        current = self._path(component)
        yield current
        for number in range(1, self._limits.files):
            yield current.with_suffix(f".{number}.jsonl")

    def _file(self, component: str) -> _File:
        file = self._open.get(component)
        if file is None:
            if len(self._open) >= self._limits.open_files:
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
                return lines[1:]  # the first line may be partial
            block *= 4


def _parse(lines: Iterable[bytes]) -> Iterator[LogEntry]:
    for line in lines:
        try:
            yield LogEntry.from_json(line.decode("utf-8", "replace"))
        except ValueError:
            continue  # a line that a power cut truncated


@contextmanager
def _disk_may_fail() -> Generator[None]:
    try:
        yield
    except OSError:
        return


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interface that this block offers, `airswasm:component/logging`."""
    return (services.get(LogBook).interface(),)
