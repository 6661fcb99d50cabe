"""The ratios that airswasm-monitoring promises.

A look at a hundred actors against reading their attributes, the figures against what
prometheus_client takes for as many, and messages that are traced against others.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from airswasm.actor import ActorRef, ActorSystem, ComponentActor, MailboxSpec
from airswasm.monitoring import (
    ComponentSample,
    Metrics,
    Monitor,
    Snapshot,
    Traces,
    TracingSettings,
)
from airswasm.runtime import Engine
from paired import Promise, Promises, Work, times
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from wasmtime import wat2wasm

COMPONENTS = 100
FIGURES = 16
ECHO = Path(__file__).parents[1] / "tests" / "echo.wat"
PAYLOAD = bytes(100)
BATCH = 100


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:  # noqa: ARG001
    """Give the promises."""
    names = [f"bench/n{number}" for number in range(COMPONENTS)]
    async with ActorSystem() as system, AsyncExitStack() as stack:
        for name in names:
            system.spawn(lambda *_: None, name=name)
        traced = await _traced(stack)
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
            **traced,
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


async def _traced(stack: AsyncExitStack) -> Promises:
    """Return what a message costs with metrics and traces, against one without."""
    engine = await stack.enter_async_context(Engine())
    wide = MailboxSpec(capacity=2 * BATCH, capacity_bytes=2**30)
    system = await stack.enter_async_context(ActorSystem(component_mailbox=wide, mailbox=wide))
    component = await engine.load(bytes(wat2wasm(ECHO.read_text())), name="bench/echo")
    guest = system.spawn(ComponentActor(component.link(), "bench/guest"), name="bench/guest")
    plain = system.spawn(lambda *_: None, name="bench/plain")
    await system.started(guest)

    off = TracingSettings(traces="off")
    traces = Traces(system, off)

    def delivering(ref: ActorRef, *, is_measured: bool, sample: float | None) -> Work:
        settings = off if sample is None else TracingSettings(sample=sample)

        async def deliver(count: int) -> None:
            reader = system.receipts.measure() if is_measured else None
            traces.hold_to(settings)
            for _ in range(0, count, BATCH):
                for _ in range(BATCH):
                    ref.tell(PAYLOAD)
                await ref.drain(60)
            traces.hold_to(off)
            if reader is not None:
                reader.cancel()

        return Work(deliver, time.thread_time, count=20 * BATCH)

    bare = delivering(guest, is_measured=False, sample=None)
    measured = delivering(guest, is_measured=True, sample=None)
    usual = delivering(guest, is_measured=True, sample=TracingSettings().sample)
    return {
        "all-on": Promise(usual, bare),
        "traced": Promise(usual, measured),
        "all-traced": Promise(delivering(guest, is_measured=True, sample=1.0), measured),
        "python-traced": Promise(
            delivering(plain, is_measured=True, sample=0.01),
            delivering(plain, is_measured=True, sample=None),
        ),
    }
