"""Turns what a guest prints into log lines that cannot hurt their reader.

A guest's stdout is untrusted text on its way into logs, terminals and files.
Four things are done to it, in this order: it is cut into lines, a line has a
length at which it is cut and marked, lines have a rate beyond which they are
dropped and counted, and whatever could steer a terminal or forge a line is
escaped visibly. Blocking a guest that prints too fast was rejected: a log must
never be able to stop a component.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from .._host import Caller
from ._io import WRITE_PERMIT_BYTES, Always, Pollable

UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f"  # C0 (a tab may stay) and C1: terminals obey them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi: text that reads other than it is
    "\u2028\u2029"  # more line ends
    "\u200b-\u200d\u2060-\u2065\ufeff"  # what no reader sees: two names that look the same
    "\ud800-\udfff]"  # no characters at all, and no file takes them
)


class LogSink(Protocol):
    """Takes the lines that guests print."""

    def line(self, caller: Caller, stream: str, text: str) -> None:
        """Take one line, without its end, escaped and cut to size. It must not raise.

        Args:
            caller: who printed it.
            stream: "stdout" or "stderr".
            text: safe to show on a terminal and to store as one line.
        """


@dataclass(frozen=True, slots=True)
class LineLimits:
    """Limits on what a guest may print.

    Attributes:
        line_bytes: a longer line is cut there and marked with what was cut.
        lines_per_second: the rate that a guest can keep up.
        burst_lines: how many lines it may print at once before the rate counts.
    """

    line_bytes: int = 8 * 1024
    lines_per_second: float = 200.0
    burst_lines: int = 1_000


def escape(text: str) -> str:
    r"""Make control, bidi, line-end and invisible characters visible: ESC becomes `\x1b`."""
    return text if text.isprintable() else text.translate(_escapes())


@cache
def _escapes() -> Mapping[int, str]:
    """Return how each unsafe character is written: with a table a line of them takes no longer.

    A function for each match takes fifty times as long, and a guest may print nothing else.
    """
    candidates = (*range(0x100), *range(0x600, 0x700), *range(0x2000, 0x2100), 0xFEFF)
    unsafe = [code for code in candidates if UNSAFE.match(chr(code))]
    found = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in unsafe}
    surrogates = {code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)}
    return found | surrogates | {ord("\n"): "\\n", ord("\r"): "\\r"}


class LineRate:
    """A token bucket that counts what it refuses."""

    __slots__ = ("_at_ns", "_clock", "_limits", "_tokens", "dropped")

    def __init__(self, limits: LineLimits, clock: Callable[[], int]) -> None:
        self._limits = limits
        self._clock = clock
        self._tokens = float(limits.burst_lines)
        self._at_ns = clock()
        self.dropped = 0

    def admits(self) -> bool:
        """Return whether one more line may pass now; a refused one is counted in `dropped`."""
        now_ns = self._clock()
        gained = (now_ns - self._at_ns) / 1e9 * self._limits.lines_per_second
        self._tokens = min(float(self._limits.burst_lines), self._tokens + gained)
        self._at_ns = now_ns
        if self._tokens < 1:
            self.dropped += 1
            return False
        self._tokens -= 1
        return True

    def has_room(self) -> bool:
        """Return whether `admits` would say yes without a look at the clock."""
        return self._tokens >= 1


class LineOutput:
    """An output stream that hands each complete line to an `emit` function."""

    __slots__ = ("_cut_bytes", "_emit", "_limits", "_partial", "_rate")

    waits = False

    def __init__(
        self, emit: Callable[[str], None], limits: LineLimits, clock: Callable[[], int]
    ) -> None:
        self._emit = emit
        self._limits = limits
        self._rate = LineRate(limits, clock)
        self._partial = bytearray()
        self._cut_bytes = 0

    def permit_bytes(self) -> int:
        """Return always the same: what is too much is dropped, never waited for."""
        return WRITE_PERMIT_BYTES

    def write(self, data: bytes) -> None:
        """Take text in pieces of any size."""
        start, end = 0, data.find(b"\n")
        while end >= 0:
            self._keep(data[start:end])
            self._end_line()
            start, end = end + 1, data.find(b"\n", end + 1)
            if not self._rate.has_room():  # 65,536 ends of lines would be as many steps
                last = data.rfind(b"\n") + 1
                self._rate.dropped += data.count(b"\n", start, last)
                start, end = max(start, last), -1
        self._keep(data[start:])

    def flush(self) -> None:
        """Do nothing: a guest that flushes in the middle of a line still means one line."""

    def pollable(self) -> Pollable:
        """Return one that is always ready."""
        return Always()

    def end(self) -> None:
        """Emit what has no line end yet, and the count of lines dropped so far."""
        if self._partial or self._cut_bytes:
            self._end_line()
        self._tell_dropped()

    def _keep(self, piece: bytes) -> None:
        room = self._limits.line_bytes - len(self._partial)
        self._partial += piece[:room]
        self._cut_bytes += max(0, len(piece) - room)

    def _end_line(self) -> None:
        raw, cut_bytes = bytes(self._partial), self._cut_bytes
        self._partial.clear()
        self._cut_bytes = 0
        if not self._rate.admits():
            return
        self._tell_dropped()
        text = escape(raw.removesuffix(b"\r").decode("utf-8", "backslashreplace"))
        self._emit(f"{text} [{cut_bytes:,} bytes cut]" if cut_bytes else text)

    def _tell_dropped(self) -> None:
        if self._rate.dropped:
            self._emit(
                f"[{self._rate.dropped:,} lines dropped: "
                f"more than {self._limits.lines_per_second:g} lines a second]"
            )
            self._rate.dropped = 0
