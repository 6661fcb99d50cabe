"""The ratios that airswasm-monitoring promises.

A look at a hundred actors against reading their attributes, and the figures against what
prometheus_client takes for as many.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from airswasm.actor import ActorSystem
from airswasm.monitoring import ComponentSample, Metrics, Monitor, Snapshot
from paired import Promise, Promises, Work, times
from prometheus_client import CollectorRegistry, Gauge, generate_latest

COMPONENTS = 100
FIGURES = 16


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:  # noqa: ARG001
    """Give the promises."""
    names = [f"bench/n{number}" for number in range(COMPONENTS)]
    async with ActorSystem() as system:
        for name in names:
            system.spawn(lambda *_: None, name=name)
        monitor = Monitor(system)
        samples = tuple(ComponentSample(name, "running", 0.0, handled=7) for name in names)
        metrics = Metrics(lambda: Snapshot(1.0, samples))
        registry = _peer(names)
        known = [{"name": name, "size": 0, "age": 0.0, "handled": 7} for name in names]

        def look() -> list[tuple[object, ...]]:
            return [
                tuple(each[key] for key in ("name", "size", "age", "handled")) for each in known
            ]

        def work(call: object) -> Work:
            return Work(times(call), time.thread_time)  # type: ignore[arg-type]

        looking = work(look)
        yield {
            "snapshot": Promise(work(monitor.snapshot), looking),
            "health": Promise(work(monitor.health), looking),
            "render": Promise(work(metrics.render), work(lambda: generate_latest(registry))),
        }
        monitor.close()


def _peer(names: list[str]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    for number in range(FIGURES):
        gauge = Gauge(f"bench_{number}", "A figure.", ["component"], registry=registry)
        for name in names:
            gauge.labels(name).set(7)
    return registry
