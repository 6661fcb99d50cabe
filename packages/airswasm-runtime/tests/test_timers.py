"""Timers on trio's autojump clock: hours pass in milliseconds."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
import trio.testing
from airswasm.runtime import Timers

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture
async def timers():
    timers = Timers()
    async with anyio.create_task_group() as group:
        group.start_soon(timers.run)
        await anyio.lowlevel.checkpoint()
        yield timers
        group.cancel_scope.cancel()


async def test_timers_fire_in_order_of_their_deadlines(timers):
    """Whatever order they were set in; equal deadlines keep that order."""
    fired = []
    for seconds in (3600, 1, 60, 1):
        timers.after(seconds, lambda s=seconds: fired.append((s, anyio.current_time())))
    started = anyio.current_time()
    await anyio.sleep(7200)
    assert [s for s, _ in fired] == [1, 1, 60, 3600]
    assert [at - started for _, at in fired] == pytest.approx([1, 1, 60, 3600])


async def test_an_earlier_timer_wakes_the_task_early(timers):
    """A timer set while the task sleeps for a later one still fires on time."""
    fired = []
    timers.after(1000, lambda: fired.append("late"))
    await anyio.sleep(1)
    timers.after(5, lambda: fired.append("early"))
    await anyio.sleep(10)
    assert fired == ["early"]


async def test_a_cancelled_timer_never_fires(timers):
    """Cancelling twice, or after it fired, is fine."""
    fired = []
    timer = timers.after(1, lambda: fired.append("no"))
    timer.cancel()
    timer.cancel()
    done = timers.after(1, lambda: fired.append("yes"))
    await anyio.sleep(2)
    done.cancel()
    assert fired == ["yes"]
    assert len(timers) == 0


async def test_cancelled_timers_do_not_pile_up(timers):
    """A deadline set and cancelled for each of many calls leaves a small heap."""
    timers.after(10, lambda: None)
    for _ in range(10_000):
        timers.after(3600, lambda: None).cancel()
    assert len(timers._heap) < 200
    assert len(timers) == 1


async def test_a_callback_may_set_and_cancel_timers(timers):
    """Timers set from a callback, due at once, fire too; cancelled ones do not."""
    fired = []
    victim = timers.after(2, lambda: fired.append("victim"))

    def first() -> None:
        victim.cancel()
        timers.after(0, lambda: fired.append("nested"))

    timers.after(1, first)
    await anyio.sleep(5)
    assert fired == ["nested"]
