"""The readiness of sockets, which guests wait for.

Asking is one system call; waiting is one task for each socket and direction, however many guests
and pollables wait for it, and it outlives a wait: a guest that polls in a loop starts no task each
time. A guest that holds an idle connection and waits for nothing has none.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from airswasm.runtime import Engine
from airswasm.runtime.wasi import Always, Pollable

__all__ = ("Readiness", "Whichever")

Unwatch = Callable[[], None]
_HAS_POLL = hasattr(select, "poll")


class Readiness:
    """Ready when a socket can be read, or written; and when it is closed.

    Args:
        engine: Runs the task that waits.
        plain: The socket.
        writes: Whether to wait for room to write.
        delay: Returns the seconds until the component may move bytes again.
    """

    __slots__ = ("_delay", "_engine", "_is_waiting", "_plain", "_poll", "_watchers", "_writes")

    def __init__(
        self,
        engine: Engine,
        plain: socket.socket,
        *,
        writes: bool = False,
        delay: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._engine = engine
        self._plain = plain
        self._writes = writes
        self._delay = delay
        self._watchers: dict[object, Callable[[], None]] = {}
        self._is_waiting = False
        self._poll: Callable[[], object] | None = None

    def is_ready(self) -> bool:
        """Return whether an operation would end at once, with bytes or with an error."""
        if self._plain.fileno() < 0:
            return True
        if self._delay() > 0:
            return False
        if self._poll is None:
            self._poll = _poller(self._plain, writes=self._writes)
        return bool(self._poll())

    def watch(self, wake: Callable[[], None]) -> Unwatch:
        """Call `wake` each time that the socket may be ready."""
        if self._plain.fileno() < 0:
            return Always().watch(wake)
        key = object()
        self._watchers[key] = wake
        if not self._is_waiting:
            self._is_waiting = True
            self._engine.start(self._wait())
        return partial(self._watchers.pop, key, None)  # type: ignore[return-value]

    async def _wait(self) -> None:
        wait: Callable[[socket.socket], Awaitable[None]] = (
            anyio.wait_writable if self._writes else anyio.wait_readable
        )
        try:
            while self._watchers:
                delay = self._delay()
                if delay > 0:
                    await anyio.sleep(delay)
                else:
                    await _until(wait, self._plain)
                for wake in list(self._watchers.values()):
                    wake()
                if self._plain.fileno() < 0:
                    break
        finally:
            self._is_waiting = False


class Whichever:
    """Ready as the pollable is that a function returns: a socket waits for one thing at a time."""

    __slots__ = ("_now",)

    def __init__(self, now: Callable[[], Pollable]) -> None:
        self._now = now

    def is_ready(self) -> bool:
        """Return whether the present one is ready."""
        return self._now().is_ready()

    def watch(self, wake: Callable[[], None]) -> Unwatch:
        """Watch the present one."""
        return self._now().watch(wake)


async def _until(wait: Callable[[socket.socket], Awaitable[None]], plain: socket.socket) -> None:
    """Wait, or until the socket is closed."""
    try:
        await wait(plain)
    except (anyio.ClosedResourceError, OSError, ValueError):
        if plain.fileno() >= 0:
            raise


def _poller(plain: socket.socket, *, writes: bool) -> Callable[[], object]:
    if _HAS_POLL:
        poll = select.poll()
        poll.register(plain, select.POLLOUT if writes else select.POLLIN)
        return partial(poll.poll, 0)
    reading, writing = ([], [plain]) if writes else ([plain], [])
    return lambda: any(select.select(reading, writing, [plain], 0))
