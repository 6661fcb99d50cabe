"""The bytes that the host keeps on behalf of its guests: one account for each instance.

A guest's own memory has a limit that the engine holds. What it makes the host keep (bodies,
headers, handles, answers) has one here: each byte is taken from the account before the host
keeps it, and given back with the object that held it. What does not fit is refused with the
error that the function has for it; where it has none, the guest ends with
`HostMemoryExceeded`.

All accounts of an engine draw on one `HostMemory`. While there is plenty they do not feel
it. Once it is nearly used up an account gets more only as long as it holds less than its
share: those that hold most are the first to be refused, and the others go on. Files and
sockets that are open are counted the same way: descriptors are what a process has least of.

Rejected: counting what Python allocates (tracemalloc makes everything three times as slow),
and a limit for each kind of thing (a guest then gets the sum of them all).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from weakref import WeakSet

from ._limits import KIB, MIB
from ._single import Single
from .errors import AccountExceeded

__all__ = ("Account", "HostMemory", "HostSettings", "Holding", "machine_descriptors")

HANDLE_BYTES = 256
"""Of a handle: the entry in the table, and a small object behind it."""

OBJECT_BYTES = 512
"""Of an object with a few fields: a request, headers without entries, a subscription."""

_SCARCE = 7 / 8
_LEAST_BYTES = 64 * MIB
_LEAST_DESCRIPTORS = 64
_SHARE = 2
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """The mode of a host, and the most that all its components together may take.

    Attributes:
        mode: `development` accepts unsigned packages, and grants them, and packages that are signed
            by a key of the home, everything but the forbidden list; `production` refuses that. Not
            set, it is production, but a new home that a person opens in a terminal gets
            `development` written down.
        memory_bytes: Bytes of the components' own memories and of what the host keeps for them:
            bodies, headers, handles, answers. 0 stands for half of the machine's memory, or of
            the control group's.
        descriptors: Files and sockets that components may hold open together; 0 stands for half
            of what the process may open.
        component_descriptors: Files and sockets that one component may hold open.
    """

    mode: Literal["", "development", "production"] = ""
    memory_bytes: int = 0
    descriptors: int = 0
    component_descriptors: int = 256

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "descriptors"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.component_descriptors < 1:
            raise ValueError("component_descriptors must be at least 1")


class HostMemory:
    """The budget of one engine.

    Attributes:
        most_bytes: what all components together may take.
        held_bytes: what all accounts together hold.
        guest_bytes: what the components take beside that, as their host has seen last.
        most_descriptors: files and sockets that may be open for them.
        held_descriptors: those that are.
        refused: how many times there was no room.

    Args:
        settings: the limits.
    """

    def __init__(self, settings: HostSettings | None = None) -> None:
        self.held_bytes: int = 0
        self.guest_bytes: int = 0
        self.held_descriptors: int = 0
        self.refused: int = 0
        self._accounts: WeakSet[Account] = WeakSet()
        self.hold_to(settings or HostSettings())

    def hold_to(self, settings: HostSettings) -> None:
        """Hold the components to other limits from now on; what they have, they keep."""
        share = max(_LEAST_BYTES, machine_memory() // _SHARE)
        self.most_bytes: int = settings.memory_bytes or share
        openable = max(_LEAST_DESCRIPTORS, machine_descriptors() // _SHARE)
        self.most_descriptors: int = settings.descriptors or openable
        self._each_descriptors = min(settings.component_descriptors, self.most_descriptors)

    @property
    def taken_bytes(self) -> int:
        """The bytes of the components' own memories and of what the host keeps for them."""
        return self.held_bytes + self.guest_bytes

    @property
    def is_scarce(self) -> bool:
        """Whether so much is taken that those who have most get no more."""
        return self.taken_bytes > self.most_bytes * _SCARCE

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
        self.held_bytes -= account.kept_bytes
        self.held_descriptors -= account.descriptors

    def _take(self, account: Account, size_bytes: int, descriptors: int) -> None:
        """Count it, or raise `AccountExceeded`."""
        taken, kept = self.taken_bytes + size_bytes, account.kept_bytes + size_bytes
        if size_bytes and not self._has_room(taken, kept, self.most_bytes):
            self.refused += 1
            raise AccountExceeded(is_host=True)
        if descriptors:
            mine, open_ = account.descriptors + descriptors, self.held_descriptors + descriptors
            if mine > self._each_descriptors:
                raise AccountExceeded(is_host=False, is_descriptors=True)
            if not self._has_room(open_, mine, self.most_descriptors):
                self.refused += 1
                raise AccountExceeded(is_host=True, is_descriptors=True)
        self._give(-size_bytes, -descriptors)

    def _give(self, size_bytes: int, descriptors: int) -> None:
        self.held_bytes -= size_bytes
        self.held_descriptors -= descriptors

    def _has_room(self, taken: int, mine: int, most: int) -> bool:
        if taken <= most * _SCARCE:
            return True
        return taken <= most and mine <= most // max(1, len(self._accounts))


