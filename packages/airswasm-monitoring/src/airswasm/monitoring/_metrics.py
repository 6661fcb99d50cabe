"""Turn the figures of a snapshot into Prometheus' formats.

This is a collector for a registry of its own, so that two hosts in one process do not share the
global one. Each scrape reads all figures anew.

A scrape reads the figures on the event loop, in portions between which messages are handled. To sum
them up and write them down takes several times as long and is a worker thread's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from threading import Lock
from typing import TypeVar

import anyio
import anyio.to_thread
from airswasm.actor import Receipt
from airswasm.runtime import Meters
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from ._alerts.history import Sample
from ._exposition import write_families
from ._families import Exemplars, Families, Metered, exemplars_of
from ._series import OTHER
from ._snapshot import Snapshot

__all__ = ("OTHER", "Metrics")

T = TypeVar("T")


class Metrics(Collector):
    """A registry with one collector over `take`, which makes a snapshot.

    Args:
        take: Makes the snapshot of this moment.
        look: Makes one while other tasks go on, for `scrape`; None for `take`.
        series_limit: Components with figures of their own; the others are added up.
        histogram_limit: Components with histograms of their own.
        meters: The figures of other blocks.
        receipts: Those of messages that were traced, for exemplars.

    Raises:
        ValueError: A block's metric has the name of one of this block's.
    """

    def __init__(
        self,
        take: Callable[[], Snapshot],
        *,
        look: Callable[[], Awaitable[Snapshot]] | None = None,
        series_limit: int = 1000,
        histogram_limit: int = 100,
        meters: Meters | None = None,
        receipts: Callable[[], Iterable[Receipt]] = tuple,
    ) -> None:
        self._take, self._look, self._receipts = take, look, receipts
        self._families = Families(
            meters or Meters(), series_limit=series_limit, histogram_limit=histogram_limit
        )
        self._summing = Lock()
        self._collections = 0
        self._limiter: anyio.CapacityLimiter | None = None
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def limit_series(self, series: int, histograms: int) -> None:
        """Give so many components figures of their own, and histograms, from now on."""
        self._families.limit_series(series, histograms)

    def render(self) -> bytes:
        """Return all figures of this moment in Prometheus' text format, UTF-8."""
        return write_families(self.collect())

    async def scrape(self, *, is_openmetrics: bool = False) -> bytes:
        """Return all figures of this moment; other tasks go on meanwhile.

        Args:
            is_openmetrics: Whether in the format OpenMetrics, with exemplars, instead of
                Prometheus' text format.
        """
        exemplars: Exemplars = exemplars_of(self._receipts()) if is_openmetrics else {}
        write = partial(write_families, is_openmetrics=is_openmetrics)
        return await self._collected(write, exemplars)

    async def samples(self, names: Iterable[str]) -> list[Sample]:
        """Return the present samples of some metrics; other tasks go on meanwhile.

        Args:
            names: As they are in a scrape: `airswasm_component_restarts_total`.
        """
        wanted = frozenset(names)
        return await self._collected(lambda families: _samples(families, wanted))

    async def _collected(
        self, use: Callable[[tuple[Family, ...]], T], exemplars: Exemplars | None = None
    ) -> T:
        self._limiter = self._limiter or anyio.CapacityLimiter(1)
        async with self._limiter:  # an older look must not be summed up after a newer one
            while True:
                before = self._collections
                snapshot = await self._look() if self._look else self._take()
                metered = self._families.metered()
                sum_up = partial(self._used, use, snapshot, metered, exemplars or {}, before)
                found = await anyio.to_thread.run_sync(sum_up)
                if found is not None:
                    return found

    def _used(
        self,
        use: Callable[[tuple[Family, ...]], T],
        snapshot: Snapshot,
        metered: Metered,
        exemplars: Exemplars,
        before: int,
    ) -> T | None:
        """Return what is made of the families; None if `collect` has looked later than this."""
        with self._summing:
            if self._collections != before:
                return None
            families = tuple(self._families.of(snapshot, metered, exemplars))
        return use(families)

    def describe(self) -> Iterable[Family]:
        """Return nothing: only a collection knows the families."""
        return ()

    def collect(self) -> Iterable[Family]:
        """Return the metric families of this moment."""
        with self._summing:
            self._collections += 1
            return tuple(self._families.of(self._take(), self._families.metered()))


def _samples(families: Iterable[Family], wanted: frozenset[str]) -> list[Sample]:
    return [
        (sample.name, tuple(sorted(sample.labels.items())), float(sample.value))
        for family in families
        if any(name.startswith(family.name) for name in wanted)
        for sample in family.samples
        if sample.name in wanted
    ]
