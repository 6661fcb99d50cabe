"""The smallest scheduler: one task that polls one call to its end.

A slice bounds what the guest computes, not what the engine converts for it. So a component of which
a poll has worked for too long on the event loop's thread is polled on worker threads from then on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from .call import Call, CallState

if TYPE_CHECKING:
    from .._component import LinkedComponent


_HOLD = 0.02
"""Processor seconds of a poll that are too long for the event loop, on any machine."""


class _Waiter:
    """The smallest scheduler: one call, one task that waits for it."""

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._event: anyio.Event | None = None
        self._is_set = False

    def wake(self, _call: Call) -> None:
        self._is_set = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        while not self._is_set:
            self._event = anyio.Event()
            await self._event.wait()
        self._is_set, self._event = False, None


def ignore_wake(_call: Call) -> None:
    """Wake nothing: before a poll has said `WAITING` no task waits."""


async def drive(call: Call, slices_before_thread: int) -> None:
    """Poll a call to its end; a cancel of the task ends the guest."""
    waiter = _Waiter()
    call._wake = waiter.wake
    slices = 0
    host_slice = call._instance.engine.config.host_slice
    linked = call._instance._linked
    turn_ends = time.monotonic() + host_slice
    try:
        while True:
            state = call.state
            if state is CallState.DONE:
                return
            if state is CallState.WAITING:
                if call._work is not None:
                    work, pending = call._take_work()
                    await pending._complete_with(work)
                    if time.monotonic() > turn_ends:  # it may have waited for nothing, as a denial
                        await anyio.lowlevel.checkpoint()
                        turn_ends = time.monotonic() + host_slice
                await waiter.wait()
                _poll(call, linked)
            elif linked._holds_loop:
                await call.poll_in_thread()
            elif state is CallState.SERVED or slices < slices_before_thread:
                slices += state is CallState.READY
                await anyio.lowlevel.checkpoint()
                _poll(call, linked)
            else:
                await call.poll_in_thread()
    except BaseException:
        call.cancel()
        raise


def _poll(call: Call, linked: LinkedComponent) -> None:
    if linked._holds_loop:
        return  # to a thread, which goes on once what it waited for is there
    began = time.thread_time()
    try:
        call.poll()
    finally:
        linked._holds_loop = time.thread_time() - began > _HOLD
