"""Bound the connections of a host.

uvicorn waits without limit for the head of a request and accepts any number of connections: two
thousand silent ones hold as many descriptors, and exhaust the host's. So each listener has a
maximum. When it is reached, the connection that has been silent longest is closed; a connection in
a request is never closed for another. A head, and each further part of a body, must arrive within a
deadline.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .endpoint import peer_uid

__all__ = ("LocalConnection", "NetworkConnection", "most_connections")

_WAITS_FOR_HEAD = h11.IDLE
_WAITS_FOR_BODY = h11.SEND_BODY


def most_connections(wanted: int, share: int) -> int:
    """Return the maximum of connections: `wanted`, or a share of the descriptors.

    Args:
        wanted: The maximum if descriptors do not limit it.
        share: The connections take at most one in this many of the process's descriptors.
    """
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    except (ImportError, OSError):
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else max(4, min(wanted, soft // share))


class _BoundedConnection(H11Protocol):
    wanted: ClassVar[int]
    share: ClassVar[int]
    head_seconds: ClassVar[float]
    body_seconds: ClassVar[float]

    _watch: asyncio.TimerHandle | None = None
    _is_refused = False
    _waits_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection if the maximum allows, or after closing a silent one."""
        most = most_connections(self.wanted, self.share)
        if len(self.connections) >= most and not self._make_room():
            self._is_refused = True
            transport.abort()
            return
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was begun."""
        if not self._is_refused:
            self._stop_watching()
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on data that arrived in time."""
        if not self._is_refused:
            super().data_received(data)
            self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._look()

    def _make_room(self) -> bool:
        others = [cast("_BoundedConnection", each) for each in self.connections]
        silent = [each for each in others if each._waits_since is not None]
        if not silent:
            return False
        longest = min(silent, key=lambda each: each._waits_since or 0.0)
        longest._stop_watching()
        self.connections.discard(longest)
        longest.transport.abort()
        return True

    def _look(self) -> None:
        """Set the deadline for the next part."""
        state = self.conn.their_state
        if state is _WAITS_FOR_HEAD:
            if self._waits_since is None:  # one deadline for a head, however slowly it arrives
                self._stop_watching()
                self._waits_since = self.loop.time()
                self._watch = self.loop.call_later(self.head_seconds, self._end)
            return
        self._stop_watching()
        if state is _WAITS_FOR_BODY:
            self._watch = self.loop.call_later(self.body_seconds, self._end_unless_ours)

    def _end_unless_ours(self) -> None:
        """End the connection, unless the host itself has paused reading."""
        if self.flow.read_paused:
            self._look()
        else:
            self._end()

    def _end(self) -> None:
        self._stop_watching()
        self.transport.abort()

    def _stop_watching(self) -> None:
        watch, self._watch, self._waits_since = self._watch, None, None
        if watch is not None:
            watch.cancel()


class LocalConnection(_BoundedConnection):
    """A connection over the Unix socket, from the user's own processes."""

    wanted, share = 512, 2
    head_seconds = 30.0
    body_seconds = 120.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the user at the other end, in the place of an address."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        uid = peer_uid(connection) if connection is not None else None
        self.client = None if uid is None else (f"uid:{uid}", 0)


class NetworkConnection(_BoundedConnection):
    """A connection over TCP, from any user of this machine."""

    wanted, share = 64, 8
    head_seconds = 5.0
    body_seconds = 30.0
