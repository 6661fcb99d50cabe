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

A fork waits until no timer is at work. The C library guards its timers with a lock
that it does not renew in a forked child: where its helper thread held the lock at
that moment, the child's first timer would wait for ever (about 1.5 % of forks at a
tick of 1 ms). So the timers stop before a fork, and go on after it in the parent.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
import threading
import time
from typing import Protocol

from .._wasmtime import bindings as wt

_SIGEV_THREAD = 2
_CLOCK_MONOTONIC = 1
_SEMAPHORE_BYTES = 64
_HELPER_SECONDS = 1.0
_left_behind: list[object] = []


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
        seconds, rest = divmod(tick, 1.0)
        self._period = (int(seconds), int(rest * 1e9))
        with _timers.lock:
            _timers.watch_forks()
            self._timer: _Timer | None = _Timer(wt.increment_epoch_at, wt.engine_clone(engine))
            self.resume()
            _timers.ticking.add(self)

    def stop(self) -> None:
        """End it; twice is fine."""
        with _timers.lock:
            timer, self._timer = self._timer, None
            _timers.ticking.discard(self)
            if timer is not None:
                timer.delete()

    def pause(self) -> None:
        """Stop ticking, as long as a fork takes."""
        if self._timer is not None:
            self._timer.set((0, 0), (0, 0))

    def resume(self) -> None:
        """Tick, from one period after now."""
        if self._timer is not None:
            self._timer.set(self._period, self._period)

    def forget(self) -> None:
        """Leave the timer alone: this is a forked child, and timers are not inherited."""
        self._timer = None


class _Timer:
    """A timer of the kernel that calls a C function with one address, on a thread of its own."""

    def __init__(self, function: int, argument: int) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._id = ctypes.c_void_p()
        # struct sigevent: value, signo, notify, function, attributes, up to 64 bytes
        event = struct.pack("<QiiQQ", argument, 0, _SIGEV_THREAD, function, 0)
        self._call("timer_create", _CLOCK_MONOTONIC, event.ljust(64, b"\0"), self._out())

    def set(self, first: tuple[int, int], period: tuple[int, int]) -> None:
        """Set when it calls for the first time and how often then: seconds and nanoseconds."""
        self._call("timer_settime", self._id, 0, struct.pack("<qqqq", *period, *first), None)

    def delete(self) -> None:
        """End it. Returns after the C library's helper thread has left its lock."""
        self._call("timer_delete", self._id)

    def _out(self) -> object:
        return ctypes.byref(self._id)

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, name)(*arguments):
            number = ctypes.get_errno()
            raise OSError(number, f"{name} failed")


class _Timers:
    """The kernel's timers of this process, which rest while it forks."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.ticking: set[KernelTicker] = set()
        self._watches = False

    def watch_forks(self) -> None:
        """Be told of forks from now on."""
        if not self._watches:
            self._watches = True
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_in_parent,
                after_in_child=self._after_in_child,
            )

    def _before_fork(self) -> None:
        self.lock.acquire()
        if self.ticking:
            for each in self.ticking:
                each.pause()
            _let_helper_finish()

    def _after_in_parent(self) -> None:
        for each in self.ticking:
            each.resume()
        self.lock.release()

    def _after_in_child(self) -> None:
        for each in self.ticking:
            each.forget()
        self.ticking.clear()
        self.lock.release()


_timers = _Timers()


def _let_helper_finish() -> None:
    """Wait until the C library's helper thread has done all that was sent to it.

    Its signals are queued in order, so one more timer that calls at once is its last work,
    and deleting that timer takes the lock behind it.
    """
    library = ctypes.CDLL(None, use_errno=True)
    semaphore = ctypes.create_string_buffer(_SEMAPHORE_BYTES)
    library.sem_init(semaphore, 0, 0)
    try:
        last = _Timer(_address(library.sem_post), ctypes.addressof(semaphore))
    except OSError:
        return  # no timers left for this user
    last.set((0, 1), (0, 0))
    seconds, rest = divmod(time.time() + _HELPER_SECONDS, 1.0)
    until = struct.pack("<qq", int(seconds), int(rest * 1e9))
    while library.sem_timedwait(semaphore, until):
        if ctypes.get_errno() != errno.EINTR:
            _left_behind.append(semaphore)  # its post may still come
            break
    last.delete()


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


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
