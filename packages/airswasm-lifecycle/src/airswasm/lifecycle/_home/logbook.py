"""Keep one log for each component: its own lines, its output, and its supervisor's reports.

Lines come from the component's own `logging.log`, its standard output and error, and its
supervisor. All pass one function, which cuts long lines, escapes control characters (operators read
a log in a terminal, and a component must not move its cursor or forge a line), and drops lines
above the component's rate, with a count. Accepted lines go to a rotating JSON-lines file and to
every follower.

Nothing is kept in memory: what was said last is read from the end of the file.
Rejected: a ring of lines for each component, which for ten thousand of them is
gigabytes once they talk, and 1.3 kB each when they have said two lines.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
from airswasm.actor import Message, Tracing
from airswasm.messaging import Rate, TokenBucket
from airswasm.runtime import Caller, Effect, Finding, Health, HostInterface, Meters, Services
from airswasm.runtime.wasi import escape
from airswasm.security import AuditSinks
from anyio import to_thread
from anyio.streams.memory import MemoryObjectSendStream

from .._block import LOG_LINES_DROPPED, LOGGING_INTERFACE
from .log_sinks import open_sinks
from .logfiles import LogEntry, LogFiles, LogLimits, LogQuery, write_line

__all__ = ("LOGGING_INTERFACE", "LogBook", "provide")


@dataclass(slots=True, eq=False)
class _Follower:
    stream: MemoryObjectSendStream[LogEntry]
    component: str | None
    most_bytes: int
    lost: int = 0
    waiting_bytes: int = 0

    def offer(self, entry: LogEntry) -> None:
        """Queue a line, unless the follower is too far behind: what it misses is counted."""
        if self.component not in (None, entry.component):
            return
        try:
            if self.lost:
                text = f"{self.lost} lines are missing here: the follower reads too slowly"
                self._put(LogEntry(entry.time, entry.component, "warn", "supervisor", text))
                self.lost = 0
            self._put(entry)
        except (anyio.WouldBlock, anyio.BrokenResourceError):
            self.lost += 1

    def take(self, entry: LogEntry) -> LogEntry:
        """Count a line that was read."""
        self.waiting_bytes -= entry.size_bytes
        return entry

    def _put(self, entry: LogEntry) -> None:
        if self.waiting_bytes + entry.size_bytes > self.most_bytes:
            raise anyio.WouldBlock
        self.stream.send_nowait(entry)
        self.waiting_bytes += entry.size_bytes


class LogBook:
    """The logs of all components of one host.

    It satisfies the engine's `LogSink`, so a guest's stdio ends up here, and offers the `logging`
    interface. Call it on the host's event-loop thread.

    Attributes:
        tracing: Knows the traces of messages, once there are actors.
        meters: Count the lines that are dropped, once there are any.
    """

    def __init__(
        self,
        folder: Path,
        limits: LogLimits | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        limits = self._limits = limits or LogLimits()
        self._files = LogFiles(folder, limits)
        self._clock = clock
        self._rates: dict[str, Rate] = {}
        self._default_rate = Rate.of(limits.lines_per_second)
        self._buckets: dict[str, TokenBucket] = {}
        self._dropped: dict[str, int] = {}
        self._followers: list[_Follower] = []
        self._sinks: AuditSinks | None = None
        self._prepared: AuditSinks | None = None
        self.tracing: Tracing | None = None
        self.meters: Meters | None = None

    def ship(self) -> None:
        """Give a copy of each line to the sinks of the settings, from now on.

        Raises:
            AuditSinkUnusable: One of them cannot be opened.
        """
        self._sinks = open_sinks(self._limits)

    def prepare(self, limits: LogLimits) -> Callable[[], None]:
        """Open the sinks of other settings; return what puts all of them into force.

        Raises:
            AuditSinkUnusable: One of them cannot be opened.
        """
        self._drop_prepared()  # of settings that another part of the host refused
        before = self._limits
        if (limits.sinks, limits.sink_lines) != (before.sinks, before.sink_lines):
            self._prepared = open_sinks(limits)
        return lambda: self.hold_to(limits)

    def hold_to(self, limits: LogLimits) -> None:
        """Bound lines, files and followers anew, from the next line and the next follower on."""
        self._limits = self._files.limits = limits
        if self._prepared is not None:
            if self._sinks is None:
                self._sinks = self._prepared
            else:
                self._sinks.take_over(self._prepared)
            self._prepared = None
        self._default_rate = Rate.of(limits.lines_per_second)
        for component in [each for each in self._buckets if each not in self._rates]:
            self._buckets[component].change(self._default_rate)

    def set_rate(self, component: str, lines_per_second: int) -> None:
        """Set the number of lines that a component may write each second, from now on."""
        rate = Rate.of(lines_per_second)
        if rate != self._rates.get(component):
            self._rates[component] = rate
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
        self._write_of(caller, level, text.rstrip("\r\n"), stream)

    def recent(
        self, component: str, count: int = 100, query: LogQuery | None = None
    ) -> tuple[LogEntry, ...]:
        """Return the last lines of a component, oldest first; of a query, if there is one."""
        return self._files.recent(component, count, query)

    async def tidy(self) -> None:
        """Remove the files that are older than files are kept."""
        now = self._clock()
        for path in await to_thread.run_sync(self._files.old, now):
            self._files.remove_old(path, now)
            await anyio.lowlevel.checkpoint()

    def findings(self) -> Iterator[Finding]:
        """Iterate over what is wrong with the sinks."""
        for problem in self._sinks.problems() if self._sinks is not None else ():
            hint = "see that the program reads; logs.sinks in config.toml names it"
            yield Finding(Health.DEGRADED, "logs", problem, hint)

    async def follow(
        self, component: str | None = None, *, recent: int = 0, query: LogQuery | None = None
    ) -> AsyncGenerator[LogEntry]:
        """Yield lines as components write them; those of all components if `component` is None.

        A follower that lags too far loses lines and receives the number lost.

        Args:
            component: The component's name, or None for all.
            recent: Number of earlier lines to yield first.
            query: Which lines; all of them when it is left out. That some are missing is said
                in any case.
        """
        send, receive = anyio.create_memory_object_stream[LogEntry](self._limits.follower_lines)
        follower = _Follower(send, component, self._limits.follower_bytes)
        self._followers.append(follower)
        try:
            if component is not None and recent:
                for entry in self.recent(component, recent, query):
                    yield entry
            async with receive:
                async for entry in receive:
                    follower.take(entry)
                    if query is None or query.is_about(entry):
                        yield entry
        finally:
            if follower in self._followers:
                self._followers.remove(follower)
            send.close()

    def interface(self) -> HostInterface:
        """Return `airswasm:component/logging` for this log."""
        return HostInterface(LOGGING_INTERFACE, {"log": self._log}, effects={"log": Effect.LOGS})

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
        self.note_dropped()
        for follower in self._followers:
            follower.stream.close()
        self._followers.clear()
        self._files.close_all()
        self._drop_prepared()
        if self._sinks is not None:
            self._sinks.close()

    def _drop_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared.close()
            self._prepared = None

    def _log(self, caller: Caller, level: str, message: str) -> None:
        self._write_of(caller, level, message, "component")

    def _write_of(self, caller: Caller, level: str, text: str, source: str) -> None:
        """Add a line of a guest, with the ids of the trace that its message belongs to."""
        message, fields = caller.message, None
        if self.tracing is not None and isinstance(message, Message):
            context = self.tracing.context_of(message, caller.name)
            if context is not None:
                fields = {"trace_id": context.trace_id, "span_id": context.span_id}
        self.write(caller.name, level, text, source=source, fields=fields)

    def _is_admitted(self, component: str, now: float) -> bool:
        bucket = self._buckets.get(component)
        if bucket is None:
            rate = self._rates.get(component, self._default_rate)
            bucket = self._buckets[component] = TokenBucket(rate, self._clock)
        if not bucket.take():
            self._dropped[component] = self._dropped.get(component, 0) + 1
            if self.meters is not None:
                self.meters.add(LOG_LINES_DROPPED, component)
            return False
        if component in self._dropped:
            self._note_dropped(component, now)
        return True

    def note_dropped(self) -> None:
        """Write how many lines were dropped of each component, whether it writes more or not."""
        for component in list(self._dropped):
            self._note_dropped(component, self._clock())

    def _note_dropped(self, component: str, now: float) -> None:
        count = self._dropped.pop(component)
        rate = self._rates.get(component, self._default_rate)
        text = f"{count} lines dropped: the limit is {rate.burst} a second"
        self._append(now, component, "warn", "supervisor", text, {"dropped": count})

    def _clean(self, message: str) -> str:
        most = self._limits.message_chars
        cut = len(message) - most
        text = escape(message[:most])
        return f"{text}… [{cut} characters cut]" if cut > 0 else text

    def _append(
        self, now: float, component: str, level: str, source: str, text: str,
        fields: Mapping[str, object] | None,
    ) -> None:  # fmt: skip
        line = write_line(now, component, level, source, text, fields)
        self._files.append(component, line + "\n", now)
        if self._sinks is not None:
            self._sinks.offer(line.encode("utf-8", "backslashreplace"))
        if self._followers:
            entry = LogEntry(now, component, level, source, text, fields or {})
            for follower in self._followers:
                follower.offer(entry)


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interface that this block offers, `airswasm:component/logging`."""
    return (services.get(LogBook).interface(),)
