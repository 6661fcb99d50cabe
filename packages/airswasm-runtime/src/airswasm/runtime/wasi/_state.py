"""Holds what one instance may see through WASI, and what it is in the middle of.

The functions of WASI are shared by all instances and hold nothing; whatever
belongs to one instance is in its `WasiState`, made when the guest first needs
it, because most calls of most guests never touch WASI.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from .._host import Caller
from .._timers import Timers
from ._io import BytesInput, Deadline
from ._stdio import LineLimits, LineOutput, LogSink


@dataclass(frozen=True, slots=True)
class WasiConfig:
    """All that one instance gets to see through WASI.

    Attributes:
        stdout: where its printed lines go; None discards them.
        stderr: the same for the other stream.
        stdin: what it can read.
        environment: its environment variables; the host's own are never passed on.
        arguments: its command line, the program's name first.
        line_limits: how long and how many printed lines may be.
        monotonic_ns: the clock behind wasi:clocks/monotonic-clock.
        wall_ns: nanoseconds since 1970, for wasi:clocks/wall-clock.
        random_bytes: `n` bytes of randomness.
    """

    stdout: LogSink | None = None
    stderr: LogSink | None = None
    stdin: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    arguments: tuple[str, ...] = ()
    line_limits: LineLimits = field(default_factory=LineLimits)
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    wall_ns: Callable[[], int] = time.time_ns
    random_bytes: Callable[[int], bytes] = os.urandom


class WasiState:
    """One instance's side of WASI."""

    __slots__ = ("_started_ns", "_timers", "config", "stderr", "stdin", "stdout")

    def __init__(self, config: WasiConfig, caller: Caller, timers: Timers) -> None:
        self.config: WasiConfig = config
        self.stdin: BytesInput = BytesInput(config.stdin)
        self.stdout: LineOutput = _lines(config, config.stdout, caller, "stdout")
        self.stderr: LineOutput = _lines(config, config.stderr, caller, "stderr")
        self._timers = timers
        self._started_ns = config.monotonic_ns()

    def now_ns(self) -> int:
        """Return the guest's monotonic clock, which starts with its first use of WASI.

        The host's own would tell how long the host has been up.
        """
        return self.config.monotonic_ns() - self._started_ns

    def deadline(self, at_ns: int) -> Deadline:
        """Return a pollable for a moment of `now_ns`."""
        return Deadline(at_ns, self.now_ns, self._timers)

    def end_lines(self) -> None:
        """Pass on what was printed without a line end: at the end of a call and at close."""
        self.stdout.end()
        self.stderr.end()


def _lines(config: WasiConfig, sink: LogSink | None, caller: Caller, stream: str) -> LineOutput:
    emit = partial(sink.line, caller, stream) if sink is not None else _discard
    return LineOutput(emit, config.line_limits, config.monotonic_ns)


def _discard(_line: str) -> None:
    """Discard a line, for a host that wants none."""