class Account(Single):
    """The bytes that the host keeps for one instance.

    Attributes:
        most_bytes: the limit, `Limits.host_memory_bytes`.
        kept_bytes: what is kept now, handles left out.
        peak_bytes: the most that was kept at once.
        descriptors: files and sockets that are open now.
        refused: how many times there was no room.
        name: whose it is.
    """

    __slots__ = (
        "__weakref__",
        "_handles",
        "_host",
        "_is_closed",
        "descriptors",
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
        self.descriptors: int = 0
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

    def take(self, size_bytes: int, descriptors: int = 0) -> None:
        """Count bytes that are about to be kept, and files or sockets about to be opened.

        Raises:
            AccountExceeded: there is no room for them, here or in the host; nothing is counted.
        """
        try:
            if size_bytes > self.room_bytes:
                raise AccountExceeded(is_host=False)
            if self._host is not None and not self._is_closed:
                self._host._take(self, size_bytes, descriptors)
        except AccountExceeded:
            self.refused += 1
            raise
        self.kept_bytes += size_bytes
        self.descriptors += descriptors
        self.peak_bytes = max(self.peak_bytes, self.kept_bytes)

    def give(self, size_bytes: int, descriptors: int = 0) -> None:
        """Count what is kept, or open, no longer."""
        self.kept_bytes -= size_bytes
        self.descriptors -= descriptors
        if self._host is not None and not self._is_closed:
            self._host._give(size_bytes, descriptors)

    def hold(self, size_bytes: int = 0, *, descriptors: int = 0) -> Holding:
        """Take bytes for an object that keeps the holding; they are given back with it.

        Raises:
            AccountExceeded: as `take`.
        """
        self.take(size_bytes, descriptors)
        return Holding(self, size_bytes, descriptors)

    def close(self) -> None:
        """Give all back to the host: the instance has ended, and what it held goes with it."""
        if not self._is_closed and self._host is not None:
            self._host._close(self)
        self._is_closed = True


class Holding(Single):
    """Bytes, files and sockets of an account, given back with the last reference to this."""

    __slots__ = ("_account", "descriptors", "size_bytes")

    def __init__(self, account: Account, size_bytes: int, descriptors: int = 0) -> None:
        self._account = account
        self.size_bytes: int = size_bytes
        self.descriptors: int = descriptors

    def __del__(self) -> None:
        self.release()

    @property
    def room_bytes(self) -> int:
        """The bytes that may still be kept."""
        return self._account.room_bytes

    def release(self) -> None:
        """Give all back now. Doing so twice is harmless."""
        self._account.give(self.size_bytes, self.descriptors)
        self.size_bytes = self.descriptors = 0

    def resize(self, size_bytes: int) -> None:
        """Hold that many bytes from now on.

        Raises:
            AccountExceeded: there is no room for the difference; nothing has changed.
        """
        if size_bytes > self.size_bytes:
            self._account.take(size_bytes - self.size_bytes)
        else:
            self._account.give(self.size_bytes - size_bytes)
        self.size_bytes = size_bytes


def machine_descriptors() -> int:
    """Return how many files this process may open."""
    try:
        import resource
    except ImportError:  # Windows, where handles are not scarce
        return 8_192
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 65_536 if soft == resource.RLIM_INFINITY else soft


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
