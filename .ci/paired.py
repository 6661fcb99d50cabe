"""Measures promises: what a piece of work costs as a multiple of another, in one process.

Both works are timed in processor time, in rounds of a few milliseconds that take turns, so that
whatever else the machine does meets both alike; a promise's ratio is the median over the pairs.
Wall clocks were rejected because they count the neighbours, and single long runs because a change
of the clock frequency or of the cache's tenants between the two runs looks like a slowdown. A
higher priority was rejected, because only root may have one: all who run the gate measure alike.

A block states its promises in `bench/promises.py`, as an async context manager `promises(folder)`
that gives a `Promise` for each name in `bench/budget.toml`.
"""

from __future__ import annotations

import gc
import importlib.util
import inspect
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

ROUND = 0.004
"""Seconds of processor time that a round is meant to take."""
PATIENCE = 1.5
"""Seconds of processor time for a promise, beyond which it gets fewer rounds."""
FEWEST = 7
"""Rounds that a promise gets however long they take."""
SLOWDOWN = float(os.environ.get("AIRSWASM_BENCH_SLOWDOWN", "0"))
"""Work added to each subject, as a share of its own: proves that the gate notices it."""


def nothing() -> None:
    """Leave the state between two rounds as it is."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something that can be done `count` times.

    Attributes:
        run: does it; may be async.
        clock: seconds of processor time: `time.thread_time` where other threads of the process
            are not part of the cost.
        count: how often in each round; 0 finds how often fits into `ROUND`.
        after: puts back what a round left, outside of the time; may be async.
    """

    run: Callable[[int], object]
    clock: Callable[[], float] = time.process_time
    count: int = 0
    after: Callable[[], object] = nothing


@dataclass(frozen=True, slots=True)
class Promise:
    """A subject whose cost is stated as a multiple of a base's."""

    subject: Work
    base: Work


Promises = Mapping[str, Promise]
GivePromises = Callable[[Path], AbstractAsyncContextManager[Promises]]


def times(call: Callable[[], object]) -> Callable[[int], None]:
    """Return a `run` that calls a plain function again and again."""

    def run(count: int) -> None:
        for _ in range(count):
            call()

    return run


async def measure(promises_file: Path, rounds: int) -> dict[str, float]:
    """Return the ratio of each promise of a block, from this process."""
    give = _load(promises_file)
    with tempfile.TemporaryDirectory() as folder:
        async with give(Path(folder)) as promises:
            gc.collect()
            gc.freeze()
            return {name: await _ratio(each, rounds) for name, each in promises.items()}


def _load(path: Path) -> GivePromises:
    spec = importlib.util.spec_from_file_location("promises", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    give: GivePromises = module.promises
    return give


async def _ratio(promise: Promise, rounds: int) -> float:
    """Return the median over pairs of rounds; which of the two comes first alternates."""
    subject = Fitted(promise.subject, await _fitting(promise.subject), SLOWDOWN)
    base = Fitted(promise.base, await _fitting(promise.base))
    ratios: list[float] = []
    spent = 0.0
    while len(ratios) < rounds and (spent < PATIENCE or len(ratios) < FEWEST):
        took = {}
        for each in (subject, base) if len(ratios) % 2 else (base, subject):
            took[each] = await _timed(each)
            spent += took[each] * each.count
        ratios.append(took[subject] / took[base])
    return statistics.median(ratios)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A work with its number for one round, and the share of its time that is added to it."""

    work: Work
    count: int
    slowdown: float = 0.0


async def _fitting(work: Work) -> int:
    """Return how often the work fits into a round. Measuring that warms it up, too."""
    if work.count:
        await _timed(Fitted(work, work.count))
        return work.count
    for count in (1, 3, 9):  # the first ones load, compile and fill caches
        await _timed(Fitted(work, count))
    count = 1
    while (seconds := await _timed(Fitted(work, count)) * count) < ROUND / 2:
        count = max(2 * count, int(count * ROUND / 2 / max(seconds, 1e-6)))
    return max(1, round(count * ROUND / seconds))


async def _timed(fitted: Fitted) -> float:
    """Return the processor seconds of one, from doing a round."""
    clock = fitted.work.clock
    start = clock()
    await _settled(fitted.work.run(fitted.count))
    seconds = clock() - start
    if fitted.slowdown:
        end = clock() + fitted.slowdown * seconds
        while clock() < end:
            pass
        seconds = clock() - start
    await _settled(fitted.work.after())
    return seconds / fitted.count


async def _settled(result: object) -> None:
    if inspect.isawaitable(result):
        await result
