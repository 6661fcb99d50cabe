"""Let only one version's code run while data changes hands.

An update that migrates, and a rollback with data, give a version other data than what is there.
From the moment at which the data counts, until the end or until it is put back, only that version's
incarnations may start, and no code of the other one may end in order either: `init` and `shutdown`
would see, and change, data that is not theirs. What would start meanwhile waits behind a
placeholder, whatever starts it.

Rejected: to lead each version's host functions to its own data. A block of a stranger keeps what it
keeps under a component's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import anyio

__all__ = ("Turns",)


class Turns:
    """The makers that alone may run under a name, and the starts that are under way."""

    def __init__(self) -> None:
        self._owners: dict[str, object] = {}
        self._starting = Counter[str]()
        self._started = anyio.Event()

    def allow(self, name: str, maker: object) -> bool:
        """Return whether what a maker makes may run under a name now."""
        return name not in self._owners or self._owners[name] is maker

    @contextmanager
    def given_to(self, name: str, maker: object) -> Generator[None]:
        """Let nothing but what this maker makes start, or stop in order, inside the block."""
        self._owners[name] = maker
        try:
            yield
        finally:
            del self._owners[name]

    @contextmanager
    def starting(self, name: str) -> Generator[None]:
        """Count a start as under way inside the block."""
        self._starting[name] += 1
        try:
            yield
        finally:
            self._starting[name] -= 1
            if not self._starting[name]:
                del self._starting[name]
                started, self._started = self._started, anyio.Event()
                started.set()

    async def wait_started(self, name: str) -> None:
        """Wait until no start of a name is under way, well or not."""
        while self._starting[name]:
            await self._started.wait()
