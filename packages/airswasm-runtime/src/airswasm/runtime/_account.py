"""The bytes that the host keeps on behalf of its guests: one account for each instance.

A guest's own memory has a limit that the engine holds. What it makes the host keep (bodies,
headers, handles, answers) has one here: each byte is taken from the account before the host
keeps it, and given back with the object that held it. What does not fit is refused with the
error that the function has for it; where it has none, the guest ends with
`HostMemoryExceeded`.

All accounts of an engine draw on one `HostMemory`. While there is plenty they do not feel
it. Once it is nearly used up an account gets more only as long as it holds less than its
share: those that hold most are the first to be refused, and the others go on.

Rejected: counting what Python allocates (tracemalloc makes everything three times as slow),
and a limit for each kind of thing (a guest then gets the sum of them all).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

from ._limits import KIB, MIB
from .errors import AccountExceeded

__all__ = ("Account", "HostMemory", "HostSettings", "Holding")

HANDLE_BYTES = 256
"""Of a handle: the entry in the table, and a small object behind it."""

OBJECT_BYTES = 512
"""Of an object with a few fields: a request, headers without entries, a subscription."""

_SCARCE = 7 / 8
_LEAST_BYTES = 64 * MIB
_SHARE = 4
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """The bytes that all components together may make the host keep.

    Attributes:
        memory_bytes: Bytes beside the components' own memories: bodies, headers, handles,
            answers. 0 stands for a quarter of the machine's memory, or of the control group's.
    """

    memory_bytes: int = 0

    def __post_init__(self) -> None:
        if self.memory_bytes < 0:
            raise ValueError("memory_bytes must not be negative")


class HostMemory:
    """The budget of one engine.

    Args:
        most_bytes: what all accounts together may hold; 0 for a quarter of the machine's.
    """

    def __init__(self, most_bytes: int = 0) -> None:
        self.most_bytes: int = most_bytes or max(_LEAST_BYTES, machine_memory() // _SHARE)
        self.held_bytes: int = 0
        self.refused: int = 0
        self._accounts: WeakSet[Account] = WeakSet()

    def largest(self) -> Account | None:
        """Return the account that holds most."""
        return max(self._accounts, key=lambda each: each.held_bytes, default=None)

    def accounts(self) -> Iterator[Account]:
        """Iterate over the accounts that were opened and not closed yet."""
        return iter(list(self._accounts))

    def _open(self, account: Account) -> None:
        self._accounts.add(account)

    def _close(self, account: Account) -> None:
        self._accounts.discard(account)

    def _admits(self, account: Account, size_bytes: int) -> bool:
        after = self.held_bytes + size_bytes
        if after <= self.most_bytes * _SCARCE:
            return True
        share = self.most_bytes // max(1, len(self._accounts))
        if after <= self.most_bytes and account.kept_bytes + size_bytes <= share:
            return True
        self.refused += 1
        return False


class Account:
    """The bytes that the host keeps for one instance.

    Attributes:
        most_bytes: the limit, `Limits.host_memory_bytes`.
        kept_bytes: what is kept now, handles left out.
        peak_bytes: the most that was kept at once.
        refused: how many times there was no room.
        name: whose it is.
    """

    __slots__ = (
        "__weakref__",
        "_handles",
        "_host",
        "_is_closed",
        "kept_bytes",
        "most_bytes",
        "name",
        "peak_bytes",
        "refused",
    )

    def __init__(
        self,
        most_bytes: int,
        host: HostMemory | None = None,
        *,
        name: str = "",
        handles: Sized = (),
    ) -> None:
        self.name: str = name
        self.most_bytes: int = most_bytes
        self.kept_bytes: int = 0
        self.peak_bytes: int = 0
        self.refused: int = 0
        self._handles = handles
        self._host = host
        self._is_closed = False
        if host is not None:
            host._open(self)

    @property
    def held_bytes(self) -> int:
        """The bytes that are kept now, handles included."""
        return self.kept_bytes + HANDLE_BYTES * len(self._handles)

    @property
    def room_bytes(self) -> int:
        """The bytes that may still be kept."""
        return max(0, self.most_bytes - self.held_bytes)

    def take(self, size_bytes: int) -> None:
        """Count bytes that are about to be kept.

        Raises:
            AccountExceeded: there is no room for them, here or in the host; nothing is counted.
        """
        if size_bytes > self.room_bytes:
            self.refused += 1
            raise AccountExceeded(is_host=False)
        if self._host is not None and not self._is_closed:
            if not self._host._admits(self, size_bytes):
                self.refused += 1
                raise AccountExceeded(is_host=True)
            self._host.held_bytes += size_bytes
        self.kept_bytes += size_bytes
        self.peak_bytes = max(self.peak_bytes, self.kept_bytes)

    def give(self, size_bytes: int) -> None:
        """Count bytes that are kept no longer."""
        self.kept_bytes -= size_bytes
        if self._host is not None and not self._is_closed:
            self._host.held_bytes -= size_bytes

    def hold(self, size_bytes: int = 0) -> Holding:
        """Take bytes for an object that keeps the holding; they are given back with it.

        Raises:
            AccountExceeded: as `take`.
        """
        self.take(size_bytes)
        return Holding(self, size_bytes)

    def close(self) -> None:
        """Give all back to the host: the instance has ended, and what it held goes with it."""
        if not self._is_closed and self._host is not None:
            self._host.held_bytes -= self.kept_bytes
            self._host._close(self)
        self._is_closed = True


class Holding:
    """Bytes of an account, given back with the last reference to this."""

    __slots__ = ("_account", "size_bytes")

    def __init__(self, account: Account, size_bytes: int) -> None:
        self._account = account
        self.size_bytes: int = size_bytes

    def __del__(self) -> None:
        self._account.give(self.size_bytes)

    @property
    def room_bytes(self) -> int:
        """The bytes that may still be kept."""
        return self._account.room_bytes

    def resize(self, size_bytes: int) -> None:
        """Hold that much from now on.

        Raises:
            AccountExceeded: there is no room for the difference; nothing has changed.
        """
        if size_bytes > self.size_bytes:
            self._account.take(size_bytes - self.size_bytes)
        else:
            self._account.give(self.size_bytes - size_bytes)
        self.size_bytes = size_bytes


def machine_memory() -> int:
    """Return the bytes of memory that this process may count on: the control group's, if less."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        found = 4096 * MIB
    for path in _CGROUP_LIMITS:
        try:
            found = min(found, int(Path(path).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return max(found, 64 * KIB * KIB)
