"""Threads take shorter turns while guests compute, and the usual ones afterwards."""

import sys

import anyio
import pytest
from airswasm.runtime import Caller, Engine, EngineConfig, Limits
from airswasm.runtime._process.switch_interval import SWITCH_INTERVAL, ShortSwitches
from airswasm.runtime._settings import EngineSettings


@pytest.fixture(autouse=True)
def usual():
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    yield
    sys.setswitchinterval(before)


def test_turns_are_short_until_the_last_one_leaves():
    switches = ShortSwitches()
    with switches, switches:
        assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
        with switches:
            pass
        assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    assert sys.getswitchinterval() == pytest.approx(0.004)


def test_turns_that_are_shorter_already_stay():
    sys.setswitchinterval(0.00005)
    chosen = sys.getswitchinterval()
    for _ in range(3):
        with ShortSwitches():
            assert sys.getswitchinterval() == chosen
    assert sys.getswitchinterval() == chosen


def test_what_the_program_sets_meanwhile_stays():
    with ShortSwitches():
        sys.setswitchinterval(0.002)
    assert sys.getswitchinterval() == pytest.approx(0.002)


def test_turns_are_shorter_than_a_guest_s_slice():
    """The loop lets go of the lock once in each slice: a longer wait would begin anew for ever."""
    assert EngineConfig().host_slice >= 2 * SWITCH_INTERVAL
    with pytest.raises(ValueError, match="host_slice must be at least"):
        EngineSettings(host_slice=0.00015)
    assert EngineSettings(host_slice=0.00015, short_switches=False).host_slice == 0.00015


@pytest.mark.anyio
async def test_a_host_has_them_while_it_is_open():
    async with Engine(EngineConfig(short_switches=True)):
        assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
        async with Engine():
            pass
        assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    assert sys.getswitchinterval() == pytest.approx(0.004)


@pytest.mark.anyio
async def test_a_computing_guest_shortens_them(engine, probe_wasm, probe_host):
    instance = (
        await (await engine.load(probe_wasm))
        .link([probe_host])
        .instantiate(caller=Caller("test/probe"), limits=Limits(fuel=2**60))
    )
    seen = []

    async def watch():
        while True:
            seen.append(sys.getswitchinterval())
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await instance.call("#spin", 500_000_000)
        group.cancel_scope.cancel()
    assert min(seen) == pytest.approx(SWITCH_INTERVAL)
    assert sys.getswitchinterval() == pytest.approx(0.004)
