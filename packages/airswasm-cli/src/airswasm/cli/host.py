"""What verbs ask of a host, whether it runs or only lies on the disk.

Two things answer: `LocalHost`, a `System` in this process, and
`control_client.RemoteHost`, which asks the running host over its socket. Both
speak in documents (`document`), so a verb prints the same thing either way,
and the control server is nothing but a `LocalHost` with routes.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from airswasm.lifecycle import Package, System
from airswasm.lifecycle import InstallPlan

from .document import Document, mapping, to_json

__all__ = ("Ask", "Host", "LocalHost")

Ask = Callable[[Document], Awaitable[bool]]
"""Shows an install plan to whoever decides, and returns the decision."""


class Host(Protocol):
    """A home's components, running or not."""

    @property
    def is_online(self) -> bool:
        """Whether components run."""
        ...

    async def install(self, package: Package, ask: Ask) -> Document:
        """Installs a new component."""
        ...

    async def update(self, package: Package, ask: Ask) -> Document:
        """Switches to a newer version."""
        ...

    async def rollback(self, name: str, to: str | None) -> Document:
        """Goes back to a retained version."""
        ...

    async def uninstall(self, name: str, *, purge: bool) -> None:
        """Removes a component; with `purge` what it stored and logged, too."""
        ...

    async def send(self, name: str, payload: bytes, timeout: float) -> bytes | None:
        """Delivers a message and waits for the reply."""
        ...

    async def list(self) -> Sequence[Document]:
        """All installed components."""
        ...

    async def info(self, name: str) -> Document:
        """All that is known of one."""
        ...

    async def status(self) -> Document:
        """How the host and its components do."""
        ...

    def logs(self, name: str | None, *, recent: int, follow: bool) -> AsyncIterator[Document]:
        """Log lines; with `follow` without an end."""
        ...
