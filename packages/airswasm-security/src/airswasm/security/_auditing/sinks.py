"""Copies of the lines for other programs, which can fail without harm.

The log is the record; a sink gets a copy of each line after it was written. A sink that waits,
raises or never returns holds up neither the host nor the other sinks: it has a thread of its own
and a bounded queue, and loses what does not fit. The thread is a daemon, and not one of the event
loop's pool, because a sink that hangs for ever must not keep the process from ending.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import TypeAlias, cast

from ..errors import AuditSinkUnusable
from .outlets import OUTLETS, LineSink

__all__ = ("SINK_GROUP", "AuditSinks", "OpenSink", "open_sink")

SINK_GROUP = "airswasm.audit_sinks"
"""The entry points of sinks: each names an `OpenSink`."""
_HANGS_SECONDS = 5.0
_BATCH = 256
_PAUSE_SECONDS = 1.0


OpenSink: TypeAlias = Callable[[str], LineSink]
"""Opens a sink, with what stands behind the colon of its setting: `file:/mnt/audit.jsonl`."""


def open_sink(setting: str, outlets: Mapping[str, OpenSink] = OUTLETS) -> LineSink:
    """Open a sink by its setting, `NAME` or `NAME:ARGUMENT`.

    Args:
        setting: The name is one of `outlets`, or of an installed package's.
        outlets: The sinks that need no entry point, by name.

    Raises:
        AuditSinkUnusable: No installed package has it, or it cannot be opened.
    """
    name, _, argument = setting.partition(":")
    opening = outlets.get(name)
    if opening is None:
        found = tuple(entry_points(group=SINK_GROUP, name=name))
        if not found:
            raise AuditSinkUnusable(setting, "no installed package has such a sink")
        opening = cast("OpenSink", found[0].load())  # the package's word for it
    try:
        return opening(argument)
    except Exception as error:
        raise AuditSinkUnusable(setting, f"it cannot be opened: {error}") from error


class AuditSinks:
    """The sinks of one log.

    Args:
        settings: Each as in `open_sink`.
        most_lines: Lines that may wait for one of them.
        outlets: The sinks that need no entry point, by name.
        kind: A sink, in sentences about it.

    Raises:
        AuditSinkUnusable: One of them cannot be opened.
    """

    def __init__(
        self,
        settings: Sequence[str],
        *,
        most_lines: int = 10_000,
        outlets: Mapping[str, OpenSink] = OUTLETS,
        kind: str = "audit sink",
    ) -> None:
        opened = [(each, open_sink(each, outlets)) for each in settings]
        self._feeds = [_Feed(name, sink, most_lines, kind) for name, sink in opened]

    def take_over(self, others: AuditSinks) -> None:
        """Give lines to the sinks of `others` from now on; the present ones write what waits."""
        for feed in self._feeds:
            feed.end()
        self._feeds = others._feeds

    def offer(self, lines: bytes) -> None:
        """Queue lines for each sink; neither waits nor raises."""
        if self._feeds:
            each_line = lines.splitlines()
            for feed in self._feeds:
                feed.offer(each_line)

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each sink that fails or hangs, or has lost lines."""
        return tuple(problem for feed in self._feeds if (problem := feed.problem()))

    def close(self, seconds: float = 2.0) -> None:
        """Let the sinks write what waits, for so long at most, and leave those that hang."""
        for feed in self._feeds:
            feed.end()
        until = time.monotonic() + seconds
        for feed in self._feeds:
            feed.join(until - time.monotonic())


class _Feed:
    """One sink, its queue, and its thread."""

    def __init__(self, name: str, sink: LineSink, most_lines: int, kind: str) -> None:
        self._kind, self._name, self._sink, self._most = kind, name, sink, most_lines
        self._waiting = deque[bytes]()
        self._news = threading.Condition()
        self._is_ending = False
        self._busy_since: float | None = None
        self._failure = ""
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name=f"{kind} {name}", daemon=True)
        self._thread.start()

    def offer(self, lines: Sequence[bytes]) -> None:
        with self._news:
            free = self._most - len(self._waiting)
            self._waiting.extend(lines[:free])
            self._lost += max(0, len(lines) - free)
            self._news.notify()

    def problem(self) -> str:
        since, lost = self._busy_since, f"; {self._lost:,} lines were lost" if self._lost else ""
        if since is not None and time.monotonic() - since > _HANGS_SECONDS:
            waits = time.monotonic() - since
            return f"the {self._kind} {self._name} has not answered for {waits:.0f} s{lost}"
        if self._failure:
            return f"the {self._kind} {self._name} fails: {self._failure}{lost}"
        return f"the {self._kind} {self._name} was too slow{lost}" if lost else ""

    def end(self) -> None:
        with self._news:
            self._is_ending = True
            self._news.notify()

    def join(self, seconds: float) -> None:
        self._thread.join(max(0.0, seconds))

    def _run(self) -> None:
        while batch := self._take():
            self._busy_since = time.monotonic()
            try:
                self._sink.write(batch)
                self._failure = ""
            except Exception as error:  # a stranger's code: whatever it raises is its failure
                self._failure = f"{type(error).__name__}: {error}"[:200]
                with self._news:
                    self._lost += len(batch)
                    self._busy_since = None
                    self._news.wait_for(lambda: self._is_ending, _PAUSE_SECONDS)
            self._busy_since = None
        try:
            self._sink.close()
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}"[:200]

    def _take(self) -> list[bytes]:
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._is_ending)
            return [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
