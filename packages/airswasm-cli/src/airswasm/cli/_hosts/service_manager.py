"""Tell a service manager how the host does: systemd's `sd_notify`, and its watchdog.

The protocol is one datagram of `KEY=value` lines to the socket that `NOTIFY_SOCKET` names, so no
library is needed. A manager that does not answer, or is gone, never holds the host up.

The watchdog is fed from the event loop, and only while actors that wait for a turn get one: a loop
that is held, and a dispatcher that has stopped, both miss it, and the manager restarts the host.
Rejected: a thread that feeds it, which would go on beside a loop that is held for good.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from airswasm.lifecycle import System

__all__ = ("ServiceManager", "is_making_progress")

_PATIENCE_SECONDS = 30.0
"""For which a manager is asked to wait longer each time that the start has come further."""
_LOOK_SECONDS = 0.5
_TELLING_SECONDS = 0.5
"""For which the host waits until a busy manager has room for what it must not miss."""


class ServiceManager:
    """The service manager that started this process; without one, nothing is told.

    Args:
        environment: Its variables are taken out, so that no child process speaks for the host.
        pid: The id of this process.
    """

    def __init__(self, environment: MutableMapping[str, str], pid: int) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        watched = environment.pop("WATCHDOG_PID", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if self._address and hasattr(socket, "AF_UNIX"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | _CLOEXEC)
        is_watched = microseconds.isdecimal() and watched in ("", str(pid))
        self.watchdog_seconds = int(microseconds) / 1e6 if is_watched and self._socket else 0.0
        """Seconds within which the watchdog is to be fed; 0 without one."""

    @property
    def is_there(self) -> bool:
        """Whether a manager wants to be told."""
        return self._socket is not None

    def tell(self, *lines: str, patience: float = 0.0) -> None:
        """Send one datagram; a manager that is gone, or too busy for so many seconds, misses it."""
        if self._socket is not None:
            self._socket.settimeout(patience)
            with suppress(OSError):
                self._socket.sendto("\n".join(lines).encode(), self._address)

    def ready(self, status: str) -> None:
        """Tell that the host is ready, for the first time or after a reload."""
        self.tell("READY=1", _status(status), patience=_TELLING_SECONDS)

    def reloading(self) -> None:
        """Tell that a reload begins; `ready` ends it."""
        now = time.monotonic_ns() // 1000
        self.tell("RELOADING=1", f"MONOTONIC_USEC={now}", patience=_TELLING_SECONDS)

    def stopping(self, status: str) -> None:
        """Tell that the host is about to end."""
        self.tell("STOPPING=1", _status(status), patience=_TELLING_SECONDS)

    def starting(self, status: str) -> None:
        """Tell that the start has come further, and ask for more time."""
        self.tell(f"EXTEND_TIMEOUT_USEC={int(_PATIENCE_SECONDS * 1e6)}", _status(status))

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    async def feed(self, is_alive: Callable[[], bool]) -> None:
        """Feed the watchdog at half of its time while `is_alive`, until cancelled."""
        while self.watchdog_seconds:
            if is_alive():
                self.tell("WATCHDOG=1")
            await anyio.sleep(self.watchdog_seconds / 2)

    async def tell_start(self, system: System) -> None:
        """Tell how far the start has come, until cancelled."""
        last = -1
        while self.is_there:
            status = system.status()
            waiting = sum(each.state == "starting" for each in status.components)
            if waiting != last:
                started = status.installed - waiting
                self.starting(f"starting: {started} of {status.installed} components")
            last = waiting
            await anyio.sleep(_LOOK_SECONDS)

    async def wait_ready(self, why_not: Callable[[], str]) -> None:
        """Return once the host is ready; until then tell why it is not."""
        told = ""
        while self.is_there and (reason := why_not()):
            if reason != told:
                self.tell(_status(f"not ready: {reason}"))
            told = reason
            await anyio.sleep(_LOOK_SECONDS)


def is_making_progress(system: System) -> Callable[[], bool]:
    """Return a function that tells whether actors that wait for a turn got one since its last call.

    An idle dispatcher counts as one that works.
    """
    from airswasm.actor import ActorSystem

    dispatcher = system.services.get(ActorSystem).dispatcher
    seen = -1

    def look() -> bool:
        nonlocal seen
        last, seen = seen, dispatcher.rounds
        return seen != last or not dispatcher.has_work

    return look


def find_manager() -> ServiceManager:
    """Return the manager of this process."""
    return ServiceManager(os.environ, os.getpid())


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:200]}"


_CLOEXEC: int = getattr(socket, "SOCK_CLOEXEC", 0)
