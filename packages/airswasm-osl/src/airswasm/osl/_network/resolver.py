"""Names resolved by the operating system, on threads.

The system's resolver cannot be cancelled: a name whose server does not answer keeps its thread for
as long as the system waits, some 30 seconds. So each component has a few threads at most, and those
that it no longer waits for count until they end.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

import anyio
import anyio.to_thread

from ..errors import LimitReached

__all__ = ("Resolver",)

_THREADS_EACH = 4
_THREADS = 64


class Resolver:
    """Resolves names for all components of one host."""

    def __init__(self) -> None:
        self._running: dict[str, set[object]] = {}
        self._limiter: anyio.CapacityLimiter | None = None

    async def find(self, component: str, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a name; a cancel leaves the thread to end by itself.

        Raises:
            OSError: The name is unknown.
            LimitReached: The component's look-ups of before have not ended yet.
        """
        mine = self._running.setdefault(component, set())
        if len(mine) >= _THREADS_EACH:
            raise LimitReached(
                f"{host}: {_THREADS_EACH} look-ups of {component} have not ended yet"
            )
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_THREADS)
        lookup = _Lookup(mine, host, port)
        try:
            return await anyio.to_thread.run_sync(
                lookup.run, abandon_on_cancel=True, limiter=self._limiter
            )
        finally:
            if not lookup.has_begun:
                mine.discard(lookup)
            if not mine:
                self._running.pop(component, None)


class _Lookup:
    """One look-up, counted until its thread ends."""

    def __init__(self, running: set[object], host: str, port: int) -> None:
        self.has_begun = False
        self._running = running
        self._host = host
        self._port = port
        running.add(self)

    def run(self) -> Sequence[str]:
        """Ask the system, on a thread."""
        self.has_begun = True
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        finally:
            self._running.discard(self)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))
