"""Keep all components together within the host's memory: the one that takes most gives first.

Most is meant by weight (`limits.weight`), as with processor time: what a component takes is divided
by it. An operator who lets a component count ten times as much has said which one is to stay.

Accounts refuse by themselves what would exceed them, or their share once the host's budget is
nearly used up (`airswasm.runtime.HostMemory`). A component's own memory has no such door: it grows
inside the engine. So this looks once a second. While too much is taken, the component that takes
most drops its caches, and if that was not enough it ends and its supervisor starts it again. Its
mailbox and its stored data stay: what was acknowledged is not what takes the room.

What the components are known to take counts only as far as the process has really grown: ten
thousand memories of 4 MiB that their guests never touched take nothing. And growth that no
component accounts for ends none: memory that an allocator keeps is not theirs.

Rejected: the kernel's own choice (it ends the host, and with it all), and a limit on the address
space (an allocation then fails wherever it happens to be).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio
from airswasm.runtime import HostMemory

from ..errors import EndedForMemory

__all__ = ("Load", "Pressure", "Tenants", "resident_bytes")

_LOOK = 1.0
_FULL = 15 / 16
"""Beyond this part of the budget a component ends; from 7/8 on it gives what it can spare."""


@dataclass(frozen=True, slots=True)
class Load:
    """The bytes that one component takes.

    Attributes:
        name: The component.
        size_bytes: Its memory, and what the host keeps for it.
        weight: By which its size is divided where components are compared.
    """

    name: str
    size_bytes: int
    weight: float = 1.0

    @property
    def weighted_bytes(self) -> float:
        """The bytes for each unit of its weight."""
        return self.size_bytes / self.weight


class Tenants(Protocol):
    """Those who take memory."""

    def loads(self) -> Iterable[Load]:
        """Return what each component takes: its memory, and what the host keeps for it."""
        ...

    def ease(self, load: Load) -> None:
        """Let the component drop what it can do without."""
        ...

    def end(self, load: Load, error: EndedForMemory) -> None:
        """End its incarnation; the supervisor makes another."""
        ...


class Pressure:
    """Looks after the budget of one host.

    Attributes:
        ended: The components that it ended, so far.

    Args:
        memory: The budget.
        tenants: The components.
        resident: Returns the bytes of memory that the process takes now; None where that is
            unknown.
    """

    def __init__(
        self,
        memory: HostMemory,
        tenants: Tenants,
        resident: Callable[[], int | None] | None = None,
    ) -> None:
        self._memory, self._tenants = memory, tenants
        self._resident = resident or resident_bytes
        self._quiet = self._resident() or 0
        self._eased: set[str] = set()
        self.ended = 0

    async def run(self) -> None:
        """Look at each interval, until cancelled."""
        while True:
            await anyio.sleep(_LOOK)
            self.look()

    def look(self) -> None:
        """Measure, and let the component that takes most give way if too much is taken."""
        memory, resident = self._memory, self._resident()
        loads, grown = None, None
        if resident is not None:
            grown = max(0, resident - self._quiet)
            memory.guest_bytes = max(0, grown - memory.held_bytes)
        if grown is None or memory.is_scarce:  # to ask each component takes longer
            loads = list(self._tenants.loads())
            taken = sum(each.size_bytes for each in loads)
            known = taken if grown is None else min(taken, grown)
            memory.guest_bytes = max(0, known - memory.held_bytes)
        if loads and memory.is_scarce:
            self._press(loads)
        else:
            self._eased.clear()

    def _press(self, loads: Iterable[Load]) -> None:
        memory = self._memory
        largest = max(loads, key=lambda each: each.weighted_bytes)
        if largest.name not in self._eased:
            self._eased.add(largest.name)
            self._tenants.ease(largest)
        elif memory.taken_bytes > memory.most_bytes * _FULL:
            self._eased.discard(largest.name)
            self.ended += 1
            error = EndedForMemory(largest.name, largest.size_bytes, memory.most_bytes)
            self._tenants.end(largest, error)


def resident_bytes() -> int | None:
    """Return what this process takes of the machine's memory; None where that is unknown."""
    if sys.platform != "linux":
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):  # a container without /proc
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
