"""Keeps away from the kernel's limit on memory mappings (Linux: `vm.max_map_count`).

At that limit not only the next instance fails: giving memory back needs a
mapping too when it lies inside of a larger one, and the engine aborts the
process when that fails. So instances are refused a little before.

Counting costs up to 30 ms with 65,530 mappings, so it is done again only once
half of what was left may be used up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ..errors import HostExhausted

_RESERVE = 32  # one in so many is kept for the process itself and for growing memories
_RECOUNT = 0.1  # seconds, once there is no room
_LEAST_ADDRESS_BYTES = 384 * 2**20  # at 300 MiB a thread of an engine and a store crashed
_MAPPINGS = Path("/proc/self/maps")
_LIMIT = Path("/proc/sys/vm/max_map_count")


def mappings_of_process() -> tuple[int, int] | None:
    """Return the process's memory mappings and how many the kernel allows; None elsewhere."""
    try:
        with _MAPPINGS.open("rb", buffering=0) as file:
            number = sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 14), b""))
        return number, int(_LIMIT.read_text())
    except (OSError, ValueError):
        return None


class MappingGuard:
    """Refuses instances before the process runs out of mappings.

    Args:
        count: gives the mappings and their limit, as `mappings_of_process`.
    """

    def __init__(self, count: Callable[[], tuple[int, int] | None] = mappings_of_process) -> None:
        self._count = count
        self._left = 0  # mappings that may be used before the next count
        self._refused = 0.0
        self._refusal: tuple[str, str] | None = None

    def take(self, mappings: int, component: str) -> None:
        """Note an instance that may take so many mappings.

        Raises:
            HostExhausted: there is no room for it.
        """
        self._left -= mappings
        if self._left < 0:
            self._recount(mappings, component)

    def _recount(self, mappings: int, component: str) -> None:
        now = time.monotonic()
        if self._refusal and now - self._refused < _RECOUNT:
            raise HostExhausted(component, *self._refusal)
        self._refusal = None
        counted = self._count()
        if counted is None:
            self._left = 1 << 62  # no such limit here
            return
        number, limit = counted
        room = limit - limit // _RESERVE - number
        if room < mappings:
            self._refused, self._refusal = now, _refusal(number, limit)
            raise HostExhausted(component, *self._refusal)
        self._left = room // 2


def _refusal(number: int, limit: int) -> tuple[str, str]:
    return (
        f"this process has {number:,} memory mappings, and the kernel's vm.max_map_count "
        f"allows {limit:,}",
        "use EngineConfig.dense(), or raise the limit (sysctl -w vm.max_map_count=262144)",
    )


def why_no_memory() -> tuple[str, str]:
    """Say why the kernel gave no memory, and what gives more."""
    counted = mappings_of_process()
    if counted is not None and counted[0] > counted[1] - counted[1] // _RESERVE:
        return _refusal(*counted)
    allowed_bytes = address_space_limit()
    if allowed_bytes is not None:
        return (
            f"`ulimit -v` allows this process {allowed_bytes:,} bytes of address space",
            "start it with `ulimit -v unlimited` and bound its memory with a cgroup",
        )
    return "the operating system gives no more memory", "give the machine more memory"


def check_address_space() -> None:
    """Refuse to start where native code would end the process for want of address space.

    Raises:
        HostExhausted: `ulimit -v` allows less than an engine takes with its threads.
    """
    allowed_bytes = address_space_limit()
    if allowed_bytes is not None and allowed_bytes < _LEAST_ADDRESS_BYTES:
        raise HostExhausted("any component", *why_no_memory())


def address_space_limit() -> int | None:
    """Return the bytes of address space that this process may have; None without a limit."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft
