"""The use of a component: what its calls cost, by export and by host function.

A `Usage` belongs to the embedder and outlives instances, so that its sums go on when a component
is restarted or updated. An instance without one measures nothing; one that has it adds to sums
that are there already. Per call and host call that takes a look at the clock and a few additions,
and makes no object.

The account of one single call (`CallUse`) is made on demand: `Call.itemize` before the first
poll, or `Call.itemize_in_order`, and `Call.use` after the end.

A histogram remembers the bucket of the value before: most values fall into the same, and are
counted with two comparisons. To search the bucket for each takes three times as long, which a
message to a small guest would feel.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = (
    "BOUNDS",
    "MOST_IN_ORDER",
    "CallUse",
    "FunctionUse",
    "Histogram",
    "HostCallTime",
    "HostCallUse",
    "Usage",
)

MOST_IN_ORDER = 128
"""Host calls of one call that are kept one by one: a guest may make millions."""

BOUNDS: tuple[float, ...] = (
    0.000_01, 0.000_025, 0.000_1, 0.000_25, 0.001, 0.002_5,
    0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0,
)  # fmt: skip
"""The upper bounds of the buckets, in seconds; one more bucket has what is above the last."""


class Histogram:
    """A distribution of times, in the buckets of `BOUNDS`.

    Attributes:
        seconds: the sum of all times.
    """

    __slots__ = ("_counts", "_high", "_index", "_low", "_same", "seconds")

    def __init__(self) -> None:
        self.seconds: float = 0.0
        self._counts = [0] * (len(BOUNDS) + 1)
        self._index, self._same = 0, 0
        self._low, self._high = -inf, BOUNDS[0]

    def add(self, seconds: float) -> None:
        """Count one time."""
        self.seconds += seconds
        if self._low < seconds <= self._high:
            self._same += 1
        else:
            self._move(seconds)

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of times in each bucket that are not in the one below it."""
        self._settle()
        return tuple(self._counts)

    def add_many(self, seconds: float, times: int) -> None:
        """Count one time, so many times."""
        if times:
            self._move(seconds)
            self._same = times
            self.seconds += seconds * times

    def merge(self, other: Histogram) -> None:
        """Count all times of another histogram, too."""
        self._settle()
        self.seconds += other.seconds
        self._counts = [a + b for a, b in zip(self._counts, other.counts, strict=True)]

    @property
    def total(self) -> int:
        """The number of times that were counted."""
        return sum(self._counts) + self._same

    def quantile(self, share: float) -> float:
        """Return the bound below which a share of the times lies: 0.99 for the slowest percent.

        0.0 when nothing was counted; infinite when it lies above the last bound.
        """
        left, counts = share * self.total, self.counts
        for bound, count in zip((*BOUNDS, inf), counts, strict=True):
            left -= count
            if left <= 0:
                return bound if sum(counts) else 0.0
        return inf

    def _settle(self) -> None:
        self._counts[self._index] += self._same
        self._same = 0

    def _move(self, seconds: float) -> None:
        """Count from now on in the bucket of `seconds`."""
        self._settle()
        self._index = index = bisect_left(BOUNDS, seconds)
        self._low = BOUNDS[index - 1] if index else -inf
        self._high = BOUNDS[index] if index < len(BOUNDS) else inf
        self._same = 1


class FunctionUse(Histogram):
    """The calls of one function, an export or one of the host's, and their times.

    A time is that from the call's beginning to its end, with what it waited for.

    Attributes:
        fuel: fuel that they used: of an export with its host calls, of a host function what the
            guest was charged.
        faults: how many of them ended the instance.
        idle_seconds: the part of `seconds` in which an export waited.
    """

    __slots__ = ("faults", "fuel", "idle_seconds")

    def __init__(self) -> None:
        super().__init__()
        self.fuel: int = 0
        self.faults: int = 0
        self.idle_seconds: float = 0.0

    @property
    def busy_seconds(self) -> float:
        """The part of `seconds` in which the guest, or the host for it, was at work."""
        return self.seconds - self.idle_seconds


class Usage:
    """The use of one component, over all its instances.

    Give it to `LinkedComponent.instantiate`, or to `Instance.measure`.

    Attributes:
        exports: by path, such as `airswasm:component/handler@0.1.0#handle-message`; start code
            is `instantiation`.
        host: host functions by path.
        memory_peak_bytes: the largest linear memory that an instance had.
    """

    __slots__ = ("exports", "host", "memory_peak_bytes")

    def __init__(self) -> None:
        self.exports: dict[str, FunctionUse] = {}
        self.host: dict[str, FunctionUse] = {}
        self.memory_peak_bytes: int = 0

    @property
    def fuel(self) -> int:
        """The fuel of all calls."""
        return sum(each.fuel for each in self.exports.values())

    @property
    def busy_seconds(self) -> float:
        """The seconds in which a call was at work; two at once count twice."""
        return sum(each.busy_seconds for each in self.exports.values())

    def export(self, path: str) -> FunctionUse:
        """Return the sums of an exported function."""
        found = self.exports.get(path)
        if found is None:
            found = self.exports[path] = FunctionUse()
        return found

    def host_function(self, path: str) -> FunctionUse:
        """Return the sums of a host function."""
        found = self.host.get(path)
        if found is None:
            found = self.host[path] = FunctionUse()
        return found


@dataclass(frozen=True, slots=True)
class HostCallUse:
    """The calls of one host function within one call of the guest.

    Attributes:
        function: its path.
        calls: how many.
        seconds: how long they took, with what the guest waited for.
        fuel: fuel that they were charged.
    """

    function: str
    calls: int
    seconds: float
    fuel: int


@dataclass(frozen=True, slots=True)
class HostCallTime:
    """One call of a host function, in its place within one call of the guest.

    Attributes:
        function: its path.
        after_seconds: when it began, from the beginning of the guest's call.
        seconds: how long it took, with what the guest waited for.
        fuel: fuel that it was charged.
    """

    function: str
    after_seconds: float
    seconds: float
    fuel: int


@dataclass(frozen=True, slots=True)
class CallUse:
    """The use of one call of a guest.

    Attributes:
        function: the path of the export.
        fuel: its host calls included.
        seconds: from its beginning to its end.
        busy_seconds: the part of it in which the guest, or the host for it, was at work.
        memory_bytes: the linear memory after it, which is also the most that there was: it
            never shrinks. None for a component that cannot be asked.
        host_memory_bytes: what the host keeps for the instance after it.
        host_calls: by host function, in the order of their first calls.
        in_order: the first of them one by one, at most `MOST_IN_ORDER`; empty unless the call was
            asked for that.
    """

    function: str
    fuel: int
    seconds: float
    busy_seconds: float
    memory_bytes: int | None
    host_memory_bytes: int
    host_calls: tuple[HostCallUse, ...] = ()
    in_order: tuple[HostCallTime, ...] = ()


class Measurement:
    """The state of a measurement within a call that does not end at once, or is itemized.

    Attributes:
        busy: seconds of the slices that have ended.
        resumed_at: when the present slice began.
        called_at: when the host function that the guest waits for was called; 0.0 for none.
        owed: the charges of the call when that was called.
        items: calls, seconds and fuel by host function; None when they are not asked for.
        in_order: the first calls one by one: function, beginning, seconds and fuel; None likewise.
    """

    __slots__ = ("busy", "called_at", "in_order", "items", "owed", "resumed_at")

    def __init__(self, resumed_at: float) -> None:
        self.busy = 0.0
        self.resumed_at = resumed_at
        self.called_at = 0.0
        self.owed = 0
        self.items: dict[str, tuple[int, float, int]] | None = None
        self.in_order: list[tuple[str, float, float, int]] | None = None

    def leave(self, called_at: float, owed: int) -> None:
        """Note the host function that the guest is going to wait for."""
        self.called_at, self.owed = called_at, owed

    def end_slice(self, now: float) -> None:
        """Add a slice of the guest; one that a worker thread ran is added by the thread."""
        if self.resumed_at:
            self.busy += now - self.resumed_at
            self.resumed_at = 0.0

    def add(self, function: str, began: float, seconds: float, fuel: int) -> None:
        """Note a host call, if they are asked for."""
        if self.in_order is not None and len(self.in_order) < MOST_IN_ORDER:
            self.in_order.append((function, began, seconds, fuel))
        if self.items is not None:
            calls, so_far, used = self.items.get(function, (0, 0.0, 0))
            self.items[function] = calls + 1, so_far + seconds, used + fuel


def host_calls_in_order(
    noted: Sequence[tuple[str, float, float, int]] | None, started: float
) -> tuple[HostCallTime, ...]:
    """Return the first host calls of a call one by one, by their beginnings."""
    return tuple(
        HostCallTime(function, max(0.0, began - started), seconds, fuel)
        for function, began, seconds, fuel in sorted(noted or (), key=lambda each: each[1])
    )


def host_calls_of(items: Mapping[str, tuple[int, float, int]] | None) -> tuple[HostCallUse, ...]:
    """Return the host calls of a call."""
    return tuple(HostCallUse(function, *item) for function, item in (items or {}).items())
