"""Cancels that no scope knows: `asyncio.wait_for`, `asyncio.timeout`, `Task.cancel`, Ctrl-C.

anyio's scopes shield the wait for a worker thread; these do not. A call that a thread still polls
must not be dropped meanwhile: that ends the process.
"""

import asyncio
import contextlib
import threading
import time

import pytest
from airswasm.runtime import Caller, InstanceClosed, Limits
from airswasm.runtime._calls.stint import Stint

pytestmark = pytest.mark.anyio

FOR_EVER = 2**62


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def by_wait_for(work, seconds):
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(work, seconds)


async def by_timeout(work, seconds):
    with contextlib.suppress(asyncio.TimeoutError):
        async with asyncio.timeout(seconds):
            await work


async def by_cancel(work, seconds):
    task = asyncio.ensure_future(work)
    await asyncio.sleep(seconds)
    task.cancel()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


WAYS = [by_wait_for, by_timeout, by_cancel]


@pytest.fixture
async def linked(engine, probe_wasm, probe_host):
    return (await engine.load(probe_wasm)).link([probe_host])


async def spinning(linked):
    limits = Limits(fuel=2**60, timeout=600)
    return await linked.instantiate(caller=Caller("test/probe"), limits=limits)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.004, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12])
async def test_a_cancelled_call_ends_its_guest_and_nothing_else(linked, way, seconds):
    """At whatever moment: before the call has begun, in a slice on the loop, or on a thread."""
    other = await spinning(linked)
    for _ in range(3):
        guest = await spinning(linked)
        await way(guest.call("#spin", FOR_EVER), seconds)
        with contextlib.suppress(InstanceClosed):  # unless the call had not begun
            assert await guest.call("#add", 1, 2) == 3
        assert await other.call("#add", 1, 2) == 3


@pytest.mark.parametrize("way", WAYS)
async def test_calls_that_wait_for_a_thread_end_too(linked, way):
    """More guests compute than there are threads: some are cancelled before they have one."""
    guests = [await spinning(linked) for _ in range(12)]
    await asyncio.gather(*(way(each.call("#spin", FOR_EVER), 0.1) for each in guests))
    other = await spinning(linked)
    assert await other.call("#add", 1, 2) == 3


async def test_an_engine_closes_while_its_callers_are_cancelled(config, probe_wasm, probe_host):
    """The engine's memory is given back when no thread uses it any more."""
    from airswasm.runtime import Engine

    async def host():
        async with Engine(config) as engine:
            linked = (await engine.load(probe_wasm)).link([probe_host])
            await (await spinning(linked)).call("#spin", FOR_EVER)

    for seconds in (0.05, 0.1, 0.15):
        await by_cancel(host(), seconds)


def test_a_stint_that_was_abandoned_before_its_thread_had_it_does_nothing():
    """The pool of threads may come to it later."""
    worked = []
    stint = Stint(lambda _: bool(worked.append(True)))
    stint.abandon()
    assert not stint.run()
    assert not worked


def test_who_abandons_a_stint_waits_for_its_thread():
    """It is told, and what it has done counts."""
    begun, seen = threading.Event(), []

    def work(stint):
        begun.set()
        while not stint.is_abandoned:
            time.sleep(0.001)
        seen.append("stopped")
        return True

    stint = Stint(work)
    thread = threading.Thread(target=stint.run)
    thread.start()
    begun.wait()
    stint.abandon()
    assert seen == ["stopped"]
    assert stint.is_over
    thread.join()
