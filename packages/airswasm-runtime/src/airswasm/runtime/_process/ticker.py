"""Moves an engine's epoch on, so that wall-clock limits hold while guests compute.

The ticker must not need Python's global lock: four busy Python threads delay a
ticking Python thread by 50 to 110 ms, and with it every deadline. On Linux the
C library can call a function from a timer's own thread, so the kernel's timer
calls the engine's `increment_epoch` directly and no Python runs at all. Elsewhere
a thread ticks; it counts the ticks it missed, so a deadline is late by one delay
and not by their sum.

The engine handle that the timer uses is a clone that is never freed: a timer
thread may still be on its way when the timer is deleted. It keeps a few kilobytes
for each engine that was closed.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import threading
import time
from typing import Protocol

from .._wasmtime import bindings as wt

_SIGEV_THREAD = 2
_CLOCK_MONOTONIC = 1


class Ticker(Protocol):
    """Something that moves the epoch on until it is stopped."""

    def stop(self) -> None:
        """End it; twice is fine."""


def start_ticker(engine: int, tick: float) -> Ticker:
    """Start the best ticker that the platform has.

    Args:
        engine: the address of the engine.
        tick: seconds between epochs.
    """
    if sys.platform == "linux" and sys.maxsize > 2**32:
        try:
            return KernelTicker(engine, tick)
        except OSError:
            pass  # no timers left for this user: a thread will do
    return ThreadTicker(engine, tick)


class KernelTicker:
    """A POSIX timer whose notification is the engine's own C function."""

    def __init__(self, engine: int, tick: float) -> None:
        self._library: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        # struct sigevent: value, signo, notify, function, attributes, up to 64 bytes
        event = struct.pack(
            "<QiiQQ", wt.engine_clone(engine), 0, _SIGEV_THREAD, wt.increment_epoch_at, 0
        )
        self._call("timer_create", _CLOCK_MONOTONIC, event.ljust(64, b"\0"), self._out())
        seconds, rest = divmod(tick, 1.0)
        period = (int(seconds), int(rest * 1e9))
        self._call("timer_settime", self._timer, 0, struct.pack("<qqqq", *period, *period), None)

    def stop(self) -> None:
        """End it; twice is fine."""
        timer, self._timer = self._timer, ctypes.c_void_p()
        if self._library is not None:
            self._call("timer_delete", timer)
            self._library = None

    def _out(self) -> object:
        return ctypes.byref(self._timer)

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, name)(*arguments):
            number = ctypes.get_errno()
            raise OSError(number, f"{name} failed")


class ThreadTicker:
    """A daemon thread; late by however long the global lock is held."""

    def __init__(self, engine: int, tick: float) -> None:
        self._engine = wt.engine_clone(engine)
        self._tick = tick
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="airswasm-ticker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; twice is fine."""
        self._stopped.set()

    def _run(self) -> None:
        due = time.monotonic() + self._tick
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            while due <= time.monotonic():
                wt.increment_epoch(self._engine)
                due += self._tick
